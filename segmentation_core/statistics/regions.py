"""Assessed regions of elements, and how much of a line or area lies in each.

A region is the element's outline, inside the assessed pixels. Features wholly inside one are counted
whole; only those that meet a border are cut, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.statistics.outlines import named, polygon_parts

__all__ = ["Parts", "Regions", "assessed_regions", "overlapping"]

_SLIVER = 1e-9
"""Parts below this share of their feature are rounding, not presence."""

_SHARE_A_STRETCH = "1********"
"""DE-9IM of two lines with a stretch, not only points, in common. The relation is exact; an intersection
alone would also call lines that differ by rounding shared, and not from both sides alike."""


@dataclass(frozen=True)
class Parts:
    """Which feature has how much in which region; parallel arrays.

    Attributes
    ----------
    features, regions : ndarray of int64
        Indices.
    amounts : ndarray of float
        Length or area in map units; 1 for points.
    """

    features: NDArray[np.int64]
    regions: NDArray[np.int64]
    amounts: NDArray[np.float64]

    def largest(self, feature_count: int) -> NDArray[np.int64]:
        """Return, per feature, the region with its largest part, or -1."""
        home = np.full(feature_count, -1, dtype=np.int64)
        order = np.lexsort((-self.regions, self.amounts))
        home[self.features[order]] = self.regions[order]
        return home


@dataclass
class Regions:
    """Regions with an index for quick look-up.

    Attributes
    ----------
    geometries : ndarray of shapely (Multi)Polygon
        Valid; may be empty.
    """

    geometries: NDArray[np.object_]
    _tree: shapely.STRtree = field(init=False, repr=False)
    _outlines: dict[int, Any] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        shapely.prepare(self.geometries)
        self._tree = shapely.STRtree(self.geometries)

    @property
    def areas(self) -> NDArray[np.float64]:
        """Areas in square map units."""
        return np.asarray(shapely.area(self.geometries), dtype=np.float64)

    def areas_of(self, polygons: NDArray[np.object_]) -> Parts:
        """Return the area of polygons inside each region.

        Rings are measured one by one and holes subtracted: of a crack network with ten thousand holes
        only the few rings that meet a border are cut.
        """
        polygons = _valid(polygons)
        rings, owners, signs = _rings(polygons)
        parts = self._parts(rings, shapely.area, shapely.covers, self._cut_areas)
        keys = owners[parts.features] * len(self.geometries) + parts.regions
        pairs, pair_of = np.unique(keys, return_inverse=True)
        amounts = np.bincount(pair_of, weights=signs[parts.features] * parts.amounts, minlength=len(pairs))
        features, regions = np.divmod(pairs, len(self.geometries))
        present = amounts > _SLIVER * shapely.area(polygons)[features]
        return Parts(features[present], regions[present], amounts[present])

    def lengths_of(self, lines: NDArray[np.object_]) -> Parts:
        """Return the length of lines inside each region.

        A stretch that runs along a region's border counts half, because the regions on its two sides
        share it: over a partition the parts then add up to the whole.
        """
        return self._parts(lines, shapely.length, shapely.contains_properly, self._cut_lines)

    def points_in(self, points: NDArray[np.object_]) -> Parts:
        """Return the points in each region, its border included."""
        found, regions = self._tree.query(points, predicate="covered_by")
        return Parts(found, regions, np.ones(len(found)))

    def _parts(
        self,
        shapes: NDArray[np.object_],
        size: Callable[[Any], Any],
        is_inside: Callable[[Any, Any], Any],
        cut: Callable[[int, Any], NDArray[np.float64]],
    ) -> Parts:
        features, regions = self._tree.query(shapes)
        amounts = np.zeros(len(features))
        whole = np.asarray(size(shapes), dtype=np.float64)
        for region in np.unique(regions):
            here = np.flatnonzero(regions == region)
            inside = is_inside(self.geometries[region], shapes[features[here]])
            amounts[here[inside]] = whole[features[here[inside]]]
            rest = here[~inside]
            rest = rest[shapely.intersects(self.geometries[region], shapes[features[rest]])]
            if len(rest):
                amounts[rest] = cut(int(region), shapes[features[rest]])
        present = amounts > _SLIVER * whole[features]
        return Parts(features[present], regions[present], amounts[present])

    def _cut_areas(self, region: int, polygons: NDArray[np.object_]) -> NDArray[np.float64]:
        cut = shapely.intersection(self.geometries[region], polygons)
        return np.asarray(shapely.area(cut), dtype=np.float64)

    def _cut_lines(self, region: int, lines: NDArray[np.object_]) -> NDArray[np.float64]:
        if region not in self._outlines:
            self._outlines[region] = shapely.boundary(self.geometries[region])
        outline = self._outlines[region]
        inside = np.asarray(shapely.length(shapely.intersection(self.geometries[region], lines)))
        shared = np.flatnonzero(shapely.relate_pattern(lines, outline, _SHARE_A_STRETCH))
        inside[shared] -= 0.5 * shapely.length(shapely.intersection(outline, lines[shared]))
        return inside


def assessed_regions(outlines: NDArray[np.object_] | None, assessed: Any) -> Regions:
    """Return the part of each outline that was assessed; the whole assessed area without outlines."""
    if outlines is None:
        return Regions(np.array([assessed], dtype=object))
    shapely.prepare(assessed)
    covered = shapely.covers(assessed, outlines)
    regions = outlines.copy()
    for index in np.flatnonzero(~covered):
        regions[index] = polygon_parts(shapely.intersection(outlines[index], assessed))
    return Regions(regions)


def overlapping(ids: Sequence[str], outlines: NDArray[np.object_]) -> list[str]:
    """Return a note where elements share area, which counts in both; no note where none do."""
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    pairs = first < second
    first, second = first[pairs], second[pairs]
    shared = shapely.area(shapely.intersection(outlines[first], outlines[second]))
    smaller = np.minimum(shapely.area(outlines[first]), shapely.area(outlines[second]))
    pairs = shared > 1e-6 * smaller
    if not pairs.any():
        return []
    names = [f"{ids[a]} and {ids[b]}" for a, b in zip(first[pairs], second[pairs], strict=True)]
    return [f"elements overlap, and what lies in both counts in both: {named(names)}"]


def _valid(polygons: NDArray[np.object_]) -> NDArray[np.object_]:
    repaired: NDArray[np.object_] = polygons.copy()
    for index in np.flatnonzero(~shapely.is_valid(polygons)):
        repaired[index] = polygon_parts(shapely.make_valid(polygons[index]))
    return repaired


def _rings(
    polygons: NDArray[np.object_],
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.float64]]:
    """Return all rings as polygons, the polygon each belongs to, and +1 for shells, -1 for holes."""
    parts, part_owners = shapely.get_parts(polygons, return_index=True)
    rings, ring_parts = shapely.get_rings(parts, return_index=True)
    signs = np.where(np.diff(ring_parts, prepend=-1) > 0, 1.0, -1.0)
    return np.asarray(shapely.polygons(rings)), part_owners[ring_parts], signs
