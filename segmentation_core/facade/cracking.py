"""Craquelure as centrelines with a width at each point: the truth that the picture is drawn from.

A paint film on wood breaks in order: long cracks first, and each later one splits a cell in two and ends
on its walls (Bohn, Pauchard and Couder 2005, Hierarchical crack pattern as formed by successive domain
divisions, Phys. Rev. E 71, 046214). `crack_network` follows that order with convex cells and then bends
the whole pattern by one smooth displacement, so that what met before bending still meets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation_core.facade.layout import Damage
from segmentation_core.facade.noise import NoiseField, noise_field

__all__ = [
    "GREATEST_WIDTH_PX",
    "LEAST_WIDTH_PX",
    "POINT_SPACING_PX",
    "Bending",
    "Cell",
    "CrackNetwork",
    "bending",
    "cell_area",
    "crack_network",
    "joined",
    "split_cell",
]

Cell = NDArray[np.float64]
"""Corners of a convex cell, (N, 2), before bending."""

POINT_SPACING_PX = 2.0
_ELONGATION = 1.7
_COARSE_PX = 32
LEAST_WIDTH_PX, GREATEST_WIDTH_PX = 1.05, 6.0
_SHORTEST_PX = 9.0


@dataclass(frozen=True)
class CrackNetwork:
    """Centrelines of cracks.

    Attributes
    ----------
    points : float64 array of shape (N, 2)
        x, y in pixels of the beam.
    width_px : float64 array of shape (N,)
        Full width at each point.
    depth : float64 array of shape (N,)
        Contrast of the crack in the picture, 0 to 1.
    line : int64 array of shape (N,)
        Which centreline a point belongs to; points of one are consecutive.
    """

    points: NDArray[np.float64]
    width_px: NDArray[np.float64]
    depth: NDArray[np.float64]
    line: NDArray[np.int64]

    @staticmethod
    def empty() -> CrackNetwork:
        """Return a network without cracks."""
        return CrackNetwork(np.empty((0, 2)), np.empty(0), np.empty(0), np.empty(0, np.int64))

    def segments(self) -> NDArray[np.int64]:
        """Return the index of the first point of every segment."""
        return np.flatnonzero(self.line[1:] == self.line[:-1])

    def segment_lengths(self) -> NDArray[np.float64]:
        """Return the length of every segment, px."""
        first = self.segments()
        return np.asarray(np.hypot(*(self.points[first + 1] - self.points[first]).T))

    def cut_to(self, kept: NDArray[np.bool_]) -> CrackNetwork:
        """Return the segments that are kept; what lies between two that are not becomes a line of its own."""
        first = self.segments()[kept]
        if not len(first):
            return CrackNetwork.empty()
        goes_on = (np.diff(first) == 1) & (self.line[first[1:]] == self.line[first[:-1]])
        run = np.cumsum(np.r_[True, ~goes_on]) - 1
        last = first[np.r_[~goes_on, True]] + 1
        points = np.r_[first, last]
        line = np.r_[run, np.arange(len(last))]
        order = np.lexsort((points, line))
        at, line = points[order], line[order]
        return CrackNetwork(self.points[at], self.width_px[at], self.depth[at], line.astype(np.int64))


@dataclass(frozen=True)
class Bending:
    """The displacement that turns straight chords into cracks."""

    along: NoiseField
    across: NoiseField

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the points, displaced."""
        x, y = points[:, 0], points[:, 1]
        return np.column_stack((x + self.along.at(x, y), y + self.across.at(x, y)))


def bending(rng: np.random.Generator, shape: tuple[int, int]) -> Bending:
    """Draw a displacement of some 5 px in waves of 12 to 100 px."""

    def component() -> NoiseField:
        slow = noise_field(rng, shape, 100.0)
        fast = noise_field(rng, shape, 24.0, octaves=3, gain=0.42)
        scaled = [(g, h, w, a * 5.0) for g, h, w, a in slow.octaves]
        return NoiseField((*scaled, *((g, h, w, a * 2.1) for g, h, w, a in fast.octaves)))

    return Bending(component(), component())


