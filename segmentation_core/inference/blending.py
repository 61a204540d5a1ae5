"""Adds overlapping tiles up into one seamless raster, keeping only what overlaps."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from segmentation_core.raster.durable import disk_full_as_error
from segmentation_core.raster.tiles import TileGrid

__all__ = ["Blender"]

_VALUE_BYTES = 4


class Blender:
    """Accumulates weighted tiles in float32, in a fixed order: row by row, left to right.

    Close it, or use it in a ``with`` statement.

    Parameters
    ----------
    tiles : TileGrid
        The tiles; their weights add up to one.
    classes : int
        Bands K of a tile.
    folder : Path or None
        Where what overlaps between rows of tiles waits; None for the system's temporary folder.

    Notes
    -----
    Memory: ``16 K tile_px**2`` bytes, whatever the raster's size: 34 MB at two classes and tiles of 1,024 px.
    What a row of tiles adds to the next one waits in a nameless file, ``4 K overlap_px`` bytes per column of
    the raster: 51 MB for a raster 20,000 px wide. It holds nothing that a continued run needs.
    """

    def __init__(self, tiles: TileGrid, classes: int, folder: Path | None = None) -> None:
        self._tiles = tiles
        self._sum = np.zeros((classes, *tiles.tile_shape), dtype=np.float32)
        self._carry = _Carry(tiles, classes, folder)

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

        Raises
        ------
        DiskFullError
            No room for what overlaps.
        """
        if col == 0:
            self._sum[:] = 0
        if probabilities is not None:
            self._sum += probabilities * self._tiles.weights(row, col)
        tile, core = self._tiles.tile(row, col), self._tiles.core(row, col)
        total = self._sum[:, :, : core.width].copy()
        carried = self._carry.take(col)
        if carried is not None:
            total[:, : carried.shape[1]] += carried
        done: NDArray[np.float32] = total[:, : core.height]
        if row < self._tiles.rows - 1 and core.height < tile.height:
            self._carry.put(col, total[:, core.height : tile.height])
        self._advance(core.width)
        return done

    def close(self) -> None:
        """Give the file back."""
        self._carry.close()

    def __enter__(self) -> Blender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _advance(self, columns: int) -> None:
        """Move on to the next tile of the row, ``columns`` further right."""
        kept = self._sum.shape[2] - columns
        self._sum[:, :, :kept] = self._sum[:, :, columns:].copy()
        self._sum[:, :, kept:] = 0


class _Carry:
    """What the rows of tiles so far add to the pixels that the next one begins with, tile by tile.

    In a file, because in memory it would grow with the raster's width. It has no name where the system
    allows that: a killed run leaves nothing.
    """

    def __init__(self, tiles: TileGrid, classes: int, folder: Path | None) -> None:
        widest = max(tiles.core(0, col).width for col in range(tiles.cols))
        self._slot_bytes = _VALUE_BYTES * classes * tiles.overlap_rows_px * widest
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._folder = Path(tempfile.gettempdir()) if folder is None else folder
        with disk_full_as_error(self._folder):
            # Unbuffered: a full disk is told by the write that meets it, not by a later one.
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - closed with self

    def put(self, col: int, values: NDArray[np.float32]) -> None:
        """Keep values (K, rows, core width) for the next row of tiles."""
        self._shapes[col] = values.shape
        left = np.ascontiguousarray(values).data.cast("B")
        with disk_full_as_error(self._folder, needed_bytes=self._slot_bytes):
            self._file.seek(col * self._slot_bytes)
            while left:
                left = left[self._file.write(left) :]

    def take(self, col: int) -> NDArray[np.float32] | None:
        """Return what was kept for a column of tiles, and forget it."""
        shape = self._shapes.pop(col, None)
        if shape is None:
            return None
        values = np.empty(shape, dtype=np.float32)
        left = values.data.cast("B")
        self._file.seek(col * self._slot_bytes)
        while left:
            got = self._file.readinto(left)
            if not got:
                raise EOFError("what overlaps between rows of tiles was cut short")
            left = left[got:]
        return values

    def close(self) -> None:
        self._file.close()
