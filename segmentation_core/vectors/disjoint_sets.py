"""Union-find over numbers that keep coming."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segmentation_core.vectors.ordering import distinct

__all__ = ["DisjointSets"]


class DisjointSets:
    """Disjoint sets of the numbers 1, 2, ...; each set is known by its smallest number.

    Examples
    --------
    >>> sets = DisjointSets()
    >>> sets.add(4)
    0
    >>> sets.join(np.array([4, 2]), np.array([3, 3]))
    >>> sets.find(np.array([0, 1, 2, 3, 4]))
    array([0, 1, 2, 2, 2])
    """

    def __init__(self) -> None:
        self._parent = np.zeros(1024, np.int64)
        self._count = 0

    def add(self, count: int) -> int:
        """Add ``count`` numbers, each a set of its own; return how many there were before."""
        before = self._count
        self._count += count
        if self._count >= self._parent.size:
            self._parent = np.concatenate(
                [self._parent, np.zeros(max(self._count, self._parent.size), np.int64)]
            )
        self._parent[before + 1 : self._count + 1] = np.arange(before + 1, self._count + 1)
        return before

    def find(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the set of each number; 0 stays 0."""
        roots = self._parent[numbers]
        while True:
            above = self._parent[roots]
            if np.array_equal(above, roots):
                return roots
            roots = above
            self._parent[numbers] = roots

    def join(self, these: NDArray[np.int64], those: NDArray[np.int64]) -> None:
        """Join the sets of the numbers, pair by pair; pairs with a 0 are ignored."""
        both = (these > 0) & (those > 0)
        if not both.any():
            return
        # Both fit into 32 bits: the parents of more numbers would not fit into any memory.
        pairs = distinct(these[both] << 32 | those[both])
        for one, other in zip((pairs >> 32).tolist(), (pairs & 0xFFFFFFFF).tolist(), strict=True):
            a, b = self._root(one), self._root(other)
            if a != b:
                self._parent[max(a, b)] = min(a, b)

    def _root(self, number: int) -> int:
        parent = self._parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = int(parent[number])
        return number
