"""Tracing between clicks: on the crack, however faint, and not along the straight line between them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_core.errors import ParameterError
from segmentation_core.vectors.tracing import least_cost_line, trace_window, tracing_cost


def wave(length: int, amplitude: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a waved crack."""
    cols = np.arange(length)
    return 100 + amplitude * np.sin(cols / 40), cols


def picture_of(rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int], darker: int) -> np.ndarray:
    rgb = np.random.default_rng(5).normal(150, 4, (3, *shape))
    for shift in (0, 1):
        rgb[:, np.rint(rows).astype(int) + shift, cols] -= darker
    return rgb.clip(0, 255).astype(np.uint8)


def off_by(line: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Distance of every vertex to the crack's middle, px."""
    middle = np.column_stack([cols + 0.5, np.rint(rows) + 1.0])
    return np.sqrt(((line[:, None] - middle[None]) ** 2).sum(axis=2)).min(axis=1)


@pytest.mark.parametrize("darker", [25, 60])
def test_a_line_follows_the_crack_that_is_seen(darker: int) -> None:
    rows, cols = wave(400, 30)
    cost = tracing_cost(picture_of(rows, cols, (200, 400), darker))
    line = least_cost_line(cost, [(rows[3] + 1, 3.5), (rows[395] + 1, 395.5)])
    assert off_by(line, rows, cols).max() < 1.5
    assert tuple(line[0]) == (3.5, rows[3] + 1)
    assert tuple(line[-1]) == (395.5, rows[395] + 1)
    true = np.hypot(np.diff(rows[3:396]), 1).sum()
    assert np.hypot(*np.diff(line, axis=0).T).sum() == pytest.approx(true, rel=0.02)


def test_what_the_network_found_weighs_more_than_a_painted_line() -> None:
    rows, cols = wave(300, 12)
    rgb = np.full((3, 200, 300), 160, np.uint8)
    rgb[:, 99:102] = 20  # ink, straight between the clicks
    probability = np.zeros((200, 300), np.float32)
    probability[np.rint(rows).astype(int), cols] = 1.0
    line = least_cost_line(tracing_cost(rgb, probability), [(100.5, 1.5), (rows[298] + 0.5, 298.5)])
    middle = np.column_stack([cols + 0.5, np.rint(rows) + 0.5])
    distance = np.sqrt(((line[:, None] - middle[None]) ** 2).sum(axis=2)).min(axis=1)
    assert np.quantile(distance, 0.9) < 1.5


def test_the_line_passes_through_every_click() -> None:
    cost = np.ones((80, 120), np.float32)
    clicks = [(10.25, 10.75), (60.5, 50.5), (20.0, 110.0)]
    line = least_cost_line(cost, clicks)
    for row, col in clicks:
        assert np.hypot(line[:, 0] - col, line[:, 1] - row).min() == 0


@settings(max_examples=25)
@given(
    clicks=st.lists(st.tuples(st.floats(0, 89.99), st.floats(0, 69.99)), min_size=2, max_size=4, unique=True),
    seed=st.integers(0, 99),
)
def test_any_clicks_give_a_line_inside_the_picture(clicks: list[tuple[float, float]], seed: int) -> None:
    cost = np.random.default_rng(seed).uniform(0.03, 1, (90, 70)).astype(np.float32)
    line = least_cost_line(cost, clicks)
    assert np.isfinite(line).all()
    assert len(line) >= 2
    assert (line >= 0).all()
    assert (line[:, 0] <= 70).all()
    assert (line[:, 1] <= 90).all()


def test_the_window_holds_the_clicks_and_some_room_and_stays_inside() -> None:
    window = trace_window([(10, 10), (10, 900)], 500, 1000)
    assert (window.row_off, window.col_off) == (0, 0)
    assert window.row_end == 144
    assert window.col_end == 1000
    with pytest.raises(ParameterError, match="needs two points"):
        trace_window([(1, 1)], 10, 10)
    with pytest.raises(ParameterError, match="1 of 2 points lie outside"):
        trace_window([(1, 1), (10, 3)], 10, 10)
