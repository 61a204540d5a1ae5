"""Part of a survey book as a book of its own, styles included; and GeoJSON where its CRS survives."""

from __future__ import annotations

import os
import shutil
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataSourceError

from segmentation_core.errors import CrsError, VectorError
from segmentation_core.export.content import layer_content
from segmentation_core.export.fields import CHANGE_LAYERS, EXPORT_LAYERS, ExportLayer
from segmentation_core.export.request import Pair, Request, Written
from segmentation_core.raster.georeference import same_crs
from segmentation_core.statistics.features import FeatureChunk
from segmentation_core.survey.areas import counting_areas
from segmentation_core.survey.geopackage import encode
from segmentation_core.survey.names import safe_name
from segmentation_core.survey.schema import DEFECT_LAYERS
from segmentation_core.survey.store import Book, book_errors, reading, writing
from segmentation_core.survey.surveys import Survey, orthophotos_of

__all__ = ["write_geojson", "write_subset"]

_OF_SURVEYS = ("orthophoto", "assessed", "element_stats", "edit_log")
_OF_PAIRS = ("change_polygon", "change_line", "change_stats")
_OF_ELEMENTS = ("element", "element_stats", "edit_log", *_OF_PAIRS, *(y.name for y in DEFECT_LAYERS))


def write_subset(book: Book, request: Request, folder: Path) -> Written:
    """Write the wanted surveys, pairs and elements as a survey book, ``out.gpkg``.

    Rejected features stay behind. Paths of orthophotos are written so that the new book finds them.

    Raises
    ------
    DiskFullError, BookError
        The book cannot be written.
    """
    path = folder / "out.gpkg"
    surveys = {s.surv_id: s for s in request.surveys}
    for pair in request.pairs:
        surveys |= {s.surv_id: s for s in (pair.before, pair.after)}
    paths = {
        orth_id: (record.path, record.rasters)
        for survey in surveys.values()
        for orth_id, record in orthophotos_of(book, survey.surv_id)
    }
    with book_errors(path):
        with closing(sqlite3.connect(path)) as copy:
            book.connection.backup(copy)
        with writing(path) as part:
            for surv_id in surveys:
                _cut_areas(part, surv_id)
            _keep(
                part.connection,
                tuple(surveys),
                tuple(p.pair_id for p in request.pairs),
                request.elements_json,
            )
            for orth_id, (raster, rasters) in paths.items():
                part.connection.execute(
                    "UPDATE orthophoto SET path = ?, rasters = ? WHERE orth_id = ?",
                    (
                        _seen_from(raster, request.out.parent),
                        rasters and _seen_from(rasters, request.out.parent),
                        orth_id,
                    ),
                )
        with closing(sqlite3.connect(path, isolation_level=None)) as copy:
            copy.execute("VACUUM")
    counts = _compared(book, path, request)
    return Written({path.name: counts})


def _cut_areas(part: Book, surv_id: str) -> None:
    """Store crack areas as they count: the rejected lines that cut them stay behind."""
    rejected = "SELECT 1 FROM crack_line WHERE surv_id = ? AND status = 'rejected' LIMIT 1"
    if part.connection.execute(rejected, (surv_id,)).fetchone() is None:
        return
    kept: list[tuple[int]] = []
    for chunk in _areas_of(part, surv_id):
        values = zip(encode(chunk.geometries, part.srs_id), chunk.rows, chunk.fids.tolist(), strict=True)
        part.connection.executemany(
            "UPDATE crack_area SET geom = ?, area_m2 = ? WHERE fid = ?",
            [(blob, area, fid) for blob, (area,), fid in values],
        )
        kept += [(fid,) for fid in chunk.fids.tolist()]
    part.connection.execute("CREATE TEMP TABLE counting (fid INTEGER PRIMARY KEY)")
    part.connection.executemany("INSERT INTO counting VALUES (?)", kept)
    part.connection.execute(
        "DELETE FROM crack_area WHERE surv_id = ? AND fid NOT IN (SELECT fid FROM counting)", (surv_id,)
    )
    part.connection.execute("DROP TABLE counting")


def _areas_of(book: Book, surv_id: str, elements: str | None = None) -> Iterator[FeatureChunk]:
    where = (
        "surv_id = ? AND status IS NOT 'rejected' "
        "AND (? IS NULL OR elem_id IN (SELECT value FROM json_each(?)))"
    )
    yield from counting_areas(book, surv_id, ("area_m2",), where, (surv_id, elements, elements))


def _keep(
    connection: sqlite3.Connection, surveys: tuple[str, ...], pairs: tuple[str, ...], elements: str | None
) -> None:
    def others(column: str, kept: tuple[str, ...]) -> str:
        return f"{column} IS NULL OR {column} NOT IN ({', '.join('?' * len(kept))})"

    for table in ("survey", *_OF_SURVEYS, *(layer.name for layer in DEFECT_LAYERS)):
        connection.execute(f"DELETE FROM {table} WHERE {others('surv_id', surveys)}", surveys)
    for table in ("change_pair", *_OF_PAIRS):
        connection.execute(f"DELETE FROM {table} WHERE {others('pair_id', pairs)}", pairs)
    for layer in DEFECT_LAYERS:
        connection.execute(f"DELETE FROM {layer.name} WHERE status = 'rejected'")
    if elements is not None:
        for table in _OF_ELEMENTS:
            connection.execute(
                f"DELETE FROM {table} WHERE elem_id IS NULL "
                "OR elem_id NOT IN (SELECT value FROM json_each(?))",
                (elements,),
            )


