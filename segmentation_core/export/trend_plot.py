"""Statistics over time, drawn: lines with their 95 % bands, gaps, trends; and what gets worse fastest.

One drawing for the report, where it is part of the page, and for files.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from datetime import date
from importlib import import_module
from typing import TYPE_CHECKING, Any

from segmentation_core.change.trend import year_of
from segmentation_core.export.picture import (
    COLOURS,
    INK,
    PICTURE_IN,
    RULE,
    SOFT,
    blank_figure,
    locator,
    styled,
)
from segmentation_core.export.sheet.figures import Scale, rate
from segmentation_core.export.tables import verdict_word
from segmentation_core.export.words import word
from segmentation_core.survey.series import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from segmentation_core.export.request import Language

__all__ = ["element_page", "inline_svg", "line_plot", "ranking_page", "trend_picture"]

_BARS = 15
_HEAD = re.compile(r"<\?xml.*?(?=<svg)", re.DOTALL)
_NAMESPACES = re.compile(r' xmlns(:xlink)?="[^"]*"| version="1.1"')
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)


def line_plot(days: Sequence[str], lines: Sequence[Series], scale: Scale, colours: Sequence[str]) -> Figure:
    """Return one statistic of several elements, a colour for each."""
    with styled(()):
        figure = blank_figure(3.4, 1.75)
        axes = figure.add_axes((0.13, 0.14, 0.84, 0.82))
        for colour, series in zip(colours, lines, strict=True):
            _draw(axes, days, series, scale, colour, fill=0.12)
        _finish(axes, days, lines)
    return figure


def element_page(days: Sequence[str], panels: Sequence[tuple[Series, Scale]], language: Language) -> Figure:
    """Return a page with the statistics of one element, each with its band, its gaps and its trend."""
    elem_id = panels[0][0].elem_id
    rows = (len(panels) + 1) // 2
    title = word("trend_title", language, element=elem_id, n=len(days))
    with styled((title, word("trend_key", language), *(scale.title for _, scale in panels))):
        figure = blank_figure(9.0, 0.95 + 2.5 * rows)
        high = figure.get_figheight()
        figure.text(0.06, 1 - 0.32 / high, title, fontsize=13)
        figure.text(0.06, 0.14 / high, word("trend_key", language), fontsize=7, color=SOFT)
        for number, (series, scale) in enumerate(panels):
            row, column = divmod(number, 2)
            bottom = 1 - (0.95 + 2.5 * (row + 1) - 0.75) / high
            axes = figure.add_axes((0.06 + 0.49 * column, bottom, 0.41, 1.75 / high))
            _draw_trend(axes, days, series, scale, COLOURS[number % len(COLOURS)])
            axes.set_title(scale.title, fontsize=9, loc="left", pad=14)
            axes.text(0, 1.03, _said(series, scale, language), transform=axes.transAxes, fontsize=7.5)
    return figure


def trend_picture(days: Sequence[str], series: Series, scale: Scale, language: Language) -> Figure:
    """Return one statistic of one element as a small picture that says whose it is."""
    title = f"{series.elem_id}: {scale.title}"
    with styled((title, _said(series, scale, language))):
        figure = blank_figure(*PICTURE_IN)
        axes = figure.add_axes((0.14, 0.12, 0.82, 0.66))
        _draw_trend(axes, days, series, scale, COLOURS[1])
        figure.text(0.02, 0.93, title, fontsize=9)
        figure.text(0.02, 0.84, _said(series, scale, language), fontsize=7, color=SOFT)
    return figure


def ranking_page(ranking: Sequence[tuple[Scale, Sequence[Series]]], language: Language) -> Figure:
    """Return a page with the change per year of the elements that get worse fastest, by statistic."""
    rows = (len(ranking) + 1) // 2
    bars = min(_BARS, max((len(series) for _, series in ranking), default=1))
    tall = 0.22 * bars + 0.2
    texts = [scale.title for scale, _ in ranking] + [s.elem_id for _, own in ranking for s in own[:_BARS]]
    with styled((*texts, word("trend_ranking_text", language))):
        figure = blank_figure(9.0, 0.8 + (tall + 0.75) * rows)
        high = figure.get_figheight()
        figure.text(0.04, 1 - 0.32 / high, word("trend_ranking", language), fontsize=13)
        figure.text(0.04, 1 - 0.55 / high, word("trend_ranking_text", language), fontsize=7.5, color=SOFT)
        for number, (scale, series) in enumerate(ranking):
            row, column = divmod(number, 2)
            bottom = 1 - (0.8 + (tall + 0.75) * (row + 1) - 0.4) / high
            axes = figure.add_axes((0.13 + 0.5 * column, bottom, 0.34, tall / high))
            _bars(axes, series[:_BARS], scale, bars)
            unit = word("trend_rate", language, v=scale.unit or "1")
            axes.set_title(f"{scale.name} [{unit}]", fontsize=9, loc="left")
    return figure


def inline_svg(figure: Figure) -> str:
    """Return a figure as the SVG element of an HTML page, as wide as its place."""
    stream = io.StringIO()
    with styled(()):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = _METADATA.sub("", _NAMESPACES.sub("", _HEAD.sub("", stream.getvalue())))
    return re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2).strip()


def _draw(axes: Axes, days: Sequence[str], series: Series, scale: Scale, colour: str, *, fill: float) -> None:
    """Draw a series: whole where surveys follow each other, dotted over those without a value."""
    at = _on_axis(days)
    there = [(x, p) for x, p in zip(at, series.points, strict=True) if p is not None]
    xs = [x for x, _ in there]
    ys = [p.value * scale.factor for _, p in there]
    axes.plot(xs, ys, ":", color=colour, lw=1.0, clip_on=False)
    for run in _runs(at, series):
        x, y, u = ([row[k] for row in run] for k in range(3))
        low, high = ([(v + s * w) * scale.factor for v, w in zip(y, u, strict=True)] for s in (-1, 1))
        axes.fill_between(x, low, high, color=colour, alpha=fill, lw=0, clip_on=False)
        axes.plot(x, [v * scale.factor for v in y], "-", color=colour, lw=1.4, clip_on=False)
        axes.vlines(x, low, high, color=colour, lw=0.8, alpha=0.7, clip_on=False)
    axes.plot(xs, ys, "o", color=colour, ms=3.2, clip_on=False)
    gaps = [x for x, p in zip(at, series.points, strict=True) if p is None]
    axes.plot(
        gaps, [0.03] * len(gaps), "x", color=colour, ms=4.5, mew=1.2, clip_on=False,
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip


def _draw_trend(axes: Axes, days: Sequence[str], series: Series, scale: Scale, colour: str) -> None:
    """Draw a series with its straight line."""
    _draw(axes, days, series, scale, colour, fill=0.22)
    _finish(axes, days, [series])
    if series.trend is not None:
        ends = [days[0], days[-1]]
        line = [series.trend.at(year_of(day)) * scale.factor for day in ends]
        axes.plot(_on_axis(ends), line, "--", color=SOFT, lw=0.9, zorder=1.5, clip_on=False)


def _runs(at: Sequence[float], series: Series) -> Iterator[list[tuple[float, float, float]]]:
    """Yield the stretches without a gap: date, value and half width (0 where none is known)."""
    run: list[tuple[float, float, float]] = []
    for x, point in zip(at, series.points, strict=True):
        if point is None:
            if run:
                yield run
            run = []
        else:
            run.append((x, point.value, point.u95 or 0.0))
    if run:
        yield run


def _finish(axes: Axes, days: Sequence[str], drawn: Sequence[Series]) -> None:
    at = _on_axis(days)
    room = max(0.03 * (at[-1] - at[0]), 1.0)
    axes.set_xlim(at[0] - room, at[-1] + room)
    has_values = any(point is not None and point.value > 0 for s in drawn for point in s.points)
    axes.set_ylim(0.0, axes.get_ylim()[1] if has_values else 1.0)
    dates = _dates().AutoDateLocator(minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(dates)
    axes.xaxis.set_major_formatter(_dates().ConciseDateFormatter(dates))
    axes.yaxis.set_major_locator(locator(4))
    axes.grid(axis="y", color=RULE, lw=0.6, clip_on=False)
    axes.set_axisbelow(True)


def _bars(axes: Axes, series: Sequence[Series], scale: Scale, room: int) -> None:
    """Draw changes per year from the top down, those shown to get worse in full colour."""
    colours = {"worse": COLOURS[0], "better (check!)": COLOURS[1]}
    for place, one in enumerate(series):
        if one.trend is None:
            continue
        colour = colours.get(str(one.verdict), "#aaaaaa")
        per_year, half = one.trend.per_year * scale.factor, (one.trend.u95 or 0.0) * scale.factor
        axes.barh(place, per_year, height=0.62, color=colour, clip_on=False)
        axes.hlines(place, per_year - half, per_year + half, color=INK, lw=0.9, clip_on=False)
    axes.axvline(0, color=INK, lw=0.6, clip_on=False)
    axes.set_ylim(max(room, 1) - 0.5, -0.5)
    axes.set_yticks(range(len(series)), [_short(one.elem_id) for one in series])
    axes.xaxis.set_major_locator(locator(5))
    axes.grid(axis="x", color=RULE, lw=0.6, clip_on=False)
    axes.set_axisbelow(True)


def _dates() -> Any:
    """Return matplotlib's module of dates, which has no types."""
    return import_module("matplotlib.dates")


def _on_axis(days: Sequence[str]) -> list[float]:
    """Return where days lie on an axis of dates."""
    return [float(_dates().date2num(date.fromisoformat(day))) for day in days]


def _short(name: str) -> str:
    return name if len(name) <= 14 else f"{name[:13]}…"


def _said(series: Series, scale: Scale, language: Language) -> str:
    """Return a trend in words: by how much per year, and what may be said of it."""
    verdict = verdict_word(series.verdict, language)
    return f"{rate(series, scale, language)}: {verdict}" if verdict else rate(series, scale, language)
