from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_core.facade.beam import BeamScheme, paint_beam
from segmentation_core.facade.curves import circle, rectangle
from segmentation_core.facade.noise import noise_field
from segmentation_core.facade.painter import Painter
from segmentation_core.facade.palette import BLUE, GREEN, RED, WHITE
from segmentation_core.raster.grid import Window

FIELD = noise_field(np.random.default_rng(3), (120, 200), (17.0, 31.0), octaves=3)


@settings(max_examples=40)
@given(st.integers(0, 119), st.integers(0, 199), st.integers(1, 120), st.integers(1, 200))
def test_a_noise_field_has_no_seams_between_windows(row, col, height, width):
    whole = FIELD.read(Window(0, 0, 120, 200))
    window = Window(row, col, height, width).clipped(120, 200)
    part = whole[row : window.row_end, col : window.col_end]
    np.testing.assert_allclose(FIELD.read(window), part, atol=2e-5)


def test_a_noise_field_is_about_unit_and_smooth():
    values = FIELD.read(Window(0, 0, 120, 200))
    assert 0.5 < values.std() < 1.6
    assert np.abs(np.diff(values, axis=1)).max() < 1.0


def test_points_and_pixels_of_a_noise_field_agree():
    y, x = np.mgrid[0:120, 0:200]
    sampled = FIELD.at(x + 0.5, y + 0.5)
    inner = np.s_[20:100, 40:160]
    assert np.corrcoef(sampled[inner].ravel(), FIELD.read(Window(0, 0, 120, 200))[inner].ravel())[0, 1] > 0.99


def test_graded_bands_run_from_white_to_dark_inwards():
    painter = Painter(200, 200, RED.dark, np.random.default_rng(0))
    painter.graded(circle((100, 100), 90), BLUE, 18.0)
    rgb, _ = painter.finished()
    seen = [tuple(rgb[100, x]) for x in range(12, 100)]
    order = [seen.index(colour) for colour in (WHITE, BLUE.light, BLUE.mid, BLUE.dark, BLUE.deep)]
    assert order == sorted(order)


def test_gold_is_raised_and_what_covers_it_is_flat():
    painter = Painter(100, 60, GREEN.dark, np.random.default_rng(0))
    painter.gold(np.array([[0.0, 30.0], [100.0, 30.0]]), 8)
    painter.fill(rectangle(50, 0, 101, 60), BLUE.mid)
    _, relief = painter.finished()
    assert relief[30, 20] == 255
    assert relief[30, 80] == 0


def test_painting_inside_a_shape_stays_inside_it():
    painter = Painter(100, 100, GREEN.dark, np.random.default_rng(0))
    with painter.inside(circle((50, 50), 30)):
        painter.fill(rectangle(0, 0, 100, 100), BLUE.mid)
    rgb, _ = painter.finished()
    assert tuple(rgb[50, 50]) == BLUE.mid
    assert tuple(rgb[5, 5]) == GREEN.dark
    assert tuple(rgb[50, 90]) == GREEN.dark


@pytest.mark.parametrize("filling", ["scroll", "clouds", "brocade"])
def test_a_beam_is_full_of_thin_lines_and_many_colours(filling):
    rgb, relief = paint_beam(1400, 180, BeamScheme(filling=filling), np.random.default_rng(1))
    assert rgb.shape == (180, 1400, 3)
    assert relief.shape == (180, 1400)
    assert len(np.unique(rgb.reshape(-1, 3), axis=0)) > 300
    assert 0.02 < (relief > 128).mean() < 0.4
    assert 0.02 < (rgb.max(axis=2) < 60).mean() < 0.5


def test_the_halves_of_a_beam_are_alike_but_no_copies():
    rgb, _ = paint_beam(1400, 180, BeamScheme(), np.random.default_rng(1))
    left, right = rgb[:, :500].astype(int), rgb[:, :-501:-1].astype(int)
    difference = np.abs(left - right).max(axis=2)
    assert (difference < 40).mean() > 0.7
    assert (difference > 0).any()


def test_an_unknown_outline_is_refused():
    painter = Painter(50, 50, GREEN.dark, np.random.default_rng(0))
    with pytest.raises(ValueError, match="silver"):
        painter.graded(circle((25, 25), 20), BLUE, 4.0, outline="silver")
