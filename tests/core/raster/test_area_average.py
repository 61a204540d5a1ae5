"""Averaging down, against a plain loop over pixels in exact fractions."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_core.raster import area_average
from segmentation_core.raster.area_average import read_averaged
from segmentation_core.raster.grid import Window


def reader(rgb, valid):
    def read(window):
        rows, cols = slice(window.row_off, window.row_end), slice(window.col_off, window.col_end)
        return rgb[:, rows, cols], valid[rows, cols]

    return read


def by_hand(grey, valid, factor, row, col):
    """Return the exact mean and the valid area of a working pixel."""
    height, width = grey.shape
    total = area = Fraction(0)
    for r in range(math.floor(row * factor), min(height, math.ceil((row + 1) * factor))):
        for c in range(math.floor(col * factor), min(width, math.ceil((col + 1) * factor))):
            down = min((row + 1) * factor, Fraction(r + 1)) - max(row * factor, Fraction(r))
            across = min((col + 1) * factor, Fraction(c + 1)) - max(col * factor, Fraction(c))
            if valid[r, c]:
                area += down * across
                total += down * across * int(grey[r, c])
    return (total / area if area else Fraction(0)), area


factors = st.fractions(min_value=Fraction(9, 8), max_value=5, max_denominator=8)


@settings(max_examples=30)
@given(factor=factors, height=st.integers(1, 24), width=st.integers(1, 24), seed=st.integers(0, 99))
def test_equals_the_exact_area_average(factor, height, width, seed):
    rng = np.random.default_rng(seed)
    grey = rng.integers(0, 256, (height, width)).astype(np.uint8)
    valid = rng.random((height, width)) < 0.7
    rows, cols = math.ceil(height / factor), math.ceil(width / factor)
    rgb, got = read_averaged(
        reader(np.stack([grey] * 3), valid), float(factor), Window(0, 0, rows, cols), height, width
    )
    for row in range(rows):
        for col in range(cols):
            mean, area = by_hand(grey, valid, factor, row, col)
            if abs(area - factor**2 / 2) > Fraction(1, 1000):
                assert got[row, col] == (area > factor**2 / 2)
            if got[row, col]:
                assert abs(float(mean) - rgb[0, row, col]) <= 0.5 + 1e-3
            else:
                assert rgb[:, row, col].tolist() == [0, 0, 0]


@settings(max_examples=40)
@given(data=st.data(), factor=st.floats(1.01, 6.0), seed=st.integers(0, 99))
def test_result_does_not_depend_on_windows(data, factor, seed):
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (3, 61, 47)).astype(np.uint8)
    valid = rng.random((61, 47)) < 0.8
    read = reader(rgb, valid)
    rows, cols = math.ceil(61 / factor - 1e-9), math.ceil(47 / factor - 1e-9)
    whole, whole_valid = read_averaged(read, factor, Window(0, 0, rows, cols), 61, 47)
    row = data.draw(st.integers(0, rows - 1))
    col = data.draw(st.integers(0, cols - 1))
    height = data.draw(st.integers(1, rows - row))
    width = data.draw(st.integers(1, cols - col))
    part, part_valid = read_averaged(read, factor, Window(row, col, height, width), 61, 47)
    np.testing.assert_array_equal(part, whole[:, row : row + height, col : col + width])
    np.testing.assert_array_equal(part_valid, whole_valid[row : row + height, col : col + width])


def test_large_windows_are_read_in_parts_with_the_same_result(monkeypatch):
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 256, (3, 90, 70)).astype(np.uint8)
    valid = rng.random((90, 70)) < 0.9
    sizes = []

    def read(window):
        sizes.append(window.height * window.width)
        return reader(rgb, valid)(window)

    window = Window(0, 0, 36, 28)
    whole = read_averaged(read, 2.5, window, 90, 70)
    monkeypatch.setattr(area_average, "_LARGEST_READ_PX", 400)
    parts = read_averaged(read, 2.5, window, 90, 70)
    assert max(sizes[1:]) <= 700
    np.testing.assert_array_equal(parts[0], whole[0])
    np.testing.assert_array_equal(parts[1], whole[1])


def test_half_a_pixel_beyond_the_edge_is_still_valid_less_is_not():
    rgb = np.full((3, 4, 5), 9, dtype=np.uint8)
    valid = np.ones((4, 5), dtype=bool)
    _, two = read_averaged(reader(rgb, valid), 2.0, Window(0, 0, 2, 3), 4, 5)
    assert two.tolist() == [[True] * 3] * 2
    _, four = read_averaged(reader(rgb, valid), 4.0, Window(0, 0, 1, 2), 4, 5)
    assert four.tolist() == [[True, False]]
