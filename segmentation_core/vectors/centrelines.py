"""Smooth lines through skeleton pixels.

Pixel steps measure up to 8 % too long. A line is smoothed along its pixels by twicing, 2 G - G * G with
a Gaussian G of 2 px: it takes out the steps and, unlike G alone, does not shorten bends (MEASUREMENT,
section 1.3). Ends are pinned: beyond them a line continues as its own point reflection. Rings continue
round. Where lines end in nothing is the business of `tips`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, maximum_filter1d

__all__ = ["Lines", "densified", "joined", "segment_sums", "smoothed"]

_LARGEST_GAP_PX = 1.5
_STRAIGHT_FACTOR = 3.0
_CHORD_PX = 12
_STRAIGHT_PX, _BENT_PX = 0.6, 1.0
"""Up to the first height of the arc over 24 px a line counts as straight, from the second as bent."""


@dataclass(frozen=True)
class Lines:
    """Polylines in pixels from the raster's corner, one after another.

    Attributes
    ----------
    cols, rows : ndarray of float64, shape (V,)
        Vertices. The last vertex of a ring repeats its first.
    starts : ndarray of int64, shape (L + 1,)
        Where each line begins, and the end.
    closed : ndarray of bool, shape (L,)
        Whether a line is a ring.
    """

    cols: NDArray[np.float64]
    rows: NDArray[np.float64]
    starts: NDArray[np.int64]
    closed: NDArray[np.bool_]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Vertices of each line."""
        return np.diff(self.starts)

    @property
    def line_of_vertex(self) -> NDArray[np.int64]:
        """Line of each vertex."""
        return np.repeat(np.arange(self.counts.size), self.counts)

    def part(self, lines: slice) -> Lines:
        """Return consecutive lines."""
        starts = self.starts[lines.start : lines.stop + 1]
        vertices = slice(starts[0], starts[-1])
        return Lines(self.cols[vertices], self.rows[vertices], starts - starts[0], self.closed[lines])

    def chosen(self, lines: NDArray[np.bool_]) -> Lines:
        """Return some of the lines."""
        vertices = np.repeat(lines, self.counts)
        starts = np.concatenate([[0], np.cumsum(self.counts[lines])])
        return Lines(self.cols[vertices], self.rows[vertices], starts, self.closed[lines])

    def blocks(self, vertices: int) -> Iterator[tuple[slice, slice]]:
        """Yield consecutive lines, and their vertices, of about so many vertices."""
        first = 0
        while first < self.closed.size:
            stop = int(np.searchsorted(self.starts, self.starts[first] + vertices, side="right")) - 1
            stop = min(max(stop, first + 1), self.closed.size)
            yield slice(first, stop), slice(int(self.starts[first]), int(self.starts[stop]))
            first = stop


def joined(parts: Sequence[Lines]) -> Lines:
    """Return the lines of all parts, one after another."""
    counts = np.concatenate([part.counts for part in parts])
    return Lines(
        np.concatenate([part.cols for part in parts]),
        np.concatenate([part.rows for part in parts]),
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([part.closed for part in parts]),
    )


def densified(lines: Lines) -> Lines:
    """Divide steps longer than 1.5 px, which lie beside nodes, into steps of about 1 px."""
    line = lines.line_of_vertex
    step_cols, step_rows = np.diff(lines.cols, append=0.0), np.diff(lines.rows, append=0.0)
    gap = np.sqrt(step_cols**2 + step_rows**2)
    gap[lines.starts[1:] - 1] = 0.0
    parts = np.where(gap > _LARGEST_GAP_PX, np.rint(gap), 1).astype(np.int64)
    vertex = np.repeat(np.arange(parts.size), parts)
    place = np.arange(vertex.size) - np.repeat(np.cumsum(parts) - parts, parts)
    share = place / parts[vertex]
    starts = np.concatenate([[0], np.cumsum(np.bincount(line, parts, minlength=lines.counts.size))]).astype(
        np.int64
    )
    return Lines(
        lines.cols[vertex] + share * step_cols[vertex],
        lines.rows[vertex] + share * step_rows[vertex],
        starts,
        lines.closed,
    )


def smoothed(lines: Lines, sigma_px: float) -> Lines:
    """Smooth by twicing, three times as far where a line is straight; open lines keep their ends.

    A straight line at a small angle to the grid is a stair with long steps: ``sigma_px`` leaves some of them,
    and up to 0.5 % of length. In bends, smoothing farther would shorten.
    """
    fine, coarse = _twiced(lines, sigma_px), _twiced(lines, _STRAIGHT_FACTOR * sigma_px)
    share = _straightness(fine)
    cols, rows = (
        (1 - share) * bent + share * straight
        for bent, straight in ((fine.cols, coarse.cols), (fine.rows, coarse.rows))
    )
    return Lines(cols, rows, lines.starts, lines.closed)


