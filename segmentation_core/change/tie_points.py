"""Tie points: the same paint found in both pictures, window by window.

B's window is brought onto A's pixels by the mapping known so far, correlated, and the shift that is left
moves the pair. Only these copies are ever resampled; nothing is measured on them but the shift. Memory: some
twenty float32 arrays of one window per thread, beside GDAL's own cache of blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from segmentation_core.change.correlation import Shift, flattened, shift_between
from segmentation_core.change.picture import Picture
from segmentation_core.change.window_pair import Mapping, read_padded, resampled, share_true, weights
from segmentation_core.progress import Progress
from segmentation_core.raster.grid import Window
from segmentation_core.threads import in_threads

__all__ = ["MOST_WINDOWS", "TiePoints", "WindowGrid", "tie_points", "window_grid"]

Points = NDArray[np.float64]
MOST_WINDOWS = 800
"""Each takes some 20 ms of one core: 200 Mpx in well under a minute on two."""

_WINDOW_PX = 256
_LEAST_WINDOW_PX = 96
_LEAST_STRIDE_PX = 128
_LEAST_SEEN = 0.3
_LEAST_CORRELATION = 0.25
_GREATEST_RIVAL = 0.85
_GREATEST_SIGMA_PX = 0.5
_LEAST_SIGMA_PX = 0.03


@dataclass(frozen=True)
class WindowGrid:
    """Windows on A: square, around ``centres_px`` row by row; those at the border reach beyond it."""

    side_px: int
    centres_px: tuple[tuple[tuple[float, float], ...], ...]

    @property
    def count(self) -> int:
        """How many windows."""
        return sum(len(row) for row in self.centres_px)


@dataclass(frozen=True)
class TiePoints:
    """Pairs of points that show the same paint.

    Attributes
    ----------
    a_px, b_px : ndarray of float64, shape (N, 2)
        x, y in A and in B.
    sigma_px : ndarray of float64, shape (N, 2)
        Expected error in x and y.
    correlation : ndarray of float64, shape (N,)
    textured : int
        Windows that hold enough paint to be compared in both pictures, found again or not.
    """

    a_px: Points
    b_px: Points
    sigma_px: Points
    correlation: NDArray[np.float64]
    textured: int

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.a_px)

    def chosen(self, keep: NDArray[np.bool_]) -> TiePoints:
        """Return some of them."""
        return TiePoints(
            self.a_px[keep], self.b_px[keep], self.sigma_px[keep], self.correlation[keep], self.textured
        )


@dataclass(frozen=True)
class _Search:
    a: Picture
    b: Picture
    to_b: Mapping
    side_px: int
    reach_px: float
    order: int


@dataclass(frozen=True)
class _Found:
    a_px: Points
    b_px: Points
    shift: Shift


def window_grid(height: int, width: int, most: int = MOST_WINDOWS) -> WindowGrid:
    """Spread windows over a picture: 256 px wide, every 128 px or, on large pictures, some ``most`` in all.

    Parameters
    ----------
    height, width : int
        Size of the picture, px. Small ones get smaller windows.
    most : int
        How many windows, about.

    Examples
    --------
    >>> grid = window_grid(2000, 3000)
    >>> grid.side_px, grid.count
    (256, 408)
    """
    side = min(_WINDOW_PX, max(_LEAST_WINDOW_PX, min(height, width) // 4))
    stride = max(_LEAST_STRIDE_PX * side / _WINDOW_PX, math.sqrt(height * width / most))
    rows, cols = _spread(height, side, stride), _spread(width, side, stride)
    return WindowGrid(side, tuple(tuple((x, y) for x in cols) for y in rows))


def tie_points(
    a: Picture,
    b: Picture,
    to_b: Mapping,
    grid: WindowGrid,
    *,
    reach_px: float,
    final: bool,
    told: tuple[Progress, str],
) -> TiePoints:
    """Find each window of A in B.

    Parameters
    ----------
    a, b : Picture
        Read from several threads.
    to_b : callable
        Where a point of A lies in B, as far as is known.
    grid : WindowGrid
        On A.
    reach_px : float
        How far that may be wrong, in pixels of A.
    final : bool
        Resample by cubic splines; else linearly, quicker and off by some hundredths of a pixel.
    told : (Progress, str)
        Told of windows, and as which stage; may raise `Interrupted`.

    Returns
    -------
    TiePoints
        In the order of the windows, whatever the threads do.

    Raises
    ------
    RasterError
        Pixels cannot be read.
    """
    search = _Search(a, b, to_b, grid.side_px, reach_px, order=3 if final else 1)
    progress, stage = told
    found: list[_Found] = []
    textured = 0
    # A row is one thread's, as its windows share blocks.
    for done, results in enumerate(in_threads(partial(_row, search), grid.centres_px), start=1):
        textured += sum(result is not None for result in results)
        found += [result for result in results if isinstance(result, _Found)]
        progress(stage, done * grid.count / len(grid.centres_px), grid.count, "windows")
    sigma = np.array([f.shift.sigma_px for f in found]).reshape(-1, 2)
    return TiePoints(
        np.array([f.a_px for f in found]).reshape(-1, 2),
        np.array([f.b_px for f in found]).reshape(-1, 2),
        np.maximum(sigma, _LEAST_SIGMA_PX),
        np.array([f.shift.correlation for f in found]),
        textured,
    )


def _spread(size: int, side: int, stride: float) -> list[float]:
    """Return window centres along one side; the outermost windows reach beyond the picture."""
    margin = side / 8
    steps = max(1, math.ceil((size - 2 * margin) / stride))
    return [float(c) for c in np.round(np.linspace(margin, max(size - margin, margin), steps + 1))]


def _row(search: _Search, centres: tuple[tuple[float, float], ...]) -> list[_Found | bool | None]:
    return [_pair(search, *centre) for centre in centres]


def _pair(search: _Search, x: float, y: float) -> _Found | bool | None:
    """Return the pair, False where the paint is not found again, None where there is nothing to compare."""
    half = search.side_px // 2
    window = Window(int(y) - half, int(x) - half, search.side_px, search.side_px)
    a = read_padded(search.a, window)
    if a is None or share_true(a.valid) < _LEAST_SEEN:
        return None
    b = resampled(search.b, window, search.to_b, search.order)
    if b is None or share_true(a.valid & b.valid) < _LEAST_SEEN:
        return None
    weight_a, weight_b = weights(a, b, search.reach_px)
    texture_a, texture_b = flattened(a.grey, weight_a), flattened(b.grey, weight_b)
    if texture_a is None or texture_b is None:
        return None
    shift = shift_between(texture_a, texture_b, min(search.reach_px, half / 2))
    if shift is None or not _is_reliable(shift):
        return False
    centre = np.array([[window.col_off, window.row_off]]) + shift.centre_px
    # What was compared lies half the shift away from the middle of the two windows, on either side.
    half_shift = np.array([[shift.x_px, shift.y_px]]) / 2
    return _Found((centre + half_shift)[0], search.to_b(centre - half_shift)[0], shift)


def _is_reliable(shift: Shift) -> bool:
    return (
        shift.correlation >= _LEAST_CORRELATION
        and shift.rival <= _GREATEST_RIVAL
        and max(shift.sigma_px) <= _GREATEST_SIGMA_PX
    )
