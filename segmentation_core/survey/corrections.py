"""Corrections by strokes: what a person paints in a few windows, to fit a model to a beam.

They stand in a GeoPackage of their own beside the book, ``BOOK_corrections.gpkg``, and not in it: strokes
are no findings, and no total, sheet or comparison may see them. Two layers in the book's CRS:

- ``correction_window``: squares of the working grid of an orthophoto, proposed or chosen. What is painted
  in one that is ``held_out`` is not learnt from; it judges what was learnt.
- ``correction_stroke``: lines with the width of the brush and what lies under them: a class of the
  vocabulary, or `BACKGROUND`. Whatever no stroke covers stays undecided.

Every stroke is in the file as soon as it is drawn.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import shapely
from affine import Affine

from segmentation_core.raster.grid import Window
from segmentation_core.statistics.features import stream_features
from segmentation_core.survey.geopackage import (
    add_crs,
    add_features_table,
    create_container,
    encode,
    refresh_contents,
    register_functions,
)
from segmentation_core.survey.store import WRITE_WAIT_S, Book, book_errors
from segmentation_core.survey.surveys import OrthophotoRecord

__all__ = [
    "BACKGROUND",
    "CorrectionWindow",
    "Stroke",
    "corrections_file",
    "map_outline",
    "painted_windows",
    "put_windows",
    "strokes_in",
    "windows_of",
]

BACKGROUND = "background"
"""What a stroke says where nothing is damaged."""

_WINDOW = "correction_window"
_STROKE = "correction_stroke"
_WINDOW_COLUMNS = (
    "surv_id TEXT NOT NULL, orth_id TEXT NOT NULL, elem_id TEXT, row_off INTEGER NOT NULL, "
    "col_off INTEGER NOT NULL, height_px INTEGER NOT NULL, width_px INTEGER NOT NULL, "
    "held_out BOOLEAN NOT NULL, doubt DOUBLE"
)
_STROKE_COLUMNS = (
    "surv_id TEXT NOT NULL, class_cd TEXT NOT NULL, wid_m DOUBLE NOT NULL, "
    "made_at DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))"
)


@dataclass(frozen=True)
class CorrectionWindow:
    """A window to correct.

    Attributes
    ----------
    orth_id : str
        The orthophoto on whose working grid it lies.
    window : Window
        Pixels of that grid.
    elem_id : str
        The element that takes most of it; empty where there is none.
    held_out : bool
        Whether it judges and is not learnt from.
    doubt : float or None
        Mean doubt of the network there, 0-1; None where nobody knows.
    """

    orth_id: str
    window: Window
    elem_id: str
    held_out: bool
    doubt: float | None = None


@dataclass(frozen=True)
class Stroke:
    """A stroke: a line in map coordinates, its width in m, and the class under it or `BACKGROUND`."""

    line: shapely.Geometry
    class_code: str
    width_m: float


def corrections_file(book: Path) -> Path:
    """Return where the corrections of a book lie."""
    return book.with_name(f"{book.stem}_corrections.gpkg")


def map_outline(record: OrthophotoRecord, window: Window) -> shapely.Polygon:
    """Return a window of an orthophoto's working grid on the map."""
    place = Affine(*record.transform)
    corners = (
        (window.col_off, window.row_off),
        (window.col_end, window.row_off),
        (window.col_end, window.row_end),
        (window.col_off, window.row_end),
    )
    return shapely.Polygon([place @ (col, row, 1.0) for col, row in corners])


def windows_of(book: Path, surv_id: str) -> list[CorrectionWindow]:
    """Return the windows of a survey in the order they were added; none where nothing was proposed.

    Raises
    ------
    BookError, BookLockedError
        The file of corrections is damaged, or being written.
    """
    with _opened(corrections_file(book)) as connection:
        if connection is None:
            return []
        rows = connection.execute(
            f"SELECT orth_id, row_off, col_off, height_px, width_px, elem_id, held_out, doubt FROM {_WINDOW} "
            "WHERE surv_id = ? ORDER BY fid",
            (surv_id,),
        ).fetchall()
    return [
        CorrectionWindow(orth_id, Window(*box), elem_id or "", bool(held_out), doubt)
        for orth_id, *box, elem_id, held_out, doubt in rows
    ]


