"""How probable it is that a crack has come, or gone, at each pixel: from both pictures and both networks.

The three witnesses are taken for independent, so that their log odds add up: a thin line in what the one
picture shows and the other does not (`segmentation_core.change.unexplained`), the probability of a crack in
the survey that would have it, and that in the survey that would not. Their weights are fitted on generated
facades with exactly known change (``benchmarks/fit_come_and_gone.py``). Source: docs/change.md, *The pictures
themselves*.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.signal import oaconvolve

__all__ = ["LEAST_PROBABILITY", "come_and_gone", "line_responses", "witnesses"]

LEAST_PROBABILITY = 0.01
"""Of a crack in the survey that would have it: below, nothing is asked."""

_WITH_PICTURES, _ALONE = (0.62, 1.44, -0.90, -6.6), (0.0, 1.8, -1.45, -4.1)
"""Weights of the line, of the log odds in the survey that would have it, in the other, and what is added."""

_SURE, _NONE = 0.5, 0.02
"""A network that is surer than this of a crack, or of none, says no more: without a line in what the pictures
differ by, nothing has come."""

_DIRECTIONS = 16
_REACH_PX = 18
_ALONG_PX, _ACROSS_PX, _BESIDE_PX = 12.0, 0.8, 3.5

Image = NDArray[np.float32]


def come_and_gone(
    significance: Image, cracks: Sequence[Image], blind: NDArray[np.bool_]
) -> tuple[Image, Image]:
    """Return the probability that a crack has come, and that one has gone.

    Parameters
    ----------
    significance : ndarray of float32, shape (h, w)
        `NoiseLevel.significance`.
    cracks : (ndarray, ndarray) of float32, shape (h, w)
        Probability of a crack in the earlier and in the later survey.
    blind : ndarray of bool, shape (h, w)
        Where the pictures say nothing of cracks, because more than these changed; the networks alone do.
    """
    earlier, later = cracks
    darker, brighter = line_responses(np.where(blind, np.float32(0), significance))
    return _probability(darker, later, earlier, blind), _probability(brighter, earlier, later, blind)


def _probability(line: Image, has: Image, lacks: Image, blind: NDArray[np.bool_]) -> Image:
    """Return the probability of a crack in one survey alone; 0 where even that one hardly sees it."""
    said = witnesses(line, has, lacks)
    told = [np.tensordot(weights[:3], said, 1) + weights[3] for weights in (_WITH_PICTURES, _ALONE)]
    odds = np.where(blind, told[1], told[0])
    asked = maximum_filter(has, 3) >= LEAST_PROBABILITY
    found: Image = np.where(asked, 1 / (1 + np.exp(-odds)), 0).astype(np.float32)
    return found


def witnesses(line: Image, has: Image, lacks: Image) -> Image:
    """Return what is weighed, shape (3, h, w): the line, the log odds of a crack in the one and in the other.

    What lies a pixel or two beside is the same crack: the survey that lacks it is searched further.
    """
    return np.stack(
        [
            maximum_filter(line, 3),
            _log_odds(np.minimum(maximum_filter(has, 3), _SURE)),
            _log_odds(np.maximum(maximum_filter(lacks, 5), _NONE)),
        ]
    )


def line_responses(significance: Image) -> tuple[Image, Image]:
    """Return how much darker, and brighter, a line through each pixel is, in the direction where most.

    Than both its sides: than the one alone, an edge would be, too.
    """
    darker = np.full(significance.shape, -np.inf, dtype=np.float32)
    brighter = darker.copy()
    for sides in _kernels():
        left, right = (oaconvolve(significance, kernel, mode="same") for kernel in sides)
        np.maximum(darker, -np.maximum(left, right), out=darker)
        np.maximum(brighter, np.minimum(left, right), out=brighter)
    return darker, brighter


@cache
def _kernels() -> tuple[tuple[Image, Image], ...]:
    """Return a line less what lies on either side of it, in every direction; of one unit of noise each."""
    row, col = np.mgrid[-_REACH_PX : _REACH_PX + 1, -_REACH_PX : _REACH_PX + 1].astype(np.float32)
    made = []
    for number in range(_DIRECTIONS):
        turn = np.pi * number / _DIRECTIONS
        along, across = col * np.cos(turn) + row * np.sin(turn), row * np.cos(turn) - col * np.sin(turn)
        length = np.exp(-0.5 * (along / _ALONG_PX) ** 2)
        line = length * np.exp(-0.5 * (across / _ACROSS_PX) ** 2)
        sides = [length * np.exp(-0.5 * (across - at) ** 2) for at in (-_BESIDE_PX, _BESIDE_PX)]
        left, right = (line / line.sum() - side / side.sum() for side in sides)
        made.append((_of_one_unit(left), _of_one_unit(right)))
    return tuple(made)


def _of_one_unit(kernel: Image) -> Image:
    unit: Image = (kernel / np.linalg.norm(kernel)).astype(np.float32)
    return unit


def _log_odds(probability: Image) -> Image:
    kept = np.clip(probability, 0, 1)
    told: Image = np.log((kept + 0.01) / (1.01 - kept))
    return told
