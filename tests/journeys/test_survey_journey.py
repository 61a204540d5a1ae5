"""From an orthophoto to a shapefile, by the commands a user types."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
from PIL import Image
from scipy.ndimage import distance_transform_edt

from segmentation_core.raster.opening import open_raster

ELEMENT_KEYS = {
    "elem_id", "assessed_m2", "loss_m2", "loss_ratio", "loss_count", "crack_m", "crack_count",
    "crack_area_m2", "p21_m_per_m2", "width_mean_mm",
}  # fmt: skip
LAYERS = {
    "element", "survey", "orthophoto", "defect_class", "assessed", "loss_polygon", "crack_area", "crack_line",
    "crack_node", "island", "element_stats", "change_pair", "change_polygon", "change_line", "change_stats",
    "edit_log",
}  # fmt: skip


def run_survey(craquelure, beam, book: Path, *extra: object):
    return craquelure(
        "survey", beam.ortho, "--book", book, "--date", "2026-05-01", "--elements", beam.elements,
        "--id-field", "beam_id", "--classes", beam.classes, "--json", *extra,
    )  # fmt: skip


def test_survey_measures_what_is_there(craquelure, beam, tmp_path: Path) -> None:
    done = run_survey(craquelure, beam, tmp_path / "book.gpkg")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result) >= {"elements", "totals", "run"}
    left, right = sorted(result["elements"], key=lambda row: row["elem_id"])
    assert (left["elem_id"], right["elem_id"]) == ("B-01", "梁二")
    assert set(left) >= ELEMENT_KEYS
    for row, loss in ((left, beam.loss_left_m2), (right, beam.loss_right_m2)):
        assert row["assessed_m2"] == pytest.approx(beam.element_m2, rel=1e-9)
        assert row["loss_m2"] == pytest.approx(loss, rel=1e-9)
        assert row["loss_ratio"] == pytest.approx(loss / beam.element_m2, rel=1e-9)
        assert row["loss_count"] == 1
    assert left["crack_m"] == pytest.approx(beam.crack_m, rel=0.01)
    assert left["crack_count"] == 1
    assert left["crack_area_m2"] == pytest.approx(3 * 300 * 0.00025**2, rel=1e-9)
    assert left["p21_m_per_m2"] == pytest.approx(left["crack_m"] / left["assessed_m2"])
    assert left["width_mean_mm"] == pytest.approx(0.75, rel=0.02)
    assert right["crack_m"] == 0
    assert right["width_mean_mm"] is None
    assert result["totals"]["loss_m2"] == pytest.approx(beam.loss_left_m2 + beam.loss_right_m2)


def test_the_book_opens_in_gdal_with_all_layers(craquelure, beam, tmp_path: Path) -> None:
    book = tmp_path / "book.gpkg"
    assert run_survey(craquelure, beam, book).returncode == 0
    assert {name for name, _ in pyogrio.list_layers(book)} >= LAYERS
    lines = geopandas.read_file(book, layer="crack_line")
    assert lines.crs.name == "South facade"
    assert lines.length.sum() == pytest.approx(beam.crack_m, rel=0.01)
    assert set(lines["status"]) == {"auto"}
    assert lines["uid"].is_unique
    losses = geopandas.read_file(book, layer="loss_polygon")
    assert losses.is_valid.all()
    assert sorted(losses["elem_id"]) == ["B-01", "梁二"]
    statistics = pyogrio.read_dataframe(book, layer="element_stats")
    assert {"B-01", "梁二"} <= set(statistics["elem_id"])


def test_the_same_orthophoto_twice_replaces_and_says_so(craquelure, beam, tmp_path: Path) -> None:
    book = tmp_path / "book.gpkg"
    first = json.loads(run_survey(craquelure, beam, book).stdout)
    again = craquelure(
        "survey", beam.ortho, "--book", book, "--date", "2026-05-01", "--elements", beam.elements,
        "--id-field", "beam_id", "--classes", beam.classes,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "replace" in again.stderr.lower()
    second = json.loads(run_survey(craquelure, beam, book).stdout)
    assert second["elements"] == first["elements"]
    assert len(geopandas.read_file(book, layer="loss_polygon")) == 2


def test_without_elements_the_valid_image_is_measured(craquelure, beam, tmp_path: Path) -> None:
    done = craquelure(
        "survey",
        beam.ortho,
        "--book",
        tmp_path / "b.gpkg",
        "--date",
        "2026-05-01",
        "--classes",
        beam.classes,
        "--json",
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["elements"]
    assert row["elem_id"] == "image"
    assert row["assessed_m2"] == pytest.approx(2 * beam.element_m2, rel=1e-9)


def test_a_shapefile_keeps_its_names_and_text(craquelure, beam, tmp_path: Path) -> None:
    book, out = tmp_path / "book.gpkg", tmp_path / "shapes"
    assert run_survey(craquelure, beam, book).returncode == 0
    done = craquelure("export", book, "--format", "shapefile", "-o", out)
    assert done.returncode == 0, done.stderr
    shapes = sorted(out.rglob("*.shp"))
    assert shapes
    (key,) = out.rglob("*.csv")
    with key.open(encoding="utf-8-sig", newline="") as handle:
        explained = {row["field"] for row in csv.DictReader(handle)}
    texts = set()
    for shape in shapes:
        assert shape.with_suffix(".cpg").read_text().strip().upper() == "UTF-8"
        assert "South facade" in shape.with_suffix(".prj").read_text()
        table = geopandas.read_file(shape)
        names = [name for name in table.columns if name != "geometry"]
        assert all(len(name) <= 10 for name in names)
        assert set(names) <= explained
        texts |= {value for name in names for value in table[name] if isinstance(value, str)}
    assert "梁二" in texts


def test_segment_vectorise_measure_by_hand(craquelure, beam, tmp_path: Path) -> None:
    rasters, vectors, table = tmp_path / "rasters", tmp_path / "vectors.gpkg", tmp_path / "stats.csv"
    done = craquelure("segment", beam.ortho, "-o", rasters, "--device", "cpu", "--json")
    assert done.returncode == 0, done.stderr
    with rasterio.open(rasters / "probability.tif") as dataset:
        assert dataset.descriptions == ("craquelure", "paint_loss")
        assert dataset.dtypes == ("uint8", "uint8")
        assert dataset.nodata == 255
        assert dataset.shape == (480, 640)
        probability = dataset.read()
    assert probability.max() <= 250
    with rasterio.open(rasters / "classes.tif") as dataset:
        assert set(np.unique(dataset.read(1))) <= {0, 1, 2}
        layout = dataset.tags(ns="IMAGE_STRUCTURE")
    assert layout["LAYOUT"] == "COG"
    run = json.loads((rasters / "run.json").read_text(encoding="utf-8"))
    assert run["inputs"][0]["sha256"]
    assert run["model"]["name"] == "res_unet"

    done = craquelure("vectorise", rasters, "-o", vectors, "--threshold-paint-loss", 0.5, "--json")
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout)["totals"]
    done = craquelure(
        "measure", vectors, "--elements", beam.elements, "--id-field", "beam_id", "-o", table, "--json"
    )
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["totals"]["crack_m"] == pytest.approx(totals["crack_m"], rel=1e-6, abs=1e-9)
    assert measured["totals"]["loss_m2"] == pytest.approx(totals["loss_m2"], rel=1e-6, abs=1e-12)
    with table.open(encoding="utf-8-sig", newline="") as handle:
        assert len(list(csv.DictReader(handle))) >= 2


def test_predict_labels_photos_the_way_they_are_seen(craquelure, tmp_path: Path) -> None:
    photos, labels = tmp_path / "photos", tmp_path / "labels"
    photos.mkdir()
    upright = Image.fromarray(np.random.default_rng(1).integers(0, 255, (90, 140, 3), dtype=np.uint8))
    upright.save(photos / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    upright.save(photos / "turned.jpg", exif=exif)
    done = craquelure("predict", photos, "-o", labels)
    assert done.returncode == 0, done.stderr
    for name, size in (("upright.png", (140, 90)), ("turned.png", (90, 140))):
        with Image.open(labels / name) as label:
            assert label.size == size
            assert set(np.unique(np.asarray(label))) <= {0, 1, 2}


def test_help_doctor_and_models_answer(craquelure) -> None:
    for arguments in (["--help"], ["doctor"], ["model", "list"], ["survey", "--help"]):
        done = craquelure(*arguments)
        assert done.returncode == 0, done.stderr
        assert done.stdout
    report = json.loads(craquelure("doctor", "--json").stdout)
    assert report["ok"]
    models = json.loads(craquelure("model", "list", "--json").stdout)["models"]
    assert [m["name"] for m in models if m["default"]] == ["res_unet"]


def test_a_real_photo_without_georeference(craquelure, shared_data: Path, tmp_path: Path) -> None:
    photo, book = shared_data / "craquelure_photos" / "fl187.jpg", tmp_path / "book.gpkg"
    done = craquelure(
        "survey", photo, "--book", book, "--date", "2026-05-01", "--gsd", 0.05, "--json", timeout=600
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["elements"]
    with Image.open(photo) as picture:
        width, height = picture.size
    assert row["assessed_m2"] == pytest.approx(width * height * 0.00005**2, rel=1e-6)
    lines = geopandas.read_file(book, layer="crack_line")
    left, bottom, right, top = lines.total_bounds
    assert 0 <= left < right <= width
    assert -height <= bottom < top <= 0  # where QGIS draws the image


def test_the_cracks_of_a_real_photo_are_found(craquelure, shared_data: Path, tmp_path: Path) -> None:
    photo = shared_data / "craquelure_photos" / "fl187.jpg"
    done = craquelure("segment", photo, "-o", tmp_path / "rasters", "--gsd", 0.05, timeout=600)
    assert done.returncode == 0, done.stderr
    raster = tmp_path / "rasters" / "classes.tif"
    # The authors' skeleton is machine-made: most of it should be found, within 4 px.
    with Image.open(photo.parent / "fl187_skeleton.png") as picture:
        skeleton = np.asarray(picture.convert("L")) > 127
    with open_raster(raster) as dataset:
        found = dataset.read(1) == 1
    assert (distance_transform_edt(~found)[skeleton] <= 4).mean() > 0.6
