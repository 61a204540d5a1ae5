"""What there is to check in a survey, and what people decided. Decisions pass the book's own triggers."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from osgeo import gdal, ogr

from ..translation import tr
from .book import BookFault, reading

__all__ = [
    "ORDERS",
    "Checked",
    "Decision",
    "Doubtful",
    "accept_above",
    "decide",
    "extent_of",
    "review_queue",
    "take_back",
]

UNCHECKED = "auto"
ORDERS = ("uncertainty", "size", "element", "class")
_LISTED = {
    "crack_line": "SELECT 'crack_line', fid, coalesce(elem_id, ''), class_cd, conf, coalesce(len_m, 0), "
    "wid_m, coalesce(status, 'auto') FROM crack_line WHERE surv_id = ? AND geom IS NOT NULL",
    "loss_polygon": "SELECT 'loss_polygon', fid, coalesce(elem_id, ''), class_cd, conf, "
    "coalesce(area_m2, 0), NULL, coalesce(status, 'auto') FROM loss_polygon "
    "WHERE surv_id = ? AND geom IS NOT NULL",
}
"""What is checked: cracks as lines, and losses."""

_STATUS = {
    "crack_line": "SELECT fid, coalesce(status, 'auto') FROM crack_line "
    "WHERE fid IN (SELECT value FROM json_each(?))",
    "loss_polygon": "SELECT fid, coalesce(status, 'auto') FROM loss_polygon "
    "WHERE fid IN (SELECT value FROM json_each(?))",
}
_SURE = {
    "crack_line": "SELECT fid FROM crack_line WHERE surv_id = ? AND status = 'auto' AND conf >= ?",
    "loss_polygon": "SELECT fid FROM loss_polygon WHERE surv_id = ? AND status = 'auto' AND conf >= ?",
}
_SHAPE = {
    "crack_line": "SELECT geom FROM crack_line WHERE fid = ? AND geom IS NOT NULL",
    "loss_polygon": "SELECT geom FROM loss_polygon WHERE fid = ? AND geom IS NOT NULL",
}
"""The shapes themselves: the spatial index knows places to seven digits, half a metre of a northing."""

_PHOTO = "SELECT transform FROM orthophoto WHERE surv_id = ? ORDER BY fid LIMIT 1"
_LEAST_SIDE_PX, _AROUND = 256, 3.0
_AT_ONCE = 10_000
"""Features named in one statement, whose length SQLite limits."""


class Doubtful(NamedTuple):
    """A crack or a loss to look at; a tuple, as there may be a hundred thousand.

    Attributes
    ----------
    table, fid : str, int
        Where it stands in the book.
    elem_id : str
        Empty outside all elements.
    class_cd : str
        Code of its class.
    conf : float or None
        Mean probability that the network gave it; None for what was drawn.
    size : float
        Length in m, or area in m2.
    width_m : float or None
        Of a crack.
    status : str
        When the list was made.
    """

    table: str
    fid: int
    elem_id: str
    class_cd: str
    conf: float | None
    size: float
    width_m: float | None
    status: str


@dataclass(frozen=True)
class Decision:
    """What was decided about one feature, and its status before, for undoing it."""

    table: str
    fid: int
    before: str
    after: str


def review_queue(book: str, surv_id: str, order: str = "uncertainty") -> list[Doubtful]:
    """Return cracks and losses of a survey, the most doubtful, largest, ... first; rejected ones too.

    Parameters
    ----------
    book, surv_id : str
    order : str
        One of `ORDERS`; equals follow by uncertainty.

    Raises
    ------
    BookFault
    """
    with reading(book) as connection:
        found = [
            Doubtful(*row) for query in _LISTED.values() for row in connection.execute(query, (surv_id,))
        ]

    def doubt(item: Doubtful) -> tuple[float, str, int]:
        return (1.0 if item.conf is None else item.conf, item.table, item.fid)

    keys = {
        "uncertainty": doubt,
        "size": lambda item: (item.table, -item.size, doubt(item)),
        "element": lambda item: (item.elem_id, doubt(item)),
        "class": lambda item: (item.class_cd, doubt(item)),
    }
    return sorted(found, key=keys[order])


class Checked:
    """How many features of each element are checked; a decision costs the same however many there are.

    Parameters
    ----------
    items : list of Doubtful
        Of `review_queue`.
    """

    def __init__(self, items: list[Doubtful]) -> None:
        self._elements = {(item.table, item.fid): item.elem_id for item in items}
        self._given = {(item.table, item.fid): item.status for item in items}
        self._total = Counter(item.elem_id for item in items)
        self._done = Counter(item.elem_id for item in items if item.status != UNCHECKED)

    def status_of(self, item: Doubtful) -> str:
        """Return a feature's status as it is now."""
        return self._given.get((item.table, item.fid), item.status)

    def give(self, table: str, fid: int, status: str) -> None:
        """Note a feature's new status."""
        before, elem_id = self._given.get((table, fid)), self._elements.get((table, fid))
        if before is not None and elem_id is not None:
            self._given[table, fid] = status
            self._done[elem_id] += (status != UNCHECKED) - (before != UNCHECKED)

    def of_element(self, elem_id: str) -> tuple[int, int]:
        """Return how many features of an element are checked, and how many there are."""
        return self._done[elem_id], self._total[elem_id]

    def of_all(self) -> tuple[int, int]:
        """Return how many features are checked, and how many there are."""
        return sum(self._done.values()), sum(self._total.values())


