"""The error of the second survey's georeference, and painting through it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_core.facade.layout import facade_layout
from segmentation_core.facade.mapping import EpochMapping, epoch_mapping
from segmentation_core.facade.painter import Painter
from segmentation_core.facade.palette import BLUE, WHITE
from segmentation_core.facade.view import StraightView, WarpedView, put
from segmentation_core.raster.grid import Window

SIZE = (2400, 1200)
FIRST = facade_layout(SIZE).grid
MAPPING, GRID = epoch_mapping(np.random.default_rng(5), FIRST)
VIEW = WarpedView(MAPPING, GRID.width, GRID.height)
PLACE = st.tuples(st.floats(-100, SIZE[0] + 100), st.floats(-100, SIZE[1] + 100))


@given(st.lists(PLACE, min_size=1, max_size=20))
def test_there_and_back(places):
    points = np.array(places)
    np.testing.assert_allclose(MAPPING.to_first(MAPPING.to_second(points)), points, atol=1e-6)
    np.testing.assert_allclose(MAPPING.to_second(MAPPING.to_first(points)), points, atol=1e-6)


def test_the_parts_of_the_error():
    middle = np.array([[FIRST.width / 2, FIRST.height / 2]])
    stated = middle / 0.9
    arm = np.array([[100 / 0.9, 0.0]])
    a, b, c, d, e, f = tuple(MAPPING.linear)[:6]
    turn = np.array([[a, d], [b, e]])
    np.testing.assert_allclose(stated @ turn + (c, f) - middle, [MAPPING.shift_px], atol=1e-9)
    turned = (arm @ turn)[0]
    assert np.hypot(*turned) == pytest.approx(100 * 1.002)
    assert np.degrees(np.arctan2(turned[1], turned[0])) == pytest.approx(0.3)
    assert MAPPING.enlargement == pytest.approx(1 / (0.9 * 1.002))


def test_the_warp_is_smooth_and_moves_by_two_pixels_at_most():
    y, x = np.mgrid[0 : GRID.height : 7, 0 : GRID.width : 7]
    points = np.column_stack((x.ravel(), y.ravel())).astype(float)
    a, b, c, d, e, f = tuple(MAPPING.linear)[:6]
    plain = points @ np.array([[a, d], [b, e]]) + (c, f)
    warp = (MAPPING.to_first(points) - plain).reshape(*x.shape, 2)
    size = np.hypot(warp[..., 0], warp[..., 1])
    assert 1.9 < size.max() < 2.01
    assert np.abs(np.diff(warp, axis=0)).max() < 0.1 * 7
    assert np.abs(np.diff(warp, axis=1)).max() < 0.1 * 7


def test_the_grid_states_the_same_place_with_smaller_pixels():
    assert GRID.gsd_mm == pytest.approx(0.9 * FIRST.gsd_mm)
    assert (GRID.affine.c, GRID.affine.f) == (FIRST.affine.c, FIRST.affine.f)
    assert GRID.width * GRID.gsd_mm == pytest.approx(FIRST.width * FIRST.gsd_mm, abs=GRID.gsd_mm)
    assert GRID.crs_wkt == FIRST.crs_wkt


def test_the_record_tells_the_whole_mapping():
    again = EpochMapping.from_dict(json.loads(json.dumps(MAPPING.as_dict())))
    points = np.array([[3.0, 4.0], [700.5, 300.25]])
    np.testing.assert_array_equal(again.to_first(points), MAPPING.to_first(points))


BOX = (300, 200, 900, 500)


def test_a_dot_is_painted_where_the_mapping_says():
    dots = np.array([[60.0, 50.0], [300.0, 150.0], [540.0, 250.0]])
    painter = Painter(600, 300, BLUE.dark, np.random.default_rng(0), VIEW.sheet(BOX))
    straight = Painter(600, 300, BLUE.dark, np.random.default_rng(0))
    for brush in (painter, straight):
        for dot in dots:
            brush.stroke(np.vstack((dot, dot + 0.01)), 24.0, WHITE)

    def found(rgb, near):
        x0, y0 = (near - 24).astype(int)
        y, x = np.mgrid[y0 : y0 + 48, x0 : x0 + 48]
        weight = rgb[y0 : y0 + 48, x0 : x0 + 48, 0].astype(float) - BLUE.dark[0]
        return (
            np.array([(x + 0.5).ravel() @ weight.ravel(), (y + 0.5).ravel() @ weight.ravel()]) / weight.sum()
        )

    window = VIEW.window(BOX)
    for dot in dots:
        first = found(straight.finished()[0], dot) + BOX[:2]  # where the hand put it
        wanted = MAPPING.to_second(first[None])[0] - (window.col_off, window.row_off)
        assert np.hypot(*(found(painter.finished()[0], wanted) - wanted)) < 0.15


def test_a_window_holds_its_box_and_little_more():
    window, inside = VIEW.window(BOX), VIEW.covered(BOX)
    assert inside.shape == (window.height, window.width)
    assert not inside[[0, -1]].any()
    assert not inside[:, [0, -1]].any()
    area = (BOX[2] - BOX[0]) * (BOX[3] - BOX[1]) * MAPPING.enlargement**2
    assert inside.sum() == pytest.approx(area, rel=0.03)


def test_members_side_by_side_leave_no_gap():
    layer = np.zeros((GRID.height, GRID.width), np.uint8)
    for value, box in ((1, (300, 200, 600, 500)), (2, (600, 200, 900, 500))):
        before = layer.copy()
        put(VIEW, box, (layer, np.array(value, np.uint8)))
        assert not ((before > 0) & (layer != before)).any()
    np.testing.assert_array_equal(
        layer[VIEW.window(BOX).row_off :][
            : VIEW.covered(BOX).shape[0], VIEW.window(BOX).col_off : VIEW.window(BOX).col_end
        ]
        > 0,
        VIEW.covered(BOX),
    )


def test_the_straight_view_is_the_layout_itself():
    view = StraightView()
    assert view.window(BOX) == Window(200, 300, 300, 600)
    assert view.sheet(BOX) is None
    assert view.covered(BOX).all()
