"""Bring a survey book of an older schema version to this one; a copy of it as it was stays beside it.

Versions only ever add tables and columns, so that what is missing against the schema is what to add.
"""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

from segmentation_core.survey.geopackage import add_features_table, add_plain_table, crs_of
from segmentation_core.survey.schema import LAYERS, SCHEMA_VERSION, TABLES, VERSION_KEY, Layer
from segmentation_core.survey.styles import add_styles
from segmentation_core.survey.triggers import add_edit_triggers

__all__ = ["upgrade"]


def upgrade(path: Path, connection: sqlite3.Connection, version: int) -> Path:
    """Upgrade a book in one transaction and return where its copy is.

    Parameters
    ----------
    path : Path
        The book.
    connection : sqlite3 connection
        To it, not in a transaction.
    version : int
        Its schema version.

    Raises
    ------
    sqlite3.Error
        The book, or its copy, cannot be written; the book is then as it was.
    """
    copy = _free_name(path, version)
    connection.execute("BEGIN IMMEDIATE")  # from here on nobody else changes what is copied
    try:
        _copy(path, copy)
        _add_missing(connection)
        connection.execute("UPDATE book_info SET value = ? WHERE key = ?", (str(SCHEMA_VERSION), VERSION_KEY))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
            copy.unlink(missing_ok=True)
    return copy


def _free_name(path: Path, version: int) -> Path:
    numbers = itertools.chain([""], (f"-{n}" for n in itertools.count(2)))
    names = (path.with_name(f"{path.stem}.version-{version}{n}{path.suffix}") for n in numbers)
    return next(name for name in names if not name.exists())


def _copy(path: Path, copy: Path) -> None:
    """Copy a book; what is in its write-ahead log comes along."""
    with (
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)


def _add_missing(connection: sqlite3.Connection) -> None:
    srs_id, _ = crs_of(connection, "element")
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in (*LAYERS, *TABLES):
        if table.name in there:
            known = {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")}
            for column in table.columns:
                if column.split()[0] not in known and not column.startswith("UNIQUE"):
                    connection.execute(f"ALTER TABLE {table.name} ADD COLUMN {column}")
        elif isinstance(table, Layer):
            add_features_table(connection, table.name, table.geometry_type, table.sql, srs_id)
        else:
            add_plain_table(connection, table.name, table.sql)
    triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'edit!_%' ESCAPE '!'"
    for (name,) in connection.execute(triggers).fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    add_edit_triggers(connection)
    add_styles(connection)