def strokes_in(book: Path, surv_id: str, outline: shapely.Geometry) -> list[Stroke]:
    """Return the strokes of a survey that reach into an outline, in the order they were drawn.

    Raises
    ------
    BookError, BookLockedError
        As `windows_of`.
    """
    found: list[Stroke] = []
    with _opened(corrections_file(book)) as connection:
        if connection is None:
            return found
        for chunk in stream_features(connection, _STROKE, ("class_cd", "wid_m"), "surv_id = ?", (surv_id,)):
            near = shapely.dwithin(
                chunk.geometries, outline, np.array([row[1] / 2 for row in chunk.rows], dtype=float)
            )
            found += [
                Stroke(line, *row)
                for line, row, is_near in zip(chunk.geometries, chunk.rows, near.tolist(), strict=True)
                if is_near
            ]
    return found


def painted_windows(book: Path, surv_id: str, records: dict[str, OrthophotoRecord]) -> list[CorrectionWindow]:
    """Return the windows of a survey, on these orthophotos, in which there is a stroke.

    Raises
    ------
    BookError, BookLockedError
        As `windows_of`.
    """
    return [
        w
        for w in windows_of(book, surv_id)
        if w.orth_id in records and strokes_in(book, surv_id, map_outline(records[w.orth_id], w.window))
    ]


def put_windows(
    book: Book, surv_id: str, records: dict[str, OrthophotoRecord], windows: Sequence[CorrectionWindow]
) -> Path:
    """Put windows in place of all that a survey has, and return the file; it is made where there is none.

    Raises
    ------
    BookError, BookLockedError, DiskFullError
        The file cannot be written.
    """
    path = corrections_file(book.path)
    if not path.exists():
        _make(path, book.crs_wkt)
    outlines = np.array([map_outline(records[w.orth_id], w.window) for w in windows], dtype=object)
    with book_errors(path), closing(_connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"DELETE FROM {_WINDOW} WHERE surv_id = ?", (surv_id,))
        rows = [
            (blob, surv_id, w.orth_id, w.elem_id or None, *astuple(w.window), w.held_out, w.doubt)
            for blob, w in zip(encode(outlines, _srs_id(connection)), windows, strict=True)
        ]
        connection.executemany(
            f"INSERT INTO {_WINDOW} (geom, surv_id, orth_id, elem_id, row_off, col_off, height_px, width_px, "
            "held_out, doubt) VALUES (?,?,?,?,?,?,?,?,?,?)",
            rows,
        )
        refresh_contents(connection)
        connection.execute("COMMIT")
    return path


def _make(path: Path, crs_wkt: str | None) -> None:
    """Make an empty file of corrections, as a whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with book_errors(path), closing(sqlite3.connect(part, isolation_level=None)) as connection:
            register_functions(connection)
            connection.execute("BEGIN")
            create_container(connection)
            srs_id = add_crs(connection, crs_wkt)
            add_features_table(connection, _WINDOW, "POLYGON", _WINDOW_COLUMNS, srs_id)
            add_features_table(connection, _STROKE, "LINESTRING", _STROKE_COLUMNS, srs_id)
            connection.execute("COMMIT")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _srs_id(connection: sqlite3.Connection) -> int:
    query = "SELECT srs_id FROM gpkg_geometry_columns WHERE table_name = ?"
    return int(connection.execute(query, (_WINDOW,)).fetchone()[0])


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=WRITE_WAIT_S)
    register_functions(connection)
    return connection


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open the file of corrections for reading; None where there is none."""
    if not path.exists():
        yield None
        return
    with book_errors(path), closing(_connect(path)) as connection:
        yield connection
