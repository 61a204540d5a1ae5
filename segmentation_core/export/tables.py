"""The tables of the hand-over: quantities, statistics, size classes, billing, changes, surveys, dictionary.

The spreadsheet, the CSV files, the sheets and the report all show these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from segmentation_core.change.uncertainty import JUDGED, Verdict
from segmentation_core.export.content import element_rows, survey_gsd_mm
from segmentation_core.export.request import Language, Request
from segmentation_core.export.template import size_class
from segmentation_core.export.words import word
from segmentation_core.statistics.quantities import GROWTH, QUANTITIES, Quantity
from segmentation_core.statistics.resolution import is_at_most
from segmentation_core.survey.change_styles import CHANGE_GEOMETRY
from segmentation_core.survey.series import WORSE_WHEN_MORE, ranked, series_of
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import Survey, orthophotos_of
from segmentation_core.vocabulary import DefectClass, change_kind, load_vocabulary

__all__ = [
    "Column",
    "Table",
    "class_name",
    "dated_surveys",
    "dictionary",
    "kind_name",
    "size_range",
    "tables",
    "trends",
    "verdict_word",
]

Kind = Literal["text", "count", "length", "area", "ratio", "number", "date"]


@dataclass(frozen=True)
class Column:
    """A column: a key of ``words.json``, its unit (empty: none), and how its values are shown."""

    key: str
    unit: str = ""
    kind: Kind = "text"

    def header(self, language: Language) -> str:
        """Return the name with its unit, as ``Crack length [m]``."""
        name = word(self.key, language)
        return f"{name} [{self.unit}]" if self.unit else name


@dataclass(frozen=True)
class Table:
    """A table: its key (also the file name of its CSV), columns and rows in order."""

    key: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Any]]


_WHERE = (Column("element"), Column("survey"), Column("date", kind="date"))
_PAIR = (
    Column("element"),
    Column("survey_a"),
    Column("date_a", kind="date"),
    Column("survey_b"),
    Column("date_b", kind="date"),
)
_CLASS = (Column("class_code"), Column("class"))


def tables(book: Book, request: Request) -> list[Table]:
    """Return every table of a request.

    Parameters
    ----------
    book : Book
        Open, with statistics up to date.
    request : Request
    """
    language = request.language
    return [
        _quantities(book, request),
        _statistics(book, request),
        _size_classes(book, request),
        _billing(book, request),
        _changes(book, request),
        _differences(book, request),
        trends(book, request),
        _surveys(book, request, language),
    ]


def dictionary(shown: Sequence[Table]) -> Table:
    """Return the data dictionary of tables: every column with its unit and meaning in both languages."""
    rows: list[tuple[Any, ...]] = [
        (
            word(table.key, "en"),
            word(column.key, "en"),
            word(column.key, "zh"),
            column.unit,
            word(f"{column.key}.meaning", "en"),
            word(f"{column.key}.meaning", "zh"),
        )
        for table in shown
        for column in table.columns
    ]
    rows += [
        (word("statistics", "en"), q.code, q.name_zh, q.unit, q.meaning_en, q.meaning_zh)
        for q in (*QUANTITIES, GROWTH)
    ]
    keys = ("table", "column", "column_zh", "unit", "meaning_en", "meaning_zh")
    return Table("dictionary", tuple(Column(key) for key in keys), rows)


def class_name(defect: DefectClass, language: Language) -> str:
    """Return a class's name in a language."""
    return defect.name_en if language == "en" else defect.name_zh


def kind_name(table: str, code: str, language: Language) -> str:
    """Return the name of a kind of change in a change layer of the book."""
    kind = change_kind(CHANGE_GEOMETRY[table], code)
    return kind.name_en if language == "en" else kind.name_zh


