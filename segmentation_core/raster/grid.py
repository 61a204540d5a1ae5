"""A raster's grid (size, affine, CRS, unit) and windows on it.

Coordinates: array code says ``row, col``; map code says ``x, y``. A grid's affine maps (col, row) of a
pixel's upper left corner to (x, y) in the raster's own coordinates, rotation and non-square pixels
included. Planar measures come from the affine times the declared unit, never from an ellipsoid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from affine import Affine

__all__ = ["Grid", "Window"]


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels, half open: rows [row_off, row_off + height)."""

    row_off: int
    col_off: int
    height: int
    width: int

    @property
    def row_end(self) -> int:
        """First row after the window."""
        return self.row_off + self.height

    @property
    def col_end(self) -> int:
        """First column after the window."""
        return self.col_off + self.width

    def grown(self, halo_px: int) -> Window:
        """Return the window with a ring of ``halo_px`` pixels around it; may reach outside the raster."""
        return Window(
            self.row_off - halo_px,
            self.col_off - halo_px,
            self.height + 2 * halo_px,
            self.width + 2 * halo_px,
        )

    def clipped(self, height: int, width: int) -> Window:
        """Return the part inside a raster of ``height`` x ``width`` pixels (empty parts have size 0)."""
        row0, col0 = max(self.row_off, 0), max(self.col_off, 0)
        row1, col1 = min(self.row_end, height), min(self.col_end, width)
        return Window(row0, col0, max(row1 - row0, 0), max(col1 - col0, 0))


@dataclass(frozen=True)
class Grid:
    """Size, placement and unit of a raster.

    Attributes
    ----------
    width, height : int
        Pixels.
    affine : Affine
        (col, row) of a pixel corner to (x, y) in the raster's own coordinates.
    crs_wkt : str or None
        None for an image without georeference.
    metres_per_unit : float
        Metres per unit of the raster's own coordinates.
    """

    width: int
    height: int
    affine: Affine
    crs_wkt: str | None
    metres_per_unit: float

    @property
    def pixel_area_m2(self) -> float:
        """Area of one pixel, m2."""
        return abs(self.affine.determinant) * self.metres_per_unit**2

    @property
    def gsd_mm(self) -> float:
        """Ground sampling distance, mm per pixel: the side of a square of the pixel's area."""
        return math.sqrt(self.pixel_area_m2) * 1000.0

    @property
    def window(self) -> Window:
        """The whole raster."""
        return Window(0, 0, self.height, self.width)

    def coarsened(self, factor: float) -> Grid:
        """Return the grid whose pixels are ``factor`` (>= 1) times as large, from the same corner.

        The last row and column may reach beyond the raster; what lies outside it is not valid there.
        """
        return Grid(
            math.ceil(self.width / factor - 1e-9),
            math.ceil(self.height / factor - 1e-9),
            self.affine @ Affine.scale(factor),
            self.crs_wkt,
            self.metres_per_unit,
        )
