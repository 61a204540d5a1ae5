"""Averaging a raster down by area, exactly and in any windowing.

A working pixel (i, j) at factor f covers the native rows [i f, (i + 1) f) and columns [j f, (j + 1) f);
its value is the mean of the valid native pixels weighted by the area that they share with it, and it is
valid where at least half of its full area is. Rows and columns separate, so two sparse matrices do it.
The weights come from absolute pixel numbers and every sum runs in the order of the native pixels, so the
result does not depend on how the raster is cut into windows.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from segmentation_core.raster.grid import Window

__all__ = ["ReadPixels", "overlap_weights", "read_averaged"]

ReadPixels = Callable[[Window], tuple[NDArray[np.uint8], NDArray[np.bool_]]]
"""Window to bands of uint8 (C, h, w), which are RGB in an orthophoto, and validity (h, w)."""

_LARGEST_READ_PX = 1 << 22
_VALID_SHARE = 0.5


def read_averaged(
    read: ReadPixels, factor: float, window: Window, height: int, width: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Read a window of the working grid.

    Parameters
    ----------
    read : callable
        Reads a window of the native raster.
    factor : float
        Working pixel size in native pixels, > 1.
    window : Window
        On the working grid.
    height, width : int
        Size of the native raster.

    Returns
    -------
    bands : ndarray of uint8, shape (C, h, w)
        0 where not valid.
    valid : ndarray of bool, shape (h, w)
    """
    parts = [(part, *_average(read, factor, part, height, width)) for part in _parts(window, factor)]
    bands = np.zeros((parts[0][1].shape[0], window.height, window.width), dtype=np.uint8)
    valid = np.zeros((window.height, window.width), dtype=np.bool_)
    for part, averaged, is_valid in parts:
        rows = slice(part.row_off - window.row_off, part.row_end - window.row_off)
        cols = slice(part.col_off - window.col_off, part.col_end - window.col_off)
        bands[:, rows, cols], valid[rows, cols] = averaged, is_valid
    return bands, valid


def overlap_weights(factor: float, start: int, stop: int, size: int) -> tuple[csr_array, int, int]:
    """Return how much of each native pixel lies in each working pixel, along one axis.

    Parameters
    ----------
    factor : float
        Working pixel size in native pixels.
    start, stop : int
        Working pixels, half open.
    size : int
        Native pixels of the raster along the axis.

    Returns
    -------
    weights : sparse array of shape (stop - start, last - first)
        Lengths in native pixels.
    first, last : int
        Native pixels that the columns stand for, half open.

    Examples
    --------
    >>> weights, first, last = overlap_weights(1.5, 0, 2, 3)
    >>> weights.toarray().tolist(), first, last
    ([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]], 0, 3)
    """
    first = min(math.floor(start * factor), size - 1)
    last = max(min(math.ceil(stop * factor), size), first + 1)
    working = np.arange(start, stop)
    reach = math.ceil(factor) + 1
    native = np.floor(working * factor).astype(np.int64)[:, None] + np.arange(reach)
    shared = np.minimum((working[:, None] + 1) * factor, native + 1) - np.maximum(
        working[:, None] * factor, native
    )
    used = (shared > 0) & (native < last)
    rows = np.broadcast_to(np.arange(stop - start)[:, None], native.shape)
    weights = csr_array(
        (shared[used].astype(np.float32), (rows[used], native[used] - first)),
        shape=(stop - start, last - first),
    )
    return weights, first, last


def _parts(window: Window, factor: float) -> list[Window]:
    """Halve a window until the native pixels under it fit in memory comfortably."""
    if window.height * window.width * factor**2 <= _LARGEST_READ_PX or window.height * window.width <= 1:
        return [window]
    if window.height >= window.width:
        half = window.height // 2
        first = Window(window.row_off, window.col_off, half, window.width)
        second = Window(window.row_off + half, window.col_off, window.height - half, window.width)
    else:
        half = window.width // 2
        first = Window(window.row_off, window.col_off, window.height, half)
        second = Window(window.row_off, window.col_off + half, window.height, window.width - half)
    return [*_parts(first, factor), *_parts(second, factor)]


def _average(
    read: ReadPixels, factor: float, window: Window, height: int, width: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    by_row, row0, row1 = overlap_weights(factor, window.row_off, window.row_end, height)
    by_col, col0, col1 = overlap_weights(factor, window.col_off, window.col_end, width)
    bands, valid = read(Window(row0, col0, row1 - row0, col1 - col0))
    count = len(bands)
    stacked = np.empty((row1 - row0, count + 1, col1 - col0), dtype=np.float32)
    stacked[:, count] = valid
    stacked[:, :count] = bands.transpose(1, 0, 2)
    stacked[:, :count] *= stacked[:, count:]
    rows_done = (by_row @ stacked.reshape(row1 - row0, -1)).reshape(window.height, count + 1, -1)
    columns_first = np.ascontiguousarray(rows_done.transpose(2, 0, 1)).reshape(col1 - col0, -1)
    sums = (by_col @ columns_first).reshape(window.width, window.height, count + 1).transpose(2, 1, 0)
    area = sums[count]
    enough = area >= _VALID_SHARE * factor**2 * (1 - 1e-6)
    mean = sums[:count] / np.where(enough, area, np.float32(1))
    return np.where(enough, np.rint(mean), 0).astype(np.uint8), enough
