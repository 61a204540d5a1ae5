"""Unmatched runs of crack, put together across nodes, and which of them are a change.

Run: a stretch of one line that lies along no line of the other survey. Runs that meet at a node are one
component: a new crack that forks is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from segmentation_core.change.courses import Courses, Segments
from segmentation_core.change.epoch import ChangeSettings
from segmentation_core.change.stretches import Stretches, without

__all__ = ["Runs", "counting", "node_numbers", "runs_of"]

_SAME_NODE_PX = 0.01


@dataclass(frozen=True)
class Runs:
    """Unmatched runs; arrays have one entry per run, in order of chainage.

    Attributes
    ----------
    starts, stops : ndarray of float64
        Chainage.
    lines : ndarray of int64
    nodes : ndarray of int64, shape (R, 2)
        Node at which the run starts and stops; -1 where it is not at an end of its line.
    cut : ndarray of bool, shape (R, 2)
        Whether the run starts and stops at the border of what is compared.
    components : ndarray of int64
    """

    starts: NDArray[np.float64]
    stops: NDArray[np.float64]
    lines: NDArray[np.int64]
    nodes: NDArray[np.int64]
    cut: NDArray[np.bool_]
    components: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Length of each run, mm."""
        return self.stops - self.starts

    def component_sizes(self) -> NDArray[np.float64]:
        """Return, per component, the length of its two longest runs together.

        The sum of all would let many slivers around one displaced junction pass for a crack.
        """
        order = np.lexsort((-self.lengths, self.components))
        component, length = self.components[order], self.lengths[order]
        rank = np.arange(order.size) - np.searchsorted(component, component)
        return np.bincount(component[rank < 2], length[rank < 2]).astype(np.float64)


def node_numbers(courses: Courses, gsd_mm: float) -> NDArray[np.int64]:
    """Return the number of the node at which each line begins and ends, shape (L, 2)."""
    count = len(courses.lines)
    places = np.concatenate([courses.firsts[:-1], courses.firsts[1:] - 1])
    points = courses.vertices[places]
    pairs = cKDTree(points).query_pairs(_SAME_NODE_PX * gsd_mm, output_type="ndarray")
    together = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(2 * count, 2 * count))
    _, number = connected_components(together, directed=False)
    return np.column_stack([number[:count], number[count:]]).astype(np.int64)


def runs_of(courses: Courses, compared: Stretches, matched: Stretches, nodes: NDArray[np.int64]) -> Runs:
    """Return the compared stretches that are not matched, the nodes they reach, and what hangs together."""
    unmatched = without(compared, matched)
    starts, stops = unmatched.starts, unmatched.stops
    lines = courses.line_at(starts)
    at_end = np.column_stack([starts == courses.begins[lines], stops == courses.ends[lines]])
    reached = np.where(at_end, nodes[lines], -1)
    run, side = np.nonzero(at_end)
    count, most = starts.size, int(nodes.max(initial=-1)) + 1
    joins = coo_array(
        (np.ones(run.size), (run, count + reached[run, side])), shape=(count + most, count + most)
    )
    _, component = connected_components(joins, directed=False)
    _, component = np.unique(component[:count], return_inverse=True)
    cut = np.column_stack([np.isin(starts, compared.starts), np.isin(stops, compared.stops)]) & ~at_end
    return Runs(starts, stops, lines, reached, cut, component.astype(np.int64))


def counting(
    courses: Courses,
    runs: Runs,
    floors_mm: NDArray[np.float64],
    other: Segments,
    settings: ChangeSettings,
) -> NDArray[np.bool_]:
    """Return which runs are a change, and no gap torn by registration or vectorising.

    A component counts from 5 eps on. Where eps is above 2 px that would hide cracks of 20 px: there a
    component of 10 px or more counts also if it leads away from everything that was there, by more than
    2 eps, which a torn gap never does.

    Parameters
    ----------
    courses, runs
        Of one survey.
    floors_mm : ndarray of float64
        Length that each component needs at least.
    other : Segments
        Of the other survey.
    settings : ChangeSettings
    """
    sizes = runs.component_sizes()
    enough = sizes >= floors_mm
    long = sizes >= settings.longest_gap_mm
    asked = np.flatnonzero((enough & ~long)[runs.components])
    away = np.zeros(sizes.size, dtype=bool)
    if asked.size:
        steps = np.maximum(np.ceil(runs.lengths[asked] / settings.gsd_mm).astype(int), 1) + 1
        owner = np.repeat(asked, steps)
        share = (np.arange(owner.size) - np.repeat(np.cumsum(steps) - steps, steps)) / (
            np.repeat(steps, steps) - 1
        )
        points = shapely.points(courses.points(runs.starts[owner] + share * runs.lengths[owner]))
        near = other.index.query(points, predicate="dwithin", distance=2 * settings.eps_mm)[0]
        away[np.delete(runs.components[owner], np.unique(near))] = True
    counts: NDArray[np.bool_] = (enough & (long | away))[runs.components]
    return counts
