"""Topology and direction of crack lines inside regions (MEASUREMENT, section 3).

Nodes are counted from the lines that count: how many ends of them meet at a node of the skeleton's graph. So
a rejected line leaves its junction, and two branches that then run into each other have no node between
them. A line that a person drew has no node of the graph; its two ends count as tips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.statistics.features import FeatureChunk
from segmentation_core.statistics.network_quantities import ROSE_BINS, rose_code
from segmentation_core.statistics.regions import Parts, Regions

__all__ = ["LineEnds", "Nodes", "axes_of", "directions", "sinuosities"]

_WHOLE = 1 - 1e-12
_CUT_OFF = "E"
_SECTOR = np.pi / 8
_SQUARE = 1.02
"""An element less elongated than this has no axis of its own: the picture's horizontal is taken."""


def axes_of(outlines: NDArray[np.object_]) -> NDArray[np.float64]:
    """Return the axis of each outline, radians from the x axis: the long side of its smallest rectangle."""
    axes = np.zeros(len(outlines))
    for index, rectangle in enumerate(shapely.oriented_envelope(outlines)):
        corners = shapely.get_coordinates(rectangle)
        if len(corners) < 4:
            continue
        sides = np.diff(corners[:3], axis=0)
        lengths = np.hypot(sides[:, 0], sides[:, 1])
        if lengths.max() >= _SQUARE * lengths.min():
            right, up = sides[np.argmax(lengths)]
            axes[index] = np.arctan2(up, right) % np.pi
    return axes