def crack_network(
    rng: np.random.Generator, shape: tuple[int, int], damage: Damage, bend: Bending
) -> tuple[CrackNetwork, list[Cell]]:
    """Crack a beam.

    Parameters
    ----------
    rng : numpy Generator
        Consumed.
    shape : (height, width)
        Of the beam, pixels.
    damage : Damage
        How densely and how wide.
    bend : Bending
        Applied to every centreline.

    Returns
    -------
    network : CrackNetwork
    cells : list of Cell
        The finest cells, before bending, from which flakes are made.
    """
    activity = noise_field(rng, shape, (0.45 * shape[0], 0.9 * shape[0]), octaves=3)
    fineness = noise_field(rng, shape, (0.6 * shape[0], 1.1 * shape[0]))
    target = _target_size(activity, fineness, shape, damage)
    chords, cells = _divided(rng, shape, target)
    lines = _chord_lines(rng, chords, damage)
    lines = CrackNetwork(bend.apply(lines.points), lines.width_px, lines.depth, lines.line)
    shown = _shown(lines, activity, rng, shape, damage.crackled)
    network = _cut_to(lines, shown, rng)
    return joined(network, _grain_cracks(rng, shape, damage, bend)), cells


def cell_area(cell: Cell) -> float:
    """Return the area of a cell, px2.

    Examples
    --------
    >>> cell_area(np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 3.0], [0.0, 3.0]]))
    12.0
    """
    x, y = cell[:, 0], cell[:, 1]
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _threshold(values: NDArray[np.floating], share: float) -> float:
    return float(np.quantile(values, 1.0 - share))


def _coarse(field: NoiseField, shape: tuple[int, int]) -> NDArray[np.float64]:
    y, x = np.mgrid[_COARSE_PX / 2 : shape[0] : _COARSE_PX, _COARSE_PX / 2 : shape[1] : _COARSE_PX]
    return field.at(x, y)


def _target_size(
    activity: NoiseField, fineness: NoiseField, shape: tuple[int, int], damage: Damage
) -> NDArray[np.float64]:
    """Return the side of the finest cells, px, on a coarse grid; infinite where the paint is whole."""
    active = _coarse(activity, shape)
    rank = _coarse(fineness, shape)
    rank = (rank.argsort(axis=None).argsort() / max(rank.size - 1, 1)).reshape(rank.shape)
    size = damage.cell_px[0] * (damage.cell_px[1] / damage.cell_px[0]) ** rank
    limit = _threshold(active, damage.crackled)
    fringe = np.clip((active - limit) / 0.5, 0, 1)
    size = size * (1.0 + 0.9 * (1 - fringe))
    return np.where(active > limit, size, np.inf)


def _divided(
    rng: np.random.Generator, shape: tuple[int, int], target: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[Cell]]:
    """Divide a rectangle until every cell is as small as its place asks.

    Returns
    -------
    chords : float64 array of shape (N, 6)
        x0, y0, x1, y1, generations still to come after this division, finest size at this place.
    cells : list of Cell
    """
    height, width = shape
    pending = [np.array([[0, 0], [width, 0], [width, height], [0, height]], float)]
    chords, cells = [], []
    while pending:
        cell = pending.pop()
        goal = _finest(target, cell)
        area = cell_area(cell)
        if not np.isfinite(goal):
            continue
        if np.sqrt(area) < goal * rng.uniform(1.0, 1.5):
            cells.append(cell)
            continue
        parts, chord = split_cell(cell, rng)
        if parts is None:
            continue
        chords.append((*chord, 0.5 * np.log2(max(area / goal**2, 1.0)), goal))
        pending.extend(parts)
    return np.array(chords).reshape(-1, 6), cells


def _finest(target: NDArray[np.float64], cell: Cell) -> float:
    low = np.clip((cell.min(axis=0) / _COARSE_PX).astype(int), 0, None)
    high = (cell.max(axis=0) / _COARSE_PX).astype(int) + 1
    return float(target[low[1] : high[1], low[0] : high[0]].min(initial=np.inf))


