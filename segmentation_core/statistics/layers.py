"""Measure the layers of loss polygons, crack areas and crack lines over regions, in one pass each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from segmentation_core.statistics.features import FeatureChunk, stream_features
from segmentation_core.statistics.network import LineEnds
from segmentation_core.statistics.regions import Parts, Regions
from segmentation_core.statistics.tally import Tally
from segmentation_core.vectors.outline_length import outline_lengths

__all__ = ["Moved", "Placed", "Selection", "tally_layers"]

_KEY_SHIFT = 44
"""Bits kept for a connected crack's number (a pixel's index) below the orthophoto's."""

Placed = Callable[[str, FeatureChunk, NDArray[np.int64]], None]
"""Receives a layer's name, a chunk, and per feature the region that holds most of it (-1: none)."""

Left = Callable[[NDArray[np.object_], NDArray[np.int64]], NDArray[np.object_]]
"""Crack areas and their connected cracks, in the raster's frame: to what counts of each area."""

Moved = Callable[[NDArray[np.object_]], NDArray[np.object_]]
"""Geometries into another frame, such as that of an earlier survey."""


@dataclass(frozen=True)
class Selection:
    """Which features of a GeoPackage are measured.

    Attributes
    ----------
    connection : sqlite3 connection
    where : str
        SQL condition on the feature layers.
    parameters : tuple
        Fill its placeholders.
    with_bridges : bool
        Whether bridged gaps count as cracks.
    raster_key : int
        Tells apart rasters whose connected cracks are numbered alike.
    left : callable or None
        What counts of crack areas; None for all.
    gsd_mm : float or None
        Of the raster that the features come from; None for lines drawn without one.
    moved : callable or None
        Brings the features into the frame of the regions; None where they are in it.
    affine : Affine or None
        Of that raster: outlines along its pixels' edges are smoothed before they are measured.
    """

    connection: sqlite3.Connection
    gsd_mm: float | None
    affine: Affine | None = None
    where: str = "1"
    parameters: Sequence[Any] = ()
    raster_key: int = 0
    left: Left | None = None
    moved: Moved | None = None
    with_bridges: bool = False

    def stream(self, table: str, *columns: str) -> Iterator[FeatureChunk]:
        """Yield the chunks of a layer as they are.

        Where an earlier version left the layer out there are none; a column that it left out is None.
        """
        present = {row[1] for row in self.connection.execute(f"PRAGMA table_info({table})")}
        if not present:
            return iter(())
        where = self.where
        if "bridged" in present and not self.with_bridges:
            where = f"({where}) AND bridged IS NOT 1"
        wanted = [name if name in present else f"NULL AS {name}" for name in columns]
        return stream_features(self.connection, table, wanted, where, self.parameters)

    def bridges(self) -> Iterator[FeatureChunk]:
        """Yield the bridged gaps, whether they count or not."""
        if "bridged" in {row[1] for row in self.connection.execute("PRAGMA table_info(crack_line)")}:
            where = f"({self.where}) AND bridged = 1"
            yield from stream_features(self.connection, "crack_line", (), where, self.parameters)

    def in_frame(self, chunk: FeatureChunk) -> FeatureChunk:
        """Return a chunk in the frame of the regions."""
        return chunk if self.moved is None else replace(chunk, geometries=self.moved(chunk.geometries))

    def cracks(self, chunk: FeatureChunk) -> NDArray[np.int64]:
        """Return the connected crack of each feature; column 0 is ``comp_id``."""
        numbers = chunk.column(0)
        return np.where(numbers < 0, numbers, numbers + (self.raster_key << _KEY_SHIFT))


_WIDTHS = ("wid_m", "wid50_m", "wid95_m")
"""Of a line: its mean width, the median and the P95 of its profiles."""


def tally_layers(
    selection: Selection, regions: Regions, metres_per_unit: float, tally: Tally, placed: Placed | None = None
) -> None:
    """Add what lies in each region to the tally.

    Parameters
    ----------
    selection : Selection
        The features.
    regions : Regions
        One per element of the tally.
    metres_per_unit : float
        Of the coordinates.
    tally : Tally
        Receives the sums.
    placed : callable or None
        Told where every feature, crack nodes included, has its largest part.
    """
    for found in selection.stream("loss_polygon"):
        outlines = outline_lengths(found.geometries, selection.affine)
        chunk = selection.in_frame(found)
        parts = regions.areas_of(chunk.geometries)
        tally.add_losses(parts, chunk.fids, metres_per_unit)
        tally.add_loss_outlines(chunk.geometries, parts, outlines, metres_per_unit)
        _tell(placed, "loss_polygon", chunk, parts)
    for found in selection.stream("island"):
        outlines = outline_lengths(found.geometries, selection.affine)
        chunk = selection.in_frame(found)
        parts = regions.areas_of(chunk.geometries)
        tally.add_islands(chunk.geometries, parts, outlines, metres_per_unit)
        _tell(placed, "island", chunk, parts)
    for found in selection.stream("crack_area", "comp_id"):
        chunk = selection.in_frame(found)
        parts = counted = regions.areas_of(chunk.geometries)
        if selection.left is not None:
            left = selection.left(found.geometries, found.column(0))
            if left is not found.geometries:
                counted = regions.areas_of(selection.in_frame(replace(found, geometries=left)).geometries)
        tally.add_areas(counted, metres_per_unit)
        _tell(placed, "crack_area", chunk, parts)
    ends = LineEnds(regions)
    for found in selection.stream("crack_line", "comp_id", "node_a", "node_b", *_WIDTHS):
        chunk = selection.in_frame(found)
        parts = regions.lengths_of(chunk.geometries)
        tally.add_lines(parts, selection.cracks(chunk), metres_per_unit)
        tally.add_courses(chunk.geometries, parts, regions, metres_per_unit, selection.gsd_mm)
        tally.add_widths(parts, [row[3:] for row in chunk.rows], metres_per_unit)
        ends.add(chunk, 1, 2)
        _tell(placed, "crack_line", chunk, parts)
    for found in selection.bridges():
        tally.add_bridges(regions.lengths_of(selection.in_frame(found).geometries), metres_per_unit)
    for found in selection.stream("crack_node", "node_id", "kind"):
        chunk = selection.in_frame(found)
        tally.add_nodes(ends.nodes(chunk, 0, 1))
        _tell(placed, "crack_node", chunk, regions.points_in(chunk.geometries))
    for tips in ends.drawn_tips():
        tally.add_nodes(tips)


def _tell(placed: Placed | None, table: str, chunk: FeatureChunk, parts: Parts) -> None:
    if placed is not None:
        placed(table, chunk, parts.largest(len(chunk.fids)))
