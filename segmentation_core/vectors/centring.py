"""Lines moved to the middle of the crack, finer than a pixel.

A skeleton runs through pixel centres; the crack's own pixels know better where its middle is. Along each
line, the middle of the crack's pixels (weighted by their probability where there is one) is averaged over a
few pixels, and so is the skeleton; the line moves across itself by the difference (MEASUREMENT, section 1.3:
"re-centred"). Averaging both alike does not shorten bends. In a bend the outer side of a crack holds more
pixels: their middle lies curvature x width^2 / 12 too far out, which is taken off. Beside junctions, where
pixels of other branches come in, and at ends the line stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation_core.vectors.centrelines import Lines

__all__ = ["Middles", "centred"]

_REACH_PX = 5
_DIRECTION_PX = 4
_FARTHEST_PX = 1.0
"""What lies farther off the skeleton is not the middle of a crack but its raggedness."""


@dataclass(frozen=True)
class Middles:
    """What the pixels around each vertex say; arrays have one entry per vertex.

    Attributes
    ----------
    weights : ndarray of float64
        Sum of the weights of the pixels that belong to the vertex; 0 where that is not known.
    cols, rows : ndarray of float64
        Sum of their steps from the vertex, times their weights.
    widths : ndarray of float64
        Of the crack, px.
    """

    weights: NDArray[np.float64]
    cols: NDArray[np.float64]
    rows: NDArray[np.float64]
    widths: NDArray[np.float64]


def centred(lines: Lines, middles: Middles, junctions: NDArray[np.bool_]) -> Lines:
    """Move vertices across their line to the middle of the crack.

    Parameters
    ----------
    lines : Lines
        Through skeleton pixels, one vertex per pixel.
    middles : Middles
    junctions : ndarray of bool, shape (L, 2)
        Whether the line ends in a junction there.
    """
    line, first, last = lines.line_of_vertex, lines.starts[:-1], lines.starts[1:] - 1
    here = np.arange(line.size)
    to_start, to_end = here - first[line], last[line] - here
    # The same number of vertices to both sides, so that an end does not pull.
    reach = np.where(lines.closed[line], _REACH_PX, np.minimum(np.minimum(to_start, to_end), _REACH_PX))
    weight, col, row = (np.zeros(line.size) for _ in range(3))
    count, plain_col, plain_row = (np.zeros(line.size) for _ in range(3))
    for step in range(-_REACH_PX, _REACH_PX + 1):
        there = _beside(lines, here, line, step)
        taken = (np.abs(step) <= reach) & (middles.weights[there] > 0)
        right = np.where(taken, lines.cols[there] - lines.cols, 0.0)
        down = np.where(taken, lines.rows[there] - lines.rows, 0.0)
        gained = np.where(taken, middles.weights[there], 0.0)
        weight += gained
        col += gained * right + np.where(taken, middles.cols[there], 0.0)
        row += gained * down + np.where(taken, middles.rows[there], 0.0)
        count += taken
        plain_col += right
        plain_row += down
    count, weight = np.maximum(count, 1), np.where(weight > 0, weight, 1.0)
    off_col, off_row = col / weight - plain_col / count, row / weight - plain_row / count
    right, down, bend = _course(lines, here, line)
    across = off_row * right - off_col * down - bend * middles.widths**2 / 12
    across = np.clip(across, -_FARTHEST_PX, _FARTHEST_PX)
    for distance, side, end in ((to_start, 0, first), (to_end, 1, last)):
        blob = np.where(junctions[line, side], np.ceil(middles.widths[end][line] + 1), 0)
        across[~lines.closed[line] & (distance <= blob)] = 0.0
    return Lines(lines.cols - across * down, lines.rows + across * right, lines.starts, lines.closed)


def _course(
    lines: Lines, here: NDArray[np.int64], line: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the direction (right, down) at each vertex, and the curvature towards (-down, right), per px."""
    before, after = (_beside(lines, here, line, step) for step in (-_DIRECTION_PX, _DIRECTION_PX))
    right, down = lines.cols[after] - lines.cols[before], lines.rows[after] - lines.rows[before]
    chord = np.maximum(np.sqrt(right**2 + down**2), 1.0)
    sagitta = (lines.rows[after] + lines.rows[before] - 2 * lines.rows) * right
    sagitta -= (lines.cols[after] + lines.cols[before] - 2 * lines.cols) * down
    # A vertex moves towards the inside of the bend by minus this times width^2 / 12.
    return right / chord, down / chord, -4 * sagitta / chord**3


def _beside(lines: Lines, here: NDArray[np.int64], line: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """Return the vertex ``step`` further along: round a ring, else at most the line's end."""
    first, last = lines.starts[:-1][line], lines.starts[1:][line] - 1
    ring = np.maximum(last - first, 1)
    round_it = first + np.mod(here - first + step, ring)
    beside: NDArray[np.int64] = np.where(lines.closed[line], round_it, np.clip(here + step, first, last))
    return beside
