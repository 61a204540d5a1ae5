"""One synthetic sample: background, damage, dirt, camera; the picture and its label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation_core.vocabulary import load_vocabulary
from training.synthetic.camera import photograph, strew
from training.synthetic.damage import add_craquelure, add_paint_loss
from training.synthetic.networks import CellNetwork
from training.synthetic.noise import fractal
from training.synthetic.ornament import Picture, background

__all__ = ["IGNORE", "Ingredients", "synthetic_sample", "transplant"]

IGNORE = 255
"""Label of pixels left out of loss and metrics."""

_UNDAMAGED = 0.2
_WITH_LOSS = 0.75
_BRIGHT_ENOUGH = 60.0

Image8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Ingredients:
    """Pictures the generator draws on.

    Attributes
    ----------
    paintings : tuple of float arrays (H, W, 3)
        Undamaged paintings.
    overlays : tuple of uint8 arrays (H, W, 4)
        Hair, lint and dirt, RGBA.
    """

    paintings: tuple[Picture, ...] = ()
    overlays: tuple[Image8, ...] = ()


def synthetic_sample(
    rng: np.random.Generator, size_px: int, ingredients: Ingredients
) -> tuple[Image8, Image8]:
    """Make one sample.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness; the same state gives the same sample.
    size_px : int
        Side of the square picture.
    ingredients : Ingredients
        Paintings and overlays; may be empty.

    Returns
    -------
    image : uint8 array (H, W, 3)
    label : uint8 array (H, W)
        Vocabulary values, and `IGNORE` where a crack is too faint to be sure of.
    """
    picture = background(rng, size_px, ingredients.paintings)
    label = np.zeros((size_px, size_px), np.uint8)
    if rng.random() >= _UNDAMAGED:
        vocabulary = load_vocabulary()
        networks: list[CellNetwork] = []
        if rng.random() < 0.9:
            picture, crack, unsure, networks = add_craquelure(rng, picture)
            label[unsure] = IGNORE
            label[crack] = vocabulary.line_class.value
        if rng.random() < _WITH_LOSS:
            picture, loss, unsure = add_paint_loss(rng, picture, networks)
            label[unsure] = IGNORE
            label[loss] = vocabulary.polygon_class.value
    if ingredients.overlays and rng.random() < 0.25:
        picture = strew(rng, picture, ingredients.overlays)
    return photograph(rng, picture), label


def transplant(
    rng: np.random.Generator, image: Image8, label: Image8, ingredients: Ingredients
) -> tuple[Image8, Image8]:
    """Carry real cracks onto another background, and now and then lose paint there.

    The picture divided by its low-pass holds the cracks as they really look; multiplied with an
    ornament it shows them where the real sets have none. A tile too dark to divide stays on its own
    background.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    image : uint8 array (H, W, 3)
        A real tile with craquelure.
    label : uint8 array (H, W)
        Its label.
    ingredients : Ingredients
        Paintings and overlays.

    Returns
    -------
    image : uint8 array (H, W, 3)
    label : uint8 array (H, W)
    """
    size_px = image.shape[0]
    picture = image.astype(np.float32)
    if picture.mean() > _BRIGHT_ENOUGH and rng.random() < 0.75:
        grey = picture.mean(axis=2)
        relief = np.clip(grey / np.maximum(ndimage.gaussian_filter(grey, 10), 20), 0.2, 1.8)
        picture = background(rng, size_px, ingredients.paintings) * relief[..., None]
    if rng.random() < 0.55:
        label = label.copy()
        picture, loss, unsure = add_paint_loss(rng, picture, [])
        label[unsure] = IGNORE
        label[loss] = load_vocabulary().polygon_class.value
    if rng.random() < 0.2:
        picture = picture * (1 + 0.3 * (fractal(rng, size_px, 60)[..., None] - 0.5))
    return photograph(rng, picture), label
