"""Why two pictures cannot be registered, and what to do: looked into only once it has failed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from segmentation_core.change.global_match import Overview, is_mirrored
from segmentation_core.change.picture import brightness
from segmentation_core.errors import RegistrationError
from segmentation_core.raster.grid import Window
from segmentation_core.raster.orthophoto import Orthophoto

__all__ = ["detail_px", "no_match", "not_enough", "too_coarse", "turned"]

_SAMPLES = 4
_SAMPLE_PX = 256
_NOISE_BLUR_PX = 1.5
_BLURRED_FROM_PX = 5.0


def turned(path_a: Path, path_b: Path, angle_deg: float) -> RegistrationError:
    """Return the refusal of a picture that stands on its side or its head."""
    return RegistrationError(
        f"the picture is turned by {-angle_deg:.0f} degrees against {path_a}",
        path=path_b,
        remedy=f"Turn it by {angle_deg:.0f} degrees (positive is clockwise) and compare again",
    )


def no_match(a: Orthophoto, b: Orthophoto, overview_a: Overview, overview_b: Overview) -> RegistrationError:
    """Return the refusal of pictures that have nothing in common at first sight."""
    blurred = _blurred(a, b)
    if blurred is not None:
        return blurred
    if is_mirrored(overview_a, overview_b):
        return RegistrationError(
            f"the picture is mirrored against {a.path}", path=b.path, remedy="Flip it and compare again"
        )
    return RegistrationError(
        f"no overlap with {a.path} was found, by georeference or by what they show",
        path=b.path,
        remedy="Check that both show the same element, and give them the same CRS or crop them alike",
    )


def not_enough(a: Orthophoto, b: Orthophoto, agreeing: int, compared: int) -> RegistrationError:
    """Return the refusal of pictures whose windows do not agree on one mapping."""
    blurred = _blurred(a, b)
    if blurred is not None:
        return blurred
    return RegistrationError(
        f"only {agreeing} of {compared} places that hold paint were found again where the others put them,"
        f" against {a.path}",
        path=b.path,
        remedy="Check that both show the same element sharply, and crop them to it",
    )


def too_coarse(path_a: Path, path_b: Path, sigma_px: float, largest_px: float) -> RegistrationError:
    """Return the refusal of a mapping that cannot be trusted."""
    return RegistrationError(
        f"the mapping to {path_a} is uncertain by {sigma_px:.2g} px, more than the {largest_px:g} px allowed",
        path=path_b,
        remedy="Make both orthophotos from sharper photographs or with better control points",
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


def _blurred(a: Orthophoto, b: Orthophoto) -> RegistrationError | None:
    for orthophoto in (a, b):
        if detail_px(orthophoto) > _BLURRED_FROM_PX:
            return RegistrationError(
                "the picture is too blurred to be compared: it shows nothing finer than"
                f" {_BLURRED_FROM_PX:g} px",
                path=orthophoto.path,
                remedy="Make the orthophoto again from sharp photographs",
            )
    return None
