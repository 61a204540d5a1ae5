"""Adds overlapping tiles up into one seamless raster, keeping only what overlaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segmentation_core.raster.tiles import TileGrid

__all__ = ["Blender"]


class Blender:
    """Accumulates weighted tiles in float32, in a fixed order: row by row, left to right.

    Parameters
    ----------
    tiles : TileGrid
        The tiles; their weights add up to one.
    classes : int
        Bands K of a tile.

    Notes
    -----
    Memory: ``4 K (overlap_px * raster_width_px + tile_px**2)`` bytes, whatever the raster's height. At
    two classes and tiles of 512 px with an overlap of 128 px that is 1 kB per column: 20 MB for a raster
    20,000 px wide.
    """

    def __init__(self, tiles: TileGrid, classes: int) -> None:
        self._tiles = tiles
        self._overlap_rows = tiles.tile_shape[0] - tiles.stride_shape[0]
        # What a row of tiles adds to the rows of pixels that the next row of tiles shares.
        self._carry = np.zeros((classes, self._overlap_rows, tiles.width), dtype=np.float32)
        self._sum = np.zeros((classes, *tiles.tile_shape), dtype=np.float32)

    def add(self, row: int, col: int, probabilities: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Add a tile, and return the probabilities of its core, which no later tile changes.

        Parameters
        ----------
        row, col : int
            The tile. Rows may start anywhere; from there on all tiles come in order.
        probabilities : ndarray of float32, shape (K, tile height, tile width), or None
            None for a tile that was skipped.

        Returns
        -------
        ndarray of float32, shape (K, core height, core width)
        """
        if col == 0:
            self._sum[:] = 0
        if probabilities is not None:
            self._sum += probabilities * self._tiles.weights(row, col)
        core = self._tiles.core(row, col)
        done: NDArray[np.float32] = self._sum[:, : core.height, : core.width].copy()
        columns = slice(core.col_off, core.col_end)
        shared = min(self._overlap_rows, core.height)
        if row > 0:
            done[:, :shared] += self._carry[:, :shared, columns]
        stride_down, stride_across = self._tiles.stride_shape
        self._carry[:, :, columns] = self._sum[:, stride_down:, : core.width]
        kept = self._sum.shape[2] - stride_across
        self._sum[:, :, :kept] = self._sum[:, :, stride_across:].copy()
        self._sum[:, :, kept:] = 0
        return done