def split_cell(
    cell: Cell, rng: np.random.Generator
) -> tuple[list[Cell] | None, tuple[float, float, float, float]]:
    """Split a cell across its longer axis, cells along the grain being left longer.

    Returns
    -------
    parts : list of two Cell, or None where the cell cannot be split
    chord : (x0, y0, x1, y1)
        Along which it was split.
    """
    stretched = cell * (1.0, _ELONGATION)
    centred = stretched - stretched.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    angle = np.arctan2(axes[1, 1], axes[0, 1]) + rng.normal(0, 0.3)
    normal = np.array([np.cos(angle), np.sin(angle)])
    along = centred @ normal
    side = along - rng.normal(0, 0.13) * np.ptp(along)
    if not (side.min() < 0 < side.max()):
        return None, (0.0, 0.0, 0.0, 0.0)
    following = np.roll(np.arange(len(cell)), -1)
    crossing = np.flatnonzero((side < 0) != (side[following] < 0))
    cuts = []
    for k in crossing:
        t = side[k] / (side[k] - side[following[k]])
        cuts.append(cell[k] + t * (cell[following[k]] - cell[k]))
    a, b = int(crossing[0]), int(crossing[1])
    one = np.vstack((cuts[0], cell[a + 1 : b + 1], cuts[1]))
    other = np.vstack((cuts[1], cell[b + 1 :], cell[: a + 1], cuts[0]))
    return [one, other], (cuts[0][0], cuts[0][1], cuts[1][0], cuts[1][1])


def _chord_lines(rng: np.random.Generator, chords: NDArray[np.float64], damage: Damage) -> CrackNetwork:
    """Place points along every chord, with the widths of old cracks greater than those of young ones."""
    start, stop = chords[:, :2], chords[:, 2:4]
    length = np.hypot(*(stop - start).T)
    dead = rng.random(len(chords)) < 0.14
    reach = np.where(dead, rng.uniform(0.3, 0.85, len(chords)), 1.0)
    stop = start + (stop - start) * reach[:, None]
    count = np.maximum(np.ceil(length * reach / POINT_SPACING_PX).astype(int), 1) + 1
    line = np.repeat(np.arange(len(chords)), count)
    within = np.arange(len(line)) - np.repeat(np.cumsum(count) - count, count)
    t = within / (count[line] - 1)
    points = start[line] + t[:, None] * (stop - start)[line]
    age = np.clip(chords[:, 4] / 5.0, 0, 1)
    low, high = damage.width_px
    fine = np.clip((chords[:, 5] - damage.cell_px[0]) / 40.0, 0, 1)
    base = (low + (high - low) * age**1.3) * (0.8 + 0.35 * fine) * np.exp(rng.normal(0, 0.18, len(chords)))
    depth = np.clip(0.62 + 0.3 * age + rng.normal(0, 0.1, len(chords)), 0.35, 0.97)
    width = base[line]
    tip = np.where(dead[line], (count[line] - 1 - within) * POINT_SPACING_PX / 22.0, 1.0)
    return CrackNetwork(points, width * np.clip(tip, 0, 1) ** 0.6, depth[line], line)


def _shown(
    lines: CrackNetwork, activity: NoiseField, rng: np.random.Generator, shape: tuple[int, int], share: float
) -> NDArray[np.bool_]:
    limit = _threshold(_coarse(activity, shape), share)
    x, y = lines.points.T
    margin = rng.normal(0, 0.14, lines.line[-1] + 1 if len(lines.line) else 0)
    healed = noise_field(rng, shape, 20.0, octaves=2).at(x, y)
    inside = (x > 1) & (y > 1) & (x < shape[1] - 1) & (y < shape[0] - 1)
    return np.asarray((activity.at(x, y) > limit + margin[lines.line]) & (healed < 1.75) & inside)


def _cut_to(lines: CrackNetwork, shown: NDArray[np.bool_], rng: np.random.Generator) -> CrackNetwork:
    """Keep the shown runs, tapered where they end in whole paint, and let widths vary along them."""
    starts = np.flatnonzero(np.r_[True, lines.line[1:] != lines.line[:-1]])
    first = np.zeros(len(shown), bool)
    first[starts] = True
    breaks = shown & (first | ~np.r_[False, shown[:-1]])
    run = np.cumsum(breaks) - 1
    points, line = lines.points[shown], run[shown]
    cut_front = (breaks & ~first)[shown]
    last = np.r_[lines.line[1:] != lines.line[:-1], True]
    cut_back = (shown & ~last & ~np.r_[shown[1:], False])[shown]
    width = lines.width_px[shown] * _tapering(line, cut_front, cut_back)
    width *= np.exp(0.3 * _along_noise(rng, len(line)))
    width = np.clip(width, LEAST_WIDTH_PX, GREATEST_WIDTH_PX)
    return _without_short(CrackNetwork(points, width, lines.depth[shown], line))


