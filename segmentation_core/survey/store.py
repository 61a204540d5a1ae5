"""Open a survey book for reading or for one transaction of writing.

A book that is interrupted at any point opens as it was before or after, never between: an existing
book is changed in a single SQLite transaction, a new one is built under another name and renamed when
it is whole.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from segmentation_core.errors import BookError, BookLockedError, CrsError, DiskFullError
from segmentation_core.raster.georeference import same_crs
from segmentation_core.sqlite_uri import sqlite_uri
from segmentation_core.survey.geopackage import (
    APPLICATION_ID,
    add_crs,
    add_features_table,
    add_plain_table,
    create_container,
    crs_of,
    refresh_contents,
    register_functions,
)
from segmentation_core.survey.schema import LAYERS, SCHEMA_VERSION, TABLES, VERSION_KEY
from segmentation_core.survey.styles import add_styles
from segmentation_core.survey.triggers import add_edit_triggers, own_writes
from segmentation_core.survey.upgrade import add_missing
from segmentation_core.vocabulary import load_vocabulary

__all__ = [
    "Book",
    "book_errors",
    "check_book",
    "copy_book",
    "create_tables",
    "existing",
    "reading",
    "require_crs",
    "writing",
]

CHECK_WAIT_S = 2.0
WRITE_WAIT_S = 20.0
"""How long another program may hold the book; at the end of a long run we wait longer."""


@dataclass(frozen=True)
class Book:
    """An open survey book.

    Attributes
    ----------
    path : Path
        Where it is, or will be once it is whole.
    connection : sqlite3 connection
        In autocommit mode; inside `writing`, in a transaction.
    srs_id : int
        Of every layer.
    crs_wkt : str or None
        Of every layer; None: undefined.
    """

    path: Path
    connection: sqlite3.Connection
    srs_id: int
    crs_wkt: str | None


@contextmanager
def reading(path: str | Path) -> Iterator[Book]:
    """Open an existing book; one of an older schema version is upgraded first, with a copy beside it.

    Raises
    ------
    BookError
        No such file, not a survey book, written by a newer version, or damaged.
    BookLockedError
        Another program is writing it.
    """
    path = existing(path)
    with book_errors(path), closing(_connect(path, CHECK_WAIT_S)) as connection:
        _bring_up(path, connection)
        yield _opened(path, connection)


def existing(path: str | Path) -> Path:
    """Return the path of a book that is there; `writing` would make a new one.

    Raises
    ------
    BookError
        No such file.
    """
    path = Path(path)
    if not path.is_file():
        raise BookError("no such survey book", path=path, remedy="Check the path")
    return path


def check_book(path: str | Path) -> Book | None:
    """Refuse a book that cannot be written now; return it (closed), or None where there is none yet.

    Raises
    ------
    BookError, BookLockedError
        As `reading`; or the file or its folder is read-only.
    """
    path = Path(path)
    if path.suffix.lower() != ".gpkg":
        raise BookError("a survey book's name ends in .gpkg", path=path, remedy="Rename it")
    if not path.exists():
        folder = next(p for p in path.absolute().parents if p.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise BookError(
                "no new book can be made in this folder", path=folder, remedy="Choose another one"
            )
        return None
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        raise _cannot_be_written(path)
    with reading(path) as book:
        book.connection.execute("BEGIN IMMEDIATE")
        book.connection.execute("ROLLBACK")
        return book


@contextmanager
def writing(path: str | Path, crs_wkt: str | None = None) -> Iterator[Book]:
    """Open a book, or begin a new one, for one transaction; an exception leaves everything as it was.

    Parameters
    ----------
    path : path-like
        The book.
    crs_wkt : str or None
        CRS of a new book.

    Raises
    ------
    BookError, BookLockedError, DiskFullError
        As `reading`; and when the transaction cannot be completed.
    """
    path = Path(path)
    with book_errors(path):
        if path.exists():
            with closing(_connect(path, WRITE_WAIT_S)) as connection:
                _bring_up(path, connection)
                with _transaction(connection):
                    yield _opened(path, connection)
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with _unborn(path) as part:
            with closing(_connect(part, CHECK_WAIT_S, mode="rwc")) as connection:
                connection.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY")
                srs_id = create_tables(connection, crs_wkt)
                with _transaction(connection):
                    yield Book(path, connection, srs_id, crs_wkt)
            _settle(part, path)


def require_crs(book: Book, crs_wkt: str | None, orthophoto: Path) -> None:
    """Refuse an orthophoto in another CRS than the book's.

    Raises
    ------
    CrsError
        They differ.
    """
    if not same_crs(book.crs_wkt, crs_wkt):
        raise CrsError(
            f"the orthophoto's CRS ({_crs_name(crs_wkt)}) is not that of the book {book.path.name} "
            f"({_crs_name(book.crs_wkt)})",
            path=orthophoto,
            remedy="Use another book: one book has one CRS",
        )


def copy_book(path: Path, label: str = "") -> Path:
    """Copy a book as it was last committed to the first free ``NAME.backup-N.gpkg`` beside it; return where.

    May be called inside `writing`, of which the copy then holds nothing. ``label`` follows the name.

    Raises
    ------
    BookError, DiskFullError
        The copy cannot be written; what was begun of it is removed.
    """
    number = 1
    while (copy := path.with_name(f"{path.stem}{label}.backup-{number}.gpkg")).exists():
        number += 1
    with book_errors(copy), ExitStack() as undo:
        undo.callback(_discard, copy)
        with closing(_connect(path, CHECK_WAIT_S)) as source, closing(_connect(copy, 0, "rwc")) as target:
            source.backup(target)
        undo.pop_all()
    return copy


@contextmanager
def book_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite says about a book into our errors."""
    try:
        yield
    except sqlite3.Error as exc:
        raise _translated(exc, path) from exc


