"""Every bad input ends in one clear line, exit code 2, and an untouched book."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import geopandas
import numpy as np
import pytest
from affine import Affine
from journey_data import LOCAL, picture_and_classes, write_elements, write_raster
from PIL import Image
from shapely.geometry import Polygon, box


@pytest.fixture
def book(craquelure, beam, tmp_path: Path) -> Path:
    path = tmp_path / "book.gpkg"
    done = craquelure(
        "survey", beam.ortho, "--book", path, "--date", "2026-05-01", "--elements", beam.elements,
        "--id-field", "beam_id", "--classes", beam.classes,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return path


def refused(done, *parts: str) -> None:
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in lines[0], lines[0]


def survey_into(craquelure, book: Path, ortho: Path, *extra: object):
    """Run a survey and check that it left the book as it was."""
    before = hashlib.sha256(book.read_bytes()).hexdigest()
    done = craquelure("survey", ortho, "--book", book, "--date", "2026-06-01", *extra)
    assert hashlib.sha256(book.read_bytes()).hexdigest() == before
    return done


def test_not_a_raster(craquelure, book: Path, tmp_path: Path) -> None:
    fake = tmp_path / "notes.tif"
    fake.write_text("no picture")
    refused(survey_into(craquelure, book, fake), "notes.tif")
    refused(survey_into(craquelure, book, tmp_path / "absent.tif"), "absent.tif")
    refused(craquelure("segment", fake, "-o", tmp_path / "out"), "notes.tif")
    refused(craquelure("vectorise", fake, "-o", tmp_path / "v.gpkg"), "notes.tif")


def test_a_truncated_raster_names_the_window(craquelure, book: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    cut = write_raster(tmp_path / "cut.tif", rng.integers(0, 255, (3, 900, 700), dtype=np.uint8))
    cut.write_bytes(cut.read_bytes()[:900_000])
    refused(survey_into(craquelure, book, cut, "--device", "cpu"), "cut.tif", "row")


def test_a_geographic_crs(craquelure, book: Path, tmp_path: Path) -> None:
    picture, _ = picture_and_classes()
    degrees = write_raster(tmp_path / "degrees.tif", picture, "EPSG:4326", Affine(1e-6, 0, 116, 0, -1e-6, 40))
    refused(survey_into(craquelure, book, degrees), "degrees.tif", "--gsd")


def test_no_crs_and_no_gsd(craquelure, book: Path, tmp_path: Path) -> None:
    picture, _ = picture_and_classes()
    bare = write_raster(tmp_path / "bare.tif", picture, None)
    refused(survey_into(craquelure, book, bare), "bare.tif", "--gsd")


def test_elements_that_cannot_be_used(craquelure, book: Path, beam, tmp_path: Path) -> None:
    def with_elements(path: Path, *extra: object):
        return survey_into(
            craquelure, book, beam.ortho, "--classes", beam.classes, "--elements", path, *extra
        )

    refused(with_elements(beam.elements, "--id-field", "nummer"), "nummer", "beam_id", "elements.gpkg")
    refused(with_elements(beam.elements), "--id-field")
    twice = write_elements(tmp_path / "twice.gpkg", ["B-01", "B-01"])
    refused(with_elements(twice, "--id-field", "beam_id"), "B-01", "twice.gpkg")
    empty = write_elements(tmp_path / "empty.gpkg", ["B-01", None])
    refused(with_elements(empty, "--id-field", "beam_id"), "empty.gpkg")
    null = tmp_path / "null.gpkg"
    shapes = [box(2, 2.9, 2.1, 3), None]
    geopandas.GeoDataFrame({"beam_id": ["a", "b"]}, geometry=shapes, crs=LOCAL).to_file(null, driver="GPKG")
    refused(with_elements(null, "--id-field", "beam_id"), "b", "null.gpkg")
    away = tmp_path / "away.gpkg"
    geopandas.GeoDataFrame({"beam_id": ["a"]}, geometry=[box(50, 50, 51, 51)], crs=LOCAL).to_file(
        away, driver="GPKG"
    )
    refused(with_elements(away, "--id-field", "beam_id"), "away.gpkg")
    other = write_elements(tmp_path / "other.gpkg", ["a"], crs="EPSG:32650")
    refused(with_elements(other, "--id-field", "beam_id"), "other.gpkg")
    text = tmp_path / "text.gpkg"
    text.write_text("no layer")
    refused(with_elements(text, "--id-field", "beam_id"), "text.gpkg")


def test_an_invalid_outline_is_repaired_and_reported(craquelure, beam, tmp_path: Path) -> None:
    bow = Polygon([(2.0, 2.9), (2.1, 3.0), (2.1, 2.9), (2.0, 3.0)])
    path = tmp_path / "bow.gpkg"
    geopandas.GeoDataFrame({"beam_id": ["bow"]}, geometry=[bow], crs=LOCAL).to_file(path, driver="GPKG")
    done = craquelure(
        "survey", beam.ortho, "--book", tmp_path / "b.gpkg", "--date", "2026-05-01",
        "--classes", beam.classes, "--elements", path, "--id-field", "beam_id",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "bow" in done.stderr
    assert "repaired" in done.stderr


def test_elements_in_another_crs_are_reprojected(craquelure, tmp_path: Path) -> None:
    picture, classes = picture_and_classes()
    affine = Affine(0.00025, 0, 450000, 0, -0.00025, 4420000)
    ortho = write_raster(tmp_path / "utm.tif", picture, "EPSG:32650", affine)
    ready = write_raster(tmp_path / "utm_classes.tif", classes, "EPSG:32650", affine)
    outline = geopandas.GeoDataFrame(
        {"beam_id": ["a"]}, geometry=[box(450000, 4420000 - 0.12, 450000.16, 4420000)], crs="EPSG:32650"
    )
    outline.to_crs("EPSG:32651").to_file(tmp_path / "zone51.gpkg", driver="GPKG")
    done = craquelure(
        "survey", ortho, "--book", tmp_path / "b.gpkg", "--date", "2026-05-01", "--classes", ready,
        "--elements", tmp_path / "zone51.gpkg", "--id-field", "beam_id", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["elements"]
    assert row["assessed_m2"] == pytest.approx(0.16 * 0.12, rel=1e-3)


def test_an_orthophoto_in_another_crs_than_the_book(craquelure, book: Path, tmp_path: Path) -> None:
    picture, _ = picture_and_classes()
    other = write_raster(tmp_path / "north.tif", picture, LOCAL.replace("South", "North"))
    refused(survey_into(craquelure, book, other), "north.tif", "South facade")


def test_a_locked_book(craquelure, book: Path, beam) -> None:
    before = book.read_bytes()
    holder = sqlite3.connect(book, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        # Reading the file here would let go of the lock: POSIX drops it with any handle of the process.
        done = craquelure(
            "survey", beam.ortho, "--book", book, "--date", "2026-06-01", "--classes", beam.classes
        )
    finally:
        holder.close()
    refused(done, "book.gpkg")
    assert book.read_bytes() == before


def test_a_file_that_is_no_book(craquelure, beam) -> None:
    done = survey_into(craquelure, beam.elements, beam.ortho, "--classes", beam.classes)
    refused(done, "elements.gpkg")


@pytest.mark.parametrize("date", ["2026-02-30", "26-5-1", "yesterday", "", "20260501T00"])
def test_an_impossible_date(craquelure, book: Path, beam, date: str) -> None:
    before = book.read_bytes()
    done = craquelure("survey", beam.ortho, "--book", book, "--date", date, "--classes", beam.classes)
    refused(done, "date")
    assert book.read_bytes() == before


def test_a_model_that_cannot_be_used(craquelure, book: Path, beam, tmp_path: Path) -> None:
    fake = tmp_path / "fake.safetensors"
    fake.write_bytes(b"PK\x03\x04 pickled inside")
    refused(survey_into(craquelure, book, beam.ortho, "--model", fake), "fake.safetensors")
    refused(survey_into(craquelure, book, beam.ortho, "--model", "no_such_net"), "no_such_net")
    refused(craquelure("model", "add", fake), "fake.safetensors")


def test_model_and_classes_exclude_each_other(craquelure, book: Path, beam) -> None:
    done = survey_into(craquelure, book, beam.ortho, "--classes", beam.classes, "--model", "res_unet_lite")
    refused(done, "--classes", "--model")


def test_classes_on_another_grid(craquelure, book: Path, beam, tmp_path: Path) -> None:
    _, classes = picture_and_classes()
    small = write_raster(tmp_path / "small.tif", classes[:, :400])
    refused(survey_into(craquelure, book, beam.ortho, "--classes", small), "small.tif")
    strange = write_raster(tmp_path / "strange.tif", classes + 5)
    refused(survey_into(craquelure, book, beam.ortho, "--classes", strange), "strange.tif")


def test_other_bad_words(craquelure, book: Path, beam, tmp_path: Path) -> None:
    refused(craquelure("export", book, "--format", "papyrus", "-o", tmp_path / "x"), "papyrus", "shapefile")
    refused(
        craquelure("export", book, "--format", "shapefile", "-o", tmp_path / "x", "--survey", "1999"), "1999"
    )
    bad = craquelure("vectorise", beam.classes, "-o", tmp_path / "v.gpkg", "--threshold-craquelure", 0.7)
    refused(bad, "threshold", "classes.tif")
    refused(
        craquelure(
            "measure", beam.elements, "--elements", beam.elements, "--id-field", "beam_id", "-o", "s.csv"
        )
    )
    refused(survey_into(craquelure, book, beam.ortho, "--device", "cuda"), "cuda")


def test_an_output_that_would_replace_something_else(craquelure, book: Path, beam, tmp_path: Path) -> None:
    for precious in (book, beam.elements):
        before = precious.read_bytes()
        refused(craquelure("vectorise", beam.classes, "-o", precious), precious.name, "another name")
        vectors = tmp_path / "v.gpkg"
        assert craquelure("vectorise", beam.classes, "-o", vectors).returncode == 0  # over its own, too
        id_field = ("--elements", beam.elements, "--id-field", "beam_id")
        refused(craquelure("measure", vectors, *id_field, "-o", precious), ".csv")
        assert precious.read_bytes() == before
    refused(craquelure("vectorise", beam.classes, "-o", tmp_path / "v.txt"), ".gpkg")


def test_a_png_that_is_cut_short(craquelure, book: Path, tmp_path: Path) -> None:
    picture, _ = picture_and_classes()
    cut = tmp_path / "cut.png"
    Image.fromarray(picture.transpose(1, 2, 0)).save(cut)
    cut.write_bytes(cut.read_bytes()[:100_000])
    refused(survey_into(craquelure, book, cut, "--gsd", "0.25"), "cut.png", "cut short")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 1 MB."""
    folder = tmp_path / "small_disk"
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    if subprocess.run(options, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_book_as_it_was(craquelure, beam, small_disk: Path) -> None:
    book = small_disk / "book.gpkg"
    survey = ("survey", beam.ortho, "--book", book, "--classes", beam.classes, "--date")
    assert craquelure(*survey, "2026-05-01").returncode == 0
    with (small_disk / "ballast").open("wb") as ballast:
        ballast.write(b"x" * (shutil.disk_usage(small_disk).free - (64 << 10)))
    before = book.read_bytes()
    refused(craquelure(*survey, "2026-06-01"), "full")
    assert book.read_bytes() == before
    assert sorted(p.name for p in small_disk.iterdir()) == ["ballast", "book.gpkg"]
