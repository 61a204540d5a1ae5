"""Paint losses that a survey is not sure of, or that the other survey half sees: no evidence of change.

Paint is lost in one survey and whole in the other with the probability p (1 - q), p and q being the two
surveys' probabilities of loss at a place: a painted flower that one picture shows at 0.6 and the other at 0.3
passes the threshold at one date only, and nothing has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segmentation_core.change.loss_pieces import LossPieces
from segmentation_core.change.losses import LossChange

__all__ = ["SURE", "Sureness", "without_doubtful"]

SURE = 0.75
"""Median probability over a part of a loss, from which on it is a change (docs/change.md, *Losses*)."""

Sureness = Callable[[NDArray[np.object_], Literal["a", "b"]], NDArray[np.float64]]
"""Parts of losses, mm in the common frame, and the survey that has them: the median probability that they are
lost there and not in the other; NaN: unknown."""


def without_doubtful(losses: LossChange, sureness: Sureness, *, touched: Collection[str] = ()) -> LossChange:
    """Return the change of losses where a gain in doubt is ``stable`` and what was in doubt is not missed.

    Parameters
    ----------
    losses : LossChange
    sureness : Sureness
    touched : collection of str
        Uids of losses that a person edited, drew or verified: what is said of these stays.
    """
    pieces = losses.pieces
    kinds, kept = pieces.kinds.copy(), np.ones(len(pieces.kinds), dtype=bool)
    doubtful: dict[str, NDArray[np.object_]] = {}
    sides: tuple[tuple[Literal["a", "b"], str, NDArray[np.object_]], ...] = (
        ("b", "gain", pieces.uids_b),
        ("a", "not_confirmed", pieces.uids_a),
    )
    for side, kind, own in sides:
        rows = np.flatnonzero((pieces.kinds == kind) & ~np.isin(own.astype(str), list(touched)))
        sure = sureness(pieces.polygons[rows], side)
        below = rows[np.nan_to_num(sure, nan=1.0) < SURE]
        doubtful[side] = pieces.polygons[below]
        if side == "b":
            kinds[below] = "stable"
        else:
            kept[below] = False
    changed = LossPieces(
        kinds[kept],
        pieces.polygons[kept],
        pieces.areas_mm2[kept],
        pieces.uids_a[kept],
        pieces.uids_b[kept],
    )
    areas = {k: float(changed.areas_mm2[changed.kinds == k].sum()) for k in dict.fromkeys(changed.kinds)}
    return replace(losses, pieces=changed, areas_mm2=areas, doubtful=doubtful)