def _straightness(lines: Lines) -> NDArray[np.float64]:
    """Return 1 where a line is straight for some way to both sides, 0 where it bends."""
    line, first, last = lines.line_of_vertex, lines.starts[:-1], lines.starts[1:] - 1
    here = np.arange(line.size)
    room = np.minimum(here - first[line], last[line] - here)
    half = np.where(lines.closed[line], _CHORD_PX, np.minimum(room, _CHORD_PX))
    before, after = _along(lines, here, line, -half), _along(lines, here, line, half)
    right, down = lines.cols[after] - lines.cols[before], lines.rows[after] - lines.rows[before]
    chord = np.maximum(np.sqrt(right**2 + down**2), 1.0)
    sagitta = (
        np.abs(
            (lines.rows[here] - lines.rows[before]) * right - (lines.cols[here] - lines.cols[before]) * down
        )
        / chord
    )
    # Continued past its end a line repeats what is within reach anyway: one filter serves all lines.
    source, _ = _continuation(lines, _CHORD_PX)
    worst = maximum_filter1d(sagitta[source], 2 * _CHORD_PX + 1)[here + _CHORD_PX * (2 * line + 1)]
    share: NDArray[np.float64] = np.clip((_BENT_PX - worst) / (_BENT_PX - _STRAIGHT_PX), 0.0, 1.0)
    return share


def _along(
    lines: Lines, here: NDArray[np.int64], line: NDArray[np.int64], step: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the vertices so many steps further along: round a ring, else at most the line's end."""
    first, last = lines.starts[:-1][line], lines.starts[1:][line] - 1
    round_it = first + np.mod(here - first + step, np.maximum(last - first, 1))
    there: NDArray[np.int64] = np.where(lines.closed[line], round_it, np.clip(here + step, first, last))
    return there


def _twiced(lines: Lines, sigma_px: float) -> Lines:
    kernel = _twicing_half_kernel(sigma_px)
    radius = kernel.size - 1
    line, first, last = lines.line_of_vertex, lines.starts[:-1], lines.starts[1:] - 1
    place = np.arange(line.size) - first[line]
    source, sign = _continuation(lines, radius)
    centre = np.arange(line.size) + radius * (2 * line + 1)
    pinned = ~lines.closed[line] & ((place == 0) | (place == (last - first)[line]))
    result: list[NDArray[np.float64]] = []
    for values in (lines.cols, lines.rows):
        # Without its chord, an open line is 0 at both ends, and its point reflection a change of sign.
        slope = (values[last] - values[first]) / np.maximum(last - first, 1)
        chord = values[first][line] + slope[line] * place
        waves = (values - chord)[source] * sign
        filtered = _filtered(waves, kernel)[centre - radius]
        result.append(np.where(pinned, values, chord + filtered))
    return Lines(result[0], result[1], lines.starts, lines.closed)


def _twicing_half_kernel(sigma_px: float) -> NDArray[np.float64]:
    """Return the weights of 2 G - G * G at 0, 1, 2, ... px."""
    reach = math.ceil(4 * sigma_px)
    gauss = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    gauss /= gauss.sum()
    twice = -np.convolve(gauss, gauss)
    twice[reach : 3 * reach + 1] += 2 * gauss
    return twice[2 * reach :]


def _continuation(lines: Lines, radius: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return, for lines continued by ``radius`` vertices at both ends, the vertices and signs to take."""
    counts = lines.counts + 2 * radius
    line = np.repeat(np.arange(counts.size), counts)
    place = np.arange(line.size) - np.repeat(np.cumsum(counts) - counts, counts) - radius
    steps = np.maximum(lines.counts - 1, 1)
    beyond = np.flatnonzero((place < 0) | (place > np.repeat(steps, counts)))
    outside, length, closed = place[beyond], steps[line[beyond]], lines.closed[line[beyond]]
    # Divisions are slow: only lines shorter than the reach need them.
    folded = np.where(outside < 0, -outside, 2 * length - outside)
    short = np.flatnonzero((folded < 0) | (folded > length))
    turned = (folded > 0) & (folded < length)
    again = np.mod(outside[short], 2 * length[short])
    turned[short] = again > length[short]
    folded[short] = np.where(turned[short], 2 * length[short] - again, again)
    folded[closed] = np.mod(outside[closed], length[closed])
    place[beyond] = folded
    sign = np.ones(place.size)
    sign[beyond[turned & ~closed]] = -1.0
    return np.repeat(lines.starts[:-1], counts) + place, sign


def _filtered(values: NDArray[np.float64], half_kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate with a symmetric kernel where it fits; each result depends on its own taps alone."""
    radius = half_kernel.size - 1
    kernel = np.concatenate([half_kernel[:0:-1], half_kernel])
    filtered: NDArray[np.float64] = correlate1d(values, kernel, mode="constant")[
        radius : values.size - radius
    ]
    return filtered


def segment_sums(lines: Lines, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum a value of each step (V - 1 of them, those between lines ignored) per line, in order."""
    line = lines.line_of_vertex
    within = line[1:] == line[:-1]
    return np.bincount(line[1:][within], lengths[within], minlength=lines.counts.size).astype(float)
