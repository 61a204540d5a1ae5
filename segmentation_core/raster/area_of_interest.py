"""The part of a raster that results are wanted for: a geometry and a margin around it."""

from __future__ import annotations

import numpy as np
import rasterio.features
import shapely
import shapely.affinity
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from segmentation_core.errors import ParameterError
from segmentation_core.raster.grid import Grid, Window

__all__ = ["AreaOfInterest"]

MARGIN_PX = 64
"""Results reach this far beyond the geometry, so that what crosses its outline is whole."""


class AreaOfInterest:
    """Pixels whose centre lies in a geometry or within 64 px of it, whatever the tiling.

    Parameters
    ----------
    geometry : shapely geometry
        In the raster's own coordinates.
    grid : Grid
        The working grid.

    Raises
    ------
    ParameterError
        The geometry is empty or does not touch the raster.
    """

    def __init__(self, geometry: BaseGeometry, grid: Grid) -> None:
        to_pixels = ~grid.affine
        in_pixels = shapely.affinity.affine_transform(
            geometry, (to_pixels.a, to_pixels.b, to_pixels.d, to_pixels.e, to_pixels.c, to_pixels.f)
        )
        if in_pixels.is_empty or not in_pixels.intersects(shapely.box(0, 0, grid.width, grid.height)):
            raise ParameterError(
                "the area of interest does not touch the raster",
                remedy="Check that both have the same coordinates",
            )
        self._geometry = shapely.buffer(in_pixels, MARGIN_PX, quad_segs=16)

    def mask(self, window: Window) -> NDArray[np.bool_] | None:
        """Return which pixels of a window belong to it (h, w), or None for none."""
        outline = shapely.box(window.col_off, window.row_off, window.col_end, window.row_end)
        if not self._geometry.intersects(outline):
            return None
        burnt = rasterio.features.rasterize(
            [(self._geometry, 1)],
            out_shape=(window.height, window.width),
            transform=Affine.translation(window.col_off, window.row_off),
            dtype="uint8",
        )
        return np.asarray(burnt == 1)
