from __future__ import annotations

import shutil

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from segmentation_core.errors import Interrupted, ParameterError, VectorError
from segmentation_core.facade.generate import ID_FIELD, generate_facade
from segmentation_core.facade.layout import GSD_MM, facade_layout
from segmentation_core.raster.georeference import read_grid, same_crs
from segmentation_core.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary()
LINE, LOSS, NODATA = VOCABULARY.line_class.value, VOCABULARY.polygon_class.value, VOCABULARY.nodata_value
TINY = (1200, 600)


def test_the_orthophoto_is_in_a_local_crs_in_metres(small_facade, small_size):
    with rasterio.open(small_facade.orthophoto) as source:
        grid = read_grid(source)
        assert (source.width, source.height) == small_size
        assert source.count == 3
        assert source.dtypes[0] == "uint8"
        assert source.profile["tiled"]
        assert source.profile["compress"] == "deflate"
    assert grid.gsd_mm == pytest.approx(GSD_MM)
    assert grid.metres_per_unit == 1.0


def test_nodata_is_a_ragged_edge_that_reaches_into_the_beams(small_facade, small_size):
    with rasterio.open(small_facade.orthophoto) as source:
        valid = source.dataset_mask() > 0
        assert not source.read(1)[~valid].any()
    edge = valid.sum(axis=1)
    assert len(np.unique(edge)) > 10
    layout = facade_layout(small_size)
    beam_px = (layout.beams[0].box_px[2] - layout.beams[0].box_px[0]) * sum(
        b.box_px[3] - b.box_px[1] for b in layout.beams
    )
    assessed = sum(beam.assessed_m2 for beam in small_facade.beams) / (GSD_MM / 1000) ** 2
    assert 0.97 * beam_px < assessed < beam_px


def test_truth_figures_are_those_of_the_truth_raster(small_facade, small_size):
    area = (GSD_MM / 1000) ** 2
    with rasterio.open(small_facade.truth_raster) as truth:
        assert truth.nodata == NODATA
        for beam, true in zip(facade_layout(small_size).beams, small_facade.beams, strict=True):
            x0, y0, x1, y1 = beam.box_px
            classes = truth.read(1, window=Window(x0, y0, x1 - x0, y1 - y0))
            assert true.loss_m2 == pytest.approx((classes == LOSS).sum() * area)
            assert true.crack_area_m2 == pytest.approx((classes == LINE).sum() * area)
            assert true.assessed_m2 == pytest.approx((classes != NODATA).sum() * area)
            assert true.loss_ratio == pytest.approx(true.loss_m2 / true.assessed_m2)
            # Length times a width of 1 to 6 px is the area.
            assert 1.0 < true.crack_area_m2 / (true.crack_m * GSD_MM / 1000) < 6.0
        whole = truth.read(1)
    assert set(np.unique(whole)) == {0, LINE, LOSS, NODATA}


def test_beams_suffer_differently_and_none_is_spared(small_facade):
    cracks = [beam.crack_m / beam.assessed_m2 for beam in small_facade.beams]
    losses = [beam.loss_ratio for beam in small_facade.beams]
    assert min(cracks) > 0
    assert max(cracks) > 2 * min(cracks)
    assert min(losses) > 0
    assert max(losses) > 2 * min(losses)


def test_damage_shows_in_the_picture(small_facade, small_size):
    with rasterio.open(small_facade.orthophoto) as source, rasterio.open(small_facade.truth_raster) as truth:
        rgb, classes = source.read().astype(float), truth.read(1)
    beside = np.zeros_like(classes, bool)
    beside[4:] = classes[:-4] == LINE
    beside &= classes == 0
    assert rgb[:, classes == LINE].mean() < 0.8 * rgb[:, beside].mean()
    x0, y0, x1, y1 = facade_layout(small_size).beams[1].box_px
    saturation = (rgb.max(axis=0) - rgb.min(axis=0))[y0:y1, x0:x1]
    classes = classes[y0:y1, x0:x1]
    assert saturation[classes == LOSS].mean() < 0.7 * saturation[classes == 0].mean()


