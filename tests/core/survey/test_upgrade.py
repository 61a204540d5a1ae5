"""Books of an older schema version."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from segmentation_core.errors import BookError, BookLockedError
from segmentation_core.survey.schema import SCHEMA_VERSION
from segmentation_core.survey.store import reading, writing


@pytest.fixture
def old_book(enter_beam, book):
    """A book as version 1 wrote it: without what version 2 added, and with a style of the user's own."""
    enter_beam()
    with closing(sqlite3.connect(book, isolation_level=None)) as connection:
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'edit%'"
        for (name,) in connection.execute(triggers).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DROP TABLE change_stats")
        connection.execute("DELETE FROM gpkg_contents WHERE table_name = 'change_stats'")
        for table, columns in {
            "change_line": "grow_m wider_m uid_a uid_b is_sure t_start t_end",
            "change_polygon": "uid_a uid_b is_sure t_start t_end",
            "crack_line": "wid50_m wid95_m widp_m",
            "element_stats": "u_vec u_scale u_model",
        }.items():
            for column in columns.split():
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        connection.execute("DELETE FROM layer_styles WHERE f_table_name LIKE 'change%'")
        connection.execute("UPDATE layer_styles SET styleQML = 'mine' WHERE f_table_name = 'crack_line'")
        connection.execute("UPDATE book_info SET value = '1' WHERE key = 'schema_version'")
    return book


def _dump(path):
    with closing(sqlite3.connect(path)) as connection:
        tables = [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {t: connection.execute(f"SELECT * FROM {t}").fetchall() for t in tables if "rtree" not in t}


def test_it_is_upgraded_and_a_copy_kept(old_book, sql):
    before = _dump(old_book)
    with reading(old_book) as opened:
        assert opened.connection.execute("SELECT count(*) FROM change_stats").fetchone() == (0,)
        opened.connection.execute("SELECT uid_a, is_sure, t_start FROM change_line")
    copies = list(old_book.parent.glob("*version-1*"))
    assert [p.name for p in copies] == [f"{old_book.stem}.version-1.backup-1.gpkg"]
    assert _dump(copies[0]) == before
    after = _dump(old_book)
    for table in ("loss_polygon", "survey", "edit_log"):
        assert after[table] == before[table]
    assert after["crack_line"] == [(*row, None, None, None) for row in before["crack_line"]]
    assert [row[:5] for row in after["element_stats"]] == [row[:5] for row in before["element_stats"]]
    assert sql("SELECT DISTINCT u_vec, u_model FROM element_stats") == [(None, None)]
    assert sql("SELECT value FROM book_info WHERE key = 'schema_version'") == [(str(SCHEMA_VERSION),)]
    assert sql("SELECT styleQML FROM layer_styles WHERE f_table_name = 'crack_line'") == [("mine",)]


def test_an_upgraded_book_takes_a_survey_and_notices_edits(old_book, enter_beam, sql):
    enter_beam(name="later", date="2027-05-01")
    sql("UPDATE crack_line SET status = 'verified' WHERE fid = 1")
    assert sql("SELECT count(*) FROM edit_log")[0][0] > 0
    assert sql("SELECT count(*) FROM element_stats WHERE u_scale > 0")[0][0] > 0
    assert sql("PRAGMA integrity_check") == [("ok",)]


def test_an_earlier_copy_is_not_replaced(old_book):
    first = old_book.with_name(f"{old_book.stem}.version-1.backup-1.gpkg")
    first.write_text("mine")
    with writing(old_book):
        pass
    assert first.read_text() == "mine"
    assert old_book.with_name(f"{old_book.stem}.version-1.backup-2.gpkg").is_file()


def test_a_book_in_use_stays_as_it_is(old_book):
    before = _dump(old_book)
    with closing(sqlite3.connect(old_book, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BookLockedError), reading(old_book):
            pass
        other.execute("ROLLBACK")
    assert _dump(old_book) == before
    assert not list(old_book.parent.glob("*version-1*"))


def test_a_failed_upgrade_leaves_the_book_as_it_was(old_book, sql):
    sql("CREATE TABLE change_stats (mine TEXT)")  # a name that the upgrade needs
    sql("INSERT INTO change_stats VALUES ('mine')")
    before = _dump(old_book)
    with pytest.raises(BookError), reading(old_book):
        pass
    assert _dump(old_book) == before
    assert "uid_a" not in [column[1] for column in sql("PRAGMA table_info(change_line)")]
    assert not list(old_book.parent.glob("*version-1*"))