def _quantities(book: Book, request: Request) -> Table:
    vocabulary = load_vocabulary()
    rows: list[tuple[Any, ...]] = []
    for survey in request.surveys:
        gsd_mm = survey_gsd_mm(book, survey.surv_id)
        for r in element_rows(book, survey, request):
            where = (r["elem_id"], survey.name, survey.date)
            for defect in vocabulary.classes:
                named = (defect.code, class_name(defect, request.language), r.get("assessed_m2"))
                if defect is vocabulary.line_class:
                    share = _ratio(r.get("crack_area_m2"), r.get("assessed_m2"))
                    figures = (_whole(r.get("crack_count")), r.get("crack_m"), r.get("crack_area_m2"), share)
                    width = r.get("width_mean_mm")
                    bound = _bound("width_mean_mm", width, gsd_mm)
                    rows.append((*where, *named, *figures, r.get("p21_m_per_m2"), bound, width))
                elif defect is vocabulary.polygon_class:
                    figures = (_whole(r.get("loss_count")), None, r.get("loss_m2"), r.get("loss_ratio"))
                    rows.append((*where, *named, *figures, None, None, None))
    columns = (
        *_WHERE,
        *_CLASS,
        Column("assessed", "m2", "number"),
        Column("count", "1", "count"),
        Column("length", "m", "length"),
        Column("area", "cm2", "area"),
        Column("share", "%", "ratio"),
        Column("density", "m/m2", "number"),
        Column("bound"),
        Column("width", "mm", "number"),
    )
    return Table("quantities", columns, [_scaled(row, {8: 1e4, 9: 100.0}) for row in rows])


def _bound(code: str, value: float | None, gsd_mm: float | None) -> str | None:
    """Return "<=" where a width is at the limit of resolution; beside the figure, which stays a number."""
    return "<=" if is_at_most(code, value, gsd_mm) else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _scaled(row: Sequence[Any], factors: dict[int, float]) -> tuple[Any, ...]:
    return tuple(v * factors[i] if i in factors and v is not None else v for i, v in enumerate(row))


def _statistics(book: Book, request: Request) -> Table:
    named = {q.code: q for q in QUANTITIES}
    rows = []
    for survey in request.surveys:
        gsd_mm = survey_gsd_mm(book, survey.surv_id)
        query = (
            "SELECT elem_id, stat, value, unit, u95, n, method_v FROM element_stats WHERE surv_id = ? "
            "AND (? IS NULL OR elem_id IN (SELECT value FROM json_each(?))) ORDER BY fid"
        )
        wanted = request.elements_json
        for elem_id, code, value, unit, u95, n, version in book.connection.execute(
            query, (survey.surv_id, wanted, wanted)
        ):
            name = _quantity_name(named.get(code), code, request.language)
            bound = _bound(code, value, gsd_mm)
            rows.append((elem_id, survey.name, survey.date, code, name, bound, value, unit, u95, n, version))
    columns = (
        *_WHERE,
        Column("statistic_code"),
        Column("statistic"),
        Column("bound"),
        Column("value", kind="number"),
        Column("unit"),
        Column("u95", kind="number"),
        Column("based_on", "1", "count"),
        Column("method"),
    )
    return Table("statistics", columns, rows)


def _features(
    book: Book, request: Request, survey: Survey, table: str, columns: str
) -> Iterator[tuple[Any, ...]]:
    wanted = request.elements_json
    query = (
        f"SELECT elem_id, class_cd, {columns} FROM {table} WHERE surv_id = ? AND status IS NOT 'rejected' "
        "AND (? IS NULL OR elem_id IN (SELECT value FROM json_each(?)))"
    )
    yield from book.connection.execute(query, (survey.surv_id, wanted, wanted))


