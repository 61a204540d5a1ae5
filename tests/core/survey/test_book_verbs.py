"""Listing, renaming, redating and removing the surveys of a book, also while another program writes."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from journey_data import HEIGHT, WIDTH, picture_and_classes, write_elements, write_raster

from segmentation_core.errors import BookError, BookLockedError, ParameterError
from segmentation_core.operations.book import book_list, book_redate, book_remove, book_rename
from segmentation_core.operations.survey import survey
from segmentation_core.survey.geopackage import register_functions

FIRST, SECOND = "2026-05-01", "2027-05-01"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    picture, classes = picture_and_classes()
    return {
        "orthophoto": write_raster(folder / "beam.tif", picture),
        "classes": write_raster(folder / "classes.tif", classes),
        "elements": write_elements(folder / "elements.gpkg", ["B-01", "B-02"]),
        "id_field": "beam_id",
    }


@pytest.fixture(scope="module")
def two_surveys(inputs, tmp_path_factory):
    """A book with two surveys of one beam."""
    book = tmp_path_factory.mktemp("two") / "book.gpkg"
    survey(**inputs, book=book, date=FIRST)
    survey(**inputs, book=book, date=SECOND, name="second")
    return book


@pytest.fixture
def book(two_surveys, tmp_path):
    copy = tmp_path / "book.gpkg"
    copy.write_bytes(two_surveys.read_bytes())
    return copy


def rows(book, query, *parameters):
    with closing(sqlite3.connect(book)) as connection, connection:
        register_functions(connection)
        return connection.execute(query, parameters).fetchall()


def command(*words):
    done = subprocess.run(
        [sys.executable, "-m", "segmentation_core.cli", "book", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_list_tells_what_the_book_holds(book, inputs):
    rows(book, "UPDATE crack_line SET status = 'verified' WHERE surv_id = 'S2'")
    rows(book, "UPDATE loss_polygon SET status = 'rejected' WHERE surv_id = 'S2' AND fid % 2 = 0")
    first, second = book_list(book)["surveys"]
    assert (first["name"], first["date"]) == (FIRST, FIRST)
    assert (second["name"], second["date"]) == ("second", SECOND)
    assert first["counts"]["loss_polygon"] == 2
    assert first["counts"]["crack_line"] == 1
    assert first["touched"] == 0
    assert not first["stale"]
    assert (second["counts"]["loss_polygon"], second["rejected"], second["touched"]) == (1, 1, 2)
    assert second["stale"]
    assert [o["path"] for o in first["orthophotos"]] == [str(inputs["orthophoto"])]
    assert first["raster_bytes"] == 0


def test_rename(book):
    uids = rows(book, "SELECT uid FROM crack_line ORDER BY uid")
    assert book_rename(book, "second", " 二 ")["name"] == "二"
    assert [s["name"] for s in book_list(book)["surveys"]] == [FIRST, "二"]
    assert rows(book, "SELECT uid FROM crack_line ORDER BY uid") == uids


@pytest.mark.parametrize(
    ("survey_name", "new", "message"),
    [
        ("second", FIRST, "has a survey '2026-05-01' already"),
        ("second", " ", "empty"),
        ("third", "x", "no survey 'third'.*2026-05-01, second"),
    ],
)
def test_names_that_cannot_be(book, survey_name, new, message):
    before = book.read_bytes()
    with pytest.raises(ParameterError, match=message):
        book_rename(book, survey_name, new)
    assert book.read_bytes() == before


def test_redate_moves_the_time_of_its_features_and_of_those_before(book):
    told = book_redate(book, "second", "2028-02-29")
    assert told["date_before"] == SECOND
    for layer in ("loss_polygon", "crack_line", "assessed"):
        times = rows(book, f"SELECT DISTINCT surv_id, t_start, t_end FROM {layer} ORDER BY 1")
        assert times == [("S1", FIRST, "2028-02-29"), ("S2", "2028-02-29", None)]
    book_redate(book, "second", "2020-01-01")
    times = rows(book, "SELECT DISTINCT surv_id, t_start, t_end FROM crack_line ORDER BY 1")
    assert times == [("S1", FIRST, None), ("S2", "2020-01-01", FIRST)]
    assert rows(book, "SELECT count(*) FROM edit_log") == [(0,)]


def test_redate_says_what_no_longer_fits(book):
    rows(book, "INSERT INTO change_pair (pair_id, surv_a, surv_b) VALUES ('P1', 'S1', 'S2')")
    notes = book_redate(book, FIRST, "2026-05-02")["run"]["notes"]
    assert "compare again" in notes[0]
    assert "still called '2026-05-01'" in notes[1]


@pytest.mark.parametrize("date", ["2027-02-29", "1.5.2027", "9027-05-01"])
def test_impossible_dates(book, date):
    before = book.read_bytes()
    with pytest.raises(ParameterError):
        book_redate(book, "second", date)
    assert book.read_bytes() == before


def test_what_a_person_touched_is_removed_only_on_purpose(book):
    rows(book, "UPDATE loss_polygon SET status = 'verified' WHERE surv_id = 'S2'")
    before = book.read_bytes()
    with pytest.raises(ParameterError, match=r"2 features of the survey 'second'.*--edited"):
        book_remove(book, "second")
    assert book.read_bytes() == before
    assert book_remove(book, "second", edited=True)["touched"] == 2
    assert rows(book, "SELECT DISTINCT surv_id FROM loss_polygon") == [("S1",)]


def test_comparisons_go_with_either_survey(book):
    rows(book, "INSERT INTO change_pair (pair_id, surv_a, surv_b) VALUES ('P1', 'S1', 'S2')")
    rows(book, "INSERT INTO change_line (uid, pair_id, kind) VALUES ('u', 'P1', 'new'), ('v', 'P1', 'grown')")
    removed = book_remove(book, "second")["removed"]
    assert (removed["change_pair"], removed["change_line"]) == (1, 2)
    assert rows(book, "SELECT count(*) FROM change_line") == [(0,)]


@pytest.fixture
def with_rasters(inputs, tmp_path):
    """A book that keeps probability rasters, and a note of the user's among them."""
    folder = tmp_path / "book_rasters" / "s" / "beam"
    folder.mkdir(parents=True)
    write_raster(folder / "probability.tif", np.zeros((2, HEIGHT, WIDTH), np.uint8))
    record = {"model": {"name": "res_unet", "thresholds": {"craquelure": 0.5, "paint_loss": 0.5}}}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    given = {**inputs, "classes": folder / "probability.tif"}
    survey(**given, book=tmp_path / "book.gpkg", date=FIRST)
    return tmp_path / "book.gpkg", folder, given


