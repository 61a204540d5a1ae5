"""Lines laid end to end on one axis, so that stretches of many lines are plain numbers.

Chainage: the distance along that axis, mm. Each line has its own span; spans are a gap apart, so that
stretches of two lines never touch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.change.stretches import Stretches, union

__all__ = ["Courses", "Segments", "courses_of", "inside"]

_GAP_MM = 1.0


@dataclass(frozen=True)
class Courses:
    """Lines and the chainage of their vertices.

    Attributes
    ----------
    lines : ndarray of shapely LineString, shape (L,)
    vertices : ndarray of float64, shape (V, 2)
    chainage : ndarray of float64, shape (V,)
        Ascending.
    firsts : ndarray of int64, shape (L + 1,)
        Index of each line's first vertex, and V.
    """

    lines: NDArray[np.object_]
    vertices: NDArray[np.float64]
    chainage: NDArray[np.float64]
    firsts: NDArray[np.int64]

    @cached_property
    def begins(self) -> NDArray[np.float64]:
        """Chainage at which each line begins."""
        return self.chainage[self.firsts[:-1]]

    @cached_property
    def ends(self) -> NDArray[np.float64]:
        """Chainage at which each line ends."""
        return self.chainage[self.firsts[1:] - 1]

    @property
    def whole(self) -> Stretches:
        """All lines."""
        return union(self.begins, self.ends)

    def line_at(self, chainage: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the line that each chainage lies on."""
        return np.searchsorted(self.begins, chainage, side="right") - 1

    def points(self, chainage: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the points at chainages, shape (N, 2)."""
        if not self.chainage.size:
            return np.zeros((0, 2))
        return np.column_stack([np.interp(chainage, self.chainage, self.vertices[:, k]) for k in (0, 1)])

    def cut(self, stretches: Stretches) -> NDArray[np.object_]:
        """Return each stretch as a LineString; one that is a whole line is that very line."""
        line = self.line_at(stretches.starts)
        whole = (stretches.starts == self.begins[line]) & (stretches.stops == self.ends[line])
        pieces: NDArray[np.object_] = self.lines[line]
        part = np.flatnonzero(~whole)
        starts, stops = stretches.starts[part], stretches.stops[part]
        first = np.searchsorted(self.chainage, starts, side="right")
        counts = np.maximum(np.searchsorted(self.chainage, stops, side="left") - first, 0)
        owner = np.repeat(np.arange(part.size), counts)
        inner = np.arange(owner.size) + np.repeat(first - np.cumsum(counts) + counts, counts)
        places = np.concatenate([starts, self.chainage[inner], stops])
        owners = np.concatenate([np.arange(part.size), owner, np.arange(part.size)])
        order = np.lexsort((places, owners))
        if part.size:
            pieces[part] = shapely.linestrings(self.points(places[order]), indices=owners[order])
        return pieces

    def segments(self, tolerance_mm: float, longest_mm: float) -> Segments:
        """Return straight segments that follow the lines within a tolerance.

        Simplifying shortens a line by a few parts in ten thousand; chainage is stretched to make up for it.
        """
        drawn = shapely.simplify(self.lines, tolerance_mm, preserve_topology=False)
        # A ring of a few pixels would become a point.
        drawn = np.where(shapely.is_closed(self.lines), self.lines, drawn)
        drawn = shapely.segmentize(drawn, longest_mm)
        plain = courses_of(drawn)
        line = np.repeat(np.arange(len(drawn)), np.diff(plain.firsts))
        shorter = np.maximum(plain.ends - plain.begins, np.finfo(float).tiny)
        stretch = (self.ends - self.begins) / shorter
        chainage = self.begins[line] + (plain.chainage - plain.begins[line]) * stretch[line]
        chainage[plain.firsts[1:] - 1] = self.ends
        left = np.flatnonzero((line[:-1] == line[1:]) & (np.diff(plain.chainage) > 0))
        return Segments(
            plain.vertices[left],
            plain.vertices[left + 1],
            chainage[left],
            chainage[left + 1],
            line[left],
        )


@dataclass(frozen=True)
class Segments:
    """Straight segments; arrays have one entry per segment, in order of chainage.

    Attributes
    ----------
    starts, stops : ndarray of float64, shape (S, 2)
    start_chainage, stop_chainage : ndarray of float64
    line : ndarray of int64
    """

    starts: NDArray[np.float64]
    stops: NDArray[np.float64]
    start_chainage: NDArray[np.float64]
    stop_chainage: NDArray[np.float64]
    line: NDArray[np.int64]

    @cached_property
    def index(self) -> shapely.STRtree:
        """The segments, to look up."""
        ends = np.stack([self.starts, self.stops], axis=1)
        return shapely.STRtree(np.asarray(shapely.linestrings(ends), dtype=object).reshape(-1))

    def boxes(self, beyond_mm: float) -> NDArray[np.object_]:
        """Return the box around each segment, wider by a distance."""
        low, high = np.minimum(self.starts, self.stops), np.maximum(self.starts, self.stops)
        made = shapely.box(*(low - beyond_mm).T, *(high + beyond_mm).T)
        return np.asarray(made, dtype=object).reshape(-1)


def courses_of(lines: NDArray[np.object_]) -> Courses:
    """Return lines with their chainage."""
    vertices, line = shapely.get_coordinates(lines, return_index=True)
    firsts = np.searchsorted(line, np.arange(len(lines) + 1))
    steps = np.hypot(*np.diff(vertices, axis=0).T)
    steps[firsts[1:-1] - 1] = _GAP_MM
    chainage = np.concatenate([[0.0], np.cumsum(steps)])[: len(vertices)]
    return Courses(lines, vertices, chainage, firsts)


def inside(courses: Courses, area: Any) -> Stretches:
    """Return the stretches of lines inside an area, its border included."""
    shapely.prepare(area)
    whole = shapely.covers(area, courses.lines)
    crossing = np.flatnonzero(~whole & shapely.intersects(area, courses.lines))
    # Segment by segment: a line that passes one place twice is cut both times.
    vertex = np.concatenate([np.zeros(0, int), *_vertices(courses, crossing)])
    starts, stops = courses.vertices[vertex], courses.vertices[vertex + 1]
    cuts = shapely.intersection(
        shapely.linestrings(np.stack([starts, stops], axis=1)) if vertex.size else np.zeros(0, object),
        shapely.boundary(area),
    )
    points, owner = shapely.get_coordinates(cuts, return_index=True)
    line = courses.line_at(courses.chainage[vertex[owner]])
    along = courses.chainage[vertex[owner]] + np.hypot(*(points - starts[owner]).T)
    along = np.clip(along, courses.begins[line], courses.ends[line])
    bounds = np.concatenate([along, courses.begins[crossing], courses.ends[crossing]])
    owners = np.concatenate([line, crossing, crossing])
    order = np.lexsort((bounds, owners))
    bounds, owners = bounds[order], owners[order]
    same = owners[:-1] == owners[1:]
    starts, stops = bounds[:-1][same], bounds[1:][same]
    middles = courses.points((starts + stops) / 2)
    kept = shapely.covers(area, shapely.points(middles)) if len(middles) else np.zeros(0, bool)
    return union(
        np.concatenate([courses.begins[whole], starts[kept]]),
        np.concatenate([courses.ends[whole], stops[kept]]),
    )


def _vertices(courses: Courses, lines: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the vertices of lines at which a segment starts."""
    return [np.arange(courses.firsts[line], courses.firsts[line + 1] - 1) for line in lines.tolist()]
