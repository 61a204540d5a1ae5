"""Losses that one survey has and that are in doubt are no change."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from segmentation_core.change.doubtful import SURE, without_doubtful
from segmentation_core.change.epoch import ChangeSettings, Epoch
from segmentation_core.change.losses import compare_losses

SETTINGS = ChangeSettings(0.1, 0.1, 1.0)
GROUND = shapely.box(0, 0, 400, 200)


def epoch(**losses):
    polygons = [shapely.Point(x, 100).buffer(20) for x in losses.values()]
    return Epoch([], [], np.zeros(0), [], polygons, list(losses), 1.0, GROUND)


A = epoch(kept=50, gone=150)
B = epoch(kept=50, come=250, half=350)
AREA = shapely.Point(0, 0).buffer(20).area


def sure(**by_x):
    """Return how sure each part is, by where it lies; unknown elsewhere."""
    places = {int(name[1:]): value for name, value in by_x.items()}
    return lambda parts, _side: np.array([places.get(round(p.centroid.x), np.nan) for p in parts.tolist()])


def areas(found):
    return {kind: pytest.approx(area) for kind, area in found.areas_mm2.items()}


def test_what_is_in_doubt_is_no_change():
    found = compare_losses(A, B, SETTINGS)
    assert areas(found) == {"gain": 2 * AREA, "stable": AREA, "not_confirmed": AREA}
    told = without_doubtful(found, sure(x250=SURE, x350=SURE - 0.01, x150=SURE - 0.01))
    assert areas(told) == {"gain": AREA, "stable": 2 * AREA}
    assert [shapely.area(told.doubtful[side]).sum() for side in "ab"] == [pytest.approx(AREA)] * 2
    assert told.total == found.total, "the sums say what they said"


def test_what_is_sure_or_unknown_stays():
    found = compare_losses(A, B, SETTINGS)
    told = without_doubtful(found, sure(x250=1.0))
    assert told.areas_mm2 == found.areas_mm2
    assert not any(len(told.doubtful[side]) for side in "ab")


def test_what_a_person_touched_stays():
    found = compare_losses(A, B, SETTINGS)
    told = without_doubtful(found, sure(x250=0.0, x350=0.0, x150=0.0), touched={"come", "gone"})
    assert areas(told) == {"gain": AREA, "stable": 2 * AREA, "not_confirmed": AREA}
