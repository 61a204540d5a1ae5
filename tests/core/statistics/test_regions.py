from __future__ import annotations

import numpy as np
import pytest
import shapely
import shapely.ops
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_core.statistics.regions import Regions, assessed_regions, overlapping

GROUND = shapely.box(0, 0, 20, 20)
coordinate = st.integers(0, 20)
point = st.tuples(coordinate, coordinate)
cut = st.tuples(point, point).filter(lambda ends: ends[0] != ends[1])
anywhere = st.floats(0, 20, width=32)
free_line = st.tuples(st.tuples(anywhere, anywhere), st.tuples(anywhere, anywhere)).filter(
    lambda ends: abs(ends[0][0] - ends[1][0]) + abs(ends[0][1] - ends[1][1]) > 0.01
)
lattice_cut = st.tuples(point, st.sampled_from([(1, 0), (0, 1), (1, 1), (1, -1)])).map(
    lambda c: (c[0], (c[0][0] + c[1][0], c[0][1] + c[1][1]))
)
"""Lines that meet at multiples of a half, which floats hold exactly: they can coincide with features."""


def lines_of(*lines):
    return np.array([shapely.LineString(line) for line in lines], dtype=object)


def partition(cuts):
    """Return GROUND cut into polygons by straight lines."""
    edges = [GROUND.boundary]
    for (x0, y0), (x1, y1) in cuts:
        dx, dy = x1 - x0, y1 - y0
        edges.append(shapely.LineString([(x0 - 30 * dx, y0 - 30 * dy), (x1 + 30 * dx, y1 + 30 * dy)]))
    pieces = shapely.ops.polygonize(shapely.unary_union(edges))
    return np.array([p for p in pieces if GROUND.covers(p.representative_point())], dtype=object)


@settings(max_examples=80)
@given(
    st.one_of(
        st.tuples(st.lists(lattice_cut, max_size=5), st.lists(cut, min_size=1, max_size=10)),
        st.tuples(st.lists(cut, max_size=5), st.lists(free_line, min_size=1, max_size=10)),
    )
)
def test_parts_over_a_partition_add_up_to_the_whole(drawn):
    cuts, segments = drawn
    regions, whole = Regions(partition(cuts)), Regions(np.array([GROUND], dtype=object))
    lines = lines_of(*segments)
    for parts, total in (
        (regions.lengths_of(lines), whole.lengths_of(lines)),
        (regions.areas_of(shapely.buffer(lines, 1)), whole.areas_of(shapely.buffer(lines, 1))),
    ):
        sums = np.bincount(parts.features, weights=parts.amounts, minlength=len(lines))
        expected = np.bincount(total.features, weights=total.amounts, minlength=len(lines))
        assert sums == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_line_along_a_shared_border_counts_once_in_all():
    regions = Regions(np.array([shapely.box(0, 0, 5, 4), shapely.box(5, 0, 9, 4)], dtype=object))
    parts = regions.lengths_of(lines_of([(5, 1), (5, 3)]))
    assert parts.regions.tolist() == [0, 1]
    assert parts.amounts.tolist() == [1.0, 1.0]


def test_touching_is_not_being_inside():
    regions = Regions(np.array([shapely.box(0, 0, 5, 4)], dtype=object))
    assert len(regions.areas_of(np.array([shapely.box(5, 0, 6, 1)], dtype=object)).features) == 0
    assert len(regions.lengths_of(lines_of([(5, 1), (9, 1)])).features) == 0


def test_an_invalid_polygon_is_measured_repaired():
    bow_tie = shapely.Polygon([(-1, 0), (1, 2), (1, 0), (-1, 2)])
    regions = Regions(np.array([shapely.box(0, 0, 5, 4)], dtype=object))
    assert regions.areas_of(np.array([bow_tie], dtype=object)).amounts == pytest.approx([1.0])


def test_home_is_the_largest_part():
    regions = Regions(np.array([shapely.box(0, 0, 5, 4), shapely.box(5, 0, 9, 4)], dtype=object))
    parts = regions.lengths_of(lines_of([(4, 1), (7, 1)], [(1, 1), (2, 1)], [(20, 1), (21, 1)]))
    assert parts.largest(3).tolist() == [1, 0, -1]


def test_regions_stay_inside_the_assessed_area():
    outlines = np.array([shapely.box(0, 0, 4, 4), shapely.box(30, 0, 40, 4)], dtype=object)
    regions = assessed_regions(outlines, shapely.box(2, 0, 20, 20).difference(shapely.box(3, 0, 3.5, 1)))
    assert regions.areas.tolist() == pytest.approx([7.5, 0])


def test_overlap_is_named():
    squares = np.array(
        [shapely.box(0, 0, 4, 4), shapely.box(3, 0, 6, 4), shapely.box(6, 0, 9, 4)], dtype=object
    )
    assert overlapping(["a", "b", "c"], squares) == [
        "elements overlap, and what lies in both counts in both: a and b"
    ]
    assert overlapping(["b", "c"], squares[1:]) == []


@settings(max_examples=40)
@given(st.lists(st.tuples(point, st.integers(1, 4)), min_size=1, max_size=12), st.lists(cut, max_size=3))
def test_areas_ring_by_ring_are_those_of_the_intersection(holes, cuts):
    polygon = GROUND.difference(shapely.union_all([shapely.box(x, y, x + s, y + s) for (x, y), s in holes]))
    regions = Regions(partition(cuts))
    parts = regions.areas_of(np.array([polygon], dtype=object))
    found = np.bincount(parts.regions, weights=parts.amounts, minlength=len(regions.geometries))
    assert found == pytest.approx(shapely.area(shapely.intersection(regions.geometries, polygon)), abs=1e-9)
