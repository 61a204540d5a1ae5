"""What a layer of the hand-over holds, streamed from the book in chunks and in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.export.fields import NO_VALUE, ExportLayer
from segmentation_core.export.request import Pair, Request
from segmentation_core.statistics.elements import WHOLE_IMAGE
from segmentation_core.statistics.features import stream_features
from segmentation_core.survey.areas import counting_areas
from segmentation_core.survey.figures import stored_rows
from segmentation_core.survey.outlines import stored_assessed, stored_elements
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import Survey, orthophotos_of
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["Content", "element_rows", "layer_content", "metres_per_unit", "survey_gsd_mm"]

_CHUNK_ROWS = 20_000
_ADDED = frozenset({"date", "date_a", "date_b", "name_en", "name_zh", NO_VALUE.source})
_STATISTICS = ("elem_id", "stat", "value", "unit", "u95", "n", "method_v")


@dataclass(frozen=True)
class Content:
    """Some rows of a layer.

    Attributes
    ----------
    geometries : ndarray of shapely geometry, shape (N,)
        In the book's coordinates; all None in a table.
    columns : list of list
        One list per field of the layer, in its unit; None where there is no value.
    """

    geometries: NDArray[np.object_]
    columns: list[list[Any]]

    def __len__(self) -> int:
        return len(self.geometries)


def layer_content(book: Book, layer: ExportLayer, of: Survey | Pair, request: Request) -> Iterator[Content]:
    """Yield the rows of a layer for a survey or a pair; rejected features are left out.

    The same call yields the same rows in the same order, so that what was written can be compared.
    Memory: one chunk (20,000 rows or 32 MB of geometry).
    """
    if layer.table == "element" and isinstance(of, Survey):
        yield _element_content(book, layer, of, request)
    elif layer.table == "element_stats" and isinstance(of, Survey):
        yield from _statistics_content(book, layer, of, request)
    else:
        yield from _feature_content(book, layer, of, request)


def element_rows(book: Book, survey: Survey, request: Request) -> list[dict[str, Any]]:
    """Return the stored statistics of a survey's wanted elements."""
    rows = stored_rows(book, survey.surv_id)
    wanted = None if request.elements is None else set(request.elements)
    return [row for row in rows if wanted is None or row["elem_id"] in wanted]


def survey_gsd_mm(book: Book, surv_id: str) -> float | None:
    """Return the GSD of a survey's coarsest orthophoto; None without one."""
    query = "SELECT max(gsd_mm) FROM orthophoto WHERE surv_id = ?"
    gsd_mm: float | None = book.connection.execute(query, (surv_id,)).fetchone()[0]
    return gsd_mm


def metres_per_unit(book: Book) -> float:
    """Return metres per unit of the book's coordinates; 1 for a book without orthophotos."""
    row = book.connection.execute("SELECT m_per_unit FROM orthophoto ORDER BY fid LIMIT 1").fetchone()
    return 1.0 if row is None else float(row[0])


def _feature_content(
    book: Book, layer: ExportLayer, of: Survey | Pair, request: Request
) -> Iterator[Content]:
    stored = [field.source for field in layer.fields if field.source not in _ADDED]
    if isinstance(of, Pair):
        conditions, parameters = ["pair_id = ?"], [of.pair_id]
        dates = {"date_a": of.before.date, "date_b": of.after.date}
    else:
        conditions, parameters = ["surv_id = ?", "status IS NOT 'rejected'"], [of.surv_id]
        dates = {"date": of.date}
    if request.elements_json is not None:
        conditions.append("elem_id IN (SELECT value FROM json_each(?))")
        parameters.append(request.elements_json)
    names = {c.code: {"name_en": c.name_en, "name_zh": c.name_zh} for c in load_vocabulary().classes}
    where = " AND ".join(conditions)
    if layer.table == "crack_area" and isinstance(of, Survey):
        chunks = counting_areas(book, of.surv_id, stored, where, parameters)
    else:
        chunks = stream_features(book.connection, layer.table, stored, where, parameters)
    for chunk in chunks:
        records = [dict(zip(stored, row, strict=True)) for row in chunk.rows]
        for record in records:
            record |= dates | names.get(str(record.get("class_cd")), {})
        yield _content(layer, chunk.geometries, records)


def _element_content(book: Book, layer: ExportLayer, survey: Survey, request: Request) -> Content:
    stored = stored_elements(book)
    outlines = dict(zip(stored.ids, stored.geometries, strict=True))
    rows = [r for r in element_rows(book, survey, request) if r["elem_id"] in {*outlines, WHOLE_IMAGE}]
    geometries = []
    for row in rows:
        row["date"] = survey.date
        if row["elem_id"] in outlines:
            geometries.append(outlines[row["elem_id"]])
        else:
            grounds = [stored_assessed(book, orth_id) for orth_id, _ in orthophotos_of(book, survey.surv_id)]
            geometries.append(shapely.union_all(grounds))
    return _content(layer, np.array(geometries, dtype=object), rows)


def _statistics_content(
    book: Book, layer: ExportLayer, survey: Survey, request: Request
) -> Iterator[Content]:
    wanted, parameters = "", [survey.surv_id]
    if request.elements_json is not None:
        wanted = "AND elem_id IN (SELECT value FROM json_each(?)) "
        parameters.append(request.elements_json)
    cursor = book.connection.execute(
        f"SELECT {', '.join(_STATISTICS)} FROM element_stats WHERE surv_id = ? {wanted}ORDER BY fid",
        parameters,
    )
    while rows := cursor.fetchmany(_CHUNK_ROWS):
        records = [dict(zip(_STATISTICS, row, strict=True), date=survey.date) for row in rows]
        yield _content(layer, np.full(len(rows), None, dtype=object), records)


def _content(
    layer: ExportLayer, geometries: NDArray[np.object_], records: Sequence[dict[str, Any]]
) -> Content:
    numbers = [f for f in layer.fields if f.kind in {"real", "integer"}]
    for record in records:
        missing = [f.name for f in numbers if record.get(f.source) is None]
        record[NO_VALUE.source] = ", ".join(missing) or None
    columns = [
        [None if (v := r.get(f.source)) is None else v * f.factor if f.kind == "real" else v for r in records]
        for f in layer.fields
    ]
    return Content(geometries, columns)
