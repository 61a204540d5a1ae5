"""Elements and assessed areas stored in a book."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from segmentation_core.errors import ElementsError
from segmentation_core.statistics.elements import Elements
from segmentation_core.statistics.features import stream_features
from segmentation_core.statistics.outlines import named
from segmentation_core.survey.geopackage import encode
from segmentation_core.survey.store import Book

__all__ = ["enter_assessed", "enter_elements", "require_same_outlines", "stored_assessed", "stored_elements"]

_SAME_AREA = 1e-3


def stored_elements(book: Book) -> Elements:
    """Return the elements of a book."""
    chunks = list(stream_features(book.connection, "element", ("elem_id",)))
    geometries = np.concatenate([np.empty(0, dtype=object), *(chunk.geometries for chunk in chunks)])
    return Elements(tuple(row[0] for chunk in chunks for row in chunk.rows), geometries)


def require_same_outlines(book: Book, elements: Elements, path: Any) -> None:
    """Refuse elements whose id stands for another outline in the book.

    Raises
    ------
    ElementsError
        Outlines differ by more than 0.1 % of their area.
    """
    stored = stored_elements(book)
    by_id = dict(zip(stored.ids, stored.geometries, strict=True))
    shared = [i for i, name in enumerate(elements.ids) if name in by_id]
    if not shared:
        return
    ours = np.array([by_id[elements.ids[i]] for i in shared], dtype=object)
    theirs = elements.geometries[shared]
    between = shapely.area(shapely.symmetric_difference(ours, theirs))
    moved = between > _SAME_AREA * np.maximum(shapely.area(ours), shapely.area(theirs))
    if moved.any():
        names = [elements.ids[i] for i, is_moved in zip(shared, moved, strict=True) if is_moved]
        raise ElementsError(
            f"elements that have another outline in the book {book.path.name}: {named(names)}",
            path=path,
            remedy="Give the changed outline a new id, so that surveys stay comparable",
        )


def enter_elements(book: Book, elements: Elements) -> int:
    """Store the elements that the book does not hold yet; return how many."""
    known = set(stored_elements(book).ids)
    new = [i for i, name in enumerate(elements.ids) if name not in known]
    blobs = encode(_multi(elements.geometries[new]), book.srs_id)
    book.connection.executemany(
        "INSERT INTO element (geom, elem_id) VALUES (?, ?)",
        zip(blobs, (elements.ids[i] for i in new), strict=True),
    )
    return len(new)


def stored_assessed(book: Book, orth_id: str) -> Any:
    """Return the assessed area of an orthophoto, excluded areas taken out."""
    for chunk in stream_features(book.connection, "assessed", (), "orth_id = ?", (orth_id,)):
        return chunk.geometries[0]
    return shapely.MultiPolygon()


def enter_assessed(book: Book, surv_id: str, orth_id: str, assessed: Any, metres_per_unit: float) -> None:
    """Store the assessed area of an orthophoto, in place of an earlier one."""
    blob = encode(_multi(np.array([assessed], dtype=object)), book.srs_id)[0]
    book.connection.execute("DELETE FROM assessed WHERE orth_id = ?", (orth_id,))
    book.connection.execute(
        "INSERT INTO assessed (geom, surv_id, orth_id, area_m2) VALUES (?, ?, ?, ?)",
        (blob, surv_id, orth_id, assessed.area * metres_per_unit**2),
    )


def _multi(polygons: Any) -> Any:
    return np.array(
        [g if g.geom_type == "MultiPolygon" else shapely.MultiPolygon([g]) for g in polygons], dtype=object
    )
