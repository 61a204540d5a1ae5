"""Statistics over time: a table of every trend, a page of plots per element, and what gets worse fastest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segmentation_core.errors import ParameterError
from segmentation_core.export.csv_table import write_csv
from segmentation_core.export.picture import written
from segmentation_core.export.request import Request, Written
from segmentation_core.export.sheet.figures import scale_of
from segmentation_core.export.tables import dated_surveys, trends
from segmentation_core.export.trend_plot import element_page, ranking_page
from segmentation_core.survey.names import safe_name
from segmentation_core.survey.series import WORSE_WHEN_MORE, Series, methods_differ, ranked, series_of
from segmentation_core.survey.store import Book

__all__ = ["judged", "write_trends"]


def write_trends(book: Book, request: Request, folder: Path) -> Written:
    """Write ``BOOK_trends.csv``, and as SVG and PNG ``BOOK_ranking`` and ``BOOK_trend_ELEMENT``.

    Raises
    ------
    ParameterError
        The surveys are all of one date, or no font here holds the elements' names.
    DiskFullError, VectorError
        A file cannot be written.
    """
    surveys = dated_surveys(request)
    if not surveys:
        raise ParameterError(
            "there are no surveys of two dates: nothing to draw over time",
            path=book.path,
            remedy="Survey again, or leave out --survey",
        )
    stem = book.path.stem
    table = trends(book, request)
    path = folder / f"{stem}_trends.csv"
    write_csv(path, [column.header(request.language) for column in table.columns], table.rows)
    files = {path.name: len(table.rows)}
    series = series_of(book, surveys, request.elements)
    scales = {stat: scale_of(stat, request.language) for stat in WORSE_WHEN_MORE}
    ranking = [(scales[stat], ranked(series, stat)) for stat in WORSE_WHEN_MORE]
    files |= written(folder, f"{stem}_ranking", ranking_page(ranking, request.language))
    days = [survey.date for survey in surveys]
    for elem_id, own in judged(series).items():
        page = element_page(days, [(one, scales[one.stat]) for one in own], request.language)
        files |= written(folder, f"{stem}_trend_{safe_name(elem_id)}", page)
    return Written(files, tuple(methods_differ(book, surveys)))


def judged(series: Sequence[Series]) -> dict[str, list[Series]]:
    """Return the series that are drawn, by element, in the order of `WORSE_WHEN_MORE`."""
    pages: dict[str, list[Series]] = {}
    for stat in WORSE_WHEN_MORE:
        for one in series:
            if one.stat == stat and any(point is not None for point in one.points):
                pages.setdefault(one.elem_id, []).append(one)
    return pages
