"""What registration looks at: brightness, validity and known defects, window by window.

Coordinates of this package are pixels of a picture's working grid, (x, y) with x right and y down;
(0, 0) is the outer corner of the first pixel, so a pixel's centre lies half a pixel further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segmentation_core.raster.grid import Window
from segmentation_core.raster.orthophoto import Orthophoto
from segmentation_core.vectors.class_source import ClassSource
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["ArrayPicture", "OrthophotoPicture", "Patch", "Picture", "brightness"]


@dataclass(frozen=True)
class Patch:
    """One window of a picture.

    Attributes
    ----------
    grey : ndarray of float32, shape (h, w)
        Brightness, 0 to 255.
    valid : ndarray of bool, shape (h, w)
    defect : ndarray of bool, shape (h, w), or None
        Where a class raster shows damage; None without one.
    """

    grey: NDArray[np.float32]
    valid: NDArray[np.bool_]
    defect: NDArray[np.bool_] | None


class Picture(Protocol):
    """Something with a size that is read window by window, from several threads."""

    @property
    def height(self) -> int:
        """Rows of pixels."""

    @property
    def width(self) -> int:
        """Columns of pixels."""

    def read(self, window: Window) -> Patch:
        """Read a window that is not empty and lies inside."""


@dataclass(frozen=True, eq=False)
class ArrayPicture:
    """A picture in memory: an overview."""

    patch: Patch

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.patch.grey.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.patch.grey.shape[1])

    def read(self, window: Window) -> Patch:
        """Return a part of the arrays."""
        place = np.s_[window.row_off : window.row_end, window.col_off : window.col_end]
        defect = self.patch.defect
        return Patch(
            self.patch.grey[place], self.patch.valid[place], None if defect is None else defect[place]
        )


@dataclass(frozen=True, eq=False)
class OrthophotoPicture:
    """An orthophoto at its working resolution, with the class raster on its grid if there is one."""

    orthophoto: Orthophoto
    defects: ClassSource | None

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.orthophoto.grid.height

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.orthophoto.grid.width

    def read(self, window: Window) -> Patch:
        """Read a window from the files.

        Raises
        ------
        RasterError
            The pixels cannot be read.
        """
        rgb, valid = self.orthophoto.read(window)
        return Patch(brightness(rgb), valid, self._defect(window))

    def _defect(self, window: Window) -> NDArray[np.bool_] | None:
        if self.defects is None:
            return None
        vocabulary = load_vocabulary()
        # A reader belongs to one thread, and opening one costs little beside correlating a window.
        with self.defects.open() as reader:
            classes = reader.read(window).classes
        return np.isin(classes, [c.value for c in vocabulary.classes])


def brightness(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean of red, green and blue, float32 (h, w).

    Examples
    --------
    >>> brightness(np.array([[[10]], [[20]], [[60]]], dtype=np.uint8)).tolist()
    [[30.0]]
    """
    total: NDArray[np.float32] = rgb.sum(axis=0, dtype=np.float32)
    total /= rgb.shape[0]
    return total
