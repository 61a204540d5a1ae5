"""Two surveys in one frame: registered orthophotos, and the finer survey brought to the coarser one's GSD."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from segmentation_core.change.registration import Registration, register
from segmentation_core.change.uncertainty import SAME_GSD
from segmentation_core.errors import ParameterError, RegistrationError
from segmentation_core.operations.compare_inputs import Orthophotos
from segmentation_core.operations.vectorise import vectorise
from segmentation_core.progress import Progress
from segmentation_core.raster.checksum import file_sha256
from segmentation_core.raster.orthophoto import Orthophoto, open_orthophoto
from segmentation_core.sqlite_uri import sqlite_uri
from segmentation_core.statistics.vectorfile import open_vectors
from segmentation_core.survey.features import Target, write_features
from segmentation_core.survey.store import writing
from segmentation_core.survey.surveys import OrthophotoRecord, Survey
from segmentation_core.vectors.class_source import ClassSource, open_class_source
from segmentation_core.vectors.coarser import average_probabilities

__all__ = [
    "Registered",
    "at_one_gsd",
    "kept_probabilities",
    "missing_orthophotos",
    "opened_orthophoto",
    "register_surveys",
]

_LEAST_SHARED = 0.02
"""Pictures that share less of the smaller one's area are neighbours: what they share others show too."""

_PROBABILITY = "probability.tif"
_PLATE_STEP_PX = 24
"""Spacing of the places at which a bent mapping is worked out; between them it is interpolated."""

Move = Callable[[NDArray[np.object_]], NDArray[np.object_]]
Points = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Registered:
    """One orthophoto of the later survey on one of the earlier survey."""

    orth_a: str
    orth_b: str
    record_a: OrthophotoRecord
    record_b: OrthophotoRecord
    registration: Registration

    @property
    def moved(self) -> Move:
        """Bring geometries from B's map coordinates to A's."""
        from_map, to_map = ~Affine(*self.record_b.transform), Affine(*self.record_a.transform)
        mapped = _mapped(self.registration, self.record_b)

        def points(xy: NDArray[np.float64]) -> NDArray[np.float64]:
            placed: NDArray[np.float64] = _apply(to_map, mapped(_apply(from_map, xy)))
            return placed

        return lambda geometries: np.asarray(shapely.transform(geometries, points), dtype=object)

    @property
    def sigma_mm(self) -> tuple[float, float]:
        """Standard error per axis, mm."""
        gsd_mm = self.record_a.gsd_mm
        return self.registration.sigma_x_px * gsd_mm, self.registration.sigma_y_px * gsd_mm


def missing_orthophotos(orthophotos: Orthophotos) -> list[str]:
    """Return why orthophotos cannot be registered: files that are gone or were changed since."""
    found = []
    for _, record in orthophotos:
        path = Path(record.path)
        if not path.is_file():
            found.append(f"{path} is not there any more")
        elif file_sha256(path) != record.sha256:
            found.append(f"{path} was changed since the survey")
    return found


def register_surveys(
    before: Orthophotos, after: Orthophotos, progress: Progress
) -> tuple[list[Registered], list[str]]:
    """Register the orthophotos of the later survey on all those of the earlier one that they overlap.

    Returns
    -------
    list of Registered
        An orthophoto that shows what several earlier ones show is registered on each of them.
    list of str
        Notes on pictures, and pairs of them, that could not be registered: they are not compared.

    Raises
    ------
    RegistrationError
        No pair could be registered, for the reason of the first; or nothing is shown by both surveys.
    ParameterError
        Nothing says which pictures belong together.
    """
    found, notes, failures = [], [], []
    pairs = _matched(before, after)
    for (orth_a, record_a), (orth_b, record_b) in pairs:
        names = f"{Path(record_b.path).name} on {Path(record_a.path).name}"
        try:
            registration = _registered(record_a, record_b, progress)
        except RegistrationError as exc:
            failures.append(exc)
            notes.append(f"{names} could not be registered, and is not compared there: {exc.what}")
            continue
        found.append(Registered(orth_a, orth_b, record_a, record_b, registration))
    if not found:
        raise failures[0]
    placed = {orth_b for _, (orth_b, _) in pairs}
    notes += [
        f"{Path(record.path).name} shows nothing of the earlier survey's pictures, and is not compared"
        for orth_b, record in after
        if orth_b not in placed
    ]
    return found, notes


