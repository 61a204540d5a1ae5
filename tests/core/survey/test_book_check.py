"""Checking a book: everything that is found, what is repaired, and what only a person can decide."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pyogrio
import pytest
import shapely
from journey_data import HEIGHT, WIDTH, picture_and_classes, write_elements, write_raster

from segmentation_core.errors import BookError, BookLockedError
from segmentation_core.operations.book import book_check, book_list
from segmentation_core.operations.survey import survey
from segmentation_core.statistics.features import wkb_of
from segmentation_core.survey.geopackage import encode, register_functions

DAY = "2026-05-01"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with an orthophoto, its kept rasters and a book of it with two surveys."""
    folder = tmp_path_factory.mktemp("made")
    picture, classes = picture_and_classes()
    rasters = folder / "book_rasters" / DAY / "beam-1"
    rasters.mkdir(parents=True)
    probability = np.stack([(classes[0] == value) * np.uint8(240) for value in (1, 2)])
    assert probability.shape == (2, HEIGHT, WIDTH)
    given = {
        "orthophoto": write_raster(folder / "beam.tif", picture),
        "elements": write_elements(folder / "elements.gpkg", ["B-01", "B-02"]),
        "id_field": "beam_id",
        "book": folder / "book.gpkg",
    }
    survey(**given, classes=write_raster(rasters / "probability.tif", probability), date=DAY)
    survey(**given, classes=write_raster(folder / "c.tif", classes), date="2027-05-01", name="second")
    return folder


@pytest.fixture
def book(made, tmp_path):
    folder = tmp_path / "site"
    shutil.copytree(made, folder)
    return folder / "book.gpkg"


@pytest.fixture
def sql(book):
    """Return a function that changes the book behind its triggers."""

    def run(*statements, quiet=True):
        with closing(sqlite3.connect(book, isolation_level=None)) as connection:
            register_functions(connection)
            if quiet:
                connection.execute("INSERT INTO book_info (key) VALUES ('engine_writes')")
            result = [connection.execute(*s if isinstance(s, tuple) else (s,)).fetchall() for s in statements]
            if quiet:
                connection.execute("DELETE FROM book_info WHERE key = 'engine_writes'")
        return result[-1]

    return run


def contents(path):
    """All rows and objects but rtree nodes and times."""
    with closing(sqlite3.connect(path)) as connection:
        return [line for line in connection.iterdump() if "rtree" not in line and "gpkg_contents" not in line]


def checks(told):
    return sorted({finding["check"] for finding in told})


def test_a_book_in_order(book):
    before = book.read_bytes()
    for repair in (False, True):
        told = book_check(book, repair=repair)
        assert told["ok"]
        assert told["findings"] == told["repaired"] == []
        assert told["run"]["backup"] is None
    assert book.read_bytes() == before
    assert sorted(p.name for p in book.parent.glob("*.gpkg")) == ["book.gpkg", "elements.gpkg"]


def test_a_book_that_gdal_wrote_to_is_in_order(book):
    """GDAL adds tables and triggers of its own."""
    elements = pyogrio.read_dataframe(book, layer="element")
    elements["elem_id"] = elements["elem_id"] + "-new"
    pyogrio.write_dataframe(elements, book, layer="element", append=True)
    assert book_check(book)["findings"] == []
    assert [s["stale"] for s in book_list(book)["surveys"]] == [True, True]


MENDED = {
    "a trigger": (
        ["DROP TRIGGER edit_crack_line_update", "DROP TRIGGER rtree_element_geom_insert"],
        "triggers",
    ),
    "the switch": (["INSERT INTO book_info (key) VALUES ('engine_writes')"], "triggers"),
    "an index entry": (["DELETE FROM rtree_crack_line_geom"], "spatial index"),
    "an index entry too many": (
        ["INSERT INTO rtree_loss_polygon_geom VALUES (999, 0, 1, 0, 1)"],
        "spatial index",
    ),
    "an index box": (["UPDATE rtree_loss_polygon_geom SET maxx = maxx + 0.01"], "spatial index"),
    "a whole index": (["DROP TABLE rtree_assessed_geom"], "spatial index"),
    "a uid": (["UPDATE crack_line SET uid = NULL WHERE fid = 1"], "uid"),
    "a survey": (["DELETE FROM survey WHERE surv_id = 'S1'"], "survey"),
    "whose": (["UPDATE crack_line SET surv_id = NULL WHERE fid = 1"], "survey"),
    "figures": (
        ["INSERT INTO element_stats (elem_id, surv_id, stat) VALUES ('B-01', 'S9', 'x')"],
        "statistics",
    ),
    "an element": (["DELETE FROM element WHERE elem_id = 'B-02'"], "element"),
    "an orthophoto": (["DELETE FROM orthophoto WHERE orth_id = 'O1'"], "orthophoto"),
    "a comparison": (
        ["INSERT INTO change_pair (pair_id, surv_a, surv_b) VALUES ('P1', 'S1', 'S9')"],
        "comparison",
    ),
    "a change": (
        [
            "INSERT INTO change_line (geom, uid, pair_id, class_cd) "
            "SELECT geom, 'u', 'P9', class_cd FROM crack_line LIMIT 1"
        ],
        "comparison",
    ),
    "a status": (["UPDATE loss_polygon SET status = 'done' WHERE fid = 1"], "status"),
}


