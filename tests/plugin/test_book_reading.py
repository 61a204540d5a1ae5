"""What the panel reads from a survey book."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from journey_data import picture_and_classes, write_elements, write_raster

from segmentation_core.operations.survey import survey
from segmentation_core.survey.geopackage import register_functions


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    picture, classes = picture_and_classes()
    survey(
        write_raster(folder / "beam.tif", picture),
        folder / "book.gpkg",
        "2026-05-01",
        elements=write_elements(folder / "elements.gpkg", ["B-01", "B-02"]),
        id_field="beam_id",
        classes=write_raster(folder / "classes.tif", classes),
    )
    return folder / "book.gpkg"


@pytest.fixture
def reading(engine_side):
    assert engine_side
    return importlib.import_module("craquelure.results.book")


def test_surveys_elements_and_orthophotos(reading, book):
    (row,) = reading.surveys(book)
    assert (row.name, row.date, row.orthophotos, row.stale) == ("2026-05-01", "2026-05-01", 1, False)
    rows, stale = reading.element_rows(book, row.surv_id)
    assert [r["elem_id"] for r in rows] == ["B-01", "B-02"]
    assert rows[0]["crack_m"] > 0
    assert not stale
    (photo,) = reading.orthophotos(book, row.surv_id)
    assert Path(photo.path) == book.parent / "beam.tif"
    assert photo.probability is None


def test_an_edit_makes_the_figures_stale(reading, book, tmp_path):
    import sqlite3

    edited = shutil.copy(book, tmp_path / "edited.gpkg")
    with sqlite3.connect(edited) as connection:
        register_functions(connection)
        connection.execute("UPDATE loss_polygon SET status = 'rejected' WHERE fid = 1")
    (row,) = reading.surveys(edited)
    assert row.stale
    assert reading.element_rows(edited, row.surv_id)[1]


def test_a_width_at_the_limit_of_resolution_is_a_bound(reading, book, tmp_path):
    """Below two pixels a crack is at most as wide as it was measured."""
    import sqlite3

    copy = shutil.copy(book, tmp_path / "copy.gpkg")
    (row,) = reading.surveys(copy)
    (photo,) = reading.orthophotos(copy, row.surv_id)
    assert reading.width_bound_mm(copy, row.surv_id) == 2 * photo.gsd_mm
    told = {}
    for px in (1.99, 2.0):
        with sqlite3.connect(copy) as connection:
            change = "UPDATE element_stats SET value = ? WHERE stat = 'width_mean_mm' AND elem_id = 'B-01'"
            assert connection.execute(change, (px * photo.gsd_mm,)).rowcount == 1
        rows, _ = reading.element_rows(copy, row.surv_id)
        told[px] = [r["width_is_bound"] for r in rows]
    assert told == {1.99: [True, False], 2.0: [False, False]}


def test_a_book_that_somebody_writes_is_told(reading, book, tmp_path):
    import sqlite3

    taken = shutil.copy(book, tmp_path / "taken.gpkg")
    other = sqlite3.connect(taken, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(reading.BookFault, match="another program"):
        reading.surveys(taken)
    other.close()


def test_a_read_only_book_is_known_as_such(unpacked, book):
    """As a user without rights: root may write everything."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        folder.chmod(0o755)
        (folder / "craquelure" / "results").mkdir(parents=True)
        for name in ("translation.py", "results/book.py", "results/sqlite_uri.py"):
            shutil.copy(unpacked / name, folder / "craquelure" / name)
        shutil.copy(book, folder / "book.gpkg")
        (folder / "book.gpkg").chmod(0o444)
        code = (
            "from craquelure.results.book import is_writable, surveys\n"
            "print(is_writable('book.gpkg'), len(surveys('book.gpkg')))"
        )
        program = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
        who = {"user": "nobody"} if os.geteuid() == 0 else {}
        done = subprocess.run(
            [program, "-c", code], check=False, capture_output=True, text=True, cwd=folder, timeout=60, **who
        )
    assert done.stdout.split() == ["False", "1"], done.stderr


def test_growth_of_cracks_is_told_at_least(reading, book, tmp_path):
    """The lower end of its interval, and the gravest verdict."""
    import sqlite3

    compared = shutil.copy(book, tmp_path / "compared.gpkg")
    with sqlite3.connect(compared) as connection:
        register_functions(connection)
        (surv_id,) = connection.execute("SELECT surv_id FROM survey").fetchone()
        connection.execute(
            "INSERT INTO change_pair (pair_id, surv_a, surv_b) VALUES ('P1', ?, ?)", (surv_id, surv_id)
        )
        for stat, diff, u95, said in (
            ("crack_m", -0.2, 1.0, "no change that can be shown"),
            ("crack_growth_m", 0.5, 0.125, "worse"),
        ):
            connection.execute(
                "INSERT INTO change_stats (pair_id, elem_id, stat, diff, u95_diff, verdict) "
                "VALUES ('P1', 'B-01', ?, ?, ?, ?)",
                (stat, diff, u95, said),
            )
    first, second = reading.element_rows(compared, surv_id)[0]
    assert (first["change_crack_m"], first["change_crack_growth_m"]) == (-0.2, 0.375)
    assert first["change_verdict"] == "worse"
    assert "change_verdict" not in second
