"""When registration refuses, and in which words."""

import numpy as np
import pytest
from shots import Shot, photographed

from segmentation_core.change.registration import register
from segmentation_core.errors import CraquelureError, RegistrationError

WHOLE = Shot(760, 560, (100.0, 60.0))
PART = Shot(660, 480, (140.0, 90.0))


@pytest.fixture
def photo_a(scene, opened):
    return opened("a.tif", photographed(scene, WHOLE, 1))


@pytest.fixture
def later(scene):
    """The later picture's bands."""
    return photographed(scene, PART, 2)


def refusal(photo_a, photo_b):
    with pytest.raises(RegistrationError) as caught:
        register(photo_a, photo_b)
    assert isinstance(caught.value, CraquelureError)
    assert caught.value.remedy
    assert str(photo_b.path) == caught.value.path
    return str(caught.value)


@pytest.mark.parametrize(
    ("quarters", "words"),
    [
        (1, "turned by 90 degrees counter-clockwise"),
        (2, "turned by 180 degrees"),
        (3, "by 90 degrees clockwise"),
    ],
)
def test_a_turned_picture(quarters, words, photo_a, later, opened):
    photo_b = opened("b.tif", np.ascontiguousarray(np.rot90(later, quarters, (1, 2))))
    message = refusal(photo_a, photo_b)
    assert words in message
    assert str(photo_a.path) in message


@pytest.mark.parametrize("axis", [1, 2])
def test_a_mirrored_picture(axis, photo_a, later, opened):
    message = refusal(photo_a, opened("b.tif", np.ascontiguousarray(np.flip(later, axis))))
    assert "mirrored" in message
    assert "Flip" in message


def test_a_blank_picture(photo_a, opened):
    assert "blank" in refusal(photo_a, opened("b.tif", np.full((3, 480, 660), 120, np.uint8)))


def test_a_picture_without_data(photo_a, opened):
    message = refusal(photo_a, opened("b.tif", np.zeros((3, 480, 660), np.uint8), nodata=0))
    assert "no valid pixels" in message


def test_a_hopelessly_blurred_picture(scene, photo_a, opened):
    shot = Shot(660, 480, (140.0, 90.0), blur_px=12.0)
    assert "blurred" in refusal(photo_a, opened("b.tif", photographed(scene, shot, 2)))


def test_no_overlap(scene, photo_a, opened):
    """Two ends of a beam with the same ornament: it matches, but not to a pixel."""
    elsewhere = Shot(400, 480, (960.0, 90.0))
    message = refusal(photo_a, opened("b.tif", photographed(scene, elsewhere, 2), corner_m=(0.215, -0.01)))
    assert "Check that both show the same element" in message
    assert str(photo_a.path) in message


def test_a_picture_of_something_else(photo_a, opened):
    noise = np.random.default_rng(3).integers(0, 255, (3, 480, 660)).astype(np.uint8)
    assert "Check that both show the same element" in refusal(photo_a, opened("b.tif", noise))


def test_too_little_in_common(scene, photo_a, opened):
    sliver = Shot(130, 130, (400.0, 300.0))
    message = refusal(photo_a, opened("b.tif", photographed(scene, sliver, 2), corner_m=(0.075, -0.06)))
    assert "no overlap" in message or "places that hold paint" in message


def test_a_mapping_too_uncertain(scene, photo_a, opened):
    """A distortion in waves shorter than the windows leaves each of them with an average."""
    bent = Shot(660, 480, (140.0, 90.0), warp_px=5.0, warp_wave_px=130.0)
    message = refusal(photo_a, opened("b.tif", photographed(scene, bent, 2), corner_m=(0.01, -0.0075)))
    assert "uncertain" in message or "places that hold paint" in message or "no overlap" in message
