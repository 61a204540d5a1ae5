"""Where a network is in doubt, and a choice of places that differ."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_core.inference.doubt import doubt, various


def band(*values: int) -> np.ndarray:
    return np.array([values], np.uint8)


def test_doubt_is_greatest_at_one_half():
    assert doubt({"a": band(125, 125)}) == 1.0
    assert doubt({"a": band(0, 250)}) == 0.0
    assert doubt({"a": band(25), "b": band(0)}) == pytest.approx(4 * 0.1 * 0.9)


def test_the_doubtful_class_counts_and_nodata_does_not():
    assert doubt({"a": band(125, 255), "b": band(0, 255)}) == 1.0
    assert doubt({"a": band(255), "b": band(255)}) == 0.0


def test_alike_places_come_last():
    places = np.array([[0.0], [0.1], [10.0], [5.0]])
    assert various(places, np.array([1.0, 0.99, 0.9, 0.9]), 3) == [0, 2, 3]


def test_a_place_without_weight_comes_after_all_others():
    assert various(np.array([[0.0], [9.0], [1.0]]), np.array([1.0, 0.0, 0.5]), 2) == [0, 2]


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 1)), min_size=1, max_size=12), st.integers(1, 15))
def test_no_place_is_taken_twice(places, count):
    found = various(np.array([[p] for p, _ in places]), np.array([w for _, w in places]), count)
    assert len(found) == len(set(found)) == min(count, len(places))
    assert found[0] == int(np.argmax([w for _, w in places]))
