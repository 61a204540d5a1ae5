"""The file that `vectorise` writes (VECTORS.gpkg), opened for measuring."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine

from segmentation_core.errors import VectorError
from segmentation_core.sqlite_uri import sqlite_uri
from segmentation_core.statistics.features import stream_features
from segmentation_core.statistics.outlines import polygon_parts, read_layer_crs

__all__ = ["VectorFile", "open_vectors"]

_TABLES = ("loss_polygon", "crack_area", "crack_line", "crack_node", "assessed", "run")


@dataclass(frozen=True)
class VectorFile:
    """An open VECTORS.gpkg.

    Attributes
    ----------
    path : Path
    connection : sqlite3 connection
        Read only.
    crs_wkt : str or None
    run : dict
        The ``run`` table, decoded.
    """

    path: Path
    connection: sqlite3.Connection
    crs_wkt: str | None
    run: dict[str, Any]

    @property
    def metres_per_unit(self) -> float:
        """Metres per unit of the coordinates."""
        return float(self.run["metres_per_unit"])

    @property
    def gsd_mm(self) -> float | None:
        """Size of a pixel of the raster that was vectorised, mm; None for lines drawn without one."""
        gsd_mm = self.run["gsd_mm"]
        return None if gsd_mm is None else float(gsd_mm)

    @property
    def affine(self) -> Affine | None:
        """Affine of the raster that was vectorised, where the file tells it."""
        grid = self.run.get("grid")
        return None if grid is None else Affine(*grid["affine"])

    @property
    def is_drawn(self) -> bool:
        """Whether these are lines that a person drew: losses, crack areas and widths are not known."""
        return bool(self.run.get("drawn", False))

    def assessed(self) -> Any:
        """Return the assessed pixels as one (Multi)Polygon."""
        chunks = [chunk.geometries for chunk in stream_features(self.connection, "assessed")]
        if not chunks:
            return shapely.MultiPolygon()
        geometries = np.concatenate(chunks)
        merged = geometries[0] if len(geometries) == 1 else shapely.union_all(geometries)
        return merged if shapely.is_valid(merged) else polygon_parts(shapely.make_valid(merged))


@contextmanager
def open_vectors(path: str | Path) -> Iterator[VectorFile]:
    """Open what `vectorise` wrote.

    Raises
    ------
    VectorError
        The file does not exist, is not a GeoPackage, or was not written by `vectorise`.
    """
    path = Path(path)
    if not path.is_file():
        raise VectorError("no such file", path=path, remedy="Check the path")
    with closing(sqlite3.connect(sqlite_uri(path.resolve()), uri=True)) as connection:
        try:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
            if not tables.issuperset(_TABLES):
                raise _foreign(path)
            run = {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM run")}
        except (sqlite3.DatabaseError, json.JSONDecodeError) as exc:
            raise _foreign(path) from exc
        if not {"metres_per_unit", "gsd_mm"} <= run.keys():
            raise _foreign(path)
        yield VectorFile(path, connection, read_layer_crs(path, "crack_line"), run)


def _foreign(path: Path) -> VectorError:
    return VectorError(
        "not a file of vectors made by `craquelure vectorise`",
        path=path,
        remedy="Run vectorise first; or, for lines drawn by hand, give --snap M",
    )
