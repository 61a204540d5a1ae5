"""Features back to annotations for retraining: LabelMe files, and class rasters.

LabelMe cannot draw a hole; by its convention a later ``background`` shape cuts one, so that shapes go from
the outermost to the innermost. What was not assessed is ``ignore``. Every shape carries the ``uid`` of its
feature. Lines that a person drew have no area: they become line strips with their width.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.features import rasterize

from segmentation_core.errors import VectorError
from segmentation_core.export.request import Request, Written
from segmentation_core.statistics.features import stream_features
from segmentation_core.survey.areas import counting_areas
from segmentation_core.survey.names import safe_name
from segmentation_core.survey.outlines import stored_assessed
from segmentation_core.survey.surveys import OrthophotoRecord, Survey, orthophotos_of
from segmentation_core.vocabulary import load_vocabulary

if TYPE_CHECKING:
    from segmentation_core.survey.store import Book

__all__ = ["BACKGROUND", "IGNORE", "burnt", "write_labelme", "write_masks"]

BACKGROUND = "background"
IGNORE = "ignore"
_LABELME_VERSION = "5.5.0"
_BAND_ROWS = 1024
_AREAS = ("loss_polygon", "crack_area")
_STORED = "status IS NOT 'rejected' AND surv_id = ? AND (orth_id = ? OR orth_id IS NULL)"


@dataclass(frozen=True)
class _Sheet:
    """An orthophoto of a survey, and what to call its files."""

    survey: Survey
    orth_id: str
    record: OrthophotoRecord
    stem: str

    @property
    def to_pixels(self) -> Affine:
        """Map coordinates to columns and rows."""
        inverse: Affine = ~Affine(*self.record.transform)
        return inverse


def write_labelme(book: Book, request: Request, folder: Path) -> Written:
    """Write one LabelMe file for each orthophoto; coordinates are its pixels.

    Memory: the polygons of one orthophoto, which have to be sorted.
    """
    counts = {}
    for sheet in _sheets(book, request):
        path = folder / f"{sheet.stem}.json"
        shapes = [*_ground_shapes(book, sheet), *_area_shapes(book, request, sheet)]
        shapes += _line_shapes(book, request, sheet)
        picture = _relative(sheet.record.path, request.out)
        data: dict[str, Any] = {
            "version": _LABELME_VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": picture,
            "imageData": None,
            "imageHeight": sheet.record.height_px,
            "imageWidth": sheet.record.width_px,
        }
        path.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
        counts[path.name] = len(shapes)
    return Written(counts)


def write_masks(book: Book, request: Request, folder: Path) -> Written:
    """Write one class raster (GeoTIFF, uint8) for each orthophoto, on its working grid.

    Values are those of the vocabulary, 255 where nothing was assessed; ``survey --classes`` reads it.
    Memory: one band of 1,024 rows and its features.
    """
    vocabulary = load_vocabulary()
    counts = {}
    for sheet in _sheets(book, request):
        path = folder / f"{sheet.stem}.tif"
        record = sheet.record
        georeference = {"crs": book.crs_wkt, "transform": Affine(*record.transform)}
        profile: dict[str, Any] = {
            "driver": "GTiff",
            "dtype": "uint8",
            "count": 1,
            "width": record.width_px,
            "height": record.height_px,
            "nodata": vocabulary.nodata_value,
            "compress": "deflate",
            "tiled": True,
            **(georeference if record.is_georeferenced else {}),
        }
        ground = stored_assessed(book, sheet.orth_id)
        sums: list[int] = []
        try:
            with rasterio.open(path, "w", **profile) as dataset:
                for window in _bands(record):
                    band = _band(book, request, sheet, ground, window.row_off, window.height)
                    sums.append(zlib.crc32(band.tobytes()))
                    dataset.write(band, 1, window=window)
            with rasterio.open(path) as dataset:
                found = [zlib.crc32(dataset.read(1, window=window).tobytes()) for window in _bands(record)]
        except RasterioError as exc:
            raise _unwritten(path) from exc
        if found != sums:  # GDAL does not always say that a disk filled up
            raise _unwritten(path)
        counts[path.name] = 1
    return Written(counts)


def _bands(record: OrthophotoRecord) -> Iterator[Any]:
    for row in range(0, record.height_px, _BAND_ROWS):
        rows = min(_BAND_ROWS, record.height_px - row)
        yield rasterio.windows.Window(0, row, record.width_px, rows)


def _unwritten(path: Path) -> VectorError:
    return VectorError(
        "the mask does not read back as it was written",
        path=path,
        remedy="Check that the disk is not full and no quota is reached, and export again",
    )


def _sheets(book: Book, request: Request) -> Iterator[_Sheet]:
    for survey in request.surveys:
        for orth_id, record in orthophotos_of(book, survey.surv_id):
            stem = f"{safe_name(survey.name)}_{safe_name(Path(record.path).stem)}_{orth_id}"
            yield _Sheet(survey, orth_id, record, stem)


def _relative(path: str, out: Path) -> str:
    try:
        return Path(os.path.relpath(path, out.resolve())).as_posix()
    except ValueError:  # another drive
        return path


def _features(
    book: Book, request: Request, sheet: _Sheet, table: str, columns: tuple[str, ...], where: str = "1"
) -> Iterator[Any]:
    wanted = request.elements_json
    condition = f"{_STORED} AND {where} AND (? IS NULL OR elem_id IN (SELECT value FROM json_each(?)))"
    parameters = (sheet.survey.surv_id, sheet.orth_id, wanted, wanted)
    if table == "crack_area":
        yield from counting_areas(book, sheet.survey.surv_id, columns, condition, parameters)
    else:
        yield from stream_features(book.connection, table, columns, condition, parameters)


def _pixels(sheet: _Sheet, geometry: Any) -> list[list[float]]:
    """Return coordinates as columns and rows, exact on pixel edges; without the closing point of a ring."""
    to_pixels = sheet.to_pixels
    points = shapely.get_coordinates(geometry)
    cols = to_pixels.a * points[:, 0] + to_pixels.b * points[:, 1] + to_pixels.c
    rows = to_pixels.d * points[:, 0] + to_pixels.e * points[:, 1] + to_pixels.f
    pairs = np.column_stack([cols, rows]).round(4) + 0.0  # no -0.0
    closes = geometry.geom_type == "LinearRing"
    return [list(pair) for pair in pairs[: len(pairs) - closes].tolist()]


def _shape(
    label: str, kind: str, points: list[list[float]], group: int | None, description: str
) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": group,
        "description": description,
        "shape_type": kind,
        "flags": {},
    }


def _ground_shapes(book: Book, sheet: _Sheet) -> Iterator[dict[str, Any]]:
    """Yield what says where nothing was assessed; nothing where all of the picture was."""
    width, height = sheet.record.width_px, sheet.record.height_px
    ground = stored_assessed(book, sheet.orth_id)
    if abs(ground.area / sheet.record.pixel_side**2 - width * height) < 0.5:
        return
    frame = [[0.0, 0.0], [float(width), 0.0], [float(width), float(height)], [0.0, float(height)]]
    yield _shape(IGNORE, "polygon", frame, None, "")
    for part in shapely.get_parts(ground):
        yield _shape(BACKGROUND, "polygon", _pixels(sheet, part.exterior), None, "")
        for hole in part.interiors:
            yield _shape(IGNORE, "polygon", _pixels(sheet, hole), None, "")


def _area_shapes(book: Book, request: Request, sheet: _Sheet) -> Iterator[dict[str, Any]]:
    """Yield polygons from the largest outline to the smallest, each followed by its holes."""
    parts: list[tuple[float, str, str, Any]] = []
    for table in _AREAS:
        for chunk in _features(book, request, sheet, table, ("uid", "class_cd")):
            for geometry, (uid, code) in zip(chunk.geometries, chunk.rows, strict=True):
                for part in shapely.get_parts(geometry):
                    parts.append((-shapely.Polygon(part.exterior).area, str(uid), str(code), part))
    parts.sort(key=lambda item: item[:2])
    numbers: dict[str, int] = {}
    for _, uid, code, part in parts:
        group = numbers.setdefault(uid, len(numbers) + 1)
        yield _shape(code, "polygon", _pixels(sheet, part.exterior), group, f"uid={uid}")
        for hole in part.interiors:
            yield _shape(BACKGROUND, "polygon", _pixels(sheet, hole), group, f"uid={uid}")


def _line_shapes(book: Book, request: Request, sheet: _Sheet) -> Iterator[dict[str, Any]]:
    """Yield the lines that a person drew."""
    chunks = _features(book, request, sheet, "crack_line", ("uid", "class_cd", "wid_m"), "status = 'drawn'")
    for chunk in chunks:
        for geometry, (uid, code, width) in zip(chunk.geometries, chunk.rows, strict=True):
            stated = f" width_mm={width * 1e3:.4g}" if width else ""
            yield _shape(str(code), "linestrip", _pixels(sheet, geometry), None, f"uid={uid}{stated}")


def _band(book: Book, request: Request, sheet: _Sheet, ground: Any, row: int, rows: int) -> NDArray[np.uint8]:
    """Return the classes of some rows."""
    vocabulary = load_vocabulary()
    record = sheet.record
    place = Affine(*record.transform) @ Affine.translation(0, row)
    shape = (rows, record.width_px)
    frame = shapely.Polygon(
        [place @ (c, r, 1.0) for c, r in ((0, 0), (shape[1], 0), (shape[1], rows), (0, rows))]
    )
    x0, y0, x1, y1 = frame.bounds
    band = burnt([shapely.clip_by_rect(ground, x0, y0, x1, y1)], shape, place)
    classes = np.where(band, vocabulary.background_value, vocabulary.nodata_value).astype(np.uint8)
    inside = (
        "fid IN (SELECT id FROM rtree_{t}_geom WHERE maxx >= {x0!r} AND minx <= {x1!r} "
        "AND maxy >= {y0!r} AND miny <= {y1!r})"
    )
    for defect in vocabulary.drawing_order:
        table = "crack_area" if defect.geometry == "line" else "loss_polygon"
        shapes: list[Any] = []
        where = inside.format(t=table, x0=x0, x1=x1, y0=y0, y1=y1)
        for chunk in _features(book, request, sheet, table, ("class_cd",), where):
            shapes += [
                g for g, (code,) in zip(chunk.geometries, chunk.rows, strict=True) if code == defect.code
            ]
        if defect.geometry == "line":
            where = inside.format(t="crack_line", x0=x0, x1=x1, y0=y0, y1=y1)
            drawn = _features(book, request, sheet, "crack_line", ("wid_m",), f"status = 'drawn' AND {where}")
            for chunk in drawn:
                widths = [(w or 0.0) / record.metres_per_unit for (w,) in chunk.rows]
                shapes += list(shapely.buffer(chunk.geometries, np.maximum(widths, record.pixel_side) / 2))
        classes[burnt(shapes, shape, place) & band] = defect.value
    return classes


def burnt(shapes: list[Any], shape: tuple[int, int], place: Affine) -> NDArray[np.bool_]:
    """Return which pixels (H, W) have their centre inside one of the shapes; ``place`` is their affine."""
    polygons = [s for s in shapes if not s.is_empty]
    if not polygons:
        return np.zeros(shape, dtype=np.bool_)
    return np.asarray(rasterize(polygons, out_shape=shape, transform=place, dtype="uint8") == 1)
