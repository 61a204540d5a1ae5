"""The main job on small real rasters: with a ready class raster, and with a network."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

from segmentation_core.errors import (
    BookError,
    BookLockedError,
    CrsError,
    ElementsError,
    Interrupted,
    ModelError,
    ParameterError,
    RasterError,
)
from segmentation_core.operations.book import book_list, book_rename
from segmentation_core.operations.survey import survey
from segmentation_core.survey import store
from segmentation_core.survey.figures import recompute
from segmentation_core.survey.geopackage import encode
from segmentation_core.survey.store import writing

DAY = "2026-05-01"


@pytest.fixture
def write_raster(tmp_path):
    """Return a function that writes (bands, h, w) with 1 mm pixels, or without georeference."""

    def write(
        name: str, pixels, crs=None, *, x: float = 10, y: float = 5, placed: bool = True, **profile
    ) -> Path:
        if placed:
            profile |= {"crs": crs, "transform": Affine(0.001, 0, x, 0, -0.001, y)}
        count, height, width = pixels.shape
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(
                tmp_path / name, "w", count=count, height=height, width=width, dtype="uint8", **profile
            ) as dataset:
                dataset.write(pixels)
        return tmp_path / name

    return write


@pytest.fixture
def pixels():
    return np.random.default_rng(7).integers(60, 200, (3, 200, 400), dtype=np.uint8)


@pytest.fixture
def damage():
    """A loss of 40 x 20 px and a crack of 360 x 3 px."""
    classes = np.zeros((1, 200, 400), dtype=np.uint8)
    classes[0, 20:40, 100:140] = 2
    classes[0, 150:153, 20:380] = 1
    return classes


@pytest.fixture
def beam(tmp_path, write_raster, pixels, damage, beam_crs):
    """An orthophoto in a local CRS and its class raster."""
    write_raster("beam.tif", pixels, beam_crs)
    write_raster("classes.tif", damage, beam_crs, nodata=255)
    return tmp_path


@pytest.fixture
def elements(tmp_path, write_layer, beam_crs):
    left, right = shapely.box(10, 4.8, 10.2, 5), shapely.box(10.2, 4.8, 10.4, 5)
    return write_layer(tmp_path / "e.gpkg", "e", [left, right], "Polygon", beam_crs, ID=["西", "东"])


@pytest.fixture
def run(beam, book):
    """Return a function that runs a survey with the ready classes."""

    def call(orthophoto="beam.tif", date=DAY, *, into=book, **options):
        options = {"classes": beam / "classes.tif", **options}
        return survey(beam / orthophoto, into, date, **options)

    return call


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A lite network with fresh weights whose answers vary over the picture."""
    import torch

    from segmentation_core.models import build, save_checkpoint
    from segmentation_core.vocabulary import load_vocabulary

    torch.manual_seed(1)
    network = build("res_unet_lite").eval()
    with torch.no_grad():
        network.decoder.head.weight *= 40
    codes = load_vocabulary().codes
    classes = [{"name": name, "value": value} for value, name in enumerate(("background", *codes))]
    path = tmp_path_factory.mktemp("model") / "fresh.safetensors"
    card = {
        "mlm:name": "fresh",
        "mlm:architecture": "res_unet_lite",
        "mlm:input": [{"statistics": {"mean": [0.485, 0.456, 0.406], "stddev": [0.229, 0.224, 0.225]}}],
        "mlm:output": [{"classification:classes": classes}],
        "crack_width_px": [1, 6],
        "thresholds": {codes[0]: 0.3, codes[1]: 0.35},
        "temperature": 1.2,
    }
    save_checkpoint(path, network, card)
    return path


def leftovers(folder):
    return [p.name for p in folder.iterdir() if p.name.startswith(".") or p.name.endswith("_rasters")]


def test_measured_against_the_drawing(run, elements, beam):
    result = run(elements=elements, id_field="ID")
    left, right = result["elements"]
    assert (left["elem_id"], right["elem_id"]) == ("西", "东")
    assert left["assessed_m2"] == pytest.approx(0.04)
    assert left["loss_m2"] == pytest.approx(40 * 20 * 1e-6)
    assert (left["loss_count"], right["loss_count"]) == (1, 0)
    assert result["totals"]["crack_m"] == pytest.approx(0.36, rel=0.01)
    assert result["totals"]["crack_count"] == 1
    assert result["totals"]["width_mean_mm"] == pytest.approx(3, rel=0.01)
    assert result["run"]["survey"] == DAY
    assert leftovers(beam) == []


def test_excluded_and_named(run, beam, write_layer, beam_crs):
    half = write_layer(beam / "x.gpkg", "x", [shapely.box(10, 4, 10.2, 6)], "Polygon", beam_crs, n=[1])
    result = run(exclude=half, name="  北立面/1 ")
    assert result["run"]["survey"] == "北立面/1"
    assert result["totals"]["assessed_m2"] == pytest.approx(0.04)
    assert result["totals"]["loss_m2"] == 0


