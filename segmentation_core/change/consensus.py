"""The similarity or affine that most of the pairs agree with, whatever the others say (RANSAC)."""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["consensus"]

Points = NDArray[np.float64]

_LEAST_PAIRS = 8
_TRIALS = 3000
_CONFIDENCE = 1 - 1e-6


def consensus(
    b_px: Points, a_px: Points, kind: Literal["similarity", "affine"], tolerance_px: float
) -> tuple[Points, NDArray[np.bool_]] | None:
    """Return the mapping from B to A, (2, 3), and which pairs agree; None where fewer than eight do.

    Parameters
    ----------
    b_px, a_px : ndarray of float64, shape (N, 2)
        Pairs.
    kind : {"similarity", "affine"}
        What is fitted.
    tolerance_px : float
        How far in A a pair may be off and still agree.
    """
    # Here and not above: loading it takes a second, and most commands never register anything.
    from skimage.measure import ransac
    from skimage.transform import AffineTransform, SimilarityTransform

    if len(a_px) < _LEAST_PAIRS:
        return None
    model_class, smallest = (SimilarityTransform, 2) if kind == "similarity" else (AffineTransform, 3)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No inliers found", UserWarning)
        model, agree = ransac(  # type: ignore[no-untyped-call]
            (b_px, a_px),
            model_class,
            smallest,
            tolerance_px,
            max_trials=_TRIALS,
            stop_probability=_CONFIDENCE,
            rng=0,
        )
    if model is None or agree is None or agree.sum() < _LEAST_PAIRS:
        return None
    return np.asarray(model.params[:2], np.float64), np.asarray(agree, np.bool_)
