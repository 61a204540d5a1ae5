"""How much crack length has come that misreading does not explain.

The sums of two surveys differ by what a network misses on one picture and not on the other, which drowns what
grew. Piece by piece it need not. Cracks do not heal: what is not seen again, less what fell off with its
paint, was misread at one of the dates, and says how much of what looks new may be misread as well; as much,
where both pictures show cracks alike. Which of them shows more is told by the cracks that one survey has and
the other saw below its threshold (`segmentation_core.change.faint`). Source: docs/change.md, *Growth*.
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
"""Of the keenness, where it speaks against growth. On pictures of unchanged facades, new and not seen again
stood in the ratio of its power of 1.4 to 1.9, whichever was sharper: what a survey never saw is further from
its threshold than what it half saw. One, where it would speak for growth."""


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

    The length that only B has and A half saw, over the length that only A has and B half saw. None where one
    of them is not known.
    """
    only_b, only_a = (np.asarray(cracks.faint_mm.get(side, ()), dtype=np.float64) for side in ("b", "a"))
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
    """Return the growth of every region; None where no kept probabilities tell which picture shows more.

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
    power = _POWER if keen[0] > 1 else 1.0
    factor, factor_relative = keen[0] ** power, power * keen[1]
    pieces = cracks.pieces
    kinds, sides = pieces.kinds[features].astype(str), pieces.sides[features]
    of_b = (sides == "b") & np.isin(kinds, GROWN)
    sure = np.isin(pieces.uids_b[features].astype(str), list(confirmed)) & of_b
    groups = {
        "grown": _groups(pieces.lines, features, amounts_mm, of_b & ~sure, cracks.eps_mm),
        "not_seen": _groups(
            pieces.lines, features, amounts_mm, (sides == "a") & (kinds == "not_seen"), cracks.eps_mm
        ),
    }
    every = np.concatenate([sizes for _, sizes in groups.values()])
    one_more = float(every.mean()) if every.size else 0.0
    compared = np.bincount(
        regions, amounts_mm * ((sides == "a") & np.isin(kinds, ("stable", "not_seen"))), minlength=count
    )
    _, lost_sizes = groups["not_seen"]
    everywhere = float(lost_sizes.sum()), math.sqrt(float((lost_sizes**2).sum()) + one_more**2)
    found = []
    for region in range(count):
        grown, lost = (sizes[regions[rows] == region] for rows, sizes in groups.values())
        share = float(compared[region] / compared.sum()) if compared.sum() else 0.0
        misread, scatter = max(
            (everywhere[0] * share, everywhere[1] * share),
            (float(lost.sum()), math.sqrt(float((lost**2).sum()) + one_more**2)),
        )
        certain = float(amounts_mm[sure & (regions == region)].sum())
        expected = misread * factor
        found.append(
            ShownGrowth(
                certain + float(grown.sum()),
                min(expected, float(grown.sum())),
                math.sqrt(float((grown**2).sum())),
                math.hypot(scatter * factor, expected * factor_relative),
            )
        )
    return tuple(found)


def _relative(lengths: NDArray[np.float64]) -> float:
    """Return the relative scatter of a sum of pieces that come by chance."""
    return math.sqrt(float((lengths**2).sum())) / float(lengths.sum())


def _groups(
    lines: NDArray[np.object_],
    features: NDArray[np.int64],
    amounts_mm: NDArray[np.float64],
    chosen: NDArray[np.bool_],
    eps_mm: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Put pieces that lie beside each other together: a misread crack is misread piece after piece.

    Returns the row of a first piece of each group, and the groups' lengths.
    """
    rows = np.flatnonzero(chosen)
    if not rows.size:
        return rows, np.zeros(0)
    own = lines[features[rows]]
    one, other = shapely.STRtree(own).query(own, predicate="dwithin", distance=_GAP_IN_BUFFERS * eps_mm)
    _, label = connected_components(coo_matrix((np.ones(len(one)), (one, other)), shape=(len(own),) * 2))
    _, first = np.unique(label, return_index=True)
    return rows[first].astype(np.int64), np.bincount(label, amounts_mm[rows]).astype(np.float64)
