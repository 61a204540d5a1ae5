"""Plan sheets: an overview, a sheet for every element, and the table of all quantities, as one PDF."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from segmentation_core.errors import ParameterError
from segmentation_core.export.content import layer_content, metres_per_unit
from segmentation_core.export.fields import CHANGE_LAYERS, ELEMENT_LAYER
from segmentation_core.export.fonts import find_fonts
from segmentation_core.export.request import Pair, Request, Written
from segmentation_core.export.sheet.canvas import Box, Canvas, Frame, Pen, new_document
from segmentation_core.export.sheet.column import INK, THIN, Column, draw_column
from segmentation_core.export.sheet.figures import Figures, differences_of, figures_of
from segmentation_core.export.sheet.layout import page_layout, sheets_for
from segmentation_core.export.template import size_class
from segmentation_core.export.underlay import read_underlay, why_missing
from segmentation_core.export.words import word
from segmentation_core.statistics.features import stream_features
from segmentation_core.survey.change_styles import CHANGE_GEOMETRY
from segmentation_core.survey.outlines import stored_assessed
from segmentation_core.survey.surveys import OrthophotoRecord, Survey, orthophotos_of
from segmentation_core.vocabulary import ChangeKind, change_kind, load_vocabulary

if TYPE_CHECKING:
    from segmentation_core.survey.store import Book

__all__ = ["PAPERS_MM", "write_plan"]

PAPERS_MM = {"A4": (297, 210), "A3": (420, 297), "A2": (594, 420), "A1": (841, 594), "A0": (1189, 841)}
"""Landscape width and height."""

_PRINT_DPI = 200
_LIGHTEN = 0.35
_ROWS_PER_MM = 1 / 5.0
_UNSEEN = Pen("#777777", 0.13)


@dataclass(frozen=True)
class _Subject:
    """What a run of sheets shows: a survey or a pair, its orthophotos and their remarks."""

    of: Survey | Pair
    survey: Survey
    orthophotos: tuple[OrthophotoRecord, ...]
    remarks: tuple[str, ...]
    ground: Any
    elements: dict[str, Any]
    figures: Figures
    changes: tuple[ChangeKind, ...]


@dataclass(frozen=True)
class _Page:
    """A sheet to draw, once the number of all is known."""

    draw: Callable[[Canvas, int, int], None]


def write_plan(book: Book, request: Request, folder: Path) -> Written:
    """Write the sheets as ``out.pdf``.

    Memory: one page's features and picture at a time, and the compressed pages so far.

    Raises
    ------
    ParameterError
        There is nothing to draw, or no font here holds the characters needed.
    """
    shown: list[Survey | Pair] = [*request.surveys, *request.pairs]
    subjects = [_subject(book, request, of) for of in shown]
    pages = [page for subject in subjects for page in _pages(book, request, subject)]
    if not pages:
        raise ParameterError(
            "there is nothing to draw: no wanted element was surveyed", path=book.path, remedy="Choose others"
        )
    fonts = find_fonts(_texts(request, subjects))
    path = folder / "out.pdf"
    with new_document(fonts, PAPERS_MM[request.paper], book.path.stem) as document:
        for number, page in enumerate(pages, start=1):
            page.draw(Canvas(document), number, len(pages))
        document.output(str(path))
    notes = dict.fromkeys(f"sheet without underlay: {r}" for s in subjects for r in s.remarks)
    return Written({path.name: len(pages)}, tuple(notes))


def _texts(request: Request, subjects: Sequence[_Subject]) -> Iterator[str]:
    """Yield every text that may be written, so that a font is chosen that holds them all."""
    from segmentation_core.export.words import _words

    yield from (texts[request.language] for texts in _words().values())
    yield "0123456789.,:()[]±…×²%/- abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for defect in load_vocabulary().classes:
        yield defect.name_en if request.language == "en" else defect.name_zh
    for en, zh, text in request.template.title_block:
        yield from ((en if request.language == "en" else zh), text)
    for subject in subjects:
        yield from (subject.of.name, *subject.elements, *subject.remarks)
        yield from (kind.name_en if request.language == "en" else kind.name_zh for kind in subject.changes)
        yield from (Path(record.path).name for record in subject.orthophotos)
        yield from (f.name for figures in subject.figures.values() for f in figures)


def _subject(book: Book, request: Request, of: Survey | Pair) -> _Subject:
    survey = of.before if isinstance(of, Pair) else of  # in whose frame changes lie
    records = orthophotos_of(book, survey.surv_id)
    reasons = [(record, why_missing(record)) for _, record in records]
    elements: dict[str, Any] = {}
    for content in layer_content(book, ELEMENT_LAYER, survey, request):
        elements |= dict(zip(content.columns[0], content.geometries, strict=True))
    kinds = _kinds(book, of) if isinstance(of, Pair) else ()
    return _Subject(
        of,
        survey,
        tuple(record for record, reason in reasons if reason is None),
        tuple(reason for _, reason in reasons if reason is not None),
        shapely.union_all([stored_assessed(book, orth_id) for orth_id, _ in records]),
        elements,
        differences_of(book, of.pair_id, request.language)
        if isinstance(of, Pair)
        else figures_of(book, survey.surv_id, request.language),
        kinds,
    )


def _kinds(book: Book, pair: Pair) -> tuple[ChangeKind, ...]:
    """Return the kinds of change that a pair has, lines first."""
    kinds = []
    for table, geometry in sorted(CHANGE_GEOMETRY.items()):
        query = f"SELECT DISTINCT kind FROM {table} WHERE pair_id = ? ORDER BY kind"
        for (code,) in book.connection.execute(query, (pair.pair_id,)):
            kinds.append(change_kind(geometry, str(code)))
    return tuple(kinds)


def _pages(book: Book, request: Request, subject: _Subject) -> Iterator[_Page]:
    """Yield the sheets of a subject: overview, elements, table."""
    if not subject.elements:
        return
    many = len(subject.elements) > 1
    everything = shapely.total_bounds(list(subject.elements.values()))
    if many:
        heading = word("overview", request.language)
        yield from _drawings(book, request, subject, heading, tuple(everything), None, scale=None)
    for elem_id, outline in subject.elements.items():
        yield from _drawings(book, request, subject, elem_id, outline.bounds, elem_id, scale=request.scale)
    if many:
        yield from _tables(request, subject)


def _drawings(
    book: Book,
    request: Request,
    subject: _Subject,
    heading: str,
    extent: tuple[float, float, float, float],
    elem_id: str | None,
    *,
    scale: int | None,
) -> Iterator[_Page]:
    layout = page_layout(PAPERS_MM[request.paper])
    mm_per_unit = metres_per_unit(book) * 1e3
    sheets = sheets_for(extent, layout.drawing, mm_per_unit, scale, strips=elem_id is not None)
    for index, frames in enumerate(sheets.frames):
        title = heading
        if len(sheets.frames) > 1:
            title += f" ({word('part_of', request.language, a=index + 1, b=len(sheets.frames))})"

        def draw(
            canvas: Canvas, page: int, pages: int, *, frames: tuple[Frame, ...] = frames, title: str = title
        ) -> None:
            found = [_draw_map(book, request, subject, canvas, f, elem_id, sheets.scale) for f in frames]
            _draw_joins(canvas, extent, frames)
            canvas.box(layout.drawing, INK)
            _draw_scale_bar(canvas, layout.drawing, sheets.scale)
            _draw_up_mark(canvas, layout.drawing, book, request)
            remarks = [] if any(found) else [word("no_defects", request.language)]
            if subject.remarks:
                remarks.append(word("no_underlay", request.language))
            column = Column(
                title,
                word("paper_scale", request.language, n=f"{sheets.scale:,}", paper=request.paper),
                subject.figures.get(elem_id, ()) if elem_id is not None else (),
                _survey_data(request, subject),
                remarks,
                subject.changes,
                page,
                pages,
            )
            draw_column(canvas, layout.column, column, request)

        yield _Page(draw)


def _survey_data(request: Request, subject: _Subject) -> list[tuple[str, str]]:
    language = request.language
    of = subject.of
    rows = [(word("survey", language), subject.of.name)]
    if isinstance(of, Pair):
        rows.append((word("date", language), f"{of.before.date} / {of.after.date}"))
        for key, value in (("registration", of.registration_sigma_mm), ("tolerance", of.tolerance_mm)):
            if value is not None:
                rows.append((word(key, language), f"{value:.3g} mm"))
    else:
        rows.append((word("date", language), of.date))
    for record in subject.orthophotos[:3]:
        rows.append((word("orthophoto", language), Path(record.path).name))
        rows.append((word("gsd", language), f"{record.gsd_mm:.4g} mm"))
        rows.append((word("model", language), record.model or word("ready_classes", language)))
    given = any(f.u95 is not None for figures in subject.figures.values() for f in figures)
    rows.append(
        (word("uncertainty", language), word("uncertainty_given" if given else "uncertainty_none", language))
    )
    return rows


def _draw_map(
    book: Book,
    request: Request,
    subject: _Subject,
    canvas: Canvas,
    frame: Frame,
    elem_id: str | None,
    denominator: int,
) -> bool:
    """Draw the map inside its frame; return whether there is any damage in it."""
    with canvas.clipped(frame.box):
        for record in subject.orthophotos:
            pixel_mm = 25.4 / _PRINT_DPI * denominator
            underlay = read_underlay(record, frame.extent, pixel_mm, lighten=_LIGHTEN)
            if underlay is not None:
                canvas.picture(underlay.rgb, frame, underlay.corners)
        wanted = subject.elements if elem_id is None else {elem_id: subject.elements[elem_id]}
        unseen = [shapely.difference(outline, subject.ground) for outline in wanted.values()]
        unseen = [
            part for shape in unseen for part in shapely.get_parts(shape) if part.geom_type == "Polygon"
        ]
        canvas.hatched(frame, unseen, _UNSEEN, 0, 1.0)
        draw = _draw_changes if isinstance(subject.of, Pair) else _draw_damage
        found = draw(book, request, subject, canvas, frame, elem_id)
        canvas.lines(frame, subject.elements.values(), Pen("#000000", 0.18 if elem_id else 0.35))
        if elem_id is None:
            _name_elements(canvas, frame, subject)
        else:
            canvas.lines(frame, wanted.values(), Pen("#000000", 0.5))
    return found


def _draw_joins(canvas: Canvas, extent: tuple[float, float, float, float], frames: tuple[Frame, ...]) -> None:
    """Frame the strips of a sheet, and mark with the same letter where one goes on in the next."""
    x0, y0, x1, y1 = extent
    lies = x1 - x0 >= y1 - y0
    for frame in frames:
        canvas.box(frame.box, THIN)
    for index, (frame, following) in enumerate(itertools.pairwise(frames)):
        share = (index + 1) / len(frames)
        place = x0 + share * (x1 - x0) if lies else y1 - share * (y1 - y0)
        for strip in (frame, following):
            canvas.join(strip, place, "ABC"[index], upright=lies)


def _inside(
    book: Book, table: str, frame: Frame, columns: Sequence[str], where: str, *parameters: Any
) -> Iterator[Any]:
    """Yield the features that reach into a frame, by the layer's spatial index."""
    x0, y0, x1, y1 = frame.extent
    index = f"SELECT id FROM rtree_{table}_geom WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ?"
    yield from stream_features(
        book.connection, table, columns, f"{where} AND fid IN ({index})", (*parameters, x0, x1, y0, y1)
    )


