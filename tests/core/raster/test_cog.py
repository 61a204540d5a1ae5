import json
import os
import subprocess

import numpy as np
import pytest
import rasterio
from affine import Affine

from segmentation_core.errors import DiskFullError, RasterError
from segmentation_core.raster.cog import Piece, ResultBands, assemble, is_whole, write_piece
from segmentation_core.raster.georeference import read_grid, same_crs
from segmentation_core.raster.grid import Grid, Window
from segmentation_core.raster.opening import open_raster

resource = pytest.importorskip("resource") if os.name == "posix" else None

LOCAL = 'LOCAL_CS["Beam facade",UNIT["metre",1],AXIS["u",EAST],AXIS["v",NORTH]]'
MILLIMETRES = 'LOCAL_CS["Beam",UNIT["millimetre",0.001],AXIS["u",EAST],AXIS["v",NORTH]]'
UTM = rasterio.crs.CRS.from_epsg(32650).to_wkt()
ROTATED = Affine.translation(3, 4) @ Affine.rotation(30) @ Affine.scale(0.002, -0.001)


def write_pieces(folder, values):
    """Cut values (K, h, w) into four pieces."""
    _, height, width = values.shape
    pieces = []
    for row_off, piece_height in ((0, 40), (40, height - 40)):
        for col_off, piece_width in ((0, 33), (33, width - 33)):
            window = Window(row_off, col_off, piece_height, piece_width)
            piece = Piece(folder / f"{row_off}-{col_off}.tif", window)
            write_piece(piece.path, values[:, row_off : window.row_end, col_off : window.col_end])
            pieces.append(piece)
    return pieces


@pytest.fixture
def values():
    made = np.random.default_rng(1).integers(0, 251, (2, 1100, 900)).astype(np.uint8)
    made[:, :300, :200] = 255
    return made


@pytest.mark.parametrize(
    ("crs_wkt", "affine", "metres_per_unit"),
    [
        (UTM, Affine(0.001, 0, 500000, 0, -0.001, 4e6), 1.0),
        (LOCAL, Affine(0.0005, 0, 0, 0, -0.0005, 0), 1.0),
        (MILLIMETRES, ROTATED, 0.001),
        (None, Affine(1, 0, 0, 0, -1, 0), 0.0003),
        (None, Affine(2.5, 0, 0, 0, -2.5, 0), 0.0003),
    ],
    ids=["utm", "local", "rotated-mm", "image", "coarser-image"],
)
def test_pieces_become_one_cog_with_the_same_georeference(tmp_path, values, crs_wkt, affine, metres_per_unit):
    grid = Grid(900, 1100, affine, crs_wkt, metres_per_unit)
    path = tmp_path / "probability.tif"
    assemble(write_pieces(tmp_path, values), grid, ResultBands(("a", "b"), "AVERAGE"), path)
    with open_raster(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert dataset.descriptions == ("a", "b")
        assert dataset.nodata == 255
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        got = read_grid(dataset)
    assert got.affine.almost_equals(affine)
    assert same_crs(got.crs_wkt, crs_wkt)
    assert got.metres_per_unit == metres_per_unit
    assert (got.height, got.width) == (1100, 900)


def test_an_image_without_georeference_gets_none(tmp_path, values):
    grid = Grid(900, 1100, Affine(1, 0, 0, 0, -1, 0), None, 0.001)
    path = tmp_path / "p.tif"
    assemble(write_pieces(tmp_path, values), grid, ResultBands(("a", "b"), "AVERAGE"), path)
    told = json.loads(subprocess.run(["gdalinfo", "-json", path], capture_output=True, check=True).stdout)
    assert "geoTransform" not in told
    assert not told.get("coordinateSystem", {}).get("wkt")


def test_overviews_of_probabilities_average_without_nodata(tmp_path):
    values = np.full((1, 1100, 900), 100, dtype=np.uint8)
    values[:, :, 1::2] = 200
    values[:, 500:, :] = 255
    values[:, 500:, ::2] = 40
    grid = Grid(900, 1100, Affine(1, 0, 5, 0, -1, 5), UTM, 1.0)
    path = tmp_path / "p.tif"
    assemble(write_pieces(tmp_path, values), grid, ResultBands(("a",), "AVERAGE"), path)
    with rasterio.open(path, overview_level=0) as dataset:
        smaller = dataset.read(1)
    assert smaller.shape == (550, 450)
    assert np.unique(smaller[:250]).tolist() == [150]
    assert np.unique(smaller[250:]).tolist() == [40]


def test_overviews_of_classes_hold_only_classes(tmp_path):
    values = np.random.default_rng(2).choice(np.array([0, 1, 2, 255], dtype=np.uint8), (1, 1100, 900))
    grid = Grid(900, 1100, Affine(1, 0, 5, 0, -1, 5), UTM, 1.0)
    path = tmp_path / "c.tif"
    assemble(write_pieces(tmp_path, values), grid, ResultBands(("classes",), "NEAREST"), path)
    with rasterio.open(path, overview_level=0) as dataset:
        assert set(np.unique(dataset.read(1))) <= {0, 1, 2, 255}


def test_a_piece_is_whole_or_not(tmp_path):
    piece = Piece(tmp_path / "piece.tif", Window(0, 0, 20, 30))
    assert not is_whole(piece, 2)
    write_piece(piece.path, np.zeros((2, 20, 30), dtype=np.uint8))
    assert is_whole(piece, 2)
    assert not is_whole(piece, 1)
    piece.path.write_bytes(piece.path.read_bytes()[:40])
    assert not is_whole(piece, 2)
    assert [p.name for p in tmp_path.iterdir()] == ["piece.tif"]


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on file sizes")
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_full_disk_is_told_wherever_it_strikes(tmp_path, values, share):
    grid = Grid(900, 1100, Affine(1, 0, 5, 0, -1, 5), UTM, 1.0)
    pieces, bands, path = (
        write_pieces(tmp_path, values),
        ResultBands(("a", "b"), "AVERAGE"),
        tmp_path / "p.tif",
    )
    assemble(pieces, grid, bands, path)
    limit = int(path.stat().st_size * share)
    path.unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(DiskFullError, match=r"full.*p\.tif"):
            assemble(pieces, grid, bands, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assemble(pieces, grid, bands, path)
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), values)


def test_a_missing_piece_is_an_error(tmp_path, values):
    pieces = write_pieces(tmp_path, values)
    pieces[2].path.unlink()
    grid = Grid(900, 1100, Affine(1, 0, 5, 0, -1, 5), UTM, 1.0)
    with pytest.raises(RasterError, match="result"):
        assemble(pieces, grid, ResultBands(("a", "b"), "AVERAGE"), tmp_path / "p.tif")
