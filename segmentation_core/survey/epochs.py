"""A survey's cracks and losses as they lie in a book, brought into one frame for a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.change.epoch import Epoch
from segmentation_core.statistics.features import stream_features
from segmentation_core.statistics.layers import Moved
from segmentation_core.statistics.outlines import polygon_parts
from segmentation_core.survey.figures import COUNTED, Sighting, grounds_of
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import orthophotos_of

__all__ = ["Landing", "Placement", "Rejected", "in_mm", "placements_of", "read_epoch", "rejected_in"]

_TIP, _CUT_OFF = "I", "E"


@dataclass(frozen=True)
class Placement:
    """One orthophoto of a survey, and the ground on which it is the one that counts.

    Attributes
    ----------
    sighting : Sighting
        Its ``moved`` brings map coordinates into the common frame.
    ground : shapely (Multi)Polygon
        In the common frame, map units.
    """

    sighting: Sighting
    ground: Any


@dataclass(frozen=True)
class Landing:
    """How one orthophoto of a survey comes into the common frame.

    Attributes
    ----------
    orth_id : str
    moved : callable or None
        See `Sighting`; None: it lies in the frame.
    within : shapely (Multi)Polygon or None
        Where in the frame that holds; None: everywhere.
    """

    orth_id: str
    moved: Moved | None = None
    within: Any = None


@dataclass(frozen=True)
class Rejected:
    """What a survey found and a person said is none, mm."""

    cracks: NDArray[np.object_]
    losses: NDArray[np.object_]


def placements_of(book: Book, surv_id: str, landings: Sequence[Landing]) -> list[Placement]:
    """Return a survey's orthophotos with their grounds in the common frame, none of which overlap.

    An orthophoto may land several times, on different ground each time.
    """
    orthophotos = orthophotos_of(book, surv_id)
    grounds, _ = grounds_of(book, orthophotos)
    own = {
        orth_id: (number, record, ground)
        for number, ((orth_id, record), ground) in enumerate(zip(orthophotos, grounds, strict=True))
    }
    placements = []
    taken: Any = shapely.MultiPolygon()
    for landing in landings:
        number, record, ground = own[landing.orth_id]
        if landing.moved is not None:
            ground = polygon_parts(shapely.make_valid(_one(landing.moved, ground)))
        if landing.within is not None:
            ground = polygon_parts(shapely.intersection(ground, landing.within))
        if len(landings) > 1 and record.is_georeferenced:
            ground, taken = polygon_parts(shapely.difference(ground, taken)), shapely.union(taken, ground)
        sighting = Sighting(surv_id, landing.orth_id, number, record, landing.moved)
        placements.append(Placement(sighting, ground))
    return placements


def read_epoch(book: Book, placements: Sequence[Placement], mm_per_unit: float) -> Epoch:
    """Return what a survey shows, rejected features left out, in mm of the common frame.

    Parameters
    ----------
    book : Book
    placements : sequence of Placement
        Not empty.
    mm_per_unit : float
        Of the common frame's coordinates.

    Notes
    -----
    Memory: all lines and losses of the survey.
    """
    lines = [row for placement in placements for row in _lines(book, placement)]
    losses = [row for placement in placements for row in _losses(book, placement)]
    return Epoch(
        lines=list(in_mm([row[0] for row in lines], mm_per_unit)),
        uids=[row[1] for row in lines],
        widths_mm=np.array([np.nan if row[2] is None else 1e3 * row[2] for row in lines], dtype=np.float64),
        node_kinds=[row[3] for row in lines],
        losses=list(in_mm([row[0] for row in losses], mm_per_unit)),
        loss_uids=[row[1] for row in losses],
        gsd_mm=max(placement.sighting.record.gsd_mm for placement in placements),
        assessed=in_mm([shapely.union_all([p.ground for p in placements])], mm_per_unit)[0],
    )


def rejected_in(book: Book, placements: Sequence[Placement], mm_per_unit: float) -> Rejected:
    """Return what a person rejected in a survey, mm of the common frame."""
    where = "surv_id = ? AND orth_id = ? AND status = 'rejected'"
    return Rejected(
        *(
            in_mm(
                [
                    shape
                    for placement in placements
                    for shapes, _ in _placed(book, placement, table, (), where)
                    for shape in shapes
                ],
                mm_per_unit,
            )
            for table in ("crack_line", "loss_polygon")
        )
    )


def in_mm(geometries: Sequence[Any], mm_per_unit: float) -> NDArray[np.object_]:
    """Return geometries with their coordinates in mm."""
    made = np.empty(len(geometries), dtype=object)
    made[:] = list(geometries)
    return np.asarray(shapely.transform(made, lambda xy: xy * mm_per_unit), dtype=object)


def _lines(book: Book, placement: Placement) -> Iterator[tuple[Any, str, float | None, tuple[str, str]]]:
    """Yield the lines on a ground: geometry, uid, width in m, what they begin and end at."""
    kinds = _node_kinds(book, placement.sighting)
    for shapes, rows in _placed(book, placement, "crack_line", ("uid", "wid_m", "node_a", "node_b")):
        inside = shapely.covers(placement.ground, shapes)
        for shape, (uid, width_m, node_a, node_b), whole in zip(shapes, rows, inside, strict=True):
            ends = (kinds.get(node_a, _TIP), kinds.get(node_b, _TIP))
            if whole:
                yield shape, uid, width_m, ends
                continue
            parts = shapely.line_merge(shapely.intersection(placement.ground, shape))
            for part in shapely.get_parts(parts):
                if part.geom_type == "LineString":
                    yield part, uid, width_m, _ends_of(part, shape, ends)


def _ends_of(part: Any, line: Any, ends: tuple[str, str]) -> tuple[str, str]:
    """Return what a part of a line begins and ends at; where the ground's border cut it, E."""
    own = {line.coords[-1]: ends[1], line.coords[0]: ends[0]}
    return own.get(part.coords[0], _CUT_OFF), own.get(part.coords[-1], _CUT_OFF)


def _losses(book: Book, placement: Placement) -> Iterator[tuple[Any, str]]:
    for shapes, rows in _placed(book, placement, "loss_polygon", ("uid",)):
        valid = shapely.make_valid(shapes)
        inside = shapely.covers(placement.ground, valid)
        for shape, (uid,), whole in zip(valid, rows, inside, strict=True):
            cut = polygon_parts(shape if whole else shapely.intersection(placement.ground, shape))
            if not cut.is_empty:
                yield cut, uid


def _placed(
    book: Book, placement: Placement, table: str, columns: tuple[str, ...], where: str = COUNTED
) -> Iterator[tuple[NDArray[np.object_], list[tuple[Any, ...]]]]:
    sighting = placement.sighting
    shapely.prepare(placement.ground)
    for chunk in stream_features(
        book.connection, table, columns, where, (sighting.surv_id, sighting.orth_id)
    ):
        shapes = chunk.geometries if sighting.moved is None else sighting.moved(chunk.geometries)
        yield shapes, chunk.rows


def _node_kinds(book: Book, sighting: Sighting) -> dict[int, str]:
    query = "SELECT node_id, kind FROM crack_node WHERE surv_id = ? AND orth_id = ? AND node_id IS NOT NULL"
    return dict(book.connection.execute(query, (sighting.surv_id, sighting.orth_id)))


def _one(move: Any, geometry: Any) -> Any:
    shapes = np.empty(1, dtype=object)
    shapes[0] = geometry
    return move(shapes)[0]