_WANTED = "(? IS NULL OR elem_id IN (SELECT value FROM json_each(?)))"


def _wanted(request: Request, elem_id: str | None) -> tuple[str | None, str | None]:
    """Return the parameters of `_WANTED`: one element on its sheet, the wanted ones on the overview."""
    ids = request.elements_json if elem_id is None else json.dumps([elem_id])
    return (ids, ids)


def _draw_damage(
    book: Book, request: Request, subject: _Subject, canvas: Canvas, frame: Frame, elem_id: str | None
) -> bool:
    found = False
    counted = (subject.survey.surv_id, *_wanted(request, elem_id))
    for defect in load_vocabulary().classes:
        rules = request.template.classes[defect.code]
        table = "crack_line" if defect.geometry == "line" else "loss_polygon"
        size, factor = ("wid_m", 1e3) if defect.geometry == "line" else ("area_m2", 1e4)
        where = f"class_cd = ? AND surv_id = ? AND status IS NOT 'rejected' AND {_WANTED}"
        for chunk in _inside(book, table, frame, (size,), where, defect.code, *counted):
            found = True
            sizes = [0.0 if row[0] is None else row[0] * factor for row in chunk.rows]
            classes = np.array([size_class(rules.limits, value) for value in sizes])
            if defect.geometry != "line":
                pen = Pen(defect.colour, 0.13)
                shapes = list(chunk.geometries)
                canvas.hatched(frame, shapes, pen, rules.hatch_angle_deg, rules.hatch_spacing_mm)
            for index in np.unique(classes):
                pen = Pen(defect.colour, rules.pen_mm[index])
                canvas.lines(frame, chunk.geometries[classes == index], pen)
    return found


