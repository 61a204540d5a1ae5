"""``segment`` on real files: results and records."""

import json
import subprocess

import numpy as np
import pytest
import rasterio
from PIL import Image
from shapely.geometry import box

from segmentation_core.errors import ModelError, ParameterError, RasterError
from segmentation_core.inference.settings import SegmentSettings
from segmentation_core.operations.segment import segment
from segmentation_core.raster.checksum import file_sha256
from segmentation_core.raster.georeference import read_grid
from segmentation_core.raster.opening import open_raster
from segmentation_core.raster.probability import class_values
from segmentation_core.vocabulary import load_vocabulary

SMALL = SegmentSettings(tile_px=128, batch=2, use_bfloat16=False)


def pixels(path):
    with open_raster(path) as dataset:
        return dataset.read()


def test_writes_probabilities_classes_and_a_record(write_photo, painting, checkpoint, tmp_path):
    array = painting(200, 260)
    array[:, :90, :120] = 0
    photo = write_photo(200, 260, array=array, nodata=0)
    out = tmp_path / "out"
    calls = []
    result = segment(
        photo, out, model=checkpoint, device="cpu", settings=SMALL, progress=lambda *call: calls.append(call)
    )
    codes = load_vocabulary().codes
    with rasterio.open(result.probability) as dataset, rasterio.open(photo) as source:
        probability = dataset.read()
        assert dataset.descriptions == codes
        assert dataset.nodata == 255
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert read_grid(dataset) == read_grid(source)
    empty = (array == 0).all(axis=0)
    assert (probability[:, empty] == 255).all()
    assert (probability[:, ~empty] <= 250).all()
    assert np.ptp(probability[:, ~empty].astype(int), axis=1).min() > 5
    thresholds = result.run["model"]["thresholds"]
    np.testing.assert_array_equal(pixels(result.classes)[0], class_values(probability, thresholds))
    assert len(np.unique(pixels(result.classes))) > 2

    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert record == result.run
    assert record["inputs"] == [{"path": str(photo), "sha256": file_sha256(photo)}]
    assert record["model"]["name"] == "test_net"
    assert record["model"]["sha256"] == file_sha256(checkpoint)
    assert record["device"]["kind"] == "cpu"
    assert record["parameters"]["tile_px"] == 128
    assert set(record["versions"]) == {"craquelure", "torch", "rasterio", "gdal", "python"}
    assert record["timings_s"]["total"] >= record["timings_s"]["predict"] > 0
    assert record["grid"]["width"] == 260
    assert record["gsd_mm"] == pytest.approx(1.0)
    assert "2 px (2 mm) are at the limit" in " ".join(record["notes"])
    assert sorted(p.name for p in out.iterdir()) == ["classes.tif", "probability.tif", "run.json"]

    assert calls[0] == ("segment", 0, pytest.approx(0.052), "Mpx")
    assert ("segment", pytest.approx(0.052), pytest.approx(0.052), "Mpx") in calls
    assert calls[-1] == ("write", 2, 2, "files")


def test_tile_size_and_batch_hardly_matter(write_photo, checkpoint, tmp_path):
    photo = write_photo(300, 420)
    found = {}
    for tile_px, batch in ((256, 1), (256, 3), (512, 1)):
        settings = SegmentSettings(tile_px=tile_px, batch=batch, use_bfloat16=False)
        out = tmp_path / f"{tile_px}-{batch}"
        result = segment(photo, out, model=checkpoint, device="cpu", settings=settings)
        found[tile_px, batch] = pixels(result.probability).astype(int)
    assert np.abs(found[256, 1] - found[256, 3]).max() <= 1
    assert np.abs(found[256, 1] - found[512, 1]).mean() < 1


