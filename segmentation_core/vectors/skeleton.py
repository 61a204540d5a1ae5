"""The centre pixels of the cracks of one tile, the same whatever the tile.

A tile's *core* is thinned together with a ring around it, the *halo*. `thin` says which pixels could
have come out otherwise had it seen more; where that reaches what the core needs, the tile is read again
with a wider halo. So the skeleton of a tile is, bit for bit, the tile's part of the whole raster's.

Cracks are continued into nodata, and beyond the raster, before thinning: a missing pixel counts as crack
where a crack pixel is at least as near as any other valid one, up to ``fill_px``. Otherwise thinning would
retreat from the border by half a crack's width. The price: a crack that runs along the border, touching
it, has its centreline outside and gets none; it is counted. Where a crack is too wide to have a centreline
(a disc of ``max_half_width_px`` fits inside) it is left out to 8 px around such discs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt

from segmentation_core.raster.grid import Window
from segmentation_core.vectors.nearest import (
    beside,
    nearest_skeleton_pixels,
    patches,
    squared_half_widths,
)
from segmentation_core.vectors.settings import VectorSettings
from segmentation_core.vectors.thinning import thin

__all__ = ["FIRST_HALO_PX", "PIXEL", "Skeleton", "Surroundings", "core_skeleton"]

FIRST_HALO_PX = 64
"""Enough for cracks up to about 10 px wide, away from nodata."""

_COLLAR = 1.5
"""A mask pixel belongs to its nearest skeleton pixel if within this many half widths of it, + 1 px."""
_TAIL_PX = 2
_WIDE_MARGIN_PX = 8
_SUSPECT_DEPTH_PX = 36
_SUSPECT_BLOCK_PX = 12
_BLOCK_PX = 128
"""Missing pixels lie along a window's sides, as a rule: distances are measured block by block there."""


PIXEL = np.dtype(
    [
        ("unit", np.int64),
        ("flat", np.int64),  # flat index in the raster
        ("squared_half_width", np.int32),
        ("area_px", np.int32),
        ("sum", np.int64),
        ("spread", np.int64),
        ("moment", np.int32, 2),
        ("patch", np.int64),
        ("cut", np.bool_),
        ("cut_off", np.bool_),
        ("written", np.bool_),
    ]
)
"""A skeleton pixel; see `Skeleton` for the fields, and `frontier` for the last two."""


@dataclass(frozen=True)
class Surroundings:
    """A window around a core.

    Attributes
    ----------
    crack, valid : ndarray of bool, shape (M, N)
        Nothing outside the raster is valid.
    weights : ndarray of uint8, shape (M, N), or None
        Quantised probabilities.
    """

    crack: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    weights: NDArray[np.uint8] | None


@dataclass(frozen=True)
class Skeleton:
    """Skeleton pixels of a tile's core, in row-major order; arrays have one entry per pixel.

    Attributes
    ----------
    rows, cols : ndarray of int64
        In the raster.
    squared_half_widths : ndarray of int64
        Squared distance to the nearest pixel outside the crack, px2.
    areas_px : ndarray of int64
        Crack pixels that belong to this skeleton pixel.
    sums : ndarray of int64
        Sum of their quantised probabilities; 0 for class rasters.
    spreads : ndarray of int64
        The same with the pixels up to 2 px beside the crack, where its probability falls off.
    moments : ndarray of int64, shape (N, 2)
        Sum of their steps (row, col) from the skeleton pixel, times their probabilities if there are any.
    patches : ndarray of int64
        At ends of lines, which of the pixels around are crack (see `nearest.patches`); elsewhere 0.
    cut : ndarray of bool
        The line goes on into nodata, beyond the raster, or into a crack too wide to have a centreline.
    wide : ndarray of bool, shape (M, N), or None
        The core's crack pixels that are too wide; None where there are none.
    """

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    squared_half_widths: NDArray[np.int64]
    areas_px: NDArray[np.int64]
    sums: NDArray[np.int64]
    spreads: NDArray[np.int64]
    moments: NDArray[np.int64]
    patches: NDArray[np.int64]
    cut: NDArray[np.bool_]
    wide: NDArray[np.bool_] | None


def core_skeleton(
    read: Callable[[Window], Surroundings], core: Window, raster: Window, settings: VectorSettings
) -> Skeleton:
    """Return the skeleton of a core.

    Parameters
    ----------
    read : callable
        Returns the surroundings for a window, which may reach outside the raster.
    core : Window
        Inside the raster.
    raster : Window
        The whole raster.
    settings : VectorSettings
    """
    halo = FIRST_HALO_PX
    while True:
        attempt = _Attempt(read(core.grown(halo)), core.grown(halo), halo, raster, settings)
        if attempt.suffices:
            return attempt.skeleton()
        halo = max(2 * halo, attempt.needed_px)


