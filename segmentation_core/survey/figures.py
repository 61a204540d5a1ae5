"""Element statistics of a survey, computed from what the book holds and stored in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from segmentation_core.statistics.budget import Budget, budget_of
from segmentation_core.statistics.elements import WHOLE_IMAGE, Elements
from segmentation_core.statistics.features import FeatureChunk, stream_features
from segmentation_core.statistics.layers import Moved, Placed, Selection, tally_layers
from segmentation_core.statistics.network import axes_of
from segmentation_core.statistics.outlines import polygon_parts
from segmentation_core.statistics.quantities import METHOD_VERSION, QUANTITIES
from segmentation_core.statistics.regions import Regions, assessed_regions, overlapping
from segmentation_core.statistics.tally import Row, Tally
from segmentation_core.statistics.uncertainty import Terms, as_dicts, resolution_notes, uncertainties
from segmentation_core.survey.outlines import stored_assessed, stored_elements
from segmentation_core.survey.rejections import RejectedLines
from segmentation_core.survey.schema import DEFECT_LAYERS, UNTOUCHED
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import OrthophotoRecord, orthophotos_of

__all__ = [
    "COUNTED",
    "Sighting",
    "SurveyFigures",
    "budget_of_survey",
    "grounds_of",
    "is_stale",
    "recompute",
    "stored_rows",
    "tally_orthophoto",
]

_TRACE = 1e-9
COUNTED = "surv_id = ? AND (orth_id = ? OR orth_id IS NULL) AND status IS NOT 'rejected'"
"""What counts on an orthophoto of a survey; features of no one orthophoto count on each, on its ground."""


@dataclass(frozen=True)
class SurveyFigures:
    """Statistics of one survey.

    Attributes
    ----------
    elements : list of dict
        ``elem_id`` and every quantity, for elements with an assessed area.
    totals : dict
        Every quantity over them.
    uncertainty : dict
        Of ``elements`` (list) and ``totals``: code to u95 and its terms; and their ``budget``.
    notes : tuple of str
    """

    elements: list[dict[str, Any]]
    totals: Row
    uncertainty: dict[str, Any]
    notes: tuple[str, ...]


def recompute(book: Book, surv_id: str) -> SurveyFigures:
    """Measure a survey over all its orthophotos, store the result, and note each feature's element.

    Where orthophotos overlap, the one added first is measured there, so that nothing counts twice. The
    elements are those of the book that have an assessed area in this survey; without any, the whole
    assessed area is one element.

    Parameters
    ----------
    book : Book
        In a transaction (`segmentation_core.survey.store.writing`).
    surv_id : str
        The survey.
    """
    orthophotos = orthophotos_of(book, surv_id)
    grounds, notes = grounds_of(book, orthophotos)
    ids, outlines, regions = _elements_on(stored_elements(book), grounds)
    tally = Tally(ids, None if outlines is None else axes_of(outlines))
    book.connection.execute("DELETE FROM element_stats WHERE surv_id = ?", (surv_id,))
    _measure_touched(book, surv_id, [record for _, record in orthophotos])
    homes = _Homes(book, ids, surv_id)
    for key, ((orth_id, record), region) in enumerate(zip(orthophotos, regions, strict=True)):
        tally_orthophoto(book, Sighting(surv_id, orth_id, key, record), region, tally, homes)
    rows, totals = tally.rows(), tally.totals()
    budget, budget_notes = budget_of_survey([record for _, record in orthophotos])
    uncertain = [uncertainties(row, budget) for row in rows]
    _store(book, surv_id, ids, rows, uncertain, tally.feature_counts())
    notes += [*budget_notes, *resolution_notes(totals)]
    if outlines is not None:
        notes += overlapping(ids, outlines)
    elements = [{"elem_id": name, **row} for name, row in zip(ids, rows, strict=True)]
    uncertainty = {
        "elements": [as_dicts(found) for found in uncertain],
        "totals": as_dicts(uncertainties(totals, budget)),
        "budget": asdict(budget),
    }
    return SurveyFigures(elements, totals, uncertainty, tuple(notes))


_SIZES = {
    "crack_line": ("len_m", shapely.length, 1),
    "crack_area": ("area_m2", shapely.area, 2),
    "loss_polygon": ("area_m2", shapely.area, 2),
    "island": ("area_m2", shapely.area, 2),
}
"""A layer's own measure, how it is taken, and the power of the unit in it."""


def _measure_touched(book: Book, surv_id: str, records: Sequence[OrthophotoRecord]) -> None:
    """Bring the measures of features that a person drew or edited up to date with their shapes."""
    if not records:
        return
    metres = records[0].metres_per_unit  # one book has one unit
    where = f"surv_id = ? AND status IS NOT '{UNTOUCHED}'"
    for table, (column, size, power) in _SIZES.items():
        for chunk in stream_features(book.connection, table, (), where, (surv_id,)):
            sizes = np.asarray(size(chunk.geometries)) * metres**power
            book.connection.executemany(
                f"UPDATE {table} SET {column} = ? WHERE fid = ?",
                zip(sizes.tolist(), chunk.fids.tolist(), strict=True),
            )


@dataclass(frozen=True)
class Sighting:
    """One orthophoto of a survey.

    Attributes
    ----------
    surv_id, orth_id : str
    number : int
        Of the orthophoto within the survey.
    record : OrthophotoRecord
    moved : callable or None
        Brings its features into the frame of the regions they are measured in; None: they are in it.
    """

    surv_id: str
    orth_id: str
    number: int
    record: OrthophotoRecord
    moved: Moved | None = None


