"""How cracks come and grow: from free tips, across cells of the paint film, along the grain of the wood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from segmentation_core.facade.cracking import (
    LEAST_WIDTH_PX,
    POINT_SPACING_PX,
    Bending,
    Cell,
    CrackNetwork,
    cell_area,
    joined,
    split_cell,
)

__all__ = ["along_grain", "grown_tips", "points_on", "split_cells"]

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MARGIN_PX = 4.0
_TIP_SHARE, _TIP_LENGTH_PX, _TIP_FREE_PX = 0.15, (24.0, 72.0), 8.0
_SPLIT_SHARE, _SPLIT_FROM_PX = 0.05, 24.0
_GRAIN_PER_MPX, _GRAIN_LENGTH_PX, _GRAIN_TRIES = 1.5, (90.0, 240.0), 24
_MEETS_PX = 2.5
"""A crack that comes this near to another ends there."""

_SHORTEST_PX = 12.0


def points_on(mask: Mask, points: Points) -> Mask:
    """Say which points lie on a True pixel."""
    col, row = np.floor(points).astype(np.int64).T
    within = (col >= 0) & (row >= 0) & (col < mask.shape[1]) & (row < mask.shape[0])
    found = np.zeros(len(points), bool)
    found[within] = mask[row[within], col[within]]
    return found


def grown_tips(
    rng: np.random.Generator, old: CrackNetwork, shape: tuple[int, int], lost: Mask
) -> CrackNetwork:
    """Return the lines by which some free tips run on, until another crack, a loss or the beam's edge.

    Parameters
    ----------
    rng : numpy Generator
        Consumed.
    old : CrackNetwork
        The cracks that there are.
    shape : (height, width)
        Of the beam, pixels.
    lost : bool array of shape (height, width)
        Where there is no paint to crack.
    """
    tips, inner = _free_tips(old)
    count = min(len(tips), max(2, round(_TIP_SHARE * len(tips))))
    tree = cKDTree(old.points)
    added = CrackNetwork.empty()
    for k in np.sort(rng.choice(len(tips), count, replace=False)):
        tip, back = old.points[tips[k]], old.points[inner[k]]
        heading = float(np.arctan2(*(tip - back)[::-1]))
        path = _walk(rng, tip, heading, rng.uniform(*_TIP_LENGTH_PX), 0.05)
        others = old.line != old.line[tips[k]]
        size = _free_run(path, shape, lost, tree, others)
        width = np.linspace(max(float(old.width_px[tips[k]]), 1.3), LEAST_WIDTH_PX, len(path))
        depth = max(float(old.depth[tips[k]]), 0.6)
        added = _with_line(added, path[:size], width[:size], depth)
    return added


def _free_tips(network: CrackNetwork) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the end points of lines far from all other lines, and a point some way behind each."""
    line = network.line
    first = np.flatnonzero(np.r_[True, line[1:] != line[:-1]])
    last = np.flatnonzero(np.r_[line[1:] != line[:-1], True])
    reach = np.minimum(last - first, 6)
    ends, inner = np.r_[first, last], np.r_[first + reach, last - reach]
    near = cKDTree(network.points).query_ball_point(network.points[ends], _TIP_FREE_PX)
    free = np.array(
        [bool((line[np.array(found)] == line[end]).all()) for end, found in zip(ends, near, strict=True)]
    )
    usable = free & (np.r_[reach, reach] >= 3)
    return ends[usable], inner[usable]


def _walk(rng: np.random.Generator, start: Points, heading: float, length: float, unrest: float) -> Points:
    """Return a path of points 2 px apart that wanders about its heading."""
    steps = int(length / POINT_SPACING_PX)
    angle = heading + np.cumsum(rng.normal(0, unrest, steps))
    moves = POINT_SPACING_PX * np.column_stack((np.cos(angle), np.sin(angle)))
    return np.vstack((start, start + np.cumsum(moves, axis=0)))


