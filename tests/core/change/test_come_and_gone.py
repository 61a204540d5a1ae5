"""Whether a crack has come: a line in the difference, and what both networks say of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segmentation_core.change.come_and_gone import come_and_gone

SIDE = 96
ROW = np.s_[48, 20:76]


def scene(depth=0.0, earlier=0.0, later=0.0):
    """Noise of one unit with a line of some depth, and what the networks say along it."""
    significance = np.random.default_rng(2).normal(size=(SIDE, SIDE)).astype(np.float32)
    significance[47:49, 16:80] -= depth
    cracks = [np.zeros((SIDE, SIDE), dtype=np.float32) for _ in range(2)]
    for band, told in zip(cracks, (earlier, later), strict=True):
        band[47:49, 16:80] = told
    return significance, cracks, np.zeros((SIDE, SIDE), dtype=bool)


def median_along(told):
    return float(np.median(told[ROW]))


def test_a_line_that_the_later_network_half_believes_in_has_come():
    come, gone = come_and_gone(*scene(depth=4, earlier=0.02, later=0.2))
    assert median_along(come) > 0.8
    assert median_along(gone) < 0.05
    assert come[20:40].max() == 0, "no network sees a crack there"


def test_without_a_line_nothing_has_come_however_sure_the_networks_are():
    come, _ = come_and_gone(*scene(depth=0, earlier=0, later=1))
    assert median_along(come) < 0.2


def test_what_the_earlier_network_saw_needs_more_of_a_line():
    less, more = (median_along(come_and_gone(*scene(1.8, before, 0.5))[0]) for before in (0.6, 0.02))
    assert less < more - 0.15


def test_the_side_of_an_edge_is_no_line():
    significance, cracks, blind = scene(later=0.3)
    significance[48:] -= 5
    assert median_along(come_and_gone(significance, cracks, blind)[0]) < 0.2


def test_a_pixel_beside_is_the_same_crack():
    significance, cracks, blind = scene(depth=2.0, later=0.4)
    alone = median_along(come_and_gone(significance, cracks, blind)[0])
    cracks[0][50, 16:80] = 0.9
    assert median_along(come_and_gone(significance, cracks, blind)[0]) < alone - 0.2


def test_where_the_pictures_are_blind_the_networks_alone_say():
    significance, cracks, blind = scene(depth=8, earlier=0.02, later=0.05)
    assert median_along(come_and_gone(significance, cracks, blind)[0]) > 0.5
    assert median_along(come_and_gone(significance, cracks, ~blind)[0]) < 0.2
    significance, cracks, blind = scene(depth=0, earlier=0.0, later=0.9)
    assert median_along(come_and_gone(significance, cracks, ~blind)[0]) > 0.5


@given(
    arrays.arrays(np.float32, (24, 24), elements=st.floats(-8, 8, width=32)),
    arrays.arrays(np.float32, (2, 24, 24), elements=st.floats(0, 1, width=32)),
)
def test_coming_is_going_backwards(significance, cracks):
    blind = np.zeros((24, 24), dtype=bool)
    come, gone = come_and_gone(significance, list(cracks), blind)
    back_come, back_gone = come_and_gone(-significance, list(cracks[::-1]), blind)
    assert come == pytest.approx(back_gone, abs=1e-4)
    assert gone == pytest.approx(back_come, abs=1e-4)
    assert ((come >= 0) & (come <= 1)).all()