def test_most_dark_thin_lines_are_no_cracks(small_facade):
    """The picture is hard: finding all that is dark finds mostly ornament."""
    with rasterio.open(small_facade.orthophoto) as source, rasterio.open(small_facade.truth_raster) as truth:
        dark = source.read().max(axis=0) < 70
        classes = truth.read(1)
    dark &= classes != NODATA
    assert (classes[dark] == LINE).mean() < 0.3


def test_elements_have_ids_names_and_the_rasters_crs(small_facade, small_size):
    frame = geopandas.read_file(small_facade.elements, engine="pyogrio")
    assert frame[ID_FIELD].tolist() == [beam.elem_id for beam in small_facade.beams]
    assert frame["name_zh"].str.len().min() > 1
    assert frame.geometry.is_valid.all()
    with rasterio.open(small_facade.orthophoto) as source:
        assert same_crs(frame.crs.to_wkt(), source.crs.to_wkt())
        assert "Pavilion, south facade" in source.crs.to_wkt()
        frame_px = frame.geometry.affine_transform((~source.transform).to_shapely())
    for outline, beam in zip(frame_px, facade_layout(small_size).beams, strict=True):
        assert outline.bounds == pytest.approx(beam.box_px, abs=1e-6)


@pytest.fixture
def copied(tiny_facade, tmp_path):
    """A copy of the tiny facade that a test may spoil."""
    folder = tmp_path / "copy"
    shutil.copytree(tiny_facade.orthophoto.parent, folder)
    return folder


def generates(folder, seed=1):
    """Say whether a call would generate, without letting it."""

    def stop(stage, done, total, unit=""):
        raise Interrupted("stopped")

    try:
        generate_facade(folder, seed=seed, size_px=TINY, progress=stop)
    except Interrupted:
        return True
    return False


def test_one_seed_gives_one_facade_and_another_a_different_one(tiny_facade, tmp_path):
    def picture(facade):
        with rasterio.open(facade.orthophoto) as source:
            return source.read()

    seen = []

    def note(stage, done, total, unit=""):
        seen.append(done / total)

    again = generate_facade(tmp_path / "again", seed=1, size_px=TINY, progress=note)
    other = generate_facade(tmp_path / "other", seed=2, size_px=TINY)
    np.testing.assert_array_equal(picture(again), picture(tiny_facade))
    assert again.beams == tiny_facade.beams
    assert (picture(other) != picture(tiny_facade)).mean() > 0.5
    assert other.beams != tiny_facade.beams
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert 0.5 < seen[-1] <= 1


def test_a_whole_facade_is_taken_as_it_is(tiny_facade, copied):
    assert not generates(copied)
    assert generate_facade(copied, seed=1, size_px=TINY).beams == tiny_facade.beams


def test_a_touched_file_means_generating(copied):
    with rasterio.open(copied / "truth.tif", "r+") as truth:
        truth.write(np.full((1, 9, 9), LOSS, np.uint8), window=Window(0, 0, 9, 9))
    assert generates(copied)


def test_another_seed_means_generating(copied):
    assert generates(copied, seed=2)


@pytest.mark.parametrize("text", ['{"version": 1', "[]", "{}"])
def test_a_damaged_record_means_generating(copied, text):
    (copied / "truth.json").write_text(text, encoding="utf-8")
    assert generates(copied)


def test_a_half_written_facade_is_not_taken_for_a_whole_one(copied):
    assert generates(copied, seed=2)
    assert not (copied / "truth.json").exists()
    assert generates(copied)


def test_impossible_requests_are_named(tmp_path):
    with pytest.raises(ParameterError, match="300 x 200"):
        generate_facade(tmp_path, size_px=(300, 200))
    blocked = tmp_path / "file"
    blocked.write_text("x", encoding="utf-8")
    with pytest.raises(VectorError, match="file"):
        generate_facade(blocked / "facade", size_px=TINY)