@pytest.mark.parametrize("what", MENDED)
def test_found_and_repaired(book, sql, what):
    statements, check = MENDED[what]
    sql(*statements, quiet=what != "the switch")
    broken = contents(book)
    found = book_check(book)
    assert not found["ok"]
    assert checks(found["findings"]) == [check]
    assert all(f["repairable"] and f["remedy"] for f in found["findings"])
    assert contents(book) == broken
    told = book_check(book, repair=True)
    assert told["ok"], told["left"]
    assert told["repaired"]
    assert contents(told["run"]["backup"]) == broken
    assert book_check(book)["findings"] == []
    assert len(book_list(book)["surveys"]) == 2


LEFT = {
    "a date": ("UPDATE survey SET date = '2026-02-30' WHERE surv_id = 'S2'", "date"),
    "no survey": ("UPDATE crack_line SET surv_id = NULL, orth_id = NULL WHERE fid = 1", "survey"),
    "a class": ("UPDATE crack_line SET class_cd = 'moss' WHERE fid = 1", "class"),
    "no shape": ("UPDATE loss_polygon SET geom = NULL WHERE fid = 1", "geometry"),
}


@pytest.mark.parametrize("what", LEFT)
def test_what_only_a_person_can_decide_is_left(book, sql, what):
    statement, check = LEFT[what]
    sql(statement)
    before = contents(book)
    told = book_check(book, repair=True)
    assert checks(told["left"]) == [check]
    assert not told["ok"]
    assert told["run"]["backup"] is None
    assert contents(book) == before


def test_a_survey_comes_back_with_everything_that_is_its(book, sql):
    before = sql("SELECT uid, surv_id, orth_id, t_start FROM crack_line ORDER BY uid")
    sql("DELETE FROM survey WHERE surv_id = 'S1'")
    assert "restored S1" in " ".join(book_check(book, repair=True)["repaired"])
    assert sql("SELECT uid, surv_id, orth_id, t_start FROM crack_line ORDER BY uid") == before
    first = book_list(book)["surveys"][0]
    assert (first["name"], first["date"], first["counts"]["loss_polygon"]) == ("restored S1", DAY, 2)


def test_what_a_person_touched_outlives_its_orthophoto(book, sql):
    sql(
        "UPDATE loss_polygon SET status = 'verified' WHERE fid = 1",
        "DELETE FROM orthophoto WHERE orth_id = 'O1'",
    )
    book_check(book, repair=True)
    assert sql("SELECT status, orth_id FROM loss_polygon WHERE surv_id = 'S1'") == [("verified", None)]


def test_doubled_uids(book, sql):
    """Another program copied the layer without its constraint, and a feature in it."""
    columns = [row[1] for row in sql("PRAGMA table_info(crack_line)")]
    others = ", ".join(c for c in columns if c != "fid")
    (create,) = (row[0] for row in sql("SELECT sql FROM sqlite_master WHERE name = 'crack_line'"))
    sql(
        "CREATE TABLE kept AS SELECT * FROM crack_line",
        "DROP TABLE crack_line",
        create.replace("uid TEXT UNIQUE", "uid TEXT"),
        f"INSERT INTO crack_line (fid, {others}) SELECT fid, {others} FROM kept",
        f"INSERT INTO crack_line ({others}) SELECT {others} FROM kept WHERE fid = 1",
        "DROP TABLE kept",
    )
    (first,) = sql("SELECT uid FROM crack_line WHERE fid = 1")[0]
    found = book_check(book)
    assert checks(found["findings"]) == ["spatial index", "triggers", "uid"]
    told = book_check(book, repair=True)
    assert told["ok"], told["left"]
    assert sql("SELECT count(*), count(DISTINCT uid) FROM crack_line") == [(3, 3)]
    assert sql("SELECT uid FROM crack_line WHERE fid = 1") == [(first,)]
    assert len(pyogrio.read_dataframe(book, layer="crack_line")) == 3


BOW_TIE = shapely.Polygon([(2.0, 2.9), (2.02, 2.92), (2.02, 2.9), (2.0, 2.92)])
SPIKE = shapely.Polygon([(2.0, 2.9), (2.02, 2.9), (2.02, 2.93), (2.02, 2.92), (2.0, 2.92)])


