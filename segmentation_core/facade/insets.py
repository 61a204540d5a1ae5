"""Choose the places that are worth a close-up: cracks and losses together, one from each part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import rasterio.windows
from numpy.typing import NDArray

from segmentation_core.raster.grid import Window
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["inset_windows"]

_CELLS_PER_SIDE = 4


def inset_windows(classes: str | Path, side_px: int, count: int) -> list[Window]:
    """Return up to ``count`` windows that show both classes, none near another.

    Parameters
    ----------
    classes : path-like
        Class raster.
    side_px : int
        Side of a window.
    count : int
        Windows wanted; fewer where there is not enough to see.
    """
    cell_px = max(side_px // _CELLS_PER_SIDE, 1)
    with rasterio.open(classes) as source:
        height, width = source.shape
        line, polygon = _cell_shares(source, cell_px)
    if min(line.shape) < _CELLS_PER_SIDE:
        return []
    interest = _interest(_window_mean(line), _window_mean(polygon))
    windows: list[Window] = []
    while len(windows) < count and interest.max() > 0:
        row, col = np.unravel_index(int(interest.argmax()), interest.shape)
        top = min(int(row) * cell_px, height - side_px)
        left = min(int(col) * cell_px, width - side_px)
        windows.append(Window(top, left, side_px, side_px))
        # The next one from elsewhere: other rows (another beam) and well away along this one.
        rows, cols = np.indices(interest.shape)
        near = (abs(rows - row) < 1.6 * _CELLS_PER_SIDE) | (abs(cols - col) < 1.2 * _CELLS_PER_SIDE)
        interest = np.where(near, 0.0, interest)
    return sorted(windows, key=lambda w: w.row_off)


def _cell_shares(
    source: rasterio.io.DatasetReader, cell_px: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of each whole cell that each class takes."""
    vocabulary = load_vocabulary()
    rows, cols = source.height // cell_px, source.width // cell_px
    shares = np.zeros((2, rows, cols))
    for row in range(rows):
        band = source.read(1, window=rasterio.windows.Window(0, row * cell_px, cols * cell_px, cell_px))
        for k, defect in enumerate((vocabulary.line_class, vocabulary.polygon_class)):
            shares[k, row] = (band == defect.value).reshape(cell_px, cols, cell_px).mean(axis=(0, 2))
    return shares[0], shares[1]


def _window_mean(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    view = np.lib.stride_tricks.sliding_window_view(cells, (_CELLS_PER_SIDE, _CELLS_PER_SIDE))
    return np.asarray(view.mean(axis=(2, 3)))


def _interest(line: NDArray[np.float64], polygon: NDArray[np.float64]) -> NDArray[np.float64]:
    """Most where a fifth is lost and a tenth cracked; nothing where either is missing."""
    return np.asarray(
        np.minimum(line / 0.14, 1.0) * np.exp(-(((polygon - 0.18) / 0.12) ** 2)) * (polygon > 0.004)
    )
