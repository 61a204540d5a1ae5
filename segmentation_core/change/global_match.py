"""Where B lies on A when nobody says so, or what is said is wrong: found on overviews of half a megapixel.

Features (SIFT: Lowe 2004, Int. J. Computer Vision 60) and a similarity that most of them agree with; then, as
for a georeference, windows of the overviews must be found where the guess says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from segmentation_core.change.consensus import consensus
from segmentation_core.change.picture import ArrayPicture, Patch, brightness
from segmentation_core.change.tie_points import tie_points, window_grid
from segmentation_core.change.warp import Warp
from segmentation_core.errors import RegistrationError
from segmentation_core.progress import silent
from segmentation_core.raster.orthophoto import Orthophoto

__all__ = ["FeatureMatch", "Overview", "features_match", "read_overview", "rotation_deg", "verified"]

Points = NDArray[np.float64]
Features = tuple[Points, NDArray[np.uint8]]
"""Places (x, y) in pixels of an overview, (N, 2), and descriptors (N, 128)."""

_OVERVIEW_PX = 0.5e6
_HIGH_PASS_PX = 12.0
_LEAST_CONTRAST_LEVELS = 1.0
_LEAST_VALID_PX = 64 * 64
_LEAST_FEATURES = 12
_FEATURE_TOLERANCE_PX = 3.0
_MOST_FEATURES = 4000
_WINDOW_TOLERANCE_PX = 3.0
_LEAST_SHARE_AGREEING = 0.4
_LEAST_AGREEING = 8


@dataclass(frozen=True, eq=False)
class Overview:
    """A whole picture, averaged down.

    Attributes
    ----------
    picture : ArrayPicture
    scale : ndarray of float64, shape (2,)
        Pixels of the working grid in one of the overview, x and y.
    """

    picture: ArrayPicture
    scale: Points

    @property
    def factor(self) -> float:
        """Pixels of the working grid in one of the overview."""
        return float(self.scale.max())

    @cached_property
    def features(self) -> Features | None:
        """Features of the picture; None where it has none."""
        return _features(self._textured())

    @cached_property
    def mirrored_features(self) -> Features | None:
        """Features of the mirror image, left and right exchanged."""
        return _features(np.ascontiguousarray(self._textured()[:, ::-1]))

    def _textured(self) -> NDArray[np.float32]:
        """Return the high-passed picture, 0 to 1, flat where nothing is valid."""
        patch = self.picture.patch
        weight = patch.valid.astype(np.float32)
        share = np.maximum(gaussian_filter(weight, _HIGH_PASS_PX), np.float32(1e-3))
        detail = (patch.grey - gaussian_filter(patch.grey * weight, _HIGH_PASS_PX) / share) * weight
        spread = float(detail.std()) or 1.0
        even: NDArray[np.float32] = np.clip(0.5 + detail / (8 * spread), 0, 1)
        return even


def read_overview(orthophoto: Orthophoto) -> Overview:
    """Average an orthophoto down to half a megapixel.

    Raises
    ------
    RegistrationError
        There is nothing on it: no valid pixels, or all of one brightness.
    RasterError
        The pixels cannot be read.
    """
    rgb, valid = orthophoto.overview(_OVERVIEW_PX)
    grey = brightness(rgb)
    path = orthophoto.path
    if np.count_nonzero(valid) < min(_LEAST_VALID_PX, valid.size / 2):
        raise RegistrationError(
            "the picture has next to no valid pixels", path=path, remedy="Give the orthophoto of the element"
        )
    if float(grey[valid].std()) < _LEAST_CONTRAST_LEVELS:
        raise RegistrationError(
            "the picture is blank: all of one brightness",
            path=path,
            remedy="Give the orthophoto of the element",
        )
    native = orthophoto.native_grid
    size = np.array([native.width, native.height]) / orthophoto.factor
    return Overview(ArrayPicture(Patch(grey, valid, None)), size / (grey.shape[1], grey.shape[0]))


def verified(a: Overview, b: Overview, guess: Points) -> Points | None:
    """Correct a guess by finding windows of A's overview in B's.

    Parameters
    ----------
    a, b : Overview
        Of the two pictures.
    guess : ndarray of float64, shape (2, 3)
        Pixels of B to pixels of A.

    Returns
    -------
    ndarray of float64, shape (2, 3), or None
        None where too few windows are found near where the guess says.
    """
    warp = Warp.plain(guess)
    grid = window_grid(a.picture.height, a.picture.width)

    def to_b(points: Points) -> Points:
        return np.asarray(warp.to_b(points * a.scale) / b.scale)

    found = tie_points(
        a.picture, b.picture, to_b, grid, reach_px=grid.side_px / 3, final=False, told=(silent, "")
    )
    fitted = consensus(found.b_px * b.scale, found.a_px * a.scale, "affine", _WINDOW_TOLERANCE_PX * a.factor)
    if fitted is None:
        return None
    affine, agree = fitted
    if agree.sum() < max(_LEAST_AGREEING, _LEAST_SHARE_AGREEING * found.textured):
        return None
    return affine


@dataclass(frozen=True, eq=False)
class FeatureMatch:
    """What matching features gives.

    Attributes
    ----------
    similarity : ndarray of float64, shape (2, 3)
        Pixels of B to pixels of A.
    agreeing : int
        Features that agree with it.
    """

    similarity: Points
    agreeing: int


def features_match(a: Overview, b: Overview, *, mirrored: bool = False) -> FeatureMatch | None:
    """Match features; None where too few agree.

    Parameters
    ----------
    a, b : Overview
        Of the two pictures.
    mirrored : bool
        Match B's mirror image, left and right exchanged, in its place.
    """
    matched = _matched(a.features, b.mirrored_features if mirrored else b.features)
    if matched is None:
        return None
    model, agree = matched
    # Overviews of pictures with unequal sides have pixels that are not quite square.
    to_overview_b = np.diag([*(1 / b.scale), 1.0])
    return FeatureMatch(np.diag(a.scale) @ model @ to_overview_b, int(agree.sum()))


def rotation_deg(affine: Points) -> float:
    """Return the angle by which an affine turns, degrees: of the rotation nearest to it.

    Examples
    --------
    >>> rotation_deg(np.array([[0.0, -1.0, 5.0], [1.0, 0.0, 0.0]]))
    90.0
    """
    return math.degrees(math.atan2(affine[1, 0] - affine[0, 1], affine[0, 0] + affine[1, 1]))


def _matched(a: Features | None, b: Features | None) -> tuple[Points, NDArray[np.bool_]] | None:
    from skimage.feature import match_descriptors

    if a is None or b is None:
        return None
    (places_a, descriptors_a), (places_b, descriptors_b) = a, b
    pairs = match_descriptors(  # type: ignore[no-untyped-call]
        descriptors_a, descriptors_b, max_ratio=0.8, cross_check=True
    )
    if len(pairs) < _LEAST_FEATURES:
        return None
    fitted = consensus(places_b[pairs[:, 1]], places_a[pairs[:, 0]], "similarity", _FEATURE_TOLERANCE_PX)
    if fitted is None or fitted[1].sum() < _LEAST_FEATURES:
        return None
    return fitted


def _features(picture: NDArray[np.float32]) -> Features | None:
    from skimage.feature import SIFT

    sift = SIFT(upsampling=1)  # type: ignore[no-untyped-call]
    try:
        sift.detect_and_extract(picture)  # type: ignore[no-untyped-call]
    except RuntimeError:  # what SIFT raises when it finds no features
        return None
    kept = slice(0, _MOST_FEATURES)
    places, descriptors = np.asarray(sift.keypoints), np.asarray(sift.descriptors)
    return places[kept, ::-1] + 0.5, descriptors[kept]