def _size_classes(book: Book, request: Request) -> Table:
    rows: list[tuple[Any, ...]] = []
    for survey in request.surveys:
        sums: dict[tuple[str, str, int], list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
        for elem_id, code, width, length in _features(book, request, survey, "crack_line", "wid_m, len_m"):
            if code in request.template.classes and width is not None:
                bin_ = size_class(request.template.classes[code].limits, width * 1e3)
                sums[elem_id or "", code, bin_][0] += 1
                sums[elem_id or "", code, bin_][1] += length or 0.0
        for elem_id, code, area in _features(book, request, survey, "loss_polygon", "area_m2"):
            if code in request.template.classes and area is not None:
                bin_ = size_class(request.template.classes[code].limits, area * 1e4)
                sums[elem_id or "", code, bin_][0] += 1
                sums[elem_id or "", code, bin_][2] += area * 1e4
        for (elem_id, code, bin_), (count, length, area) in sorted(sums.items()):
            defect = next(c for c in load_vocabulary().classes if c.code == code)
            is_line = defect.geometry == "line"
            rows.append(
                (
                    *(elem_id or None, survey.name, survey.date),
                    *(code, class_name(defect, request.language)),
                    size_range(
                        request.template.classes[code].limits,
                        bin_,
                        "mm" if is_line else "cm2",
                        request.language,
                    ),
                    int(count),
                    length if is_line else None,
                    None if is_line else area,
                )
            )
    columns = (
        *_WHERE,
        *_CLASS,
        Column("size_class"),
        Column("count", "1", "count"),
        Column("length", "m", "length"),
        Column("area", "cm2", "area"),
    )
    return Table("size_classes", columns, rows)


def size_range(limits: tuple[float, ...], index: int, unit: str, language: Language) -> str:
    """Return the name of a size class, as ``1 to 10 cm2``."""
    if not limits:
        return word("any_size", language)
    if index == 0:
        return word("up_to", language, a=f"{limits[0]:g}", unit=unit)
    if index == len(limits):
        return word("over", language, a=f"{limits[-1]:g}", unit=unit)
    return word("between", language, a=f"{limits[index - 1]:g}", b=f"{limits[index]:g}", unit=unit)


def _billing(book: Book, request: Request) -> Table:
    vocabulary = load_vocabulary()
    rows: list[tuple[Any, ...]] = []
    for survey in request.surveys:
        sizes: dict[tuple[str, str], dict[Any, float]] = defaultdict(lambda: defaultdict(float))
        lines = _features(book, request, survey, "crack_line", "orth_id, coalesce(comp_id, -fid), len_m")
        for elem_id, code, orth_id, crack, length in lines:  # each orthophoto numbers its cracks anew
            sizes[elem_id or "", code][orth_id, crack] += length or 0.0
        for elem_id, code, fid, area in _features(book, request, survey, "loss_polygon", "fid, area_m2"):
            sizes[elem_id or "", code][fid] += (area or 0.0) * 1e4
        for (elem_id, code), found in sorted(sizes.items()):
            defect = next((c for c in vocabulary.classes if c.code == code), None)
            if defect is None:
                continue
            minimum = request.template.classes[code].billing_minimum
            rows.append(
                (
                    *(elem_id or None, survey.name, survey.date),
                    *(code, class_name(defect, request.language)),
                    len(found),
                    sum(found.values()),
                    minimum,
                    sum(max(size, minimum) for size in found.values()),
                    "m" if defect.geometry == "line" else "cm2",
                )
            )
    columns = (
        *_WHERE,
        *_CLASS,
        Column("billed_count", "1", "count"),
        Column("quantity", kind="number"),
        Column("billing_minimum", kind="number"),
        Column("billed", kind="number"),
        Column("unit"),
    )
    return Table("billing", columns, rows)


def _changes(book: Book, request: Request) -> Table:
    names = {c.code: class_name(c, request.language) for c in load_vocabulary().classes}
    wanted = request.elements_json
    rows = []
    for pair in request.pairs:
        for table, measure in (("change_line", "len_m"), ("change_polygon", "area_m2")):
            query = (
                f"SELECT elem_id, class_cd, kind, count(*), sum({measure}) FROM {table} WHERE pair_id = ? "
                "AND (? IS NULL OR elem_id IN (SELECT value FROM json_each(?))) "
                "GROUP BY elem_id, class_cd, kind ORDER BY elem_id, class_cd, kind"
            )
            for elem_id, code, kind, count, size in book.connection.execute(
                query, (pair.pair_id, wanted, wanted)
            ):
                length, area = (size, None) if measure == "len_m" else (None, (size or 0.0) * 1e4)
                rows.append(
                    (
                        *(elem_id, pair.before.name, pair.before.date, pair.after.name, pair.after.date),
                        *(code, names.get(code, code), kind_name(table, kind, request.language)),
                        *(count, length, area),
                        *(pair.registration_sigma_mm, pair.tolerance_mm),
                    )
                )
    columns = (
        *_PAIR,
        *_CLASS,
        Column("change_kind"),
        Column("count", "1", "count"),
        Column("length", "m", "length"),
        Column("area", "cm2", "area"),
        Column("registration", "mm", "number"),
        Column("tolerance", "mm", "number"),
    )
    return Table("changes", columns, rows)


def _differences(book: Book, request: Request) -> Table:
    """Return by how much every statistic differs between two compared surveys, and what may be said of it."""
    named = {q.code: q for q in (*QUANTITIES, GROWTH)}
    wanted = request.elements_json
    query = (
        "SELECT elem_id, stat, value_a, value_b, diff, u95_diff, per_year, unit, verdict FROM change_stats "
        "WHERE pair_id = ? AND diff NOTNULL "
        "AND (? IS NULL OR elem_id IN (SELECT value FROM json_each(?))) ORDER BY fid"
    )
    rows = []
    for pair in request.pairs:
        surveys = pair.before.name, pair.before.date, pair.after.name, pair.after.date
        for elem_id, code, *values, unit, verdict in book.connection.execute(
            query, (pair.pair_id, wanted, wanted)
        ):
            name = _quantity_name(named.get(code), code, request.language)
            said = verdict_word(verdict, request.language) if verdict and code in JUDGED else None
            rows.append((elem_id, *surveys, code, name, *values, unit, said))
    columns = (
        *_PAIR,
        Column("statistic_code"),
        Column("statistic"),
        Column("value_a", kind="number"),
        Column("value_b", kind="number"),
        Column("difference", kind="number"),
        Column("u95_difference", kind="number"),
        Column("difference_per_year", kind="number"),
        Column("unit"),
        Column("verdict"),
    )
    return Table("differences", columns, rows)


def trends(book: Book, request: Request) -> Table:
    """Return every statistic's change per year over a request's surveys; no rows for surveys of one date."""
    surveys = dated_surveys(request)
    series = series_of(book, surveys, request.elements) if surveys else []
    places = {
        (one.elem_id, stat): place
        for stat in WORSE_WHEN_MORE
        for place, one in enumerate(ranked(series, stat), start=1)
    }
    named = {q.code: q for q in QUANTITIES}
    rows = []
    for one in sorted(series, key=lambda s: places.get((s.elem_id, s.stat), len(series))):
        if one.trend is None:
            continue
        there = [(s, p) for s, p in zip(surveys, one.points, strict=True) if p is not None]
        missing = [s.name for s, p in zip(surveys, one.points, strict=True) if p is None]
        rows.append(
            (
                *(one.elem_id, one.stat, _quantity_name(named.get(one.stat), one.stat, request.language)),
                *(len(there), there[0][0].date, there[-1][0].date, ", ".join(missing) or None),
                *(there[0][1].value, there[-1][1].value, one.trend.per_year, one.trend.u95, one.unit),
                *(verdict_word(one.verdict, request.language), places.get((one.elem_id, one.stat))),
            )
        )
    columns = (
        *(Column("element"), Column("statistic_code"), Column("statistic")),
        *(
            Column("trend_surveys", "1", "count"),
            Column("date_a", kind="date"),
            Column("date_b", kind="date"),
        ),
        *(Column("missing_in"), Column("first_value", kind="number"), Column("last_value", kind="number")),
        *(Column("per_year", kind="number"), Column("u95_per_year", kind="number"), Column("unit")),
        *(Column("verdict"), Column("trend_rank", "1", "count")),
    )
    return Table("trends", columns, sorted(rows, key=lambda row: _listed(row[1])))


def dated_surveys(request: Request) -> tuple[Survey, ...]:
    """Return the surveys of a request, or of its pairs, oldest first; none where all are of one date."""
    pairs = {s.surv_id: s for p in request.pairs for s in (p.before, p.after)}
    surveys = request.surveys or tuple(sorted(pairs.values(), key=lambda s: s.date))
    return surveys if len({survey.date for survey in surveys}) > 1 else ()


def verdict_word(verdict: Verdict | None, language: Language) -> str | None:
    """Return what may be said of a trend, in a language; None where nothing may."""
    keys = {"worse": "verdict_worse", "better (check!)": "verdict_better"}
    return None if verdict is None else word(keys.get(verdict, "verdict_none"), language)


def _listed(stat: str) -> int:
    """Return the place of a statistic: those that are judged first."""
    return WORSE_WHEN_MORE.index(stat) if stat in WORSE_WHEN_MORE else len(WORSE_WHEN_MORE)


def _quantity_name(quantity: Quantity | None, code: str, language: Language) -> str:
    if quantity is None:
        return code
    return quantity.name_en if language == "en" else quantity.name_zh


def _surveys(book: Book, request: Request, language: Language) -> Table:
    rows = []
    for survey in request.surveys:
        for _, record in orthophotos_of(book, survey.surv_id):
            model = record.model or word("ready_classes", language)
            size = f"{record.width_px} x {record.height_px}"
            rows.append(
                (survey.name, survey.date, Path(record.path).name, size, record.gsd_mm, model, record.sha256)
            )
    columns = (
        Column("survey"),
        Column("date", kind="date"),
        Column("orthophoto"),
        Column("size", "px"),
        Column("gsd", "mm", "number"),
        Column("model"),
        Column("checksum"),
    )
    return Table("surveys", columns, rows)
