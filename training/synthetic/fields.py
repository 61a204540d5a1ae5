"""Random fields and filters for batches of planes (N, H, W) or pictures (N, C, H, W)."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.synthetic.draws import Bound, Draws, per_sample, plane

__all__ = [
    "blurred",
    "fractal",
    "pixel_centres",
    "quantile",
    "sampled",
    "shifted",
    "slopes",
    "smooth_fields",
    "softened",
    "streaks",
]

_COARSER = 4


def pixel_centres(size_px: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return x and y (H, W) of pixel centres, px."""
    line = torch.arange(size_px, dtype=torch.float32, device=device) + 0.5
    return line.repeat(size_px, 1), line[:, None].repeat(1, size_px)


def smooth_fields(draws: Draws, size_px: int, feature_px: Bound, along_px: Bound | None = None) -> Tensor:
    """Return smooth random fields (N, H, W) in [0, 1].

    Parameters
    ----------
    draws : Draws
        Sources of randomness.
    size_px : int
        Side.
    feature_px : float or Tensor (N,)
        Typical size of the features, px.
    along_px : float, Tensor (N,) or None
        Their size along x, where it is another: streaks.
    """
    down = _numbers(feature_px, len(draws))
    along = down if along_px is None else _numbers(along_px, len(draws))
    out = torch.empty(len(draws), size_px, size_px, device=draws.device)
    for field, source, feature, length in zip(out, draws.sources, down, along, strict=True):
        rows, cols = _spread(source, size_px, feature), _spread(source, size_px, length)
        knots = source.random((rows.shape[1], cols.shape[1]), dtype=np.float32)
        there = [torch.from_numpy(part).to(draws.device) for part in (rows, knots, cols)]
        torch.matmul(there[0] @ there[1], there[2].T, out=field)
    return out.clamp_(0, 1)


def _numbers(value: Bound, count: int) -> list[float]:
    return [float(v) for v in value.tolist()] if isinstance(value, Tensor) else [float(value)] * count


def _spread(source: np.random.Generator, size_px: int, feature_px: float) -> NDArray[np.float32]:
    """Return the matrix (size, knots) that interpolates knots cubically (Catmull-Rom), at a random offset."""
    knots = math.ceil(size_px / feature_px) + 5
    at = source.uniform(1, 2) + (np.arange(size_px) + 0.5) / feature_px
    base = np.floor(at).astype(np.int64)
    t = at - base
    matrix = np.zeros((size_px, knots), np.float32)
    weights = (
        ((2 - t) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    )
    for step, weight in enumerate(weights):
        matrix[np.arange(size_px), base + step - 1] = weight
    return matrix


def fractal(draws: Draws, size_px: int, feature_px: Bound, octaves: int = 4) -> Tensor:
    """Return fractal noise (N, H, W) in [0, 1]: octaves of smooth fields, halving in size."""
    total = torch.zeros(len(draws), size_px, size_px, device=draws.device)
    largest = torch.tensor(_numbers(feature_px, len(draws)), device=draws.device)
    for octave in range(octaves):
        total += 0.55**octave * smooth_fields(draws, size_px, (largest / 2**octave).clamp(min=2.0))
    low, high = total.amin((1, 2), keepdim=True), total.amax((1, 2), keepdim=True)
    return (total - low) / (high - low).clamp(min=1e-6)


def streaks(draws: Draws, size_px: int, angle: Tensor) -> Tensor:
    """Return streaks along a direction (N, H, W), mean 0, standard deviation 1: brush marks, wood grain."""
    wide = math.ceil(size_px * math.sqrt(2)) + 2
    field = smooth_fields(draws, wide, draws.uniform(1.6, 4), torch.exp(draws.uniform(3, 5.6)))
    x, y = pixel_centres(size_px, draws.device)
    x, y = x - size_px / 2, y - size_px / 2
    cos, sin = plane(torch.cos(angle)), plane(torch.sin(angle))
    turned = sampled(field[:, None], x * cos + y * sin + wide / 2, y * cos - x * sin + wide / 2)[:, 0]
    turned = turned - plane(per_sample(torch.mean, turned))
    return turned / plane(per_sample(torch.std, turned)).clamp(min=1e-6)


def sampled(pictures: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Read pictures (N, C, H, W) at places x and y (N, h, w), px, bilinearly; the border goes on outwards."""
    height, width = pictures.shape[-2:]
    grid = torch.stack((x * (2 / width) - 1, y * (2 / height) - 1), -1)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def shifted(planes: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """Move planes (N, H, W) by (N,) px to the right and down."""
    x, y = pixel_centres(planes.shape[-1], planes.device)
    return sampled(planes[:, None], x - plane(dx), y - plane(dy))[:, 0]


def slopes(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the slopes of planes (N, H, W) along x and y, per px: central differences."""
    padded = functional.pad(planes[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    along = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2
    return along, down


def blurred(pictures: Tensor, sigma_px: Tensor) -> Tensor:
    """Blur pictures (N, C, H, W) or planes (N, H, W) by a Gaussian of (N,) px each.

    Tap by tap: a convolution routine may add up in another order for another batch size.
    """
    if not len(pictures):
        return pictures
    if pictures.ndim == 3:
        return blurred(pictures[:, None], sigma_px)[:, 0]
    reach = torch.ceil(3 * sigma_px).clamp(min=1)
    radius = int(reach.max())
    taps = torch.arange(-radius, radius + 1, device=pictures.device)
    weights = torch.exp(-((taps / sigma_px[:, None].clamp(min=1e-3)) ** 2) / 2)
    weights = weights * (taps.abs() <= reach[:, None])
    total = torch.zeros_like(sigma_px)
    for column in weights.unbind(1):
        total = total + column
    weights = (weights / total[:, None])[..., None, None, None]
    out = pictures
    for axis, padding in ((3, (radius, radius, 0, 0)), (2, (0, 0, radius, radius))):
        padded = functional.pad(out, padding, mode="replicate")
        out, tap = torch.zeros_like(pictures), torch.empty_like(pictures)
        for k in range(2 * radius + 1):
            out += torch.mul(padded.narrow(axis, k, pictures.shape[axis]), weights[:, k], out=tap)
    return out


def softened(planes: Tensor, sigma_px: Tensor) -> Tensor:
    """Blur planes (N, H, W) widely, on a grid four times as coarse: for what needs no sharp answer."""
    if not len(planes):
        return planes
    size_px = planes.shape[-1]
    coarse = functional.avg_pool2d(planes[:, None], _COARSER, ceil_mode=True, count_include_pad=False)
    coarse = blurred(coarse, sigma_px / _COARSER)
    side = coarse.shape[-1] * _COARSER
    fine = functional.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)
    return fine[:, 0, :size_px, :size_px]


def quantile(planes: Tensor, share: Tensor) -> Tensor:
    """Return about the ``share`` (N,) quantile of each plane (N, H, W), from every fourth row and column."""
    if not len(planes):
        return share
    ordered = planes[:, ::4, ::4].flatten(1).sort(dim=1).values
    place = (share * (ordered.shape[1] - 1)).round().long()
    return ordered.gather(1, place[:, None])[:, 0]