def test_twice_replaces_and_says_so(run):
    first = run()
    again = run()
    assert again["totals"] == first["totals"]
    assert again["run"]["replaced"] == first["run"]["added"] == 5
    assert any("5 automatic features were replaced" in note for note in again["run"]["notes"])


def test_another_survey_and_another_orthophoto_are_added(run, beam, write_raster, pixels, damage, beam_crs):
    run()
    write_raster("next.tif", pixels, beam_crs, x=10.4)
    write_raster("next_classes.tif", damage, beam_crs, x=10.4, nodata=255)
    both = run("next.tif", classes=beam / "next_classes.tif")
    assert both["totals"]["assessed_m2"] == pytest.approx(0.16)
    assert both["run"]["replaced"] == 0
    later = run(date="2027-05-01")
    assert later["totals"]["assessed_m2"] == pytest.approx(0.08)
    with closing(sqlite3.connect(beam / "B.gpkg")) as connection:
        assert connection.execute("SELECT count(*) FROM orthophoto").fetchone() == (3,)


def test_a_photo_without_georeference(beam, book, write_raster, pixels, damage):
    photo = write_raster("photo.png", pixels, placed=False, driver="PNG")
    classes = write_raster("mask.png", damage, placed=False, driver="PNG")
    result = survey(photo, book, DAY, classes=classes, gsd_mm=0.5)
    assert result["totals"]["assessed_m2"] == pytest.approx(0.02)
    assert result["totals"]["crack_m"] == pytest.approx(0.18, rel=0.01)
    assert result["run"]["metres_per_unit"] == pytest.approx(0.0005)


def test_with_a_network(beam, book, model, elements):
    result = survey(beam / "beam.tif", book, DAY, model=model, device="cpu", elements=elements, id_field="ID")
    folder = Path(result["run"]["rasters"])
    assert folder.parent == beam / "B_rasters" / DAY
    assert folder.name.startswith("beam-")
    assert {"probability.tif", "classes.tif", "run.json"} <= {p.name for p in folder.iterdir()}
    assert result["run"]["model"] == "fresh"
    assert result["totals"]["assessed_m2"] == pytest.approx(0.08)
    assert result["totals"]["crack_m"] + result["totals"]["loss_m2"] > 0


def test_a_renamed_survey_keeps_its_rasters(beam, book, model):
    first = survey(beam / "beam.tif", book, DAY, model=model, device="cpu")["run"]["rasters"]
    book_rename(book, DAY, "before cleaning")
    kept = (Path(first) / "probability.tif").stat().st_mtime_ns
    second = survey(beam / "beam.tif", book, DAY, model=model, device="cpu")["run"]["rasters"]
    assert second == f"{first}-2"
    assert (Path(first) / "probability.tif").stat().st_mtime_ns == kept
    assert [bool(s["raster_bytes"]) for s in book_list(book)["surveys"]] == [True, True]


def test_rasters_are_discarded_on_request(beam, book, model, write_layer, beam_crs):
    small = write_layer(
        beam / "s.gpkg", "s", [shapely.box(10, 4.95, 10.05, 5)], "Polygon", beam_crs, ID=["a"]
    )
    result = survey(
        beam / "beam.tif",
        book,
        DAY,
        name="../x",
        model=model,
        device="cpu",
        elements=small,
        id_field="ID",
        inside_elements=True,
        discard_rasters=True,
    )
    assert result["run"]["rasters"] is None
    assert leftovers(beam) == []
    assert not (beam.parent / "x").exists()
    assert result["elements"][0]["assessed_m2"] == pytest.approx(0.0025)
    with closing(sqlite3.connect(book)) as connection:
        (assessed,) = connection.execute("SELECT area_m2 FROM assessed").fetchone()
    assert assessed < 0.03  # the network looked no farther than its margin around the element


@pytest.mark.parametrize(
    ("date", "message"),
    [
        ("2026-02-30", "the date 2026-02-30 does not exist"),
        ("01.05.2026", "YYYY-MM-DD"),
        ("20260501", "YYYY-MM-DD"),
        ("2026-W10-1", "YYYY-MM-DD"),
        ("0026-05-01", "year 26 is impossible"),
        ("9026-05-01", "year 9026 is impossible"),
    ],
)
def test_impossible_dates(run, book, date, message):
    with pytest.raises(ParameterError, match=message):
        run(date=date)
    assert not book.exists()


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101])
def test_impossible_names(run, name):
    with pytest.raises(ParameterError, match="survey name"):
        run(name=name)


def test_choices_that_exclude_each_other(run, elements):
    with pytest.raises(ParameterError, match="--id-field"):
        run(elements=elements)
    with pytest.raises(ParameterError, match="--elements"):
        run(id_field="ID")
    with pytest.raises(ParameterError, match="--inside-elements"):
        run(inside_elements=True)
    with pytest.raises(ParameterError, match="exclude each other"):
        run(model="res_unet")


