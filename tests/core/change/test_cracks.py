"""What became of cracks drawn by hand, in mm, a pixel being 1 mm."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segmentation_core.change.cracks import compare_cracks
from segmentation_core.change.epoch import ChangeSettings, Epoch
from segmentation_core.errors import ParameterError

SETTINGS = ChangeSettings(0.15, 0.15, 1.0)
WALL = shapely.box(0, 0, 200, 200)


def survey(*cracks, widths=None, kinds=None, assessed=WALL) -> Epoch:
    """Cracks as points; every end is a tip unless told."""
    return Epoch(
        lines=[np.array(crack, dtype=float) for crack in cracks],
        uids=[f"crack {number}" for number in range(len(cracks))],
        widths_mm=np.full(len(cracks), 2.0) if widths is None else np.array(widths, dtype=float),
        node_kinds=[("I", "I")] * len(cracks) if kinds is None else kinds,
        losses=[],
        loss_uids=[],
        gsd_mm=1.0,
        assessed=assessed,
    )


LEFT = [(20, 50), (80, 50)]


def test_the_same_cracks_are_stable():
    found = compare_cracks(survey(LEFT), survey([(20, 50.6), (80, 50.4)]), SETTINGS)
    assert set(found.lengths_mm) == {("a", "stable"), ("b", "stable")}
    assert found.pieces.uids_a.tolist() == found.pieces.uids_b.tolist() == ["crack 0", "crack 0"]


def test_a_crack_of_its_own_is_new_and_one_that_is_gone_not_seen():
    a, b = survey(LEFT, [(20, 120), (80, 120)]), survey(LEFT, [(20, 80), (60, 80)])
    found = compare_cracks(a, b, SETTINGS)
    assert found.length_mm("b", "new") == 40
    assert found.length_mm("a", "not_seen") == 60
    assert 40 < found.new_corrected_mm < 41
    assert 60 < found.not_seen_corrected_mm < 61


def test_a_crack_under_ten_pixels_is_no_change_but_told():
    found = compare_cracks(survey(LEFT), survey(LEFT, [(20, 80), (29, 80)]), SETTINGS)
    assert found.length_mm("b", "new") == 0
    assert found.too_short_mm == {"a": 0, "b": 9}


@pytest.mark.parametrize("sigma", [0.15, 1.5])
def test_a_crack_of_twenty_pixels_is_found_on_an_old_one(sigma):
    """At sigma = 1.5 px, 5 eps are 23 px: the crack counts because it leads away."""
    b = survey(
        [(20, 50), (50, 50)],
        [(50, 50), (80, 50)],
        [(50, 50), (50, 70)],
        kinds=[("I", "Y"), ("Y", "I"), ("Y", "I")],
    )
    found = compare_cracks(survey(LEFT), b, ChangeSettings(sigma, sigma, 1.0))
    assert found.length_mm("b", "new") == pytest.approx(20)


def test_a_gap_that_stays_near_is_no_change_where_the_registration_is_poor():
    """The crack bulges 1.5 eps aside over less than 5 eps."""
    poor = ChangeSettings(1.5, 1.5, 1.0)
    eps = poor.eps_mm
    middle = 50 + 1.5 * eps
    b = survey([(20, 50), (45, 50), (47, middle), (53, middle), (55, 50), (80, 50)])
    found = compare_cracks(survey(LEFT), b, poor)
    assert found.length_mm("b", "new") == 0
    assert found.too_short_mm["b"] > 10


def test_a_tip_that_went_on_is_growth_along_the_path():
    grown = [(20, 50), (80, 50), (88, 56)]
    found = compare_cracks(survey(LEFT), survey(grown), SETTINGS)
    (piece,) = found.pieces.of("b", "extended")
    assert found.pieces.lengths_mm[piece] == pytest.approx(10, abs=0.1)
    assert found.pieces.values_mm[piece] == pytest.approx(10, abs=0.1)
    assert (found.pieces.uids_a[piece], found.pieces.uids_b[piece]) == ("crack 0", "crack 0")
    assert found.length_mm("b", "new") == 0


def test_growth_within_the_uncertainty_of_a_tip_is_none():
    found = compare_cracks(survey(LEFT), survey([(20, 50), (86, 50)]), SETTINGS)
    assert found.length_mm("b", "stable") == 66


def test_growth_goes_on_through_a_fork():
    b = survey(
        [(20, 50), (92, 50)],
        [(92, 50), (110, 53)],
        [(92, 50), (95, 70)],
        kinds=[("I", "Y"), ("Y", "I"), ("Y", "I")],
    )
    found = compare_cracks(survey(LEFT), b, SETTINGS)
    straight = np.hypot(18, 3)
    assert found.length_mm("b", "extended") == pytest.approx(12 + straight, abs=0.01)
    assert found.pieces.values_mm[found.pieces.of("b", "extended")] == pytest.approx(12 + straight, abs=0.01)
    assert found.length_mm("b", "new") == pytest.approx(np.hypot(3, 20), abs=0.01)


def test_a_tip_that_reached_another_crack_is_connected():
    wall = [(100, 20), (100, 80)]
    halves = [(100, 20), (100, 50)], [(100, 50), (100, 80)]
    b = survey([(20, 50), (100, 50)], *halves, kinds=[("I", "Y"), ("I", "Y"), ("Y", "I")])
    found = compare_cracks(survey(LEFT, wall), b, SETTINGS)
    assert found.length_mm("b", "connected") == pytest.approx(20, abs=0.1)
    assert found.length_mm("b", "stable") == pytest.approx(120, abs=0.1)


def test_two_tips_that_grew_into_one_are_connected():
    found = compare_cracks(survey(LEFT, [(100, 50), (150, 50)]), survey([(20, 50), (150, 50)]), SETTINGS)
    assert found.length_mm("b", "connected") == pytest.approx(20, abs=SETTINGS.eps_mm)


def test_a_wider_crack_is_told_with_its_difference_and_a_slightly_wider_one_is_not():
    a = survey(LEFT, [(20, 90), (80, 90)], [(20, 130), (80, 130)], widths=[2, 2, np.nan])
    b = survey(LEFT, [(20, 90), (80, 90)], [(20, 130), (80, 130)], widths=[3, 2.5, 9])
    found = compare_cracks(a, b, SETTINGS)
    (piece,) = found.pieces.of("b", "widened")
    assert (found.pieces.uids_b[piece], found.pieces.values_mm[piece]) == ("crack 0", 1.0)


def test_pieces_follow_their_partners():
    a = survey([(20, 50), (50, 50)], [(50, 50), (80, 50)], kinds=[("I", "Y"), ("Y", "I")])
    found = compare_cracks(a, survey(LEFT), SETTINGS)
    of_b = found.pieces.of("b", "stable")
    assert found.pieces.uids_a[of_b].tolist() == ["crack 0", "crack 1"]
    assert found.pieces.lengths_mm[of_b] == pytest.approx([30, 30], abs=4)


def test_what_only_one_survey_saw_is_apart():
    b = survey(LEFT, [(120, 50), (180, 50)])
    found = compare_cracks(survey(LEFT, assessed=shapely.box(0, 0, 100, 200)), b, SETTINGS)
    assert found.length_mm("b", "outside") == 60
    assert found.length_mm("b", "new") == 0


def test_a_crack_with_its_partner_just_beyond_the_border_is_not_new():
    a = survey([(20, 100.4), (80, 100.4)], assessed=shapely.box(0, 100, 200, 200))
    b = survey([(20, 99.8), (80, 99.8)])
    found = compare_cracks(a, b, SETTINGS)
    assert set(found.lengths_mm) == {("a", "outside"), ("b", "outside")}


def test_elements_are_refused_one_by_one_with_what_would_help():
    close = [[(10, y), (90, y)] for y in np.arange(10, 190, 8.0)]
    a = survey(*close, [(120, 20), (180, 160)])
    elements = {"dense": shapely.box(0, 0, 100, 200), "open": shapely.box(100, 0, 200, 200)}
    found = compare_cracks(a, a, ChangeSettings(0.3, 0.3, 1.0), elements=elements)
    (refusal,) = found.refusals
    assert refusal.element == "dense"
    assert refusal.crowding > 0.25
    assert found.length_mm("b", "refused") > 1700
    assert found.length_mm("b", "stable") == pytest.approx(np.hypot(60, 140))
    assert "closer" in refusal.remedy or "better" in refusal.remedy.lower()


def test_the_remedy_is_enough():
    """Doing what the refusal says lets the element through."""
    close = survey(*[[(2, y), (198, y)] for y in np.arange(10, 190, 10.0)])
    (refusal,) = compare_cracks(close, close, ChangeSettings(0.3, 0.3, 1.0)).refusals
    needed = float(refusal.remedy.split("at most ")[1].split(" mm")[0])
    assert compare_cracks(close, close, ChangeSettings(0.99 * needed, 0.99 * needed, 1.0)).refusals == ()


def test_nothing_against_nothing():
    found = compare_cracks(survey(), survey(), SETTINGS)
    assert len(found.pieces) == 0
    assert found.total.u95 == 0
    found = compare_cracks(survey(), survey(LEFT), SETTINGS)
    assert found.lengths_mm == {("b", "new"): 60}


coordinate = st.integers(0, 60).map(float)
drawn = st.lists(
    st.lists(st.tuples(coordinate, coordinate), min_size=2, max_size=5).filter(lambda p: len(set(p)) > 1),
    max_size=6,
)


@settings(max_examples=200)
@given(drawn, drawn, st.floats(0, 1.5), st.integers(20, 70))
@example([], [], 0.0, 26)  # the margin leaves a line of the right element
def test_every_length_is_in_one_piece_whatever_is_drawn(of_a, of_b, sigma, width):
    """Crossing, doubled, closed and self-touching lines, elements that are too dense, surveys cut short."""
    a, b = survey(*of_a, assessed=shapely.box(0, 0, width, 60)), survey(*of_b)
    elements = {"left": shapely.box(0, 0, 25, 60), "right": shapely.box(25, 0, 55, 60)}
    found = compare_cracks(a, b, ChangeSettings(sigma, sigma, 1.0), elements=elements)
    for side, epoch in (("a", a), ("b", b)):
        whole = shapely.length(epoch.crack_lines).sum() if len(epoch.lines) else 0.0
        assert found.pieces.lengths_mm[found.pieces.sides == side].sum() == pytest.approx(whole, abs=1e-6)
        assert (found.pieces.lengths_mm > 0).all()


@settings(max_examples=100)
@given(drawn)
def test_a_survey_against_itself_has_not_changed(lines):
    a = survey(*lines, assessed=shapely.box(-50, -50, 500, 500))
    assert {kind for _, kind in compare_cracks(a, a, SETTINGS).lengths_mm} <= {"stable"}


def test_columns_that_do_not_fit_are_refused():
    with pytest.raises(ParameterError, match="differ in number"):
        Epoch([LEFT], [], np.zeros(1), [("I", "I")], [], [], 1.0, WALL)
    with pytest.raises(ParameterError, match="no length"):
        compare_cracks(survey(LEFT), survey([(3, 3), (3, 3)]), SETTINGS)
    with pytest.raises(ParameterError, match="gsd_mm"):
        ChangeSettings(0, 0, 0)