def _translated(exc: sqlite3.Error, path: Path) -> Exception:
    text = str(exc)
    if "locked" in text or "busy" in text:
        return BookLockedError(
            "another program is using the survey book",
            path=path,
            remedy="Save or stop editing and close it there (in QGIS, remove its layers), then run again",
        )
    if "full" in text or "disk I/O" in text:
        return DiskFullError(
            f"the survey book could not be written ({text}) and is unchanged",
            path=path,
            remedy="Free some space (or raise the quota) and run again",
        )
    if "readonly" in text or "unable to open" in text:
        return _cannot_be_written(path)
    if "not a database" in text or "no such table" in text:
        return _not_a_book(path)
    return BookError(f"the survey book is damaged ({text})", path=path, remedy="Restore it from a backup")


def _cannot_be_written(path: Path) -> BookError:
    return BookError(
        "the survey book cannot be written",
        path=path,
        remedy="Check the permissions of the file and its folder",
    )


def _not_a_book(path: Path) -> BookError:
    return BookError("not a survey book", path=path, remedy="Choose a new name, or a book made by craquelure")


def _connect(path: Path, wait_s: float, mode: str = "rw") -> sqlite3.Connection:
    connection = sqlite3.connect(
        sqlite_uri(path.resolve(), mode), uri=True, isolation_level=None, timeout=wait_s
    )
    register_functions(connection)
    return connection


def _opened(path: Path, connection: sqlite3.Connection) -> Book:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables.issuperset(table.name for table in (*LAYERS, *TABLES)):
        raise _not_a_book(path)
    return Book(path, connection, *crs_of(connection, "element"))


def _bring_up(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse what is no book of this or an older version, and upgrade an older one."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise _not_a_book(path)
    row = connection.execute("SELECT value FROM book_info WHERE key = ?", (VERSION_KEY,)).fetchone()
    if row is None or not str(row[0]).isdecimal():
        raise _not_a_book(path)
    version = int(row[0])
    if version > SCHEMA_VERSION:
        raise BookError(
            "the survey book was made by a newer version of craquelure", path=path, remedy="Update craquelure"
        )
    if version < SCHEMA_VERSION:
        if not (os.access(path, os.W_OK) and os.access(path.absolute().parent, os.W_OK)):
            raise BookError(
                "the survey book was made by an older version of craquelure and cannot be upgraded here",
                path=path,
                remedy="Copy it into a folder that can be written, and open the copy",
            )
        _upgrade(path, connection, version)


def _upgrade(path: Path, connection: sqlite3.Connection, version: int) -> None:
    connection.execute("BEGIN IMMEDIATE")  # from here on nobody else changes what is copied
    with ExitStack() as undo:
        undo.callback(connection.execute, "ROLLBACK")
        undo.callback(_discard, copy_book(path, f".version-{version}"))
        add_missing(connection)
        connection.execute("COMMIT")
        undo.pop_all()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        with own_writes(connection):
            yield
            refresh_contents(connection)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def _unborn(path: Path) -> Iterator[Path]:
    """Give the name under which a new book is built; what is left of a killed run is removed first."""
    part = path.with_name(f".{path.name}.new")
    _discard(part)
    try:
        yield part
    finally:
        _discard(part)


def _discard(part: Path) -> None:
    for leftover in (part, part.with_name(f"{part.name}-journal")):
        leftover.unlink(missing_ok=True)


def _settle(part: Path, path: Path) -> None:
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
    if path.exists():
        raise BookLockedError(
            "another run made this book in the meantime",
            path=path,
            remedy="Run again: it is then added to it",
        )
    os.replace(part, path)


def create_tables(connection: sqlite3.Connection, crs_wkt: str | None) -> int:
    """Make an empty database an empty survey book; return the srs_id of its layers."""
    create_container(connection)
    srs_id = add_crs(connection, crs_wkt)
    for layer in LAYERS:
        add_features_table(connection, layer.name, layer.geometry_type, layer.sql, srs_id)
        if layer.name != "element" and "surv_id TEXT" in layer.columns:
            connection.execute(f"CREATE INDEX {layer.name}_survey ON {layer.name} (surv_id, orth_id)")
    for table in TABLES:
        add_plain_table(connection, table.name, table.sql)
    connection.execute("INSERT INTO book_info (key, value) VALUES (?, ?)", (VERSION_KEY, str(SCHEMA_VERSION)))
    connection.executemany(
        "INSERT INTO defect_class (class_cd, value, name_en, name_zh, geometry, colour, standard) "
        "VALUES (?,?,?,?,?,?,?)",
        [
            (c.code, c.value, c.name_en, c.name_zh, c.geometry, c.colour, c.standard)
            for c in load_vocabulary().classes
        ],
    )
    add_styles(connection)
    add_edit_triggers(connection)
    return srs_id


def _crs_name(crs_wkt: str | None) -> str:
    if crs_wkt is None:
        return "none"
    from pyproj import CRS

    return str(CRS.from_wkt(crs_wkt).name)
