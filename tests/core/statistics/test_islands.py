"""Islands: what cracks enclose, from the complement of the mask."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from scipy.spatial import cKDTree

from segmentation_core.operations.measure import measure
from segmentation_core.operations.vectorise import vectorise
from segmentation_core.vectors import arrays
from segmentation_core.vectors.settings import VectorSettings

MM = Affine(0.001, 0, 0, 0, -0.001, 0.1)


def grid(size=101, step=20, width=1):
    """Cracks of a square grid; the outermost cells are open to the border."""
    classes = np.zeros((size, size), np.uint8)
    for at in range(10, size, step):
        classes[at : at + width] = classes[:, at : at + width] = 1
    return classes


@pytest.fixture
def measured(tmp_path):
    def run(classes, elements=None, affine=MM, **settings):
        path = tmp_path / "c.tif"
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=classes.shape[1],
            height=classes.shape[0],
            count=1,
            dtype="uint8",
            transform=affine,
            crs='LOCAL_CS["wall",UNIT["metre",1]]',
        ) as raster:
            raster.write(classes, 1)
        run_of = vectorise(path, tmp_path / "v.gpkg", settings=VectorSettings(workers=1, **settings))["run"]
        id_field = None if elements is None else "ID"
        return measure(tmp_path / "v.gpkg", elements, id_field, tmp_path / "s.csv"), run_of

    return run


def test_trap_14_islands_at_the_border_count_apart(measured):
    result, run = measured(grid())
    totals = result["totals"]
    assert (totals["island_count"], totals["island_cut_count"]) == (16, 0)
    assert run["dropped"]["islands_cut_by_the_border"] == {"count": 20, "area_m2": pytest.approx(3440e-6)}
    assert (totals["island_median_m2"], totals["island_p10_m2"]) == pytest.approx((361e-6, 361e-6))
    assert totals["islands_per_m2"] == pytest.approx(16 / (101 * 101e-6))
    assert totals["island_area_ratio"] == pytest.approx(16 * 361 / 101**2)
    assert totals["island_variation"] == pytest.approx(0, abs=1e-7)
    outline_px = 4 * 19 - 4 * 0.88  # smoothing rounds a right angle off, by 0.88 px whatever the square
    assert totals["island_circularity"] == pytest.approx(4 * np.pi * 19**2 / outline_px**2, rel=0.005)


def test_nodata_opens_an_island(measured):
    classes = grid()
    classes[15, 15] = 255
    result, run = measured(classes)
    assert result["totals"]["island_count"] == 15
    assert run["dropped"]["islands_cut_by_the_border"]["count"] == 21


def test_a_diagonal_crack_of_single_pixels_closes(measured):
    """Cracks are 8-connected, so what they enclose is 4-connected."""
    classes = np.zeros((41, 41), np.uint8)
    rows, cols = np.indices(classes.shape)
    classes[np.abs(rows - 20) + np.abs(cols - 20) == 12] = 1
    assert measured(classes)[0]["totals"]["island_count"] == 1


def test_sizes(measured):
    classes = np.ones((40, 120), np.uint8)
    areas = [9, 16, 25, 36, 49, 64, 81, 100]
    for place, area in enumerate(areas):
        side = int(area**0.5)
        classes[5 : 5 + side, 3 + 12 * place : 3 + 12 * place + side] = 0
    classes[30:33, 50:53] = 2  # paint loss is not crack
    classes[30:32, 10:14] = 0  # a speck of 8 pixels, below the minimum mapping unit
    result, run = measured(classes)
    totals, areas = result["totals"], [*areas, 9]
    assert totals["island_count"] == 9
    assert run["dropped"]["islands_below_minimum_mapping_unit"] == {
        "count": 1,
        "area_m2": pytest.approx(8e-6),
    }
    for code, share in (("island_p10_m2", 0.1), ("island_median_m2", 0.5), ("island_p90_m2", 0.9)):
        assert totals[code] == pytest.approx(1e-6 * np.quantile(areas, share, method="hazen"))
    assert totals["island_variation"] == pytest.approx(np.std(areas, ddof=1) / np.mean(areas))


def test_an_outline_cuts_islands_apart(measured, tmp_path, write_layer):
    halves = [shapely.box(0, 0, 0.04, 0.1), shapely.box(0.04, 0, 0.101, 0.1)]
    elements = write_layer(
        tmp_path / "e.gpkg", "e", halves, "Polygon", 'LOCAL_CS["wall",UNIT["metre",1]]', ID=["A", "B"]
    )
    left, right = measured(grid(), elements)[0]["elements"]
    assert (left["island_count"], left["island_cut_count"]) == (4, 4)
    assert (right["island_count"], right["island_cut_count"]) == (8, 4)


def test_without_islands(measured):
    totals = measured(np.zeros((20, 20), np.uint8))[0]["totals"]
    assert totals["island_count"] == totals["islands_per_m2"] == totals["island_area_ratio"] == 0
    for code in ("island_median_m2", "island_variation", "island_circularity"):
        assert totals[code] is None


@pytest.mark.parametrize("tile", [7, 33, 64])
def test_tiles_do_not_matter(tile):
    random = np.random.default_rng(1)
    classes = (random.random((90, 110)) < 0.55).astype(np.uint8)
    classes[random.random(classes.shape) < 0.01] = 255

    def found(size):
        layers = arrays.vectorise(classes, MM, settings=VectorSettings(tile_size_px=size))
        return sorted(layers["island"]["uid"]), layers.dropped

    assert found(tile) == found(1024)


@pytest.mark.parametrize("width", [1.5, 3, 5])
def test_cells_of_a_network_are_found(width):
    """All cells, those at the border included, to 1 %."""
    size, points = 900, np.random.default_rng(7).uniform(-60, 960, (180, 2))
    rows, cols = np.mgrid[0:size, 0:size] + 0.5
    distance, nearest = cKDTree(points).query(np.column_stack([cols.ravel(), rows.ravel()]), k=8)
    apart = np.linalg.norm(points[nearest[:, :1]] - points[nearest[:, 1:]], axis=2)
    aside = (distance[:, 1:] ** 2 - distance[:, :1] ** 2) / (2 * apart)
    mask = (aside.min(axis=1) < width / 2).reshape(size, size)
    cells = len(np.unique(nearest[~mask.ravel(), 0]))
    layers = arrays.vectorise(mask, Affine.identity())
    found = len(layers["island"]["uid"]) + layers.dropped["islands_cut_by_the_border"]["count"]
    assert cells > 100
    assert found == pytest.approx(cells, rel=0.01)


def test_kb11_has_the_islands_of_the_reference(tmp_path, shared_data):
    folder = shared_data / "fracture_networks" / "KB11"
    totals = measure(
        folder / "traces.geojson", folder / "area.geojson", "Shape_Area", tmp_path / "s.csv", snap_m=0.001
    )["totals"]
    assert totals["island_count"] == 431
    assert totals["island_area_ratio"] * totals["assessed_m2"] == pytest.approx(838.14, abs=0.005)
    assert totals["island_median_m2"] == pytest.approx(0.1905, abs=5e-5)
    assert json.dumps(totals, allow_nan=False)