class _Attempt:
    """Thinning with one halo; says whether that was enough."""

    def __init__(
        self, around: Surroundings, window: Window, halo: int, raster: Window, settings: VectorSettings
    ) -> None:
        self._around, self._window, self._halo = around, window, halo
        edge = _EdgeDistance(window, raster)
        mask, unsure = _continued(around, edge, settings.fill_px)
        filled = mask is not around.crack
        thick, radius = mask, settings.max_half_width_px
        self._wide: NDArray[np.bool_] | None = None
        sight = _WIDE_MARGIN_PX + _SUSPECT_DEPTH_PX
        if _may_be_too_wide(mask, radius):
            self._wide = _too_wide(mask, radius)
            mask = mask & ~self._wide
            sight = math.ceil(2 * radius) + _WIDE_MARGIN_PX + 2 + (settings.fill_px if filled else 0)
            unsure = unsure | (edge.to_window() <= sight)
        complete = edge.beyond_raster >= settings.fill_px + 2
        lines, unsure = thin(mask, None if complete else unsure)
        self._mask, self._lines = mask, lines
        self._half_widths = squared_half_widths(mask, lines)
        # Lines that only continue cracks beyond what is valid own no pixels.
        widest = math.sqrt(self._half_widths[around.valid[lines]].max(initial=0))
        self._collar = math.ceil(_COLLAR * widest) + 1
        context = 2 * self._collar + 1
        needed = context + max(math.ceil(widest) + 1, sight)
        in_doubt = halo < needed or bool((unsure & thick)[self._inner(context)].any())
        self.suffices = complete or not in_doubt
        self.needed_px = needed + (settings.fill_px if filled else 0)

    def skeleton(self) -> Skeleton:
        """Return the core's part."""
        around, own = self._around, self._lines & self._around.valid
        half_widths = np.zeros(own.shape, np.int64)
        half_widths[self._lines] = self._half_widths
        owner = nearest_skeleton_pixels(self._mask & around.valid, own, half_widths, self._collar, _COLLAR)
        keep = np.zeros_like(own)
        keep[self._inner(0)] = own[self._inner(0)]
        chosen = np.flatnonzero(keep)
        place = np.full(own.size, chosen.size, np.int32)
        place[chosen] = np.arange(chosen.size)
        of_pixel = place[owner.owners]

        def total(at: NDArray[np.int32], values: NDArray[Any] | None = None) -> NDArray[np.int64]:
            return np.bincount(at, values, minlength=chosen.size + 1)[:-1].astype(np.int64)

        areas = total(of_pixel)
        sums, spreads, weights = np.zeros_like(areas), np.zeros_like(areas), None
        if around.weights is not None:
            weights = around.weights.ravel()[owner.pixels].astype(np.int64)
            sums = total(of_pixel, weights)
            wider = binary_dilation(self._mask, np.ones((3, 3), bool), iterations=_TAIL_PX) & around.valid
            tails = nearest_skeleton_pixels(wider, own, half_widths, self._collar, _COLLAR)
            spreads = total(place[tails.owners], around.weights.ravel()[tails.pixels])
        moments = [
            total(of_pixel, step if weights is None else step * weights)
            for step in (owner.row_steps, owner.col_steps)
        ]
        rows, cols = np.divmod(chosen, own.shape[1])
        beyond = self._lines & ~around.valid
        wide = None
        if self._wide is not None:
            beyond |= self._wide
            wide = (self._wide & around.crack)[self._inner(0)]
        return Skeleton(
            rows + self._window.row_off,
            cols + self._window.col_off,
            half_widths.ravel()[chosen],
            areas,
            sums,
            spreads,
            np.column_stack(moments),
            patches(around.crack, own, chosen),
            beside(beyond, chosen),
            wide,
        )

    def _inner(self, context: int) -> tuple[slice, slice]:
        """Return the core and ``context`` pixels around it."""
        cut = self._halo - context
        return slice(cut, self._mask.shape[0] - cut), slice(cut, self._mask.shape[1] - cut)


