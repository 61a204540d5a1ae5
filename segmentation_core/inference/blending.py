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
    two classes and tiles of 1,024 px with an overlap of 288 to 320 px that is 2.6 kB per column: 51 MB for
    a raster 20,000 px wide. (A raster hardly higher than one tile has a larger overlap, up to the tile.)
    """

    def __init__(self, tiles: TileGrid, classes: int) -> None:
        self._tiles = tiles
        # What the rows of tiles so far add to the rows of pixels that the next one begins with.
        self._carry = np.zeros((classes, tiles.overlap_rows_px, tiles.width), dtype=np.float32)
        self._sum = np.zeros((classes, *tiles.tile_shape), dtype=np.float32)

    def add(self, row: int, col: int, probabilities: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Add a tile, and return the probabilities of its core, which no later tile changes.

        Parameters
        ----------
        row, col : int
            The tile. Rows may begin anywhere; from there on all tiles come in order.
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
        tile, core = self._tiles.tile(row, col), self._tiles.core(row, col)
        columns = slice(core.col_off, core.col_end)
        total = self._sum[:, :, : core.width].copy()
        shared = self._carry.shape[1]
        total[:, :shared] += self._carry[:, :, columns]
        done: NDArray[np.float32] = total[:, : core.height]
        self._carry[:, :, columns] = 0
        if row < self._tiles.rows - 1:
            self._carry[:, : tile.height - core.height, columns] = total[:, core.height :]
        self._advance(core.width)
        return done

    def _advance(self, columns: int) -> None:
        """Move on to the next tile of the row, ``columns`` further right."""
        kept = self._sum.shape[2] - columns
        self._sum[:, :, :kept] = self._sum[:, :, columns:].copy()
        self._sum[:, :, kept:] = 0
