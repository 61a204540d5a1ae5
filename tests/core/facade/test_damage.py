from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from segmentation_core.facade.coverage import crack_coverage
from segmentation_core.facade.cracking import CrackNetwork, bending, cell_area, crack_network
from segmentation_core.facade.flaking import flakes_fallen, loss_coverage
from segmentation_core.facade.layout import Damage

SHAPE = (400, 1200)
DAMAGE = Damage(0.6, (25, 50), (1.2, 3.0), 2.0, 0.3, 0.05)


def cracked(seed=0, damage=DAMAGE):
    bend = bending(np.random.default_rng([seed, 0]), SHAPE)
    network, cells = crack_network(np.random.default_rng([seed, 1]), SHAPE, damage, bend)
    return network, cells, bend


def straight(points, width):
    points = np.asarray(points, float)
    return CrackNetwork(
        points, np.full(len(points), float(width)), np.ones(len(points)), np.zeros(len(points), int)
    )


def test_an_upright_crack_covers_exactly_its_pixels():
    covered, depth = crack_coverage(straight([[4.0, 2.0], [4.0, 8.0]], 2.0), (10, 9))
    assert (covered[3:7, 3:5] == 16).all()
    assert (covered[3:7, [2, 5]] == 0).all()
    assert depth[5, 4] == 255
    assert depth[5, 0] == 0


def test_half_a_pixel_is_eight_samples():
    covered, _ = crack_coverage(straight([[3.5, 1.0], [3.5, 9.0]], 2.0), (10, 8))
    assert covered[5].tolist() == [0, 0, 8, 16, 8, 0, 0, 0]


@settings(max_examples=40)
@given(st.floats(0, np.pi), st.floats(1.0, 6.0), st.floats(0, 1), st.floats(0, 1))
def test_coverage_adds_up_to_the_area_of_the_crack(angle, width, dx, dy):
    centre = np.array([40 + dx, 40 + dy])
    t = np.linspace(-25, 25, 27)[:, None]
    points = centre + t * np.array([np.cos(angle), np.sin(angle)])
    covered, _ = crack_coverage(straight(points, width), (80, 80))
    area = shapely.LineString(points).buffer(width / 2, quad_segs=32).area
    assert covered.sum() / 16 == pytest.approx(area, rel=0.04)


def test_cracks_beyond_the_raster_are_cut_off():
    covered, _ = crack_coverage(straight([[-20.0, 5.0], [30.0, 5.0]], 2.0), (10, 10))
    assert (covered[4:6] == 16).all()
    assert covered.sum() == 2 * 10 * 16


def test_a_network_keeps_its_promises():
    network, cells, _ = cracked()
    assert network.width_px.min() >= 1.0
    assert network.width_px.max() <= 6.0
    assert (np.diff(network.line) >= 0).all()
    first = network.segments()
    steps = np.hypot(*(network.points[first + 1] - network.points[first]).T)
    assert steps.max() < 6.0
    sizes = np.sqrt([cell_area(cell) for cell in cells])
    assert 20 < np.median(sizes) < 95
    assert ((network.points > -12) & (network.points < np.array(SHAPE[::-1]) + 12)).all()


def test_worse_damage_means_more_cracks_and_some_paint_stays_whole():
    lengths = []
    for crackled in (0.2, 0.7):
        network, _, _ = cracked(damage=Damage(crackled, (25, 50), (1.2, 3.0), 2.0, 0.3, 0.05))
        first = network.segments()
        lengths.append(np.hypot(*(network.points[first + 1] - network.points[first]).T).sum())
    assert lengths[1] > 2 * lengths[0]
    covered, _ = crack_coverage(network, SHAPE)
    assert distance_transform_edt(covered == 0).max() > 40


def test_cracks_meet():
    network, _, _ = cracked()
    starts = np.flatnonzero(np.r_[True, np.diff(network.line) > 0])
    others = shapely.union_all(
        [shapely.LineString(p) for p in np.split(network.points, starts[1:]) if len(p) > 1][::1]
    )
    noded = shapely.get_parts(shapely.node(others))
    assert len(noded) > 1.5 * len(starts)


def test_one_seed_gives_one_network():
    a, b, other = cracked(1)[0], cracked(1)[0], cracked(2)[0]
    np.testing.assert_array_equal(a.points, b.points)
    np.testing.assert_array_equal(a.width_px, b.width_px)
    assert len(a.points) != len(other.points)


def test_flakes_take_about_the_wanted_share_and_end_at_cracks():
    network, cells, bend = cracked()
    lost = loss_coverage(flakes_fallen(np.random.default_rng(5), SHAPE, cells, DAMAGE, bend), SHAPE) >= 8
    assert DAMAGE.lost * 0.8 < lost.mean() < DAMAGE.lost * 1.5
    covered, _ = crack_coverage(network, SHAPE)
    to_crack = distance_transform_edt(covered < 8)
    edge = lost & (distance_transform_edt(lost) <= 1)
    near = (to_crack[edge] <= 3).mean()
    anywhere = (to_crack[~lost] <= 3).mean()
    assert near > 0.5
    assert near > 2 * anywhere


def test_a_film_of_cells_finer_than_a_pixel_falls_too():
    bend = bending(np.random.default_rng(2), SHAPE)
    corners = np.random.default_rng(3).uniform((50, 50), (1150, 350), (40, 2))
    cells = [corner + np.array([[0, 0], [0.5, 0], [0, 0.5]]) for corner in corners]
    assert flakes_fallen(np.random.default_rng(1), SHAPE, cells, DAMAGE, bend)


def test_whole_paint_can_lose_chips_too():
    bend = bending(np.random.default_rng(0), SHAPE)
    lost = loss_coverage(flakes_fallen(np.random.default_rng(1), SHAPE, [], DAMAGE, bend), SHAPE) >= 8
    assert DAMAGE.lost * 0.8 < lost.mean() < DAMAGE.lost * 1.5
