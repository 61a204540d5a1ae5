"""Polygons on pixel edges: exact, valid, and the same as GDAL's."""

import itertools

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import shapes
from scipy.ndimage import gaussian_filter, label

from segmentation_core.raster.grid import Window
from segmentation_core.vectors.polygons import closed_rings, polygons
from segmentation_core.vectors.regions import trace_regions
from segmentation_core.vectors.skeleton import PIXEL
from segmentation_core.vectors.stitching import Stitcher, batches


def traced(
    mask: np.ndarray, row_cuts: list[int], col_cuts: list[int], *, diagonal: bool, rows_per_batch: int = 40
):
    """Return (polygon, area in pixels) of all pieces, traced tile by tile, and the units' first pixels."""
    framed = np.pad(mask, 1)
    stitcher = Stitcher(mask.shape[1], diagonal_units=diagonal, on_lattice=False)
    found, units = [], []
    for top, bottom in itertools.pairwise(row_cuts):
        tiles = []
        for left, right in itertools.pairwise(col_cuts):
            part = framed[top : bottom + 2, left : right + 2]
            regions, _ = trace_regions(part, (top, left), mask.shape[1], diagonal_units=diagonal)
            tiles.append((Window(top, left, bottom - top, right - left), regions, np.zeros(0, PIXEL)))
        (tables,) = stitcher.add_band(tiles, is_last=bottom == mask.shape[0]).finished
        for batch in batches(tables, rows_per_batch):
            rings = closed_rings(batch.corners)
            areas = [batch.pieces["area_px"][batch.pieces["piece"] == p].sum() for p in rings.pieces]
            found += zip(polygons(rings, Affine.identity()), areas, strict=True)
            units += np.unique(batch.pieces["unit"]).tolist()
    return found, sorted(units)


masks = st.builds(
    lambda seed, height, width, sigma, share: (
        (noise := gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), sigma))
        >= np.quantile(noise, 1 - share)
    ),
    st.integers(0, 10**6),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([0, 0.6, 1.2]),
    st.floats(0.05, 1),
)


def cuts(size: int, fractions: list[float]) -> list[int]:
    return sorted({0, size, *(int(f * size) for f in fractions)})


@settings(max_examples=80)
@given(masks, st.lists(st.floats(0, 1), max_size=4), st.lists(st.floats(0, 1), max_size=4), st.booleans())
def test_any_tiling_gives_what_gdal_gives_untiled(mask, row_fractions, col_fractions, diagonal):
    found, units = traced(
        mask, cuts(mask.shape[0], row_fractions), cuts(mask.shape[1], col_fractions), diagonal=diagonal
    )
    made = np.array([p for p, _ in found], object)
    assert shapely.is_valid(made).all()
    assert [int(a) for a in shapely.area(made)] == [a for _, a in found]
    assert sum(a for _, a in found) == mask.sum()
    gdal = [shapely.geometry.shape(s) for s, _ in shapes(mask.astype(np.uint8), mask=mask, connectivity=4)]
    expected = shapely.to_wkt(shapely.normalize(np.array(gdal, object)))
    assert sorted(shapely.to_wkt(shapely.normalize(made))) == sorted(expected)
    numbers, count = label(mask, np.ones((3, 3)) if diagonal else None)
    assert units == sorted(int(np.flatnonzero(numbers.ravel() == n)[0]) for n in range(1, count + 1))


@pytest.mark.parametrize("diagonal", [True, False])
def test_one_pixel_checkerboard(diagonal):
    mask = np.indices((12, 12)).sum(axis=0) % 2 == 0
    found, units = traced(mask, [0, 5, 12], [0, 7, 12], diagonal=diagonal)
    assert len(found) == 72
    assert len(units) == (1 if diagonal else 72)
    assert {a for _, a in found} == {1}


def test_pixels_that_meet_in_a_corner_only_make_a_hole_that_touches():
    """An outline that closes on itself in a point must not become one ring that touches itself (trap 9)."""
    mask = np.array([[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]], bool)
    mask[1, 3] = mask[2, 2] = True
    closed = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], bool)
    for drawn in (mask, closed):
        found, _ = traced(drawn, [0, 2, drawn.shape[0]], [0, 2, drawn.shape[1]], diagonal=True)
        made = np.array([p for p, _ in found], object)
        assert shapely.is_valid(made).all()
        assert shapely.area(made).sum() == drawn.sum()


def test_holes_and_islands_in_them():
    mask = np.ones((9, 9), bool)
    mask[2:7, 2:7] = False
    mask[4, 4] = True
    found, _ = traced(mask, [0, 9], [0, 9], diagonal=True)
    (outer, outer_area), (inner, inner_area) = sorted(found, key=lambda pair: -pair[1])
    assert (outer_area, inner_area) == (81 - 25, 1)
    assert len(outer.interiors) == 1
    assert shapely.Polygon(outer.interiors[0]).area == 25
    assert shapely.equals(inner, shapely.box(4, 4, 5, 5))
    assert len(outer.exterior.coords) == 5
