"""Sums per element, filled from streamed features; divided only at the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segmentation_core.statistics.quantities import QUANTITIES, with_ratios
from segmentation_core.statistics.regions import Parts

__all__ = ["Row", "Tally"]

Row = dict[str, float | int | None]


class Tally:
    """Sums over elements.

    Parameters
    ----------
    ids : sequence of str
        Ids of the elements, in the order of every `Parts.regions` given later.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = tuple(ids)
        count = len(self.ids)
        self._sums = {q.code: np.zeros(count) for q in QUANTITIES if q.total == "sum"}
        self._features = {q.counted_in: np.zeros(count, dtype=np.int64) for q in QUANTITIES if q.counted_in}
        self._members: dict[str, list[NDArray[np.int64]]] = {
            q.code: [] for q in QUANTITIES if q.total == "distinct"
        }

    def add_assessed(self, areas_m2: NDArray[np.float64]) -> None:
        """Add the assessed area of every element, m2."""
        self._sums["assessed_m2"] += areas_m2

    def add_losses(self, parts: Parts, keys: NDArray[np.int64], metres_per_unit: float) -> None:
        """Add paint losses; ``keys`` (per feature) tell which are one and the same."""
        self._add(parts, "loss_m2", metres_per_unit**2, "losses")
        self._add_members(parts, keys, "loss_count")

    def add_lines(self, parts: Parts, keys: NDArray[np.int64], metres_per_unit: float) -> None:
        """Add crack lines; ``keys`` (per feature) are their connected cracks."""
        self._add(parts, "crack_m", metres_per_unit, "lines")
        self._add_members(parts, keys, "crack_count")

    def add_areas(self, parts: Parts, metres_per_unit: float) -> None:
        """Add crack areas."""
        self._add(parts, "crack_area_m2", metres_per_unit**2, "areas")

    def rows(self) -> list[Row]:
        """Return every quantity of every element."""
        counts = {
            code: np.bincount(self._unique(code)[:, 0], minlength=len(self.ids)) for code in self._members
        }
        return [
            with_ratios(
                {code: float(values[i]) for code, values in self._sums.items()}
                | {code: int(values[i]) for code, values in counts.items()}
            )
            for i in range(len(self.ids))
        ]

    def totals(self) -> Row:
        """Return every quantity over all elements: sums added, counts distinct, ratios of the sums."""
        sums: dict[str, float] = {code: float(values.sum()) for code, values in self._sums.items()}
        counts = {code: len(np.unique(self._unique(code)[:, 1])) for code in self._members}
        return with_ratios({**sums, **counts})

    def feature_counts(self) -> dict[str, NDArray[np.int64]]:
        """Return how many features each kind of value rests on, per element."""
        return {str(name): counts for name, counts in self._features.items()}

    def _add(self, parts: Parts, code: str, factor: float, counted_in: str) -> None:
        count = len(self.ids)
        self._sums[code] += factor * np.bincount(parts.regions, weights=parts.amounts, minlength=count)
        self._features[counted_in] += np.bincount(parts.regions, minlength=count)

    def _add_members(self, parts: Parts, keys: NDArray[np.int64], code: str) -> None:
        pairs = np.column_stack((parts.regions, keys[parts.features]))
        self._members[code].append(np.unique(pairs, axis=0))

    def _unique(self, code: str) -> NDArray[np.int64]:
        chunks = self._members[code]
        return np.unique(np.concatenate(chunks), axis=0) if chunks else np.empty((0, 2), dtype=np.int64)
