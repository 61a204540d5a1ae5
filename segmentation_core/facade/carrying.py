"""Damage, masks and weather of the first survey's pixels, carried over to the second's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from segmentation_core.facade.cracking import CrackNetwork
from segmentation_core.facade.flaking import SIDE, Flake
from segmentation_core.facade.view import Box, WarpedView, bands, centres
from segmentation_core.facade.weathering import Field
from segmentation_core.raster.grid import Window

__all__ = ["SeenField", "cracks_on", "lay_flake", "mask_on"]

Points = NDArray[np.float64]


def cracks_on(view: WarpedView, box: Box, network: CrackNetwork) -> CrackNetwork:
    """Return the cracks of a member (its rectangle) in pixels of its window, as wide as they are there."""
    sheet = view.sheet(box)
    width_px = network.width_px * view.mapping.enlargement
    return CrackNetwork(sheet.place(network.points), width_px, network.depth, network.line)


def lay_flake(lost: NDArray[np.uint8], view: WarpedView, box: Box, flake: Flake) -> None:
    """Add a loss of a member (its rectangle) to the samples lost of its window, in place."""
    window = view.window(box)
    left, top = box[0] + flake.left, box[1] + flake.top
    height, width = flake.lost.shape
    part = view.window((left, top, left + width // SIDE, top + height // SIDE))
    row0, col0 = max(part.row_off, window.row_off), max(part.col_off, window.col_off)
    row1, col1 = min(part.row_end, window.row_end), min(part.col_end, window.col_end)
    if row1 <= row0 or col1 <= col0:
        return
    part = Window(row0, col0, row1 - row0, col1 - col0)
    middle = (view.mapping.to_first(centres(part)) - (left, top)) * SIDE
    a, b, _, d, e, _ = tuple(view.mapping.linear)[:6]
    share = np.zeros(len(middle), np.uint8)
    for v in (np.arange(SIDE) + 0.5) / SIDE - 0.5:
        for u in (np.arange(SIDE) + 0.5) / SIDE - 0.5:
            # Within a pixel the warp is as good as constant.
            col = np.floor(middle[:, 0] + SIDE * (a * u + b * v)).astype(np.int64)
            row = np.floor(middle[:, 1] + SIDE * (d * u + e * v)).astype(np.int64)
            inside = (col >= 0) & (row >= 0) & (col < width) & (row < height)
            share[inside] += flake.lost[row[inside], col[inside]]
    here = lost[row0 - window.row_off : row1 - window.row_off, col0 - window.col_off : col1 - window.col_off]
    np.maximum(here, share.reshape(here.shape), out=here)


def mask_on(mask: NDArray[np.bool_], view: WarpedView) -> NDArray[np.bool_]:
    """Return a mask of the first survey's grid on the second's; what lies outside it is False."""
    found = np.zeros((view.height, view.width), bool)
    for band in bands(Window(0, 0, view.height, view.width)):
        col, row = np.floor(view.mapping.to_first(centres(band))).astype(np.int64).T
        inside = (col >= 0) & (row >= 0) & (col < mask.shape[1]) & (row < mask.shape[0])
        seen = np.zeros(len(col), bool)
        seen[inside] = mask[row[inside], col[inside]]
        found[band.row_off : band.row_end] = seen.reshape(band.height, band.width)
    return found


@dataclass(frozen=True)
class SeenField:
    """A field on a window of the second orthophoto."""

    window: Window
    values: NDArray[np.float32]

    @staticmethod
    def of(field: Field, x: Points, y: Points, window: Window, shape: tuple[int, int]) -> SeenField:
        """Interpolate a field at the window's pixels, which lie at x, y of the first survey's grid."""
        # Beyond the facade there is no data; its border stands in for it in the ring around a tile.
        x, y = np.clip(x, 0.5, shape[1] - 0.5), np.clip(y, 0.5, shape[0] - 0.5)
        left, top = int(x.min()) - 1, int(y.min()) - 1
        near = Window(top, left, int(y.max()) + 3 - top, int(x.max()) + 3 - left).clipped(*shape)
        place = (y - 0.5 - near.row_off, x - 0.5 - near.col_off)
        values = map_coordinates(field.read(near), place, order=1, mode="nearest")
        return SeenField(window, np.asarray(values, np.float32))

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return the values of a part of the window."""
        row, col = window.row_off - self.window.row_off, window.col_off - self.window.col_off
        return self.values[row : row + window.height, col : col + window.width]
