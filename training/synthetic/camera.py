"""What lies between the wall and the file: dirt on the surface, light, lens, sensor, JPEG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from training.synthetic.noise import smooth_field
from training.synthetic.ornament import Picture

__all__ = ["photograph", "strew"]


def strew(rng: np.random.Generator, picture: Picture, overlays: Sequence[NDArray[np.uint8]]) -> Picture:
    """Lay hair, lint, dust or stains (RGBA pictures) over a picture (H, W, 3): background, not damage."""
    size_px = picture.shape[0]
    out: Picture = picture.copy()
    for _ in range(rng.integers(1, 4)):
        overlay = Image.fromarray(overlays[int(rng.integers(len(overlays)))])
        side = int(size_px * rng.uniform(0.3, 1.0))
        turned = overlay.rotate(rng.uniform(0, 360), resample=Image.Resampling.BILINEAR).resize((side, side))
        layer = np.asarray(turned, np.float32)
        row, col = rng.integers(0, size_px - side + 1, 2)
        alpha = layer[..., 3:] / 255 * rng.uniform(0.4, 1)
        tone = rng.choice([rng.uniform(0, 70), rng.uniform(170, 250)])
        part = out[row : row + side, col : col + side]
        part[:] = part * (1 - alpha) + tone * alpha
    return out


def photograph(rng: np.random.Generator, picture: Picture) -> NDArray[np.uint8]:
    """Return the picture (H, W, 3) as a camera stores it, uint8."""
    size_px = picture.shape[0]
    out = picture
    if rng.random() < 0.4:
        light = smooth_field(rng, size_px, rng.uniform(120, 400))[..., None]
        out = out * (1 + rng.uniform(0.1, 0.7) * (light - 0.5))
    if rng.random() < 0.6:
        out = ndimage.gaussian_filter(out, (rng.uniform(0.2, 1.1),) * 2 + (0,))
    if rng.random() < 0.12:
        small = Image.fromarray(np.clip(out, 0, 255).astype(np.uint8))
        side = int(size_px * rng.uniform(0.55, 0.95))
        small = small.resize((side, side), Image.Resampling.BOX)
        out = np.asarray(small.resize((size_px, size_px), Image.Resampling.BICUBIC), np.float32)
    if rng.random() < 0.7:
        sigma = rng.uniform(0.5, 8)
        noise = rng.standard_normal((size_px, size_px, 3 if rng.random() < 0.5 else 1), dtype=np.float32)
        out = out + sigma * noise
    if rng.random() < 0.12:
        # The grain of film, paper or a coarse ground: correlated over a pixel or two, and strong.
        grain = ndimage.gaussian_filter(
            rng.standard_normal((size_px, size_px), dtype=np.float32), rng.uniform(0.6, 1.6)
        )
        out = out + (rng.uniform(6, 30) / grain.std() * grain)[..., None]
    if rng.random() < 0.15:
        out = out + rng.uniform(0.3, 1.5) * (out - ndimage.gaussian_filter(out, (1.2, 1.2, 0)))
    stored = np.clip(out, 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        buffer = io.BytesIO()
        Image.fromarray(stored).save(buffer, "JPEG", quality=int(rng.integers(55, 96)))
        stored = np.asarray(Image.open(buffer))
    return stored
