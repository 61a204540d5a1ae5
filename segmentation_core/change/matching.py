"""Which stretches of one survey's cracks lie along cracks of the other (MEASUREMENT, section 4.3).

A stretch is matched where it lies within eps of a segment of the other survey whose direction differs by at
most 25 degrees, so that a crack that crosses another is not taken for it. Stretches are cut exactly at the
distance eps, not at vertices or samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation_core.change.courses import Courses, Segments
from segmentation_core.change.stretches import Stretches, union

__all__ = ["MAX_TURN_DEG", "Matched", "matched"]

MAX_TURN_DEG = 25.0
"""Largest difference of direction between stretches that are called the same crack."""

_TOLERANCE_PX = 0.1
_LONGEST_PX = 8.0


@dataclass(frozen=True)
class Matched:
    """What of one survey's lines lies along the other's.

    Attributes
    ----------
    stretches : Stretches
    segments : Segments
        The lines in straight segments.
    partners : ndarray of int64
        For each segment, the nearest line of the other survey that it lies along; -1 where there is none.
    """

    stretches: Stretches
    segments: Segments
    partners: NDArray[np.int64]


def matched(a: Courses, b: Courses, eps_mm: float, gsd_mm: float) -> tuple[Matched, Matched]:
    """Match two surveys' lines.

    Parameters
    ----------
    a, b : Courses
    eps_mm : float
        Buffer.
    gsd_mm : float
        Size of a pixel: lines are followed to a tenth of it.

    Returns
    -------
    tuple of Matched
        Of A, of B.
    """
    of_a = a.segments(_TOLERANCE_PX * gsd_mm, _LONGEST_PX * gsd_mm)
    of_b = b.segments(_TOLERANCE_PX * gsd_mm, _LONGEST_PX * gsd_mm)
    in_b, in_a = of_a.index.query(of_b.boxes(eps_mm))
    alike = _alike(of_a, of_b, in_a, in_b)
    in_a, in_b = in_a[alike], in_b[alike]
    return _along(of_a, of_b, in_a, in_b, eps_mm), _along(of_b, of_a, in_b, in_a, eps_mm)


def _alike(
    of_a: Segments, of_b: Segments, in_a: NDArray[np.int64], in_b: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which pairs run in the same direction."""
    one, two = ((s.stops - s.starts)[at] for s, at in ((of_a, in_a), (of_b, in_b)))
    along = np.abs((one * two).sum(axis=1))
    across = np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
    alike: NDArray[np.bool_] = across <= math.tan(math.radians(MAX_TURN_DEG)) * along
    return alike


def _along(
    own: Segments, other: Segments, at: NDArray[np.int64], of: NDArray[np.int64], eps_mm: float
) -> Matched:
    """Return the matched stretches of one side, from pairs (at, of)."""
    low, high, apart = _within(own.starts[at], own.stops[at], other.starts[of], other.stops[of], eps_mm)
    met = low < high
    low, high, apart, at, of = low[met], high[met], apart[met], at[met], of[met]
    first, last = own.start_chainage[at], own.stop_chainage[at]
    starts = np.where(low <= 0, first, first + low * (last - first))
    stops = np.where(high >= 1, last, first + high * (last - first))
    nearest = np.full(own.line.size, np.inf)
    np.minimum.at(nearest, at, apart)
    is_nearest = apart == nearest[at]
    nobody = np.iinfo(np.int64).max
    partners = np.full(own.line.size, nobody, dtype=np.int64)
    np.minimum.at(partners, at[is_nearest], other.line[of[is_nearest]])
    partners[partners == nobody] = -1
    return Matched(union(starts, stops), own, partners)


def _within(
    start: NDArray[np.float64],
    stop: NDArray[np.float64],
    other_start: NDArray[np.float64],
    other_stop: NDArray[np.float64],
    radius: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return between which shares of a segment it is within a radius of the other one, low > high: nowhere.

    Also how far its middle is from the other one.

    The points within a radius of a segment are a convex set, a rectangle between two discs: what a line
    has in common with it is one stretch, from the first entry to the last exit of the three.
    """
    axis = other_stop - other_start
    length = np.hypot(*axis.T)
    axis = axis / length[:, None]
    rows = [start - other_start, stop - start]
    x, dx = ((row * axis).sum(axis=1) for row in rows)
    y, dy = (axis[:, 0] * row[:, 1] - axis[:, 1] * row[:, 0] for row in rows)
    across = _slab(y, dy, np.full_like(y, -radius), np.full_like(y, radius))
    ahead = _slab(x, dx, np.zeros_like(x), length)
    parts = [
        (np.maximum(across[0], ahead[0]), np.minimum(across[1], ahead[1])),
        _disc(x, y, dx, dy, radius),
        _disc(x - length, y, dx, dy, radius),
    ]
    met = [low <= high for low, high in parts]
    low = np.minimum.reduce([np.where(m, p[0], np.inf) for m, p in zip(met, parts, strict=True)])
    high = np.maximum.reduce([np.where(m, p[1], -np.inf) for m, p in zip(met, parts, strict=True)])
    middle_x, middle_y = x + dx / 2, y + dy / 2
    apart = np.hypot(middle_x - np.clip(middle_x, 0, length), middle_y)
    return np.maximum(low, 0), np.minimum(high, 1), apart


def _slab(
    at: NDArray[np.float64], step: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return when low <= at + t step <= high."""
    still = step == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (low - at) / step, (high - at) / step
    between = (low <= at) & (at <= high)
    enters = np.where(still, np.where(between, -np.inf, np.inf), np.minimum(one, two))
    leaves = np.where(still, np.where(between, np.inf, -np.inf), np.maximum(one, two))
    return enters, leaves


def _disc(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    dx: NDArray[np.float64],
    dy: NDArray[np.float64],
    radius: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return when (x + t dx, y + t dy) is within a radius of the origin."""
    square, half = dx * dx + dy * dy, x * dx + y * dy
    root = half * half - square * (x * x + y * y - radius * radius)
    reach = np.sqrt(np.maximum(root, 0))
    missed = root < 0
    return (
        np.where(missed, np.inf, (-half - reach) / square),
        np.where(missed, -np.inf, (-half + reach) / square),
    )
