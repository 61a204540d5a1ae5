"""Vectors of the later survey brought onto the earlier one, by a bent mapping."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely

from segmentation_core.change.accuracy import SigmaMap
from segmentation_core.change.registration import Registration
from segmentation_core.change.tie_points import TiePoints
from segmentation_core.change.warp import fit_warp
from segmentation_core.operations.compare_frames import Registered
from segmentation_core.survey.surveys import OrthophotoRecord

GSD_M = 0.00025
WIDTH, HEIGHT = 4000, 2400


def bent(points):
    """Where points of B lie on A: turned, larger, and bent by 2 px in waves of 1,500 px."""
    x, y = points[:, 0], points[:, 1]
    wave, turn = 2 * np.pi / 1500, math.radians(0.3)
    x, y = x + 2 * np.sin(wave * y + 0.7) * np.cos(0.8 * wave * x), y + 2 * np.sin(wave * x + 1.9)
    return 1.002 * np.column_stack(
        (math.cos(turn) * x - math.sin(turn) * y, math.sin(turn) * x + math.cos(turn) * y)
    )


@pytest.fixture(scope="module")
def registered():
    grid = np.stack(np.meshgrid(np.arange(60, WIDTH, 160.0), np.arange(60, HEIGHT, 160.0)), axis=-1)
    at_b = grid.reshape(-1, 2)
    fitted = fit_warp(TiePoints(bent(at_b), at_b, np.full(at_b.shape, 0.05), np.ones(len(at_b)), len(at_b)))
    assert fitted is not None
    nodes = np.array([0.0, 1.0])
    registration = Registration(
        fitted.warp, 0.05, 0.05, SigmaMap(nodes, nodes, np.full((2, 2, 2), 0.05)), 1.0, 0.3, 1.002, 1.002,
        fitted.tie_points.a_px, fitted.tie_points.b_px, fitted.left_out_px, len(at_b), "georeference", (),
    )  # fmt: skip
    assert registration.kind == "local"
    transform = (GSD_M, 0.0, 10.0, 0.0, -GSD_M, 6.0)
    record = OrthophotoRecord("a.tif", "0", WIDTH, HEIGHT, 0.25, transform, 1.0)
    return Registered("O1", "O2", record, record, registration)


def on_map(points):
    return points * (GSD_M, -GSD_M) + (10.0, 6.0)


def test_geometries_follow_the_mapping_to_a_hundredth_of_a_pixel(registered):
    places = np.random.default_rng(5).uniform((0, 0), (WIDTH, HEIGHT), (5000, 2))
    moved = shapely.get_coordinates(registered.moved(shapely.points(on_map(places))))
    exact = on_map(registered.registration.to_a(places))
    assert np.abs(moved - exact).max() < 0.01 * GSD_M


def test_lines_keep_their_vertices_and_their_order(registered):
    line = shapely.LineString(on_map(np.array([(100.0, 100), (400, 900), (3000, 2000)])))
    (moved,) = registered.moved(np.array([line], dtype=object))
    assert moved.geom_type == "LineString"
    assert len(moved.coords) == 3
    assert moved.length == pytest.approx(1.002 * line.length, rel=2e-3)


def test_sigma_is_in_mm_of_the_earlier_picture(registered):
    assert registered.sigma_mm == pytest.approx((0.0125, 0.0125))
