"""Growth of cracks against misreading: what may be called growth, and what may not."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from segmentation_core.change.cracks import CrackChange
from segmentation_core.change.pieces import CrackPieces
from segmentation_core.change.shown_growth import keenness, shown_growth
from segmentation_core.change.uncertainty import Difference

EPS_MM = 1.0
APART_MM, BESIDE_MM = 50.0, 2.0


def change(grown, not_seen, faint, *, stable=10_000.0, apart=APART_MM):
    """Pieces of the lengths given, one above the other; the earlier survey's stable cracks in one line."""
    sized = [("b", "new", s) for s in grown] + [("a", "not_seen", s) for s in not_seen]
    sized += [("a", "stable", stable)]
    lines = [shapely.LineString([(0, apart * k), (size, apart * k)]) for k, (_, _, size) in enumerate(sized)]
    sides, kinds, sizes = (np.array(column, dtype=object) for column in zip(*sized, strict=True))
    uids = np.array([f"u{k}" for k in range(len(sized))], dtype=object)
    pieces = CrackPieces(
        sides,
        kinds,
        np.array(lines, dtype=object),
        sizes.astype(float),
        uids,
        uids,
        np.full(len(sized), np.nan),
    )
    told = {
        side: np.array([shapely.LineString([(0, 0), (size, 0)]) for size in sizes], dtype=object)
        for side, sizes in faint.items()
    }
    return CrackChange(pieces, pieces.sums(), Difference(0, 0), 0, 0, {}, EPS_MM, (), told)


def grown_in(cracks, regions=None, **more):
    """Growth with every piece in the region given, or all in one."""
    count = len(cracks.pieces)
    regions = np.zeros(count, np.int64) if regions is None else np.asarray(regions)
    found = shown_growth(
        cracks, np.arange(count), regions, cracks.pieces.lengths_mm, int(regions.max()) + 1, **more
    )
    return None if found is None else [*found[:-1]]


ALIKE = {"a": [20.0] * 50, "b": [20.0] * 50}


def test_without_probabilities_nothing_is_told():
    assert grown_in(change([30] * 20, [], {})) is None
    assert grown_in(change([30] * 20, [], {"a": [], "b": [20.0]})) is None


def test_growth_among_no_misreading_is_shown():
    (found,) = grown_in(change([30.0] * 20, [], ALIKE))
    assert found.growth_mm == 600
    assert found.pieces_mm == pytest.approx(30 * np.sqrt(20))
    assert found.growth_mm > found.u95_mm


def test_one_new_piece_alone_shows_nothing():
    (found,) = grown_in(change([30.0], [], ALIKE))
    assert found.growth_mm <= found.u95_mm


def misread(rng, mean_pieces):
    return rng.exponential(25, rng.poisson(mean_pieces)) + 5


@pytest.mark.parametrize("keen", [1 / 3.5, 1.0, 3.5])
@pytest.mark.parametrize("pieces", [3, 30])
def test_misreading_alone_is_seldom_called_growth(keen, pieces):
    """Pieces come by chance, more of them on the sharper picture, as on unchanged facades."""
    rng = np.random.default_rng(5)
    worse = 0
    for _ in range(300):
        faint = {"a": misread(rng, 40 * pieces / keen**0.5), "b": misread(rng, 40 * pieces * keen**0.5)}
        cracks = change(misread(rng, pieces * keen**0.8), misread(rng, pieces / keen**0.8), faint)
        (found,) = grown_in(cracks)
        worse += found.growth_mm > found.u95_mm
    assert worse <= 0.05 * 300


def test_growth_beyond_misreading_is_found_and_holds_the_truth():
    rng = np.random.default_rng(6)
    shown, held = 0, 0
    for _ in range(200):
        true = rng.uniform(20, 60, 30)
        cracks = change([*true, *misread(rng, 10)], misread(rng, 10), ALIKE)
        (found,) = grown_in(cracks)
        shown += found.growth_mm > found.u95_mm
        held += abs(found.growth_mm - true.sum()) <= found.u95_mm
    assert shown >= 0.95 * 200
    assert held >= 0.9 * 200


def test_a_sharper_later_picture_is_held_against_growth():
    grown, lost = [30.0] * 20, [30.0] * 4
    sharper = {"a": [20.0] * 25, "b": [20.0] * 75}
    (alike,) = grown_in(change(grown, lost, ALIKE))
    (found,) = grown_in(change(grown, lost, sharper))
    assert keenness(change(grown, lost, sharper))[0] == 3
    assert alike.misread_mm == pytest.approx(120)
    assert found.misread_mm == pytest.approx(600)  # 9 times as much: no more than was found
    assert found.growth_mm == 0


def test_a_softer_later_picture_speaks_for_no_growth():
    softer = {"a": [20.0] * 80, "b": [20.0] * 40}
    (found,) = grown_in(change([30.0] * 20, [30.0] * 4, softer))
    assert found.misread_mm == pytest.approx(120)


def test_what_a_person_confirmed_is_growth():
    cracks = change([30.0, 30.0], [30.0] * 6, ALIKE)
    (doubted,) = grown_in(cracks)
    (found,) = grown_in(cracks, confirmed={"u0", "u1"})
    assert doubted.growth_mm == 0
    assert found.growth_mm == 60
    assert found.pieces_mm == 0


def test_pieces_beside_each_other_are_one():
    (apart,) = grown_in(change([10.0] * 9, [], ALIKE))
    (beside,) = grown_in(change([10.0] * 9, [], ALIKE, apart=BESIDE_MM))
    assert apart.pieces_mm == pytest.approx(30)
    assert beside.pieces_mm == pytest.approx(90)


def test_misreading_is_shared_by_the_compared_length_unless_a_region_shows_more():
    # Two new and two not seen; the stable crack is region 1's.
    cracks = change([40.0, 40.0], [30.0, 30.0], ALIKE)
    here, there = grown_in(cracks, regions=[0, 1, 0, 0, 1])
    assert here.misread_mm == pytest.approx(40)  # 60 in the region itself, of which 40 were found
    assert there.misread_mm == pytest.approx(40)  # nearly all of the length lies here
    assert grown_in(cracks, regions=[0, 0, 1, 1, 1])[0].misread_mm == 0


def test_pieces_beside_each_other_stay_in_their_regions_and_all_together_are_last():
    cracks = change([40.0, 30.0], [], ALIKE, apart=BESIDE_MM)
    regions = np.array([0, 1, 1])
    found = shown_growth(cracks, np.arange(3), regions, cracks.pieces.lengths_mm, 2)
    assert [one.found_mm for one in found] == [40, 30, 70]
    assert [one.pieces_mm for one in found] == [40, 30, 70], "one group"
