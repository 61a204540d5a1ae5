"""Nearest pixels, with ties broken by a fixed rule instead of by where a window begins."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

__all__ = [
    "PATCH_RADIUS_PX",
    "Ownership",
    "beside",
    "nearest_skeleton_pixels",
    "patches",
    "squared_half_widths",
]

PATCH_RADIUS_PX = 3
"""A patch of 7 x 7 pixels fits into 64 bits."""

_NEAR_PX = 24
"""Up to here neighbours are looked at one by one; beyond it a distance transform is cheaper."""
_CLOSE_PX, _MANY = 8, 1 / 400
"""So it is beyond 8 px already where more than this share of the window is still looking."""


class Ownership(NamedTuple):
    """Flat indices of mask pixels, of the skeleton pixel that each belongs to, and the steps from there."""

    pixels: NDArray[np.intp]
    owners: NDArray[np.intp]
    row_steps: NDArray[np.int16]
    col_steps: NDArray[np.int16]


def beside(flags: NDArray[np.bool_], pixels: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return, for flat indices of pixels, whether one of the eight neighbours is flagged.

    Examples
    --------
    >>> flags = np.array([[True, False, False, False]])
    >>> beside(flags, np.array([0, 1, 2]))
    array([False,  True, False])
    """
    stride = flags.shape[1] + 2
    padded = np.pad(flags, 1).ravel()
    centres = _padded_places(pixels, flags.shape[1], 1)
    found = np.zeros(pixels.shape, bool)
    for offset in (1, -1, stride, -stride, stride + 1, stride - 1, -stride + 1, -stride - 1):
        found |= padded[centres + offset]
    return found


def patches(mask: NDArray[np.bool_], lines: NDArray[np.bool_], pixels: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the mask around those skeleton pixels that have at most one skeleton pixel beside them.

    Bit ``(row + 3) * 7 + col + 3`` stands for the pixel at (row, col) from the centre; 0 for all others.
    """
    radius, side = PATCH_RADIUS_PX, 2 * PATCH_RADIUS_PX + 1
    stride = mask.shape[1] + 2 * radius
    centres = _padded_places(pixels, mask.shape[1], radius)
    padded = np.pad(lines, radius).ravel()
    beside_count = sum(
        padded[centres + row * stride + col].astype(int)
        for row in (-1, 0, 1)
        for col in (-1, 0, 1)
        if row or col
    )
    codes = np.zeros(pixels.shape, np.int64)
    ends = np.flatnonzero(beside_count <= 1)
    padded = np.pad(mask, radius).ravel()
    for bit in range(side * side):
        row, col = bit // side - radius, bit % side - radius
        codes[ends] |= padded[centres[ends] + row * stride + col].astype(np.int64) << bit
    return codes


def squared_half_widths(mask: NDArray[np.bool_], lines: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the squared distance to the nearest pixel outside the mask, for each skeleton pixel.

    Parameters
    ----------
    mask, lines : ndarray of bool, shape (M, N)
        Pixels outside the window do not count.

    Returns
    -------
    ndarray of int64
        In row-major order of the True pixels of ``lines``, px2.
    """
    pixels = np.flatnonzero(lines)
    stride = mask.shape[1] + 2 * _NEAR_PX
    padded = np.pad(mask, _NEAR_PX, constant_values=True).ravel()
    centres = _padded_places(pixels, mask.shape[1], _NEAR_PX)
    squared = np.zeros(pixels.shape, np.int64)
    left = np.arange(pixels.size)
    for distance, row, col in _offsets(_NEAR_PX):
        hit = ~padded[centres[left] + row * stride + col]
        squared[left[hit]] = distance
        left = left[~hit]
        if not left.size:
            return squared
        if _too_many(left.size, mask.size, distance):
            break
    if mask.all():
        squared[left] = sum(n * n for n in mask.shape)
    else:
        squared[left] = np.rint(distance_transform_edt(mask).ravel()[pixels[left]] ** 2).astype(np.int64)
    return squared


def nearest_skeleton_pixels(
    mask: NDArray[np.bool_],
    lines: NDArray[np.bool_],
    half_widths: NDArray[np.int64],
    reach_px: int,
    collar: float,
) -> Ownership:
    """Give each mask pixel to its nearest skeleton pixel, unless that is too far for its own width.

    Parameters
    ----------
    mask, lines : ndarray of bool, shape (M, N)
    half_widths : ndarray of int64, shape (M, N)
        Squared half widths on the skeleton, px2.
    reach_px : int
        No pixel is looked for farther than this.
    collar : float
        A pixel farther than this many half widths, plus 1 px, from its nearest skeleton pixel stays alone.
    """
    near = min(reach_px, _NEAR_PX)
    stride = mask.shape[1] + 2 * reach_px
    padded = np.pad(lines, reach_px).ravel()
    pixels = np.flatnonzero(mask)
    centres = _padded_places(pixels, mask.shape[1], reach_px)
    offsets = _offsets(reach_px)
    found = np.full(pixels.shape, -1, np.int32)
    left = np.arange(pixels.size)
    at = centres
    for number, (distance, row, col) in enumerate(offsets):
        if distance > near * near:
            break
        hit = padded[at + (row * stride + col)]
        found[left[hit]] = number
        open_ones = ~hit
        left, at = left[open_ones], at[open_ones]
        if not left.size or _too_many(left.size, mask.size, distance):
            break
    else:
        left = left[:0]  # The whole disc was looked through.
    if left.size and lines.any():
        exact = np.rint(distance_transform_edt(~lines).ravel()[pixels[left]] ** 2).astype(np.int64)
        for number, row, col, chosen in _groups(left, exact, reach_px):
            open_ones = chosen[found[chosen] < 0]
            found[open_ones[padded[centres[open_ones] + row * stride + col]]] = number
    owned = np.flatnonzero(found >= 0)
    pixels, found = pixels[owned], found[owned]
    squared, rows, cols = np.array(offsets, np.int64).T
    owners = pixels + (rows * mask.shape[1] + cols)[found]
    kept = squared[found] <= (collar * np.sqrt(half_widths.ravel()[owners]) + 1) ** 2
    found = found[kept]
    return Ownership(pixels[kept], owners[kept], -rows[found].astype(np.int16), -cols[found].astype(np.int16))


def _padded_places(pixels: NDArray[np.intp], width: int, margin: int) -> NDArray[np.intp]:
    """Return the flat indices of pixels once the array has a margin on every side."""
    places: NDArray[np.intp] = pixels + (pixels // width) * (2 * margin) + margin * (width + 2 * margin + 1)
    return places


def _too_many(left: int, window: int, distance: int) -> bool:
    return distance >= _CLOSE_PX**2 and left > _MANY * window


@cache
def _offsets(radius: int) -> tuple[tuple[int, int, int], ...]:
    """Return (squared distance, row, col) of the pixels of a disc, nearest first, in a fixed order."""
    span = range(-radius, radius + 1)
    disc = ((row * row + col * col, row, col) for row in span for col in span)
    return tuple(sorted(o for o in disc if o[0] <= radius * radius))


def _groups(
    items: NDArray[np.intp], squared: NDArray[np.int64], reach_px: int
) -> Iterator[tuple[int, int, int, NDArray[np.intp]]]:
    """Yield, for each offset of the disc, its number and the items exactly that far from their target."""
    order = np.argsort(squared, kind="stable")
    items, squared = items[order], squared[order]
    for number, (distance, row, col) in enumerate(_offsets(reach_px)):
        first, last = np.searchsorted(squared, [distance, distance + 1])
        if first < last:
            yield number, row, col, items[first:last]
