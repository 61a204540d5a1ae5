"""The report: one self-contained HTML page with summary, ranking, plots, maps, method and glossary."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core import __version__
from segmentation_core.change.uncertainty import JUDGED, at_least
from segmentation_core.errors import ParameterError
from segmentation_core.export.content import element_rows, layer_content, metres_per_unit
from segmentation_core.export.fields import ELEMENT_LAYER
from segmentation_core.export.numbers import shown
from segmentation_core.export.request import Request, Written
from segmentation_core.export.sheet.figures import differences_of, figures_of, rate, scale_of, verdicts_of
from segmentation_core.export.tables import Table, dated_surveys, tables, verdict_word
from segmentation_core.export.underlay import read_underlay, why_missing
from segmentation_core.export.words import word
from segmentation_core.export.worst_places import (
    PLACE_PX,
    Place,
    features_in,
    place_side,
    place_text,
    worst_places,
)
from segmentation_core.statistics.quantities import GROWTH
from segmentation_core.survey.series import WORSE_WHEN_MORE, ranked, series_of
from segmentation_core.survey.surveys import OrthophotoRecord, Survey, orthophotos_of
from segmentation_core.vocabulary import change_kinds, load_vocabulary

if TYPE_CHECKING:
    from segmentation_core.survey.store import Book

__all__ = ["one_colour_each", "write_report"]

_WORSENING = 5
_RANKED = 50
_MAP_PX = 1000


@dataclass(frozen=True)
class _Map:
    """A drawing in SVG: view box, a picture with its place, outlines with their shade, numbered places."""

    width: float
    height: float
    picture: dict[str, Any] | None
    outlines: list[dict[str, Any]]
    marks: list[dict[str, Any]]


def write_report(book: Book, request: Request, folder: Path) -> Written:
    """Write the report as ``out.html``.

    Raises
    ------
    ParameterError
        The request has no survey.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    surveys = request.surveys or tuple(p.after for p in request.pairs)
    if not surveys:
        raise ParameterError("there is no survey to report on", path=book.path, remedy="Survey an orthophoto")
    language = request.language
    last = surveys[-1]
    records = [(r, why_missing(r)) for _, r in orthophotos_of(book, last.surv_id)]
    there = [record for record, reason in records if reason is None]
    places, pictured = _places(book, request, last, there)
    environment = Environment(
        loader=PackageLoader("segmentation_core.export", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    all_tables = {table.key: table for table in tables(book, request)}
    html = environment.get_template("report.html.j2").render(
        w=lambda key, **values: word(key, language, **values),
        language={"en": "en", "zh": "zh-CN"}[language],
        title=book.path.stem,
        version=__version__,
        summary=_summary(book, request, surveys),
        totals=_totals(book, request, surveys),
        totals_header=[scale_of(code, language).title for code in _TOTALS],
        ranking=_ranking(book, request, last),
        last=last.name,
        plots=_plots(book, request, surveys),
        worsening=_worsening(book, request, surveys),
        map=_overview(book, request, last, there, places),
        places=pictured,
        changes=_changes(all_tables["changes"], _verdicts(book, request), request),
        surveys=_shown_table(all_tables["surveys"], request),
        colours={c.geometry: c.colour for c in load_vocabulary().classes},
        title_block=[
            ((en if language == "en" else zh), text) for en, zh, text in request.template.title_block if text
        ],
    )
    path = folder / "out.html"
    path.write_text(html, encoding="utf-8")
    notes = dict.fromkeys(f"report without pictures: {reason}" for _, reason in records if reason)
    return Written({path.name: len(surveys)}, tuple(notes))


def _summary(book: Book, request: Request, surveys: Sequence[Survey]) -> str:
    rows = element_rows(book, surveys[-1], request)
    area = shown(float(sum(r.get("assessed_m2") or 0.0 for r in rows)))
    values = {"last": surveys[-1].date, "elements": len(rows), "area": area}
    if len(surveys) == 1:
        return word("summary_one", request.language, **values)
    return word("summary_text", request.language, surveys=len(surveys), first=surveys[0].date, **values)


_TOTALS = ("assessed_m2", "loss_m2", "loss_ratio", "crack_m", "p21_m_per_m2")


def _totals(book: Book, request: Request, surveys: Sequence[Survey]) -> list[dict[str, str]]:
    """Return sums over the elements of each survey; ratios are divided from the sums."""
    told = []
    for survey in surveys:
        rows = element_rows(book, survey, request)
        sums = {k: sum(r.get(k) or 0.0 for r in rows) for k in ("assessed_m2", "loss_m2", "crack_m")}
        area = sums["assessed_m2"]
        told.append(
            {
                "survey": survey.name,
                "date": survey.date,
                "assessed": shown(float(area)),
                "loss": shown(sums["loss_m2"] * 1e4),
                "share": shown(sums["loss_m2"] / area * 100 if area else None, 3),
                "crack": shown(float(sums["crack_m"])),
                "density": shown(sums["crack_m"] / area if area else None, 3),
            }
        )
    return told


def _ranking(book: Book, request: Request, survey: Survey) -> dict[str, Any]:
    figures = figures_of(book, survey.surv_id, request.language)
    rows = sorted(
        element_rows(book, survey, request),
        key=lambda r: (-(r.get("loss_ratio") or 0.0), -(r.get("p21_m_per_m2") or 0.0), r["elem_id"]),
    )
    worst = max((r.get("loss_ratio") or 0.0 for r in rows), default=0.0)
    header = [f"{f.name} [{f.unit}]" if f.unit else f.name for f in next(iter(figures.values()), ())]
    return {
        "header": header,
        "rows": [
            {
                "elem_id": r["elem_id"],
                "figures": [f.text for f in figures[r["elem_id"]]],
                "bar": 100 * (r.get("loss_ratio") or 0.0) / worst if worst else 0.0,
            }
            for r in rows[:_RANKED]
        ],
        "more": max(0, len(rows) - _RANKED),
    }


def _plots(book: Book, request: Request, surveys: Sequence[Survey]) -> list[dict[str, Any]]:
    """Return line plots over time, of the elements that get worse fastest."""
    from markupsafe import Markup

    from segmentation_core.export.picture import COLOURS
    from segmentation_core.export.trend_plot import inline_svg, line_plot

    if len({survey.date for survey in surveys}) < 2:
        return []
    series = series_of(book, surveys, request.elements)
    plots: list[dict[str, Any]] = []
    known: dict[str, str] = {}
    for stat in WORSE_WHEN_MORE:
        lines, scale = ranked(series, stat)[: len(COLOURS)], scale_of(stat, request.language)
        if lines:
            colours = one_colour_each([s.elem_id for s in lines], known, COLOURS)
            drawn = line_plot([s.date for s in surveys], lines, scale, colours)
            plots.append(
                {
                    "title": scale.title,
                    "svg": Markup(inline_svg(drawn)),
                    "lines": [{"name": s.elem_id, "colour": c} for s, c in zip(lines, colours, strict=True)],
                }
            )
    return plots


def one_colour_each(elements: Sequence[str], known: dict[str, str], colours: Sequence[str]) -> list[str]:
    """Return a colour for each element of a plot: the one it had in earlier plots, if no other has it here.

    Parameters
    ----------
    elements : sequence of str
        Ids, at most as many as there are colours.
    known : dict of id to colour
        Of earlier plots; new elements are added.
    colours : sequence of str
    """
    taken = {known[name] for name in elements if name in known}
    given: list[str] = []
    for name in elements:
        colour = known.get(name)
        if colour is None or colour in given:
            free = [c for c in colours if c not in taken]
            colour = next((c for c in free if c not in known.values()), free[0])
            known.setdefault(name, colour)
            taken.add(colour)
        given.append(colour)
    return given


def _worsening(book: Book, request: Request, surveys: Sequence[Survey]) -> dict[str, Any]:
    """Return what gets worse fastest as the page shows it, in people's units."""
    language = request.language
    series = series_of(book, surveys, request.elements) if dated_surveys(request) else []
    rows = []
    for stat in WORSE_WHEN_MORE:
        scale = scale_of(stat, language)
        for one in ranked(series, stat)[:_WORSENING]:
            missing = [s.name for s, p in zip(surveys, one.points, strict=True) if p is None]
            said = verdict_word(one.verdict, language) or ""
            rows.append([one.elem_id, scale.name, rate(one, scale, language), said, ", ".join(missing)])
    keys = ("element", "statistic", "per_year", "verdict", "missing_in")
    return {"header": [word(key, language) for key in keys], "rows": rows, "more": 0}


def _overview(
    book: Book,
    request: Request,
    survey: Survey,
    records: Sequence[OrthophotoRecord],
    places: Sequence[Place],
) -> _Map | None:
    outlines: dict[str, Any] = {}
    for content in layer_content(book, ELEMENT_LAYER, survey, request):
        outlines |= dict(zip(content.columns[0], content.geometries, strict=True))
    if not outlines:
        return None
    x0, y0, x1, y1 = shapely.total_bounds(list(outlines.values())).tolist()
    k = _MAP_PX / max(x1 - x0, y1 - y0)
    ratios = {r["elem_id"]: r.get("loss_ratio") or 0.0 for r in element_rows(book, survey, request)}
    worst = max(ratios.values(), default=0.0) or 1.0
    drawn = [
        {
            "name": elem_id,
            "path": _svg_path(shapely.simplify(outline, 0.5 / k), x0, y1, k),
            "shade": 0.08 + 0.6 * ratios.get(elem_id, 0.0) / worst,
            "x": (outline.bounds[0] - x0) * k + 4,
            "y": (y1 - outline.bounds[3]) * k + 16,
        }
        for elem_id, outline in outlines.items()
    ]
    marks = [
        {
            "n": n,
            "x": ((p.extent[0] + p.extent[2]) / 2 - x0) * k,
            "y": (y1 - (p.extent[1] + p.extent[3]) / 2) * k,
        }
        for n, p in enumerate(places, start=1)
    ]
    width, height = (x1 - x0) * k, (y1 - y0) * k
    picture = None
    if len(records) == 1:
        gsd_mm = metres_per_unit(book) * 1e3 / k
        picture = _picture(records[0], (x0, y0, x1, y1), gsd_mm, k, lighten=0.25)
    return _Map(width, height, picture, drawn, marks)


def _picture(
    record: OrthophotoRecord,
    extent: tuple[float, float, float, float],
    gsd_mm: float,
    k: float,
    *,
    lighten: float = 0.0,
) -> dict[str, Any] | None:
    """Return a picture for SVG: its data and the matrix that places it in a box with its corner at 0, 0."""
    underlay = read_underlay(record, extent, gsd_mm, lighten=lighten)
    if underlay is None:
        return None
    (ax, ay), (bx, by), (cx, cy) = (((x - extent[0]) * k, (extent[3] - y) * k) for x, y in underlay.corners)
    matrix = (bx - ax, by - ay, cx - ax, cy - ay, ax, ay)
    return {"data": _jpeg(underlay.rgb), "matrix": " ".join(f"{v:.3f}" for v in matrix)}


def _jpeg(rgb: NDArray[np.uint8]) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _places(
    book: Book, request: Request, survey: Survey, records: Sequence[OrthophotoRecord]
) -> tuple[list[Place], list[dict[str, Any]]]:
    """Return the worst places, and what the page shows of each."""
    metre, side = metres_per_unit(book), place_side(book, survey)
    places = worst_places(book, request, survey, side)
    colours = {c.geometry: c.colour for c in load_vocabulary().classes}
    told = []
    for number, place in enumerate(places, start=1):
        x0, _y0, x1, y1 = place.extent
        k = PLACE_PX / (x1 - x0)
        gsd_mm = (x1 - x0) * metre * 1e3 / PLACE_PX
        pictures = [p for r in records if (p := _picture(r, place.extent, gsd_mm, k)) is not None]
        shapes = [
            {"path": _svg_path(geometry, x0, y1, k), "colour": colours[kind], "filled": kind == "polygon"}
            for table, kind in (("loss_polygon", "polygon"), ("crack_line", "line"))
            for geometry in features_in(book, table, survey, place.extent)
        ]
        told.append(
            {
                "title": word("place", request.language, n=number),
                "elem_id": place.elem_id or word("no_element", request.language),
                "text": place_text(place, request.language, metre),
                "size": PLACE_PX,
                "pictures": pictures,
                "shapes": shapes,
            }
        )
    return places, told


def _svg_path(geometry: Any, left: float, top: float, k: float) -> str:
    """Return an SVG path of a geometry, with one decimal of a pixel."""
    words = []
    for part in shapely.get_parts(geometry):
        rings = (part,) if part.geom_type == "LineString" else (part.exterior, *part.interiors)
        for ring in rings:
            points = shapely.get_coordinates(ring)
            xs, ys = (points[:, 0] - left) * k, (top - points[:, 1]) * k
            pairs = [f"{x:.1f} {y:.1f}" for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]
            words.append(f"M{'L'.join(pairs)}{'' if part.geom_type == 'LineString' else 'Z'}")
    return "".join(words)


def _verdicts(book: Book, request: Request) -> dict[tuple[str, str], dict[str, Any]]:
    """Return, by the names of a pair's surveys, what may be said of each element.

    Gravest first, then those whose cracks have grown most.
    """
    language = request.language
    order = ("worse", "better (check!)", "no change that can be shown")
    told = {}
    for pair in request.pairs:
        differences = differences_of(book, pair.pair_id, language)
        grown = {
            elem_id: max(at_least(f.value, f.u95) or 0.0 for f in figures if f.code == GROWTH.code)
            for elem_id, figures in differences.items()
        }
        rows = []
        found = verdicts_of(book, pair.pair_id)
        for elem_id, said in sorted(found.items(), key=lambda i: (order.index(i[1]), -grown[i[0]])):
            if request.elements is not None and elem_id not in request.elements:
                continue
            own = {figure.code: figure.text for figure in differences[elem_id]}
            rows.append([elem_id, *(own[code] for code in JUDGED), verdict_word(said, language) or ""])
        titles = (word("element", language), *(scale_of(code, language).title for code in JUDGED))
        told[pair.before.name, pair.after.name] = {
            "header": [*titles, word("verdict", language)],
            "rows": rows[:_RANKED],
            "more": max(0, len(rows) - _RANKED),
        }
    return told


def _changes(
    table: Table, verdicts: Mapping[tuple[str, str], dict[str, Any]], request: Request
) -> list[dict[str, Any]]:
    """Return what changed, pair by pair: an element's name stands once, and a size tells its own unit."""
    language = request.language
    kinds = [
        k for shape in ("line", "polygon") for k in sorted(change_kinds(shape), key=lambda k: not k.change)
    ]
    order = {(k.name_en if language == "en" else k.name_zh): place for place, k in enumerate(kinds)}
    pairs: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for values in table.rows:
        row = dict(zip((c.key for c in table.columns), values, strict=True))
        pair = ("survey_a", "date_a", "survey_b", "date_b", "registration", "tolerance")
        pairs.setdefault(tuple(row[key] for key in pair), []).append(row)
    told = []
    for (name_a, date_a, name_b, date_b, sigma_mm, tolerance_mm), rows in pairs.items():
        rows.sort(key=lambda r: (r["element"] is None, r["element"], order.get(r["change_kind"], len(order))))
        last: Any = ()
        shown_rows = []
        for row in rows[:_RANKED]:
            size, unit = (row["length"], "m") if row["area"] is None else (row["area"], "cm²")
            first = row["element"] != last
            last = row["element"]
            shown_rows.append(
                {
                    "first": first,
                    "elem_id": (last or word("no_element", language)) if first else "",
                    "kind": row["change_kind"],
                    "count": shown(float(row["count"])),
                    "size": f"{shown(round(float(size or 0.0), 6), 3)} {unit}",
                }
            )
        surveys = [
            f"{date} ({name})" if name != date else name
            for name, date in ((name_a, date_a), (name_b, date_b))
        ]
        trust = {"sigma": shown(sigma_mm, 2), "tolerance": shown(tolerance_mm, 2)}
        told.append(
            {
                "title": " – ".join(surveys),
                "verdicts": verdicts[name_a, name_b],
                "trust": word("change_trust", language, **trust),
                "rows": shown_rows,
                "more": max(0, len(rows) - _RANKED),
            }
        )
    return told


def _shown_table(table: Table, request: Request) -> dict[str, Any]:
    """Return a table's head and first rows as text."""

    def text(value: Any) -> str:
        if isinstance(value, float | int):
            return shown(float(value))
        return "" if value is None else str(value)

    kept = [c for c in table.columns if c.key != "checksum"]
    return {
        "header": [c.header(request.language) for c in kept],
        "rows": [
            [text(v) for v, c in zip(row, table.columns, strict=True) if c in kept]
            for row in table.rows[:_RANKED]
        ],
        "more": max(0, len(table.rows) - _RANKED),
    }
