"""Surveys and orthophotos of a book: who is new, who is known, which orthophoto is the same again."""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from affine import Affine

from segmentation_core.errors import ParameterError
from segmentation_core.survey.store import Book

__all__ = [
    "BOOK_NAMESPACE",
    "OrthophotoRecord",
    "Survey",
    "enter_orthophoto",
    "enter_survey",
    "orthophotos_of",
    "require_survey",
    "stored_path",
    "surveys_of",
    "update_validity",
]

BOOK_NAMESPACE = uuid.UUID("6d2f5a0c-6b0e-5c7e-9b1f-0e6c1f0b7a31")
"""Namespace of the book's own uids."""

_PICTURE = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
"""Affine of an image without any georeference."""


@dataclass(frozen=True)
class Survey:
    """A survey: all that was recorded on one date, over any number of orthophotos."""

    surv_id: str
    uid: str
    name: str
    date: str


@dataclass(frozen=True)
class OrthophotoRecord:
    """What a book remembers of an orthophoto.

    Attributes
    ----------
    path, sha256 : str
        Absolute path, and checksum of the content.
    width_px, height_px : int
        Of the working grid.
    gsd_mm : float
        mm per pixel of the working grid.
    transform : tuple of 6 float
        Affine of the working grid: a, b, c, d, e, f.
    metres_per_unit : float
    model : str or None
        Name of the model; None for a class raster made elsewhere.
    rasters : str or None
        Folder with the probability raster.
    run : dict
        Everything else worth knowing about the run.
    """

    path: str
    sha256: str
    width_px: int
    height_px: int
    gsd_mm: float
    transform: tuple[float, ...]
    metres_per_unit: float
    model: str | None = None
    rasters: str | None = None
    run: dict[str, Any] | None = None

    @property
    def is_georeferenced(self) -> bool:
        """Whether the coordinates say where on the building the picture lies."""
        return self.transform != _PICTURE

    @property
    def pixel_side(self) -> float:
        """Side of a pixel in map units."""
        return float(abs(Affine(*self.transform).determinant) ** 0.5)


def surveys_of(connection: sqlite3.Connection) -> list[Survey]:
    """Return the surveys of a book, oldest first."""
    rows = connection.execute("SELECT surv_id, uid, name, date FROM survey ORDER BY date, fid")
    return [Survey(*row) for row in rows]


def require_survey(connection: sqlite3.Connection, name: str, date: str, path: Path) -> Survey | None:
    """Return the survey of this name, None where there is none.

    Raises
    ------
    ParameterError
        It has another date.
    """
    survey = next((s for s in surveys_of(connection) if s.name == name), None)
    if survey is not None and survey.date != date:
        raise ParameterError(
            f"the survey {name!r} in this book is of {survey.date}, not {date}",
            path=path,
            remedy="Give the survey another --name, or its own date",
        )
    return survey


def survey_named(book: Book, name: str) -> Survey:
    """Return the survey of a name.

    Raises
    ------
    ParameterError
        There is none; the message lists those there are.
    """
    known = surveys_of(book.connection)
    found = next((s for s in known if s.name == name), None)
    if found is None:
        raise ParameterError(
            f"there is no survey {name!r}",
            path=book.path,
            remedy=f"The book's surveys are: {', '.join(s.name for s in known) or 'none'}",
        )
    return found


def enter_survey(book: Book, name: str, date: str) -> Survey:
    """Return the survey of this name and date, new or known."""
    known = require_survey(book.connection, name, date, book.path)
    if known is not None:
        return known
    cursor = book.connection.execute(
        "INSERT INTO survey (name, date, created_at) VALUES (?, ?, ?)", (name, date, _now())
    )
    surv_id = f"S{cursor.lastrowid}"
    uid = str(uuid.uuid5(BOOK_NAMESPACE, f"{surv_id}/{name}/{date}"))
    book.connection.execute(
        "UPDATE survey SET surv_id = ?, uid = ? WHERE fid = ?", (surv_id, uid, cursor.lastrowid)
    )
    return Survey(surv_id, uid, name, date)


