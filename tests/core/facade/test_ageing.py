"""What changes on a beam in two years, and that nothing else does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from segmentation_core.facade.ageing import age_beam
from segmentation_core.facade.breaking import break_beam
from segmentation_core.facade.cracking import CrackNetwork
from segmentation_core.facade.flaking import SIDE, loss_coverage
from segmentation_core.facade.layout import facade_layout

BEAM = facade_layout((2400, 1600)).beams[1]


@pytest.fixture(scope="module")
def broken():
    return break_beam(BEAM, 3, 1)


def aged(broken, seed=0, *, retouched=True):
    return age_beam(np.random.default_rng(seed), broken, BEAM.shape, retouched=retouched)


@pytest.fixture(scope="module")
def older(broken):
    return aged(broken)


def line_of(points, line):
    points = np.asarray(points, float)
    return CrackNetwork(points, np.arange(1.0, len(points) + 1), np.ones(len(points)), np.asarray(line))


def test_segments_cut_out_leave_lines_of_their_own():
    network = line_of([(x, 0) for x in range(6)] + [(0, 9), (1, 9)], [0] * 6 + [1] * 2)
    assert network.segment_lengths().tolist() == [1.0] * 6
    cut = network.cut_to(np.array([True, True, False, True, True, True]))
    assert cut.points[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 0, 1]
    assert cut.line.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert cut.width_px.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert len(network.cut_to(np.zeros(6, bool)).points) == 0


def test_one_seed_ages_one_way(broken, older):
    again, other = aged(broken), aged(broken, 1)
    np.testing.assert_array_equal(again.network.points, older.network.points)
    np.testing.assert_array_equal(again.network.width_px, older.network.width_px)
    assert len(other.network.points) != len(older.network.points)


def test_old_cracks_stay_where_they_were(broken, older):
    there = {tuple(p) for p in broken.network.points}
    assert all(tuple(p) in there for p in older.kept.points)
    wider = older.wider_px > 0
    assert 0.03 < wider.mean() < 0.2
    widths = dict(zip(map(tuple, broken.network.points), broken.network.width_px, strict=True))
    kept = np.array([widths[tuple(p)] for p in older.kept.points])
    np.testing.assert_allclose(older.kept.width_px, kept + older.wider_px)
    assert older.wider_px[wider].min() > 0.4
    assert older.kept.width_px.max() <= 6.0


def test_tips_grow_from_old_tips_into_whole_paint(broken, older):
    line = older.extended.line
    starts = np.flatnonzero(np.r_[True, line[1:] != line[:-1]])
    distance, _ = cKDTree(broken.network.points).query(older.extended.points)
    assert len(starts) >= 2
    assert (distance[starts] == 0).all()
    assert np.delete(distance, starts).min() > 1.0


def test_new_cracks_are_where_none_were(broken, older):
    distance, _ = cKDTree(broken.network.points).query(older.new.points)
    assert (distance > 3).mean() > 0.8
    assert older.new.segment_lengths().sum() > 100


def test_losses_only_grow_but_for_the_retouched_one(broken, older):
    before = loss_coverage(broken.flakes, BEAM.shape)
    after = loss_coverage(older.flakes, BEAM.shape)
    assert len(older.flakes) == len(broken.flakes) - 1
    gone = [f for f in broken.flakes if not any(_holds(g, f) for g in older.flakes)]
    assert len(gone) == 1
    x0, y0, x1, y1 = gone[0].box_px
    elsewhere = np.ones(BEAM.shape, bool)
    elsewhere[y0:y1, x0:x1] = False
    assert (after >= before)[elsewhere].all()
    assert (after > before)[elsewhere].any()
    assert after[y0:y1, x0:x1].sum() < 0.1 * before[y0:y1, x0:x1].sum()


def _holds(larger, smaller):
    x0, y0, x1, y1 = larger.box_px
    if not (x0 <= smaller.left and y0 <= smaller.top and smaller.box_px[2] <= x1 and smaller.box_px[3] <= y1):
        return False
    row, col = (smaller.top - y0) * SIDE, (smaller.left - x0) * SIDE
    height, width = smaller.lost.shape
    return bool(larger.lost[row : row + height, col : col + width][smaller.lost].all())


def test_no_crack_shows_under_the_retouched_loss(broken, older):
    filled = (loss_coverage(broken.flakes, BEAM.shape) >= 8) & (loss_coverage(older.flakes, BEAM.shape) < 8)
    first = older.kept.segments()
    middles = np.floor((older.kept.points[first] + older.kept.points[first + 1]) / 2).astype(int)
    inside = ((middles >= 0) & (middles < BEAM.shape[::-1])).all(axis=1)
    assert filled.any()
    assert not filled[middles[inside, 1], middles[inside, 0]].any()


def test_without_retouching_every_loss_stays(broken):
    older = aged(broken, retouched=False)
    assert len(older.flakes) == len(broken.flakes)
    assert (loss_coverage(older.flakes, BEAM.shape) >= loss_coverage(broken.flakes, BEAM.shape)).all()
