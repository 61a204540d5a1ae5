"""The rows of a book: surveys that rows refer to, uids, states, dates."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import partial

from segmentation_core.errors import ParameterError
from segmentation_core.statistics.elements import WHOLE_IMAGE
from segmentation_core.survey.check.findings import Finding, plural
from segmentation_core.survey.figures import recompute
from segmentation_core.survey.labels import checked_date
from segmentation_core.survey.schema import DEFECT_LAYERS, STATUSES, UNTOUCHED
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import BOOK_NAMESPACE, surveys_of

__all__ = ["check_contents"]

_FEATURES = tuple(layer.name for layer in DEFECT_LAYERS)
_WITH_UID = (*_FEATURES, "change_polygon", "change_line")
_DATED = ("assessed", *_FEATURES)
_OF_SURVEY = (*_DATED, "orthophoto")

_OF_ORTHOPHOTO = "SELECT o.surv_id FROM orthophoto o WHERE o.orth_id = {t}.orth_id"
_UNNAMED_SURVEY = f"surv_id IS NULL AND EXISTS ({_OF_ORTHOPHOTO})"
_WITHOUT_SURVEY = f"surv_id IS NULL AND NOT EXISTS ({_OF_ORTHOPHOTO})"
_NO_SURVEY = "surv_id NOTNULL AND surv_id NOT IN (SELECT surv_id FROM survey WHERE surv_id NOTNULL)"
_RESTORABLE = " OR ".join(
    f"surv_id IN (SELECT surv_id FROM {table} WHERE t_start NOTNULL)" for table in _DATED
)
_NO_ORTHOPHOTO = (
    "surv_id NOTNULL AND orth_id NOTNULL AND NOT EXISTS "
    "(SELECT 1 FROM orthophoto o WHERE o.orth_id = {t}.orth_id AND o.surv_id IS {t}.surv_id)"
)
_NO_ELEMENT = (
    f"elem_id NOTNULL AND elem_id <> '{WHOLE_IMAGE}' AND elem_id NOT IN (SELECT elem_id FROM element)"
)
_NO_CLASS = "class_cd IS NULL OR class_cd NOT IN (SELECT class_cd FROM defect_class)"
_NO_UID = "uid IS NULL OR uid = ''"
_TWIN = "uid NOTNULL AND uid <> '' AND fid NOT IN (SELECT min(fid) FROM {t} GROUP BY uid)"
_NO_STATUS = f"status IS NULL OR status NOT IN {STATUSES}"
_NO_PAIR = "pair_id IS NULL OR pair_id NOT IN (SELECT pair_id FROM change_pair WHERE pair_id NOTNULL)"


def check_contents(book: Book) -> Iterator[Finding]:
    """Yield rows that refer to nothing, uids missing or doubled, unknown states and impossible dates.

    Surveys come first: their repair gives other rows back what they refer to.
    """
    yield from _dates(book)
    yield from _surveys(book)
    yield from _orthophotos(book)
    yield from _elements(book)
    yield from _pairs(book)
    yield from _rows(book)


def _count(book: Book, table: str, where: str) -> int:
    query = f"SELECT count(*) FROM {table} WHERE {where.format(t=table)}"
    return int(book.connection.execute(query).fetchone()[0])


def _dates(book: Book) -> Iterator[Finding]:
    for survey in surveys_of(book.connection):
        try:
            checked_date(str(survey.date))
        except ParameterError as exc:
            yield Finding(
                "date", f"survey {survey.name!r}: {exc.what}", "Give its date with craquelure book redate"
            )


def _surveys(book: Book) -> Iterator[Finding]:
    for table in _FEATURES:
        if lost := _count(book, table, _UNNAMED_SURVEY):
            yield Finding(
                "survey",
                f"{table}: {plural(lost, 'feature')} of no survey, but of a known orthophoto",
                "Repair it: each gets the survey of its orthophoto",
                partial(_give_survey, table),
            )
        if lost := _count(book, table, _WITHOUT_SURVEY):
            yield Finding(
                "survey",
                f"{table}: {plural(lost, 'feature')} of no survey, in no total",
                "In QGIS, give each its survey in the field surv_id, or delete it",
            )
    union = " UNION ".join(f"SELECT surv_id FROM {table} WHERE {_NO_SURVEY}" for table in _OF_SURVEY)
    for (surv_id,) in book.connection.execute(f"{union} ORDER BY surv_id").fetchall():
        rows = sum(
            book.connection.execute(f"SELECT count(*) FROM {t} WHERE surv_id = ?", (surv_id,)).fetchone()[0]
            for t in _OF_SURVEY
        )
        date = _date_of(book, surv_id)
        yield Finding(
            "survey",
            f"{plural(rows, 'row')} of a survey {surv_id} that is not in the table of surveys",
            "Repair it: the survey is entered again under its date, then rename it",
            None if date is None else partial(_restore_survey, surv_id, date),
        )
    lost = _count(book, "element_stats", f"{_NO_SURVEY} AND NOT ({_RESTORABLE})")
    if lost:
        yield Finding(
            "statistics", f"{plural(lost, 'figure')} of unknown surveys", "Repair it", _remove_statistics
        )


def _date_of(book: Book, surv_id: str) -> str | None:
    for table in _DATED:
        query = f"SELECT min(t_start) FROM {table} WHERE surv_id = ?"
        (date,) = book.connection.execute(query, (surv_id,)).fetchone()
        if date is not None:
            return str(date)
    return None


def _give_survey(table: str, book: Book) -> str:
    where = _UNNAMED_SURVEY.format(t=table)
    count = book.connection.execute(
        f"UPDATE {table} SET surv_id = ({_OF_ORTHOPHOTO.format(t=table)}) WHERE {where}"
    ).rowcount
    book.connection.execute("UPDATE element_stats SET stale = 1")
    return f"{table}: gave {plural(count, 'feature')} the survey of the orthophoto"


def _restore_survey(surv_id: str, date: str, book: Book) -> str:
    uid = str(uuid.uuid5(BOOK_NAMESPACE, f"restored/{surv_id}"))
    name = f"restored {surv_id}"
    book.connection.execute(
        "INSERT INTO survey (surv_id, uid, name, date) VALUES (?, ?, ?, ?)", (surv_id, uid, name, date)
    )
    return f"entered the survey {surv_id} again as {name!r} of {date}"


def _remove_statistics(book: Book) -> str:
    removed = book.connection.execute(f"DELETE FROM element_stats WHERE {_NO_SURVEY}").rowcount
    return f"removed {plural(removed, 'figure')} of unknown surveys"


def _orthophotos(book: Book) -> Iterator[Finding]:
    for table in _DATED:
        if lost := _count(book, table, _NO_ORTHOPHOTO):
            yield Finding(
                "orthophoto",
                f"{table}: {plural(lost, 'feature')} of an unknown orthophoto, in no total",
                "Repair it: automatic ones go, those that a person touched stay with their survey alone",
                partial(_free_of_orthophoto, table),
            )


def _free_of_orthophoto(table: str, book: Book) -> str:
    where = _NO_ORTHOPHOTO.format(t=table)
    condition = where if table == "assessed" else f"{where} AND status IS '{UNTOUCHED}'"
    affected = [r[0] for r in book.connection.execute(f"SELECT DISTINCT surv_id FROM {table} WHERE {where}")]
    gone = book.connection.execute(f"DELETE FROM {table} WHERE {condition}").rowcount
    kept = book.connection.execute(f"UPDATE {table} SET orth_id = NULL WHERE {where}").rowcount
    _recompute(book, affected)
    return f"{table}: removed {plural(gone, 'automatic feature')}, kept {kept} that a person touched"


def _elements(book: Book) -> Iterator[Finding]:
    surveys: set[str] = set()
    lost = 0
    for table in (*_FEATURES, "element_stats"):
        query = f"SELECT surv_id, count(*) FROM {table} WHERE {_NO_ELEMENT} GROUP BY surv_id"
        counts = [row for row in book.connection.execute(query) if row[0] is not None]
        surveys.update(row[0] for row in counts)
        lost += sum(row[1] for row in counts)
    if surveys:
        yield Finding(
            "element",
            f"{plural(lost, 'row')} of elements that the book does not hold",
            "Repair it: the surveys' statistics are computed anew",
            lambda opened: f"computed {plural(_recompute(opened, sorted(surveys)), 'survey')} anew",
        )


def _recompute(book: Book, surv_ids: list[str]) -> int:
    known = [s.surv_id for s in surveys_of(book.connection) if s.surv_id in surv_ids]
    for surv_id in known:
        recompute(book, surv_id)
    return len(known)


def _pairs(book: Book) -> Iterator[Finding]:
    query = (
        "SELECT count(*) FROM change_pair WHERE surv_a NOT IN (SELECT surv_id FROM survey) "
        "OR surv_b NOT IN (SELECT surv_id FROM survey)"
    )
    lost = book.connection.execute(query).fetchone()[0]
    lost += sum(_count(book, table, _NO_PAIR) for table in ("change_polygon", "change_line", "change_stats"))
    if lost:
        yield Finding(
            "comparison",
            f"{plural(lost, 'row')} of comparisons of unknown surveys",
            "Repair it, and compare again where one is missed",
            _remove_pairs,
        )


def _remove_pairs(book: Book) -> str:
    removed = book.connection.execute(
        "DELETE FROM change_pair WHERE surv_a NOT IN (SELECT surv_id FROM survey) "
        "OR surv_b NOT IN (SELECT surv_id FROM survey)"
    ).rowcount
    for table in ("change_polygon", "change_line", "change_stats"):
        removed += book.connection.execute(f"DELETE FROM {table} WHERE {_NO_PAIR}").rowcount
    return f"removed {plural(removed, 'row')} of comparisons of unknown surveys"


def _rows(book: Book) -> Iterator[Finding]:
    for table in _WITH_UID:
        missing, twins = _count(book, table, _NO_UID), _count(book, table, _TWIN)
        if missing or twins:
            yield Finding(
                "uid",
                f"{table}: {plural(missing, 'uid')} missing and {twins} doubled",
                "Repair it: each gets a uid of its own, the first of doubled ones keeps its",
                partial(_give_uids, table),
            )
        if unknown := _count(book, table, _NO_CLASS):
            yield Finding(
                "class",
                f"{table}: {plural(unknown, 'feature')} of no known class",
                "In QGIS, choose their class in the field class_cd",
            )
    for table in _FEATURES:
        if unknown := _count(book, table, _NO_STATUS):
            yield Finding(
                "status",
                f"{table}: {plural(unknown, 'feature')} without a known status",
                "Repair it: they count as edited, so that nothing overwrites them",
                partial(_protect, table),
            )


def _give_uids(table: str, book: Book) -> str:
    where = f"{_NO_UID} OR {_TWIN.format(t=table)}"
    rows = book.connection.execute(f"SELECT fid, hex(geom) FROM {table} WHERE {where}").fetchall()
    book.connection.executemany(
        f"UPDATE {table} SET uid = ? WHERE fid = ?",
        [(str(uuid.uuid5(BOOK_NAMESPACE, f"repaired/{table}/{fid}/{geom}")), fid) for fid, geom in rows],
    )
    return f"{table}: gave {plural(len(rows), 'feature')} a new uid"


def _protect(table: str, book: Book) -> str:
    count = book.connection.execute(f"UPDATE {table} SET status = 'edited' WHERE {_NO_STATUS}").rowcount
    return f"{table}: {plural(count, 'feature')} marked as edited"
