"""Shapefiles of a survey, with whole names, UTF-8 and a key to the fields.

The format keeps 10 characters of a name and 254 bytes of a text, one geometry type a file and no
unit; hence the table in `segmentation_core.export.fields`. What is written is read back and compared.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from segmentation_core.errors import DiskFullError, VectorError
from segmentation_core.export.csv_table import write_csv
from segmentation_core.export.fields import EXPORT_LAYERS, ExportField, ExportLayer
from segmentation_core.statistics.elements import WHOLE_IMAGE
from segmentation_core.statistics.features import stream_features
from segmentation_core.survey.figures import stored_rows
from segmentation_core.survey.names import safe_name
from segmentation_core.survey.outlines import stored_assessed, stored_elements
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import Survey, orthophotos_of
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["FIELD_KEY", "write_shapefiles"]

FIELD_KEY = "field_key.csv"

_FULL_BYTES = 1 << 20


def write_shapefiles(book: Book, surveys: Sequence[Survey], folder: Path) -> dict[str, int]:
    """Write every layer of surveys as a shapefile, and the key to their fields.

    Parameters
    ----------
    book : Book
        Open, with statistics up to date.
    surveys : sequence of Survey
        Which ones.
    folder : Path
        An empty folder.

    Returns
    -------
    dict
        File name to the number of features, as read back.

    Raises
    ------
    VectorError
        A file does not read back as it was written.
    DiskFullError
        The disk is full.
    """
    counts = {}
    for survey in surveys:
        for layer in EXPORT_LAYERS:
            path = folder / f"{safe_name(survey.name)}_{layer.name}.shp"
            geometries, values = _content(book, survey, layer)
            columns = [_array(field, column) for field, column in zip(layer.fields, values, strict=True)]
            _write(path, layer, geometries, columns, book.crs_wkt)
            _check(path, layer, geometries, columns)
            counts[path.name] = len(geometries)
    write_csv(
        folder / FIELD_KEY,
        ("layer", "field", "meaning_en", "meaning_zh", "unit"),
        (
            (layer.name, field.name, field.meaning_en, field.meaning_zh, field.unit)
            for layer in EXPORT_LAYERS
            for field in layer.fields
        ),
    )
    return counts


def _content(book: Book, survey: Survey, layer: ExportLayer) -> tuple[NDArray[np.object_], list[list[Any]]]:
    """Return the geometries of a layer and its columns, in the book's units."""
    if layer.table == "element":
        return _element_content(book, survey, layer)
    stored = [field.source for field in layer.fields if field.source not in {"date", "name_en", "name_zh"}]
    names = {c.code: (c.name_en, c.name_zh) for c in load_vocabulary().classes}
    geometries: list[NDArray[np.object_]] = [np.empty(0, dtype=object)]
    records: list[dict[str, Any]] = []
    where = "surv_id = ? AND status IS NOT 'rejected'"
    for chunk in stream_features(book.connection, layer.table, stored, where, (survey.surv_id,)):
        geometries.append(chunk.geometries)
        records += [dict(zip(stored, row, strict=True)) for row in chunk.rows]
    for record in records:
        record["date"] = survey.date
        record["name_en"], record["name_zh"] = names.get(record["class_cd"], (None, None))
    return np.concatenate(geometries), [[r[field.source] for r in records] for field in layer.fields]


def _element_content(
    book: Book, survey: Survey, layer: ExportLayer
) -> tuple[NDArray[np.object_], list[list[Any]]]:
    stored = stored_elements(book)
    outlines = dict(zip(stored.ids, stored.geometries, strict=True))
    rows = stored_rows(book, survey.surv_id)
    geometries = []
    for row in rows:
        row["date"] = survey.date
        if row["elem_id"] in outlines:
            geometries.append(outlines[row["elem_id"]])
        elif row["elem_id"] == WHOLE_IMAGE:
            grounds = [stored_assessed(book, orth_id) for orth_id, _ in orthophotos_of(book, survey.surv_id)]
            geometries.append(shapely.union_all(grounds))
    return np.array(geometries, dtype=object), [[row[f.source] for row in rows] for f in layer.fields]


def _write(
    path: Path,
    layer: ExportLayer,
    geometries: NDArray[np.object_],
    columns: list[NDArray[Any]],
    crs_wkt: str | None,
) -> None:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="'crs' was not provided")
            pyogrio.raw.write(
                path,
                np.asarray(shapely.to_wkb(geometries), dtype=object),
                columns,
                np.array([field.name for field in layer.fields], dtype=object),
                driver="ESRI Shapefile",
                geometry_type=layer.geometry_type,
                crs=crs_wkt,
                encoding="UTF-8",
            )
    except (DataSourceError, DataLayerError, FeatureError, OSError) as exc:
        raise _differs(path, str(exc)) from exc


def _array(field: ExportField, values: list[Any]) -> NDArray[Any]:
    if field.kind == "real":
        return np.array([np.nan if v is None else v * field.factor for v in values], dtype=np.float64)
    if field.kind == "integer" and None in values:  # OGR has no other way to say NULL
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    if field.kind == "integer":
        return np.array(values, dtype=np.int64)
    if field.kind == "date":
        return np.array(values, dtype="datetime64[D]")
    return np.array(values, dtype=object)


def _check(
    path: Path, layer: ExportLayer, geometries: NDArray[np.object_], columns: list[NDArray[Any]]
) -> None:
    """Read a file back and compare everything: OGR does not always report that a disk filled up."""
    try:
        meta, _, wkb, found = pyogrio.raw.read(path)
    except (DataSourceError, DataLayerError) as exc:
        raise _differs(path, "it cannot be opened") from exc
    names = [field.name for field in layer.fields]
    if meta["fields"].tolist() != names or len(wkb) != len(geometries):
        raise _differs(path, f"{len(wkb)} features with the fields {', '.join(meta['fields'])}")
    sizes = np.array([(shapely.area(g), shapely.length(g)) for g in (geometries, shapely.from_wkb(wkb))])
    if not np.allclose(sizes[0], sizes[1], rtol=1e-6, equal_nan=False):
        raise _differs(path, "other geometries")
    for field, written, read in zip(layer.fields, columns, found, strict=True):
        if field.kind == "real":
            same = np.allclose(written, read, rtol=1e-6, equal_nan=True)
        else:
            same = bool(np.all((written == read) | _is_null(written) & _is_null(read)))
        if not same:
            raise _differs(path, f"other values in {field.name}")


def _is_null(values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.array([value is None or value != value for value in values], dtype=bool)


def _differs(path: Path, what: str) -> VectorError | DiskFullError:
    if shutil.disk_usage(path.parent).free < _FULL_BYTES:
        return DiskFullError("the disk is full", path=path, remedy="Free some space and export again")
    return VectorError(
        f"the shapefile does not read back as it was written ({what})",
        path=path,
        remedy="Check that the disk is sound and no quota is reached, and export again",
    )
