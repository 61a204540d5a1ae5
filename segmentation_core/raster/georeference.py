"""Where a raster lies and how large its unit is (DESIGN, invariant 5).

A planar measure needs the affine and the metres in one unit of it. Both come from the file where it
has a projected or local (engineering) CRS; an image without one needs the ground sampling distance
from the user. Nothing is guessed: a geographic CRS or an unknown unit is refused.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from affine import Affine

from segmentation_core.errors import CrsError, ParameterError, RasterError
from segmentation_core.raster.grid import Grid

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

__all__ = ["METRES_PER_UNIT_TAG", "crs_metres_per_unit", "read_grid", "same_crs"]

METRES_PER_UNIT_TAG = "CRAQUELURE_METRES_PER_UNIT"
"""GeoTIFF tag in which our own rasters carry the unit that a missing CRS cannot state."""

_GSD_AGREEMENT = 0.01


def read_grid(dataset: DatasetReader, gsd_mm: float | None = None) -> Grid:
    """Return the grid of an open raster.

    Parameters
    ----------
    dataset : rasterio dataset
        Open for reading.
    gsd_mm : float or None
        Ground sampling distance in mm per pixel, for a raster without CRS. For one with a CRS it must
        agree with the file to 1 %.

    Returns
    -------
    Grid
        In the raster's own coordinates. An image without any georeference gets x = column and
        y = -row, which is where QGIS draws it.

    Raises
    ------
    CrsError
        Geographic CRS, unknown unit, or neither CRS nor ``gsd_mm``.
    ParameterError
        ``gsd_mm`` is not positive, or contradicts the file.
    RasterError
        The affine is degenerate.
    """
    path = Path(dataset.name)
    if gsd_mm is not None and not (math.isfinite(gsd_mm) and gsd_mm > 0):
        raise ParameterError(
            f"a GSD of {gsd_mm:g} mm per pixel is impossible",
            path=path,
            remedy="Give the millimetres that one pixel covers on the wall, as 0.25",
        )
    affine = dataset.transform
    if affine.is_identity:
        affine = Affine(1, 0, 0, 0, -1, 0)
    side = math.sqrt(abs(affine.determinant))
    if not (math.isfinite(side) and side > 0):
        raise RasterError(
            "the affine has no area",
            path=path,
            remedy="Export the orthophoto again with a valid geotransform",
        )
    crs_wkt = dataset.crs.to_wkt() if dataset.crs else None
    declared = _declared_unit(dataset, crs_wkt, path, gsd_given=gsd_mm is not None)
    if declared is None:
        if gsd_mm is None:
            raise CrsError(
                "the raster has no CRS, so the size of a pixel is unknown",
                path=path,
                remedy="Give the ground sampling distance with --gsd MM (mm per pixel)",
            )
        declared = gsd_mm / 1000.0 / side
    elif gsd_mm is not None and abs(gsd_mm / 1000.0 / (side * declared) - 1.0) > _GSD_AGREEMENT:
        raise ParameterError(
            f"--gsd says {gsd_mm:g} mm per pixel, the file says {side * declared * 1000:g}",
            path=path,
            remedy="Leave --gsd out, or remove the wrong georeference from the file",
        )
    return Grid(dataset.width, dataset.height, affine, crs_wkt, declared)


def _declared_unit(
    dataset: DatasetReader, crs_wkt: str | None, path: Path, *, gsd_given: bool
) -> float | None:
    tag = dataset.tags().get(METRES_PER_UNIT_TAG)
    stated = None if tag is None else float(tag)
    if crs_wkt is None:
        return stated
    try:
        return crs_metres_per_unit(crs_wkt, path)
    except _UnknownUnitError:
        if gsd_given or stated is not None:
            return stated
        raise


class _UnknownUnitError(CrsError):
    """The CRS is planar but does not say what its unit is."""


def crs_metres_per_unit(crs_wkt: str, path: Path) -> float:
    """Return the metres in one unit of a projected or local CRS.

    Parameters
    ----------
    crs_wkt : str
        The CRS.
    path : Path
        The file it came from, for the message.

    Raises
    ------
    CrsError
        The CRS is geographic or geocentric, or its unit is not known.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError as ProjError

    try:
        crs = CRS.from_wkt(crs_wkt)
    except ProjError as exc:
        raise CrsError("the CRS cannot be read", path=path, remedy="Assign a valid CRS") from exc
    if crs.is_geographic or crs.is_geocentric:
        raise CrsError(
            f"the CRS ({crs.name}) is in degrees, which cannot measure a wall",
            path=path,
            remedy="Reproject to a projected or local CRS in metres, or remove the CRS and give --gsd MM",
        )
    axes = crs.axis_info
    factor = axes[0].unit_conversion_factor if axes else 0.0
    unknown_name = bool(axes) and axes[0].unit_name.lower() in {"unknown", "unnamed"}
    if not factor or (unknown_name and factor == 1.0):
        raise _UnknownUnitError(
            f"the CRS ({crs.name}) does not say what its unit is",
            path=path,
            remedy="Assign a local CRS in metres, or give --gsd MM",
        )
    return float(factor)


def same_crs(wkt_a: str | None, wkt_b: str | None) -> bool:
    """Say whether two CRSs are one; two missing ones are.

    Axis names and their order are ignored: file formats rewrite them for local CRSs.
    """
    if wkt_a is None or wkt_b is None:
        return wkt_a is wkt_b
    if wkt_a == wkt_b:
        return True
    from pyproj import CRS

    a, b = CRS.from_wkt(wkt_a), CRS.from_wkt(wkt_b)
    local = "Engineering CRS"
    if a.type_name == local or b.type_name == local:
        # PROJ calls all local CRSs of one unit equal; the name is what tells one wall from another.
        units = (a.axis_info[0].unit_conversion_factor, b.axis_info[0].unit_conversion_factor)
        return bool(a.type_name == b.type_name and a.name == b.name and units[0] == units[1])
    return bool(a.equals(b, ignore_axis_order=True))