def at_one_gsd(
    book: Path,
    survey: Survey,
    orthophotos: Orthophotos,
    gsd_mm: float,
    work: Path,
    progress: Progress,
) -> tuple[Path | None, list[str]]:
    """Vectorise the finer orthophotos of a survey again at a coarser GSD, in a copy of the book.

    What a person touched stays as it is. The book itself is not changed.

    Parameters
    ----------
    book : Path
    survey : Survey
    orthophotos : list
        All of the survey.
    gsd_mm : float
        Of the coarser survey.
    work : Path
        Folder for what is temporary.

    Returns
    -------
    Path or None
        The copy; None where there is nothing to do.
    list of str
        Notes.
    """
    finer = [(o, r) for o, r in orthophotos if r.gsd_mm < gsd_mm * (1 - SAME_GSD)]
    kept = [(o, r) for o, r in finer if _probabilities(r) is not None]
    notes = [
        f"{Path(record.path).name} has {record.gsd_mm:.4g} mm per pixel against {gsd_mm:.4g} mm, and no "
        "probabilities were kept to average: the finer survey shows hairlines that the other cannot"
        for orth_id, record in finer
        if (orth_id, record) not in kept
    ]
    if not kept:
        return None, notes
    copy = work / "coarser.gpkg"
    with (
        closing(sqlite3.connect(sqlite_uri(book.resolve()), uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    for orth_id, record in kept:
        folder = work / orth_id
        folder.mkdir()
        vectors = folder / "vectors.gpkg"
        coarse = _coarser_vectors(record, gsd_mm, folder, vectors, progress)
        with open_vectors(vectors) as found, writing(copy) as opened:
            scope = f"{survey.uid}/{record.sha256}/{gsd_mm}"
            pixel_side = abs(coarse.determinant) ** 0.5
            write_features(
                opened, Target(survey.surv_id, orth_id, scope, pixel_side, survey.date), found, progress
            )
            opened.connection.execute(
                "UPDATE orthophoto SET gsd_mm = ?, transform = ? WHERE orth_id = ?",
                (gsd_mm, json.dumps(tuple(coarse)[:6]), orth_id),
            )
        notes.append(
            f"{Path(record.path).name} was averaged from {record.gsd_mm:.4g} to {gsd_mm:.4g} mm per pixel "
            "and vectorised again for this comparison"
        )
    return copy, notes


def _coarser_vectors(
    record: OrthophotoRecord, gsd_mm: float, folder: Path, out: Path, progress: Progress
) -> Affine:
    with opened_orthophoto(record) as photo:
        source = open_class_source(
            str(_probabilities(record)), thresholds=_thresholds(record), valid_mask_of=photo
        )
        averaged = folder / _PROBABILITY
        coarse = average_probabilities(source, gsd_mm, averaged)
    picture_gsd_mm = None if record.is_georeferenced else 1e3 * record.metres_per_unit
    vectorise(averaged, out, thresholds=source.thresholds, gsd_mm=picture_gsd_mm, progress=progress)
    return coarse.affine


def _probabilities(record: OrthophotoRecord) -> Path | None:
    """Return the probabilities that a survey kept."""
    kept = None if record.rasters is None else Path(record.rasters) / _PROBABILITY
    return kept if kept is not None and kept.is_file() else None


def kept_probabilities(record: OrthophotoRecord) -> ClassSource | None:
    """Return the probabilities that a survey kept, with its thresholds; None where it kept none.

    They say by themselves where they are valid; their orthophoto is only asked for their grid.
    """
    kept = _probabilities(record)
    if kept is None:
        return None
    with opened_orthophoto(record) as photo:
        found = open_class_source(kept, thresholds=_thresholds(record), valid_mask_of=photo)
    return replace(found, valid_mask_of=None)


def _damage_raster(record: OrthophotoRecord) -> Path | None:
    """Return the probabilities that a survey kept, or the class raster it was made from if unchanged."""
    if (kept := _probabilities(record)) is not None:
        return kept
    told = (record.run or {}).get("classes") or {}
    path = Path(str(told.get("path", "")))
    return path if path.is_file() and file_sha256(path) == told.get("sha256") else None


def _thresholds(record: OrthophotoRecord) -> dict[str, float] | None:
    found: dict[str, float] | None = ((record.run or {}).get("vectorise") or {}).get("thresholds")
    return found


def _registered(a: OrthophotoRecord, b: OrthophotoRecord, progress: Progress) -> Registration:
    with ExitStack() as stack:
        photo_a, photo_b = (stack.enter_context(opened_orthophoto(record)) for record in (a, b))
        return register(
            photo_a,
            photo_b,
            defects_a=_defects(a, photo_a),
            defects_b=_defects(b, photo_b),
            progress=progress,
        )


def opened_orthophoto(record: OrthophotoRecord) -> Orthophoto:
    """Open the orthophoto of a survey as the survey saw it."""
    unit_gsd_mm = None if record.is_georeferenced else 1e3 * record.metres_per_unit
    return open_orthophoto(record.path, gsd_mm=unit_gsd_mm, working_gsd_mm=record.gsd_mm)


def _defects(record: OrthophotoRecord, photo: Orthophoto) -> ClassSource | None:
    """Return the damage on an orthophoto, so that what changed does not pull at the registration."""
    kept = _damage_raster(record)
    if kept is None:
        return None
    return open_class_source(kept, thresholds=_thresholds(record), valid_mask_of=photo)


def _matched(before: Orthophotos, after: Orthophotos) -> list[tuple[Any, Any]]:
    """Return which pictures of the two surveys show the same ground, by their georeference."""
    if len(before) == len(after) == 1:
        return [(before[0], after[0])]
    if not all(record.is_georeferenced for _, record in (*before, *after)):
        if len(before) == 1:
            return [(before[0], b) for b in after]
        raise ParameterError(
            f"the surveys have {len(before)} and {len(after)} pictures without georeference: nothing says "
            "which belong together",
            remedy="Compare surveys of one picture each, in a book of their own",
        )
    pairs = []
    for b in after:
        outline = _outline(b[1])
        shared = [(a, shapely.area(shapely.intersection(_outline(a[1]), outline))) for a in before]
        least = [_LEAST_SHARED * min(_outline(a[1]).area, outline.area) for a in before]
        pairs += [(a, b) for (a, area), enough in zip(shared, least, strict=True) if area > enough]
    if not pairs:
        raise RegistrationError(
            "the orthophotos of the two surveys show no common ground",
            path=after[0][1].path,
            remedy="Compare surveys of the same element",
        )
    return pairs


def _mapped(registration: Registration, record_b: OrthophotoRecord) -> Points:
    """Return the mapping of B's pixels to A's; a bent one by cubic splines between places 24 px apart.

    A thin plate costs a microsecond per point and tie point: too much for millions of vertices. Between
    places it is followed to a hundredth of a pixel.
    """
    if registration.kind == "affine":
        return registration.to_a
    cols, rows = (
        np.arange(-_PLATE_STEP_PX, size + 2 * _PLATE_STEP_PX, _PLATE_STEP_PX, dtype=np.float64)
        for size in (record_b.width_px, record_b.height_px)
    )
    places = np.stack(np.meshgrid(cols, rows), axis=-1)
    bends = registration.to_a(places.reshape(-1, 2)).reshape(places.shape) - places
    splines = [RectBivariateSpline(rows, cols, bends[..., axis]) for axis in (0, 1)]

    def mapped(points_b: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = points_b[:, 0], points_b[:, 1]
        return np.column_stack((x + splines[0].ev(y, x), y + splines[1].ev(y, x)))

    return mapped


def _outline(record: OrthophotoRecord) -> Any:
    width, height = record.width_px, record.height_px
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float64)
    return shapely.Polygon(_apply(Affine(*record.transform), corners))


def _apply(affine: Affine, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, c, d, e, f = tuple(affine)[:6]
    return np.column_stack((a * xy[:, 0] + b * xy[:, 1] + c, d * xy[:, 0] + e * xy[:, 1] + f))
