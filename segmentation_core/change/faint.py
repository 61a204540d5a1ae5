"""Cracks that the other survey shows too, only below its threshold: no evidence of change.

A network's probability of one crack differs from picture to picture with light and focus. Where one survey
has a crack and the other none, the other's probabilities tell whether it saw nothing there or too little.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segmentation_core.change.cracks import CrackChange

__all__ = ["ALONG", "FAINT", "Seen", "without_faint"]

FAINT, ALONG = 0.3, 0.7
"""Share of the threshold, and of a crack's length: what reaches the one along the other, a survey saw."""

Seen = Callable[[NDArray[np.object_]], NDArray[np.float64]]
"""Pieces of crack, mm in the common frame: the probability that a survey keeps up along `ALONG` of each, as a
share of its threshold; NaN: unknown."""

_ASKED: tuple[tuple[Literal["a", "b"], tuple[str, ...]], ...] = (
    ("b", ("new", "extended", "connected")),
    ("a", ("not_seen",)),
)


def without_faint(
    cracks: CrackChange, seen_by_a: Seen, seen_by_b: Seen, *, touched: Collection[str] = ()
) -> CrackChange:
    """Return the change of cracks where what the other survey saw below its threshold is ``stable``.

    Both ways by one rule: what is new in B is looked up in A, what is not seen again in B.

    Parameters
    ----------
    cracks : CrackChange
    seen_by_a, seen_by_b : Seen
    touched : collection of str
        Uids of lines that a person edited, drew or verified: what is said of these stays.
    """
    pieces = cracks.pieces
    kinds, values = pieces.kinds.copy(), pieces.values_mm.copy()
    faint: dict[str, NDArray[np.float64]] = {}
    for side, asked in _ASKED:
        own = pieces.uids_b if side == "b" else pieces.uids_a
        rows = np.array(
            [k for k in pieces.of(side, *asked).tolist() if own[k] not in touched], dtype=np.int64
        )
        seen = (seen_by_a if side == "b" else seen_by_b)(pieces.lines[rows])
        below = rows[np.nan_to_num(seen, nan=0.0) >= FAINT]
        kinds[below], values[below] = "stable", np.nan
        faint[side] = pieces.lengths_mm[below]
    changed = replace(pieces, kinds=kinds, values_mm=values)
    lengths = changed.sums()
    left = [
        lengths.get((side, kind), 0.0) / cracks.lengths_mm[side, kind]
        if cracks.lengths_mm.get((side, kind))
        else 0.0
        for side, kind in (("b", "new"), ("a", "not_seen"))
    ]
    return replace(
        cracks,
        pieces=changed,
        lengths_mm=lengths,
        new_corrected_mm=cracks.new_corrected_mm * left[0],
        not_seen_corrected_mm=cracks.not_seen_corrected_mm * left[1],
        faint_mm=faint,
    )
