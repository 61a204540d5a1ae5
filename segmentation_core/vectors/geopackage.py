"""The file that `vectorise` writes."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import uuid
import warnings
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyogrio
from numpy.typing import NDArray

from segmentation_core.errors import DiskFullError, VectorError
from segmentation_core.raster.durable import has_no_room
from segmentation_core.sqlite_uri import sqlite_uri

__all__ = ["LAYERS", "VectorWriter", "is_vector_file"]

_TEXT, _REAL, _WHOLE, _FLAG = np.dtype(object), np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.int32)

LAYERS: dict[str, tuple[str, dict[str, np.dtype[Any]]]] = {
    "loss_polygon": ("Polygon", {"uid": _TEXT, "class_cd": _TEXT, "area_m2": _REAL, "conf": _REAL}),
    "crack_area": (
        "MultiPolygon",
        {"uid": _TEXT, "class_cd": _TEXT, "area_m2": _REAL, "conf": _REAL, "comp_id": _WHOLE},
    ),
    "crack_line": (
        "LineString",
        {
            "uid": _TEXT,
            "class_cd": _TEXT,
            "len_m": _REAL,
            "wid_m": _REAL,
            "wid50_m": _REAL,
            "wid95_m": _REAL,
            "widp_m": _REAL,
            "conf": _REAL,
            "comp_id": _WHOLE,
            "node_a": _WHOLE,
            "node_b": _WHOLE,
            "at_limit": _FLAG,
            "bridged": _FLAG,
        },
    ),
    "crack_node": (
        "Point",
        {
            "uid": _TEXT,
            "class_cd": _TEXT,
            "node_id": _WHOLE,
            "kind": _TEXT,
            "degree": _FLAG,
            "comp_id": _WHOLE,
        },
    ),
    "island": ("Polygon", {"uid": _TEXT, "class_cd": _TEXT, "area_m2": _REAL}),
    "assessed": ("Polygon", {"area_m2": _REAL}),
}
"""Layer to geometry type and columns."""

_SINCE_ISLANDS = {"island"}
"""Layers that files of earlier versions lack."""

_ROWS_PER_WRITE = 8_000
_UNDEFINED_CARTESIAN = "-1"
_LEAST_ROOM_BYTES = 1 << 20


class VectorWriter:
    """Writes a GeoPackage 1.2 under another name and renames it when it is complete.

    Use it as a context manager; `finish` puts the file in place. Without it, nothing is left behind and a
    file that was there before stays.

    Parameters
    ----------
    path : Path
        The file to make, or an earlier one of ours to replace. Any other file, such as a survey book or a
        layer of elements, is refused.
    crs_wkt : str or None
        None writes the undefined Cartesian reference system.
    """

    def __init__(self, path: Path, crs_wkt: str | None) -> None:
        self._path, self._crs = path, crs_wkt
        self._staged = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:12]}.gpkg")
        self._waiting: dict[str, list[Mapping[str, NDArray[Any]]]] = {layer: [] for layer in LAYERS}
        self._made: set[str] = set()

    def __enter__(self) -> VectorWriter:
        if not self._path.parent.is_dir():
            raise VectorError("no such folder", path=self._path.parent, remedy="Make it, or write elsewhere")
        if self._path.suffix.lower() != ".gpkg":
            raise VectorError("a file of vectors ends in .gpkg", path=self._path, remedy="Rename it")
        if self._path.exists() and not is_vector_file(self._path):
            raise VectorError(
                "the file is there and holds something other than vectors of vectorise; it is left alone",
                path=self._path,
                remedy="Choose another name",
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for suffix in ("", "-journal", "-wal", "-shm"):
            self._staged.with_name(self._staged.name + suffix).unlink(missing_ok=True)

    def add(self, layers: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
        """Add rows to layers: ``geometry`` (WKB) and the columns of `LAYERS`."""
        for layer, rows in layers.items():
            self._waiting[layer].append(rows)
            if sum(part["geometry"].size for part in self._waiting[layer]) >= _ROWS_PER_WRITE:
                self._flush(layer)

    def rename_components(self, renamed: Mapping[int, int]) -> None:
        """Change the ``comp_id`` of lines and nodes that have been added: what it was to what it is."""
        if not renamed:
            return
        for layer in ("crack_line", "crack_node"):
            self._flush(layer)
        try:
            with closing(sqlite3.connect(sqlite_uri(self._staged.resolve(), "rw"), uri=True)) as connection:
                # Triggers of the spatial index name these where the key of a row changes: here it never does.
                for function in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
                    connection.create_function(function, 1, _not_called)
                connection.execute("CREATE TEMP TABLE renamed (was INTEGER PRIMARY KEY, now INTEGER)")
                connection.executemany("INSERT INTO renamed VALUES (?, ?)", renamed.items())
                for layer in ("crack_line", "crack_node"):
                    connection.execute(
                        f"UPDATE {layer} SET comp_id = (SELECT now FROM renamed WHERE was = comp_id)"
                        " WHERE comp_id IN (SELECT was FROM renamed)"
                    )
                connection.commit()
        except sqlite3.Error as exc:
            raise self._failure(exc) from exc

    def finish(self, run: Mapping[str, Any]) -> None:
        """Write what waits and the ``run`` table, and put the file in place."""
        for layer in LAYERS:
            self._flush(layer)
        keys = np.array(list(run), object)
        values = np.array([json.dumps(value) for value in run.values()], object)
        self._write("run", None, None, {"key": keys, "value": values})
        try:
            with open(self._staged, "rb") as written:
                os.fsync(written.fileno())
            os.replace(self._staged, self._path)
        except OSError as exc:
            raise self._failure(exc) from exc

    def _flush(self, layer: str) -> None:
        waiting, self._waiting[layer] = self._waiting[layer], []
        if not waiting and layer in self._made:
            return
        kind, columns = LAYERS[layer]
        geometry = np.concatenate([np.zeros(0, object), *(part["geometry"] for part in waiting)])
        fields = {
            name: np.concatenate([np.zeros(0, dtype), *(part[name] for part in waiting)]).astype(dtype)
            for name, dtype in columns.items()
        }
        self._write(layer, kind, geometry, fields)

    def _write(
        self, layer: str, kind: str | None, geometry: NDArray[Any] | None, fields: dict[str, NDArray[Any]]
    ) -> None:
        masks = [np.isnan(v) if v.dtype == _REAL else None for v in fields.values()]
        creation = {"VERSION": "1.2"} if not self._made else None
        layer_options: dict[str, str] = {}
        if layer not in self._made and kind is not None and self._crs is None:
            layer_options["SRID"] = _UNDEFINED_CARTESIAN
        try:
            with warnings.catch_warnings():
                # That there is no CRS is meant.
                warnings.filterwarnings("ignore", message="'crs' was not provided", category=UserWarning)
                pyogrio.raw.write(
                    self._staged,
                    geometry=geometry,
                    field_data=list(fields.values()),
                    fields=list(fields),
                    field_mask=masks,
                    layer=layer,
                    driver="GPKG",
                    geometry_type=kind,
                    crs=self._crs,
                    append=bool(self._made),
                    dataset_options=creation,
                    layer_options=layer_options or None,
                )
        except (OSError, RuntimeError, pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as exc:
            raise self._failure(exc) from exc
        self._made.add(layer)

    def _failure(self, exc: Exception) -> VectorError | DiskFullError:
        text = str(exc).lower()
        if (
            getattr(exc, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
            or "is full" in text
            or "no space left" in text
            or has_no_room(self._path, _LEAST_ROOM_BYTES)  # GDAL's message does not always tell
        ):
            return DiskFullError("the disk is full", path=self._path, remedy="Free some space and run again")
        return VectorError(
            f"cannot be written ({exc})", path=self._path, remedy="Check the folder's permissions"
        )


def _not_called(_: bytes) -> None:
    raise sqlite3.NotSupportedError("the place of a feature was to change")


def is_vector_file(path: Path) -> bool:
    """Say whether a file was written by `VectorWriter`: it has our layers and the ``run`` table."""
    try:
        with closing(sqlite3.connect(sqlite_uri(path.resolve()), uri=True)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error:
        return False
    return tables.issuperset({*LAYERS, "run"} - _SINCE_ISLANDS)