def enter_orthophoto(book: Book, survey: Survey, record: OrthophotoRecord) -> tuple[str, bool]:
    """Store an orthophoto and return its id, and whether the survey knew it already.

    The same orthophoto is one of the same content, or else of the same path: a corrected version
    replaces the one before.
    """
    own = (record.sha256, record.path)
    matches = [
        (stored.sha256 == own[0], orth_id)
        for orth_id, stored in orthophotos_of(book, survey.surv_id)
        if own[0] == stored.sha256 or own[1] == stored.path
    ]
    values = {
        "path": stored_path(book.path, record.path),
        "sha256": record.sha256,
        "width_px": record.width_px,
        "height_px": record.height_px,
        "gsd_mm": record.gsd_mm,
        "transform": json.dumps(record.transform),
        "m_per_unit": record.metres_per_unit,
        "model": record.model,
        "rasters": None if record.rasters is None else stored_path(book.path, record.rasters),
        "run": json.dumps(record.run, ensure_ascii=False, default=str),
        "added_at": _now(),
    }
    if matches:
        orth_id = max(matches, key=lambda match: match[0])[1]
        assignments = ", ".join(f"{column} = ?" for column in values)
        book.connection.execute(
            f"UPDATE orthophoto SET {assignments} WHERE orth_id = ?", (*values.values(), orth_id)
        )
        return orth_id, True
    columns = ", ".join(values)
    cursor = book.connection.execute(
        f"INSERT INTO orthophoto (surv_id, {columns}) VALUES (?{', ?' * len(values)})",
        (survey.surv_id, *values.values()),
    )
    orth_id = f"O{cursor.lastrowid}"
    book.connection.execute("UPDATE orthophoto SET orth_id = ? WHERE fid = ?", (orth_id, cursor.lastrowid))
    return orth_id, False


def orthophotos_of(book: Book, surv_id: str) -> list[tuple[str, OrthophotoRecord]]:
    """Return a survey's orthophotos with their ids, in the order they were added."""
    rows = book.connection.execute(
        "SELECT orth_id, path, sha256, width_px, height_px, gsd_mm, transform, m_per_unit, "
        "model, rasters, run FROM orthophoto WHERE surv_id = ? ORDER BY fid",
        (surv_id,),
    ).fetchall()
    return [
        (
            row[0],
            OrthophotoRecord(
                path=_full_path(book.path, row[1]),
                sha256=row[2],
                width_px=row[3],
                height_px=row[4],
                gsd_mm=row[5],
                transform=tuple(json.loads(row[6])),
                metres_per_unit=row[7],
                model=row[8],
                rasters=None if row[9] is None else _full_path(book.path, row[9]),
                run=json.loads(row[10]),
            ),
        )
        for row in rows
    ]


def update_validity(connection: sqlite3.Connection, layers: list[str]) -> None:
    """Set ``t_start`` and ``t_end`` of all features: from their survey's date to the next one there.

    "There" means that the boxes around the two surveys' assessed areas meet. QGIS's Temporal Controller
    then shows each place in the state last recorded.
    """
    boxes = connection.execute(
        "SELECT s.surv_id, s.date, min(r.minx), min(r.miny), max(r.maxx), max(r.maxy) "
        "FROM survey s JOIN assessed a ON a.surv_id = s.surv_id JOIN rtree_assessed_geom r ON r.id = a.fid "
        "GROUP BY s.surv_id, s.date"
    ).fetchall()
    for surv_id, date, *box in boxes:
        later = [other[1] for other in boxes if other[1] > date and _meet(box, other[2:])]
        end = min(later, default=None)
        for layer in layers:
            connection.execute(
                f"UPDATE {layer} SET t_start = ?, t_end = ? "
                "WHERE surv_id = ? AND (t_start IS NOT ? OR t_end IS NOT ?)",
                (date, end, surv_id, date, end),
            )


def _meet(a: Any, b: Any) -> bool:
    return bool(a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3])


def stored_path(book: Path, path: str) -> str:
    """Return a path relative to the book's folder where it lies inside, so that both can be moved."""
    folder = book.resolve().parent
    full = Path(path).resolve()
    return full.relative_to(folder).as_posix() if full.is_relative_to(folder) else str(full)


def _full_path(book: Path, stored: str) -> str:
    return os.path.normpath(book.resolve().parent / stored)


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
