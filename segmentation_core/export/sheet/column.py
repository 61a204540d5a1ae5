"""The column of a sheet: legend, quantities, survey data, title block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segmentation_core import __version__
from segmentation_core.export.request import Request
from segmentation_core.export.sheet.canvas import Box, Canvas, Pen
from segmentation_core.export.sheet.figures import Figure
from segmentation_core.export.tables import class_name, size_range
from segmentation_core.export.words import word
from segmentation_core.vocabulary import ChangeKind, load_vocabulary

__all__ = ["INK", "THIN", "Column", "draw_column"]

INK = Pen("#000000", 0.25)
THIN = Pen("#000000", 0.13)
_PAD = 2.5
_SWATCH = (12.0, 4.0)


@dataclass(frozen=True)
class Column:
    """What a sheet's column says.

    Attributes
    ----------
    heading : str
        Element or sheet.
    scale : str
        As ``1:10 on A3``.
    figures : sequence of Figure
        Quantities; empty for none.
    data : sequence of (str, str)
        Survey data, label and text.
    remarks : sequence of str
        What the reader must know.
    changes : sequence of ChangeKind
        Kinds of change drawn; empty on a sheet of a survey.
    page, pages : int
    """

    heading: str
    scale: str
    figures: Sequence[Figure]
    data: Sequence[tuple[str, str]]
    remarks: Sequence[str]
    changes: Sequence[ChangeKind]
    page: int
    pages: int


def draw_column(canvas: Canvas, box: Box, column: Column, request: Request) -> None:
    """Draw the column: from above legend, quantities and data, from below the title block."""
    x, y, width, height = box
    canvas.box(box, INK)
    floor = _title_block(canvas, box, column, request)
    y = _legend(canvas, (x, y, width, height), column, request)
    y = _quantities(canvas, (x, y, width, floor - y), column, request)
    y = _heading(canvas, x, y, width, word("survey_data", request.language))
    for label, text in column.data:
        canvas.text(x + _PAD, y, label, 2.2, width=width * 0.36)
        y = canvas.paragraph(x + width * 0.4, y, width * 0.58, text, 2.2, lines=3)
    for remark in column.remarks:
        y = canvas.paragraph(x + _PAD, y + 0.8, width - 2 * _PAD, remark, 2.2, lines=4)


def _heading(canvas: Canvas, x: float, y: float, width: float, text: str) -> float:
    canvas.line([(x, y), (x + width, y)], THIN)
    canvas.text(x + _PAD, y + 4.4, text, 3.0, width=width - 2 * _PAD)
    return y + 9.0


def _legend(canvas: Canvas, box: Box, column: Column, request: Request) -> float:
    x, y, width, _ = box
    language = request.language
    canvas.text(x + _PAD, y + 5.2, word("legend", language), 3.0, width=width - 2 * _PAD)
    y += 7.5
    swatch = (x + _PAD, x + _PAD + _SWATCH[0], x + 2 * _PAD + _SWATCH[0])
    room = width - _SWATCH[0] - 3 * _PAD
    for kind in column.changes:
        if kind.geometry == "polygon":
            canvas.hatched_box((swatch[0], y, *_SWATCH), Pen(kind.colour, 0.18), 45, 1.5)
        else:
            canvas.line([(swatch[0], y + 2), (swatch[1], y + 2)], Pen(kind.colour, 0.5))
        name = kind.name_en if language == "en" else kind.name_zh
        canvas.text(swatch[2], y + 3, name, 2.5, width=room)
        y += 5.6
    for defect in () if column.changes else load_vocabulary().classes:
        rules, name = request.template.classes[defect.code], class_name(defect, language)
        if defect.geometry == "line":
            for index, width_mm in enumerate(rules.pen_mm):
                canvas.line([(swatch[0], y + 2), (swatch[1], y + 2)], Pen(defect.colour, width_mm))
                size = size_range(rules.limits, index, "mm", language)
                canvas.text(swatch[2], y + 3, f"{name}, {size}", 2.5, width=room)
                y += 4.6
        else:
            pen = Pen(defect.colour, rules.pen_mm[0])
            canvas.hatched_box((swatch[0], y, *_SWATCH), pen, rules.hatch_angle_deg, rules.hatch_spacing_mm)
            canvas.text(swatch[2], y + 3, name, 2.5, width=room)
            y += 5.6
    canvas.line([(swatch[0], y + 2), (swatch[1], y + 2)], Pen("#000000", 0.35))
    canvas.text(swatch[2], y + 3, word("element_outline", language), 2.5, width=room)
    y += 4.6
    canvas.hatched_box((swatch[0], y, *_SWATCH), Pen("#777777", 0.13), 0, 1.0)
    canvas.text(swatch[2], y + 3, word("not_assessed", language), 2.5, width=room)
    return y + 7.0


def _quantities(canvas: Canvas, box: Box, column: Column, request: Request) -> float:
    x, y, width, _ = box
    if not column.figures:
        return y
    y = _heading(canvas, x, y, width, word("changes" if column.changes else "quantities", request.language))
    for figure in column.figures:
        canvas.text(x + _PAD, y, figure.name, 2.5, width=width * 0.46)
        canvas.text_right(x + width * 0.83, y, figure.text, 2.5, width=width * 0.35)
        canvas.text(x + width * 0.85, y, figure.unit, 2.5, width=width * 0.14)
        y += 4.0
    return y


def _title_block(canvas: Canvas, box: Box, column: Column, request: Request) -> float:
    """Draw the title block at the foot of the column and return its upper edge."""
    x, y, width, height = box
    language = request.language
    rows = [((en if language == "en" else zh), text) for en, zh, text in request.template.title_block]
    block = 26.0 + 5.2 * len(rows)
    top = y + height - block
    canvas.line([(x, top), (x + width, top)], INK)
    at = top
    for label, text in rows:
        canvas.text(x + _PAD, at + 3.6, label, 2.2, width=width * 0.3)
        canvas.text(x + width * 0.36, at + 3.6, text, 2.5, width=width * 0.61)
        at += 5.2
        canvas.line([(x, at), (x + width, at)], THIN)
    canvas.text(x + _PAD, at + 6.5, column.heading, 4.2, width=width - 2 * _PAD)
    canvas.text(x + _PAD, at + 13, f"{word('scale', language)} {column.scale}", 3.2, width=width - 2 * _PAD)
    page = word("page_of", language, a=column.page, b=column.pages)
    canvas.text(x + _PAD, at + 21, word("made_by", language, version=__version__), 2.0)
    canvas.text_right(x + width - _PAD, at + 21, page, 2.5)
    return top
