"""The main job: an orthophoto, elements and a date into a survey book.

Everything that can be wrong with the inputs is found before the long work begins.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import shapely

from segmentation_core.errors import ParameterError
from segmentation_core.operations.vectorise import vectorise
from segmentation_core.progress import Progress, silent
from segmentation_core.raster.checksum import file_sha256
from segmentation_core.raster.grid import Grid
from segmentation_core.raster.orthophoto import Orthophoto, open_orthophoto
from segmentation_core.statistics.budget import budget_of
from segmentation_core.statistics.elements import (
    Elements,
    load_elements,
    load_exclusions,
    require_contact,
)
from segmentation_core.survey.entry import Entered, Entry, enter
from segmentation_core.survey.labels import checked_date, checked_name
from segmentation_core.survey.names import safe_name
from segmentation_core.survey.outlines import require_same_outlines
from segmentation_core.survey.store import check_book, reading, require_crs
from segmentation_core.survey.surveys import OrthophotoRecord, orthophotos_of, require_survey, surveys_of
from segmentation_core.vectors.class_source import open_class_source
from segmentation_core.vectors.settings import VectorSettings

__all__ = ["survey"]

PROBABILITY_RASTER = "probability.tif"
RUN_RECORD = "run.json"


def survey(  # noqa: PLR0913 - the command's options
    orthophoto: str | Path,
    book: str | Path,
    date: str,
    *,
    name: str | None = None,
    elements: str | Path | None = None,
    id_field: str | None = None,
    exclude: str | Path | None = None,
    model: str | Path | None = None,
    classes: str | Path | None = None,
    device: str = "auto",
    gsd_mm: float | None = None,
    working_gsd_mm: float | None = None,
    inside_elements: bool = False,
    discard_rasters: bool = False,
    thresholds: Mapping[str, float] | None = None,
    gsd_u_percent: float | None = None,
    max_crack_width_px: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Map an orthophoto and enter it into a survey book.

    Parameters
    ----------
    orthophoto : path-like
        Raster of the painted surface.
    book : path-like
        Survey book (.gpkg); made if there is none.
    date : str
        Day of the survey, ``YYYY-MM-DD``.
    name : str or None
        Name of the survey; the date if None. One survey holds many orthophotos.
    elements : path-like or None
        Layer of building elements; those already in the book need not be given again. Where no element
        lies on the survey, one element ``image``, the assessed pixels, is measured.
    id_field : str or None
        Field with the elements' ids.
    exclude : path-like or None
        Layer of areas to leave out of the assessed area.
    model : str, path-like or None
        Model name or file; None is the default model.
    classes : path-like or None
        A ready class raster on the orthophoto's grid, used in place of a model; or a kept
        ``probability.tif``, to survey it again at other thresholds without the network.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    gsd_mm : float or None
        mm per pixel, for an image without georeference.
    working_gsd_mm : float or None
        Average a finer raster down to this many mm per pixel.
    inside_elements : bool
        Look only inside the elements.
    discard_rasters : bool
        Remove the probability raster in the end.
    thresholds : mapping of class code to probability, or None
        From which probability a class counts; classes left out keep the model's threshold.
    gsd_u_percent : float or None
        Standard uncertainty of the scale in per cent; see `segmentation_core.statistics.budget`.
    max_crack_width_px : int or None
        Wider cracks stay crack area without a centreline, and are counted; 64 if None.
    progress : Progress
        Told how far the work is.

    Returns
    -------
    dict
        ``elements`` (rows of the whole survey), ``totals``, ``uncertainty`` (of both, code to u95 and its
        terms) and ``run``.

    Raises
    ------
    CraquelureError
        See `segmentation_core.errors`; the book is then as it was.
    """
    book = Path(book)
    plan = _Plan(checked_name(checked_date(date) if name is None else name), checked_date(date), book)
    _check_choices(elements, id_field, model, classes, inside_elements=inside_elements)
    budget_of((), (), (gsd_u_percent,))
    settings = VectorSettings()
    if max_crack_width_px is not None:
        settings = replace(settings, max_crack_width_px=max_crack_width_px)
    with open_orthophoto(orthophoto, gsd_mm=gsd_mm, working_gsd_mm=working_gsd_mm) as ortho:
        outlines = _load_outlines(ortho.grid, elements, id_field, exclude)
        _check_book(plan, ortho, outlines, elements)
        _check_source(ortho, model, classes, device, thresholds)
        sha256 = file_sha256(ortho.path)
        folder = _free_of_others(plan, plan.raster_folder(ortho.path, sha256))
        staged = book.with_name(f".{book.stem}-{safe_name(plan.name)}-{sha256[:8]}.vectors.gpkg")
        with ExitStack() as cleaning:
            cleaning.callback(staged.unlink, missing_ok=True)
            if classes is None:
                from segmentation_core.operations.segment import segment  # torch only where it is needed

                segmented = segment(
                    ortho.path,
                    folder,
                    model=model,
                    device=device,
                    gsd_mm=gsd_mm,
                    working_gsd_mm=working_gsd_mm,
                    inside=outlines.union if inside_elements else None,
                    progress=progress,
                )
                model_run = segmented.run
                unit_of = ortho if gsd_mm is not None else None  # a unit that the raster's CRS cannot state
                vectorise(
                    folder,
                    staged,
                    thresholds=thresholds,
                    valid_mask_of=unit_of,
                    settings=settings,
                    progress=progress,
                )
            else:
                book.parent.mkdir(parents=True, exist_ok=True)
                model_run = _earlier_run(Path(classes))
                vectorise(
                    classes,
                    staged,
                    thresholds=thresholds,
                    valid_mask_of=ortho,
                    settings=settings,
                    progress=progress,
                )
            if gsd_u_percent is not None:
                model_run = {**model_run, "scale_percent": gsd_u_percent}
            record = _record(
                ortho, sha256, model_run, _kept_rasters(folder, classes, discard=discard_rasters)
            )
            entry = Entry(
                plan.name,
                plan.date,
                record,
                ortho.grid.crs_wkt,
                staged,
                outlines.elements,
                None if elements is None else Path(elements),
                outlines.excluded,
            )
            entered = enter(book, entry, progress)
        ran = [note for note in model_run.get("notes", ()) if note not in ortho.notes]
        drawn = entered.vectorise_run.get("notes", ())
        notes = [*ortho.notes, *ran, *drawn, *outlines.notes, *entered.notes]
    if discard_rasters and classes is None:
        _discard(folder, book)
    return _result(plan, record, entered, notes)


