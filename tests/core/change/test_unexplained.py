"""What a later picture shows and the earlier does not: light, focus and place are no change."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from segmentation_core.change.unexplained import MARGIN_PX, Left, left_over, noise_level

SIDE = 256


def paint(side=SIDE, seed=0):
    """Ornament: smooth fields and sharp edges."""
    random = np.random.default_rng(seed)
    field = gaussian_filter(random.normal(size=(side, side)), 6)
    edges = np.where(field > 0, 170.0, 90.0) + 200 * field
    return gaussian_filter(edges, 0.9).astype(np.float32)


def later(picture):
    """Another day: moved by a third of a pixel, softer, darker, flatter."""
    moved = shift(picture, (0.3, -0.25), order=3, mode="nearest")
    slope = np.linspace(0.85, 1.0, picture.shape[1])
    return (0.9 * slope * gaussian_filter(moved, 0.5) + 10).astype(np.float32)


def whole(shape=(SIDE, SIDE)):
    return np.ones(shape, dtype=bool)


def nowhere(shape=(SIDE, SIDE)):
    return np.zeros(shape, dtype=bool)


def inner(values):
    return values[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]


def test_light_focus_and_place_are_explained():
    before = paint()
    after = later(before)
    left = inner(left_over(before, after, whole(), nowhere()).residual)
    plain = inner(after - before)
    assert np.std(left) < 0.1 * np.std(plain)
    assert np.std(left) < 1.5


def test_a_new_line_is_left_with_its_depth():
    before = paint()
    crack = np.zeros((SIDE, SIDE), dtype=np.float32)
    crack[128, 90:160] = 30
    left = left_over(before, later(before) - crack, whole(), nowhere()).residual
    assert np.median(left[128, 95:155]) == pytest.approx(-30, rel=0.15)
    assert np.std(np.delete(inner(left), [64], axis=0)) < 3


def test_known_change_is_not_explained_and_spoils_nothing_around_it():
    before = paint()
    after = later(before)
    lost = nowhere()
    lost[100:150, 100:150] = True
    after[lost] = 230
    around = nowhere()
    around[85:165, 85:165] = True
    around &= ~lost
    masked = left_over(before, after, whole(), lost).residual
    bare = left_over(before, after, whole(), nowhere()).residual
    assert np.std(masked[around]) < 2
    assert np.std(masked[around]) < 0.2 * np.std(bare[around])
    assert np.median(masked[lost]) > 60


def test_where_one_picture_has_no_data_nothing_is_left():
    before = paint()
    seen = whole()
    seen[:, :100] = False
    left = left_over(before, np.where(seen, later(before), 0).astype(np.float32), seen, nowhere())
    assert not left.residual[~seen].any()
    assert np.std(left.residual[100:156, 110:156]) < 2


def test_a_window_tells_the_same_as_the_whole():
    before, after = paint(512), later(paint(512))
    every = left_over(before, after, whole((512, 512)), nowhere((512, 512))).residual
    place = np.s_[128:384, 128:384]
    part = left_over(before[place], after[place], whole(), nowhere()).residual
    assert inner(part) == pytest.approx(inner(every[place]), abs=1e-3)


@pytest.mark.parametrize("sigma", [2.0, 6.0])
def test_noise_is_told_and_makes_what_is_left_comparable(sigma):
    random = np.random.default_rng(5)
    before = paint()
    after = later(before) + random.normal(size=before.shape).astype(np.float32) * sigma
    left = left_over(before, after.astype(np.float32), whole(), nowhere())
    noise = noise_level([left])
    assert np.sqrt(noise.plain) == pytest.approx(sigma, rel=0.25)
    assert np.std(inner(noise.significance(left))) == pytest.approx(1, abs=0.2)


def test_noise_of_nothing_is_infinite_and_nothing_is_significant():
    empty = np.zeros((8, 8), dtype=np.float32)
    left = Left(empty + 3, empty, empty, np.zeros((8, 8), dtype=bool))
    assert not noise_level([left]).significance(left).any()
    assert not noise_level([]).significance(left).any()
