"""The source paper's augmentation: offline as its text lists it, online as its implementation has it.

Source: RECOGNITION, sections 1.4 and 1.7. "Inversion" is taken as turning upside down; "translation" as a
shift by up to an eighth of the side with mirrored borders.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Image8 = NDArray[np.uint8]

__all__ = ["OFFLINE", "paper_offline", "paper_online"]

OFFLINE = ("flip", "inversion", "translation", "sharpening", "hsv", "noise")
"""The paper's six offline changes; they are combined at random."""

_GREY = 128
_ASPECT, _SCALE, _HSV = 0.3, (0.25, 2.0), (0.1, 0.7, 0.3)


def paper_offline(rng: np.random.Generator, image: Image8, label: Image8) -> tuple[Image8, Image8]:
    """Make a sibling of a picture: each of `OFFLINE` with probability one half.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    image : uint8 array (H, W, 3)
    label : uint8 array (H, W)

    Returns
    -------
    image, label : as given
    """
    chosen = [name for name in OFFLINE if rng.random() < 0.5] or [OFFLINE[rng.integers(len(OFFLINE))]]
    for name in chosen:
        match name:
            case "flip":
                image, label = image[:, ::-1], label[:, ::-1]
            case "inversion":
                image, label = image[::-1], label[::-1]
            case "translation":
                image, label = _shifted(rng, image, label)
            case "sharpening":
                sharp = Image.fromarray(np.ascontiguousarray(image)).filter(
                    ImageFilter.UnsharpMask(2, 120, 2)
                )
                image = np.asarray(sharp)
            case "hsv":
                image = _hsv(rng, image)
            case _:
                noisy = image + rng.normal(0, rng.uniform(3, 15), image.shape)
                image = np.clip(noisy, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image), np.ascontiguousarray(label)


def _shifted(rng: np.random.Generator, image: Image8, label: Image8) -> tuple[Image8, Image8]:
    reach = max(min(label.shape) // 8, 1)
    top, left = (int(v) for v in rng.integers(0, 2 * reach + 1, 2))
    rows, cols = slice(top, top + label.shape[0]), slice(left, left + label.shape[1])
    wide = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    return wide[rows, cols], np.pad(label, reach, mode="symmetric")[rows, cols]


def _hsv(rng: np.random.Generator, image: Image8) -> Image8:
    hue, saturation, value = rng.uniform(-1, 1, 3) * _HSV
    hsv = np.asarray(Image.fromarray(np.ascontiguousarray(image)).convert("HSV"), np.float32)
    turned = (hsv[..., 0] + hue * 255) % 255
    scaled = np.clip(hsv[..., 1:] * (1 + np.array((saturation, value), np.float32)), 0, 255)
    changed = np.dstack([turned, scaled]).astype(np.uint8)
    bands = [Image.fromarray(np.ascontiguousarray(changed[..., k])) for k in range(3)]
    return np.asarray(Image.merge("HSV", bands).convert("RGB"))


def paper_online(
    rng: np.random.Generator, image: Image8, label: Image8, size_px: int
) -> tuple[Image8, Image8]:
    """Jitter aspect and scale, paste onto grey, mirror, shift colours; the label by nearest neighbour.

    Returns
    -------
    image : uint8 array (size_px, size_px, 3)
    label : uint8 array (size_px, size_px)
        Background where the grey shows.
    """
    height, width = label.shape
    ratio = width / height * _jitter(rng) / _jitter(rng)
    scale = rng.uniform(*_SCALE)
    new_h, new_w = (
        (scale * size_px, scale * size_px * ratio)
        if ratio < 1
        else (
            scale * size_px / ratio,
            scale * size_px,
        )
    )
    size = (max(round(new_w), 1), max(round(new_h), 1))
    picture = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    classes = Image.fromarray(label).resize(size, Image.Resampling.NEAREST)
    left, top = (round(rng.uniform(min(size_px - s, 0), max(size_px - s, 0))) for s in size)
    canvas = Image.new("RGB", (size_px, size_px), (_GREY,) * 3)
    canvas.paste(picture, (left, top))
    ground = Image.new("L", (size_px, size_px), 0)
    ground.paste(classes, (left, top))
    out, target = np.asarray(canvas), np.asarray(ground)
    if rng.random() < 0.5:
        out, target = out[:, ::-1], target[:, ::-1]
    return _hsv(rng, out), np.ascontiguousarray(target)


def _jitter(rng: np.random.Generator) -> float:
    return float(rng.uniform(1 - _ASPECT, 1 + _ASPECT))
