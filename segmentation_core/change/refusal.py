"""Why two pictures cannot be registered, and what to do: looked into only once it has failed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from segmentation_core.change.global_match import Overview, features_match, rotation_deg
from segmentation_core.change.picture import brightness
from segmentation_core.errors import RegistrationError
from segmentation_core.raster.grid import Window
from segmentation_core.raster.orthophoto import Orthophoto

__all__ = ["ComparedPair", "detail_px", "is_turned", "misplaced", "no_match", "not_enough", "too_coarse"]

_SAMPLES = 4
_SAMPLE_PX = 256
_NOISE_BLUR_PX = 1.5
_BLURRED_FROM_PX = 5.0
_LARGEST_ROTATION_DEG = 10.0
_BY_CHANCE = 12
_CLEARLY = 3
"""The two ends of one beam agree in 33 features mirrored and 27 upright, a mirrored picture in 580 and 15."""


@dataclass(frozen=True, eq=False)
class ComparedPair:
    """Two orthophotos, and overviews of them."""

    a: Orthophoto
    b: Orthophoto
    overview_a: Overview
    overview_b: Overview


def misplaced(pair: ComparedPair) -> RegistrationError | None:
    """Return the refusal of a picture that is turned or mirrored; None if it is neither.

    Painted beams are nearly their own mirror images, so that the wrong way round matches a little too.
    """
    overviews = pair.overview_a, pair.overview_b
    upright, flipped = (features_match(*overviews, mirrored=m) for m in (False, True))
    chance = max(_BY_CHANCE, 0 if upright is None else upright.agreeing)
    if flipped is not None and flipped.agreeing > _CLEARLY * chance:
        return RegistrationError(
            f"the picture is mirrored against {pair.a.path}",
            path=pair.b.path,
            remedy="Flip it and compare again",
        )
    if upright is None or upright.agreeing <= _CLEARLY * _BY_CHANCE or not is_turned(upright.similarity):
        return None
    angle = rotation_deg(upright.similarity)
    it_is, do = ("counter-clockwise", "clockwise") if angle > 0 else ("clockwise", "counter-clockwise")
    return RegistrationError(
        f"the picture is turned by {abs(angle):.0f} degrees {it_is} against {pair.a.path}",
        path=pair.b.path,
        remedy=f"Turn it {do} by {abs(angle):.0f} degrees and compare again",
    )


def is_turned(affine: NDArray[np.float64]) -> bool:
    """Say whether an affine turns by more than two pictures of one element ever differ."""
    return abs(rotation_deg(affine)) > _LARGEST_ROTATION_DEG


def no_match(pair: ComparedPair) -> RegistrationError:
    """Return the refusal of pictures that have nothing in common at first sight."""
    return (
        _blurred(pair)
        or misplaced(pair)
        or RegistrationError(
            f"no overlap with {pair.a.path} was found, by georeference or by what they show",
            path=pair.b.path,
            remedy="Check that both show the same element, and give them the same CRS or crop them alike",
        )
    )


def not_enough(pair: ComparedPair, agreeing: int, compared: int) -> RegistrationError:
    """Return the refusal of pictures whose windows do not agree on one mapping."""
    return (
        _blurred(pair)
        or misplaced(pair)
        or RegistrationError(
            f"only {agreeing} of {compared} places that hold paint were found again where the others put"
            f" them, against {pair.a.path}",
            path=pair.b.path,
            remedy="Check that both show the same element sharply, and crop them to it",
        )
    )


def too_coarse(pair: ComparedPair, sigma_px: float, largest_px: float) -> RegistrationError:
    """Return the refusal of a mapping that cannot be trusted."""
    return misplaced(pair) or RegistrationError(
        f"the mapping to {pair.a.path} is uncertain by {sigma_px:.2g} px, more than the {largest_px:g} px"
        " allowed",
        path=pair.b.path,
        remedy="Check that both show the same element (one painted from the same stencil fits about so well),"
        " or make the orthophotos from sharper photographs or with better control points",
    )


def detail_px(orthophoto: Orthophoto) -> float:
    """Return the size of the finest detail, px: for an edge, the standard deviation of its blur.

    The root of brightness's variance over that of its slope, in the sharpest of sixteen windows; each is
    smoothed a little first, so that the camera's noise is not taken for detail.
    """
    grid = orthophoto.grid
    side_y, side_x = min(_SAMPLE_PX, grid.height), min(_SAMPLE_PX, grid.width)
    finest = np.inf
    for row in np.linspace(0, grid.height - side_y, _SAMPLES).astype(int):
        for col in np.linspace(0, grid.width - side_x, _SAMPLES).astype(int):
            rgb, valid = orthophoto.read(Window(int(row), int(col), side_y, side_x))
            if not valid.all():
                continue
            grey = gaussian_filter(brightness(rgb), _NOISE_BLUR_PX)
            fine = grey - gaussian_filter(grey, 8.0)
            slope = np.stack(np.gradient(fine))
            if float(fine.std()) > 0.5:
                finest = min(finest, float(np.sqrt((fine**2).sum() / (slope**2).sum())))
    return finest


def _blurred(pair: ComparedPair) -> RegistrationError | None:
    for orthophoto in (pair.a, pair.b):
        if detail_px(orthophoto) > _BLURRED_FROM_PX:
            return RegistrationError(
                "the picture is too blurred to be compared: it shows nothing finer than"
                f" {_BLURRED_FROM_PX:g} px",
                path=orthophoto.path,
                remedy="Make the orthophoto again from sharp photographs",
            )
    return None
