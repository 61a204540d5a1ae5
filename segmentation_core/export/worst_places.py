"""The places a reader should look at first: the largest losses and the densest cracks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from segmentation_core.export.content import metres_per_unit
from segmentation_core.export.numbers import shown
from segmentation_core.export.request import Language, Request
from segmentation_core.export.words import word
from segmentation_core.statistics.features import stream_features, wkb_of
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import Survey, orthophotos_of

__all__ = ["PLACE_PX", "Place", "features_in", "place_side", "place_text", "worst_places"]

PLACE_PX = 420
"""Side of the picture of a place at the survey's finest GSD."""

_EACH = 3
_FILL = 1.6
"""A place shows a loss with this much around it."""


@dataclass(frozen=True)
class Place:
    """A square on the map.

    Attributes
    ----------
    extent : (min x, min y, max x, max y)
        Map coordinates.
    elem_id : str or None
    loss_m2, crack_m : float or None
        What makes it one of the worst: the area of its loss, or the length of cracks inside.
    """

    extent: tuple[float, float, float, float]
    elem_id: str | None
    loss_m2: float | None
    crack_m: float | None


def place_side(book: Book, survey: Survey) -> float:
    """Return the least side of a place in map units: so that its picture shows the orthophoto's pixels."""
    finest = min((record.gsd_mm for _, record in orthophotos_of(book, survey.surv_id)), default=1.0)
    return PLACE_PX * finest / 1e3 / metres_per_unit(book)


def place_text(place: Place, language: Language, metre: float) -> str:
    """Return what makes a place one of the worst; ``metre`` is metres per map unit."""
    if place.loss_m2 is not None:
        return word("place_loss", language, v=shown(place.loss_m2 * 1e4, 3))
    side_cm = shown((place.extent[2] - place.extent[0]) * metre * 100, 3)
    return word("place_crack", language, v=shown(place.crack_m, 3), w=side_cm, h=side_cm)


def worst_places(book: Book, request: Request, survey: Survey, side: float) -> list[Place]:
    """Return the largest losses and the cells with most crack length, worst first of each kind.

    Parameters
    ----------
    side : float
        Side of a cell, and the least side of a place, in map units.
    """
    return [*_largest_losses(book, request, survey, side), *_densest_cells(book, request, survey, side)]


def features_in(
    book: Book, table: str, survey: Survey, extent: tuple[float, float, float, float]
) -> Iterator[Any]:
    """Yield the geometries of a survey's features that reach into an extent."""
    x0, y0, x1, y1 = extent
    where = (
        "surv_id = ? AND status IS NOT 'rejected' AND fid IN "
        f"(SELECT id FROM rtree_{table}_geom WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ?)"
    )
    for chunk in stream_features(book.connection, table, (), where, (survey.surv_id, x0, x1, y0, y1)):
        yield from chunk.geometries


def _largest_losses(book: Book, request: Request, survey: Survey, side: float) -> list[Place]:
    wanted = request.elements_json
    rows = book.connection.execute(
        "SELECT elem_id, area_m2, geom FROM loss_polygon WHERE surv_id = ? AND status IS NOT 'rejected' "
        "AND geom IS NOT NULL AND (? IS NULL OR elem_id IN (SELECT value FROM json_each(?))) "
        "ORDER BY area_m2 DESC, fid LIMIT ?",
        (survey.surv_id, wanted, wanted, _EACH),
    )
    places = []
    for elem_id, area, blob in rows:
        # The spatial index knows places to seven digits: half a metre of a northing.
        x0, y0, x1, y1 = shapely.bounds(shapely.from_wkb(wkb_of(blob))).tolist()
        half = max(side, _FILL * (x1 - x0), _FILL * (y1 - y0)) / 2
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        places.append(Place((x - half, y - half, x + half, y + half), elem_id, area, None))
    return places


def _densest_cells(book: Book, request: Request, survey: Survey, side: float) -> list[Place]:
    lengths: dict[tuple[int, int], float] = defaultdict(float)
    owners: dict[tuple[int, int], str | None] = {}
    where = (
        "surv_id = ? AND status IS NOT 'rejected' "
        "AND (? IS NULL OR elem_id IN (SELECT value FROM json_each(?)))"
    )
    wanted = request.elements_json
    for chunk in stream_features(
        book.connection, "crack_line", ("elem_id", "len_m"), where, (survey.surv_id, wanted, wanted)
    ):
        middles = shapely.get_coordinates(
            shapely.line_interpolate_point(chunk.geometries, 0.5, normalized=True)
        )
        cells = np.floor(middles / side).astype(int).tolist()
        for (col, row), (elem_id, length) in zip(cells, chunk.rows, strict=True):
            lengths[col, row] += length or 0.0
            owners.setdefault((col, row), elem_id)
    best = sorted(lengths, key=lambda cell: (-lengths[cell], cell))[:_EACH]
    return [
        Place(
            (col * side, row * side, (col + 1) * side, (row + 1) * side),
            owners[col, row],
            None,
            lengths[col, row],
        )
        for col, row in best
    ]
