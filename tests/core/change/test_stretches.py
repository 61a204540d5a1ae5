"""Sets of stretches, against counting on a fine grid."""

from __future__ import annotations

import itertools

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from segmentation_core.change.courses import courses_of, inside
from segmentation_core.change.stretches import Stretches, split, union, without

CELLS = np.arange(60) + 0.5

pairs = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)


def of(bounds) -> Stretches:
    low = np.array([min(pair) for pair in bounds], dtype=float)
    return union(low, np.array([max(pair) for pair in bounds], dtype=float))


def filled(bounds) -> np.ndarray:
    return np.array([any(min(p) < cell < max(p) for p in bounds) for cell in CELLS], dtype=bool)


@given(pairs)
def test_a_union_covers_what_any_covers_and_nothing_touches(bounds):
    found = of(bounds)
    assert (found.holds(CELLS) == filled(bounds)).all()
    assert (found.starts[1:] > found.stops[:-1]).all()
    assert found.lengths.sum() == filled(bounds).sum()


@given(pairs, pairs)
def test_a_difference_is_what_only_the_first_covers(these, those):
    found = without(of(these), of(those))
    assert (found.holds(CELLS) == (filled(these) & ~filled(those))).all()


@given(pairs, st.lists(st.integers(0, 60), max_size=8))
def test_cuts_lose_nothing(bounds, cuts):
    found = split(of(bounds), np.array(cuts, dtype=float))
    assert found.lengths.sum() == filled(bounds).sum()
    assert (found.holds(CELLS) == filled(bounds)).all()
    assert not any(((found.starts < cut) & (cut < found.stops)).any() for cut in cuts)


lines = st.lists(
    st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=2, max_size=6, unique=True),
    min_size=1,
    max_size=5,
)


@given(lines)
def test_inside_an_area_is_as_long_as_the_intersection(points):
    made = np.array([shapely.LineString(line) for line in points] + [None], dtype=object)[:-1]
    area = shapely.Polygon([(-9.5, -7.3), (8.1, -9.9), (11.7, 9.2), (-3.3, 12.6)], [[(0, 0), (4, 1), (1, 4)]])
    courses = courses_of(made)
    found = inside(courses, area)
    truth = sum(_drawn(line, area) for line in points)
    assert np.isclose(found.lengths.sum(), truth, rtol=1e-9, atol=1e-6)
    pieces = courses.cut(found)
    assert np.allclose(shapely.length(pieces), found.lengths)
    assert shapely.covers(shapely.buffer(area, 1e-6), pieces).all()


def _drawn(points, area) -> float:
    """Length inside, segment by segment: a line that runs twice over one place counts twice."""
    return sum(shapely.LineString(pair).intersection(area).length for pair in itertools.pairwise(points))


def test_a_whole_line_stays_that_very_line():
    line = shapely.LineString([(0, 0), (1, 0.5), (3, 0)])
    courses = courses_of(np.array([line, shapely.LineString([(0, 5), (4, 5)])], dtype=object))
    assert courses.cut(courses.whole)[0] is line
    half = courses.cut(Stretches(courses.begins[1:] + 1, courses.ends[1:]))
    assert shapely.equals(half[0], shapely.LineString([(1, 5), (4, 5)]))
