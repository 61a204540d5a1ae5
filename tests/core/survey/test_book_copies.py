"""Two people went on with copies of a book: what each holds that the other does not."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from journey_data import picture_and_classes, write_elements, write_raster

from segmentation_core.errors import BookError, ParameterError
from segmentation_core.operations.book import book_check
from segmentation_core.operations.survey import survey
from segmentation_core.survey.geopackage import register_functions


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    picture, classes = picture_and_classes()
    classes[0, 20:23, 10:200] = classes[0, 400:403, 300:500] = 1  # two cracks more
    survey(
        orthophoto=write_raster(folder / "beam.tif", picture),
        classes=write_raster(folder / "c.tif", classes),
        elements=write_elements(folder / "elements.gpkg", ["B-01", "B-02"]),
        id_field="beam_id",
        book=folder / "hers.gpkg",
        date="2026-05-01",
    )
    return folder


@pytest.fixture
def pair(made, tmp_path):
    """The book of one, and the copy that the other took home."""
    folder = tmp_path / "site"
    shutil.copytree(made, folder)
    shutil.copy(folder / "hers.gpkg", folder / "his.gpkg")
    return folder / "hers.gpkg", folder / "his.gpkg"


def edit(book: Path, statement: str, *parameters: object) -> None:
    """Edit as QGIS's own tools do: the book's triggers write it down."""
    with closing(sqlite3.connect(book, isolation_level=None)) as connection:
        register_functions(connection)
        connection.execute(statement, parameters)


def lines(book: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(book)) as connection:
        return connection.execute("SELECT uid, elem_id FROM crack_line ORDER BY fid").fetchall()


ACCEPT = "UPDATE crack_line SET status = 'verified' WHERE uid = ?"
REJECT = "UPDATE crack_line SET status = 'rejected' WHERE uid = ?"


def test_copies_that_nobody_touched(pair):
    told = book_check(pair[0], copy=pair[1])
    assert told["copies"]["verdict"] == "same"
    assert told["ok"]


def test_the_copy_that_holds_more_is_named(pair):
    hers, his = pair
    (uid, element), *_ = lines(his)
    edit(his, ACCEPT, uid)
    forth, back = book_check(hers, copy=his), book_check(his, copy=hers)
    assert forth["ok"]
    assert back["ok"]
    assert forth["copies"]["verdict"] == "copy_holds_more"
    assert back["copies"]["verdict"] == "this_holds_more"
    assert forth["copies"]["there"] == back["copies"]["here"]
    (told,) = forth["copies"]["there"]
    assert (told["uid"], told["elem_id"], told["status"]) == (uid, element, "verified")


def test_both_edited_is_refused_with_what_differs(pair):
    hers, his = pair
    (first, _), (second, _), (third, _), *_ = lines(hers)
    edit(hers, ACCEPT, first)
    edit(his, REJECT, second)
    edit(hers, ACCEPT, third)
    edit(his, REJECT, third)
    told = book_check(hers, copy=his)
    assert not told["ok"]
    copies = told["copies"]
    assert copies["verdict"] == "both_hold_more"
    assert [e["uid"] for e in copies["here"]] == [first]
    assert [e["uid"] for e in copies["there"]] == [second]
    assert [(a["status"], b["status"]) for a, b in copies["both"]] == [("verified", "rejected")]
    (left,) = [f for f in told["left"] if f["check"] == "copies"]
    assert "1 edit in hers.gpkg alone, 1 in his.gpkg alone, 1 in both" in left["what"]
    assert "not merged" in left["remedy"]


def test_the_same_decision_in_both_is_no_difference(pair):
    hers, his = pair
    ((uid, _), *_) = lines(hers)
    for book in pair:
        edit(book, ACCEPT, uid)
    assert book_check(hers, copy=his)["copies"]["verdict"] == "same"


def test_drawn_deleted_and_a_moved_outline_count(pair):
    hers, his = pair
    ((uid, _), *_) = lines(hers)
    edit(hers, "DELETE FROM crack_line WHERE uid = ?", uid)
    edit(his, "UPDATE element SET elem_id = 'B-03' WHERE elem_id = 'B-02'")
    copies = book_check(hers, copy=his)["copies"]
    assert [(e["uid"], e["status"]) for e in copies["here"]] == [(uid, "rejected")]
    assert [(e["layer"], e["elem_id"]) for e in copies["there"]] == [("element", "B-03")]


def test_a_survey_in_one_alone(pair, made):
    hers, his = pair
    survey(
        orthophoto=made / "beam.tif", classes=made / "c.tif", book=his, date="2027-05-01", name="his second"
    )
    copies = book_check(hers, copy=his)["copies"]
    assert copies["verdict"] == "copy_holds_more"
    assert copies["surveys_there"] == ("his second",)
    edit(hers, ACCEPT, lines(hers)[0][0])
    told = book_check(hers, copy=his)
    assert not told["ok"]
    assert "his second" in told["left"][-1]["what"]


def test_what_is_no_copy(pair, made, tmp_path):
    hers, his = pair
    with pytest.raises(ParameterError, match="the book itself"):
        book_check(hers, copy=hers)
    with pytest.raises(BookError, match="no such survey book"):
        book_check(hers, copy=tmp_path / "none.gpkg")
    edit(his, "UPDATE crack_line SET uid = 'other-' || uid")
    for layer in ("loss_polygon", "crack_area", "crack_node", "island"):
        edit(his, f"UPDATE {layer} SET uid = 'other-' || uid")
    with pytest.raises(BookError, match=r"no copy of hers\.gpkg"):
        book_check(hers, copy=his)


def test_the_command_says_it_by_element(pair):
    hers, his = pair
    (first, element), (second, _), *_ = lines(hers)
    edit(hers, ACCEPT, first)
    command = [sys.executable, "-m", "segmentation_core.cli", "book", "check", hers, "--copy", his]
    told = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert f"{hers} holds all of {his}, and more: go on with it." in told.stdout
    edit(his, REJECT, second)
    told = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert f"edited in {hers} alone: {element}, 1" in told.stdout
