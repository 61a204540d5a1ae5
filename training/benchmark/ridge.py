"""The classical baseline: a multi-scale ridge filter, its settings tuned on validation.

What anyone could do without a network. It sees lines of a few pixels' width, painted ones as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.filters import sato

from segmentation_core.vocabulary import load_vocabulary
from training.data import Tile
from training.evaluation import Evaluated
from training.metrics import Agreement
from training.scores import Sums, picture_sums

__all__ = ["RidgeFilter", "ridge_scored", "tuned_filter"]

_SIGMAS_PX = (0.7, 1.0, 1.5, 2.0, 3.0)
"""Half of the widths that the models were made for, 1 to 6 px."""

_LUMA = np.array((0.299, 0.587, 0.114), np.float32)
_STRONGEST = 40.0
"""Response, grey levels, that counts as certain; only the order matters to the threshold."""

_LEVELS: tuple[float, ...] = tuple(np.round(np.linspace(0.02, 0.9, 45), 4).tolist())


@dataclass(frozen=True)
class RidgeFilter:
    """A filter and its settings.

    Attributes
    ----------
    pale : bool
        Lines paler than the paint count as well as darker ones.
    level : float
        Response, 0-1, from which a pixel counts.
    """

    pale: bool
    level: float = 0.5

    def probabilities(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what a network would of a picture (H, W, 3): (K, H, W), background first; lines alone."""
        vocabulary = load_vocabulary()
        grey = image.astype(np.float32) @ _LUMA
        response = _ridges(grey, dark=True)
        if self.pale:
            response = np.maximum(response, _ridges(grey, dark=False))
        out = np.zeros((len(vocabulary.classes) + 1, *image.shape[:2]), np.float32)
        line = 1 + vocabulary.codes.index(vocabulary.line_class.code)
        out[line] = np.clip(response / _STRONGEST, 0, 1)
        out[0] = 1 - out[line]
        return out


def _ridges(grey: NDArray[np.float32], *, dark: bool) -> NDArray[np.float32]:
    response: NDArray[np.float32] = sato(grey, _SIGMAS_PX, black_ridges=dark, mode="reflect")  # type: ignore[no-untyped-call]
    return response


def tuned_filter(tiles: Sequence[Tile]) -> RidgeFilter:
    """Return the filter of the best pooled F1 within 2 px."""
    vocabulary = load_vocabulary()
    value = vocabulary.line_class.value

    def merit(responses: Sequence[NDArray[np.float32]], level: float) -> float:
        agreement = Agreement(value)
        for response, tile in zip(responses, tiles, strict=True):
            found = np.where(1 - response[0] >= level, value, vocabulary.background_value)
            agreement.add(found.astype(np.uint8), tile.label)
        return float(np.nan_to_num(agreement.tolerance_f1))

    tried = []
    for pale in (False, True):
        responses = [RidgeFilter(pale).probabilities(tile.image) for tile in tiles]
        # The F1 has one top: a coarse search, then its neighbours.
        at = max(range(0, len(_LEVELS), 5), key=lambda k: merit(responses, _LEVELS[k]))
        for level in _LEVELS[max(at - 4, 0) : at + 5]:
            tried.append((merit(responses, level), RidgeFilter(pale, level)))
    return max(tried, key=lambda pair: pair[0])[1]


def ridge_scored(tiles: Sequence[Tile], ridge: RidgeFilter) -> Evaluated:
    """Score a filter on tiles."""
    return Evaluated(tuple(tiles), tuple(_sums(ridge, tile) for tile in tiles))


def _sums(ridge: RidgeFilter, tile: Tile) -> Sums:
    vocabulary = load_vocabulary()
    never = dict.fromkeys(vocabulary.codes, 2.0)
    thresholds = never | {vocabulary.line_class.code: ridge.level}
    return picture_sums(ridge.probabilities(tile.image), tile.label, thresholds, tile.annotated)
