"""Comparisons against the exact truth of generated walls; `benchmarks/change_speed.py` does many more."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from crack_scenes import changed_wall, photographed, plain_wall, pose, same_pose, settings
from crack_scores import covers_truth, false_change_shares, scores, together

from segmentation_core.change.cracks import compare_cracks
from segmentation_core.change.epoch import compared_area
from segmentation_core.change.losses import compare_losses

PAIRS = 12


@pytest.fixture(scope="module")
def unchanged():
    """Walls photographed twice: (comparison of cracks, of losses, A, B)."""
    found = []
    for seed in range(PAIRS):
        random = np.random.default_rng(seed)
        wall = plain_wall(random)
        a, b = photographed(wall, same_pose()), photographed(wall, pose(random))
        found.append((compare_cracks(a, b, settings()), compare_losses(a, b, settings()), a, b))
    return found


@pytest.fixture(scope="module")
def changed():
    """Scores of changed walls, and how much longer their cracks became: (found, true)."""
    rows, growth = [], []
    for seed in range(PAIRS):
        random = np.random.default_rng(1000 + seed)
        before, after, changes = changed_wall(random)
        a, b = photographed(before, same_pose()), photographed(after, pose(random))
        found, area = compare_cracks(a, b, settings()), compared_area(a, b, settings())
        rows.append(scores(found, before, changes))
        growth.append((found.total, after.length_mm(area) - before.length_mm(area)))
    return together(rows), growth


def test_an_unchanged_wall_has_no_new_cracks(unchanged):
    shares = np.array([false_change_shares(cracks) for cracks, *_ in unchanged])
    assert (shares.max(axis=1) <= 0.01).mean() >= 0.95


def test_an_unchanged_wall_has_no_new_losses(unchanged):
    assert all(losses.areas_mm2.get("gain", 0.0) == 0 for _, losses, *_ in unchanged)
    assert all(losses.overlay_gain_mm2 <= losses.false_gain_bound_mm2 for _, losses, *_ in unchanged)


def test_every_length_is_in_one_piece(unchanged):
    for cracks, _, a, b in unchanged:
        for side, epoch in (("a", a), ("b", b)):
            whole = sum(line.length for line in epoch.crack_lines)
            parts = sum(length for (of, _), length in cracks.lengths_mm.items() if of == side)
            assert parts == pytest.approx(whole, rel=1e-9)
            drawn = sum(line.length for line in cracks.pieces.lines[cracks.pieces.sides == side])
            assert drawn == pytest.approx(whole, rel=1e-9)
        assert {kind for side, kind in cracks.lengths_mm if side == "a"} <= {"stable", "not_seen", "outside"}


def test_new_cracks_of_twenty_pixels_are_found(changed):
    (new, _, _), _ = changed
    assert new.count > 100
    assert new.recall >= 0.95
    assert new.precision >= 0.95


def test_growth_of_ten_pixels_is_measured(changed):
    (_, grown, _), _ = changed
    assert grown.recall >= 0.95
    assert grown.precision >= 0.95
    assert (np.abs(grown.errors_px) <= 1.5).mean() >= 0.95


def test_cracks_wider_by_a_pixel_are_found(changed):
    (_, _, wider), _ = changed
    assert wider.recall >= 0.95
    assert wider.precision >= 0.9


def test_intervals_of_lengths_hold_the_truth(changed, unchanged):
    """The benchmark measures how often; of so few pairs two may miss."""
    held = [covers_truth(total, truth) for total, truth in changed[1]]
    held += [covers_truth(cracks.total, 0.0) for cracks, *_ in unchanged]
    assert sum(held) >= len(held) - 3


def test_losses_that_grow_are_measured_by_their_areas():
    held, errors = [], []
    for seed in range(4):
        random = np.random.default_rng(2000 + seed)
        wall = plain_wall(random, losses=12)
        middles = [loss.mean(axis=0) for loss in wall.losses]
        factors = random.uniform(1.1, 1.4, 12)
        larger = [
            at + factor * (loss - at) for at, loss, factor in zip(middles, wall.losses, factors, strict=True)
        ]
        grown = dataclasses.replace(wall, losses=tuple(larger))
        a, b = photographed(wall, same_pose()), photographed(grown, pose(random))
        found = compare_losses(a, b, settings())
        before, after = wall.loss_polygons(), grown.loss_polygons()
        drawn = dict(zip(a.loss_uids, a.losses, strict=True))
        for group in (g for g in found.groups if len(g.uids_a) == len(g.uids_b) == 1):
            (which,) = (k for k, loss in enumerate(before) if loss.intersects(drawn[group.uids_a[0]]))
            truth = after[which].area - before[which].area
            held.append(abs(group.growth_mm2 - truth) <= group.u95_mm2)
            errors.append((group.growth_mm2 - truth) / after[which].area)
    assert len(held) > 40
    assert 0.9 <= np.mean(held) <= 1
    assert np.abs(errors).max() <= 0.02
