"""Trace a crack between points that a person clicked on the map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from segmentation_core.errors import ParameterError, RasterError
from segmentation_core.export.underlay import open_recorded, why_missing
from segmentation_core.progress import Progress, silent
from segmentation_core.raster.grid import Window
from segmentation_core.raster.probability import PROBABILITY_SCALE
from segmentation_core.statistics.elements import Elements
from segmentation_core.survey.kept import kept_probabilities
from segmentation_core.survey.outlines import stored_elements
from segmentation_core.survey.store import reading
from segmentation_core.survey.surveys import OrthophotoRecord, orthophotos_of, survey_named
from segmentation_core.vectors.tracing import least_cost_line, trace_window, tracing_cost
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["trace"]


def trace(
    book: str | Path,
    survey: str,
    points: Sequence[Sequence[float]],
    *,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return the line of a crack through points.

    Nothing is written: whoever asked adds the line to the book, as drawn.

    Parameters
    ----------
    book : path-like
        The survey book.
    survey : str
        Name of the survey on whose orthophoto the points lie.
    points : sequence of (x, y)
        In the book's CRS; two or more, in order along the crack.
    progress : Progress
        May raise `Interrupted`.

    Returns
    -------
    dict
        ``coordinates`` (list of [x, y]), ``columns`` (of the feature to add: surv_id, orth_id, elem_id of the
        element that most of the line lies on or None, class_cd, len_m, t_start, t_end), ``notes`` (why the
        kept probabilities did not take part, if they did not).

    Raises
    ------
    ParameterError
        No such survey, fewer than two points, or points that lie on no orthophoto of it, or not on one.
    RasterError
        The orthophoto is not where it was.
    BookError
        See `segmentation_core.survey.store.reading`.
    """
    progress("trace", 0, 1)
    with reading(book) as opened:
        found = survey_named(opened, survey)
        photos = orthophotos_of(opened, found.surv_id)
        elements = stored_elements(opened)
        shown = dict(
            (orth_id, (start, end))
            for orth_id, start, end in opened.connection.execute(
                "SELECT orth_id, t_start, t_end FROM assessed WHERE surv_id = ?", (found.surv_id,)
            )
        )
    orth_id, record, clicks = _beneath(photos, points, Path(book))
    missing = why_missing(record)
    if missing is not None:
        raise RasterError(missing, path=record.path, remedy="Put it back, and trace again")
    window = trace_window(clicks, record.height_px, record.width_px)
    with open_recorded(record) as ortho:
        rgb, _ = ortho.read(window)
    probability, notes = _probability(record, window)
    inside = [(row - window.row_off, col - window.col_off) for row, col in clicks]
    line = least_cost_line(tracing_cost(rgb, probability), inside)
    place = Affine(*record.transform) @ Affine.translation(window.col_off, window.row_off)
    coordinates = [
        [place.a * c + place.b * r + place.c, place.d * c + place.e * r + place.f] for c, r in line
    ]
    for (x, y), end in ((points[0], 0), (points[-1], -1)):
        coordinates[end] = [float(x), float(y)]  # what was clicked, to the last bit
    drawn = shapely.LineString(coordinates)
    start, end = shown.get(orth_id, (found.date, None))
    progress("trace", 1, 1)
    return {
        "coordinates": coordinates,
        "columns": {
            "surv_id": found.surv_id,
            "orth_id": orth_id,
            "elem_id": _element_of(drawn, elements),
            "class_cd": load_vocabulary().line_class.code,
            "len_m": float(drawn.length) * record.metres_per_unit,
            "t_start": start,
            "t_end": end,
        },
        "notes": notes,
    }


def _element_of(line: shapely.LineString, elements: Elements) -> str | None:
    """Return the element that most of a line lies on."""
    if not len(elements.ids):
        return None
    lengths = shapely.length(shapely.intersection(elements.geometries, line))
    most = int(np.argmax(lengths))
    return elements.ids[most] if lengths[most] > 0 else None


def _beneath(
    photos: Sequence[tuple[str, OrthophotoRecord]], points: Sequence[Sequence[float]], book: Path
) -> tuple[str, OrthophotoRecord, list[tuple[float, float]]]:
    """Return the orthophoto on which all points lie, and the points as rows and columns of it."""
    for orth_id, record in photos:
        to_pixels = ~Affine(*record.transform)
        places = [to_pixels @ (float(x), float(y), 1.0) for x, y in points]
        clicks = [(float(place[1]), float(place[0])) for place in places]
        if all(0 <= row < record.height_px and 0 <= col < record.width_px for row, col in clicks):
            return orth_id, record, clicks
    raise ParameterError(
        "the points do not lie on one orthophoto of this survey",
        path=book,
        remedy="Click inside the picture; a crack that runs over two pictures is traced in two",
    )


def _probability(record: OrthophotoRecord, window: Window) -> tuple[NDArray[np.float32] | None, list[str]]:
    """Return the kept probability of the thin class, 0-1, and why there is none where there is none."""
    source, reason = kept_probabilities(record)
    if source is None:
        return None, [f"{reason}: the line follows the picture alone"]
    with source.open() as reader:
        given = reader.read(window).probabilities[load_vocabulary().line_class.code]
    known = given <= PROBABILITY_SCALE
    return np.where(known, given.astype(np.float32) / PROBABILITY_SCALE, 0).astype(np.float32), []
