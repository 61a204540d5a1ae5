"""How wide cracks are along their lines (MEASUREMENT, section 1.5).

At every vertex of a line, the crack's pixels that belong to the 8 px around it lie between two normals of the
line: their area over the length between is the mean of the profiles across the line there. One profile of a
mask is uncertain by half a pixel to each side, which is why a few are taken together. Beside junctions, where
cracks run into each other, and at tips, which are round, there is no width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation_core.raster.grid import Grid
from segmentation_core.vectors.centrelines import Lines

__all__ = ["Beside", "Profiles", "line_profiles"]

_REACH_PX = 4
_QUANTILES = (0.5, 0.95)


@dataclass(frozen=True)
class Beside:
    """What belongs to each vertex of lines through skeleton pixels; arrays have one entry per vertex.

    Attributes
    ----------
    areas_px : ndarray of int64
        Crack pixels.
    spreads : ndarray of int64
        Quantised probabilities of the crack's pixels and of those around it; 0 for class rasters.
    at_node : ndarray of bool
        The vertex is a node, to which pixels from all sides belong.
    half_widths_px : ndarray of float64
        Distance from the vertex to the nearest pixel outside the crack.
    """

    areas_px: NDArray[np.int64]
    spreads: NDArray[np.int64]
    at_node: NDArray[np.bool_]
    half_widths_px: NDArray[np.float64]


@dataclass(frozen=True)
class Profiles:
    """Widths of each line over its profiles; NaN where a line is too short to have one.

    Attributes
    ----------
    medians_m, wide_m : ndarray of float64
        50 % and 95 % of the profiles are at most as wide.
    by_probability_m : ndarray of float64
        Mean width, every pixel counted by its probability, those below the threshold included; NaN for
        class rasters.
    widest_m : ndarray of float64
        Diameter of the largest circle inside the crack around a vertex. No line is too short for it.
    """

    medians_m: NDArray[np.float64]
    wide_m: NDArray[np.float64]
    by_probability_m: NDArray[np.float64]
    widest_m: NDArray[np.float64]


def line_profiles(
    lines: Lines, beside: Beside, margins_px: NDArray[np.int64], grid: Grid, full: float
) -> Profiles:
    """Measure the widths of lines.

    Parameters
    ----------
    lines : Lines
        One vertex per skeleton pixel, in the middle of the crack.
    beside : Beside
    margins_px : ndarray of int64, shape (L, 2)
        Vertices at both ends that are not to be used.
    grid : Grid
    full : float
        The quantised probability that counts as a whole pixel.
    """
    line, first, last = lines.line_of_vertex, lines.starts[:-1], lines.starts[1:] - 1
    here = np.arange(line.size)
    margin = margins_px[line] + _REACH_PX
    usable = (here - first[line] >= margin[:, 0]) & (last[line] - here >= margin[:, 1])
    here = here[usable]
    nodes = np.concatenate([[0], np.cumsum(beside.at_node)])
    here = here[nodes[here + _REACH_PX + 1] == nodes[here - _REACH_PX]]
    line = line[here]
    half = _chords_m(lines, grid)
    lengths = half[here - _REACH_PX] + half[here]
    pixel = grid.pixel_area_m2
    widths = _windowed(beside.areas_px, here) * pixel / lengths
    medians, wide = _quantiles(widths, line, first.size)
    spread, length = (
        np.bincount(line, values, minlength=first.size)
        for values in (_windowed(beside.spreads, here) * (pixel / full), lengths)
    )
    by_probability = np.full(first.size, np.nan)
    np.divide(spread, length, out=by_probability, where=spread > 0)
    widest = np.maximum.reduceat(beside.half_widths_px, first) if first.size else np.zeros(0)
    return Profiles(medians, wide, by_probability, 2 * widest * grid.gsd_mm / 1e3)


def _chords_m(lines: Lines, grid: Grid) -> NDArray[np.float64]:
    """Return the distance from each vertex to that four further on."""
    right, down = (v[_REACH_PX:] - v[:-_REACH_PX] for v in (lines.cols, lines.rows))
    affine = grid.affine
    x, y = affine.a * right + affine.b * down, affine.d * right + affine.e * down
    chords: NDArray[np.float64] = np.maximum(np.sqrt(x * x + y * y), 1e-9 * grid.gsd_mm)
    return chords * grid.metres_per_unit


def _windowed(values: NDArray[np.int64], here: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sums over the vertices around, those at the ends of the window by half."""
    total = np.concatenate([[0], np.cumsum(values)])
    inside = total[here + _REACH_PX + 1] - total[here - _REACH_PX]
    return np.asarray(inside - (values[here - _REACH_PX] + values[here + _REACH_PX]) / 2)


def _quantiles(
    values: NDArray[np.float64], line: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the median and the P95 of each line (Hazen's, as all quantiles here)."""
    values = values[np.lexsort((values, line))]
    sizes = np.bincount(line, minlength=count)
    starts = np.cumsum(sizes) - sizes
    there = np.flatnonzero(sizes)
    found = np.full((2, count), np.nan)
    for row, share in zip(found, _QUANTILES, strict=True):
        place = np.clip(share * sizes[there] - 0.5, 0, sizes[there] - 1)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, sizes[there] - 1)
        part = place - below
        row[there] = (1 - part) * values[starts[there] + below] + part * values[starts[there] + above]
    return found[0], found[1]
