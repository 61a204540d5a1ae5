"""What the later of two pictures shows that the earlier does not, but for light, focus and place.

Around each pixel the later picture is taken for the earlier one, brightened, evened out, moved by a fraction
of a pixel and sharpened or softened; how much of each is the least-squares fit there. What the fit leaves,
over the noise that the two pictures have where paint is as rough, is what changed. It is evidence, and
nothing is measured on it. Source: docs/change.md, *The pictures themselves*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, laplace, zoom
from scipy.optimize import nnls

__all__ = ["MARGIN_PX", "Left", "NoiseLevel", "left_over", "noise_level"]

MARGIN_PX = 64
"""How far around a pixel the fit looks, and a multiple of `_BLOCK_PX`: so much is read around windows."""

_BLOCK_PX = 8
_REACH_BLOCKS, _TRUNCATED = 2.0, 3.0
_SOFTENED_PX = 0.8
_STIFFNESS = 4.0
"""Grey levels squared by which each term has to earn its place: the less paint, the less is fitted."""
_MID_GREY = 128.0
_SAMPLED = 29
_OUTLIER = 8.0

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Left:
    """What a fit left of the later picture, and where noise is to be expected.

    Attributes
    ----------
    residual : ndarray of float32, shape (h, w)
        Grey levels; negative where the later picture is darker. 0 where not both are valid.
    slope, bend : ndarray of float32, shape (h, w)
        Squares of the earlier picture's gradient and of its second derivative: what a wrong place, or a wrong
        focus, is multiplied by.
    valid : ndarray of bool, shape (h, w)
    """

    residual: Image
    slope: Image
    bend: Image
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class NoiseLevel:
    """Variance of what a fit leaves: of itself, and per unit of slope and of bend."""

    plain: float
    of_slope: float
    of_bend: float

    def significance(self, left: Left) -> Image:
        """Return the residual over its standard deviation, within 8 of it: one pixel shall not decide."""
        variance = self.plain + self.of_slope * left.slope + self.of_bend * left.bend
        told: Image = np.clip(left.residual / np.sqrt(variance), -_OUTLIER, _OUTLIER).astype(np.float32)
        return told


def left_over(earlier: Image, later: Image, valid: NDArray[np.bool_], changed: NDArray[np.bool_]) -> Left:
    """Return what of the later picture the earlier one does not explain.

    Parameters
    ----------
    earlier, later : ndarray of float32, shape (h, w)
        Brightness, 0 to 255, on one grid.
    valid : ndarray of bool, shape (h, w)
        Where both show something.
    changed : ndarray of bool, shape (h, w)
        What is known to have changed shall not be explained: the fit leaves it out.
    """
    terms = _terms(earlier)
    target = later - np.float32(_MID_GREY)
    seen = (valid & ~changed).astype(np.float32)
    count = len(terms)
    sums = [[_around(terms[i] * seen * terms[j]) for j in range(i, count)] for i in range(count)]
    normal = np.empty((*sums[0][0].shape, count, count))
    for i in range(count):
        for j in range(i, count):
            normal[..., i, j] = normal[..., j, i] = sums[i][j - i]
    right = np.stack([_around(term * seen * target) for term in terms], axis=-1)
    # Towards the earlier picture as it is: gain 1, nothing else.
    normal += np.diag([1e-6, *[_STIFFNESS] * (count - 1)])
    right[..., 1] += _STIFFNESS
    fit = np.linalg.solve(normal, right[..., None])[..., 0].astype(np.float32)
    residual = target
    for number, term in enumerate(terms):
        residual = residual - _spread_out(fit[..., number], term.shape) * term
    residual[~valid] = 0
    _, _, across, down, curve = terms
    slope = gaussian_filter(across**2 + down**2, 1.0)
    return Left(residual, slope, gaussian_filter(curve**2, 1.0), valid)


def noise_level(samples: list[Left]) -> NoiseLevel:
    """Return how noisy a pair of pictures is, from some windows of it; changes hardly count.

    Without a valid pixel the noise is unknown, and infinite.
    """
    rows, squares = [], []
    for left in samples:
        rows.append(
            np.stack([np.ones_like(left.slope), left.slope, left.bend], axis=-1)[left.valid][::_SAMPLED]
        )
        squares.append(left.residual[left.valid][::_SAMPLED] ** 2)
    if not sum(len(each) for each in squares):
        return NoiseLevel(np.inf, 0.0, 0.0)
    design, square = np.concatenate(rows).astype(np.float64), np.concatenate(squares).astype(np.float64)
    square = np.minimum(square, (_OUTLIER * 1.4826) ** 2 * np.median(square))
    # A square scatters by itself: rough places would outweigh all others.
    weight = 1 / (20 + 0.01 * design[:, 1])
    plain, of_slope, of_bend = nnls(design * weight[:, None], square * weight)[0]
    return NoiseLevel(max(float(plain), 1.0), float(of_slope), float(of_bend))


def _terms(picture: Image) -> list[Image]:
    """Return what the later picture may be made of: light, contrast, shift in both directions, focus."""
    down, across = np.gradient(gaussian_filter(picture, _SOFTENED_PX))
    curve = laplace(gaussian_filter(picture, _SOFTENED_PX))
    return [np.ones_like(picture), picture - np.float32(_MID_GREY), across, down, curve]


def _around(values: Image) -> NDArray[np.float64]:
    """Return block means, averaged with those around them."""
    height, width = (-(-size // _BLOCK_PX) for size in values.shape)
    pad = (height * _BLOCK_PX - values.shape[0], width * _BLOCK_PX - values.shape[1])
    whole = np.pad(values, ((0, pad[0]), (0, pad[1])), mode="edge")
    means = whole.reshape(height, _BLOCK_PX, width, _BLOCK_PX).mean(axis=(1, 3), dtype=np.float64)
    averaged: NDArray[np.float64] = gaussian_filter(means, _REACH_BLOCKS, mode="nearest", truncate=_TRUNCATED)
    return averaged


def _spread_out(blocks: Image, shape: tuple[int, ...]) -> Image:
    """Return values of blocks at every pixel, interpolated."""
    spread: Image = zoom(blocks, _BLOCK_PX, order=1, grid_mode=True, mode="nearest")
    return spread[: shape[0], : shape[1]]
