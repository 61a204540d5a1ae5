"""Shapefiles of surveys and pairs, with whole names, UTF-8 and a key to the fields.

The format keeps 10 characters of a name and 254 bytes of a text, one geometry type a file, no unit, and
2 GB; hence the table in `segmentation_core.export.fields`, the table of long texts, and the parts. What
is written is read back and compared with the book.
"""

from __future__ import annotations

import itertools
import shutil
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from segmentation_core.errors import DiskFullError, VectorError
from segmentation_core.export.content import Content, layer_content
from segmentation_core.export.csv_table import write_csv
from segmentation_core.export.fields import (
    CHANGE_LAYERS,
    EXPORT_LAYERS,
    STATISTICS_TABLE,
    ExportField,
    ExportLayer,
)
from segmentation_core.export.qml import write_qml
from segmentation_core.export.request import Pair, Request, Written
from segmentation_core.survey.names import safe_name
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import Survey

__all__ = ["FIELD_KEY", "LONG_TEXTS", "write_shapefiles"]

FIELD_KEY = "field_key.csv"
LONG_TEXTS = "long_texts.csv"

_FULL_BYTES = 1 << 20
_LARGEST_FILE_BYTES = 1_900_000_000
"""Of a .shp or .dbf: 2 GB is the limit of many readers, and GDAL's own estimate is not exact."""

_TEXT_BYTES = 254
_LARGEST_INT32 = 2**31 - 1
_READ_FAULTS = (DataSourceError, DataLayerError, FeatureError, OSError)


@dataclass
class _LongTexts:
    """Texts that did not fit, and where their beginnings stand."""

    rows: list[tuple[str, int, str, str]] = field(default_factory=list)


def write_shapefiles(book: Book, request: Request, folder: Path) -> Written:
    """Write every layer of surveys and pairs as shapefiles, and the key to their fields.

    Parameters
    ----------
    book : Book
        Open, with statistics up to date.
    request : Request
        Which surveys, pairs and elements.
    folder : Path
        An empty folder.

    Returns
    -------
    Written
        File name to the number of features, as read back.

    Raises
    ------
    VectorError
        A file does not read back as it was written.
    DiskFullError
        The disk is full.
    """
    counts: dict[str, int] = {}
    long_texts = _LongTexts()
    used: dict[str, ExportLayer] = {}
    for of, layer, stem in _layers(request):
        used[layer.name] = layer
        counts |= _write_layer(book, request, of, layer, folder / f"{stem}_{layer.name}", long_texts)
    write_csv(
        folder / FIELD_KEY,
        ("layer", "field", "meaning_en", "meaning_zh", "unit"),
        ((y.name, f.name, f.meaning_en, f.meaning_zh, f.unit) for y in used.values() for f in y.fields),
    )
    notes = _split_notes(counts)
    if long_texts.rows:
        write_csv(folder / LONG_TEXTS, ("file", "record", "field", "text"), long_texts.rows)
        notes.append(
            f"{len(long_texts.rows)} texts are longer than {_TEXT_BYTES} bytes: the shapefiles hold their "
            f"beginnings, {LONG_TEXTS} the whole texts"
        )
    return Written(counts, tuple(notes))


def _layers(request: Request) -> Iterator[tuple[Survey | Pair, ExportLayer, str]]:
    for survey in request.surveys:
        for layer in (*EXPORT_LAYERS, STATISTICS_TABLE):
            yield survey, layer, safe_name(survey.name)
    for pair in request.pairs:
        for layer in CHANGE_LAYERS:
            yield pair, layer, f"{safe_name(pair.before.name)}_{safe_name(pair.after.name)}"


def _split_notes(counts: dict[str, int]) -> list[str]:
    parts = [name for name in counts if "_part" in Path(name).stem]
    return [f"layers above 2 GB were split: {', '.join(parts)}"] if parts else []


def _write_layer(
    book: Book, request: Request, of: Survey | Pair, layer: ExportLayer, stem: Path, long_texts: _LongTexts
) -> dict[str, int]:
    """Write one layer in parts below the size limit, compare each with the book, return their counts."""
    types = _integer_types(layer, layer_content(book, layer, of, request))
    counts: dict[str, int] = {}
    paths = _part_paths(stem, ".shp" if layer.geometry_type else ".dbf")
    path = next(paths)
    written, row_bytes, shape_bytes = 0, _row_bytes(layer), 0
    for content in _or_empty(layer, layer_content(book, layer, of, request)):
        for piece in _pieces(content, shape_bytes, written * row_bytes, row_bytes):
            if piece.starts_a_file:
                counts[path.name] = written
                path, written, shape_bytes = next(paths), 0, 0
            part = _shortened(piece.content, layer, path.name, written, long_texts)
            _append(path, layer, part, types, book.crs_wkt, new=written == 0)
            written += len(part)
            shape_bytes += int(_shape_bytes(part.geometries).sum())
    counts[path.name] = written
    _check(stem.parent, list(counts), layer, layer_content(book, layer, of, request))
    for name in counts:
        write_qml((stem.parent / name).with_suffix(".qml"), layer, request.language)
    return counts