def _tapering(
    line: NDArray[np.int64], cut_front: NDArray[np.bool_], cut_back: NDArray[np.bool_]
) -> NDArray[np.float64]:
    index = np.arange(len(line))
    size = np.bincount(line)
    begin = np.cumsum(size) - size
    from_front = index - begin[line]
    from_back = size[line] - 1 - from_front
    front_tapers = np.bincount(line, cut_front) > 0
    back_tapers = np.bincount(line, cut_back) > 0
    taper = np.ones(len(line))
    for tapers, distance in ((front_tapers, from_front), (back_tapers, from_back)):
        taper = np.where(
            tapers[line], np.minimum(taper, np.clip(distance * POINT_SPACING_PX / 18.0, 0, 1)), taper
        )
    return np.asarray(taper**0.6)


def _along_noise(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Noise that varies over some 30 px along a line."""
    coarse = rng.standard_normal(count // 12 + 4)
    return np.interp(np.arange(count) / 12.0, np.arange(len(coarse)), coarse)


def _without_short(lines: CrackNetwork) -> CrackNetwork:
    if not len(lines.line):
        return lines
    keep = (np.bincount(lines.line) * POINT_SPACING_PX >= _SHORTEST_PX)[lines.line]
    _, line = np.unique(lines.line[keep], return_inverse=True)
    return CrackNetwork(lines.points[keep], lines.width_px[keep], lines.depth[keep], line.astype(np.int64))


def _grain_cracks(
    rng: np.random.Generator, shape: tuple[int, int], damage: Damage, bend: Bending
) -> CrackNetwork:
    """Draw long cracks along the grain, some of them open checks of the wood below."""
    height, width = shape
    count = max(2, round(damage.grain_cracks * height * width / 1e6))
    parts = []
    for k in range(count):
        length = min(rng.lognormal(np.log(700), 0.7), 0.8 * width)
        x = np.arange(0, length, POINT_SPACING_PX) + rng.uniform(0, width - length)
        wander = np.cumsum(np.cumsum(rng.normal(0, 0.0012, len(x))) + rng.normal(0, 0.12, len(x)))
        y = rng.uniform(0.06, 0.94) * height + wander + rng.normal(0, 0.012) * (x - x[0])
        check = rng.random() < damage.check_share
        widest = rng.uniform(3.2, 6.0) if check else rng.uniform(1.0, 2.2)
        ends = np.clip(np.minimum(x - x[0], x[-1] - x) / (0.25 * length), 0, 1) ** 0.5
        w = widest * ends * np.exp(0.25 * _along_noise(rng, len(x)))
        straight = np.column_stack((x, y))
        # Grain holds a crack straighter than paint does.
        points = 0.55 * straight + 0.45 * bend.apply(straight)
        inside = (points[:, 1] > 2) & (points[:, 1] < height - 2)
        size = int(inside.sum())
        parts.append(
            CrackNetwork(
                points[inside],
                np.clip(w[inside], LEAST_WIDTH_PX, GREATEST_WIDTH_PX),
                np.full(size, 0.95 if check else rng.uniform(0.55, 0.9)),
                np.full(size, k),
            )
        )
    network = parts[0]
    for part in parts[1:]:
        network = joined(network, part)
    return network


def joined(a: CrackNetwork, b: CrackNetwork) -> CrackNetwork:
    """Return the lines of two networks as one."""
    offset = int(a.line[-1]) + 1 if len(a.line) else 0
    _, line = np.unique(b.line, return_inverse=True)
    return CrackNetwork(
        np.vstack((a.points, b.points)),
        np.r_[a.width_px, b.width_px],
        np.r_[a.depth, b.depth],
        np.r_[a.line, line + offset].astype(np.int64),
    )
