"""Random fields that the other generators build on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

__all__ = ["brush_texture", "fractal", "smooth_field"]

Field = NDArray[np.floating[Any]]


def smooth_field(rng: np.random.Generator, size_px: int, feature_px: float) -> Field:
    """Return a smooth random field (size_px, size_px) in [0, 1] with features of about ``feature_px``."""
    cells = size_px / feature_px
    coarse = rng.random((int(np.ceil(cells)) + 4,) * 2, dtype=np.float32)
    left, top = rng.uniform(1, coarse.shape[0] - 1 - cells, size=2)
    box = (left, top, left + cells, top + cells)
    field = Image.fromarray(coarse).resize((size_px, size_px), Image.Resampling.BICUBIC, box=box)
    clipped: Field = np.clip(np.asarray(field), 0, 1)
    return clipped


def fractal(rng: np.random.Generator, size_px: int, feature_px: float, octaves: int = 4) -> Field:
    """Return fractal noise (size_px, size_px) in [0, 1]: octaves of smooth fields, halving in size."""
    total = np.zeros((size_px, size_px), np.float32)
    weight = 1.0
    for octave in range(octaves):
        total += weight * smooth_field(rng, size_px, max(feature_px / 2**octave, 1.5))
        weight *= 0.55
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def brush_texture(rng: np.random.Generator, size_px: int) -> Field:
    """Return streaks along one direction (size_px, size_px), mean 0, standard deviation 1."""
    white = rng.standard_normal((size_px * 3 // 2, size_px * 3 // 2)).astype(np.float32)
    streaks = ndimage.gaussian_filter(
        white, (rng.uniform(0.5, 1.5), np.exp(rng.uniform(2, 4.8))), mode="wrap"
    )
    turned = ndimage.rotate(streaks, rng.uniform(0, 180), reshape=False, order=1, mode="wrap")
    start = size_px // 4
    patch = turned[start : start + size_px, start : start + size_px]
    texture: Field = (patch - patch.mean()) / max(float(patch.std()), 1e-6)
    return texture
