"""What a survey book of an older schema version lacks.

Versions only ever add tables and columns, so that what is missing against the schema is what to add.
"""

from __future__ import annotations

import sqlite3

from segmentation_core.survey.geopackage import add_features_table, add_plain_table, crs_of
from segmentation_core.survey.schema import LAYERS, SCHEMA_VERSION, TABLES, VERSION_KEY, Layer
from segmentation_core.survey.styles import add_styles
from segmentation_core.survey.triggers import add_edit_triggers

__all__ = ["add_missing"]


def add_missing(connection: sqlite3.Connection) -> None:
    """Give a book of an older schema version what this one has, and its number.

    Parameters
    ----------
    connection : sqlite3 connection
        To the book, in a transaction.

    Raises
    ------
    sqlite3.Error
        The book cannot be written, or has tables of its own under a name that is needed.
    """
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
    connection.execute("UPDATE book_info SET value = ? WHERE key = ?", (str(SCHEMA_VERSION), VERSION_KEY))
