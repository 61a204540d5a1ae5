"""What lies between the wall and the file: light, scale, lens, sensor, sharpening, JPEG."""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from training.synthetic.draws import Draws, per_sample, plane
from training.synthetic.fields import blurred, smooth_fields

__all__ = ["photographed"]


def photographed(draws: Draws, pictures: Tensor) -> NDArray[np.uint8]:
    """Return pictures (N, 3, H, W) as a camera stores them: uint8 (N, H, W, 3)."""
    size_px = pictures.shape[-1]
    out = pictures.clone()
    chosen, part = draws.some(0.4)
    if len(chosen):
        light = smooth_fields(part, size_px, part.uniform(120, 400))
        out[chosen] *= (1 + plane(part.uniform(0.1, 0.7)) * (light - 0.5))[:, None]
    chosen, part = draws.some(0.6)
    if len(chosen):
        out[chosen] = blurred(out[chosen], part.uniform(0.2, 1.1))
    chosen, part = draws.some(0.12)
    for place, source in zip(chosen.tolist(), part.sources, strict=True):
        out[place] = _coarser(out[place], source.uniform(0.55, 0.95))
    chosen, part = draws.some(0.7)
    if len(chosen):
        noise = part.white(3, size_px)
        grey = plane(part.uniform() < 0.5)[:, None]
        noise = torch.where(grey, noise[:, :1], noise)
        out[chosen] += plane(part.uniform(0.5, 8))[:, None] * noise
    chosen, part = draws.some(0.12)
    if len(chosen):
        # The grain of film, paper or a coarse ground: correlated over a pixel or two, and strong.
        grain = blurred(part.white(1, size_px)[:, 0], part.uniform(0.6, 1.6))
        out[chosen] += plane(part.uniform(6, 30) / per_sample(torch.std, grain))[:, None] * grain[:, None]
    chosen, part = draws.some(0.15)
    if len(chosen):
        softer = blurred(out[chosen], torch.full((len(chosen),), 1.2, device=draws.device))
        out[chosen] += plane(part.uniform(0.3, 1.5))[:, None] * (out[chosen] - softer)
    bytes_ = out.clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    chosen, part = draws.some(0.35)
    for place, source in zip(chosen.tolist(), part.sources, strict=True):
        bytes_[place] = _as_jpeg(bytes_[place], int(source.integers(55, 96)))
    return bytes_


def _coarser(picture: Tensor, scale: float) -> Tensor:
    """Return a picture (3, H, W) as one of fewer pixels, enlarged again."""
    size = picture.shape[-2:]
    small = [max(round(side * scale), 8) for side in size]
    less = functional.interpolate(picture[None], small, mode="bilinear", antialias=True)
    return functional.interpolate(less, tuple(size), mode="bicubic", align_corners=False)[0]


def _as_jpeg(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
