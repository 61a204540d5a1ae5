"""How the facade lies on an orthophoto's pixels: as laid out, or as a second survey sees it.

Everything is painted in the pixels of the layout; a view says where that lands. So a second picture is
painted again from its shapes, not resampled from the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segmentation_core.facade.mapping import EpochMapping
from segmentation_core.raster.grid import Window

__all__ = ["Box", "Sheet", "StraightView", "View", "WarpedView", "bands", "centres", "put"]

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the layout."""

Points = NDArray[np.float64]

_ROOM_PX = 2
_BAND_ROWS = 128


@dataclass(frozen=True)
class Sheet:
    """What a member is painted on: a size, and where its points land there.

    Attributes
    ----------
    width_px, height_px : int
        Of the sheet.
    place : callable
        Points (N, 2) in the member's pixels to points in the sheet's.
    """

    width_px: int
    height_px: int
    place: Callable[[Points], Points]


class View(Protocol):
    """Where a rectangle of the layout lies on an orthophoto."""

    def window(self, box: Box) -> Window:
        """Return the pixels around it."""

    def sheet(self, box: Box) -> Sheet | None:
        """Return what to paint it on, as large as its window; None: its own pixels."""

    def covered(self, box: Box) -> NDArray[np.bool_]:
        """Say which pixels of its window lie in it."""


@dataclass(frozen=True)
class StraightView:
    """The first survey's: one pixel of the layout is one of the orthophoto."""

    def window(self, box: Box) -> Window:
        """Return the rectangle itself."""
        x0, y0, x1, y1 = box
        return Window(y0, x0, y1 - y0, x1 - x0)

    def sheet(self, box: Box) -> None:
        """Return None: a member is painted on its own pixels."""
        del box

    def covered(self, box: Box) -> NDArray[np.bool_]:
        """Return a window full of True."""
        x0, y0, x1, y1 = box
        return np.ones((y1 - y0, x1 - x0), bool)


@dataclass(frozen=True)
class WarpedView:
    """A second survey's, on a grid of its own.

    Attributes
    ----------
    mapping : EpochMapping
    width, height : int
        Of the second orthophoto.
    """

    mapping: EpochMapping
    width: int
    height: int

    def window(self, box: Box) -> Window:
        """Return the pixels around a rectangle, within the orthophoto."""
        x0, y0, x1, y1 = box
        across, down = np.linspace(x0, x1, 64), np.linspace(y0, y1, 64)
        sides = (
            np.column_stack((across, np.full(64, y0))),
            np.column_stack((across, np.full(64, y1))),
            np.column_stack((np.full(64, x0), down)),
            np.column_stack((np.full(64, x1), down)),
        )
        outline = self.mapping.to_second(np.vstack(sides))
        left, top = np.floor(outline.min(axis=0)).astype(int) - _ROOM_PX
        right, bottom = np.ceil(outline.max(axis=0)).astype(int) + _ROOM_PX
        return Window(int(top), int(left), int(bottom - top), int(right - left)).clipped(
            self.height, self.width
        )

    def sheet(self, box: Box) -> Sheet:
        """Return a sheet as large as the rectangle's window."""
        window = self.window(box)
        corner, origin = np.array(box[:2], float), np.array((window.col_off, window.row_off), float)
        return Sheet(
            window.width, window.height, lambda points: self.mapping.to_second(points + corner) - origin
        )

    def covered(self, box: Box) -> NDArray[np.bool_]:
        """Say which pixels have their centre in the rectangle."""
        window = self.window(box)
        inside = np.empty((window.height, window.width), bool)
        for band in bands(window):
            x, y = self.mapping.to_first(centres(band)).T
            within = (x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3])
            row = band.row_off - window.row_off
            inside[row : row + band.height] = within.reshape(band.height, band.width)
        return inside


def centres(window: Window) -> Points:
    """Return the pixel centres of a window, row by row, as points (N, 2)."""
    y, x = np.mgrid[window.row_off : window.row_end, window.col_off : window.col_end] + 0.5
    return np.column_stack((x.ravel(), y.ravel()))


def bands(window: Window) -> Iterator[Window]:
    """Yield a window in bands of rows, so that float coordinates of few pixels are held at once."""
    for row in range(window.row_off, window.row_end, _BAND_ROWS):
        yield Window(row, window.col_off, min(_BAND_ROWS, window.row_end - row), window.width)


def put(view: View, box: Box, *layers: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    """Lay what was painted of a rectangle into layers of the whole orthophoto, in place.

    Parameters
    ----------
    view : View
        Where the rectangle lies.
    box : Box
        The rectangle.
    layers : pairs of uint8 arrays
        A layer of the orthophoto, (height, width) or (height, width, 3); and what was painted, of the
        window's shape, or a single colour of shape (3,) or ().
    """
    window, inside = view.window(box), view.covered(box)
    for layer, painted in layers:
        part = layer[window.row_off : window.row_end, window.col_off : window.col_end]
        part[inside] = painted[inside] if painted.shape[:2] == inside.shape else painted
