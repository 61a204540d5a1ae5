"""``segment`` on real files: results, records, interruptions, full disks."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import rasterio
from PIL import Image
from shapely.geometry import box

from segmentation_core.errors import Interrupted, ModelError, ParameterError, RasterError
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


class StopAfter:
    """Raises from the given call on, as a person who presses Cancel or Ctrl-C."""

    def __init__(self, calls, error):
        self.left = calls
        self.error = error

    def __call__(self, stage, done, total, unit=""):
        self.left -= 1
        if self.left < 0:
            raise self.error


def test_writes_probabilities_classes_and_a_record(write_photo, painting, checkpoint, tmp_path):
    array = painting(300, 360)
    array[:, :90, :120] = 0
    photo = write_photo(300, 360, array=array, nodata=0)
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
    assert record["grid"]["width"] == 360
    assert record["gsd_mm"] == pytest.approx(1.0)
    assert "2 px (2 mm) are at the limit" in " ".join(record["notes"])
    assert sorted(p.name for p in out.iterdir()) == ["classes.tif", "probability.tif", "run.json"]

    assert calls[0] == ("segment", 0, pytest.approx(0.108), "Mpx")
    assert ("segment", pytest.approx(0.108), pytest.approx(0.108), "Mpx") in calls
    assert calls[-1] == ("write", 2, 2, "files")


def test_tile_size_and_batch_hardly_matter(write_photo, checkpoint, tmp_path):
    photo = write_photo(420, 500)
    found = {}
    for tile_px, batch in ((256, 1), (256, 3), (512, 1)):
        settings = SegmentSettings(tile_px=tile_px, batch=batch, use_bfloat16=False)
        result = segment(
            photo, tmp_path / f"{tile_px}-{batch}", model=checkpoint, device="cpu", settings=settings
        )
        found[tile_px, batch] = pixels(result.probability).astype(int)
    assert np.abs(found[256, 1] - found[256, 3]).max() <= 1
    middle = np.s_[:, 96:-96, 96:-96]
    assert np.abs(found[256, 1] - found[512, 1])[middle].mean() < 1


def test_inside_leaves_the_rest_out_and_does_not_depend_on_tiles(write_photo, checkpoint, tmp_path):
    photo = write_photo(300, 420)
    inside = box(10 + 0.05, 20 - 0.12, 10 + 0.09, 20 - 0.08)
    whole = pixels(segment(photo, tmp_path / "w", model=checkpoint, device="cpu", settings=SMALL).probability)
    valid = {}
    for tile_px in (96, 128):
        settings = SegmentSettings(tile_px=tile_px, batch=2, use_bfloat16=False)
        result = segment(
            photo, tmp_path / str(tile_px), model=checkpoint, device="cpu", inside=inside, settings=settings
        )
        valid[tile_px] = pixels(result.probability) != 255
    np.testing.assert_array_equal(valid[96], valid[128])
    assert valid[128][0, 80:120, 50:90].all()
    assert valid[128][0, 100, 90 + 63]
    assert not valid[128][0, 100, 90 + 65 :].any()
    part = pixels(tmp_path / "128" / "probability.tif")
    np.testing.assert_array_equal(part[valid[128]], whole[valid[128]])
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


@pytest.mark.parametrize("error", [Interrupted("stopped"), KeyboardInterrupt()], ids=["cancel", "ctrl-c"])
def test_an_interrupted_run_is_continued_with_the_same_bits(write_photo, checkpoint, tmp_path, error):
    photo = write_photo(400, 200)
    expected = segment(photo, tmp_path / "whole", model=checkpoint, device="cpu", settings=SMALL)
    out = tmp_path / "out"
    with pytest.raises(type(error)):
        segment(photo, out, model=checkpoint, device="cpu", settings=SMALL, progress=StopAfter(7, error))
    assert not [t for t in threading.enumerate() if t.name.startswith(("reader", "writer"))]
    assert [p.name for p in out.iterdir()] == [".segment"]
    calls = []
    result = segment(
        photo, out, model=checkpoint, device="cpu", settings=SMALL, progress=lambda *call: calls.append(call)
    )
    assert calls[0][1] > 0
    assert "continued an unfinished run" in result.run["notes"]
    assert result.probability.read_bytes() == expected.probability.read_bytes()
    assert result.classes.read_bytes() == expected.classes.read_bytes()
    assert "continued an unfinished run" not in expected.run["notes"]


RUN_AS_PROCESS = """
import sys
from segmentation_core.inference.settings import SegmentSettings
from segmentation_core.operations.segment import segment
from segmentation_core.errors import CraquelureError

