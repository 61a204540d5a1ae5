"""The rule by itself: below the level nothing is said, what a person touched is left alone."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from segmentation_core.change.cracks import compare_cracks
from segmentation_core.change.epoch import ChangeSettings, Epoch
from segmentation_core.change.faint import FAINT, without_faint

SETTINGS = ChangeSettings(0.1, 0.1, 1.0)


def epoch(*lines):
    shapes = [shapely.LineString(line) for line in lines]
    uids = [f"u{line[0][1]}" for line in lines]
    kinds = [("I", "I")] * len(lines)
    return Epoch(shapes, uids, np.full(len(lines), 2.0), kinds, [], [], 1.0, shapely.box(-50, -50, 250, 250))


A = epoch([(0, 0), (100, 0)], [(0, 40), (100, 40)])
B = epoch([(0, 0), (100, 0)], [(0, 80), (100, 80)], [(0, 120), (60, 120)])


def shares(by_y):
    """Return what a survey saw, by the height at which a piece lies."""
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
    told = without_faint(found, shares({80: FAINT}), shares({40: FAINT}))
    assert lengths(told) == {("b", "new"): 60, ("b", "stable"): 200, ("a", "stable"): 200}
    assert told.faint_mm == {"b": pytest.approx(100), "a": pytest.approx(100)}
    assert told.new_corrected_mm == pytest.approx(found.new_corrected_mm * 60 / 160)
    assert told.not_seen_corrected_mm == 0


def test_below_and_unknown_change_nothing():
    found = compare_cracks(A, B, SETTINGS)
    told = without_faint(found, shares({80: 0.99 * FAINT}), shares({}))
    assert told.lengths_mm == found.lengths_mm


def test_what_a_person_touched_stays():
    found = compare_cracks(A, B, SETTINGS)
    told = without_faint(found, shares({80: 1.0, 120: 1.0}), shares({40: 1.0}), touched={"u80", "u40"})
    assert told.length_mm("b", "new") == pytest.approx(100)
    assert told.length_mm("a", "not_seen") == pytest.approx(100)
