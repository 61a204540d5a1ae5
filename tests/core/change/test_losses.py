"""What became of losses drawn by hand, in mm, a pixel being 1 mm."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from segmentation_core.change.epoch import ChangeSettings, Epoch
from segmentation_core.change.losses import compare_losses
from segmentation_core.errors import ParameterError

SETTINGS = ChangeSettings(0.15, 0.15, 1.0)
WALL = shapely.box(0, 0, 200, 200)


def survey(*losses, cracks=(), assessed=WALL) -> Epoch:
    return Epoch(
        lines=list(cracks),
        uids=[f"crack {number}" for number in range(len(cracks))],
        widths_mm=np.full(len(cracks), 2.0),
        node_kinds=[("I", "I")] * len(cracks),
        losses=list(losses),
        loss_uids=[f"loss {number}" for number in range(len(losses))],
        gsd_mm=1.0,
        assessed=assessed,
    )


def disc(x: float, y: float, radius: float):
    return shapely.Point(x, y).buffer(radius, quad_segs=64)


@given(st.floats(0, 1.3), st.floats(0, 360))
def test_an_unchanged_loss_gains_nothing_and_an_overlay_keeps_its_bound(shift, turn_deg):
    """By a shift d a plain overlay gains perimeter x d / pi (MEASUREMENT, section 4.2)."""
    step = shift * math.cos(math.radians(turn_deg)), shift * math.sin(math.radians(turn_deg))
    found = compare_losses(survey(disc(90, 90, 30)), survey(disc(90 + step[0], 90 + step[1], 30)), SETTINGS)
    assert "gain" not in found.areas_mm2
    assert "not_confirmed" not in found.areas_mm2
    assert found.total.difference == pytest.approx(0, abs=1e-6)
    assert found.overlay_gain_mm2 == pytest.approx(2 * math.pi * 30 * shift / math.pi, rel=0.01, abs=1e-6)
    assert found.overlay_gain_mm2 <= found.false_gain_bound_mm2


def test_a_loss_of_its_own_is_a_gain_of_no_older_loss():
    found = compare_losses(survey(disc(50, 50, 20)), survey(disc(50, 50, 20), disc(120, 60, 8)), SETTINGS)
    (gain,) = np.flatnonzero(found.pieces.kinds == "gain")
    assert (found.pieces.uids_a[gain], found.pieces.uids_b[gain]) == ("", "loss 1")
    assert found.areas_mm2["gain"] == pytest.approx(disc(0, 0, 8).area)
    assert found.areas_mm2["stable"] == pytest.approx(disc(0, 0, 20).area)
    assert [(g.uids_a, g.uids_b) for g in found.groups] == [(("loss 0",), ("loss 0",)), ((), ("loss 1",))]


def test_a_loss_that_grew_keeps_its_name_and_its_growth_is_the_difference_of_areas():
    found = compare_losses(survey(disc(90, 90, 20)), survey(disc(96, 90, 28)), SETTINGS)
    gain = np.flatnonzero(found.pieces.kinds == "gain")
    assert set(found.pieces.uids_a[gain]) == {"loss 0"}
    (group,) = found.groups
    assert group.growth_mm2 == pytest.approx(math.pi * (28**2 - 20**2), rel=0.001)
    assert found.areas_mm2["gain"] + found.areas_mm2["stable"] == pytest.approx(disc(0, 0, 28).area)


def test_losses_that_grew_together_are_one_group():
    a = survey(disc(70, 90, 20), disc(120, 90, 20))
    (group,) = compare_losses(a, survey(shapely.box(50, 70, 140, 110)), SETTINGS).groups
    assert group.uids_a == ("loss 0", "loss 1")


def test_a_loss_that_is_gone_is_not_confirmed():
    found = compare_losses(survey(disc(50, 50, 20)), survey(), SETTINGS)
    assert found.areas_mm2 == {"not_confirmed": pytest.approx(disc(0, 0, 20).area)}
    assert found.total.difference < -found.total.u95


def test_what_only_one_survey_saw_is_apart():
    b = survey(disc(50, 50, 20), disc(150, 50, 20))
    found = compare_losses(survey(assessed=shapely.box(0, 0, 100, 200)), b, SETTINGS)
    assert found.total.value_b == pytest.approx(disc(0, 0, 20).area)
    assert found.outside_b_mm2 == pytest.approx(disc(0, 0, 20).area)


def test_a_crack_that_fell_out_with_its_paint_is_told():
    cracks = [shapely.LineString([(20, 60), (180, 60)])]
    found = compare_losses(survey(cracks=cracks), survey(shapely.box(50, 40, 90, 80)), SETTINGS)
    assert found.lost_cracks.uids_a.tolist() == ["crack 0"]
    assert found.lost_cracks.lengths_mm.tolist() == [40]


def test_a_seam_as_wide_as_eps_beyond_the_buffer_is_no_gain_and_a_wider_one_is():
    eps = SETTINGS.eps_mm
    a = survey(shapely.box(50, 50, 100, 100))
    thin = compare_losses(a, survey(shapely.box(50, 50, 100 + 1.9 * eps, 100)), SETTINGS)
    wide = compare_losses(a, survey(shapely.box(50, 50, 100 + 2.2 * eps, 100)), SETTINGS)
    assert "gain" not in thin.areas_mm2
    assert wide.areas_mm2["gain"] == pytest.approx(1.2 * eps * 50, rel=0.05)
    assert thin.total.difference == pytest.approx(1.9 * eps * 50)


def test_an_outline_that_crosses_itself_is_refused():
    bow = shapely.Polygon([(10, 10), (50, 50), (50, 10), (10, 50)])
    with pytest.raises(ParameterError, match="crosses itself"):
        compare_losses(survey(bow), survey(), SETTINGS)


def test_nothing_against_nothing():
    found = compare_losses(survey(), survey(), SETTINGS)
    assert found.areas_mm2 == {}
    assert found.groups == ()
