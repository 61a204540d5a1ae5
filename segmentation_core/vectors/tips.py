"""Where cracks end.

Thinning ends a line up to half a crack's width before the crack does, and often bends its last pixels
into a corner. So the last half width of a line is cut off, and after smoothing replaced by a straight piece
in the direction of the line, as long as the crack's area there divided by its width beside it. The piece
reaches at least as far along the line as the skeleton did, and at most to where its half width says that
the crack may end. Where the crack is cut off by the border of what is assessed, the line ends at the edge of
its last pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation_core.vectors.centrelines import Lines
from segmentation_core.vectors.nearest import PATCH_RADIUS_PX

__all__ = ["Tips", "extended", "trimmed"]

_DIRECTION_PX = 5
_WINDOW_PX = 10
_LARGEST_CUT_PX = 40
_STEPS = 32


@dataclass(frozen=True)
class Tips:
    """The ends of lines; arrays have shape (L, 2), for start and end.

    Attributes
    ----------
    cols, rows : ndarray of float64
        Where the skeleton ended, px.
    natural, cut : ndarray of bool
        Whether the line ends in nothing, and whether the crack is cut off.
    half_widths : ndarray of float64
        Distance from the skeleton's end to the nearest pixel outside the crack, px.
    lengths : ndarray of float64
        Length of the straight piece by area and width, px.
    """

    cols: NDArray[np.float64]
    rows: NDArray[np.float64]
    natural: NDArray[np.bool_]
    cut: NDArray[np.bool_]
    half_widths: NDArray[np.float64]
    lengths: NDArray[np.float64]


def trimmed(
    lines: Lines,
    half_widths: NDArray[np.float64],
    areas_px: NDArray[np.float64],
    natural: NDArray[np.bool_],
    cut: NDArray[np.bool_],
) -> tuple[Lines, Tips]:
    """Cut the last half width off natural ends, and say what is to replace it.

    Parameters
    ----------
    lines : Lines
        Through skeleton pixels.
    half_widths, areas_px : ndarray of float64, shape (V,)
        Of the skeleton pixel (or node) at each vertex.
    natural, cut : ndarray of bool, shape (L, 2)
        See `Tips`.
    """
    first, last = lines.starts[:-1], lines.starts[1:] - 1
    tip = np.column_stack([first, last])
    step = np.array([1, -1])
    steps = (last - first)[:, None]

    def inwards(count: NDArray[np.int64] | int) -> NDArray[np.int64]:
        inner: NDArray[np.int64] = tip + step * np.minimum(count, steps)
        return inner

    widest = np.max([half_widths[inwards(k)] for k in range(_WINDOW_PX)], axis=0)
    removed = np.clip(np.rint(widest), 1, _LARGEST_CUT_PX).astype(np.int64)
    removed[~natural | (steps < 2 * (removed + _DIRECTION_PX))] = 0
    gone = np.zeros(tip.shape)
    for k in range(int(removed.max(initial=0))):
        gone += np.where(k < removed, areas_px[inwards(k)], 0.0)
    near, far = inwards(removed), inwards(removed + _WINDOW_PX)
    beside = (areas_px[near] + areas_px[far]) / 2
    for k in range(1, _WINDOW_PX):
        here = inwards(removed + k)
        beside += np.where((here - far) * step < 0, areas_px[here], 0.0)
    chord = np.sqrt((lines.cols[near] - lines.cols[far]) ** 2 + (lines.rows[near] - lines.rows[far]) ** 2)
    width = np.maximum(beside, 1.0) / np.maximum(chord, 1.0)
    lengths = np.where(removed > 0, (areas_px[near] / 2 + gone) / width, 0.0)
    tips = Tips(lines.cols[tip], lines.rows[tip], natural, cut, half_widths[tip], lengths)
    kept = np.ones(lines.cols.size, bool)
    for k in range(int(removed.max(initial=0))):
        kept[inwards(k)[k < removed]] = False
    starts = np.concatenate([[0], np.cumsum(lines.counts - removed.sum(axis=1))])
    return Lines(lines.cols[kept], lines.rows[kept], starts, lines.closed), tips


def extended(lines: Lines, tips: Tips, patches: NDArray[np.int64]) -> Lines:
    """Extend smoothed lines to where the crack ends, in the direction of their last 5 px.

    Parameters
    ----------
    lines : Lines
    tips : Tips
    patches : ndarray of int64, shape (L, 2)
        The crack around the skeleton's ends (see `nearest.patches`): no line leaves it. 0: not known.
    """
    first, last = lines.starts[:-1], lines.starts[1:] - 1
    end = np.column_stack([first, last])
    inner = end + np.array([1, -1]) * np.minimum(_DIRECTION_PX, (last - first)[:, None])
    right, down = lines.cols[end] - lines.cols[inner], lines.rows[end] - lines.rows[inner]
    norm = np.sqrt(right**2 + down**2)
    right, down = right / np.maximum(norm, 1e-12), down / np.maximum(norm, 1e-12)
    reached = (tips.cols - lines.cols[end]) * right + (tips.rows - lines.rows[end]) * down
    least, most = np.maximum(reached, 0.0), reached + tips.half_widths
    # A short line keeps its skeleton, and stops before a pixel a half width away could be entered.
    margin = (np.abs(right) + np.abs(down)) / 2
    short = np.maximum(tips.half_widths - margin, 0.0)
    length = np.where(tips.lengths > 0, np.clip(tips.lengths, least, np.maximum(most, least)), short)
    length = length * _share_inside(
        lines.cols[end], lines.rows[end], right * length, down * length, tips, patches
    )
    to_pixel_edge = 0.5 / np.maximum(np.maximum(np.abs(right), np.abs(down)), 0.5)
    length = np.where(tips.cut, to_pixel_edge, np.where(tips.natural, length, 0.0))
    length[norm == 0] = 0.0
    grows = length > 0
    cols, rows = lines.cols[end] + right * length, lines.rows[end] + down * length
    # Between two lines, the end of the one is inserted before the start of the other.
    where = np.concatenate([end[grows[:, 1], 1] + 1, end[grows[:, 0], 0]])
    return Lines(
        np.insert(lines.cols, where, np.concatenate([cols[grows[:, 1], 1], cols[grows[:, 0], 0]])),
        np.insert(lines.rows, where, np.concatenate([rows[grows[:, 1], 1], rows[grows[:, 0], 0]])),
        np.concatenate([[0], np.cumsum(lines.counts + grows.sum(axis=1))]),
        lines.closed,
    )


def _share_inside(
    cols: NDArray[np.float64],
    rows: NDArray[np.float64],
    right: NDArray[np.float64],
    down: NDArray[np.float64],
    tips: Tips,
    patches: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return how much of each straight piece, from its start, lies in the crack."""
    share = np.ones(cols.shape)
    inside = np.ones(cols.shape, bool)
    side = 2 * PATCH_RADIUS_PX + 1
    for step in range(1, _STEPS + 1):
        col = np.floor(cols + right * (step / _STEPS)) - np.floor(tips.cols) + PATCH_RADIUS_PX
        row = np.floor(rows + down * (step / _STEPS)) - np.floor(tips.rows) + PATCH_RADIUS_PX
        seen = (patches != 0) & (col >= 0) & (col < side) & (row >= 0) & (row < side)
        bit = np.where(seen, row * side + col, 0).astype(np.int64)
        leaves = inside & seen & (patches >> bit & 1 == 0)
        share[leaves] = (step - 1) / _STEPS
        inside &= ~leaves
    return share
