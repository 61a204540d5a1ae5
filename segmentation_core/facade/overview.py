"""The picture that tells the demo's story: the facade, what was found on it, and found against true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio

from segmentation_core.facade.insets import inset_windows
from segmentation_core.facade.page import DPI, GREY, INK, MARGIN_IN, PAPER, WIDTH_IN, Page
from segmentation_core.facade.plates import (
    close_up,
    found_on,
    map_plate,
    mark_windows,
    outlines_on,
    photograph,
    reduced,
)
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["Overview", "draw_overview"]

_INNER_IN = WIDTH_IN - 2 * MARGIN_IN
_GAP_IN = 0.06
_INSETS = 3
_INSET_IN = (_INNER_IN - (2 * _INSETS - 1) * _GAP_IN) / (2 * _INSETS)
_HEAD_IN, _CAPTION_IN, _ROW_IN = 0.8, 0.42, 0.25


@dataclass(frozen=True)
class Overview:
    """What the picture shows.

    Attributes
    ----------
    orthophoto, classes : Path
        Rasters on one grid.
    vectors : Path
        GeoPackage with the layers ``loss_polygon`` and ``crack_line``.
    elements : Path
        Outlines, in the order of ``rows``.
    rows : sequence of dict
        Found and true figures by element, as `operations.demo.compared` returns them.
    scores : mapping
        Score names to values.
    title, subtitle : str
        Written above.
    """

    orthophoto: Path
    classes: Path
    vectors: Path
    elements: Path
    rows: Sequence[Mapping[str, Any]]
    scores: Mapping[str, float | None]
    title: str
    subtitle: str


def draw_overview(overview: Overview, path: str | Path) -> Path:
    """Draw the overview as a PNG 2,400 px wide.

    Parameters
    ----------
    overview : Overview
        What to show.
    path : path-like
        PNG to write.

    Returns
    -------
    Path
        The file.
    """
    with rasterio.open(overview.orthophoto) as source:
        plate_in = _INNER_IN * source.height / source.width
        windows = list(
            zip("abc", inset_windows(overview.classes, round(_INSET_IN * DPI), _INSETS), strict=False)
        )
        closing_in = _INSET_IN + _CAPTION_IN if windows else 0.0
        tops = [_HEAD_IN, _HEAD_IN + plate_in + _CAPTION_IN]
        tops.append(tops[1] + plate_in + _CAPTION_IN)
        tops.append(tops[2] + closing_in)
        page = Page(tops[3] + _ROW_IN * (len(overview.rows) + 2) + 0.75)
        _headings(page, overview)
        picture = reduced(source, round(_INNER_IN * DPI))
        photograph(page.axes(0, tops[0], _INNER_IN, plate_in), picture, source)
        found = found_on(overview.vectors, source.transform)
        axes = page.axes(0, tops[1], _INNER_IN, plate_in)
        outlines = outlines_on(overview.elements, source.transform)
        names = [_name(page, row) for row in overview.rows]
        map_plate(axes, picture, source, found, list(zip(outlines, names, strict=True)))
        mark_windows(axes, windows)
        _legend(page, tops[1] - 0.14)
        for k, (letter, window) in enumerate(windows):
            left = 2 * k * (_INSET_IN + _GAP_IN)
            scale = f"{window.width * source.res[0] * 1000:.0f} mm wide"
            page.text(left, tops[2] - 0.1, f"{letter}", size=10, weight="bold")
            page.text(left + 0.16, tops[2] - 0.1, f"{scale}, at full resolution", size=8, colour=GREY)
            close_up(page.axes(left, tops[2], _INSET_IN, _INSET_IN), source, window)
            left += _INSET_IN + _GAP_IN
            close_up(page.axes(left, tops[2], _INSET_IN, _INSET_IN), source, window, found)
        _table(page, tops[3], overview)
    page.figure.savefig(path, dpi=DPI, facecolor=PAPER)
    return Path(path)


def _headings(page: Page, overview: Overview) -> None:
    page.text(0, 0.42, overview.title, size=17, weight="bold")
    page.text(0, 0.65, overview.subtitle, size=9, colour=GREY)


def _name(page: Page, row: Mapping[str, Any]) -> str:
    words = [row["elem_id"], row["name_en"]]
    if page.has_chinese:
        words.append(row["name_zh"])
    return "  ".join(words)


def _legend(page: Page, top: float) -> None:
    vocabulary = load_vocabulary()
    page.text(0, top, "What was found", size=10, weight="bold")
    left = 1.55
    for defect in (vocabulary.line_class, vocabulary.polygon_class):
        page.swatch(left, top, defect.colour, line=defect is vocabulary.line_class)
        name = f"{defect.name_en} {defect.name_zh}" if page.has_chinese else defect.name_en
        page.text(left + 0.34, top, name, size=9)
        left += 1.6
    page.text(left, top, "- -  building element", size=9)


_COLUMNS: tuple[tuple[str, str, float, int], ...] = (
    ("assessed_m2", "Assessed, m\u00b2", 1.0, 3),
    ("loss_m2", "Paint lost, cm\u00b2", 1e4, 1),
    ("loss_ratio", "Share lost, %", 100.0, 2),
    ("crack_m", "Cracks, m", 1.0, 2),
    ("crack_area_m2", "Crack area, cm\u00b2", 1e4, 1),
)


def _table(page: Page, top: float, overview: Overview) -> None:
    """Write found and true side by side, and the scores by pixel below."""
    right = page.inner_in
    first, wide = 2.5, (right - 2.5) / len(_COLUMNS)
    line = top + _ROW_IN
    page.text(0, line - 0.25 * _ROW_IN, "Found against true", size=10, weight="bold")
    for k, (_, title, _, _) in enumerate(_COLUMNS):
        page.text(first + (k + 1) * wide, line - 0.5 * _ROW_IN, title, size=9, weight="bold", align="right")
        page.text(first + (k + 1) * wide - 0.62, line + 0.14, "found", size=7.5, colour=GREY, align="right")
        page.text(first + (k + 1) * wide, line + 0.14, "true", size=7.5, colour=GREY, align="right")
    line += 0.2
    page.rule(0, right, line, INK)
    for row in overview.rows:
        page.text(0, line + 0.68 * _ROW_IN, _name(page, row), size=9)
        for k, (column, _, factor, digits) in enumerate(_COLUMNS):
            at = first + (k + 1) * wide
            found, true = (_number(row[f"{kind}_{column}"], factor, digits) for kind in ("found", "true"))
            page.text(at - 0.62, line + 0.68 * _ROW_IN, found, size=9, align="right")
            page.text(at, line + 0.68 * _ROW_IN, true, size=9, colour=GREY, align="right")
        line += _ROW_IN
        page.rule(0, right, line)
    scores = "      ".join(
        f"{name.replace('_', ' ')}  {_number(v, 1, 3)}" for name, v in overview.scores.items()
    )
    page.text(0, line + 0.27, "By pixel", size=9, weight="bold")
    page.text(0.85, line + 0.27, scores, size=9)


def _number(value: float | None, factor: float, digits: int) -> str:
    return "\u2013" if value is None else f"{value * factor:,.{digits}f}"
