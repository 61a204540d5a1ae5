"""Overlapping tiles that cover a raster, and the smooth weights that add up to one on every pixel.

A *tile* is what the network sees; its *core* is what is finished once the tile is done, given that tiles
come row by row, left to right. Origins are multiples of 32 px, the networks' coarsest stride: with other
origins the result would depend on the tiling everywhere, not only near borders (RECOGNITION section 6).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation_core.errors import ParameterError
from segmentation_core.raster.grid import Window

__all__ = ["TileGrid", "tile_grid"]

_ALIGNMENT_PX = 32
_SMALLEST_TILE_PX = 64
_LARGEST_OVERLAP = 0.5
_WEIGHT_FLOOR = 1e-6
_HANDOVER = (7 / 16, 9 / 16)
"""Where in an overlap one tile hands over to the next: near its border a tile knows too little around it."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class _Axis:
    """Tiles of ``tile_px`` at ``origins`` along ``size_px`` pixels; two share ``overlap_px`` at least."""

    size_px: int
    tile_px: int
    origins: tuple[int, ...]
    overlap_px: int

    def core(self, index: int) -> tuple[int, int]:
        """Return the first pixel that this tile finishes, and how many."""
        start = self.origins[index]
        end = self.size_px if index == len(self.origins) - 1 else self.origins[index + 1]
        return start, end - start

    def weights(self, index: int) -> NDArray[np.float32]:
        """Return the tile's share of each of its pixels; all tiles' shares add up to one."""
        own = _window(self.tile_px, self.overlap_px)
        total = np.zeros(self.tile_px)
        for origin in self.origins:
            shift = origin - self.origins[index]
            if abs(shift) < self.tile_px:
                start, end = max(shift, 0), min(shift, 0) + self.tile_px
                total[start:end] += own[start - shift : end - shift]
        share: NDArray[np.float32] = (own / total).astype(np.float32)
        return share


def _window(tile_px: int, overlap_px: int) -> NDArray[np.float64]:
    """Weigh a tile's pixels: next to nothing near its borders, a smooth rise in the middle of the overlap."""
    position = np.arange(tile_px) + 0.5
    distance = np.minimum(position, tile_px - position)
    first, last = _HANDOVER
    rise = np.clip((distance - first * overlap_px) / max((last - first) * overlap_px, 1), 0, 1)
    window: NDArray[np.float64] = np.maximum(np.sin(rise * np.pi / 2) ** 2, _WEIGHT_FLOOR)
    return window


@dataclass(frozen=True)
class TileGrid:
    """Tiles over a raster of ``height`` x ``width`` pixels; make it with `tile_grid`."""

    _vertical: _Axis
    _horizontal: _Axis

    @property
    def height(self) -> int:
        """Rows of pixels of the raster."""
        return self._vertical.size_px

    @property
    def width(self) -> int:
        """Columns of pixels of the raster."""
        return self._horizontal.size_px

    @property
    def rows(self) -> int:
        """Rows of tiles."""
        return len(self._vertical.origins)

    @property
    def cols(self) -> int:
        """Columns of tiles."""
        return len(self._horizontal.origins)

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Height and width of every tile, px."""
        return self._vertical.tile_px, self._horizontal.tile_px

    @property
    def overlap_rows_px(self) -> int:
        """Rows of pixels that a row of tiles shares with those below it, at most."""
        origins = self._vertical.origins
        steps = [below - above for above, below in itertools.pairwise(origins)]
        return self._vertical.tile_px - min(steps) if steps else 0

    def tile(self, row: int, col: int) -> Window:
        """Return what the network sees; the last row and column may reach up to 31 px beyond the raster."""
        height, width = self.tile_shape
        return Window(self._vertical.origins[row], self._horizontal.origins[col], height, width)

    def first_row_reaching(self, row: int) -> int:
        """Return the first row of tiles that shares pixels with what row ``row`` and those below finish."""
        start = self._vertical.origins[row]
        return next(
            i for i, origin in enumerate(self._vertical.origins) if origin + self.tile_shape[0] > start
        )

    def core(self, row: int, col: int) -> Window:
        """Return what is finished with this tile; the cores part the raster."""
        row_off, height = self._vertical.core(row)
        col_off, width = self._horizontal.core(col)
        return Window(row_off, col_off, height, width)

    def strip(self, row: int) -> Window:
        """Return the cores of a row of tiles together: full width."""
        row_off, height = self._vertical.core(row)
        return Window(row_off, 0, height, self.width)

    def weights(self, row: int, col: int) -> NDArray[np.float32]:
        """Return the tile's share of each of its pixels: (tile height, tile width), all > 0."""
        return self._vertical.weights(row)[:, None] * self._horizontal.weights(col)[None, :]


def tile_grid(height: int, width: int, tile_px: int, overlap: float = 0.25) -> TileGrid:
    """Cover a raster with tiles.

    Parameters
    ----------
    height, width : int
        Size of the raster, px.
    tile_px : int
        Side of a tile, a multiple of 32. Where the raster is smaller, a single tile of its size, rounded
        up to a multiple of 32, takes the place of several.
    overlap : float
        Share of a tile that the next one repeats at least, 0 to 0.5, in steps of 32 px. Tiles are spread
        evenly, so that the last one ends with the raster (rounded up to a multiple of 32).

    Raises
    ------
    ParameterError
        An impossible size or overlap.

    Examples
    --------
    >>> tiles = tile_grid(600, 1000, 512)
    >>> tiles.rows, tiles.cols, tiles.tile(1, 2)
    (2, 3, Window(row_off=96, col_off=512, height=512, width=512))
    >>> tiles.core(0, 1)
    Window(row_off=0, col_off=256, height=96, width=256)
    """
    if tile_px % _ALIGNMENT_PX or tile_px < _SMALLEST_TILE_PX:
        raise ParameterError(
            f"a tile of {tile_px} px is impossible", remedy=f"Use a multiple of {_ALIGNMENT_PX}, such as 512"
        )
    if not 0 <= overlap <= _LARGEST_OVERLAP:
        raise ParameterError(f"an overlap of {overlap} is impossible", remedy="Use 0 to 0.5, such as 0.25")
    if height < 1 or width < 1:
        raise ParameterError(f"a raster of {height} x {width} px has no tiles")
    return TileGrid(_axis(height, tile_px, overlap), _axis(width, tile_px, overlap))


def _axis(size_px: int, tile_px: int, overlap: float) -> _Axis:
    padded = math.ceil(size_px / _ALIGNMENT_PX)
    tile = min(tile_px // _ALIGNMENT_PX, padded)
    stride = max(1, math.floor(tile * (1 - overlap) + _ROUNDING))
    steps = 0 if padded == tile else math.ceil((padded - tile) / stride)
    # Spread evenly, so that the last tile ends with the raster and no two overlap much more than others.
    origins = [(2 * i * (padded - tile) + steps) // (2 * steps) for i in range(1, steps + 1)]
    return _Axis(
        size_px,
        tile * _ALIGNMENT_PX,
        (0, *(origin * _ALIGNMENT_PX for origin in origins)),
        (tile - stride) * _ALIGNMENT_PX,
    )