def test_rasters_go_only_on_request(with_rasters):
    book, folder, _ = with_rasters
    size = book_list(book)["surveys"][0]["raster_bytes"]
    assert size == sum(f.stat().st_size for f in folder.iterdir())
    book_remove(book, FIRST)
    assert (folder / "probability.tif").is_file()


def test_rasters_that_go_leave_what_is_not_theirs(with_rasters):
    book, folder, given = with_rasters
    survey(**given, book=book, date=SECOND)
    assert book_remove(book, SECOND, rasters=True)["freed_bytes"] == 0  # the first survey keeps them
    (folder.parent / "note.txt").write_text("mine", encoding="utf-8")
    assert book_remove(book, FIRST, rasters=True)["freed_bytes"] > 0
    assert not folder.exists()
    assert [p.name for p in folder.parent.iterdir()] == ["note.txt"]


def test_a_book_that_is_not_there_is_not_made(tmp_path):
    for run in (
        lambda book: book_rename(book, "a", "b"),
        lambda book: book_remove(book, "a"),
        book_list,
    ):
        with pytest.raises(BookError, match="no such survey book"):
            run(tmp_path / "none.gpkg")
    assert list(tmp_path.iterdir()) == []


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE survey SET date = '2030-01-01' WHERE surv_id = 'S1'")
print("holding", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
print("done", flush=True)
"""

RENAMER = """
import sys
from segmentation_core.operations.book import book_rename
print("ready", flush=True)
book_rename(sys.argv[1], "second", "renamed")
print("done", flush=True)
"""


def start(script, book):
    return subprocess.Popen(
        [sys.executable, "-c", script, str(book)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_two_programs_at_once_wait_for_each_other(book):
    with start(HOLDER, book) as holder, start(RENAMER, book) as renamer:
        assert renamer.stdout.readline() == "ready\n"
        assert holder.stdout.readline() == "holding\n"
        holder.communicate("go on\n", timeout=60)
        assert renamer.communicate(timeout=60)[0] == "done\n"
    assert rows(book, "SELECT name, date FROM survey ORDER BY fid") == [
        (FIRST, "2030-01-01"),
        ("renamed", SECOND),
    ]


def test_a_program_that_never_lets_go_is_named_and_loses_nothing(book, monkeypatch):
    monkeypatch.setattr("segmentation_core.survey.store.WRITE_WAIT_S", 0.1)
    with start(HOLDER, book) as holder:
        assert holder.stdout.readline() == "holding\n"
        for attempt in (
            lambda: book_rename(book, "second", "x"),
            lambda: book_redate(book, "second", "2029-01-01"),
            lambda: book_remove(book, "second"),
        ):
            with pytest.raises(BookLockedError, match=r"another program.*book\.gpkg"):
                attempt()
        assert book_list(book)["surveys"][0]["date"] == FIRST  # readers see the book as it was
        assert holder.communicate("go on\n", timeout=60)[0] == "done\n"
    assert rows(book, "SELECT name, date FROM survey ORDER BY fid") == [
        (FIRST, "2030-01-01"),
        ("second", SECOND),
    ]


def test_on_the_command_line(book):
    code, out, _ = command("list", book)
    assert code == 0
    assert "second" in out
    assert json.loads(command("list", book, "--json")[1])["surveys"][1]["date"] == SECOND
    assert command("rename", book, "second", "later")[:2] == (0, "Renamed second to later\n")
    code, out, _ = command("redate", book, "later", "2027-06-01", "--json")
    assert (code, json.loads(out)["date"]) == (0, "2027-06-01")
    code, _, err = command("redate", book, "later", "2027-06-31")
    assert (code, err.count("\n")) == (2, 1)
    rows(book, "DELETE FROM crack_line WHERE surv_id = 'S2'")
    assert command("remove", book, "later")[0] == 2
    assert json.loads(command("remove", book, "later", "--edited", "--json")[1])["touched"] == 1
    assert [s["name"] for s in json.loads(command("list", book, "--json")[1])["surveys"]] == [FIRST]
    assert Path(book).is_file()
