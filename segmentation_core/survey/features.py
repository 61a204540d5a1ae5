"""Write the features of one orthophoto into a book, around what a person touched.

A re-run replaces ``auto`` features of the same survey and orthophoto only. Features that a person
edited, verified, drew or rejected stay with their uid; a new feature that lies half or more on one of
them is dropped and counted.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.progress import Progress
from segmentation_core.statistics.features import FeatureChunk, stream_features
from segmentation_core.statistics.vectorfile import VectorFile
from segmentation_core.survey.geopackage import encode
from segmentation_core.survey.schema import UNTOUCHED
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import BOOK_NAMESPACE

__all__ = ["Counts", "Target", "write_features"]

_HALF = 0.5
_LINE_BUFFER_PX = 1.5

_COPIED = {
    "loss_polygon": ("class_cd", "area_m2", "conf"),
    "crack_area": ("class_cd", "area_m2", "conf", "comp_id"),
    "crack_line": (
        *("class_cd", "len_m", "wid_m", "wid50_m", "wid95_m", "widp_m", "conf"),
        *("comp_id", "node_a", "node_b", "at_limit"),
    ),
    "crack_node": ("class_cd", "node_id", "kind", "degree", "comp_id", "conf"),
    "island": ("class_cd", "area_m2"),
}
"""Columns taken over from the vector file; lines come before nodes, which follow them."""


@dataclass(frozen=True)
class Target:
    """Where features belong.

    Attributes
    ----------
    surv_id, orth_id : str
        Ids in the book.
    scope : str
        Makes uids of equal vectors differ between surveys and orthophotos.
    pixel_side : float
        Map units per pixel.
    date : str
        Of the survey.
    """

    surv_id: str
    orth_id: str
    scope: str
    pixel_side: float
    date: str


@dataclass
class Counts:
    """Features per layer: written, replaced by them, kept because a person touched them, dropped."""

    added: Counter[str] = field(default_factory=Counter)
    replaced: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)


def write_features(book: Book, target: Target, vectors: VectorFile, progress: Progress) -> Counts:
    """Replace the ``auto`` features of a survey's orthophoto by those of a vector file.

    Parameters
    ----------
    book : Book
        In a transaction (`segmentation_core.survey.store.writing`).
    target : Target
        Survey and orthophoto.
    vectors : VectorFile
        What `vectorise` wrote, in the book's CRS.
    progress : Progress
        Told the features written.
    """
    counts = Counts()
    whose = (target.surv_id, target.orth_id)
    present = {row[0] for row in vectors.connection.execute("SELECT name FROM sqlite_master")}
    tables = [table for table in _COPIED if table in present]  # vectors of earlier versions have no islands
    total = sum(vectors.connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables)
    orphaned: set[int] = set()
    for table in _COPIED:
        deleted = book.connection.execute(
            f"DELETE FROM {table} WHERE surv_id = ? AND orth_id = ? AND status = '{UNTOUCHED}'", whose
        )
        counts.replaced[table] = deleted.rowcount
        kept = _Kept.of(book.connection, table, target)
        counts.kept[table] = len(kept.uids)
        nodes = _NodeCensus()
        for chunk, drop in _judged(vectors, table, kept, target, orphaned) if table in present else ():
            nodes.add(table, chunk, drop)
            if table == "crack_line":
                _relink(book, kept, chunk, drop)
            _insert(book, table, target, chunk, ~drop)
            counts.added[table] += int((~drop).sum())
            counts.dropped[table] += int(drop.sum())
            done = sum(counts.added.values()) + sum(counts.dropped.values())
            progress("writing the survey book", done, total, "features")
        if table == "crack_line":
            orphaned = nodes.orphaned
    return counts


@dataclass(frozen=True)
class _Kept:
    """Features that a person touched, and the ground they hold."""

    uids: tuple[str, ...]
    ground: NDArray[np.object_]
    tree: shapely.STRtree
    size: Callable[[Any], Any]

    @staticmethod
    def of(connection: sqlite3.Connection, table: str, target: Target) -> _Kept:
        chunks = list(
            stream_features(
                connection,
                table,
                ("uid",),
                f"surv_id = ? AND (orth_id = ? OR orth_id IS NULL) AND status IS NOT '{UNTOUCHED}'",
                (target.surv_id, target.orth_id),
            )
        )
        geometries = np.concatenate([np.empty(0, dtype=object), *(c.geometries for c in chunks)])
        is_line = table == "crack_line"
        if is_line:
            geometries = shapely.buffer(geometries, _LINE_BUFFER_PX * target.pixel_side)
        elif table != "crack_node":
            geometries = shapely.make_valid(geometries)
        uids = tuple(row[0] for chunk in chunks for row in chunk.rows)
        return _Kept(
            uids, geometries, shapely.STRtree(geometries), shapely.length if is_line else shapely.area
        )

    def holds(self, geometries: NDArray[np.object_]) -> NDArray[np.bool_]:
        """Say which lines or polygons lie half or more on this ground."""
        found, ground = self.tree.query(geometries, predicate="intersects")
        held = np.zeros(len(geometries), dtype=bool)
        for index in np.unique(found):
            over = shapely.union_all(self.ground[ground[found == index]])
            share = self.size(shapely.intersection(geometries[index], over))
            held[index] = share >= _HALF * self.size(geometries[index])
        return held


@dataclass
class _NodeCensus:
    """Nodes that only dropped lines met."""

    left: set[int] = field(default_factory=set)
    used: set[int] = field(default_factory=set)

    def add(self, table: str, chunk: FeatureChunk, drop: NDArray[np.bool_]) -> None:
        if table != "crack_line":
            return
        ends = _COPIED[table].index("node_a") + 1
        for row, dropped in zip(chunk.rows, drop, strict=True):
            (self.left if dropped else self.used).update(row[ends : ends + 2])

    @property
    def orphaned(self) -> set[int]:
        return self.left - self.used


def _judged(
    vectors: VectorFile, table: str, kept: _Kept, target: Target, orphaned: set[int]
) -> Iterator[tuple[FeatureChunk, NDArray[np.bool_]]]:
    """Yield new features with their book uid as first column, and which of them to drop."""
    have = {row[1] for row in vectors.connection.execute(f"PRAGMA table_info({table})")}
    columns = [name if name in have else f"NULL AS {name}" for name in _COPIED[table]]
    known = frozenset(kept.uids)
    node_at = 1 + _COPIED[table].index("node_id") if table == "crack_node" else None
    for raw in stream_features(vectors.connection, table, ("uid", *columns)):
        rows = [(_book_uid(target.scope, row[0]), *row[1:]) for row in raw.rows]
        chunk = FeatureChunk(raw.fids, raw.geometries, rows)
        if node_at is None:
            drop = kept.holds(chunk.geometries)
        else:
            drop = np.array([row[node_at] in orphaned for row in rows], dtype=bool)
        yield chunk, drop | np.array([row[0] in known for row in rows], dtype=bool)


def _relink(book: Book, kept: _Kept, chunk: FeatureChunk, drop: NDArray[np.bool_]) -> None:
    """Give lines that a person touched the connected crack of the new lines that were dropped for them."""
    new = np.flatnonzero(drop)
    dropped, ground = kept.tree.query(chunk.geometries[new], predicate="intersects")
    if len(dropped) == 0:
        return
    lines = chunk.geometries[new[dropped]]
    shared = shapely.length(shapely.intersection(lines, kept.ground[ground]))
    pairs = np.flatnonzero(shared >= _HALF * shapely.length(lines))
    pairs = pairs[np.argsort(shared[pairs], kind="stable")]  # of several, the longest has the last word
    crack_at = 1 + _COPIED["crack_line"].index("comp_id")
    book.connection.executemany(
        "UPDATE crack_line SET comp_id = ? WHERE uid = ?",
        [(chunk.rows[new[dropped[i]]][crack_at], kept.uids[ground[i]]) for i in pairs],
    )


def _insert(book: Book, table: str, target: Target, chunk: FeatureChunk, keep: NDArray[np.bool_]) -> None:
    columns = ("geom", "surv_id", "orth_id", "status", "t_start", "uid", *_COPIED[table])
    blobs = encode(chunk.geometries[keep], book.srs_id)
    rows = (row for row, wanted in zip(chunk.rows, keep, strict=True) if wanted)
    whose = (target.surv_id, target.orth_id, UNTOUCHED, target.date)
    book.connection.executemany(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES (?{', ?' * (len(columns) - 1)})",
        ((blob, *whose, *row) for blob, row in zip(blobs, rows, strict=True)),
    )


def _book_uid(scope: str, vector_uid: str) -> str:
    return str(uuid.uuid5(BOOK_NAMESPACE, f"{scope}/{vector_uid}"))
