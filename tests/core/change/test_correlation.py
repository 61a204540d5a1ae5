"""Shifts of textures whose shift is known exactly: band-limited noise, moved in the Fourier domain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import fourier_shift, gaussian_filter

from segmentation_core.change.correlation import flattened, shift_between

SIDE = 256


def texture(seed):
    noise = np.random.default_rng(seed).normal(0, 1, (SIDE, SIDE))
    return (gaussian_filter(noise, 1.2, mode="wrap") * 60 + 120).astype(np.float32)


def moved(picture, x, y):
    """Return the picture whose content lies x, y further."""
    return np.fft.ifft2(fourier_shift(np.fft.fft2(picture), (y, x))).real.astype(np.float32)


def flat(picture):
    return flattened(picture, np.ones(picture.shape, np.float32))


@settings(max_examples=25)
@given(x=st.floats(-3, 3), y=st.floats(-3, 3), seed=st.integers(0, 3))
def test_small_shifts(x, y, seed):
    picture = texture(seed)
    shift = shift_between(flat(moved(picture, x, y)), flat(picture), 10)
    # The taper does not move with the paint, so a shift reads a little short; a second round has none left.
    assert shift.x_px == pytest.approx(x, abs=0.02 + 0.03 * abs(x))
    assert shift.y_px == pytest.approx(y, abs=0.02 + 0.03 * abs(y))
    assert shift.correlation > 0.85


def test_noise_stays_within_its_expected_error():
    picture, rng = texture(1), np.random.default_rng(8)
    scores = []
    for _ in range(40):
        noisy = [
            p + rng.normal(0, 5, p.shape).astype(np.float32) for p in (moved(picture, 0.3, -0.2), picture)
        ]
        shift = shift_between(flat(noisy[0]), flat(noisy[1]), 5)
        scores.append(((shift.x_px - 0.3) / shift.sigma_px[0], (shift.y_px + 0.2) / shift.sigma_px[1]))
    assert 0.2 < np.sqrt(np.mean(np.square(scores))) < 1.5


def test_light_and_contrast_do_not_shift():
    picture = texture(2)
    ramp = np.linspace(0.5, 1.2, SIDE, dtype=np.float32)[None, :]
    shift = shift_between(flat(picture * ramp + 20), flat(picture), 5)
    assert abs(shift.x_px) < 0.01
    assert abs(shift.y_px) < 0.01


def test_nothing_in_common_is_told_from_the_same():
    same = shift_between(flat(texture(0)), flat(texture(0)), 20)
    other = shift_between(flat(texture(0)), flat(texture(1)), 20)
    assert same.correlation == pytest.approx(1, abs=1e-4)
    assert other is None or (other.correlation < 0.1 and other.rival > 0.6)


def test_an_ornament_that_repeats_has_a_rival():
    beads = np.tile(texture(0)[:16, :16], (16, 16))
    assert shift_between(flat(beads), flat(beads), 40).rival > 0.8


def test_a_single_line_is_uncertain_along_itself():
    line = np.full((SIDE, SIDE), 120.0)
    line[120:126] += 80
    noise = np.random.default_rng(0).normal(0, 2, (2, SIDE, SIDE))
    one, other = ((line + n).astype(np.float32) for n in noise)
    shift = shift_between(flat(one), flat(other), 10)
    assert shift is None or shift.sigma_px[0] > 5 * shift.sigma_px[1]


def test_flat_paint_has_no_texture():
    grey = np.full((SIDE, SIDE), 100, np.float32) + np.random.default_rng(0).normal(0, 0.5, (SIDE, SIDE))
    assert flattened(grey.astype(np.float32), np.ones((SIDE, SIDE), np.float32)) is None
    assert flattened(texture(0), np.zeros((SIDE, SIDE), np.float32)) is None
