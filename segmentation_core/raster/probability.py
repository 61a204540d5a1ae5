"""Probabilities as small integers, and the classes that pass their thresholds.

A probability raster holds round(250 p) in 0-250 per class and 255 where there is no data. A class passes
where that integer is at least ceil(250 t), so that a raster and its thresholds give one answer everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from segmentation_core.errors import ParameterError
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["PROBABILITY_SCALE", "class_values", "quantised", "smallest_passing"]

PROBABILITY_SCALE = 250
_ROUNDING = 1e-9


def quantised(probabilities: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return probabilities (K, h, w) as integers 0-250, 255 where not valid (h, w).

    Examples
    --------
    >>> quantised(np.array([[[0.0, 0.5, 1.0, 0.7]]], dtype=np.float32), np.array([[True, True, True, False]]))
    array([[[  0, 125, 250, 255]]], dtype=uint8)
    """
    scaled = np.rint(probabilities * np.float32(PROBABILITY_SCALE))
    np.clip(scaled, 0, PROBABILITY_SCALE, out=scaled)
    values: NDArray[np.uint8] = scaled.astype(np.uint8)
    values[:, ~valid] = load_vocabulary().nodata_value
    return values


def smallest_passing(threshold: float) -> int:
    """Return the smallest quantised probability that passes a threshold in 0..1.

    Raises
    ------
    ParameterError
        The threshold is not in 0..1.

    Examples
    --------
    >>> smallest_passing(0.5), smallest_passing(0.501)
    (125, 126)
    """
    if not 0 <= threshold <= 1:
        raise ParameterError(f"a threshold of {threshold} is impossible", remedy="Use 0 to 1")
    return math.ceil(PROBABILITY_SCALE * threshold - _ROUNDING)


def class_values(probabilities: NDArray[np.uint8], thresholds: Mapping[str, float]) -> NDArray[np.uint8]:
    """Return the class raster of quantised probabilities.

    Parameters
    ----------
    probabilities : ndarray of uint8, shape (K, h, w)
        In the vocabulary's order, 255 where there is no data.
    thresholds : mapping
        Class code to threshold in 0..1.

    Returns
    -------
    ndarray of uint8, shape (h, w)
        The vocabulary's values; where several classes pass, the one that wins over the others.
    """
    vocabulary = load_vocabulary()
    bands = dict(zip(vocabulary.codes, probabilities, strict=True))
    values = np.full(probabilities.shape[1:], vocabulary.background_value, dtype=np.uint8)
    for defect in vocabulary.drawing_order:
        values[bands[defect.code] >= smallest_passing(thresholds[defect.code])] = defect.value
    values[probabilities[0] == vocabulary.nodata_value] = vocabulary.nodata_value
    return values
