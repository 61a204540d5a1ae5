"""Plain synthetic samples: clear dark cracks and pale losses on quiet paint.

An easy set on purpose: whether a network learns at all shows on it within minutes. What a network reaches
here says nothing about real paint; `training.synthetic` makes the samples to train on.
"""

from __future__ import annotations

import numpy as np
import torch

from segmentation_core.vocabulary import load_vocabulary
from training.synthetic.cells import cell_network
from training.synthetic.draws import Draws
from training.synthetic.fields import blurred, smooth_fields
from training.synthetic.samples import Image8

__all__ = ["plain_sample"]

_CRACK_PX = (2.0, 3.5)
_UNDAMAGED = 0.1


def plain_sample(rng: np.random.Generator, size_px: int, *, pale: bool = False) -> tuple[Image8, Image8]:
    """Make one sample.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness; the same state gives the same sample.
    size_px : int
        Side of the square picture.
    pale : bool
        Pale cracks on dark paint instead: another beam, so to speak, to adapt to.

    Returns
    -------
    image : uint8 array (H, W, 3)
    label : uint8 array (H, W)
        Vocabulary values; exact.
    """
    vocabulary = load_vocabulary()
    paint = rng.uniform((20, 20, 20), (80, 80, 80)) if pale else rng.uniform((90, 80, 60), (220, 200, 180))
    draws = Draws([rng], torch.device("cpu"))
    tone = 1 + 0.15 * (smooth_fields(draws, size_px, max(size_px / 3, 4))[0].numpy() - 0.5)
    picture = paint * tone[..., None]
    label = np.zeros((size_px, size_px), np.uint8)
    if rng.random() >= _UNDAMAGED:
        crack = (
            cell_network(draws, size_px, draws.uniform(30, 60), _CRACK_PX, 0.85).coverage[0].numpy() >= 0.5
        )
        zone = smooth_fields(draws, size_px, max(size_px / 4, 4))[0].numpy()
        loss = (
            (zone > np.quantile(zone, rng.uniform(0.9, 0.97))) if rng.random() < 0.6 else np.zeros_like(crack)
        )
        line = np.full(3, 225.0) if pale else paint * 0.25
        ground = np.array((236.0, 228, 210)) if not pale else np.array((150.0, 110, 70))
        for mask, colour, defect in (
            (crack, line, vocabulary.line_class),
            (loss, ground, vocabulary.polygon_class),
        ):
            soft = blurred(torch.from_numpy(mask).float()[None], torch.tensor([0.4]))
            cover = soft[0].numpy()[..., None]
            picture = picture * (1 - cover) + colour * cover
            label[mask] = defect.value
    picture = picture + rng.normal(0, 3, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), label