def test_inside_leaves_the_rest_out_and_does_not_depend_on_tiles(write_photo, checkpoint, tmp_path):
    photo = write_photo(200, 300)
    inside = box(10 + 0.05, 20 - 0.12, 10 + 0.09, 20 - 0.08)
    whole = segment(photo, tmp_path / "w", model=checkpoint, device="cpu", settings=SMALL)
    valid = {}
    for tile_px in (96, 128):
        settings = SegmentSettings(tile_px=tile_px, batch=2, use_bfloat16=False)
        out = tmp_path / str(tile_px)
        result = segment(photo, out, model=checkpoint, device="cpu", inside=inside, settings=settings)
        valid[tile_px] = pixels(result.probability) != 255
    np.testing.assert_array_equal(valid[96], valid[128])
    assert valid[128][0, 80:120, 50:90].all()
    assert valid[128][0, 100, 90 + 63]
    assert not valid[128][0, 100, 90 + 65 :].any()
    part = pixels(result.probability)
    np.testing.assert_array_equal(part[valid[128]], pixels(whole.probability)[valid[128]])
    assert result.run["parameters"]["inside_sha256"]


def test_an_image_without_georeference_stays_one(tmp_path, painting, checkpoint):
    photo = tmp_path / "photo.jpg"
    Image.fromarray(painting(90, 120).transpose(1, 2, 0)).save(photo)
    result = segment(photo, tmp_path / "out", model=checkpoint, device="cpu", gsd_mm=0.05, settings=SMALL)
    told = subprocess.run(["gdalinfo", "-json", result.probability], capture_output=True, check=True).stdout
    assert "geoTransform" not in json.loads(told)
    with open_raster(result.probability) as dataset:
        assert read_grid(dataset).gsd_mm == pytest.approx(0.05)


def test_working_gsd_runs_on_the_coarser_grid(write_photo, checkpoint, tmp_path):
    photo = write_photo(300, 200)
    result = segment(
        photo, tmp_path / "out", model=checkpoint, device="cpu", working_gsd_mm=2.5, settings=SMALL
    )
    with rasterio.open(result.probability) as dataset:
        assert (dataset.height, dataset.width) == (120, 80)
        assert read_grid(dataset).gsd_mm == pytest.approx(2.5)
    assert result.run["gsd_mm"] == pytest.approx(2.5)


def test_a_truncated_tiff_stops_half_way_and_names_the_window(write_photo, checkpoint, tmp_path):
    photo = write_photo(500, 120, compress="deflate")
    photo.write_bytes(photo.read_bytes()[: photo.stat().st_size * 6 // 10])
    with pytest.raises(RasterError, match=r"rows \d+-\d+, columns \d+-\d+ cannot be read: .*photo\.tif"):
        segment(photo, tmp_path / "out", model=checkpoint, device="cpu", settings=SMALL)
    assert not (tmp_path / "out" / "probability.tif").exists()


def test_a_raster_without_any_valid_pixel_is_all_nodata(write_photo, checkpoint, tmp_path):
    photo = write_photo(100, 100, array=np.zeros((3, 100, 100), dtype=np.uint8), nodata=0)
    result = segment(photo, tmp_path / "out", model=checkpoint, device="cpu", settings=SMALL)
    assert (pixels(result.probability) == 255).all()
    assert (pixels(result.classes) == 255).all()


def test_bad_parameters_leave_no_folder(write_photo, checkpoint, tmp_path):
    photo, out = write_photo(64, 64), tmp_path / "out"
    with pytest.raises(ParameterError):
        segment(photo, out, model=checkpoint, device="tpu")
    with pytest.raises(ParameterError):
        segment(photo, out, model=checkpoint, device="cpu", settings=SegmentSettings(tile_px=100))
    with pytest.raises(ParameterError, match="does not touch"):
        segment(photo, out, model=checkpoint, device="cpu", inside=box(0, 0, 1, 1))
    with pytest.raises(ModelError):
        segment(photo, out, model=tmp_path / "none.safetensors", device="cpu")
    assert not out.exists()


def test_an_output_folder_that_cannot_be_made(write_photo, checkpoint, tmp_path):
    photo = write_photo(64, 64)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RasterError, match="output folder cannot be made"):
        segment(photo, tmp_path / "file" / "out", model=checkpoint, device="cpu", settings=SMALL)