def _or_empty(layer: ExportLayer, contents: Iterable[Content]) -> Iterator[Content]:
    """Yield the contents, or one empty content, so that an empty layer becomes a file too."""
    first = True
    for content in contents:
        first = False
        yield content
    if first:
        yield Content(np.empty(0, dtype=object), [[] for _ in layer.fields])


def _part_paths(stem: Path, suffix: str) -> Iterator[Path]:
    yield stem.with_name(f"{stem.name}{suffix}")
    for number in itertools.count(2):
        yield stem.with_name(f"{stem.name}_part{number}{suffix}")


@dataclass(frozen=True)
class _Piece:
    content: Content
    starts_a_file: bool


def _pieces(content: Content, shape_bytes: int, table_bytes: int, row_bytes: int) -> Iterator[_Piece]:
    """Cut a chunk where the file being written would pass the limit."""
    sizes = _shape_bytes(content.geometries)
    start, shapes, table, fresh = 0, shape_bytes, table_bytes, False
    for i, size in enumerate(sizes.tolist()):
        if max(shapes + size, table + row_bytes) > _LARGEST_FILE_BYTES and shapes + table > 0:
            if i > start:
                yield _Piece(_rows(content, start, i), fresh)
            start, shapes, table, fresh = i, 0, 0, True
        shapes, table = shapes + size, table + row_bytes
    yield _Piece(_rows(content, start, len(content)), fresh)


def _rows(content: Content, start: int, stop: int) -> Content:
    return Content(content.geometries[start:stop], [column[start:stop] for column in content.columns])


def _shape_bytes(geometries: NDArray[np.object_]) -> NDArray[np.int64]:
    """Return the bytes of each record of a .shp: header, box, parts, points."""
    parts = shapely.get_num_geometries(geometries) + np.maximum(0, _rings(geometries))
    return np.asarray(52 + 4 * parts + 16 * (shapely.get_num_coordinates(geometries) + 1), dtype=np.int64)


def _rings(geometries: NDArray[np.object_]) -> NDArray[np.int64]:
    parts, owner = shapely.get_parts(geometries, return_index=True)
    rings = np.bincount(owner, shapely.get_num_interior_rings(parts), minlength=len(geometries))
    return np.asarray(rings, dtype=np.int64)


def _row_bytes(layer: ExportLayer) -> int:
    width = {"text": _TEXT_BYTES, "real": 24, "integer": 18, "date": 8}
    return 1 + sum(width[f.kind] for f in layer.fields)


def _shortened(
    content: Content, layer: ExportLayer, name: str, first: int, long_texts: _LongTexts
) -> Content:
    """Cut texts to 254 bytes between two characters, and remember the whole ones."""
    columns = list(content.columns)
    for i, f in enumerate(layer.fields):
        if f.kind != "text":
            continue
        too_long = [k for k, v in enumerate(columns[i]) if v is not None and len(v.encode()) > _TEXT_BYTES]
        if not too_long:
            continue
        columns[i] = list(columns[i])
        for k in too_long:
            long_texts.rows.append((name, first + k, f.name, columns[i][k]))
            columns[i][k] = _cut(columns[i][k])
    return replace(content, columns=columns)


def _cut(text: str) -> str:
    return text.encode()[:_TEXT_BYTES].decode(errors="ignore")


def _integer_types(layer: ExportLayer, contents: Iterable[Content]) -> dict[str, Any]:
    """Return the integer type of each field: 64 bits, which old readers lack, only where values need it."""
    integers = [(i, f) for i, f in enumerate(layer.fields) if f.kind == "integer"]
    largest = dict.fromkeys((f.name for _, f in integers), 0)
    for content in contents if integers else ():
        for i, f in integers:
            largest[f.name] = max(largest[f.name], *(abs(v or 0) for v in content.columns[i]), 0)
    return {name: np.int64 if value > _LARGEST_INT32 else np.int32 for name, value in largest.items()}