def budget_of_survey(records: Sequence[OrthophotoRecord]) -> tuple[Budget, list[str]]:
    """Return what a survey's uncertainty is made of, the worst orthophoto counting, and notes."""
    runs = [record.run or {} for record in records]
    scales = [run.get("scale_percent") for run in runs]
    return budget_of(runs, [record.gsd_mm for record in records], scales)


def tally_orthophoto(
    book: Book, sighting: Sighting, regions: Regions, tally: Tally, placed: Placed | None = None
) -> None:
    """Add what one orthophoto of a survey shows, rejected features left out; one region per element."""
    record, whose = sighting.record, (sighting.surv_id, sighting.orth_id)
    tally.add_assessed(regions.areas * record.metres_per_unit**2)
    rejected = RejectedLines(book.connection, *whose, record.pixel_side)
    selection = Selection(
        book.connection,
        record.gsd_mm,
        Affine(*record.transform),
        COUNTED,
        whose,
        sighting.number,
        rejected.left_of,
        sighting.moved,
    )
    tally_layers(selection, regions, record.metres_per_unit, tally, placed)


def is_stale(book: Book, surv_id: str) -> bool:
    """Say whether a survey was edited since its statistics were computed."""
    query = "SELECT 1 FROM element_stats WHERE surv_id = ? AND stale <> 0 LIMIT 1"
    return book.connection.execute(query, (surv_id,)).fetchone() is not None


def stored_rows(book: Book, surv_id: str) -> list[dict[str, Any]]:
    """Return the stored statistics, one dict per element, in the order they were computed."""
    rows: dict[str, dict[str, Any]] = {}
    query = "SELECT elem_id, stat, value FROM element_stats WHERE surv_id = ? ORDER BY fid"
    for elem_id, code, value in book.connection.execute(query, (surv_id,)):
        rows.setdefault(elem_id, {"elem_id": elem_id})[code] = value
    return list(rows.values())


class _Homes:
    """Writes into each feature the element that holds most of it."""

    def __init__(self, book: Book, ids: tuple[str, ...], surv_id: str) -> None:
        self._book = book
        self._ids = np.array([*ids, None], dtype=object)  # -1 indexes the None
        for layer in DEFECT_LAYERS:  # features of no one orthophoto are met once per orthophoto
            book.connection.execute(
                f"UPDATE {layer.name} SET elem_id = NULL WHERE surv_id = ? AND orth_id IS NULL", (surv_id,)
            )

    def __call__(self, table: str, chunk: FeatureChunk, home: NDArray[np.int64]) -> None:
        self._book.connection.executemany(
            f"UPDATE {table} SET elem_id = ? WHERE fid = ? AND elem_id IS NOT ? "
            "AND (? IS NOT NULL OR orth_id IS NOT NULL)",
            [
                (name, fid, name, name)
                for name, fid in zip(self._ids[home].tolist(), chunk.fids.tolist(), strict=True)
            ],
        )


def _elements_on(
    stored: Elements, grounds: list[Any]
) -> tuple[tuple[str, ...], NDArray[np.object_] | None, list[Regions]]:
    """Return the elements with a part on some ground, and their regions on each of them."""
    everywhere = [assessed_regions(stored.geometries, ground) for ground in grounds]
    areas = np.sum([regions.areas for regions in everywhere], axis=0)
    present = np.flatnonzero(areas > _TRACE * shapely.area(stored.geometries))
    if len(present) == 0:
        return (WHOLE_IMAGE,), None, [assessed_regions(None, ground) for ground in grounds]
    ids = tuple(stored.ids[i] for i in present)
    return ids, stored.geometries[present], [Regions(r.geometries[present]) for r in everywhere]


def grounds_of(book: Book, orthophotos: list[tuple[str, OrthophotoRecord]]) -> tuple[list[Any], list[str]]:
    """Return each orthophoto's assessed area without that of earlier ones, and notes on overlaps."""
    grounds: list[Any] = []
    notes: list[str] = []
    taken: Any = shapely.MultiPolygon()
    for orth_id, record in orthophotos:
        ground = stored_assessed(book, orth_id)
        if record.is_georeferenced:
            rest = polygon_parts(shapely.difference(ground, taken)) if _share_area(ground, taken) else ground
            overlap_m2 = (ground.area - rest.area) * record.metres_per_unit**2
            if rest is not ground:
                notes.append(
                    f"orthophotos overlap by {overlap_m2:.4g} m2: the one added first is measured there, "
                    f"not {record.path}"
                )
            taken = shapely.union(taken, ground)
            ground = rest
        grounds.append(ground)
    return grounds, notes


def _share_area(a: Any, b: Any) -> bool:
    """Say whether two polygons share more than a border."""
    return bool(shapely.intersects(a, b) and not shapely.touches(a, b))


def _store(
    book: Book,
    surv_id: str,
    ids: tuple[str, ...],
    rows: list[Row],
    uncertain: list[dict[str, Terms]],
    counts: dict[str, NDArray[np.int64]],
) -> None:
    unknown = Terms(None, None, None)
    book.connection.executemany(
        "INSERT INTO element_stats "
        "(elem_id, surv_id, stat, value, unit, u95, u_vec, u_scale, u_model, n, method_v, stale) "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?,0)",
        [
            (
                name,
                surv_id,
                q.code,
                row[q.code],
                q.unit,
                (terms := uncertain[i].get(q.code, unknown)).u95,
                terms.u_vec,
                terms.u_scale,
                terms.u_model,
                int(counts[q.counted_in][i]) if q.counted_in else None,
                METHOD_VERSION,
            )
            for i, (name, row) in enumerate(zip(ids, rows, strict=True))
            for q in QUANTITIES
        ],
    )
