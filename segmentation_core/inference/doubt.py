"""Where a network is in doubt, and which few places show most of it (RECOGNITION, section 5)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from segmentation_core.raster.probability import PROBABILITY_SCALE

__all__ = ["doubt", "various"]


def doubt(probabilities: Mapping[str, NDArray[np.uint8]]) -> float:
    """Return the mean doubt over pixels with data: 1 where a network says one half, 0 where it knows.

    Of several classes the doubtful one counts: 4 p (1 - p), the variance of a yes or no over its greatest.

    Parameters
    ----------
    probabilities : mapping of str to uint8 array (H, W)
        Class code to probability times `PROBABILITY_SCALE`; larger values are nodata.

    Examples
    --------
    >>> round(doubt({"craquelure": np.array([[125, 255], [0, 250]], np.uint8)}), 4)
    0.3333
    """
    given = np.stack(list(probabilities.values()))
    known = (given <= PROBABILITY_SCALE).all(axis=0)
    if not known.any():
        return 0.0
    p = given[:, known].astype(np.float32) / PROBABILITY_SCALE
    return float((4 * p * (1 - p)).max(axis=0).mean())


def various(descriptions: NDArray[np.floating], weights: NDArray[np.floating], count: int) -> list[int]:
    """Return the indices of ``count`` places that differ from one another, weighty ones before others.

    The first is the weightiest; each further one has the largest product of its weight and its distance to
    the nearest one taken, so that neither ten views of one doubt nor ten quiet places come out.

    Parameters
    ----------
    descriptions : array (N, D)
        What each place looks like; scaled here, so that every column counts alike.
    weights : array (N,)
        0 or more.
    count : int
        At most so many.
    """
    spread = descriptions.std(axis=0)
    scaled = (descriptions - descriptions.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    nearest = np.full(len(scaled), np.inf)
    taken: list[int] = []
    while len(taken) < min(count, len(scaled)):
        gain = weights * (nearest if taken else np.ones(len(scaled)))
        gain[taken] = -1.0
        best = int(np.argmax(gain))
        taken.append(best)
        nearest = np.minimum(nearest, np.linalg.norm(scaled - scaled[best], axis=1))
    return taken