def _draw_changes(
    book: Book, request: Request, subject: _Subject, canvas: Canvas, frame: Frame, elem_id: str | None
) -> bool:
    found = False
    where = f"pair_id = ? AND {_WANTED}"
    parameters = (getattr(subject.of, "pair_id", None), *_wanted(request, elem_id))
    for changed, pen_mm in ((False, 0.13), (True, 0.5)):  # what changed lies on top of what stayed
        for layer in CHANGE_LAYERS:
            for chunk in _inside(book, layer.table, frame, ("kind",), where, *parameters):
                found = True
                kinds = np.array([str(row[0]) for row in chunk.rows])
                for code in np.unique(kinds):
                    kind = change_kind(CHANGE_GEOMETRY[layer.table], str(code))
                    if kind.change != changed:
                        continue
                    shapes = chunk.geometries[kinds == code]
                    if layer.table == "change_polygon":
                        canvas.hatched(frame, list(shapes), Pen(kind.colour, 0.13), 45, 1.5)
                    canvas.lines(frame, shapes, Pen(kind.colour, pen_mm))
    return found


def _name_elements(canvas: Canvas, frame: Frame, subject: _Subject) -> None:
    x, y, _, height = frame.box
    k = frame.mm_per_unit
    for elem_id, outline in subject.elements.items():
        left, _, right, top = outline.bounds
        room = max((right - left) * k, 6.0)
        at = (x + (left - frame.left) * k, y + height - (top - frame.bottom) * k)
        canvas.text(at[0] + 0.8, at[1] - 0.8, elem_id, 2.4, width=room)


