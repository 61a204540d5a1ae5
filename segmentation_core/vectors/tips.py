"""Where cracks end.

Thinning ends a line up to half a crack's width before the crack does, and often bends its last pixels
into a corner. So the last half width of a line is cut off, and after smoothing replaced by a straight piece
in the direction of the line, as long as the crack's area there divided by its width beside it. The piece
reaches at least as far along the line as the skeleton did, and ends within a quarter of a pixel
of the crack's pixels. Where the crack is cut off by the border
of what is assessed, the line ends at the edge of its last pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from segmentation_core.vectors.centrelines import Lines
from segmentation_core.vectors.nearest import PATCH_RADIUS_PX

__all__ = ["Tips", "extended", "trimmed"]

_DIRECTION_PX = 5
_WIDEST_WITHIN_PX = 10
_WINDOW_PX, _LEAST_WINDOW_PX = 30, 10
_CUTS = 10
_FIT_PX = 10
_LARGEST_CUT_PX = 40
_STEPS = 64
_ASIDE_PX = (0.0, 0.25, -0.25, 0.5, -0.5, 0.75, -0.75)


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

    def at(self, chosen: NDArray[np.bool_]) -> Tips:
        """Return some of the ends, one after another."""
        return Tips(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})


@dataclass(frozen=True)
class _Inwards:
    """Vertices so many steps from both ends of each line; its other end where it has fewer."""

    tips: NDArray[np.int64]
    steps: NDArray[np.int64]

    def __call__(self, count: NDArray[np.int64] | int) -> NDArray[np.int64]:
        inner: NDArray[np.int64] = self.tips + np.array([1, -1]) * np.minimum(count, self.steps)
        return inner


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
    inwards = _Inwards(tip, (last - first)[:, None])
    steps = inwards.steps
    widest = np.max([half_widths[inwards(k)] for k in range(_WIDEST_WITHIN_PX)], axis=0)
    removed = np.clip(np.rint(widest), 1, _LARGEST_CUT_PX).astype(np.int64)
    removed[~natural | (steps < 2 * removed + _LEAST_WINDOW_PX)] = 0
    lengths = np.where(removed > 0, _lengths(lines, areas_px, inwards, removed), 0.0)
    cols, rows = _straightened(lines, inwards, removed)
    tips = Tips(lines.cols[tip], lines.rows[tip], natural, cut, half_widths[tip], lengths)
    kept = np.ones(lines.cols.size, bool)
    for k in range(int(removed.max(initial=0))):
        kept[inwards(k)[k < removed]] = False
    starts = np.concatenate([[0], np.cumsum(lines.counts - removed.sum(axis=1))])
    return Lines(cols[kept], rows[kept], starts, lines.closed), tips


def _lengths(
    lines: Lines,
    areas_px: NDArray[np.float64],
    inwards: _Inwards,
    removed: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return how far the crack goes on beyond where the line is cut, by its area there and its width.

    The area beyond a cut is uncertain by the ragged seam of the pixels that belong to either side; so it is
    taken beyond several cuts, each measured along the line, and averaged.
    """
    window = np.clip(inwards.steps - 2 * removed, _LEAST_WINDOW_PX, _WINDOW_PX)
    near, far = inwards(removed), inwards(removed + window)
    right, down = lines.cols[near] - lines.cols[far], lines.rows[near] - lines.rows[far]
    chord = np.maximum(np.sqrt(right**2 + down**2), 1.0)
    right, down = right / chord, down / chord
    beside = (areas_px[near] + areas_px[far]) / 2
    for k in range(1, _WINDOW_PX):
        beside += np.where(k < window, areas_px[inwards(removed + k)], 0.0)
    width = np.maximum(beside / chord, 0.5)
    gone = np.zeros(removed.shape)
    for k in range(int(removed.max(initial=0))):
        gone += np.where(k < removed, areas_px[inwards(k)], 0.0)
    total, cuts = np.zeros(removed.shape), np.minimum(_CUTS, window // 2)
    for k in range(_CUTS):
        here = inwards(removed + k)
        along = (lines.cols[here] - lines.cols[near]) * right + (lines.rows[here] - lines.rows[near]) * down
        total += np.where(k < cuts, along + (gone + areas_px[here] / 2) / width, 0.0)
        gone = gone + areas_px[here]
    lengths: NDArray[np.float64] = total / cuts
    return lengths


def _straightened(
    lines: Lines, inwards: _Inwards, removed: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Put the vertices at which lines are cut onto the straight line through those beside them.

    Smoothing holds them fixed, and what replaces the end starts there: half a pixel to the side would show.
    """
    near, far = inwards(removed), inwards(removed + _FIT_PX)
    right, down = lines.cols[near] - lines.cols[far], lines.rows[near] - lines.rows[far]
    chord = np.maximum(np.sqrt(right**2 + down**2), 1.0)
    right, down = right / chord, down / chord
    sums = np.zeros((4, *removed.shape))
    for k in range(_FIT_PX + 1):
        here = inwards(removed + k)
        step_right, step_down = lines.cols[here] - lines.cols[near], lines.rows[here] - lines.rows[near]
        along, aside = step_right * right + step_down * down, step_down * right - step_right * down
        sums += np.stack([along, aside, along * along, along * aside])
    count = _FIT_PX + 1
    spread = np.maximum(sums[2] - sums[0] ** 2 / count, 1e-9)
    slope = (sums[3] - sums[0] * sums[1] / count) / spread
    aside = np.where(removed > 0, np.clip((sums[1] - slope * sums[0]) / count, -1.0, 1.0), 0.0)
    cols, rows = lines.cols.copy(), lines.rows.copy()
    cols[near] -= aside * down
    rows[near] += aside * right
    return cols, rows


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
    least = np.maximum(reached, 0.0)
    # A short line keeps its skeleton, and stops before a pixel a half width away could be entered.
    margin = (np.abs(right) + np.abs(down)) / 2
    short = np.maximum(tips.half_widths - margin, 0.0)
    length = np.where(tips.lengths > 0, np.maximum(tips.lengths, least), short)
    aside = np.zeros(length.shape)
    free = tips.natural & ~tips.cut
    length[free], aside[free] = _inside(
        lines, end[free], (right[free], down[free]), length[free], tips.at(free), patches[free]
    )
    to_pixel_edge = 0.5 / np.maximum(np.maximum(np.abs(right), np.abs(down)), 0.5)
    length = np.where(tips.cut, to_pixel_edge, np.where(tips.natural, length, 0.0))
    length[norm == 0] = 0.0
    grows = length > 0
    cols = lines.cols[end] + right * length - down * aside
    rows = lines.rows[end] + down * length + right * aside
    # Between two lines, the end of the one is inserted before the start of the other.
    where = np.concatenate([end[grows[:, 1], 1] + 1, end[grows[:, 0], 0]])
    return Lines(
        np.insert(lines.cols, where, np.concatenate([cols[grows[:, 1], 1], cols[grows[:, 0], 0]])),
        np.insert(lines.rows, where, np.concatenate([rows[grows[:, 1], 1], rows[grows[:, 0], 0]])),
        np.concatenate([[0], np.cumsum(lines.counts + grows.sum(axis=1))]),
        lines.closed,
    )


def _inside(
    lines: Lines,
    end: NDArray[np.int64],
    direction: tuple[NDArray[np.float64], NDArray[np.float64]],
    length: NDArray[np.float64],
    tips: Tips,
    patches: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far straight pieces go along and aside without leaving the crack.

    The ragged end of a crack may stop short right ahead and go on half a pixel to the side; of a few such
    ends the farthest one is taken, the straightest where several go as far.
    """
    right, down = direction
    best, best_aside = np.full(length.shape, -1.0), np.zeros(length.shape)
    for aside in _ASIDE_PX:
        share = _share_inside(
            lines.cols[end],
            lines.rows[end],
            right * length - down * aside,
            down * length + right * aside,
            tips,
            patches,
        )
        farther = share > best
        best = np.where(farther, share, best)
        best_aside = np.where(farther, share * aside, best_aside)
    return length * best, best_aside


def _share_inside(
    cols: NDArray[np.float64],
    rows: NDArray[np.float64],
    right: NDArray[np.float64],
    down: NDArray[np.float64],
    tips: Tips,
    patches: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return how much of each straight piece, from its start, lies in the crack."""
    side = 2 * PATCH_RADIUS_PX + 1
    along = np.arange(1, _STEPS + 1)[:, None] / _STEPS
    col = np.floor(cols + right * along) - np.floor(tips.cols) + PATCH_RADIUS_PX
    row = np.floor(rows + down * along) - np.floor(tips.rows) + PATCH_RADIUS_PX
    seen = (patches != 0) & (col >= 0) & (col < side) & (row >= 0) & (row < side)
    bit = np.where(seen, row * side + col, 0).astype(np.int64)
    leaves = seen & (patches >> bit & 1 == 0)
    first = np.argmax(leaves, axis=0)
    return np.where(leaves.any(axis=0), first / _STEPS, 1.0)
