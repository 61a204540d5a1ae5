"""Compared pairs of surveys in a book: what changed, stored in place of an earlier comparison."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.survey.geopackage import encode
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import BOOK_NAMESPACE, Survey

__all__ = ["CHANGE_TABLES", "ChangeFeature", "ChangeFigure", "Comparison", "enter_comparison", "mark_stale"]

CHANGE_TABLES = ("change_line", "change_polygon", "change_stats")
"""What belongs to a pair, beside its own row."""


@dataclass(frozen=True)
class ChangeFeature:
    """A piece of crack, or a part of a loss, with what became of it.

    Attributes
    ----------
    geometry : shapely geometry
        In the book's coordinates, in the frame of the earlier survey.
    kind : str
        Code of `segmentation_core.vocabulary.change_kinds`.
    class_code : str
    elem_id : str or None
    size : float
        Length in m of a line, area in m2 of a polygon.
    grow_m, wider_m : float or None
        Growth of a tip along the crack; growth of the width.
    uid_a, uid_b : str or None
        Features of the two surveys that it comes from; neither where it was traced on the pictures.
    is_sure : bool
        Beyond what the registration can hide or make up, and found by a survey.
    """

    geometry: Any
    kind: str
    class_code: str
    elem_id: str | None
    size: float
    grow_m: float | None = None
    wider_m: float | None = None
    uid_a: str | None = None
    uid_b: str | None = None
    is_sure: bool = True


@dataclass(frozen=True)
class ChangeFigure:
    """A statistic at both dates, in its own unit.

    Attributes
    ----------
    elem_id, stat, unit : str
    value_a, value_b, diff, per_year : float or None
        None where there is no value, such as a width without cracks.
    u95_a, u95_b, u95_diff : float or None
        Half widths of 95 % intervals.
    terms : dict
        The parts of the uncertainty.
    smallest : float or None
        The smallest difference that can be called a change.
    verdict : str
    """

    elem_id: str
    stat: str
    unit: str
    value_a: float | None
    value_b: float | None
    diff: float | None
    per_year: float | None
    u95_a: float | None
    u95_b: float | None
    u95_diff: float | None
    terms: dict[str, float]
    smallest: float | None
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """All that one comparison found.

    Attributes
    ----------
    before, after : Survey
    sigma_mm, eps_mm : float or None
        Residual error of the registration, and the distance within which nothing is called a change; None
        where the orthophotos could not be registered.
    method_version : str
    run : dict
        The record: registration, notes, parameters.
    lines, polygons : sequence of ChangeFeature
    figures : sequence of ChangeFigure
    """

    before: Survey
    after: Survey
    sigma_mm: float | None
    eps_mm: float | None
    method_version: str
    run: dict[str, Any]
    lines: Sequence[ChangeFeature]
    polygons: Sequence[ChangeFeature]
    figures: Sequence[ChangeFigure]


def enter_comparison(book: Book, comparison: Comparison) -> str:
    """Store a comparison, in place of an earlier one of the same two surveys; return the pair's id.

    Parameters
    ----------
    book : Book
        In a transaction (`segmentation_core.survey.store.writing`).
    comparison : Comparison
    """
    connection = book.connection
    before, after = comparison.before, comparison.after
    whose = (before.surv_id, after.surv_id)
    known = connection.execute(
        "SELECT pair_id FROM change_pair WHERE surv_a = ? AND surv_b = ?", whose
    ).fetchone()
    if known is None:
        cursor = connection.execute("INSERT INTO change_pair (surv_a, surv_b) VALUES (?, ?)", whose)
        pair_id = f"P{cursor.lastrowid}"
        connection.execute("UPDATE change_pair SET pair_id = ? WHERE fid = ?", (pair_id, cursor.lastrowid))
    else:
        pair_id = known[0]
        for table in CHANGE_TABLES:
            connection.execute(f"DELETE FROM {table} WHERE pair_id = ?", (pair_id,))
    connection.execute(
        "UPDATE change_pair SET reg_sig_mm = ?, eps_mm = ?, method_v = ?, run = ?, created_at = ? "
        "WHERE pair_id = ?",
        (
            comparison.sigma_mm,
            comparison.eps_mm,
            comparison.method_version,
            json.dumps(comparison.run, ensure_ascii=False, default=str),
            datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            pair_id,
        ),
    )
    period = (pair_id, before.date, after.date)
    for table, size, features in (
        ("change_line", "len_m", comparison.lines),
        ("change_polygon", "area_m2", comparison.polygons),
    ):
        _insert(book, table, size, period, features)
    connection.executemany(
        "INSERT INTO change_stats (pair_id, elem_id, stat, unit, value_a, value_b, diff, per_year, u95_a, "
        "u95_b, u95_diff, terms, smallest, verdict) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        [
            (
                *(pair_id, f.elem_id, f.stat, f.unit, f.value_a, f.value_b, f.diff, f.per_year),
                *(f.u95_a, f.u95_b, f.u95_diff, json.dumps(f.terms), f.smallest, f.verdict),
            )
            for f in comparison.figures
        ],
    )
    return pair_id


def mark_stale(book: Book, surv_id: str) -> None:
    """Note that comparisons with a survey no longer fit what the book holds."""
    book.connection.execute(
        "UPDATE change_stats SET stale = 1 WHERE pair_id IN "
        "(SELECT pair_id FROM change_pair WHERE surv_a = ? OR surv_b = ?)",
        (surv_id, surv_id),
    )


def _insert(
    book: Book, table: str, size: str, period: tuple[str, str, str], features: Sequence[ChangeFeature]
) -> None:
    if not features:
        return
    blobs = encode(_multi([feature.geometry for feature in features]), book.srs_id)
    own = ("grow_m", "wider_m") if table == "change_line" else ()
    columns = ("geom", "uid", "elem_id", "pair_id", "class_cd", "kind", size, "uid_a", "uid_b", "is_sure")
    columns = (*columns, "t_start", "t_end", *own)
    pair_id, start, end = period
    book.connection.executemany(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES (?{', ?' * (len(columns) - 1)})",
        (
            (
                *(blob, _uid(pair_id, number, feature), feature.elem_id, pair_id, feature.class_code),
                *(feature.kind, feature.size, feature.uid_a, feature.uid_b, int(feature.is_sure), start, end),
                *(getattr(feature, name) for name in own),
            )
            for number, (blob, feature) in enumerate(zip(blobs, features, strict=True))
        ),
    )


def _uid(pair_id: str, number: int, feature: ChangeFeature) -> str:
    what = (
        f"{pair_id}/{feature.class_code}/{feature.kind}/{number}/{shapely.to_wkb(feature.geometry, hex=True)}"
    )
    return str(uuid.uuid5(BOOK_NAMESPACE, what))


def _multi(shapes: list[Any]) -> NDArray[np.object_]:
    many = np.empty(len(shapes), dtype=object)
    kinds = {"LineString": shapely.MultiLineString, "Polygon": shapely.MultiPolygon}
    many[:] = [kinds[s.geom_type]([s]) if s.geom_type in kinds else s for s in shapes]
    return many
