"""Locks, full disks and sudden death: the book is as it was before, or as it is after."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
import shapely

from segmentation_core.errors import BookError, BookLockedError, Interrupted
from segmentation_core.survey import store

RUN = """
import json, os, resource, signal, sys
from pathlib import Path
from segmentation_core.errors import CraquelureError
from segmentation_core.survey.entry import Entry, enter
from segmentation_core.survey.surveys import OrthophotoRecord

job = json.loads(sys.argv[1])

def progress(stage, done, total, unit=""):
    if job.get("die_at") is not None and done >= job["die_at"] * total:
        os.kill(os.getpid(), signal.SIGKILL)

if job.get("largest_bytes"):
    resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest_bytes"], job["largest_bytes"]))
record = OrthophotoRecord("/photos/a.tif", job["sha"] * 64, 9, 9, 1.0, (0.1, 0, 0, 0, -0.1, 0), 1.0, run={})
entry = Entry(job["name"], "2024-05-01", record, None, Path(job["vectors"]))
try:
    enter(Path(job["book"]), entry, progress)
except CraquelureError as error:
    print(type(error).__name__, error)
    sys.exit(2)
"""


@pytest.fixture
def big_vectors(tmp_path, write_vectors):
    """Enough to spill SQLite's cache into the file before the transaction ends."""
    losses = [shapely.Point(2 * i, 0).buffer(0.9, quad_segs=64) for i in range(1500)]
    return write_vectors(tmp_path / "big.gpkg", assessed=shapely.box(-1, -1, 3000, 1), losses=losses)


@pytest.fixture
def run_apart(book, big_vectors):
    """Return a function that enters the big vectors in another process."""

    def run(**job) -> subprocess.CompletedProcess:
        job = {"book": str(book), "vectors": str(big_vectors), "name": "first", "sha": "a", **job}
        return subprocess.run(
            [sys.executable, "-c", RUN, json.dumps(job)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def contents(path):
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_killed_in_the_middle_of_a_new_book(run_apart, book):
    killed = run_apart(die_at=0.5)
    assert killed.returncode == -signal.SIGKILL
    assert not book.exists()
    assert run_apart().returncode == 0
    assert [p.name for p in book.parent.iterdir() if p.name.startswith(".")] == []
    assert pragma(book, "integrity_check") == "ok"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_killed_in_the_middle_of_a_known_book(run_apart, book, journal):
    assert run_apart().returncode == 0
    pragma(book, f"journal_mode = {journal}")
    before = contents(book)
    size = book.stat().st_size
    assert run_apart(name="second", sha="b", die_at=1.0).returncode == -signal.SIGKILL
    if journal == "delete":
        assert book.stat().st_size > size  # half of it had reached the file
    assert contents(book) == before
    assert pragma(book, "integrity_check") == "ok"
    assert run_apart(name="second", sha="b").returncode == 0
    assert contents(book) != before


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
def test_a_full_disk_leaves_a_known_book_as_it_was(run_apart, book):
    assert run_apart().returncode == 0
    before = contents(book)
    refused = run_apart(name="second", sha="b", largest_bytes=book.stat().st_size + 200_000)
    assert refused.returncode == 2
    assert refused.stdout.startswith("DiskFullError")
    assert "B.gpkg" in refused.stdout
    assert "unchanged" in refused.stdout
    assert contents(book) == before


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
@pytest.mark.parametrize("largest_bytes", [20_000, 1_000_000])
def test_a_full_disk_leaves_no_new_book(run_apart, book, largest_bytes):
    refused = run_apart(largest_bytes=largest_bytes)
    assert refused.returncode == 2
    assert refused.stdout.startswith("DiskFullError")
    assert [p.name for p in book.parent.iterdir()] == ["big.gpkg"]


def pragma(path, what):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"PRAGMA {what}").fetchone()[0]


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_book_that_another_program_writes(enter_beam, book, monkeypatch, journal, lock):
    monkeypatch.setattr(store, "WRITE_WAIT_S", 0.1)
    monkeypatch.setattr(store, "CHECK_WAIT_S", 0.1)
    enter_beam()
    pragma(book, f"journal_mode = {journal}")
    before = contents(book)
    with closing(sqlite3.connect(book, isolation_level=None)) as other:
        other.execute(lock)
        for attempt in (enter_beam, lambda: store.check_book(book)):
            with pytest.raises(BookLockedError, match=r"another program.*B\.gpkg.*QGIS"):
                attempt()
    assert contents(book) == before
    enter_beam()


def test_a_book_that_another_program_reads_at_the_last_moment(enter_beam, book, monkeypatch):
    monkeypatch.setattr(store, "WRITE_WAIT_S", 0.1)
    enter_beam()
    before = contents(book)
    with closing(sqlite3.connect(book, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM survey").fetchall()
        with pytest.raises(BookLockedError):
            enter_beam(name="second", date="2025-01-01")
    assert contents(book) == before


def test_a_book_that_qgis_shows_can_be_written(enter_beam, book):
    """QGIS keeps books in WAL mode while it shows them; what we write is in the file itself afterwards."""
    enter_beam()
    with closing(sqlite3.connect(book, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = wal")
        other.execute("SELECT count(*) FROM survey").fetchall()
        enter_beam(name="second", date="2025-01-01")
        assert other.execute("SELECT count(*) FROM survey").fetchone() == (2,)
        assert (book.with_name("B.gpkg-wal")).stat().st_size == 0


def test_interrupting_leaves_the_book(enter_beam, book):
    def stop(stage, done, total, unit=""):
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        enter_beam(progress=stop)
    assert not book.exists()
    enter_beam()
    before = contents(book)
    with pytest.raises(Interrupted):
        enter_beam(name="second", date="2025-01-01", progress=stop)
    assert contents(book) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everything")
def test_a_read_only_book_as_a_user(enter_beam, book):
    enter_beam()
    book.chmod(0o444)
    with pytest.raises(BookError, match="cannot be written"):
        store.check_book(book)


def test_a_read_only_book_as_sqlite_tells_it(enter_beam, book):
    enter_beam()
    with (
        pytest.raises(BookError, match=r"cannot be written.*B\.gpkg.*permissions"),
        store.book_errors(book),
        closing(sqlite3.connect(f"{book.as_uri()}?mode=ro", uri=True)) as connection,
    ):
        connection.execute("DELETE FROM survey")