photo, out, model, limit = sys.argv[1:]
if int(limit):
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))

def tell(stage, done, total, unit=""):
    print(stage, done, flush=True)

settings = SegmentSettings(tile_px=128, batch=2, use_bfloat16=False)
try:
    segment(photo, out, model=model, device="cpu", settings=settings, progress=tell)
except CraquelureError as exc:
    print(type(exc).__name__, exc)
"""


def command(photo, out, model, limit=0):
    return [sys.executable, "-c", RUN_AS_PROCESS, str(photo), str(out), str(model), str(limit)]


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_run_is_continued_with_the_same_bits(write_photo, checkpoint, tmp_path):
    photo, out = write_photo(700, 200), tmp_path / "out"
    with subprocess.Popen(command(photo, out, checkpoint), stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            # The second row is under way: the first is with the writer or on disk.
            if float(line.split()[1]) > 0.06 and list(out.glob(".segment/000000-*.probability.tif")):
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.read()
    assert process.wait() == -signal.SIGKILL
    assert not (out / "probability.tif").exists()
    result = segment(photo, out, model=checkpoint, device="cpu", settings=SMALL)
    assert "continued an unfinished run" in result.run["notes"]
    expected = segment(photo, tmp_path / "whole", model=checkpoint, device="cpu", settings=SMALL)
    assert result.probability.read_bytes() == expected.probability.read_bytes()
    assert result.classes.read_bytes() == expected.classes.read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on file sizes")
@pytest.mark.parametrize("share", [0.1, 0.6], ids=["on a piece", "on the result"])
def test_a_full_disk_is_an_error_and_the_work_is_kept(write_photo, checkpoint, tmp_path, share):
    photo, out = write_photo(700, 200), tmp_path / "out"
    expected = segment(photo, tmp_path / "whole", model=checkpoint, device="cpu", settings=SMALL)
    limit = int(expected.probability.stat().st_size * share)
    run = subprocess.run(command(photo, out, checkpoint, limit), capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1].startswith("DiskFullError the disk or the quota is full")
    assert (out / ".segment" / "state.json").exists()
    assert [p.name for p in out.iterdir()] == [".segment"]
    result = segment(photo, out, model=checkpoint, device="cpu", settings=SMALL)
    assert result.probability.read_bytes() == expected.probability.read_bytes()


def test_another_run_begins_anew_and_says_so(write_photo, checkpoint, tmp_path):
    photo, out = write_photo(400, 200), tmp_path / "out"
    with pytest.raises(Interrupted):
        segment(
            photo,
            out,
            model=checkpoint,
            device="cpu",
            settings=SMALL,
            progress=StopAfter(7, Interrupted("stopped")),
        )
    other = SegmentSettings(tile_px=96, batch=2, use_bfloat16=False)
    result = segment(photo, out, model=checkpoint, device="cpu", settings=other)
    assert "discarded" in " ".join(result.run["notes"])
    fresh = segment(photo, tmp_path / "fresh", model=checkpoint, device="cpu", settings=other)
    assert result.probability.read_bytes() == fresh.probability.read_bytes()


def test_a_finished_folder_is_replaced_only_at_the_end(write_photo, checkpoint, tmp_path):
    photo, out = write_photo(400, 200), tmp_path / "out"
    before = segment(photo, out, model=checkpoint, device="cpu", settings=SMALL)
    kept = {p.name: p.read_bytes() for p in out.iterdir()}
    again = write_photo(400, 200, "other.tif", array=np.full((3, 400, 200), 90, dtype=np.uint8))
    with pytest.raises(Interrupted):
        segment(
            again,
            out,
            model=checkpoint,
            device="cpu",
            settings=SMALL,
            progress=StopAfter(7, Interrupted("stopped")),
        )
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == kept
    after = segment(again, out, model=checkpoint, device="cpu", settings=SMALL)
    assert after.run["inputs"] != before.run["inputs"]
    assert after.probability.read_bytes() != kept["probability.tif"]
    assert not (out / ".segment").exists()


def test_a_truncated_tiff_stops_half_way_and_names_the_window(write_photo, checkpoint, tmp_path):
    photo = write_photo(700, 200, compress="deflate")
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
