"""Pictures of one element each: over time, directions, widths, islands and the worst places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation_core.errors import ParameterError
from segmentation_core.export.content import metres_per_unit, survey_gsd_mm
from segmentation_core.export.csv_table import write_csv
from segmentation_core.export.distribution_plot import island_picture, place_picture, rose, width_picture
from segmentation_core.export.picture import written
from segmentation_core.export.request import Request, Written
from segmentation_core.export.sheet.figures import scale_of
from segmentation_core.export.trend_plot import trend_picture
from segmentation_core.export.trends import judged
from segmentation_core.export.underlay import read_underlay, why_missing
from segmentation_core.export.words import word
from segmentation_core.export.worst_places import PLACE_PX, features_in, place_side, place_text, worst_places
from segmentation_core.statistics.network_quantities import ROSE_BINS, rose_ratio_code
from segmentation_core.survey.figures import is_stale, stored_rows
from segmentation_core.survey.names import safe_name
from segmentation_core.survey.populations import populations_of
from segmentation_core.survey.series import methods_differ, series_of
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import OrthophotoRecord, Survey, orthophotos_of, surveys_of
from segmentation_core.vocabulary import load_vocabulary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_plots"]

_PLACES = ("n", "what", "min_x", "min_y", "max_x", "max_y")


def write_plots(book: Book, request: Request, folder: Path) -> Written:
    """Write the pictures of each element as SVG and PNG, and ``BOOK_ELEMENT_places.csv``.

    ``BOOK_ELEMENT_over_time_STATISTIC`` is of all surveys of the book; ``_directions``, ``_widths``,
    ``_islands`` and ``_place_N`` are of the last survey of the request. What cannot be drawn is left out,
    and a note in the request's language says why.

    Raises
    ------
    ParameterError
        There is no survey, or no font here holds the elements' names.
    DiskFullError, VectorError
        A file cannot be written.
    """
    if not request.surveys:
        raise ParameterError("there is no survey to draw", path=book.path, remedy="Survey an orthophoto")
    survey = request.surveys[-1]
    figures = {row["elem_id"]: row for row in stored_rows(book, survey.surv_id)}
    wanted = list(figures) if request.elements is None else request.elements
    photos = [record for _, record in orthophotos_of(book, survey.surv_id)]
    reasons = {record.path: why_missing(record) for record in photos}
    there = [record for record in photos if reasons[record.path] is None]
    files, notes = _over_time(book, request, wanted, folder)
    for elem_id in wanted:
        if elem_id not in figures:
            notes.append(word("plots_not_seen", request.language, element=elem_id, survey=survey.name))
            continue
        stem = f"{book.path.stem}_{safe_name(elem_id)}"
        drawn, missing = _distributions(book, request, survey, figures[elem_id])
        for kind, figure in drawn.items():
            files |= written(folder, f"{stem}_{kind}", figure)
        notes += [f"{elem_id}: {reason}" for reason in missing]
        files |= _places(book, request, survey, elem_id, there, folder / stem)
    notes += [f"{word('no_image', request.language)}: {reason}" for reason in reasons.values() if reason]
    return Written(files, tuple(dict.fromkeys(notes)))


def _over_time(
    book: Book, request: Request, wanted: Sequence[str], folder: Path
) -> tuple[dict[str, int], list[str]]:
    """Write the trends of elements over all surveys of the book; return the files, and why there are none."""
    surveys, language = surveys_of(book.connection), request.language
    if len({survey.date for survey in surveys}) < 2:
        return {}, [word("over_time_one", language)]
    files: dict[str, int] = {}
    days = [survey.date for survey in surveys]
    for elem_id, own in judged(series_of(book, surveys, wanted)).items():
        for series in own:
            figure = trend_picture(days, series, scale_of(series.stat, language), language)
            name = f"{book.path.stem}_{safe_name(elem_id)}_over_time_{series.stat}"
            files |= written(folder, name, figure)
    edited = [s.name for s in surveys if is_stale(book, s.surv_id)]
    notes = [word("plots_edited", language, survey=name) for name in edited]
    return files, [*notes, *methods_differ(book, surveys)]


def _distributions(
    book: Book, request: Request, survey: Survey, figures: Mapping[str, Any]
) -> tuple[dict[str, Figure], list[str]]:
    """Return the pictures of directions, widths and islands of an element, and why some are missing."""
    language, elem_id = request.language, figures["elem_id"]
    gsd_mm = survey_gsd_mm(book, survey.surv_id)
    found = populations_of(book, survey, elem_id)
    drawn: dict[str, Figure] = {}
    missing = []
    title = f"{elem_id}, {survey.name}"
    shares = [figures.get(rose_ratio_code(k)) for k in range(ROSE_BINS)]
    if any(shares):
        axis = figures.get("crack_axis_deg")
        drawn["directions"] = rose([share or 0.0 for share in shares], axis, title, language)
    else:
        missing.append(word("plots_no_crack", language))
    if len(found.widths_mm):
        drawn["widths"] = width_picture(found.widths_mm, found.lengths_m, gsd_mm, title, language)
    elif any(shares):
        missing.append(word("plots_no_width", language))
    if len(found.islands_m2):
        drawn["islands"] = island_picture(found.islands_m2, title, language)
    else:
        missing.append(word("plots_no_island", language))
    return drawn, missing


def _places(
    book: Book, request: Request, survey: Survey, elem_id: str, photos: Sequence[OrthophotoRecord], stem: Path
) -> dict[str, int]:
    """Write the worst places of an element as pictures, and a table of where they are."""
    metre, side = metres_per_unit(book), place_side(book, survey)
    places = worst_places(book, replace(request, elements=(elem_id,)), survey, side)
    if not places:
        return {}
    colours = {c.geometry: c.colour for c in load_vocabulary().classes}
    files: dict[str, int] = {}
    rows = []
    for number, place in enumerate(places, start=1):
        text = f"{number}: {place_text(place, request.language, metre)}"
        gsd_mm = (place.extent[2] - place.extent[0]) * metre * 1e3 / PLACE_PX
        pictures = [p for r in photos if (p := read_underlay(r, place.extent, gsd_mm)) is not None]
        shapes = [
            (geometry, colours[kind])
            for table, kind in (("loss_polygon", "polygon"), ("crack_line", "line"))
            for geometry in features_in(book, table, survey, place.extent)
        ]
        figure = place_picture(place.extent, pictures, shapes, metre, text)
        files |= written(stem.parent, f"{stem.name}_place_{number}", figure)
        rows.append((number, text, *place.extent))
    table = stem.with_name(f"{stem.name}_places.csv")
    write_csv(table, _PLACES, rows)
    return files | {table.name: len(rows)}
