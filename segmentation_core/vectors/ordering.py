"""Orders of many small numbers, and walks along many cycles at once, without a loop in Python."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

__all__ = ["cycles", "distinct", "lexical_order"]

_BITS = 63


def lexical_order(*columns: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the order of rows by their first column, then their second, and so on; no two rows are alike.

    The columns are packed into one 64-bit number if they fit, whose sorting is several times faster.

    Examples
    --------
    >>> lexical_order(np.array([1, 0, 1]), np.array([-5, 7, -9])).tolist()
    [1, 2, 0]
    """
    lowest = [int(column.min(initial=0)) for column in columns]
    widths = [
        (int(column.max(initial=0)) - low).bit_length() for column, low in zip(columns, lowest, strict=True)
    ]
    if sum(widths) > _BITS:
        return np.lexsort(columns[::-1])
    key = np.zeros(columns[0].shape, np.int64)
    for column, low, width in zip(columns, lowest, widths, strict=True):
        key <<= width
        key |= column - low
    return np.argsort(key)


def distinct(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sorted distinct numbers; several times faster than `numpy.unique`, which hashes them.

    Examples
    --------
    >>> distinct(np.array([3, 1, 3, 2])).tolist()
    [1, 2, 3]
    """
    ordered = np.sort(numbers)
    first: NDArray[np.bool_] = np.ones(ordered.size, bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def cycles(following: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the cycles of a permutation one after another, and where each begins.

    Every cycle begins at its smallest member; cycles are ordered by it.

    Examples
    --------
    >>> walk, starts = cycles(np.array([2, 1, 3, 0]))
    >>> walk.tolist(), starts.tolist()
    ([0, 2, 3, 1], [0, 3])
    """
    count = following.size
    if not count:
        return following, np.zeros(0, np.int64)
    _, cycle = connected_components(_steps(following), directed=True, connection="weak")
    _, firsts, sizes = np.unique(cycle, return_index=True, return_counts=True)
    order = np.argsort(firsts)
    firsts, sizes = firsts[order], sizes[order]
    # Opened at their firsts and tied together, the cycles are one path, which a search follows.
    before = np.empty_like(following)
    before[following] = np.arange(count)
    path = following.copy()
    path[before[firsts]] = np.append(firsts[1:], firsts[0])
    walk = breadth_first_order(_steps(path), int(firsts[0]), directed=True, return_predecessors=False)
    return walk.astype(np.int64), np.cumsum(sizes) - sizes


def _steps(following: NDArray[np.int64]) -> csr_array:
    count = following.size
    return csr_array(
        (np.ones(count), following.astype(np.int32), np.arange(count + 1, dtype=np.int32)),
        shape=(count, count),
    )