def directions(
    lines: NDArray[np.object_], parts: Parts, regions: Regions, axes: NDArray[np.float64]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    """Return sums by direction per region, in map units, and how many ends the regions' borders cut.

    Every segment of the smoothed line counts with its length; what is cut by a border, with its part inside.

    Parameters
    ----------
    lines : ndarray of shapely LineString
    parts : Parts
        How much of each lies in which region (`Regions.lengths_of`).
    regions : Regions
    axes : ndarray of float, shape (regions,)
        Radians; angles are relative to them.
    """
    count = len(regions.geometries)
    whole = parts.amounts >= _WHOLE * shapely.length(lines)[parts.features]
    cut = shapely.line_merge(
        shapely.intersection(regions.geometries[parts.regions[~whole]], lines[parts.features[~whole]])
    )
    pieces, piece_of = shapely.get_parts(cut, return_index=True)
    linear = shapely.get_type_id(pieces) == shapely.GeometryType.LINESTRING
    pieces, piece_of = pieces[linear], piece_of[linear]
    cut_regions = parts.regions[~whole]
    made = _ends_made(pieces, lines[parts.features[~whole][piece_of]])
    cut_ends = np.bincount(cut_regions[piece_of], made, minlength=count).astype(np.int64)

    shapes = np.concatenate([lines[parts.features[whole]], pieces])
    region = np.concatenate([parts.regions[whole], cut_regions[piece_of]])
    # A stretch along a border counts half in `amounts`; its segments follow.
    sizes = np.bincount(piece_of, shapely.length(pieces), minlength=len(cut_regions))
    share = parts.amounts[~whole] / np.where(sizes > 0, sizes, 1.0)
    weight = np.concatenate([np.ones(int(whole.sum())), share[piece_of]])
    coordinates, owner = shapely.get_coordinates(shapes, return_index=True)
    steps = np.diff(coordinates, axis=0)[owner[1:] == owner[:-1]]
    owner = owner[1:][owner[1:] == owner[:-1]]
    lengths = np.hypot(steps[:, 0], steps[:, 1]) * weight[owner]
    region = region[owner]
    angles = (np.arctan2(steps[:, 1], steps[:, 0]) - axes[region]) % np.pi

    def summed(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(region, values, minlength=count).astype(np.float64)

    bins = np.minimum((angles / np.pi * ROSE_BINS).astype(np.int64), ROSE_BINS - 1)
    rose = np.bincount(region * ROSE_BINS + bins, lengths, minlength=count * ROSE_BINS).astype(np.float64)
    sums = {
        "crack_turned_m": summed(lengths),
        "turn_cos_m": summed(lengths * np.cos(2 * angles)),
        "turn_sin_m": summed(lengths * np.sin(2 * angles)),
        "along_m": summed(lengths * (np.minimum(angles, np.pi - angles) <= _SECTOR)),
        "across_m": summed(lengths * (np.abs(angles - np.pi / 2) <= _SECTOR)),
        "met_along_m": summed(lengths * np.sin(angles)),
        "met_across_m": summed(lengths * np.abs(np.cos(angles))),
    }
    sums |= {rose_code(k): rose.reshape(count, ROSE_BINS)[:, k] for k in range(ROSE_BINS)}
    return sums, cut_ends


def _ends_made(pieces: NDArray[np.object_], lines: NDArray[np.object_]) -> NDArray[np.int64]:
    """Return how many ends of each piece are none of its line: where the line ends, its node counts.

    That may be on the region's border too, as it is where the raster's border is the element's.
    """
    made = np.zeros(len(pieces), np.int64)
    is_ring = shapely.is_closed(lines)
    for at in (0, -1):
        end = shapely.get_point(pieces, at)
        apart = np.minimum(*(shapely.distance(end, shapely.get_point(lines, side)) for side in (0, -1)))
        made += is_ring | (apart > 1e-9 * shapely.length(lines))
    return made


def sinuosities(
    lines: NDArray[np.object_], parts: Parts, region_count: int
) -> dict[str, NDArray[np.float64]]:
    """Return per region the length of open branches inside, plain and times length over chord, map units."""
    chords = shapely.distance(shapely.get_point(lines, 0), shapely.get_point(lines, -1))
    lengths = shapely.length(lines)
    is_open = chords > 1e-9 * lengths
    ratios = np.divide(lengths, chords, out=np.zeros(len(lines)), where=is_open)
    plain = parts.amounts * is_open[parts.features]
    return {
        code: np.bincount(parts.regions, values, minlength=region_count).astype(np.float64)
        for code, values in (("chorded_m", plain), ("sinuous_m", plain * ratios[parts.features]))
    }


@dataclass(frozen=True)
class Nodes:
    """Nodes of the lines that count; parallel arrays.

    Attributes
    ----------
    regions : ndarray of int64
        Where each lies.
    degrees : ndarray of int64
        How many ends meet there: 1, or 3 and more.
    cut : ndarray of bool
        Whether the crack is cut off there.
    """

    regions: NDArray[np.int64]
    degrees: NDArray[np.int64]
    cut: NDArray[np.bool_]


class LineEnds:
    """Collects the ends of lines while they stream; memory: 16 bytes a line.

    Parameters
    ----------
    regions : Regions
        Where nodes are looked for; one on the border of several counts in the first.
    """

    def __init__(self, regions: Regions) -> None:
        self._regions = regions
        self._ids: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        self._free: list[Nodes] = []

    def add(self, chunk: FeatureChunk, node_a: int, node_b: int) -> None:
        """Add lines; ``node_a`` and ``node_b`` are the columns with the numbers of their nodes."""
        numbers = [(row[node_a], row[node_b]) for row in chunk.rows]
        drawn = np.array([None in pair for pair in numbers], dtype=bool)
        known = [pair for pair in numbers if None not in pair]
        self._ids.append(np.array(known, dtype=np.int64).ravel())
        lines = chunk.geometries[drawn & ~shapely.is_closed(chunk.geometries)]
        tips = np.concatenate([shapely.get_point(lines, at) for at in (0, -1)])
        found, regions = self._placed(tips)
        self._free.append(Nodes(regions, np.ones(len(found), np.int64), np.zeros(len(found), dtype=bool)))

    def nodes(self, chunk: FeatureChunk, node_id: int, kind: int) -> Nodes:
        """Return those of some nodes at which counted lines end."""
        if len(self._ids) > 1:
            self._ids = [np.sort(np.concatenate(self._ids))]
        ends = self._ids[0]
        ids = np.array([row[node_id] if row[node_id] is not None else -1 for row in chunk.rows], np.int64)
        degrees = np.searchsorted(ends, ids, "right") - np.searchsorted(ends, ids, "left")
        cut = np.array([row[kind] == _CUT_OFF for row in chunk.rows], dtype=bool)
        found, regions = self._placed(chunk.geometries)
        counted = (degrees[found] == 1) | (degrees[found] >= 3)
        found, regions = found[counted], regions[counted]
        return Nodes(regions, degrees[found], cut[found] & (degrees[found] == 1))

    def drawn_tips(self) -> list[Nodes]:
        """Return the ends of the lines without nodes."""
        return self._free

    def _placed(self, points: NDArray[np.object_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        parts = self._regions.points_in(points)
        inside = shapely.contains_properly(self._regions.geometries[parts.regions], points[parts.features])
        on_border = np.flatnonzero(~inside)
        _, first = np.unique(parts.features[on_border], return_index=True)
        kept = np.sort(np.concatenate([np.flatnonzero(inside), on_border[first]]))
        return parts.features[kept], parts.regions[kept]
