"""Changes that leave a label true: geometry, light, colour (RECOGNITION, section 7)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from segmentation_core.vocabulary import load_vocabulary
from training.synthetic.samples import IGNORE, Image8

__all__ = ["augmented"]

_PAINT_LOSS = load_vocabulary().polygon_class.value


def augmented(
    rng: np.random.Generator, image: Image8, label: Image8, size_px: int, *, rescale: bool
) -> tuple[Image8, Image8]:
    """Turn, mirror, rescale and re-light a picture.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    image : uint8 array (H, W, 3)
        The picture.
    label : uint8 array (H, W)
        Its label.
    size_px : int
        Side of the result.
    rescale : bool
        Also rotate freely and scale by 0.6 to 2.2; what comes from outside the picture is ignored.

    Returns
    -------
    image : uint8 array (size_px, size_px, 3)
    label : uint8 array (size_px, size_px)
    """
    if rescale:
        image, label = _rescaled(rng, image, label, size_px)
    turns = int(rng.integers(4))
    image, label = np.rot90(image, turns), np.rot90(label, turns)
    if rng.random() < 0.5:
        image, label = image[:, ::-1], label[:, ::-1]
    return _relit(rng, image, stretch=0.05 if (label == _PAINT_LOSS).any() else 0.35), np.ascontiguousarray(
        label
    )


def _rescaled(rng: np.random.Generator, image: Image8, label: Image8, size_px: int) -> tuple[Image8, Image8]:
    scale = float(np.exp(rng.uniform(np.log(0.6), np.log(2.2)))) if rng.random() < 0.6 else 1.0
    angle = rng.uniform(-np.pi, np.pi) if rng.random() < 0.3 else 0.0
    if scale == 1.0 and angle == 0.0 and image.shape[0] == size_px:
        return image, label
    if scale < 1.0:  # average down first: sampling alone would break hairlines
        side = round(image.shape[0] * scale)
        image = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX))
        label = _averaged_label(label, side)
        scale = 1.0
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    middle, half = image.shape[0] / 2, size_px / 2
    room = max(image.shape[0] - size_px / scale, 0) / 2
    shift_x, shift_y = rng.uniform(-room, room, 2)
    affine = (
        cos,
        sin,
        middle + shift_x - half * (cos + sin),
        -sin,
        cos,
        middle + shift_y + half * (sin - cos),
    )
    size, mode = (size_px, size_px), Image.Transform.AFFINE
    reflected = np.pad(image, ((size_px, size_px), (size_px, size_px), (0, 0)), mode="symmetric")
    beyond = np.pad(label, size_px, constant_values=IGNORE)
    affine = (affine[0], affine[1], affine[2] + size_px, affine[3], affine[4], affine[5] + size_px)
    turned = Image.fromarray(reflected).transform(size, mode, affine, Image.Resampling.BILINEAR)
    moved = Image.fromarray(beyond).transform(size, mode, affine, Image.Resampling.NEAREST, fillcolor=IGNORE)
    return np.asarray(turned), np.asarray(moved)


def _averaged_label(label: Image8, side: int) -> Image8:
    """Shrink a label: a class where it covers 0.35 of the pixel, `IGNORE` where half is ignored."""
    out = np.zeros((side, side), np.uint8)
    for value in np.unique(label):
        if value == 0:
            continue
        share = Image.fromarray((label == value).astype(np.uint8) * 255).resize(
            (side, side), Image.Resampling.BOX
        )
        out[np.asarray(share) >= (128 if value == IGNORE else 90)] = value
    return out


def _relit(rng: np.random.Generator, image: Image8, *, stretch: float) -> Image8:
    out = image.astype(np.float32) / 255
    if rng.random() < 0.6:
        out = out ** rng.uniform(0.7, 1.5)
    if rng.random() < 0.6:
        out = (out - 0.5) * rng.uniform(0.75, 1.3) + 0.5 + rng.uniform(-0.12, 0.12)
    if rng.random() < stretch:
        # Stretched as scans and prints are: cracks then are as black as any ink line. Seldom where there
        # is loss: its colours, which tell bare wood and ground from paint, would clip.
        dark, light = np.percentile(out, (rng.uniform(0.5, 10), rng.uniform(80, 99)))
        out = (out - dark) / max(float(light - dark), 0.1)
    if rng.random() < 0.5:
        grey = out.mean(axis=2, keepdims=True)
        out = grey + (out - grey) * rng.uniform(0.3, 1.4)
    if rng.random() < 0.12:
        out[...] = out.mean(axis=2, keepdims=True)
    if rng.random() < 0.4:
        out = out * rng.uniform(0.88, 1.12, 3).astype(np.float32)
    if rng.random() < 0.03:  # seldom: the colours of ground and wood tell a loss from a painted patch
        out = out[..., rng.permutation(3)]
    if rng.random() < 0.03:
        out = 1 - out
    return (np.clip(out, 0, 1) * 255).astype(np.uint8)
