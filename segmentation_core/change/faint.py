"""Cracks of one survey that the other picture shows too, where its survey found none: no evidence of change.

What a network finds of one crack differs from picture to picture with light and focus. Where one survey has a
crack and the other none, both pictures and both networks together tell whether it has come, or gone
(`segmentation_core.change.come_and_gone`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segmentation_core.change.cracks import CrackChange

__all__ = ["ALONG", "SHOWN", "Shown", "without_faint"]

SHOWN, ALONG = 0.5, 0.7
"""Probability of having come or gone, and the share of a crack's length along which it has to be kept up."""

Shown = Callable[[NDArray[np.object_]], NDArray[np.float64]]
"""Pieces of crack, mm in the common frame: the probability that `ALONG` of each has come, or has gone; NaN:
unknown."""

_ASKED: tuple[tuple[Literal["a", "b"], tuple[str, ...]], ...] = (
    ("b", ("new", "extended", "connected")),
    ("a", ("not_seen",)),
)


def without_faint(
    cracks: CrackChange, come: Shown, gone: Shown, *, touched: Collection[str] = ()
) -> CrackChange:
    """Return the change of cracks where what has hardly come, or gone, is ``stable``.

    Both ways by one rule: of what is new in B it is asked whether it has come, of what is not seen again in B
    whether it has gone. Pieces that were traced on the pictures and are in no survey have nothing to be
    stable: they are left out, and are no part of `CrackChange.faint`.

    Parameters
    ----------
    cracks : CrackChange
    come, gone : Shown
    touched : collection of str
        Uids of lines that a person edited, drew or verified: what is said of these stays.
    """
    pieces = cracks.pieces
    kinds, values = pieces.kinds.copy(), pieces.values_mm.copy()
    traced = pieces.is_traced
    faint: dict[str, NDArray[np.object_]] = {}
    for side, asked in _ASKED:
        own = pieces.uids_b if side == "b" else pieces.uids_a
        rows = np.array(
            [k for k in pieces.of(side, *asked).tolist() if own[k] not in touched], dtype=np.int64
        )
        told = (come if side == "b" else gone)(pieces.lines[rows])
        below = rows[np.nan_to_num(told, nan=1.0) < SHOWN]
        kinds[below], values[below] = "stable", np.nan
        faint[side] = pieces.lines[below[~traced[below]]]
    changes = [kind for _, asked in _ASKED for kind in asked]
    kept = ~traced | np.isin(kinds.astype(str), changes)
    changed = replace(pieces, kinds=kinds, values_mm=values).chosen(np.flatnonzero(kept))
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
        faint=faint,
    )