@dataclass(frozen=True)
class _Plan:
    """Which survey of which book."""

    name: str
    date: str
    book: Path

    def raster_folder(self, orthophoto: Path, sha256: str) -> Path:
        """Return where the rasters of an orthophoto are kept."""
        survey_folder = self.book.with_name(f"{self.book.stem}_rasters") / safe_name(self.name)
        return survey_folder / f"{safe_name(orthophoto.stem)}-{sha256[:8]}"


def _free_of_others(plan: _Plan, folder: Path) -> Path:
    """Return the folder, or one beside it where another survey, since renamed, keeps its rasters there."""
    if not plan.book.exists():
        return folder
    with reading(plan.book) as opened:
        others = [s for s in surveys_of(opened.connection) if s.name != plan.name]
        taken = {record.rasters for s in others for _, record in orthophotos_of(opened, s.surv_id)}
    number, free = 1, folder
    while str(free.resolve()) in taken:
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free


@dataclass(frozen=True)
class _Outlines:
    """Checked elements and excluded areas."""

    elements: Elements | None
    excluded: Any
    notes: tuple[str, ...]

    @property
    def union(self) -> Any:
        """All elements as one geometry; None without elements."""
        return None if self.elements is None else shapely.union_all(self.elements.geometries)


def _check_choices(
    elements: Any, id_field: str | None, model: Any, classes: Any, *, inside_elements: bool
) -> None:
    if elements is not None and not id_field:
        raise ParameterError("elements need the name of their id field", remedy="Give --id-field")
    if elements is None and id_field:
        raise ParameterError("an id field was given without elements", remedy="Give --elements")
    if inside_elements and elements is None:
        raise ParameterError("--inside-elements needs elements", remedy="Give --elements and --id-field")
    if model is not None and classes is not None:
        raise ParameterError("--model and --classes exclude each other", remedy="Give one of them")


def _load_outlines(
    grid: Grid, elements: str | Path | None, id_field: str | None, exclude: str | Path | None
) -> _Outlines:
    loaded, excluded = None, None
    notes: tuple[str, ...] = ()
    if elements is not None and id_field is not None:
        loaded = load_elements(elements, id_field, grid.crs_wkt)
        require_contact(loaded, _footprint(grid), elements)
        notes = loaded.notes
        apart = int((~shapely.intersects(_footprint(grid), loaded.geometries)).sum())
        if apart:
            notes = (*notes, f"{apart} of {len(loaded.ids)} elements do not touch the raster")
    if exclude is not None:
        excluded, more = load_exclusions(exclude, grid.crs_wkt)
        notes = (*notes, *more)
    return _Outlines(loaded, excluded, notes)


