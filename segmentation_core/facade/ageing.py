"""Two years of a beam: cracks that appear, grow and open, losses that grow, one that is retouched.

Nothing else changes: what is neither new, grown, opened nor retouched keeps every point of its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from segmentation_core.facade.breaking import BrokenBeam
from segmentation_core.facade.cracking import (
    POINT_SPACING_PX,
    Bending,
    Cell,
    CrackNetwork,
    cell_area,
    joined,
    split_cell,
)
from segmentation_core.facade.flaking import SIDE, Flake, loss_coverage, rough

__all__ = ["AgedBeam", "age_beam"]

Points = NDArray[np.float64]

_HALF = SIDE**2 // 2
_MARGIN_PX = 4.0
_LEAST_WIDTH_PX, _GREATEST_WIDTH_PX = 1.05, 6.0

_TIP_SHARE, _TIP_LENGTH_PX, _TIP_FREE_PX = 0.15, (24.0, 72.0), 8.0
_OPENED_SHARE, _OPENED_FROM_PX, _OPENED_TO_PX = 0.1, 40.0, 3.5
_SPLIT_SHARE, _SPLIT_FROM_PX = 0.05, 24.0
_GRAIN_PER_MPX, _GRAIN_LENGTH_PX, _GRAIN_TRIES = 1.5, (90.0, 240.0), 24
_MEETS_PX = 2.5
"""A crack that comes this near to another ends there."""

_SHORTEST_PX = 12.0
_GROWN_SHARE, _GROWTH_PX, _MOST_GROWTH_PX = 0.3, 4.0, 9.0
_RETOUCHED_PX = (150.0, 6000.0)


@dataclass(frozen=True)
class AgedBeam:
    """A beam's damage at the second survey, in pixels of the beam.

    Attributes
    ----------
    kept : CrackNetwork
        The cracks of the first survey, less those under the retouched loss, with their new widths.
    wider_px : float64 array, one value per point of ``kept``
        How much wider the crack is than it was; 0 where it did not open.
    extended, new : CrackNetwork
        What was added at tips, and the cracks that were not there.
    flakes : list of Flake
        All losses, the retouched one left out.
    """

    kept: CrackNetwork
    wider_px: NDArray[np.float64]
    extended: CrackNetwork
    new: CrackNetwork
    flakes: list[Flake]

    @property
    def network(self) -> CrackNetwork:
        """All cracks."""
        return joined(joined(self.kept, self.extended), self.new)


def age_beam(
    rng: np.random.Generator, broken: BrokenBeam, shape: tuple[int, int], *, retouched: bool
) -> AgedBeam:
    """Age a beam.

    Parameters
    ----------
    rng : numpy Generator
        Consumed.
    broken : BrokenBeam
        Its damage at the first survey.
    shape : (height, width)
        Of the beam, pixels.
    retouched : bool
        Whether one of its losses is filled and painted again, cracks under it included.
    """
    flakes = _grown(rng, _without_one(broken.flakes) if retouched else broken.flakes, shape)
    before, after = loss_coverage(broken.flakes, shape) >= _HALF, loss_coverage(flakes, shape) >= _HALF
    old = broken.network
    old = old.cut_to(~_middles_in(old, before & ~after))
    kept, wider_px = _opened(rng, old)
    extended = _extended(rng, old, shape, after)
    new = joined(
        _split_cells(rng, broken.cells, broken.bend, shape, after), _along_grain(rng, old, shape, after)
    )
    return AgedBeam(kept, wider_px, extended, new, flakes)


def _middles_in(network: CrackNetwork, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    first = network.segments()
    return _inside(mask, (network.points[first] + network.points[first + 1]) / 2)


def _inside(mask: NDArray[np.bool_], points: Points) -> NDArray[np.bool_]:
    """Say which points lie on a True pixel."""
    col, row = np.floor(points).astype(np.int64).T
    within = (col >= 0) & (row >= 0) & (col < mask.shape[1]) & (row < mask.shape[0])
    found = np.zeros(len(points), bool)
    found[within] = mask[row[within], col[within]]
    return found


def _without_one(flakes: list[Flake]) -> list[Flake]:
    """Leave out the largest loss of a common size that touches no other; else the loneliest one."""
    if not flakes:
        return []
    boxes = np.array([flake.box_px for flake in flakes], float).reshape(-1, 4)
    areas = np.array([flake.lost.sum() / SIDE**2 for flake in flakes])
    left, top, right, bottom = boxes.T
    meet = (
        (left[:, None] < right) & (right[:, None] > left) & (top[:, None] < bottom) & (bottom[:, None] > top)
    )
    neighbours = meet.sum(axis=1) - 1
    common = (areas >= _RETOUCHED_PX[0]) & (areas <= _RETOUCHED_PX[1])
    retouched = int(np.lexsort((-areas, neighbours, ~common))[0])
    return [flake for k, flake in enumerate(flakes) if k != retouched]


def _grown(rng: np.random.Generator, flakes: list[Flake], shape: tuple[int, int]) -> list[Flake]:
    if not flakes:
        return []
    count = max(1, round(_GROWN_SHARE * len(flakes)))
    chosen = set(rng.choice(len(flakes), count, replace=False).tolist())
    return [_grow(rng, flake, shape) if k in chosen else flake for k, flake in enumerate(flakes)]


def _grow(rng: np.random.Generator, flake: Flake, shape: tuple[int, int]) -> Flake:
    """Let a loss grow outwards by some pixels, more here than there."""
    x0, y0, x1, y1 = flake.box_px
    room = int(np.ceil(_MOST_GROWTH_PX)) + 1
    left, top = max(x0 - room, 0), max(y0 - room, 0)
    right, bottom = min(x1 + room, shape[1]), min(y1 + room, shape[0])
    lost = np.zeros(((bottom - top) * SIDE, (right - left) * SIDE), bool)
    row, col = (y0 - top) * SIDE, (x0 - left) * SIDE
    lost[row : row + flake.lost.shape[0], col : col + flake.lost.shape[1]] = flake.lost
    reach = _GROWTH_PX * (1.0 + 0.7 * rough(rng, lost.shape, 14.0 * SIDE))
    reach += 0.5 * rough(rng, lost.shape, 3.0 * SIDE)
    distance = distance_transform_edt(~lost) / SIDE
    return Flake(left, top, lost | (distance <= np.clip(reach, 0, _MOST_GROWTH_PX)))


def _opened(rng: np.random.Generator, old: CrackNetwork) -> tuple[CrackNetwork, NDArray[np.float64]]:
    """Widen some cracks along their whole length."""
    size = np.bincount(old.line)
    mean = np.bincount(old.line, old.width_px) / np.maximum(size, 1)
    fit = np.flatnonzero((size * POINT_SPACING_PX >= _OPENED_FROM_PX) & (mean < _OPENED_TO_PX))
    lines = rng.permutation(fit)
    lines = lines[np.cumsum(size[lines]) <= _OPENED_SHARE * size.sum()]
    factor = np.ones(len(size))
    factor[lines] = rng.uniform(1.5, 1.9, len(lines))
    added = np.where(factor > 1, 0.4, 0.0)
    width = np.clip(old.width_px * factor[old.line] + added[old.line], None, _GREATEST_WIDTH_PX)
    width = np.maximum(width, old.width_px)
    return CrackNetwork(old.points, width, old.depth, old.line), width - old.width_px


def _extended(
    rng: np.random.Generator, old: CrackNetwork, shape: tuple[int, int], lost: NDArray[np.bool_]
) -> CrackNetwork:
    """Let some free tips run on until they meet another crack, a loss or the beam's edge."""
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
        width = np.linspace(max(float(old.width_px[tips[k]]), 1.3), _LEAST_WIDTH_PX, len(path))
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
    lost: NDArray[np.bool_],
    tree: cKDTree,
    others: NDArray[np.bool_],
) -> int:
    """Return how many points of a path come before another crack, a loss or the beam's edge."""
    x, y = path.T
    out = (x < _MARGIN_PX) | (y < _MARGIN_PX) | (x > shape[1] - _MARGIN_PX) | (y > shape[0] - _MARGIN_PX)
    met = np.array([bool(others[found].any()) for found in tree.query_ball_point(path, _MEETS_PX)])
    stopped = np.flatnonzero(out | met | _inside(lost, path))
    return int(stopped[0]) if len(stopped) else len(path)


def _split_cells(
    rng: np.random.Generator,
    cells: list[Cell],
    bend: Bending,
    shape: tuple[int, int],
    lost: NDArray[np.bool_],
) -> CrackNetwork:
    """Split some of the finest cells once more, from wall to wall."""
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
        if not inside.all() or _inside(lost, path).any():
            continue
        width = rng.uniform(1.15, 2.0) * np.exp(0.1 * np.cumsum(rng.normal(0, 0.3, len(path))))
        width = np.clip(width, _LEAST_WIDTH_PX, 2.4)
        added = _with_line(added, path, width, rng.uniform(0.6, 0.85))
    return added


def _along_grain(
    rng: np.random.Generator, old: CrackNetwork, shape: tuple[int, int], lost: NDArray[np.bool_]
) -> CrackNetwork:
    """Add cracks along the grain, where the paint is farthest from all cracks."""
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
        width = np.clip(rng.uniform(1.3, 2.2) * ends, _LEAST_WIDTH_PX, None)
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
