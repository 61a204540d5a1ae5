"""Matched stretches, against shapely's buffers and against probability."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from segmentation_core.change.courses import courses_of
from segmentation_core.change.density import chance_factor
from segmentation_core.change.matching import matched

EPS = 1.5
coordinate = st.floats(-8, 8, allow_nan=False).map(lambda value: round(value, 3))
segment = st.tuples(coordinate, coordinate, coordinate, coordinate).filter(
    lambda s: np.hypot(s[2] - s[0], s[3] - s[1]) > 0.5
)


def course(*lines):
    made = np.empty(len(lines), dtype=object)
    made[:] = [shapely.LineString(line) for line in lines]
    return courses_of(made)


@given(segment, segment)
def test_segments_match_exactly_inside_the_buffer_if_they_run_alike(one, two):
    a, b = course([one[:2], one[2:]]), course([two[:2], two[2:]])
    of_a, of_b = matched(a, b, EPS, 1.0)
    first, second = np.array(one[2:]) - one[:2], np.array(two[2:]) - two[:2]
    turn = np.degrees(np.arccos(min(abs(first @ second) / np.hypot(*first) / np.hypot(*second), 1)))
    if abs(turn - 25) < 0.1:
        return
    for own, other, found in ((a, b, of_a), (b, a, of_b)):
        around = shapely.buffer(other.lines[0], EPS, quad_segs=256)
        truth = own.lines[0].intersection(around).length if turn < 25 else 0.0
        assert found.stretches.lengths.sum() == pytest.approx(truth, abs=0.02)


def test_a_crack_that_crosses_matches_nothing():
    of_a, of_b = matched(course([(0, -5), (0, 5)]), course([(-5, 0), (5, 0)]), EPS, 1.0)
    assert of_a.stretches.lengths.sum() == of_b.stretches.lengths.sum() == 0


def test_the_partner_is_the_nearest_line():
    a = course([(0, 1), (20, 1)], [(0, -0.4), (20, -0.4)])
    _, of_b = matched(a, course([(0, 0), (20, 0)]), EPS, 1.0)
    assert set(of_b.partners.tolist()) == {1}


def test_a_ring_smaller_than_the_tolerance_keeps_its_length():
    tiny = course([(0, 0), (0.03, 0.03), (0, 0.05), (0, 0)], [(5, 0), (9, 0)])
    of_a, _ = matched(tiny, tiny, EPS, 1.0)
    assert of_a.stretches.lengths.sum() == pytest.approx(tiny.whole.lengths.sum())


def test_unrelated_cracks_hide_each_other_as_often_as_predicted():
    """Buffers around random lines, which the correction for chance divides by."""
    random = np.random.default_rng(4)

    def scattered(count, length, low, high):
        middle = random.uniform(low, high, (count, 1, 2))
        turn = random.uniform(0, np.pi, (count, 1))
        half = length / 2 * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        return course(*np.concatenate([middle - half, middle + half], axis=1))

    shares, eps = [], 3.0
    for _ in range(6):
        old, new = scattered(80, 400, 0, 1000), scattered(1000, 40, 300, 700)
        _, of_b = matched(old, new, eps, 1.0)
        shares.append(of_b.stretches.lengths.sum() / 40_000)
    assert np.mean(shares) == pytest.approx(1 - chance_factor(80 * 400 / 1000**2, eps), rel=0.1)
