"""Cracks that paint loss took: what of A is not seen again because the paint it ran through is gone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.change.cracks import CrackChange
from segmentation_core.change.losses import LossChange
from segmentation_core.change.pieces import CrackPieces, joined_pieces

__all__ = ["with_overtaken"]


def with_overtaken(cracks: CrackChange, losses: LossChange) -> CrackChange:
    """Return the change of cracks where ``not_seen`` is ``crack_to_loss`` inside paint lost since.

    A piece is cut where the loss begins. The estimate of what chance hides is not made again.

    Parameters
    ----------
    cracks : CrackChange
    losses : LossChange
        Of the same two surveys.
    """
    pieces = cracks.pieces
    gone = pieces.of("a", "not_seen")
    gained = losses.pieces.polygons[losses.pieces.kinds == "gain"]
    around = shapely.buffer(gained, cracks.eps_mm)
    at, of = shapely.STRtree(around).query(pieces.lines[gone], predicate="intersects")
    touched = np.unique(at)
    if not touched.size:
        return cracks
    covers = np.array([shapely.union_all(around[of[at == index]]) for index in touched], dtype=object)
    rows, lines = gone[touched], pieces.lines[gone[touched]]
    kept = np.setdiff1d(np.arange(len(pieces)), rows)
    changed = joined_pieces(
        [
            pieces.chosen(kept),
            _cut(pieces, rows, shapely.difference(lines, covers), "not_seen"),
            _cut(pieces, rows, shapely.intersection(lines, covers), "crack_to_loss"),
        ]
    )
    return replace(cracks, pieces=changed, lengths_mm=changed.sums())


def _cut(pieces: CrackPieces, rows: NDArray[np.int64], parts: NDArray[np.object_], kind: str) -> CrackPieces:
    lines, owners = shapely.get_parts(parts, return_index=True)
    there = shapely.length(lines) > 0
    lines, owners = lines[there], owners[there]
    return replace(
        pieces.chosen(rows[owners]),
        lines=np.asarray(lines, dtype=object),
        lengths_mm=np.asarray(shapely.length(lines), dtype=np.float64),
        kinds=np.full(len(lines), kind, dtype=object),
    )
