"""The book as a database: pages, triggers, spatial indexes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial

from segmentation_core.survey.check.findings import Finding, plural
from segmentation_core.survey.schema import LAYERS
from segmentation_core.survey.store import Book, create_tables
from segmentation_core.survey.triggers import are_off

__all__ = ["check_pages", "check_structure"]

_REPLACED_BY = {"update1": ("update6", "update7"), "update3": ("update5",)}
"""Triggers of a spatial index in GeoPackage 1.2, and those that newer GDAL writes in their place."""

_FLOAT32 = 2.0**-22
"""Spatial indexes hold float32, rounded outwards."""


def check_pages(book: Book) -> Iterator[Finding]:
    """Yield what SQLite itself finds; after that nothing read from the book can be trusted."""
    try:
        told = [row[0] for row in book.connection.execute("PRAGMA integrity_check(20)")]
    except sqlite3.OperationalError:
        raise  # in use, or not to be read: no damage
    except sqlite3.DatabaseError as exc:  # damaged beyond what the check can read
        told = [str(exc)]
    if told == ["ok"]:
        return
    of_indexes = all(" index " in line for line in told)
    yield Finding(
        "sqlite",
        f"the database is damaged: {'; '.join(told[:3])}",
        "Restore it from a backup",
        _reindex if of_indexes else None,
    )


def check_structure(book: Book) -> Iterator[Finding]:
    """Yield what is missing or wrong in triggers and spatial indexes."""
    if are_off(book.connection):
        yield Finding(
            "triggers",
            "edits made in other programs are not noticed: a row that switches the triggers off was left",
            "Repair it, then look through what was edited since",
            lambda _: "switched the edit triggers on",  # every transaction of ours does, at its end
        )
    missing = _missing_triggers(book.connection)
    if missing:
        yield Finding(
            "triggers",
            f"{plural(len(missing), 'trigger')} missing: {', '.join(missing)}",
            "Repair it: until then edits can go unnoticed",
            _add_missing_triggers,
        )
    for layer in LAYERS:
        yield from _spatial_index(book, layer.name)


def _reindex(book: Book) -> str:
    book.connection.execute("REINDEX")
    return "rebuilt the database's indexes"


def _reference(kind: str) -> dict[str, str]:
    """Return the SQL of a new book's objects by name."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create_tables(connection, None)
        return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = ?", (kind,)))


def _missing_triggers(connection: sqlite3.Connection) -> dict[str, str]:
    present = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    return {
        name: sql
        for name, sql in _reference("trigger").items()
        if name not in present and not _is_replaced(name, present)
    }


def _is_replaced(name: str, present: set[str]) -> bool:
    stem, _, action = name.rpartition("_")
    return action in _REPLACED_BY and all(f"{stem}_{new}" in present for new in _REPLACED_BY[action])


def _add_missing_triggers(book: Book) -> str:
    missing = _missing_triggers(book.connection)
    for sql in missing.values():
        book.connection.execute(sql)
    return f"created {plural(len(missing), 'trigger')}"


def _spatial_index(book: Book, layer: str) -> Iterator[Finding]:
    index = f"rtree_{layer}_geom"
    known = book.connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (index,)).fetchone()
    listed = book.connection.execute(
        "SELECT 1 FROM gpkg_extensions WHERE table_name = ? AND extension_name = 'gpkg_rtree_index'", (layer,)
    ).fetchone()
    if known is None or listed is None:
        what = f"the layer {layer} has no spatial index"
    else:
        wrong = _mismatches(book.connection, layer, index)
        if wrong == 0:
            return
        what = f"the spatial index of {layer} is wrong for {plural(wrong, 'feature')}"
    remedy = "Repair it: features can be missing on the map and in totals"
    yield Finding("spatial index", what, remedy, partial(_rebuild_index, layer))


def _mismatches(connection: sqlite3.Connection, layer: str, index: str) -> int:
    """Return how many features the index misses or misplaces, and entries without feature."""
    (features,) = connection.execute(
        f"SELECT count(*) FROM {layer} LEFT JOIN {index} r ON r.id = fid "
        "WHERE geom NOTNULL AND NOT ST_IsEmpty(geom) AND (r.id IS NULL "
        f"OR abs(r.minx - ST_MinX(geom)) > {_FLOAT32} * (abs(r.minx) + 1e-30) "
        f"OR abs(r.maxx - ST_MaxX(geom)) > {_FLOAT32} * (abs(r.maxx) + 1e-30) "
        f"OR abs(r.miny - ST_MinY(geom)) > {_FLOAT32} * (abs(r.miny) + 1e-30) "
        f"OR abs(r.maxy - ST_MaxY(geom)) > {_FLOAT32} * (abs(r.maxy) + 1e-30))"
    ).fetchone()
    (entries,) = connection.execute(
        f"SELECT count(*) FROM {index} WHERE id NOT IN "
        f"(SELECT fid FROM {layer} WHERE geom NOTNULL AND NOT ST_IsEmpty(geom))"
    ).fetchone()
    return int(features + entries)


def _rebuild_index(layer: str, book: Book) -> str:
    index = f"rtree_{layer}_geom"
    book.connection.execute(f"DROP TABLE IF EXISTS {index}")
    book.connection.execute(_reference("table")[index])
    book.connection.execute(
        f"INSERT INTO {index} SELECT fid, ST_MinX(geom), ST_MaxX(geom), ST_MinY(geom), ST_MaxY(geom) "
        f"FROM {layer} WHERE geom NOTNULL AND NOT ST_IsEmpty(geom)"
    )
    book.connection.execute(
        "INSERT OR IGNORE INTO gpkg_extensions VALUES (?, 'geom', 'gpkg_rtree_index', "
        "'http://www.geopackage.org/spec120/#extension_rtree', 'write-only')",
        (layer,),
    )
    return f"rebuilt the spatial index of {layer}"
