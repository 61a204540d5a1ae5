"""Sets of stretches along lines: union, difference, cuts; exact at the given bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stretches", "split", "union", "without"]


@dataclass(frozen=True)
class Stretches:
    """Stretches of chainage, sorted, that do not overlap; only those of `split` touch.

    Attributes
    ----------
    starts, stops : ndarray of float64, shape (N,)
    """

    starts: NDArray[np.float64]
    stops: NDArray[np.float64]

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Length of each stretch."""
        return self.stops - self.starts

    def holds(self, chainage: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which chainages lie inside; the stop of a stretch lies outside."""
        before = np.searchsorted(self.starts, chainage, side="right") - 1
        inside: NDArray[np.bool_] = np.append(self.stops, -np.inf)[before] > chainage
        return inside


def union(starts: NDArray[np.float64], stops: NDArray[np.float64]) -> Stretches:
    """Return what any of the stretches covers; those that touch become one, empty ones vanish.

    Examples
    --------
    >>> joined = union(np.array([4.0, 0.0, 1.0]), np.array([5.0, 2.0, 3.0]))
    >>> joined.starts.tolist(), joined.stops.tolist()
    ([0.0, 4.0], [3.0, 5.0])
    """
    filled = stops > starts
    order = np.argsort(starts[filled], kind="stable")
    starts, stops = starts[filled][order], np.maximum.accumulate(stops[filled][order])
    first = np.append(True, starts[1:] > stops[:-1])[: starts.size]
    return Stretches(starts[first], stops[np.append(first[1:], True)[: stops.size]])


def without(these: Stretches, those: Stretches) -> Stretches:
    """Return what the first covers and the second does not."""
    starts, stops, middles = _elementary(these, those)
    kept = these.holds(middles) & ~those.holds(middles)
    return union(starts[kept], stops[kept])


def split(these: Stretches, cuts: NDArray[np.float64]) -> Stretches:
    """Return the stretches cut at chainages.

    Examples
    --------
    >>> split(Stretches(np.array([0.0]), np.array([3.0])), np.array([1.0, 7.0])).stops.tolist()
    [1.0, 3.0]
    """
    starts, stops, middles = _elementary(these, Stretches(cuts, cuts))
    kept = these.holds(middles)
    return Stretches(starts[kept], stops[kept])


def _elementary(
    these: Stretches, those: Stretches
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    bounds = np.unique(np.concatenate([these.starts, these.stops, those.starts, those.stops]))
    return bounds[:-1], bounds[1:], (bounds[:-1] + bounds[1:]) / 2
