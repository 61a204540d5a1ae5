"""Trace a crack between clicks: the least-cost way over what the network found and what can be seen.

Where the network saw nothing, people trace what they see; least-cost tracing keeps them on the crack
(QGIS, section "what users ask for"). First over cells of several pixels, then over the pixels of a corridor
around that way, so that two clicks 2,000 px apart take a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter
from skimage.graph import MCP_Geometric

from segmentation_core.errors import ParameterError
from segmentation_core.raster.grid import Window
from segmentation_core.vectors.centrelines import Lines, smoothed
from segmentation_core.vectors.settings import VectorSettings

__all__ = ["least_cost_line", "trace_window", "tracing_cost"]

_CELL_PX = 4
_CORRIDOR_CELLS = 3
_LEAST_COST = 0.03
"""Of a pixel that is certainly a crack; one that shows nothing costs 1, 33 times as much."""

_AROUND_PX = 5.0
_DARKER = 40.0
"""Grey levels darker than what lies around that count as a certain sign in the picture."""

_SIGN = 0.6
"""A dark line in the picture never counts as much as a crack that the network found: it may be ink."""

_MARGIN, _LEAST_MARGIN_PX = 0.15, 64


def trace_window(clicks: Sequence[tuple[float, float]], height: int, width: int) -> Window:
    """Return the part of a raster in which a line through clicks (row, column) is looked for.

    Raises
    ------
    ParameterError
        Fewer than two clicks, or one outside the raster.
    """
    if len(clicks) < 2:
        raise ParameterError(
            "a trace needs two points", remedy="Click where the crack begins and where it ends"
        )
    outside = [(r, c) for r, c in clicks if not (0 <= r < height and 0 <= c < width)]
    if outside:
        raise ParameterError(
            f"{len(outside)} of {len(clicks)} points lie outside the orthophoto",
            remedy="Click inside the picture",
        )
    rows, cols = np.array(clicks).T
    margin = max(_LEAST_MARGIN_PX, _MARGIN * max(np.ptp(rows), np.ptp(cols)))
    top, left = int(rows.min() - margin), int(cols.min() - margin)
    bottom, right = int(rows.max() + margin) + 1, int(cols.max() + margin) + 1
    return Window(top, left, bottom - top, right - left).clipped(height, width)


def tracing_cost(
    rgb: NDArray[np.uint8], probability: NDArray[np.floating] | None = None
) -> NDArray[np.float32]:
    """Return what a step over each pixel costs.

    Parameters
    ----------
    rgb : uint8 array (3, H, W)
        The picture: lines darker than their surroundings are cheap.
    probability : float array (H, W) or None
        Of craquelure, 0-1: cheaper still.

    Returns
    -------
    float32 array (H, W)
        0.03 to 1.
    """
    grey = rgb.astype(np.float32).mean(axis=0)
    sign = _SIGN * np.clip((gaussian_filter(grey, _AROUND_PX) - grey) / _DARKER, 0, 1)
    if probability is not None:
        sign = np.maximum(sign, probability)
    cost: NDArray[np.float32] = (_LEAST_COST + (1 - _LEAST_COST) * (1 - sign) ** 2).astype(np.float32)
    return cost


def least_cost_line(cost: NDArray[np.float32], clicks: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Return the line through clicks, in pixels from the upper left corner of the array.

    Parameters
    ----------
    cost : float array (H, W)
        See `tracing_cost`.
    clicks : sequence of (row, column)
        In the array's pixels; at least two. The line passes through all of them.

    Returns
    -------
    float64 array (V, 2)
        Columns and rows, smoothed as `centrelines.smoothed` does between the clicks.
    """
    parts: list[NDArray[np.float64]] = []
    for start, end in pairwise(clicks):
        path = _path(cost, start, end)
        middle = np.array(path[1:-1], np.float64).reshape(-1, 2) + 0.5
        rows = np.concatenate([[start[0]], middle[:, 0], [end[0]]])
        cols = np.concatenate([[start[1]], middle[:, 1], [end[1]]])
        lines = Lines(cols, rows, np.array([0, cols.size]), np.array([False]))
        line = smoothed(lines, VectorSettings().smoothing_sigma_px)
        parts.append(np.column_stack([line.cols, line.rows])[1 if parts else 0 :])
    return np.concatenate(parts)


def _path(
    cost: NDArray[np.float32], start: tuple[float, float], end: tuple[float, float]
) -> list[tuple[int, int]]:
    """Return the pixels (row, column) of the cheapest way from start to end."""
    first, last = ((int(row), int(col)) for row, col in (start, end))
    corridor = _corridor(cost, first, last)
    rows, cols = np.nonzero(corridor)
    top, left = int(rows.min()), int(cols.min())
    part = (slice(top, int(rows.max()) + 1), slice(left, int(cols.max()) + 1))
    inside = np.where(corridor[part], cost[part], -1.0)  # negative: no way through
    way = _cheapest(inside, (first[0] - top, first[1] - left), (last[0] - top, last[1] - left))
    return [(row + top, col + left) for row, col in way]


def _corridor(cost: NDArray[np.float32], first: tuple[int, int], last: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels around the cheapest way over cells, each as cheap as its cheapest pixel."""
    height, width = cost.shape
    padded = np.pad(cost, ((0, -height % _CELL_PX), (0, -width % _CELL_PX)), mode="edge")
    cells = padded.reshape(padded.shape[0] // _CELL_PX, _CELL_PX, -1, _CELL_PX).min(axis=(1, 3))
    on_way = np.zeros(cells.shape, np.bool_)
    starts = [(row // _CELL_PX, col // _CELL_PX) for row, col in (first, last)]
    on_way[tuple(np.array(_cheapest(cells, *starts)).T)] = True
    near = binary_dilation(on_way, np.ones((3, 3)), iterations=_CORRIDOR_CELLS)
    wide = np.repeat(np.repeat(near, _CELL_PX, axis=0), _CELL_PX, axis=1)
    return np.asarray(wide[:height, :width])


def _cheapest(
    cost: NDArray[np.floating], first: tuple[int, int], last: tuple[int, int]
) -> list[tuple[int, int]]:
    search = MCP_Geometric(np.ascontiguousarray(cost, np.float64))
    search.find_costs([first], [last])
    way: list[tuple[int, int]] = search.traceback(last)
    return way