def extent_of(book: str, surv_id: str, item: Doubtful) -> tuple[float, float, float, float] | None:
    """Return the part of the map (x min, y min, x max, y max) that shows a feature and what is around it.

    At least 256 px of the survey's orthophoto; None where the feature is gone.

    Raises
    ------
    BookFault
    """
    with reading(book) as connection:
        found = connection.execute(_SHAPE[item.table], (item.fid,)).fetchone()
        photo = connection.execute(_PHOTO, (surv_id,)).fetchone()
    if found is None:
        return None
    left, right, low, high = _envelope(found[0])
    a, b, _, d, e, _ = json.loads(photo[0]) if photo else (0.0,) * 6
    least = _LEAST_SIDE_PX * math.sqrt(abs(a * e - b * d))
    x, y = (left + right) / 2, (low + high) / 2
    half = max(_AROUND * (right - left), _AROUND * (high - low), least) / 2
    return x - half, y - half, x + half, y + half


def _envelope(blob: bytes) -> tuple[float, float, float, float]:
    """Return min x, max x, min y and max y of a geometry as a GeoPackage stores it."""
    boxes = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}  # bytes of the box before the geometry, by the header's flags
    shape = ogr.CreateGeometryFromWkb(blob[8 + boxes[blob[3] >> 1 & 7] :])
    envelope: tuple[float, float, float, float] = shape.GetEnvelope()
    return envelope


def decide(book: str, items: list[Doubtful], status: str, editor: str) -> list[Decision]:
    """Give features a status.

    Parameters
    ----------
    book : str
    items : list of Doubtful
    status : str
        ``verified``, ``rejected``; ``auto`` takes a decision back.
    editor : str
        Who decided.

    Returns
    -------
    list of Decision
        Of the features that are still there.

    Raises
    ------
    BookFault
        The book cannot be written now.
    """
    made = []
    for table in _LISTED:
        fids = [item.fid for item in items if item.table == table]
        if not fids:
            continue
        with reading(book) as connection:
            found = connection.execute(_STATUS[table], (json.dumps(fids),)).fetchall()
        _write(book, table, [fid for fid, _ in found], status, editor)
        made += [Decision(table, fid, before, status) for fid, before in found]
    return made


def accept_above(book: str, surv_id: str, conf: float, editor: str) -> list[Decision]:
    """Accept everything unchecked that the network was sure of.

    Parameters
    ----------
    book, surv_id : str
    conf : float
        Least mean probability.
    editor : str

    Raises
    ------
    BookFault
        The book cannot be written now.
    """
    made = []
    for table in _LISTED:
        with reading(book) as connection:
            fids = [fid for (fid,) in connection.execute(_SURE[table], (surv_id, conf))]
        _write(book, table, fids, "verified", editor)
        made += [Decision(table, fid, UNCHECKED, "verified") for fid in fids]
    return made


def take_back(book: str, decisions: list[Decision]) -> None:
    """Give features the status they had before decisions.

    Raises
    ------
    BookFault
        The book cannot be written now.
    """
    for table in _LISTED:
        for before in sorted({d.before for d in decisions if d.table == table}):
            fids = [d.fid for d in decisions if d.table == table and d.before == before]
            _write(book, table, fids, before, "")


def _write(book: str, table: str, fids: list[int], status: str, editor: str) -> None:
    """Set the status through GDAL, which has the functions that the book's indexes call."""
    if not fids:
        return
    gdal.ErrorReset()
    dataset = gdal.OpenEx(book, gdal.OF_VECTOR | gdal.OF_UPDATE)
    if dataset is None:
        raise BookFault(
            tr("{name} cannot be written now. Is it open elsewhere? Try again.", name=Path(book).name)
        )
    named = _quoted(editor) if editor else "NULL"
    for start in range(0, len(fids), _AT_ONCE):
        listed = ", ".join(map(str, fids[start : start + _AT_ONCE]))
        # A constant name, whole numbers, and texts with their quotes doubled: GDAL takes no parameters.
        dataset.ExecuteSQL(
            f"UPDATE {table} SET status = {_quoted(status)}, editor = {named} WHERE fid IN ({listed})"  # nosec B608
        )
    failed = gdal.GetLastErrorType() >= gdal.CE_Failure
    text = gdal.GetLastErrorMsg()
    del dataset
    if failed:
        raise BookFault(
            tr(
                "{name} cannot be written now ({text}). Nothing was changed; try again.",
                name=Path(book).name,
                text=text,
            )
        )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