def put(sql, shape):
    (blob,) = sql("SELECT geom FROM loss_polygon WHERE fid = 1")[0]
    srs_id = int.from_bytes(blob[4:8], "little", signed=True)
    new = encode(np.array([shape], dtype=object), srs_id)[0]
    sql(("UPDATE loss_polygon SET geom = ? WHERE fid = 1", (new,)))


def test_a_shape_that_stays_one_is_mended(book, sql):
    put(sql, SPIKE)
    assert checks(book_check(book)["findings"]) == ["geometry"]
    told = book_check(book, repair=True)
    assert told["ok"], told["left"]
    (blob,) = sql("SELECT geom FROM loss_polygon WHERE fid = 1")[0]
    mended = shapely.from_wkb(wkb_of(blob))
    assert mended.is_valid
    assert mended.area == pytest.approx(0.0004)
    assert sql("SELECT area_m2 FROM loss_polygon WHERE fid = 1") == [(pytest.approx(0.0004),)]
    assert book_list(book)["surveys"][0]["stale"]


def test_a_shape_that_falls_apart_is_left_to_a_person(book, sql):
    put(sql, BOW_TIE)
    told = book_check(book, repair=True)
    assert checks(told["left"]) == ["geometry"]
    assert "draw them again" in told["left"][0]["remedy"]


def test_moved_files_are_found_again(book):
    site = book.parent
    (site / "photos").mkdir()
    (site / "beam.tif").rename(site / "photos" / "beam.tif")
    (site / "book_rasters").rename(site / "old_rasters")
    found = book_check(book)
    assert checks(found["findings"]) == ["orthophoto", "rasters"]
    told = book_check(book, repair=True)
    assert told["ok"], told["left"]
    paths = [entry["orthophotos"][0]["path"] for entry in book_list(book)["surveys"]]
    assert paths == [str(site / "photos" / "beam.tif")] * 2
    assert book_list(book)["surveys"][0]["raster_bytes"] > 0


def test_files_that_are_gone_or_changed_are_told(book):
    site = book.parent
    with (site / "beam.tif").open("ab") as stream:
        stream.write(b"\0")
    shutil.rmtree(site / "book_rasters")
    told = book_check(book, repair=True)
    whats = " ".join(f["what"] for f in told["left"])
    assert checks(told["left"]) == ["orthophoto", "rasters"]
    assert "SHA-256 differs" in whats
    (site / "beam.tif").unlink()
    assert "is not there" in book_check(book)["left"][0]["what"]


def test_rasters_of_another_picture(book):
    record = {"inputs": [{"path": "x.tif", "sha256": "0" * 64}]}
    folder = book.parent / "book_rasters" / DAY / "beam-1"
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert "another picture" in book_check(book)["left"][0]["what"]


def test_a_damaged_database(book):
    data = bytearray(book.read_bytes())
    with closing(sqlite3.connect(book)) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'crack_line'"
        page = connection.execute(query).fetchone()[0]
    data[(page - 1) * size + 8 : page * size] = b"\xff" * (size - 8)
    book.write_bytes(data)
    told = book_check(book, repair=True)
    assert checks(told["left"]) == ["sqlite"]
    assert "backup" in told["left"][0]["remedy"]
    assert book.read_bytes() == bytes(data)


def test_what_is_no_book_is_refused(book, sql):
    with pytest.raises(BookError, match="not a survey book"):
        book_check(book.parent / "elements.gpkg")
    with pytest.raises(BookError, match="no such survey book"):
        book_check(book.parent / "none.gpkg")
    sql("UPDATE book_info SET value = 'one' WHERE key = 'schema_version'")
    with pytest.raises(BookError, match="not a survey book"):
        book_check(book)


def test_the_copy_never_replaces_one(book, sql):
    for number in (1, 2):
        sql("DELETE FROM rtree_crack_line_geom")
        told = book_check(book, repair=True)
        assert told["run"]["backup"] == str(book.with_name(f"book.backup-{number}.gpkg"))


def test_a_book_in_use_is_not_repaired(book, sql, monkeypatch):
    monkeypatch.setattr("segmentation_core.survey.store.WRITE_WAIT_S", 0.1)
    sql("DELETE FROM rtree_crack_line_geom")
    before = contents(book)
    with closing(sqlite3.connect(book, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not book_check(book)["ok"]
        with pytest.raises(BookLockedError, match="another program"):
            book_check(book, repair=True)
    assert contents(book) == before
    assert not list(book.parent.glob("*.backup-*"))


def test_exit_codes(book, sql):
    def command(*words):
        done = subprocess.run(
            [sys.executable, "-m", "segmentation_core.cli", "book", "check", book, *words],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    assert command() == (0, f"The book is in order: {book}\n")
    sql("DELETE FROM rtree_crack_line_geom")
    code, out = command()
    assert code == 2
    assert "spatial index of crack_line is wrong for 2 features" in out
    assert "--repair" in out
    code, out = command("--repair", "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)
