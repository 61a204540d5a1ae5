"""The rules by themselves: what has hardly come or gone, what was traced, what a person touched."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from segmentation_core.change.cracks import compare_cracks
from segmentation_core.change.epoch import ChangeSettings, Epoch
from segmentation_core.change.faint import SHOWN, without_faint
from segmentation_core.change.traced import with_traced

SETTINGS = ChangeSettings(0.1, 0.1, 1.0)


def lines(*courses):
    """Return an array of lines."""
    return np.array([shapely.LineString(course) for course in courses], dtype=object)


def epoch(*courses):
    shapes = list(lines(*courses))
    uids = [f"u{line[0][1]}" for line in courses]
    kinds = [("I", "I")] * len(courses)
    return Epoch(
        shapes, uids, np.full(len(courses), 2.0), kinds, [], [], 1.0, shapely.box(-50, -50, 250, 250)
    )


A = epoch([(0, 0), (100, 0)], [(0, 40), (100, 40)])
B = epoch([(0, 0), (100, 0)], [(0, 80), (100, 80)], [(0, 120), (60, 120)])


def at_height(by_y):
    """Return the probability that pieces came or went, by the height at which they lie."""
    return lambda lines: np.array([by_y.get(round(shapely.get_coordinates(s)[0, 1]), np.nan) for s in lines])


def lengths(found):
    return {key: round(value) for key, value in found.lengths_mm.items() if value}


def test_the_rule_is_the_same_both_ways():
    found = compare_cracks(A, B, SETTINGS)
    assert lengths(found) == {
        ("b", "new"): 160,
        ("b", "stable"): 100,
        ("a", "not_seen"): 100,
        ("a", "stable"): 100,
    }
    hardly = 0.99 * SHOWN
    told = without_faint(found, at_height({80: hardly, 120: SHOWN}), at_height({40: hardly}))
    assert lengths(told) == {("b", "new"): 60, ("b", "stable"): 200, ("a", "stable"): 200}
    assert {side: shapely.length(own).sum() for side, own in told.faint.items()} == {"b": 100, "a": 100}
    assert told.new_corrected_mm == pytest.approx(found.new_corrected_mm * 60 / 160)
    assert told.not_seen_corrected_mm == 0


def test_what_is_not_known_changes_nothing():
    found = compare_cracks(A, B, SETTINGS)
    told = without_faint(found, at_height({}), at_height({}))
    assert told.lengths_mm == found.lengths_mm


def test_what_a_person_touched_stays():
    found = compare_cracks(A, B, SETTINGS)
    told = without_faint(found, at_height({80: 0.0, 120: 0.0}), at_height({40: 0.0}), touched={"u80", "u40"})
    assert told.length_mm("b", "new") == pytest.approx(100)
    assert told.length_mm("a", "not_seen") == pytest.approx(100)


def test_what_no_survey_has_is_left_out_where_it_has_hardly_come():
    """Traced: from 80, and beside it another of which the pictures are less sure over its whole length."""
    traced = with_traced(A, lines([(0, 80), (100, 80)], [(0, 120), (60, 120)]), SETTINGS, lines())
    found = compare_cracks(A, traced, SETTINGS)
    assert lengths(found)["b", "new"] == 160
    told = without_faint(found, at_height({80: SHOWN, 120: 0.0}), at_height({}))
    assert lengths(told) == {("b", "new"): 100, ("b", "stable"): 200, ("a", "stable"): 200}
    assert not len(told.faint["b"])


def test_only_what_a_survey_lacks_is_traced():
    """Half of the line lies along one the survey has, a quarter along one that a person rejected."""
    traced = with_traced(A, lines([(50, 0.5), (150, 0.5)]), SETTINGS, lines([(120, 0), (160, 0)]))
    added = traced.lines[2:]
    assert [line.length for line in added] == [pytest.approx(20, abs=3)]
    assert traced.uids == [*A.uids, ""]
    assert np.isnan(traced.widths_mm[-1])
