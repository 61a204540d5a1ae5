"""What a rejected crack line takes out of the crack areas.

A line and an area are two layers: an area is a whole crack's pixels in a lattice cell, a line one branch of
it. A person rejects lines, and what is rejected is outside totals (DESIGN, section 4). So an area counts in
the share of its lines that is not rejected, each line with its length inside it times its width.
"""

from __future__ import annotations

import sqlite3

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.statistics.features import stream_features
from segmentation_core.statistics.layers import Moved
from segmentation_core.statistics.regions import Parts, Regions

__all__ = ["KeptShares"]

_OF_TOUCHED_CRACKS = (
    "surv_id = ? AND orth_id = ? AND wid_m > 0 AND comp_id IN (SELECT comp_id FROM crack_line "
    "WHERE surv_id = ? AND orth_id = ? AND status = 'rejected')"
)


class KeptShares:
    """How much of crack areas the rejected lines of an orthophoto leave.

    Parameters
    ----------
    connection : sqlite3 connection
        To a survey book.
    surv_id, orth_id : str
        Survey and orthophoto.
    moved : callable or None
        Brings lines into the frame of the areas; None where they are in it.

    Notes
    -----
    Memory: the lines of those connected cracks of which a line is rejected.
    """

    def __init__(
        self, connection: sqlite3.Connection, surv_id: str, orth_id: str, moved: Moved | None = None
    ) -> None:
        lines: list[NDArray[np.object_]] = []
        rows: list[tuple[int, float, str]] = []
        columns = ("comp_id", "wid_m", "status")
        whose = (surv_id, orth_id) * 2
        for chunk in stream_features(connection, "crack_line", columns, _OF_TOUCHED_CRACKS, whose):
            lines.append(chunk.geometries if moved is None else moved(chunk.geometries))
            rows.extend(chunk.rows)
        self._lines = np.concatenate(lines) if lines else np.empty(0, dtype=object)
        self._cracks = np.array([row[0] for row in rows], dtype=np.int64)
        self._widths = np.array([row[1] for row in rows], dtype=np.float64)
        self._kept = np.array([row[2] != "rejected" for row in rows], dtype=bool)
        self._tree = shapely.STRtree(self._lines)

    def left(
        self,
        areas: NDArray[np.object_],
        cracks: NDArray[np.int64],
        parts: Parts,
        regions: Regions,
    ) -> Parts:
        """Return what is left of the parts of crack areas; without those of which nothing is.

        Parameters
        ----------
        areas : ndarray of shapely (Multi)Polygon
            Crack areas.
        cracks : ndarray of int64
            The connected crack (``comp_id``) of each.
        parts : Parts
            How much of each area lies in which region.
        regions : Regions
            The regions.
        """
        touched = np.flatnonzero(np.isin(cracks[parts.features], self._cracks))
        if len(touched) == 0:
            return parts
        shares = np.ones(len(parts.features))
        valid = shapely.make_valid(areas[parts.features[touched]])
        here = shapely.intersection(valid, regions.geometries[parts.regions[touched]])
        shares[touched] = self._shares(here, cracks[parts.features[touched]])
        return parts.scaled(shares)

    def _shares(self, areas: NDArray[np.object_], cracks: NDArray[np.int64]) -> NDArray[np.float64]:
        area, line = self._tree.query(areas, predicate="intersects")
        own = cracks[area] == self._cracks[line]
        area, line = area[own], line[own]
        sizes = shapely.length(shapely.intersection(areas[area], self._lines[line])) * self._widths[line]
        total = np.bincount(area, sizes, len(areas))
        left = np.bincount(area, sizes * self._kept[line], len(areas))
        for index in np.flatnonzero(total == 0):  # a fragment without a line follows its whole crack
            of_crack = self._cracks == cracks[index]
            whole = shapely.length(self._lines[of_crack]) * self._widths[of_crack]
            total[index], left[index] = whole.sum(), (whole * self._kept[of_crack]).sum()
        return np.asarray(left / total)
