"""What pixel scores cannot see: lengths, gaps, loops (MEASUREMENT, section 5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import euler_number
from skimage.morphology import thin

__all__ = ["betti_errors", "length_map", "line_sums", "within"]

Mask = NDArray[np.bool_]

_BETTI_TILE_PX = 128


def within(mask: Mask, distance_px: float) -> Mask:
    """Return the pixels within a distance of a mask."""
    if not mask.any():
        return mask
    near: Mask = ndimage.distance_transform_edt(~mask) <= distance_px
    return near


def length_map(skeleton: Mask) -> NDArray[np.float64]:
    """Return the length of a skeleton, px, shared out to its pixels.

    Straight steps count 1 and diagonal ones the square root of 2, where no straight step goes the same
    way round; half of a step to each of its ends.
    """
    length = np.zeros(skeleton.shape)
    s = skeleton
    for a, b in (
        ((slice(None), slice(1, None)), (slice(None), slice(-1))),
        ((slice(1, None),), (slice(-1),)),
    ):
        step = s[a] & s[b]
        length[a] += step / 2
        length[b] += step / 2
    corners = ((slice(1, None), slice(1, None)), (slice(-1), slice(-1)))
    others = ((slice(1, None), slice(-1)), (slice(-1), slice(1, None)))
    around = s[others[0]] | s[others[1]], s[corners[0]] | s[corners[1]]
    for (a, b), straight in zip((corners, others), around, strict=True):
        step = s[a] & s[b] & ~straight
        length[a] += step * (np.sqrt(2) / 2)
        length[b] += step * (np.sqrt(2) / 2)
    return length


def line_sums(predicted: Mask, target: Mask, tolerance_px: float) -> dict[str, float]:
    """Return the sums that length scores and clDice are made of; they add up over pictures.

    Parameters
    ----------
    predicted, target : bool array (H, W)
        A thin class, ignored pixels taken out of both.
    tolerance_px : float
        A skeleton pixel this near to the other skeleton is matched.

    Returns
    -------
    dict
        ``length_predicted``, ``length_true``, ``matched_predicted``, ``matched_true`` (px of skeleton);
        ``inside_true`` and ``inside_predicted`` (skeleton pixels of the one inside the other's mask) with
        ``skeleton_predicted`` and ``skeleton_true`` (skeleton pixels).
    """
    p, t = _thin(predicted), _thin(target)
    length_p, length_t = length_map(p), length_map(t)
    return {
        "length_predicted": float(length_p.sum()),
        "length_true": float(length_t.sum()),
        "matched_predicted": float(length_p[within(t, tolerance_px)].sum()),
        "matched_true": float(length_t[within(p, tolerance_px)].sum()),
        "skeleton_predicted": float(p.sum()),
        "skeleton_true": float(t.sum()),
        "inside_true": float((p & target).sum()),
        "inside_predicted": float((t & predicted).sum()),
    }


def _thin(mask: Mask) -> Mask:
    skeleton: Mask = thin(mask)  # type: ignore[no-untyped-call]
    return skeleton


def betti_errors(predicted: Mask, target: Mask) -> dict[str, float]:
    """Return the errors of the numbers of pieces and of loops, summed over tiles of 128 px.

    Returns
    -------
    dict
        ``betti0_error``, ``betti1_error`` (absolute differences) and ``betti_tiles``.
    """
    errors = {"betti0_error": 0.0, "betti1_error": 0.0, "betti_tiles": 0.0}
    for row in range(0, target.shape[0], _BETTI_TILE_PX):
        for col in range(0, target.shape[1], _BETTI_TILE_PX):
            at = (slice(row, row + _BETTI_TILE_PX), slice(col, col + _BETTI_TILE_PX))
            pieces_p, loops_p = _betti(predicted[at])
            pieces_t, loops_t = _betti(target[at])
            errors["betti0_error"] += abs(pieces_p - pieces_t)
            errors["betti1_error"] += abs(loops_p - loops_t)
            errors["betti_tiles"] += 1
    return errors


def _betti(mask: Mask) -> tuple[int, int]:
    """Return the number of 8-connected pieces and of holes in them."""
    if not mask.any():
        return 0, 0
    pieces = int(ndimage.label(mask, np.ones((3, 3)))[1])
    return pieces, pieces - int(euler_number(mask, connectivity=2))  # type: ignore[no-untyped-call]