def _append(
    path: Path, layer: ExportLayer, content: Content, types: dict[str, Any], crs_wkt: str | None, *, new: bool
) -> None:
    arrays = [
        _array(f, column, types.get(f.name)) for f, column in zip(layer.fields, content.columns, strict=True)
    ]
    geometry: dict[str, Any] = {"geometry_type": layer.geometry_type, "crs": crs_wkt}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="'crs' was not provided")
            pyogrio.raw.write(
                path,
                np.asarray(shapely.to_wkb(content.geometries), dtype=object) if layer.geometry_type else None,
                [values for values, _ in arrays],
                np.array([f.name for f in layer.fields], dtype=object),
                field_mask=[mask for _, mask in arrays],
                driver="ESRI Shapefile",
                encoding="UTF-8",
                append=not new,
                **(geometry if layer.geometry_type else {}),
            )
    except _READ_FAULTS as exc:
        raise _differs(path, str(exc)) from exc


def _array(f: ExportField, values: list[Any], integer: Any) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return a column and the mask of its NULLs."""
    mask = np.array([v is None for v in values], dtype=np.bool_)
    if f.kind == "text":
        return np.array(values, dtype=object), None
    if f.kind == "date":
        return np.array(values, dtype="datetime64[D]"), None
    filled = [0 if v is None else v for v in values]
    return np.array(filled, dtype=np.float64 if f.kind == "real" else integer), mask


def _check(folder: Path, names: list[str], layer: ExportLayer, expected: Iterable[Content]) -> None:
    """Read files back and compare with the book: OGR does not always report that a disk filled up."""
    found = _read_back(folder, names, layer)
    rest: Content | None = None
    for content in expected:
        at = 0
        while at < len(content):
            if rest is None:
                rest = next(found, None)
            if rest is None:
                raise _differs(folder / names[-1], "features are missing")
            size = min(len(rest), len(content) - at)
            _compare(folder / names[0], layer, _rows(content, at, at + size), _rows(rest, 0, size))
            at += size
            rest = _rows(rest, size, len(rest)) if size < len(rest) else None
    if rest is not None or next(found, None) is not None:
        raise _differs(folder / names[-1], "there are more features than in the book")


def _read_back(folder: Path, names: list[str], layer: ExportLayer) -> Iterator[Content]:
    for name in names:
        path, start = folder / name, 0
        while True:
            try:
                meta, _, wkb, columns = pyogrio.raw.read(path, skip_features=start, max_features=20_000)
            except _READ_FAULTS as exc:
                raise _differs(path, "it cannot be opened") from exc
            if meta["fields"].tolist() != [f.name for f in layer.fields]:
                raise _differs(path, f"its fields are {', '.join(meta['fields'])}")
            size = len(columns[0])
            if size == 0:
                break
            shapes = shapely.from_wkb(wkb) if layer.geometry_type else np.full(size, None, dtype=object)
            yield Content(np.asarray(shapes, dtype=object), [list(column) for column in columns])
            start += size


def _compare(path: Path, layer: ExportLayer, written: Content, read: Content) -> None:
    sizes = [(shapely.area(c.geometries), shapely.length(c.geometries)) for c in (written, read)]
    if layer.geometry_type and not np.allclose(sizes[0], sizes[1], rtol=1e-6, atol=0):
        raise _differs(path, "other geometries")
    boxes = [shapely.bounds(c.geometries) for c in (written, read)]
    if layer.geometry_type and not np.allclose(boxes[0], boxes[1], rtol=1e-9, atol=1e-9):
        raise _differs(path, "geometries at another place")
    for f, ours, theirs in zip(layer.fields, written.columns, read.columns, strict=True):
        if f.kind in {"real", "integer"}:
            pair = [np.array([np.nan if v is None else v for v in c], dtype=float) for c in (ours, theirs)]
            same = np.allclose(pair[0], pair[1], rtol=1e-6, atol=1e-12, equal_nan=True)
        elif f.kind == "date":
            same = [v and str(v) for v in ours] == [v and str(v)[:10] for v in theirs]
        else:
            same = [None if v is None else _cut(v) or None for v in ours] == list(theirs)
        if not same:
            raise _differs(path, f"other values in {f.name}")


def _differs(path: Path, what: str) -> VectorError | DiskFullError:
    if shutil.disk_usage(path.parent).free < _FULL_BYTES:
        return DiskFullError("the disk is full", path=path, remedy="Free some space and export again")
    return VectorError(
        f"the shapefile does not read back as it was written ({what})",
        path=path,
        remedy="Check that the disk is sound and no quota is reached, and export again",
    )
