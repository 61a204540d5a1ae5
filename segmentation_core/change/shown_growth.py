"""How much crack length has come that misreading does not explain.

The sums of two surveys differ by what a network misses on one picture and not on the other, which drowns what
grew. Piece by piece it need not. Cracks do not heal: what is not seen again, less what fell off with its
paint, was misread at one of the dates, and says how much of what looks new may be misread as well; as much,
where both pictures show cracks alike. Which of them shows more is told by the cracks that one survey has and
that the other picture shows too (`segmentation_core.change.faint`). What was traced on the pictures and is in
no survey tells nothing here. Source: docs/change.md, *Growth*.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from segmentation_core.change.cracks import CrackChange
from segmentation_core.change.uncertainty import COVERAGE

__all__ = ["GROWN", "ShownGrowth", "keenness", "shown_growth"]

GROWN = ("new", "extended", "connected")
"""Kinds of pieces of the later survey that are crack length which has come."""

_GAP_IN_BUFFERS = 5.0
_POWER = 2.0
"""Of the keenness, where it speaks against growth; where it would speak for growth it counts for nothing."""


@dataclass(frozen=True)
class ShownGrowth:
    """Crack length that has come in one region, mm.

    Attributes
    ----------
    found_mm : float
        New, grown and connected, as found.
    misread_mm : float
        What of it misreading may be.
    pieces_mm, misreading_mm : float
        Standard uncertainties: of what was found, by the size of its pieces, and of what misreading may be.
    """

    found_mm: float
    misread_mm: float
    pieces_mm: float
    misreading_mm: float

    @property
    def growth_mm(self) -> float:
        """What is left."""
        return self.found_mm - self.misread_mm

    @property
    def u95_mm(self) -> float:
        """Half the width of its 95 % interval."""
        return COVERAGE * math.hypot(self.pieces_mm, self.misreading_mm)


def keenness(cracks: CrackChange) -> tuple[float, float] | None:
    """Return how many times as much the later survey shows, and its relative standard uncertainty.

    The length that only B has and A's picture shows too, over the length that only A has and B's picture
    shows too. None where one of them is not known.
    """
    only_b, only_a = (shapely.length(cracks.faint.get(side, ())) for side in ("b", "a"))
    if not only_a.sum() or not only_b.sum():
        return None
    return float(only_b.sum() / only_a.sum()), math.hypot(_relative(only_a), _relative(only_b))


def shown_growth(
    cracks: CrackChange,
    features: NDArray[np.int64],
    regions: NDArray[np.int64],
    amounts_mm: NDArray[np.float64],
    count: int,
    *,
    confirmed: Collection[str] = (),
) -> tuple[ShownGrowth, ...] | None:
    """Return the growth of every region and, last, of all together.

    None where no kept probabilities tell which picture shows more.

    Parameters
    ----------
    cracks : CrackChange
        After `without_faint` and `with_overtaken`.
    features, regions, amounts_mm : ndarray
        Which piece has how much in which region.
    count : int
        Of the regions. Misreading is taken alike all over both pictures, or as it shows in the region where
        it shows more.
    confirmed : collection of str
        Uids of lines of B that a person drew, edited or verified: no misreading.
    """
    keen = keenness(cracks)
    if keen is None:
        return None
    power = _POWER if keen[0] > 1 else 0.0
    factor, factor_relative = keen[0] ** power, power * keen[1]
    pieces = cracks.pieces
    kinds, sides = pieces.kinds[features].astype(str), pieces.sides[features]
    of_b = (sides == "b") & np.isin(kinds, GROWN) & ~pieces.is_traced[features]
    sure = np.isin(pieces.uids_b[features].astype(str), list(confirmed)) & of_b
    grown = _grouped(pieces.lines, features, of_b & ~sure, cracks.eps_mm)
    lost = _grouped(pieces.lines, features, (sides == "a") & (kinds == "not_seen"), cracks.eps_mm)
    every = np.concatenate([_sizes(group, amounts_mm) for group in (grown, lost)])
    one_more = float(every.mean()) if every.size else 0.0
    compared = amounts_mm * ((sides == "a") & np.isin(kinds, ("stable", "not_seen")))
    everywhere = _sizes(lost, amounts_mm)
    found = []
    for here in (*(regions == region for region in range(count)), np.ones(len(regions), dtype=bool)):
        came, gone = (_sizes(group, amounts_mm, here) for group in (grown, lost))
        share = float(compared[here].sum() / compared.sum()) if compared.any() else 0.0
        misread, scatter = max(
            (share * float(everywhere.sum()), share * _scatter(everywhere, one_more)),
            (float(gone.sum()), _scatter(gone, one_more)),
        )
        expected = misread * factor
        found.append(
            ShownGrowth(
                float(amounts_mm[sure & here].sum() + came.sum()),
                min(expected, float(came.sum())),
                _scatter(came),
                math.hypot(scatter * factor, expected * factor_relative),
            )
        )
    return tuple(found)


def _scatter(lengths: NDArray[np.float64], one_more: float = 0.0) -> float:
    """Return the standard uncertainty of a sum of pieces that come by chance."""
    return math.hypot(float(np.linalg.norm(lengths)), one_more)


def _relative(lengths: NDArray[np.float64]) -> float:
    return _scatter(lengths) / float(lengths.sum())


@dataclass(frozen=True)
class _Grouped:
    """Chosen rows, and the number of the group that each belongs to."""

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]


def _grouped(
    lines: NDArray[np.object_], features: NDArray[np.int64], chosen: NDArray[np.bool_], eps_mm: float
) -> _Grouped:
    """Put pieces that lie beside each other together: a misread crack is misread piece after piece."""
    rows = np.flatnonzero(chosen)
    own = lines[features[rows]]
    one, other = shapely.STRtree(own).query(own, predicate="dwithin", distance=_GAP_IN_BUFFERS * eps_mm)
    beside = coo_matrix((np.ones(len(one)), (one, other)), shape=(len(own),) * 2)
    labels = connected_components(beside)[1] if rows.size else rows
    return _Grouped(rows, np.asarray(labels, dtype=np.int64))


def _sizes(
    group: _Grouped, amounts_mm: NDArray[np.float64], here: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return the length of each group, or of what of it lies somewhere."""
    amounts = amounts_mm[group.rows] * (1.0 if here is None else here[group.rows])
    sizes = np.bincount(group.labels, amounts)
    return np.asarray(sizes[sizes > 0], dtype=np.float64)
