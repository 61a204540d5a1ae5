"""The classical baseline: a multi-scale ridge filter, its threshold tuned on validation.

What anyone could do without a network. It sees dark lines of a few pixels' width, painted ones as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from skimage.filters import sato

from segmentation_core.vocabulary import load_vocabulary
from training.data import Tile
from training.evaluation import Evaluated
from training.metrics import Agreement
from training.scores import Sums, picture_sums

__all__ = ["ridge_probabilities", "ridge_scored", "tuned_threshold"]

_SIGMAS_PX = (0.7, 1.0, 1.5, 2.0, 3.0)
"""Half of the widths that the models were made for, 1 to 6 px."""

_LUMA = np.array((0.299, 0.587, 0.114), np.float32)
_STRONGEST = 40.0
"""Response, grey levels, that counts as certain; only the order matters to the threshold."""

_LEVELS: tuple[float, ...] = tuple(np.round(np.linspace(0.02, 0.9, 45), 4).tolist())


def ridge_probabilities(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what a network would of a picture (H, W, 3): (K, H, W), background first; dark lines alone."""
    vocabulary = load_vocabulary()
    grey = image.astype(np.float32) @ _LUMA
    response = sato(grey, _SIGMAS_PX, black_ridges=True, mode="reflect")  # type: ignore[no-untyped-call]
    out = np.zeros((len(vocabulary.classes) + 1, *image.shape[:2]), np.float32)
    line = 1 + vocabulary.codes.index(vocabulary.line_class.code)
    out[line] = np.clip(response / _STRONGEST, 0, 1)
    out[0] = 1 - out[line]
    return out


def tuned_threshold(tiles: Sequence[Tile]) -> float:
    """Return the threshold of the best pooled F1 within 2 px."""
    vocabulary = load_vocabulary()
    value = vocabulary.line_class.value
    responses = [ridge_probabilities(tile.image) for tile in tiles]

    def merit(level: float) -> float:
        agreement = Agreement(value)
        for response, tile in zip(responses, tiles, strict=True):
            found = np.where(1 - response[0] >= level, value, vocabulary.background_value)
            agreement.add(found.astype(np.uint8), tile.label)
        return float(np.nan_to_num(agreement.tolerance_f1))

    # The F1 has one top: a coarse search, then its neighbours.
    coarse = max(_LEVELS[::5], key=merit)
    at = _LEVELS.index(coarse)
    return max(_LEVELS[max(at - 4, 0) : at + 5], key=merit)


def ridge_scored(tiles: Sequence[Tile], level: float) -> Evaluated:
    """Score the filter on tiles."""
    return Evaluated(tuple(tiles), tuple(_sums(ridge_probabilities(t.image), t, level) for t in tiles))


def _sums(probabilities: NDArray[np.float32], tile: Tile, level: float) -> Sums:
    vocabulary = load_vocabulary()
    never = dict.fromkeys(vocabulary.codes, 2.0)
    return picture_sums(
        probabilities, tile.label, never | {vocabulary.line_class.code: level}, tile.annotated
    )
