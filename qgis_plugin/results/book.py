"""Reading a survey book. Only the engine writes one; edits in QGIS go through the book's own triggers."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..translation import tr
from .sqlite_uri import sqlite_uri

__all__ = [
    "BookFault",
    "OrthophotoRow",
    "SurveyRow",
    "element_rows",
    "is_writable",
    "orthophotos",
    "reading",
    "surveys",
    "width_bound_mm",
]

_RESOLVED_PX = 2.0
_NOT_A_BOOK = ("no such table", "not a database", "no such column")


class BookFault(Exception):
    """The book cannot be read; the message says why and what to do."""


@dataclass(frozen=True)
class SurveyRow:
    """A survey of a book."""

    surv_id: str
    name: str
    date: str
    orthophotos: int
    stale: bool


@dataclass(frozen=True)
class OrthophotoRow:
    """An orthophoto of a survey; ``probability`` is the kept raster's path, or None."""

    orth_id: str
    path: str
    sha256: str
    gsd_mm: float
    model: str | None
    probability: str | None
    run: dict[str, Any]
    metres_per_unit: float


@contextmanager
def reading(book: str | Path) -> Iterator[sqlite3.Connection]:
    """Open a book for reading.

    Raises
    ------
    BookFault
        It is missing, no book, or being written.
    """
    path = Path(book)
    if not path.is_file():
        raise BookFault(tr("There is no survey book {path}. Open another, or make a new one.", path=path))
    try:
        with closing(sqlite3.connect(sqlite_uri(path.resolve()), uri=True, timeout=2.0)) as opened:
            yield opened
    except sqlite3.Error as error:
        text = str(error)
        if any(sign in text for sign in _NOT_A_BOOK):
            raise BookFault(
                tr("{name} is no survey book. Choose one that Craquelure made.", name=path.name)
            ) from error
        if "locked" in text or "busy" in text:
            raise BookFault(
                tr(
                    "{name} is being written by another program. Wait a moment, then open it again.",
                    name=path.name,
                )
            ) from error
        raise BookFault(
            tr("{name} cannot be read ({text}). Restore it from a backup.", name=path.name, text=text)
        ) from error


def is_writable(book: str | Path) -> bool:
    """Return whether the file and its folder can be written, as SQLite needs it."""
    path = Path(book)
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def surveys(book: str | Path) -> list[SurveyRow]:
    """Return the surveys of a book, oldest first.

    Raises
    ------
    BookFault
    """
    query = (
        "SELECT s.surv_id, s.name, s.date, count(DISTINCT o.orth_id), "
        "(SELECT coalesce(max(e.stale), 0) FROM element_stats e WHERE e.surv_id = s.surv_id) "
        "FROM survey s LEFT JOIN orthophoto o ON o.surv_id = s.surv_id GROUP BY s.fid ORDER BY s.date, s.fid"
    )
    with reading(book) as connection:
        return [SurveyRow(*row[:4], stale=bool(row[4])) for row in connection.execute(query)]


def orthophotos(book: str | Path, surv_id: str) -> list[OrthophotoRow]:
    """Return the orthophotos of a survey.

    Raises
    ------
    BookFault
    """
    query = (
        "SELECT orth_id, path, sha256, gsd_mm, model, rasters, run, m_per_unit FROM orthophoto "
        "WHERE surv_id = ? ORDER BY fid"
    )
    with reading(book) as connection:
        rows = connection.execute(query, (surv_id,)).fetchall()
    folder = Path(book).resolve().parent
    return [_orthophoto(folder, row) for row in rows]


def _orthophoto(folder: Path, row: tuple[Any, ...]) -> OrthophotoRow:
    orth_id, path, sha256, gsd_mm, model, rasters, run, metres_per_unit = row
    probability = None
    if rasters is not None:
        kept = Path(os.path.normpath(folder / rasters)) / "probability.tif"
        probability = str(kept) if kept.is_file() else None
    return OrthophotoRow(
        orth_id,
        os.path.normpath(folder / path),
        sha256,
        gsd_mm,
        model,
        probability,
        json.loads(run or "{}") or {},
        metres_per_unit,
    )


def element_rows(book: str | Path, surv_id: str) -> tuple[list[dict[str, Any]], bool]:
    """Return the statistics of a survey, one dict per element, and whether edits made them stale.

    A mean width at the limit of resolution has ``width_is_bound`` beside it: it is at most what it says.
    Where the survey was compared with an earlier one, a row also holds, against the last of these,
    ``change_crack_m``, ``change_crack_growth_m`` (the lower end of its interval), ``change_loss_m2`` and
    ``change_verdict``, if nothing was edited since.

    Raises
    ------
    BookFault
    """
    with reading(book) as connection:
        found = connection.execute(
            "SELECT elem_id, stat, value, stale FROM element_stats WHERE surv_id = ? ORDER BY rowid",
            (surv_id,),
        ).fetchall()
        changes = _changes(connection, surv_id)
        bound_mm = _bound_mm(connection, surv_id)
    rows: dict[str, dict[str, Any]] = {}
    for elem_id, stat, value, _ in found:
        rows.setdefault(elem_id, {"elem_id": elem_id})[stat] = value
    for row in rows.values():
        row["width_is_bound"] = (row.get("width_mean_mm") or bound_mm) < bound_mm
    for elem_id, stat, diff, verdict in changes:
        if elem_id in rows:
            rows[elem_id][f"change_{stat}"] = diff
            graver = max((rows[elem_id].get("change_verdict", ""), verdict), key=_GRAVITY.index)
            rows[elem_id]["change_verdict"] = graver
    return list(rows.values()), any(row[3] for row in found)


def width_bound_mm(book: str | Path, surv_id: str) -> float:
    """Return below which width a crack of a survey is "at most" as wide as measured: 2 px, 0 if unknown.

    Raises
    ------
    BookFault
    """
    with reading(book) as connection:
        return _bound_mm(connection, surv_id)


def _bound_mm(connection: sqlite3.Connection, surv_id: str) -> float:
    ((gsd_mm,),) = connection.execute("SELECT max(gsd_mm) FROM orthophoto WHERE surv_id = ?", (surv_id,))
    return _RESOLVED_PX * (gsd_mm or 0.0)


_GRAVITY = ("", "no change that can be shown", "better (check!)", "worse")


def _changes(connection: sqlite3.Connection, surv_id: str) -> list[tuple[Any, ...]]:
    """Return element, statistic, difference and verdict against the last survey before that was compared."""
    has_changes = "SELECT 1 FROM sqlite_master WHERE name = 'change_stats'"
    if connection.execute(has_changes).fetchone() is None:  # a book of an older version
        return []
    pair = connection.execute(
        "SELECT p.pair_id FROM change_pair p JOIN survey s ON s.surv_id = p.surv_a WHERE p.surv_b = ? "
        "ORDER BY s.date DESC LIMIT 1",
        (surv_id,),
    ).fetchone()
    if pair is None:
        return []
    query = (
        "SELECT elem_id, stat, CASE stat WHEN 'crack_growth_m' THEN diff - u95_diff ELSE diff END, verdict "
        "FROM change_stats WHERE pair_id = ? AND stale = 0 "
        "AND stat IN ('crack_m', 'loss_m2', 'crack_growth_m')"
    )
    return [row for row in connection.execute(query, pair) if row[3] in _GRAVITY]
