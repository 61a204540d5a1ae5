"""Errors, vocabulary, grids and georeference: what everything else stands on."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from segmentation_core import errors
from segmentation_core.errors import CraquelureError, CrsError, ParameterError
from segmentation_core.raster.georeference import METRES_PER_UNIT_TAG, read_grid, same_crs
from segmentation_core.raster.grid import Grid, Window
from segmentation_core.vocabulary import load_vocabulary

LOCAL_M = 'LOCAL_CS["South facade",UNIT["metre",1],AXIS["u",EAST],AXIS["v",NORTH]]'
LOCAL_MM = 'LOCAL_CS["South facade",UNIT["millimetre",0.001],AXIS["u",EAST],AXIS["v",NORTH]]'
LOCAL_UNKNOWN = 'LOCAL_CS["Somewhere",UNIT["unknown",1],AXIS["u",EAST],AXIS["v",NORTH]]'


def write(path: Path, crs: str | None, affine: Affine | None, tags: dict[str, str] | None = None) -> Path:
    profile = {
        "driver": "GTiff" if path.suffix == ".tif" else "PNG",
        "width": 40,
        "height": 30,
        "count": 1,
        "dtype": "uint8",
    }
    if crs:
        profile["crs"] = crs
    if affine is not None:
        profile["transform"] = affine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.write(np.zeros((1, 30, 40), np.uint8))
            dataset.update_tags(**(tags or {}))
    return path


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def grid_of(path: Path, gsd_mm: float | None = None) -> Grid:
    with rasterio.open(path) as dataset:
        return read_grid(dataset, gsd_mm)


@pytest.mark.parametrize(
    ("crs", "affine", "gsd_mm"),
    [
        (LOCAL_M, Affine(0.00025, 0, 5, 0, -0.00025, 7), 0.25),
        (LOCAL_MM, Affine(0.25, 0, 5, 0, -0.25, 7), 0.25),
        ("EPSG:32650", Affine(0.001, 0, 5e5, 0, -0.001, 4e6), 1.0),
        ("EPSG:2263", Affine(0.001, 0, 9e5, 0, -0.001, 2e5), 1200 / 3937),
        (LOCAL_M, Affine.rotation(30) @ Affine.scale(0.002, -0.0005), 1.0),
    ],
)
def test_gsd_comes_from_affine_and_unit(tmp_path: Path, crs: str, affine: Affine, gsd_mm: float) -> None:
    assert grid_of(write(tmp_path / "r.tif", crs, affine)).gsd_mm == pytest.approx(gsd_mm, rel=1e-9)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_an_image_without_georeference_lies_where_qgis_draws_it(tmp_path: Path) -> None:
    grid = grid_of(write(tmp_path / "r.tif", None, None), 0.05)
    assert grid.affine @ (10, 20) == (10, -20)
    assert grid.metres_per_unit == pytest.approx(5e-5)
    assert grid.pixel_area_m2 == pytest.approx(2.5e-9)


def test_our_own_rasters_carry_the_unit_a_missing_crs_cannot_state(tmp_path: Path) -> None:
    path = write(tmp_path / "r.tif", None, Affine(2, 0, 0, 0, -2, 0), {METRES_PER_UNIT_TAG: "0.0001"})
    assert grid_of(path).gsd_mm == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("crs", "affine", "gsd_mm", "error", "message"),
    [
        ("EPSG:4326", Affine(1e-6, 0, 116, 0, -1e-6, 40), None, CrsError, "degrees.*r.tif.*--gsd"),
        ("EPSG:4326", Affine(1e-6, 0, 116, 0, -1e-6, 40), 0.5, CrsError, "degrees"),
        (LOCAL_UNKNOWN, Affine(0.5, 0, 0, 0, -0.5, 0), None, CrsError, "does not say what its unit is"),
        (None, Affine(0.5, 0, 3, 0, -0.5, 0), None, CrsError, "no CRS.*r.tif.*--gsd MM"),
        (LOCAL_M, Affine(0.001, 0, 0, 0, -0.001, 0), 0.5, ParameterError, "--gsd says 0.5.*file says 1"),
        (None, Affine(0.5, 0, 3, 0, -0.5, 0), -1.0, ParameterError, "impossible"),
        (None, Affine(0.5, 0, 3, 0, -0.5, 0), math.nan, ParameterError, "impossible"),
    ],
)
def test_an_unknown_size_is_refused_with_the_way_out(
    tmp_path: Path,
    crs: str | None,
    affine: Affine,
    gsd_mm: float | None,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        # A GeoTIFF would turn an unknown unit into metres.
        grid_of(write(tmp_path / ("r.png" if crs == LOCAL_UNKNOWN else "r.tif"), crs, affine), gsd_mm)


def test_gsd_may_supply_a_unit_that_the_crs_leaves_out(tmp_path: Path) -> None:
    path = write(tmp_path / "r.png", LOCAL_UNKNOWN, Affine(0.5, 0, 0, 0, -0.5, 0))
    assert grid_of(path, 0.2).gsd_mm == pytest.approx(0.2)


def test_gsd_that_agrees_with_the_file_is_accepted(tmp_path: Path) -> None:
    path = write(tmp_path / "r.tif", LOCAL_M, Affine(0.001, 0, 0, 0, -0.001, 0))
    assert grid_of(path, 1.005).gsd_mm == pytest.approx(1.0)


def test_the_same_local_crs_survives_a_file_format() -> None:
    rewritten = LOCAL_M.replace('"u"', '"Easting"').replace('"v"', '"Northing"')
    assert same_crs(LOCAL_M, rewritten)
    assert not same_crs(LOCAL_M, LOCAL_M.replace("South", "North"))
    assert not same_crs(LOCAL_M, LOCAL_MM)
    assert same_crs(None, None)
    assert not same_crs(LOCAL_M, None)


@given(
    st.integers(-50, 150), st.integers(-50, 150), st.integers(0, 80), st.integers(0, 80), st.integers(0, 30)
)
def test_a_clipped_window_lies_inside_and_loses_nothing_inside(
    row: int, col: int, height: int, width: int, halo: int
) -> None:
    window = Window(row, col, height, width).grown(halo)
    clipped = window.clipped(100, 90)
    mask = np.zeros((400, 400), bool)
    mask[window.row_off + 150 : window.row_end + 150, window.col_off + 150 : window.col_end + 150] = True
    assert clipped.height * clipped.width == mask[150:250, 150:240].sum()
    if clipped.height and clipped.width:
        assert 0 <= clipped.row_off < clipped.row_end <= 100
        assert 0 <= clipped.col_off < clipped.col_end <= 90


@given(st.integers(1, 5000), st.integers(1, 5000), st.floats(1, 40))
def test_a_coarser_grid_covers_the_raster(width: int, height: int, factor: float) -> None:
    grid = Grid(width, height, Affine(0.01, 0.002, 3, 0.001, -0.01, 4), None, 0.5)
    coarse = grid.coarsened(factor)
    assert coarse.affine @ (0, 0) == grid.affine @ (0, 0)
    assert coarse.gsd_mm == pytest.approx(grid.gsd_mm * factor)
    assert (coarse.width - 1) * factor < width <= coarse.width * factor + 1e-6


def test_every_error_is_of_one_family_and_one_line() -> None:
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, CraquelureError)
        text = str(kind("a long\n what", path="f.tif", remedy="Do this"))
        assert text == "a long what: f.tif. Do this."


def test_paint_loss_is_drawn_last_because_it_wins() -> None:
    vocabulary = load_vocabulary()
    assert [c.code for c in vocabulary.drawing_order] == ["craquelure", "paint_loss"]
    assert vocabulary.line_class.value == 1
    assert vocabulary.polygon_class.value == 2
    assert (vocabulary.background_value, vocabulary.nodata_value) == (0, 255)


def test_importing_the_engine_loads_nothing_heavy() -> None:
    code = (
        "import sys, segmentation_core, segmentation_core.cli, segmentation_core.vocabulary\n"
        "heavy = {'torch', 'torchvision', 'rasterio', 'geopandas', 'pandas', 'shapely', 'scipy', 'skimage',"
        " 'numpy', 'pyogrio', 'matplotlib', 'training'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