def test_bad_inputs_are_found_before_any_work(
    run, beam, book, elements, write_layer, write_raster, damage, beam_crs
):
    """Each leaves the book byte for byte, and no file behind."""
    run(elements=elements, id_field="ID", name="kept")
    before = book.read_bytes()
    files = sorted(beam.iterdir())
    pixels = np.zeros((3, 200, 400), dtype=np.uint8)
    inputs = beam / "inputs"
    inputs.mkdir()

    def bad(make, *args, **kwargs):
        made = make(*args, **kwargs)
        return shutil.move(made, inputs / made.name)

    far = bad(write_layer, beam / "far.gpkg", "e", [shapely.box(0, 0, 1, 1)], "Polygon", beam_crs, ID=["a"])
    moved = bad(
        write_layer, beam / "moved.gpkg", "e", [shapely.box(10, 4, 11, 5)], "Polygon", beam_crs, ID=["西"]
    )
    geographic = bad(write_raster, "wgs.tif", pixels, "EPSG:4326")
    other = bad(write_raster, "utm.tif", pixels, "EPSG:32633")
    bare = bad(write_raster, "bare.tif", pixels)
    shifted = bad(write_raster, "shifted.tif", damage, beam_crs, x=11)
    small = bad(write_raster, "small.tif", damage[:, :100], beam_crs)
    text = inputs / "text.tif"
    text.write_text("no raster")
    for error, message, options in (
        (RasterError, "text.tif", {"orthophoto": text}),
        (RasterError, "none.tif", {"orthophoto": "none.tif"}),
        (CrsError, "degrees", {"orthophoto": geographic}),
        (CrsError, "--gsd", {"orthophoto": bare}),
        (CrsError, "not that of the book", {"orthophoto": other}),
        (ElementsError, "touches the raster", {"elements": far, "id_field": "ID"}),
        (ElementsError, "no field 'nr'", {"elements": elements, "id_field": "nr"}),
        (ElementsError, "another outline in the book", {"elements": moved, "id_field": "ID"}),
        (ElementsError, "no such file", {"exclude": inputs / "none.gpkg"}),
        (RasterError, "shifted.tif", {"classes": shifted}),
        (RasterError, "small.tif", {"classes": small}),
        (RasterError, "text.tif", {"classes": text}),
        (ModelError, "no_such_model", {"classes": None, "model": "no_such_model"}),
        (ModelError, "text.safetensors", {"classes": None, "model": text.with_suffix(".safetensors")}),
        (ParameterError, "not 2026-05-02", {"date": "2026-05-02", "name": "kept"}),
        (BookError, r"ends in \.gpkg", {"into": beam / "B.sqlite"}),
        (BookError, "not a survey book", {"into": far}),
    ):
        with pytest.raises(error, match=message):
            run(**options)
    assert book.read_bytes() == before
    inputs.rename(beam.parent / f"{beam.name}-inputs")
    assert sorted(beam.iterdir()) == files


def test_a_locked_book_is_found_first(run, book, monkeypatch):
    monkeypatch.setattr(store, "CHECK_WAIT_S", 0.1)
    run()
    with closing(sqlite3.connect(book, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stages = []
        with pytest.raises(BookLockedError):
            run(progress=lambda stage, *_: stages.append(stage))
    assert stages == []


def test_interrupted_while_vectorising(run, beam, book):
    def stop(stage, done, total, unit=""):
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        run(progress=stop)
    assert not book.exists()
    assert leftovers(beam) == []


def test_a_value_that_is_no_class_leaves_the_book(run, beam, book, write_raster, damage, beam_crs):
    run()
    before = book.read_bytes()
    damage[0, 5, 5] = 9
    write_raster("wrong.tif", damage, beam_crs)
    with pytest.raises(RasterError, match=r"9 .*row 5, column 5"):
        run(classes=beam / "wrong.tif")
    assert book.read_bytes() == before
    assert leftovers(beam) == []


def test_shapes_that_a_person_changed_are_measured_again(enter_beam, book, sql):
    """QGIS changes a shape and draws another: their lengths and areas follow when statistics are computed."""
    enter_beam()
    srs_id = sql("SELECT srs_id FROM gpkg_geometry_columns WHERE table_name = 'crack_line'")[0][0]
    shapes = np.array([shapely.LineString([(1, 1), (4, 5)]), shapely.box(0, 0, 2, 0.5)], dtype=object)
    line, polygon = encode(shapes, srs_id)
    sql("UPDATE crack_line SET geom = ? WHERE fid = 1", line)
    sql("INSERT INTO loss_polygon (geom, surv_id, class_cd) VALUES (?, 'S1', 'paint_loss')", polygon)
    untouched = sql("SELECT len_m FROM crack_line WHERE status = 'auto' ORDER BY fid")
    with writing(book) as opened:
        recompute(opened, "S1")
    assert sql("SELECT len_m FROM crack_line WHERE fid = 1") == [(5.0,)]
    assert sql("SELECT area_m2 FROM loss_polygon WHERE status = 'drawn'") == [(1.0,)]
    assert sql("SELECT len_m FROM crack_line WHERE status = 'auto' ORDER BY fid") == untouched