def _free_run(
    path: Points,
    shape: tuple[int, int],
    lost: Mask,
    tree: cKDTree,
    others: Mask,
) -> int:
    """Return how many points of a path come before another crack, a loss or the beam's edge."""
    x, y = path.T
    out = (x < _MARGIN_PX) | (y < _MARGIN_PX) | (x > shape[1] - _MARGIN_PX) | (y > shape[0] - _MARGIN_PX)
    met = np.array([bool(others[found].any()) for found in tree.query_ball_point(path, _MEETS_PX)])
    stopped = np.flatnonzero(out | met | points_on(lost, path))
    return int(stopped[0]) if len(stopped) else len(path)


def split_cells(
    rng: np.random.Generator,
    cells: list[Cell],
    bend: Bending,
    shape: tuple[int, int],
    lost: Mask,
) -> CrackNetwork:
    """Return the lines that split some of the finest cells once more, from wall to wall.

    Parameters
    ----------
    rng : numpy Generator
        Consumed.
    cells : list of Cell
        Of the paint film, before bending.
    bend : Bending
        The same that bent the cracks.
    shape, lost
        As in `grown_tips`.
    """
    fit = [cell for cell in cells if cell_area(cell) >= _SPLIT_FROM_PX**2]
    count = min(len(fit), max(2, round(_SPLIT_SHARE * len(cells))))
    added = CrackNetwork.empty()
    for k in np.sort(rng.choice(len(fit), count, replace=False)) if fit else ():
        parts, (x0, y0, x1, y1) = split_cell(fit[k], rng)
        if parts is None:
            continue
        steps = max(int(np.hypot(x1 - x0, y1 - y0) / POINT_SPACING_PX), 1) + 1
        path = bend.apply(np.column_stack((np.linspace(x0, x1, steps), np.linspace(y0, y1, steps))))
        inside = (path > _MARGIN_PX).all(axis=1) & (path < np.array(shape[::-1]) - _MARGIN_PX).all(axis=1)
        if not inside.all() or points_on(lost, path).any():
            continue
        width = rng.uniform(1.15, 2.0) * np.exp(0.1 * np.cumsum(rng.normal(0, 0.3, len(path))))
        width = np.clip(width, LEAST_WIDTH_PX, 2.4)
        added = _with_line(added, path, width, rng.uniform(0.6, 0.85))
    return added


def along_grain(
    rng: np.random.Generator, old: CrackNetwork, shape: tuple[int, int], lost: Mask
) -> CrackNetwork:
    """Return cracks along the grain, where the paint is farthest from all cracks; as in `grown_tips`."""
    tree = cKDTree(old.points)
    every = np.ones(len(old.points), bool)
    added = CrackNetwork.empty()
    for _ in range(max(1, round(_GRAIN_PER_MPX * shape[0] * shape[1] / 1e6))):
        starts = rng.uniform(0.08, 0.92, (_GRAIN_TRIES, 2)) * shape[::-1]
        distance, _ = tree.query(starts)
        path = _walk(
            rng, starts[int(np.argmax(distance))], rng.normal(0, 0.05), rng.uniform(*_GRAIN_LENGTH_PX), 0.03
        )
        size = _free_run(path, shape, lost, tree, every)
        ends = np.clip(np.minimum(np.arange(size), size - 1 - np.arange(size)) / 8.0, 0, 1) ** 0.5
        width = np.clip(rng.uniform(1.3, 2.2) * ends, LEAST_WIDTH_PX, None)
        added = _with_line(added, path[:size], width, rng.uniform(0.6, 0.9))
    return added


def _with_line(
    network: CrackNetwork, path: Points, width_px: NDArray[np.float64], depth: float
) -> CrackNetwork:
    """Return the network with one more line; without it where the line is too short to be seen."""
    if (len(path) - 1) * POINT_SPACING_PX < _SHORTEST_PX:
        return network
    line = CrackNetwork(path, width_px, np.full(len(path), depth), np.zeros(len(path), np.int64))
    return joined(network, line)
