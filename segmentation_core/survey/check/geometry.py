"""The shapes in a book: missing, unreadable or not valid."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.statistics.features import stream_features
from segmentation_core.statistics.outlines import polygon_parts
from segmentation_core.survey.check.findings import Finding, plural
from segmentation_core.survey.geopackage import encode
from segmentation_core.survey.schema import LAYERS, Layer
from segmentation_core.survey.store import Book

__all__ = ["check_geometry"]


def check_geometry(book: Book) -> Iterator[Finding]:
    """Yield the layers with features that have no shape, an unreadable one or one that is not valid."""
    for layer in LAYERS:
        yield from _layer(book, layer)


def _layer(book: Book, layer: Layer) -> Iterator[Finding]:
    query = f"SELECT count(*) FROM {layer.name} WHERE geom IS NULL"
    (missing,) = book.connection.execute(query).fetchone()
    if missing:
        yield Finding(
            "geometry",
            f"{layer.name}: {plural(missing, 'feature')} without a shape",
            "In QGIS, delete them or draw them again",
        )
    try:
        wrong = sum(1 for _ in _invalid(book, layer))
        mendable = sum(1 for _, _, mended in _invalid(book, layer) if mended is not None)
    except shapely.errors.GEOSException as exc:
        yield Finding(
            "geometry", f"{layer.name}: a shape cannot be read ({exc})", "Restore the book from a backup"
        )
        return
    if mendable:
        yield Finding(
            "geometry",
            f"{layer.name}: {plural(mendable, 'shape')} not valid (crossing itself, or the like)",
            "Repair it: the area is kept, the outline no longer crosses itself",
            partial(_mend, layer),
        )
    if wrong > mendable:
        yield Finding(
            "geometry",
            f"{layer.name}: {plural(wrong - mendable, 'shape')} not valid and not to be mended as one",
            "In QGIS, draw them again (Vector > Geometry Tools > Check Validity shows where)",
        )


def _invalid(book: Book, layer: Layer) -> Iterator[tuple[int, Any, Any]]:
    """Yield the fid of each feature that is not valid, its shape, and a valid one (None: there is none)."""
    for chunk in stream_features(book.connection, layer.name):
        for index in np.flatnonzero(~shapely.is_valid(chunk.geometries)):
            geometry = chunk.geometries[index]
            yield int(chunk.fids[index]), geometry, _mended(geometry, layer.geometry_type)


def _mended(geometry: Any, geometry_type: str) -> Any:
    if not geometry_type.endswith("POLYGON"):
        return None
    mended = polygon_parts(shapely.make_valid(geometry))
    parts = shapely.get_parts(mended)
    if len(parts) == 0 or (geometry_type == "POLYGON" and len(parts) > 1):
        return None
    return parts[0] if geometry_type == "POLYGON" else shapely.MultiPolygon(list(parts))


def _mend(layer: Layer, book: Book) -> str:
    found = [(fid, shape) for fid, _, shape in _invalid(book, layer) if shape is not None]
    shapes: NDArray[np.object_] = np.array([shape for _, shape in found], dtype=object)
    book.connection.executemany(
        f"UPDATE {layer.name} SET geom = ? WHERE fid = ?",
        [(blob, fid) for blob, (fid, _) in zip(encode(shapes, book.srs_id), found, strict=True)],
    )
    if {"orth_id TEXT", "area_m2 REAL"} <= set(layer.columns):
        unit = f"(SELECT m_per_unit FROM orthophoto o WHERE o.orth_id = {layer.name}.orth_id)"
        book.connection.executemany(
            f"UPDATE {layer.name} SET area_m2 = coalesce(? * {unit} * {unit}, area_m2) WHERE fid = ?",
            [(shape.area, fid) for fid, shape in found],
        )
    book.connection.execute("UPDATE element_stats SET stale = 1")
    return (
        f"{layer.name}: mended {plural(len(found), 'shape')}; statistics are computed anew when next needed"
    )
