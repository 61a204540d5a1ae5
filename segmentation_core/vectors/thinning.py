"""Guo-Hall thinning that also says how far its result can be trusted near the edge of a window.

The algorithm is that of ``skimage.morphology.thin`` (Guo and Hall 1989, Comm. ACM 32:359,
doi 10.1145/62065.62074), bit for bit; a test holds the two together. Ours visits only mask pixels, and
follows *unsure* pixels: those whose fate could depend on what lies outside the window. A pixel stays
sure as long as its fate is the same for every possible state of its unsure neighbours; when neither
the skeleton nor the unsure set changes any more, every sure pixel is what thinning the whole raster would
have made of it, however long that goes on. Both sub-iterations look at the 3 x 3 neighbourhood alone and
never at a pixel's row or column, so the place of the window does not matter.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from segmentation_core.vectors.ordering import distinct

__all__ = ["thin"]

# Bit k of a neighbourhood code stands for the neighbour at _NEIGHBOURS[k] = (row, col): east, then
# counter-clockwise, x1..x8 of the paper.
_NEIGHBOURS = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
_KEEP, _DELETE, _DEPENDS = 0, 1, 2


def thin(
    mask: NDArray[np.bool_], unsure: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Thin a mask to lines one pixel wide.

    Parameters
    ----------
    mask : ndarray of bool, shape (M, N)
    unsure : ndarray of bool, shape (M, N), or None
        Pixels of the mask that are not known, beside everything outside it, which is unknown too. None:
        everything is known, and outside is background.

    Returns
    -------
    skeleton : ndarray of bool, shape (M, N)
    unsure : ndarray of bool, shape (M, N)
        Where the skeleton could be another one if the unknown pixels were others.

    Examples
    --------
    >>> bar = np.zeros((5, 7), bool)
    >>> bar[1:4, 1:6] = True
    >>> thin(bar)[0].astype(int)
    array([[0, 0, 0, 0, 0, 0, 0],
           [0, 0, 0, 0, 0, 0, 0],
           [0, 0, 1, 1, 1, 0, 0],
           [0, 0, 0, 0, 0, 0, 0],
           [0, 0, 0, 0, 0, 0, 0]])
    """
    stride = mask.shape[1] + 2
    offsets = [row * stride + col for row, col in _NEIGHBOURS]
    state = np.pad(mask, 1).view(np.uint8).ravel()
    doubt = np.zeros_like(state)
    if unsure is not None:
        doubt = np.pad(unsure, 1, constant_values=True).view(np.uint8).ravel()
    alive = np.flatnonzero(state)
    front = _near(np.flatnonzero(doubt), offsets, state, doubt)
    # A pixel that stays is looked at again only once a neighbour has gone.
    waiting = [alive, alive]
    changed = True
    while changed and alive.size:
        changed = False
        for phase in (0, 1):
            seen = waiting[phase]
            doomed = seen[_decisions()[phase][_codes(state, seen, offsets)]]
            undecided = _undecided(state, doubt, front, offsets, phase)
            state[doomed] = 0
            doubt[undecided] = 1
            changed = changed or doomed.size > 0 or undecided.size > 0
            alive, waiting = _waiting(alive, waiting, phase, doomed, offsets, state)
            front = front[(state[front] != 0) & (doubt[front] == 0)]
            front = distinct(np.concatenate([front, _near(undecided, offsets, state, doubt)]))
    shape = (mask.shape[0] + 2, stride)
    inner = (slice(1, -1), slice(1, -1))
    return state.reshape(shape)[inner].astype(bool), doubt.reshape(shape)[inner].astype(bool)


def _waiting(
    alive: NDArray[np.intp],
    waiting: list[NDArray[np.intp]],
    phase: int,
    doomed: NDArray[np.intp],
    offsets: list[int],
    state: NDArray[np.uint8],
) -> tuple[NDArray[np.intp], list[NDArray[np.intp]]]:
    """Return what is left, and which of it each phase has to look at, once pixels have been deleted."""
    if len(offsets) * doomed.size > alive.size:
        alive = alive[state[alive] != 0]
        return alive, [alive, alive]
    waiting = list(waiting)
    waiting[phase] = waiting[phase][:0]
    if doomed.size:
        beside = np.concatenate([doomed + offset for offset in offsets])
        beside = distinct(beside[state[beside] != 0])
        waiting = [distinct(np.concatenate([known[state[known] != 0], beside])) for known in waiting]
    return alive, waiting


def _codes(flags: NDArray[np.uint8], pixels: NDArray[np.intp], offsets: list[int]) -> NDArray[np.uint8]:
    codes = np.zeros(pixels.shape, np.uint8)
    for bit, offset in enumerate(offsets):
        codes |= flags[pixels + offset] << np.uint8(bit)
    return codes


def _near(
    pixels: NDArray[np.intp], offsets: list[int], state: NDArray[np.uint8], doubt: NDArray[np.uint8]
) -> NDArray[np.intp]:
    """Return the sure mask pixels beside ``pixels``."""
    if not pixels.size:
        return pixels
    inside = [beside[(beside >= 0) & (beside < state.size)] for beside in (pixels + o for o in offsets)]
    beside = np.concatenate(inside)
    return distinct(beside[(state[beside] != 0) & (doubt[beside] == 0)])


def _undecided(
    state: NDArray[np.uint8],
    doubt: NDArray[np.uint8],
    front: NDArray[np.intp],
    offsets: list[int],
    phase: int,
) -> NDArray[np.intp]:
    """Return the pixels of the front whose fate depends on the state of an unsure neighbour."""
    if not front.size:
        return front
    fate = _fates()[phase][_codes(state, front, offsets), _codes(doubt, front, offsets)]
    undecided: NDArray[np.intp] = front[fate == _DEPENDS]
    return undecided


@cache
def _decisions() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return, for both sub-iterations, whether a pixel with a neighbourhood code is deleted."""
    code = np.arange(256)
    bits = [(code >> bit & 1).astype(bool) for bit in range(8)]
    x = [bits[-1], *bits, bits[0]]  # x[0] stands for nothing; x[9] is x[1]
    crossings = sum((~x[i] & (x[i + 1] | x[i + 2])).astype(int) for i in (1, 3, 5, 7))
    pairs_1 = sum((x[i] | x[i + 1]).astype(int) for i in (1, 3, 5, 7))
    pairs_2 = sum((x[i + 1] | x[i + 2]).astype(int) for i in (1, 3, 5, 7))
    neighbours = np.minimum(pairs_1, pairs_2)
    simple = (crossings == 1) & (neighbours >= 2) & (neighbours <= 3)
    first = simple & ~((x[2] | x[3] | ~x[8]) & x[1])
    second = simple & ~((x[6] | x[7] | ~x[4]) & x[5])
    return first, second


@cache
def _fates() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return, for both sub-iterations, the fate by code and by code of unsure neighbours."""
    first, second = (_fate(decision) for decision in _decisions())
    return first, second


def _fate(decision: NDArray[np.bool_]) -> NDArray[np.uint8]:
    fate = np.empty((256, 256), np.uint8)
    fate[:, 0] = decision
    code = np.arange(256)
    for unsure in range(1, 256):
        bit = unsure & -unsure
        present, absent = fate[code | bit, unsure ^ bit], fate[code & ~bit, unsure ^ bit]
        fate[:, unsure] = np.where(present == absent, present, _DEPENDS)
    return fate
