"""Whether a probability means what it says: of the pixels given p, the share that is craquelure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation_core.models import LoadedModel
from segmentation_core.vocabulary import load_vocabulary
from training.data import Tile
from training.prediction import Scaling, class_probabilities
from training.synthetic.samples import IGNORE
from training.vector_scaling import AROUND_HALF

__all__ = ["Reliability", "reliability"]

_BINS = 20


@dataclass(frozen=True)
class Reliability:
    """Counts by probability of the thin class.

    Attributes
    ----------
    pixels, right : float array (B,)
        Pixels in each of B equal bins from 0 to 1, and those of them that are of the class.
    near_half : (int, int)
        Pixels within 0.05 of one half, and those of them that are of the class.
    """

    pixels: NDArray[np.float64]
    right: NDArray[np.float64]
    near_half: tuple[int, int]

    @property
    def told(self) -> dict[str, Any]:
        """Figures for a table; None where there is no pixel."""
        pixels, right = self.near_half
        return {"pixels": pixels, "share": round(right / pixels, 4) if pixels else None}


def reliability(loaded: LoadedModel, tiles: Sequence[Tile]) -> Reliability:
    """Count, at the temperature of the model's card; ignored pixels left out."""
    vocabulary = load_vocabulary()
    line = vocabulary.line_class
    card = loaded.card
    pixels, right = np.zeros(_BINS), np.zeros(_BINS)
    near, near_right = 0, 0
    for tile in tiles:
        scaling = Scaling(card.mean, card.std)
        given = class_probabilities(loaded.network, tile.image, scaling, card.temperature)
        known = tile.label != IGNORE
        values, truth = given[vocabulary.codes.index(line.code)][known], tile.label[known] == line.value
        index = np.minimum((values * _BINS).astype(int), _BINS - 1)
        pixels += np.bincount(index, minlength=_BINS)
        right += np.bincount(index, weights=truth, minlength=_BINS)
        middle = np.abs(values - 0.5) <= AROUND_HALF
        near += int(middle.sum())
        near_right += int((middle & truth).sum())
    return Reliability(pixels, right, (near, near_right))
