"""Two windows made comparable: B brought onto A's pixels, and how much each pixel may say."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, map_coordinates

from segmentation_core.change.picture import Patch, Picture
from segmentation_core.raster.grid import Window

__all__ = ["Mapping", "read_padded", "resampled", "share_true", "weights"]

Points = NDArray[np.float64]
Mapping = Callable[[Points], Points]
"""Pixel coordinates (N, 2) of one picture to those of the other."""

_LEAST_LATTICE, _LATTICE_STEP_PX = 7, 48
_MARGIN_PX = 4
_MOST_READ = 4
_STABLE_DEFECT_WEIGHT = 0.3
_SAME_DEFECT_PX = 6
_RIM_PX = 3


def share_true(mask: NDArray[np.bool_]) -> float:
    """Return the share of a mask that is true."""
    return float(np.count_nonzero(mask)) / mask.size


def read_padded(picture: Picture, window: Window) -> Patch | None:
    """Read a window that may reach outside; there is nothing valid there."""
    inner = window.clipped(picture.height, picture.width)
    if not inner.height * inner.width:
        return None
    patch = picture.read(inner)
    if inner == window:
        return patch
    pad = (
        (inner.row_off - window.row_off, window.row_end - inner.row_end),
        (inner.col_off - window.col_off, window.col_end - inner.col_end),
    )
    defect = None if patch.defect is None else np.pad(patch.defect, pad)
    return Patch(np.pad(patch.grey, pad), np.pad(patch.valid, pad), defect)


def resampled(picture: Picture, window: Window, mapping: Mapping, order: int) -> Patch | None:
    """Return a picture on the pixels of a square window of another one; None where it does not reach.

    Parameters
    ----------
    picture : Picture
        What is read.
    window : Window
        On the other picture; square.
    mapping : callable
        Pixel coordinates (N, 2) of the other picture to those of this one.
    order : int
        Of the splines that interpolate brightness, 1 or 3; validity and defects are the nearest pixel's.
    """
    n = window.width
    knots = max(_LEAST_LATTICE, n // _LATTICE_STEP_PX + 1)
    ticks = np.linspace(0.5, n - 0.5, knots)
    lattice = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    there = mapping(lattice + np.array((window.col_off, window.row_off)))
    first = np.floor(there.min(axis=0)).astype(int) - _MARGIN_PX
    last = np.ceil(there.max(axis=0)).astype(int) + _MARGIN_PX
    size = last - first
    if size.max() > _MOST_READ * n:
        return None
    patch = read_padded(picture, Window(int(first[1]), int(first[0]), int(size[1]), int(size[0])))
    if patch is None:
        return None
    place = _refined_lattice((there - first - 0.5).reshape(knots, knots, 2), n)
    grey = np.where(patch.valid, patch.grey, patch.grey.mean(where=patch.valid) if patch.valid.any() else 0)
    return Patch(
        map_coordinates(grey, place, order=order, mode="nearest", output=np.float32),
        _at(patch.valid, place),
        None if patch.defect is None else _at(patch.defect, place),
    )


def _refined_lattice(lattice: Points, n: int) -> NDArray[np.float32]:
    """Interpolate (x, y) from a square lattice to n x n pixels; return (row, col), as scipy wants it."""
    knots = len(lattice)
    along = np.linspace(0, knots - 1, n)
    left = np.minimum(along.astype(int), knots - 2)
    weights = np.zeros((n, knots))
    weights[np.arange(n), left] = 1 - (along - left)
    weights[np.arange(n), left + 1] = along - left
    x, y = (weights @ lattice[..., k] @ weights.T for k in (0, 1))
    return np.stack((y, x)).astype(np.float32)


def _at(mask: NDArray[np.bool_], place: NDArray[np.float32]) -> NDArray[np.bool_]:
    rows, cols = (
        np.clip(np.rint(p).astype(np.intp), 0, n - 1) for p, n in zip(place, mask.shape, strict=True)
    )
    found: NDArray[np.bool_] = mask[rows, cols]
    return found


def weights(a: Patch, b: Patch, reach_px: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how much each pixel of A and of B may say about where paint lies.

    Damage is masked in the picture that shows it, not in both: one mask that stands still in both would
    itself be found again, unmoved.
    """
    seen = (a.valid & b.valid).astype(np.float32)
    return _told_by(a, b, seen, reach_px), _told_by(b, a, seen, reach_px)


def _told_by(one: Patch, other: Patch, seen: NDArray[np.float32], reach_px: float) -> NDArray[np.float32]:
    if one.defect is None or not one.defect.any():
        return seen
    weight: NDArray[np.float32] = seen.copy()
    weight[_grown(one.defect, 1)] *= np.float32(_STABLE_DEFECT_WEIGHT)
    if other.defect is not None:
        near = math.ceil(min(reach_px, _SAME_DEFECT_PX)) + 1
        weight[_grown(one.defect & ~_grown(other.defect, near), _RIM_PX)] = 0
    return weight


def _grown(mask: NDArray[np.bool_], by_px: int) -> NDArray[np.bool_]:
    grown: NDArray[np.bool_] = binary_dilation(mask, iterations=by_px) if mask.any() else mask
    return grown