def _draw_scale_bar(canvas: Canvas, box: Box, denominator: int) -> None:
    """Draw a bar of a round length of 20 to 50 mm on paper, in four fields."""
    x, y, _, height = box
    length_mm = next(v for e in range(0, 9) for v in (10**e, 2 * 10**e, 5 * 10**e) if v / denominator >= 20)
    bar = length_mm / denominator
    label = (
        f"{length_mm / 1000:g} m"
        if length_mm >= 1000
        else f"{length_mm / 10:g} cm"
        if length_mm >= 100
        else f"{length_mm} mm"
    )
    left, base = x + 5, y + height - 7
    canvas.box((left - 2, base - 4, bar + 24, 8), THIN, "#ffffff")
    for index in range(4):
        field = (left + index * bar / 4, base, bar / 4, 1.5)
        canvas.box(field, THIN, "#000000" if index % 2 == 0 else "#ffffff")
    canvas.text(left - 0.5, base - 0.8, "0", 2.2)
    canvas.text(left + bar + 1.5, base + 1.5, label, 2.5)


def _draw_up_mark(canvas: Canvas, box: Box, book: Book, request: Request) -> None:
    x, y, width, height = box
    left, top = x + width - 13, y + height - 16
    canvas.box((left, top, 10, 14), THIN, "#ffffff")
    canvas.triangle([(left + 5, top + 1.5), (left + 7, top + 7), (left + 3, top + 7)], "#000000")
    canvas.line([(left + 5, top + 7), (left + 5, top + 9)], INK)
    name = word("north" if _is_map(book) else "up", request.language)
    canvas.text(left + 2.5, top + 12.6, name, 2.6, width=7)


def _is_map(book: Book) -> bool:
    """Say whether the book's y axis points north: a projected CRS, not a local one of a facade."""
    if book.crs_wkt is None:
        return False
    from pyproj import CRS

    return bool(CRS.from_wkt(book.crs_wkt).is_projected)


def _tables(request: Request, subject: _Subject) -> Iterator[_Page]:
    """Yield the pages of the table of all elements."""
    paper = PAPERS_MM[request.paper]
    per_page = int((paper[1] - 45) * _ROWS_PER_MM)
    names = list(subject.elements)
    for start in range(0, len(names), per_page):
        shown_names = names[start : start + per_page]

        def draw(canvas: Canvas, page: int, pages: int, *, names: list[str] = shown_names) -> None:
            _draw_table(canvas, request, subject, names, page, pages)

        yield _Page(draw)


def _draw_table(
    canvas: Canvas, request: Request, subject: _Subject, names: Sequence[str], page: int, pages: int
) -> None:
    language = request.language
    left, top, width = 20.0, 10.0, canvas.width - 30.0
    canvas.text(
        left,
        top + 5,
        f"{word('changes' if isinstance(subject.of, Pair) else 'quantities', language)}: {subject.of.name}",
        4.2,
        width=width,
    )
    header = subject.figures.get(names[0], ())
    first = width * (0.2 if len(header) < 10 else 0.12)
    each = (width - first) / max(len(header), 1)
    y = top + 12
    canvas.text(left, y, word("element", language), 2.5, width=first - 2)
    for index, figure in enumerate(header):
        title = f"{figure.name} [{figure.unit}]" if figure.unit else figure.name
        canvas.text_right(left + first + (index + 1) * each, y, title, 2.5, width=each - 2)
    canvas.line([(left, y + 1.5), (left + width, y + 1.5)], INK)
    for elem_id in names:
        y += 5.0
        canvas.text(left, y, elem_id, 2.5, width=first - 2)
        for index, figure in enumerate(subject.figures.get(elem_id, ())):
            canvas.text_right(left + first + (index + 1) * each, y, figure.text, 2.5, width=each - 2)
        canvas.line([(left, y + 1.5), (left + width, y + 1.5)], Pen("#bbbbbb", 0.1))
    canvas.text_right(left + width, canvas.height - 10, word("page_of", language, a=page, b=pages), 2.5)