class _EdgeDistance:
    """Distances from the pixels of a window to what was not read."""

    def __init__(self, window: Window, raster: Window) -> None:
        self._window = window
        self._unread = (
            window.row_off > raster.row_off,
            window.row_end < raster.row_end,
            window.col_off > raster.col_off,
            window.col_end < raster.col_end,
        )
        self.beyond_raster = min(
            raster.row_off - window.row_off,
            window.row_end - raster.row_end,
            raster.col_off - window.col_off,
            window.col_end - raster.col_end,
        )

    def to_window(self) -> NDArray[np.float64]:
        """Return the distance to the nearest pixel outside the window."""
        return self._distance((True, True, True, True))

    def to_raster(self) -> NDArray[np.float64]:
        """Return the distance to the nearest pixel of the raster outside the window; may be inf."""
        return self._distance(self._unread)

    def _distance(self, sides: tuple[bool, ...]) -> NDArray[np.float64]:
        down = np.arange(1.0, self._window.height + 1)
        across = np.arange(1.0, self._window.width + 1)
        top, bottom, left, right = (
            line if there else np.full_like(line, np.inf)
            for line, there in zip((down, down[::-1], across, across[::-1]), sides, strict=True)
        )
        return np.minimum(np.minimum(top, bottom)[:, None], np.minimum(left, right)[None, :])


def _continued(
    around: Surroundings, edge: _EdgeDistance, fill_px: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the crack continued into nodata, and where that depends on pixels not read."""
    crack, missing = around.crack, ~around.valid
    unsure = np.zeros(crack.shape, bool)
    if not missing.any() or not beside(missing, np.flatnonzero(crack)).any():
        return crack, unsure
    rows, cols = np.flatnonzero(missing.any(axis=1)), np.flatnonzero(missing.any(axis=0))
    near = (
        slice(max(rows[0] - fill_px - 1, 0), rows[-1] + fill_px + 2),
        slice(max(cols[0] - fill_px - 1, 0), cols[-1] + fill_px + 2),
    )
    mask, unread = crack.copy(), edge.to_raster()
    for block, around_block, inner in _blocks(near, crack.shape, fill_px + 1):
        # Distances up to fill_px are exact here; farther ones come out as no less than that, which is enough.
        lacks, near_crack = missing[block], crack[around_block]
        is_read = unread[block] > fill_px
        if not lacks.any() or (is_read.all() and not near_crack.any()):
            continue
        to_crack = _distance_to(near_crack)[inner]
        to_other = _distance_to((around.valid & ~crack)[around_block])[inner]
        mask[block] |= lacks & (to_crack <= to_other) & (to_crack <= fill_px)
        unsure[block] = lacks & (np.minimum(to_crack, to_other) >= unread[block]) & ~is_read
    return mask, unsure


Slices = tuple[slice, slice]


def _blocks(area: Slices, shape: tuple[int, ...], context: int) -> Iterator[tuple[Slices, Slices, Slices]]:
    """Yield blocks of an area, each with its surroundings in the window, and its place in those."""
    for rows in _stretches(area[0], shape[0], context):
        for cols in _stretches(area[1], shape[1], context):
            yield (rows[0], cols[0]), (rows[1], cols[1]), (rows[2], cols[2])


def _stretches(along: slice, length: int, context: int) -> list[tuple[slice, slice, slice]]:
    found = []
    last = min(along.stop, length)
    for start in range(along.start, last, _BLOCK_PX):
        stop = min(start + _BLOCK_PX, last)
        first = max(start - context, 0)
        found.append(
            (
                slice(start, stop),
                slice(first, min(stop + context, length)),
                slice(start - first, stop - first),
            )
        )
    return found


def _distance_to(target: NDArray[np.bool_]) -> NDArray[np.float64]:
    if not target.any():
        return np.full(target.shape, np.inf)
    distance: NDArray[np.float64] = distance_transform_edt(~target)
    return distance


def _may_be_too_wide(mask: NDArray[np.bool_], radius: float) -> bool:
    """Say whether a disc of ``radius`` may fit into the crack, quickly and never missing one.

    A disc inside the window holds an aligned block of 0.7 radii. One that crosses the window's edge
    and comes near enough to the core to matter fills a smaller block in the outermost ring.
    """
    block = max(int(0.7 * radius), 1)
    turned = (mask, mask[::-1], mask.T, mask.T[::-1])
    return _has_full_block(mask, block) or any(
        _has_full_block(side[:_SUSPECT_DEPTH_PX], _SUSPECT_BLOCK_PX) for side in turned
    )


def _has_full_block(mask: NDArray[np.bool_], size: int) -> bool:
    pad = [(0, -n % size) for n in mask.shape]
    whole = np.pad(mask, pad, constant_values=True)
    rows, cols = whole.shape[0] // size, whole.shape[1] // size
    by_row = whole.reshape(rows, size, -1).all(axis=1)
    return bool(by_row.reshape(rows, cols, size).all(axis=2).any())


def _too_wide(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    if mask.all():
        return mask
    centres: NDArray[np.bool_] = distance_transform_edt(mask) > radius
    if not centres.any():
        return centres
    wide: NDArray[np.bool_] = mask & (distance_transform_edt(~centres) <= radius + _WIDE_MARGIN_PX)
    return wide
