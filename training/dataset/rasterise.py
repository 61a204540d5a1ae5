"""Shapes to pixels by coverage: a pixel belongs to a shape that covers half of it.

LabelMe's own rasteriser draws an outline around every polygon, which adds 64 % to the area of one that is
a pixel wide, and gives lines a fixed 10 px (RECOGNITION, section 0). Coordinates are LabelMe's: x to the
right and y down from the picture's upper left corner, a pixel's centre at one half.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["disc_mask", "line_mask", "polygon_mask"]

_SUBROWS = 8

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]


def polygon_mask(points: Points, shape: tuple[int, int]) -> Mask:
    """Rasterise a polygon (even-odd).

    Parameters
    ----------
    points : float array (N, 2)
        x, y of the corners, px; closed by itself.
    shape : (int, int)
        Height and width of the picture; what lies outside is cut off.

    Returns
    -------
    bool array (H, W)
        Coverage of one half or more; exact along x, sampled at 8 lines per pixel along y.
    """
    height, width = shape
    coverage = np.zeros((height, width + 2))
    line, x = _crossings(points, height)
    x = np.clip(x, 0, width)
    order = np.lexsort((x, line))
    line, x = line[order], x[order]
    starts = np.flatnonzero(np.r_[True, line[1:] != line[:-1]]) if line.size else np.empty(0, int)
    rank = np.arange(line.size) - np.repeat(starts, np.diff(np.r_[starts, line.size]))
    sign = np.where(rank % 2 == 0, 1.0, -1.0) / _SUBROWS
    col = np.floor(x).astype(np.int64)
    part = x - col
    np.add.at(coverage, (line // _SUBROWS, col), sign * (1 - part))
    np.add.at(coverage, (line // _SUBROWS, col + 1), sign * part)
    inside: Mask = coverage.cumsum(axis=1)[:, :width] >= 0.5 - 1e-9
    return inside


def _crossings(points: Points, height: int) -> tuple[NDArray[np.int64], Points]:
    """Return the scan lines and x at which the edges cross them; scan line k lies at (k + 1/2) / 8 px."""
    a, b = points, np.roll(points, -1, axis=0)
    top, bottom = np.minimum(a[:, 1], b[:, 1]), np.maximum(a[:, 1], b[:, 1])
    first = np.clip(np.ceil(top * _SUBROWS - 0.5), 0, height * _SUBROWS).astype(np.int64)
    beyond = np.clip(np.ceil(bottom * _SUBROWS - 0.5), 0, height * _SUBROWS).astype(np.int64)
    count = beyond - first
    edge = np.repeat(np.arange(len(points)), count)
    line = np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    y = (line + 0.5) / _SUBROWS
    share = (y - a[edge, 1]) / (b[edge, 1] - a[edge, 1])
    return line, a[edge, 0] + share * (b[edge, 0] - a[edge, 0])


def line_mask(points: Points, width_px: float, shape: tuple[int, int]) -> Mask:
    """Rasterise a polyline of a given width, with round ends.

    Parameters
    ----------
    points : float array (N, 2)
        x, y of the vertices, px; one point gives a disc.
    width_px : float
        Width; below one pixel the line is drawn one pixel wide, because it is there.
    shape : (int, int)
        Height and width of the picture.
    """
    mask = np.zeros(shape, bool)
    radius = max(width_px, 1.0) / 2
    ends = points[1:] if len(points) > 1 else points
    for (x0, y0), (x1, y1) in zip(points[: len(ends)], ends, strict=True):
        rows = _span(min(y0, y1) - radius, max(y0, y1) + radius, shape[0])
        cols = _span(min(x0, x1) - radius, max(x0, x1) + radius, shape[1])
        y, x = np.mgrid[rows, cols] + 0.5
        along = np.array((x1 - x0, y1 - y0))
        length2 = float(along @ along)
        t = np.clip(((x - x0) * along[0] + (y - y0) * along[1]) / length2, 0, 1) if length2 else 0.0
        near = (x - x0 - t * along[0]) ** 2 + (y - y0 - t * along[1]) ** 2 <= radius**2 + 1e-9
        mask[rows, cols] |= near
    return mask


def disc_mask(centre: Points, radius_px: float, shape: tuple[int, int]) -> Mask:
    """Rasterise a disc."""
    return line_mask(np.asarray(centre, float).reshape(1, 2), 2 * radius_px, shape)


def _span(low: float, high: float, size: int) -> slice:
    return slice(min(max(math.floor(low), 0), size), min(max(math.ceil(high), 0), size))
