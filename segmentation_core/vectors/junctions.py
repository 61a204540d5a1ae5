"""Where the centrelines of a junction meet.

Inside a junction, thinning pulls a skeleton towards the wider angle, by up to a pixel or two. So the lines
are followed only to where they enter the junction; there each gives a straight line through its pixels, the
node lies where these come closest to each other, and the branches run straight to it. A node depends on
the first pixels of its branches only, so that a network can be cut anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segmentation_core.vectors.centrelines import Lines
from segmentation_core.vectors.graph import Nodes

__all__ = ["FIT_PX", "approach_px", "relocated", "straightened"]

FIT_PX = 10
_LEAST_FIT_PX = 4
_HOLD = 0.15
_STEP = 2.0**-16
"""Nodes lie on this grid of pixels, so that the order of a sum cannot show."""


@dataclass(frozen=True)
class _Approaches:
    """Straight lines along which branches arrive; arrays have shape (L, 2), for start and end."""

    cols: NDArray[np.float64]
    rows: NDArray[np.float64]
    right: NDArray[np.float64]
    down: NDArray[np.float64]
    usable: NDArray[np.bool_]


def approach_px(half_widths: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many pixels of a branch lie inside the junction at its end."""
    inside: NDArray[np.int64] = np.ceil(half_widths).astype(np.int64) + 1
    return inside


def relocated(nodes: Nodes, lines: Lines, ends: NDArray[np.int64], junctions: NDArray[np.bool_]) -> Nodes:
    """Move junctions to where their branches' straight approaches meet.

    Parameters
    ----------
    nodes : Nodes
    lines : Lines
        Through skeleton pixels, ends at the nodes.
    ends : ndarray of int64, shape (L, 2)
        Node at each end.
    junctions : ndarray of bool, shape (L, 2)
        Whether it is a junction.
    """
    if not junctions.any():
        return nodes
    reach = approach_px(np.append(nodes.half_widths, 0)[ends])
    arrivals = _approaches(lines, reach, junctions)
    node = ends[arrivals.usable]
    right, down = arrivals.right[arrivals.usable], arrivals.down[arrivals.usable]
    col = arrivals.cols[arrivals.usable] - nodes.cols[node]
    row = arrivals.rows[arrivals.usable] - nodes.rows[node]
    count = nodes.rows.size

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(node, values, minlength=count).astype(float)

    # The point with the least sum of squared distances to the lines, held weakly to the middle of the pixels.
    across_cols, across_rows, both = down * down, right * right, -right * down
    a, b, c = total(across_cols) + _HOLD, total(both), total(across_rows) + _HOLD
    u, v = total(across_cols * col + both * row), total(both * col + across_rows * row)
    determinant = a * c - b * b
    move_col, move_row = (c * u - b * v) / determinant, (a * v - b * u) / determinant
    farthest = np.maximum(nodes.half_widths, 1.0)
    length = np.maximum(np.sqrt(move_col**2 + move_row**2), 1e-12)
    share = np.where(total(np.ones(node.size)) >= 2, np.minimum(farthest / length, 1.0), 0.0)
    return replace(
        nodes,
        cols=np.rint((nodes.cols + share * move_col) / _STEP) * _STEP,
        rows=np.rint((nodes.rows + share * move_row) / _STEP) * _STEP,
    )


def straightened(
    lines: Lines, half_widths: NDArray[np.float64], junctions: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (cols, rows) with the vertices inside junctions put onto the straight line to the node.

    Parameters
    ----------
    lines : Lines
        Ends at the nodes' final places.
    half_widths : ndarray of float64, shape (L, 2)
        Of the nodes at both ends.
    junctions : ndarray of bool, shape (L, 2)
    """
    first, last = lines.starts[:-1], lines.starts[1:] - 1
    line = lines.line_of_vertex
    here = np.arange(line.size)
    reach = np.where(junctions, approach_px(half_widths), 0)
    reach = np.minimum(reach, ((last - first) // 2)[:, None])
    cols, rows = lines.cols.copy(), lines.rows.copy()
    for side, end, inner in ((0, first, first + reach[:, 0]), (1, last, last - reach[:, 1])):
        distance = np.abs(here - end[line])
        moved = distance < reach[line, side]
        share = distance[moved] / reach[line, side][moved]
        start, stop = end[line][moved], inner[line][moved]
        cols[moved] = (1 - share) * lines.cols[start] + share * lines.cols[stop]
        rows[moved] = (1 - share) * lines.rows[start] + share * lines.rows[stop]
    return cols, rows


def _approaches(lines: Lines, reach: NDArray[np.int64], junctions: NDArray[np.bool_]) -> _Approaches:
    first, last = lines.starts[:-1], lines.starts[1:] - 1
    end = np.column_stack([first, last])
    inwards = np.array([1, -1])
    # Pixels between the two ends, without the nodes themselves.
    inner = (last - first - 1)[:, None]
    farthest = np.minimum(reach + FIT_PX, inner)
    usable = junctions & (farthest - reach >= _LEAST_FIT_PX)
    near = end + inwards * np.minimum(reach, farthest)
    count, sums = np.zeros(end.shape), np.zeros((5, *end.shape))
    for k in range(FIT_PX + 1):
        taken = (reach + k <= farthest) & usable
        at = end + inwards * np.where(taken, reach + k, 0)
        col, row = lines.cols[at] - lines.cols[near], lines.rows[at] - lines.rows[near]
        sums += np.where(taken, np.stack([col, row, col * col, row * row, col * row]), 0.0)
        count += taken
    count = np.maximum(count, 1)
    mean_col, mean_row = sums[0] / count, sums[1] / count
    spread_col, spread_row = sums[2] - count * mean_col**2, sums[3] - count * mean_row**2
    both = sums[4] - count * mean_col * mean_row
    angle = 0.5 * np.arctan2(2 * both, spread_col - spread_row)
    return _Approaches(
        lines.cols[near] + mean_col, lines.rows[near] + mean_row, np.cos(angle), np.sin(angle), usable
    )
