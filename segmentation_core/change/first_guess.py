"""Where B lies on A before anything is measured: by georeference where it fits, else by what they show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segmentation_core.change.global_match import features_match, verified
from segmentation_core.change.refusal import ComparedPair, is_turned, no_match
from segmentation_core.raster.georeference import same_crs
from segmentation_core.raster.orthophoto import Orthophoto

__all__ = ["first_guess", "georeferenced"]

Points = NDArray[np.float64]


def first_guess(pair: ComparedPair) -> tuple[Points, str]:
    """Return the affine from B to A, right to a few pixels of the overviews, and what it comes from.

    Raises
    ------
    RegistrationError
        Nothing fits; the message says why.
    """
    stated = georeferenced(pair.a, pair.b)
    if stated is not None:
        corrected = verified(pair.overview_a, pair.overview_b, stated)
        if corrected is not None:
            return corrected, "corners" if pair.a.grid.crs_wkt is None else "georeference"
    matched = features_match(pair.overview_a, pair.overview_b)
    if matched is not None and not is_turned(matched.similarity):
        corrected = verified(pair.overview_a, pair.overview_b, matched.similarity)
        if corrected is not None:
            return corrected, "features"
    raise no_match(pair)


def georeferenced(a: Orthophoto, b: Orthophoto) -> Points | None:
    """Return the affine from B to A by their georeference; two pictures without any share a corner."""
    if not same_crs(a.grid.crs_wkt, b.grid.crs_wkt):
        return None
    affine = ~a.grid.affine @ b.grid.affine
    return np.array([[affine.a, affine.b, affine.c], [affine.d, affine.e, affine.f]])
