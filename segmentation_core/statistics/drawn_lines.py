"""Crack lines that a person drew or edited, read from any file OGR knows."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError

from segmentation_core.errors import CrsError, ParameterError, VectorError
from segmentation_core.raster.georeference import crs_metres_per_unit
from segmentation_core.statistics.outlines import known_crs, named

__all__ = ["DrawnLines", "read_drawn_lines"]

_CRACK_LAYER = "crack_line"
_LINE_TYPES = (1, 5)


@dataclass(frozen=True)
class DrawnLines:
    """Lines as a person left them.

    Attributes
    ----------
    geometries : ndarray of shapely (Multi)LineString
        Two-dimensional, not empty.
    crs_wkt : str or None
    metres_per_unit : float
        Of the coordinates.
    notes : tuple of str
        The layer that was chosen, rows without geometry.
    """

    geometries: NDArray[np.object_]
    crs_wkt: str | None
    metres_per_unit: float
    notes: tuple[str, ...]


def read_drawn_lines(
    path: Path, gsd_mm: float | None, *, known_metres_per_unit: float | None = None
) -> DrawnLines:
    """Read lines.

    Parameters
    ----------
    path : Path
        Any vector file that OGR reads. Of several layers, ``crack_line`` or else the first one with lines.
    gsd_mm : float or None
        mm per unit of the coordinates, for lines drawn on a picture without CRS.
    known_metres_per_unit : float or None
        Given where the file states it elsewhere.

    Raises
    ------
    VectorError
        Not a vector file, no line, or something other than lines.
    CrsError
        In degrees; or neither CRS nor ``gsd_mm``.
    ParameterError
        ``gsd_mm`` is not positive, or given beside a CRS.
    """
    layer, note = _choose(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # OGR's remarks on M values and the like
            meta, _, wkb, _ = pyogrio.raw.read(path, layer=layer, columns=[])
    except (DataSourceError, DataLayerError) as exc:
        raise VectorError("the lines cannot be read", path=path, remedy="Save the layer again") from exc
    lines = np.asarray(shapely.from_wkb(np.zeros(0, object) if wkb is None else wkb), dtype=object)
    present = ~(shapely.is_missing(lines) | shapely.is_empty(lines))
    bare = f"{int((~present).sum())} rows of {path.name} have no geometry" if not present.all() else None
    lines = shapely.force_2d(lines[present])
    wrong = ~np.isin(shapely.get_type_id(lines), _LINE_TYPES)
    if wrong.any():
        kind = lines[wrong][0].geom_type
        raise VectorError(f"not lines but {kind}s", path=path, remedy="Give a layer of crack lines")
    if len(lines) == 0:
        raise VectorError("the layer has no lines", path=path, remedy="Draw at least one")
    crs = known_crs(meta["crs"])
    notes = tuple(text for text in (note, bare) if text)
    metres = known_metres_per_unit or _metres_per_unit(crs, gsd_mm, path)
    return DrawnLines(lines, crs, metres, notes)


def _metres_per_unit(crs: str | None, gsd_mm: float | None, path: Path) -> float:
    if gsd_mm is not None and not (math.isfinite(gsd_mm) and gsd_mm > 0):
        raise ParameterError(f"a GSD of {gsd_mm:g} mm per pixel is impossible", remedy="Give it as 0.25")
    if crs is not None and gsd_mm is None:
        return crs_metres_per_unit(crs, path)
    if crs is not None:
        raise ParameterError("the lines have a CRS, which tells their scale", remedy="Leave --gsd out")
    if gsd_mm is None:
        raise CrsError(
            "the lines have no CRS, so their scale is unknown",
            path=path,
            remedy="Give --gsd MM: the mm in one unit of them, a pixel of the picture they were drawn on",
        )
    return gsd_mm / 1000


def _choose(path: Path) -> tuple[str, str | None]:
    if not path.exists():
        raise VectorError("no such file", path=path, remedy="Check the path")
    try:
        layers: list[tuple[str, Any]] = [(str(name), kind) for name, kind in pyogrio.list_layers(path)]
    except (DataSourceError, DataLayerError) as exc:
        raise VectorError(
            "not a vector file", path=path, remedy="Give a GeoPackage, shapefile or other layer of lines"
        ) from exc
    lines = [name for name, kind in layers if kind is not None and "LineString" in kind]
    if not lines and len(layers) != 1:
        raise VectorError("no layer with lines", path=path, remedy="Pick a file with crack lines")
    chosen = _CRACK_LAYER if _CRACK_LAYER in lines else (lines or [layers[0][0]])[0]
    if len(layers) == 1:
        return chosen, None
    return chosen, f"{path.name}: layer {chosen!r} was used, of {named([name for name, _ in layers])}"