def _seen_from(path: str, folder: Path) -> str:
    """Return a path as a book in ``folder`` stores it: relative where it lies inside."""
    full, here = Path(path).resolve(), folder.resolve()
    return full.relative_to(here).as_posix() if full.is_relative_to(here) else str(full)


def _compared(book: Book, path: Path, request: Request) -> int:
    """Open the new book, compare its features with the old one's, and return how many it holds."""
    sizes = {"crack_line": "len_m", "loss_polygon": "area_m2", "crack_area": "area_m2", "island": "area_m2"}
    total = 0
    with reading(path) as part:
        for survey in request.surveys:
            for table, column in sizes.items():
                query = (
                    f"SELECT count(*), total({column}) FROM {table} WHERE surv_id = ? "
                    "AND status IS NOT 'rejected' "
                    "AND (? IS NULL OR elem_id IN (SELECT value FROM json_each(?)))"
                )
                values = (survey.surv_id, request.elements_json, request.elements_json)
                ours, theirs = (b.connection.execute(query, values).fetchone() for b in (book, part))
                if table == "crack_area":
                    areas = [a for c in _areas_of(book, survey.surv_id, values[1]) for (a,) in c.rows]
                    ours = (len(areas), sum(areas))
                if ours[0] != theirs[0] or not np.isclose(ours[1], theirs[1], rtol=1e-9):
                    raise VectorError(
                        f"the subset differs from the book in {table}",
                        path=path,
                        remedy="Close the book elsewhere and export again",
                    )
                total += int(ours[0])
    return total


def write_geojson(book: Book, request: Request, folder: Path) -> Written:
    """Write every layer as GeoJSON, one file each, in the book's own coordinates.

    Raises
    ------
    CrsError
        The book has no CRS, or one that GeoJSON cannot name: it would be read as degrees.
    VectorError
        A file does not read back as it was written.
    """
    code = _epsg(book)
    counts: dict[str, int] = {}
    sources: list[tuple[Survey | Pair, ExportLayer, str]] = [
        (survey, layer, safe_name(survey.name)) for survey in request.surveys for layer in EXPORT_LAYERS
    ]
    for pair in request.pairs:
        stem = f"{safe_name(pair.before.name)}_{safe_name(pair.after.name)}"
        sources += [(pair, layer, stem) for layer in CHANGE_LAYERS]
    for of, layer, stem in sources:
        path = folder / f"{stem}_{layer.name}.geojson"
        counts[path.name] = _write_layer(book, request, of, layer, path, code)
    return Written(counts)


def _epsg(book: Book) -> int:
    from pyproj import CRS

    remedy = "Use --format gpkg, which keeps any CRS, or shapefile"
    if book.crs_wkt is None:
        raise CrsError(
            "GeoJSON without a CRS is read as degrees on the globe, and this book has none",
            path=book.path,
            remedy=remedy,
        )
    crs = CRS.from_wkt(book.crs_wkt)
    code = crs.to_epsg(min_confidence=100)
    if code is None:
        raise CrsError(
            f"GeoJSON can only name a CRS with an EPSG code, and {crs.name} has none: it would be read as "
            "degrees on the globe",
            path=book.path,
            remedy=remedy,
        )
    return int(code)


def _write_layer(
    book: Book, request: Request, of: Survey | Pair, layer: ExportLayer, path: Path, epsg: int
) -> int:
    written, area, length = 0, 0.0, 0.0
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as stream:
        name = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{epsg}"}}
        stream.write(
            f'{{"type": "FeatureCollection", "name": {_json(path.stem)}, "crs": {_json(name)}, "features": ['
        )
        for content in layer_content(book, layer, of, request):
            shapes = shapely.to_geojson(content.geometries)
            area += float(shapely.area(content.geometries).sum())
            length += float(shapely.length(content.geometries).sum())
            for shape, values in zip(shapes, zip(*content.columns, strict=True), strict=True):
                properties = dict(zip((f.name for f in layer.fields), values, strict=True))
                stream.write(",\n" if written else "\n")
                stream.write(f'{{"type": "Feature", "properties": {_json(properties)}, "geometry": {shape}}}')
                written += 1
        stream.write("\n]}\n")
    os.replace(part, path)
    if written:
        _check_geojson(book, path, written, area, length)
    return written


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _check_geojson(book: Book, path: Path, written: int, area: float, length: float) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            meta, _, wkb, _ = pyogrio.raw.read(path, columns=[])
    except DataSourceError as exc:
        raise VectorError("the GeoJSON cannot be opened", path=path, remedy="Check the disk") from exc
    shapes = shapely.from_wkb(wkb)
    found = (len(shapes), float(shapely.area(shapes).sum()), float(shapely.length(shapes).sum()))
    if not np.allclose(found, (written, area, length), rtol=1e-6):
        raise VectorError(
            "the GeoJSON does not read back as it was written",
            path=path,
            remedy=f"Check that the disk is sound; {shutil.disk_usage(path.parent).free >> 20} MB are free",
        )
    from pyproj import CRS

    if not same_crs(CRS.from_user_input(meta["crs"]).to_wkt(), book.crs_wkt):
        raise CrsError(
            "GeoJSON does not keep this book's CRS", path=book.path, remedy="Use --format gpkg or shapefile"
        )
