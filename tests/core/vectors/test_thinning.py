"""Guo-Hall thinning: the same as scikit-image's, and honest about what a window cannot know."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.morphology import thin as reference

from segmentation_core.vectors.thinning import thin


def blobs(seed: int, sigma: float, share: float, shape=(90, 110)) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=shape)
    noise = gaussian_filter(noise, sigma) if sigma else noise
    return noise > np.quantile(noise, 1 - share)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from([0, 0.7, 1.5, 3]), st.floats(0.05, 0.95))
def test_equals_scikit_image(seed, sigma, share):
    mask = blobs(seed, sigma, share)
    skeleton, unsure = thin(mask)
    assert np.array_equal(skeleton, reference(mask))
    assert not unsure.any()


@settings(max_examples=60)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0, 0.7, 1.5, 3]),
    st.floats(0.05, 0.95),
    st.tuples(st.integers(0, 50), st.integers(0, 60), st.integers(1, 40), st.integers(1, 50)),
)
def test_what_a_window_is_sure_of_is_what_the_whole_gives(seed, sigma, share, window):
    mask = blobs(seed, sigma, share)
    row, col, height, width = window
    part = np.s_[row : row + height, col : col + width]
    skeleton, unsure = thin(mask[part], np.zeros(mask[part].shape, bool))
    whole = reference(mask)[part]
    assert np.array_equal(skeleton[~unsure], whole[~unsure])


def test_doubt_stays_near_the_edge():
    mask = blobs(3, 3, 0.5, (300, 300))
    _, unsure = thin(mask, np.zeros(mask.shape, bool))
    assert not (unsure & mask)[40:-40, 40:-40].any()


def test_unsure_pixels_spread_doubt():
    bar = np.zeros((9, 40), bool)
    bar[2:7, 2:38] = True
    unsure = np.zeros_like(bar)
    unsure[2:7, 18:22] = True
    assert thin(bar, unsure)[1][4, 16]


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_position_does_not_matter(shift):
    """The two sub-iterations look at neighbours alone: no checkerboard of even and odd rows."""
    mask = blobs(7, 1.2, 0.4)
    moved = np.pad(mask, ((shift[0], 1), (shift[1], 1)))
    skeleton = thin(moved)[0][shift[0] : shift[0] + mask.shape[0], shift[1] : shift[1] + mask.shape[1]]
    assert np.array_equal(skeleton, thin(mask)[0])


def test_diagonal_staircase_survives():
    """Trap 1: Zhang's thinning erases a diagonal stroke of 2 px."""
    stairs = np.zeros((44, 44), bool)
    for step in range(40):
        stairs[step + 1, step + 1 : step + 3] = True
    assert thin(stairs)[0].sum() >= 39