def _footprint(grid: Grid) -> Any:
    corners = [(0, 0), (grid.width, 0), (grid.width, grid.height), (0, grid.height)]
    a, b, c, d, e, f = tuple(grid.affine)[:6]
    return shapely.Polygon([(a * col + b * row + c, d * col + e * row + f) for col, row in corners])


def _check_book(plan: _Plan, ortho: Orthophoto, outlines: _Outlines, elements: Any) -> None:
    if check_book(plan.book) is None:
        return
    with reading(plan.book) as opened:
        require_crs(opened, ortho.grid.crs_wkt, ortho.path)
        require_survey(opened.connection, plan.name, plan.date, plan.book)
        if outlines.elements is not None:
            require_same_outlines(opened, outlines.elements, elements)


def _check_source(
    ortho: Orthophoto,
    model: str | Path | None,
    classes: str | Path | None,
    device: str,
    thresholds: Mapping[str, float] | None,
) -> None:
    """Refuse a model, device or class raster before any work is done with it."""
    if classes is None:
        from segmentation_core.inference.device import choose_device
        from segmentation_core.models import load_model

        load_model(model)
        choose_device(device)
    else:
        open_class_source(classes, thresholds=thresholds, valid_mask_of=ortho)


def _earlier_run(classes: Path) -> dict[str, Any]:
    """Return the record of the run that made a raster, or just which class raster it is."""
    told = classes.parent / RUN_RECORD
    if classes.name == PROBABILITY_RASTER and told.is_file():
        record: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
        return record
    return {"classes": {"path": str(classes), "sha256": file_sha256(classes)}}


def _kept_rasters(folder: Path, classes: str | Path | None, *, discard: bool) -> Path | None:
    """Return the folder of the probability raster that the book can come back to."""
    if classes is None:
        return None if discard else folder
    return Path(classes).parent if Path(classes).name == PROBABILITY_RASTER else None


def _record(
    ortho: Orthophoto, sha256: str, model_run: dict[str, Any], rasters: Path | None
) -> OrthophotoRecord:
    grid = ortho.grid
    return OrthophotoRecord(
        str(ortho.path.resolve()),
        sha256,
        grid.width,
        grid.height,
        grid.gsd_mm,
        tuple(grid.affine)[:6],
        grid.metres_per_unit,
        model=_model_name(model_run.get("model", {})),
        rasters=None if rasters is None else str(rasters.resolve()),
        run=model_run,
    )


def _model_name(model: Mapping[str, Any]) -> str | None:
    """Return what results call the model; an adapter is named with its base."""
    name, base = model.get("name"), model.get("adapted_from")
    return name if base is None else f"{name} (adapted from {base})"


def _discard(folder: Path, book: Path) -> None:
    """Remove the rasters of this run, and folders left empty."""
    shutil.rmtree(folder)
    for parent in folder.parents:
        if parent == book.parent or any(parent.iterdir()):
            return
        parent.rmdir()


def _result(plan: _Plan, record: OrthophotoRecord, entered: Entered, notes: list[str]) -> dict[str, Any]:
    counts = entered.counts
    if entered.is_repeat:
        notes.append(
            "this survey held the orthophoto already: "
            f"{counts.replaced.total()} automatic features were replaced, "
            f"{counts.kept.total()} that a person touched were kept"
        )
    run = {
        "book": str(plan.book),
        "survey": plan.name,
        "surv_id": entered.surv_id,
        "date": plan.date,
        "orth_id": entered.orth_id,
        "orthophoto": {"path": record.path, "sha256": record.sha256},
        "gsd_mm": record.gsd_mm,
        "metres_per_unit": record.metres_per_unit,
        "model": record.model,
        "rasters": record.rasters,
        **{name: counter.total() for name, counter in vars(counts).items()},
        "by_layer": {name: dict(counter) for name, counter in vars(counts).items()},
        "notes": notes,
        "segment": record.run,
        "vectorise": entered.vectorise_run,
    }
    figures = entered.figures
    return {
        "elements": figures.elements,
        "totals": figures.totals,
        "uncertainty": figures.uncertainty,
        "run": run,
    }
