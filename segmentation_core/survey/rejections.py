"""What a rejected crack line takes out of the crack areas.

A line and an area are two layers: an area is a whole crack's pixels in a lattice cell, a line one branch of
it. A person rejects lines, and what is rejected is kept, but outside totals and exports (DESIGN, section 4).
So an area loses what lies nearer to a rejected line of its crack than to one that counts.
"""

from __future__ import annotations

import sqlite3

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import Voronoi

from segmentation_core.statistics.features import stream_features
from segmentation_core.statistics.outlines import polygon_parts

__all__ = ["RejectedLines"]

_OF_TOUCHED_CRACKS = (
    "surv_id = ? AND orth_id = ? AND comp_id IN (SELECT comp_id FROM crack_line "
    "WHERE surv_id = ? AND orth_id = ? AND status = 'rejected')"
)
_MARGIN_PX = 20.0
_FAR = 1e3
"""Corners of a window this many times as large close the cells of the outermost points."""


class RejectedLines:
    """The rejected lines of an orthophoto, with the other lines of their connected cracks.

    Parameters
    ----------
    connection : sqlite3 connection
        To a survey book.
    surv_id, orth_id : str
        Survey and orthophoto.
    pixel_side : float
        Of the orthophoto, in map units.

    Notes
    -----
    Memory: the lines of those connected cracks of which a line is rejected.
    """

    def __init__(self, connection: sqlite3.Connection, surv_id: str, orth_id: str, pixel_side: float) -> None:
        lines: list[NDArray[np.object_]] = []
        rows: list[tuple[int, str]] = []
        whose = (surv_id, orth_id) * 2
        for chunk in stream_features(
            connection, "crack_line", ("comp_id", "status"), _OF_TOUCHED_CRACKS, whose
        ):
            lines.append(chunk.geometries)
            rows.extend(chunk.rows)
        self._pixel_side = pixel_side
        self._lines = np.concatenate(lines) if lines else np.empty(0, dtype=object)
        self._cracks = np.array([row[0] for row in rows], dtype=np.int64)
        self._counts = np.array([row[1] != "rejected" for row in rows], dtype=bool)
        self._tree = shapely.STRtree(self._lines)

    def left_of(self, areas: NDArray[np.object_], cracks: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return what the rejected lines leave of crack areas; an empty shape where that is nothing.

        Parameters
        ----------
        areas : ndarray of shapely (Multi)Polygon
            In the orthophoto's own frame.
        cracks : ndarray of int64
            The connected crack (``comp_id``) of each.
        """
        touched = np.flatnonzero(np.isin(cracks, self._cracks))
        if len(touched) == 0:
            return areas
        left: NDArray[np.object_] = areas.copy()
        for index in touched.tolist():
            left[index] = self._left_of(areas[index], int(cracks[index]))
        return left

    def _left_of(self, area: object, crack: int) -> object:
        if not self._counts[self._cracks == crack].any():
            return shapely.MultiPolygon()
        valid = shapely.make_valid(area)
        near = self._tree.query(valid, predicate="intersects")
        near = near[self._cracks[near] == crack]
        rejected = near[~self._counts[near]]
        if len(rejected) == 0:
            return area
        gone = shapely.union_all([self._side_of(index, crack) for index in rejected.tolist()])
        left = polygon_parts(shapely.difference(valid, gone))
        # Pixels at the far end of a rejected line, beyond its cells, hang on nothing that counts.
        held = shapely.union_all(self._lines[near[self._counts[near]]])
        kept = [part for part in shapely.get_parts(left) if shapely.intersects(part, held)]
        return shapely.MultiPolygon(kept)

    def _side_of(self, index: int, crack: int) -> object:
        """Return what lies nearer to a line than to those of its crack that count, around that line."""
        margin = _MARGIN_PX * self._pixel_side
        west, south, east, north = shapely.bounds(self._lines[index])
        window = shapely.box(west - margin, south - margin, east + margin, north + margin)
        others = self._tree.query(window, predicate="intersects")
        others = others[(self._cracks[others] == crack) & self._counts[others]]
        if len(others) == 0:
            return window
        own, theirs = (
            self._points(self._lines[kept], window) for kept in (np.array([index], dtype=np.int64), others)
        )
        if len(theirs) == 0:
            return window
        return shapely.intersection(_cells(own, theirs), window)

    def _points(self, lines: NDArray[np.object_], window: object) -> NDArray[np.float64]:
        """Return the middles of short steps along lines, so that two that meet at a node share no point."""
        steps = shapely.segmentize(shapely.get_parts(lines), self._pixel_side)
        points, line = shapely.get_coordinates(steps, return_index=True)
        middles = ((points[1:] + points[:-1]) / 2)[line[1:] == line[:-1]]
        west, south, east, north = shapely.bounds(window)
        inside: NDArray[np.float64] = middles[
            ((middles >= (west, south)) & (middles <= (east, north))).all(axis=1)
        ]
        return inside


def _cells(own: NDArray[np.float64], others: NDArray[np.float64]) -> object:
    """Return the places that are nearer to one of ``own`` than to any of ``others``."""
    points = np.concatenate((own, others))
    low, high = points.min(axis=0), points.max(axis=0)
    middle, reach = (low + high) / 2, _FAR * max(float((high - low).max()), 1e-9)
    corners = middle + reach * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    diagram = Voronoi(np.concatenate((points - middle, corners - middle)))
    rings = [diagram.vertices[diagram.regions[diagram.point_region[n]]] + middle for n in range(len(own))]
    return shapely.union_all([shapely.Polygon(ring) for ring in rings if len(ring) > 2])
