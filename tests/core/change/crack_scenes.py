"""Generated walls with exactly known cracks and losses, photographed twice: the tests' and benchmarks' truth.

Lengths are pixels of the first picture until `photographed` turns them into mm.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from affine import Affine
from scipy.spatial import Voronoi

from segmentation_core.change.epoch import ChangeSettings, Epoch
from segmentation_core.vectors.arrays import vectorise

SIDE_PX = 600
GSD_MM = 0.4
SIGMA_PX = 0.15
_MARGIN_PX = 40


@dataclass(frozen=True)
class Wall:
    """What is really there: polylines with widths, and losses."""

    cracks: tuple[np.ndarray, ...]
    widths: tuple[float, ...]
    losses: tuple[np.ndarray, ...] = ()

    def with_cracks(self, cracks, widths) -> Wall:
        """The wall with further cracks."""
        return replace(self, cracks=(*self.cracks, *cracks), widths=(*self.widths, *widths))

    def length_mm(self, area_mm: Any) -> float:
        """Length of all cracks in an area, as far as no loss took them."""
        lines = shapely.MultiLineString([crack * GSD_MM for crack in self.cracks])
        gone = shapely.union_all(self.loss_polygons())
        return float(lines.intersection(area_mm).difference(gone).length)

    def loss_polygons(self) -> list[shapely.Polygon]:
        """The losses, mm."""
        return [shapely.Polygon(loss * GSD_MM) for loss in self.losses]


@dataclass(frozen=True)
class Pose:
    """How a picture lies on the wall: wall = affine * (col, row); and as the registration believes."""

    true: Affine
    believed: Affine


@dataclass(frozen=True)
class Changes:
    """What happened between the surveys, exactly."""

    new: tuple[np.ndarray, ...] = ()
    grown: dict[int, float] = field(default_factory=dict)
    widened: dict[int, float] = field(default_factory=dict)


def network(random: np.random.Generator, cell_px: float = 60.0, share: float = 0.5) -> Wall:
    """A craquelure of cells over part of the picture; its last cells end in free tips."""
    side = SIDE_PX + 2 * _MARGIN_PX
    count = int(side / cell_px)
    rows, cols = np.mgrid[0:count, 0:count]
    points = (np.column_stack([cols.ravel(), rows.ravel()]) + 0.5) * cell_px - _MARGIN_PX
    diagram = Voronoi(points + random.uniform(-0.3, 0.3, points.shape) * cell_px)
    ends = [diagram.vertices[ridge] for ridge in diagram.ridge_vertices if min(ridge) >= 0]
    kept = [e for e in ends if e[:, 0].mean() < share * SIDE_PX and np.hypot(*(e[1] - e[0])) > 12]
    return Wall(tuple(kept), tuple(random.uniform(2, 4, len(kept)).tolist()))


def slots(random: np.random.Generator, share: float = 0.5, pitch_px: float = 72.0) -> list[np.ndarray]:
    """Places for cracks that stand alone, in random order."""
    xs = np.arange(share * SIDE_PX + pitch_px, SIDE_PX - pitch_px / 2, pitch_px)
    ys = np.arange(pitch_px / 2 + 8, SIDE_PX - pitch_px / 2, pitch_px)
    return list(random.permutation(np.array([(x, y) for x in xs for y in ys])))


def bent(random: np.random.Generator, centre: np.ndarray, length_px: float) -> np.ndarray:
    """A crack of three straight pieces of exactly known length."""
    turn = random.uniform(0, np.pi) + np.array([0.0, *random.uniform(-0.35, 0.35, 2)]).cumsum()
    steps = length_px / 3 * np.column_stack([np.cos(turn), np.sin(turn)])
    points = np.vstack([[0.0, 0.0], steps.cumsum(axis=0)])
    return points - points.mean(axis=0) + centre


def lengthened(crack: np.ndarray, growth_px: float) -> np.ndarray:
    """The crack with its last end led on straight."""
    ahead = crack[-1] - crack[-2]
    return np.vstack([crack, crack[-1] + growth_px * ahead / np.hypot(*ahead)])


def blob(random: np.random.Generator, centre: np.ndarray, radius_px: float) -> np.ndarray:
    """A paint loss with a wavy outline."""
    angle = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    radius = radius_px * (
        1 + sum(random.uniform(-0.1, 0.1) * np.cos(k * angle + random.uniform(0, 6)) for k in (2, 3, 5))
    )
    return centre + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])


def pose(random: np.random.Generator, sigma_px: float = SIGMA_PX) -> Pose:
    """A picture taken again: shifted, turned, and registered with an error of sigma per axis (rms)."""
    middle = SIDE_PX / 2
    true = Affine.translation(*random.uniform(-3, 3, 2)) @ Affine.rotation(
        random.uniform(-4, 4), pivot=(middle, middle)
    )
    shift, linear = random.normal(0, 1, 2), random.normal(0, 1, (2, 2)) / (SIDE_PX / np.sqrt(12))
    scale = sigma_px / np.sqrt(3)  # each of shift, and slope along x and y, has a third of the variance
    shift, linear = scale * shift, scale * linear
    error = Affine(
        1 + linear[0, 0], linear[0, 1], shift[0] - middle * linear[0].sum(),
        linear[1, 0], 1 + linear[1, 1], shift[1] - middle * linear[1].sum(),
    )  # fmt: skip
    return Pose(true, error @ true)


def same_pose() -> Pose:
    """The first picture: it is the frame."""
    return Pose(Affine.identity(), Affine.identity())


def picture(wall: Wall, where: Affine) -> np.ndarray:
    """Classes (1 crack, 2 loss) of a picture; a pixel belongs to what its centre lies in.

    Cracks of more than one segment end flat, so that they are exactly as long as their points say; single
    segments end round, so that those of a network close at its nodes.
    """
    cols, rows = np.meshgrid(np.arange(SIDE_PX) + 0.5, np.arange(SIDE_PX) + 0.5)
    x, y = where.a * cols + where.b * rows + where.c, where.d * cols + where.e * rows + where.f
    classes = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    back = ~where
    for crack, width in zip(wall.cracks, wall.widths, strict=True):
        is_flat = len(crack) > 2
        for number, (start, stop) in enumerate(itertools.pairwise(crack)):
            box = _window(np.array([back @ tuple(start), back @ tuple(stop)]), width)
            along, aside = _beside(x[box], y[box], start, stop)
            kept = aside < width / 2
            if is_flat and number == 0:
                kept &= along > 0
            if is_flat and number == len(crack) - 2:
                kept &= along < 1
            classes[box][kept] = 1
    for loss in wall.losses:
        box = _window(np.array([back @ tuple(point) for point in loss]), 2)
        classes[box][shapely.contains_xy(shapely.Polygon(loss), x[box], y[box])] = 2
    return classes


def _window(points: np.ndarray, beyond: float) -> tuple[slice, slice]:
    low = np.clip(np.floor(points.min(axis=0) - beyond).astype(int), 0, SIDE_PX)
    high = np.clip(np.ceil(points.max(axis=0) + beyond).astype(int) + 1, 0, SIDE_PX)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _beside(
    x: np.ndarray, y: np.ndarray, start: np.ndarray, stop: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Share of the way from start to stop, and distance from the segment."""
    way = stop - start
    along = ((x - start[0]) * way[0] + (y - start[1]) * way[1]) / (way @ way)
    share = np.clip(along, 0, 1)
    return along, np.hypot(x - start[0] - share * way[0], y - start[1] - share * way[1])


def photographed(wall: Wall, where: Pose) -> Epoch:
    """What a survey of the wall finds, in mm, in the frame of the first picture."""
    to_mm = Affine.scale(GSD_MM) @ where.believed
    layers = vectorise(picture(wall, where.true), to_mm, metres_per_unit=0.001)
    lines, nodes = layers["crack_line"], layers["crack_node"]
    kind = dict(zip(nodes["node_id"].tolist(), nodes["kind"].tolist(), strict=True))
    ends = zip(lines["node_a"].tolist(), lines["node_b"].tolist(), strict=True)
    return Epoch(
        lines=list(lines["geometry"]),
        uids=lines["uid"].tolist(),
        widths_mm=lines["wid_m"] * 1000,
        node_kinds=[(kind[a], kind[b]) for a, b in ends],
        losses=list(layers["loss_polygon"]["geometry"]),
        loss_uids=layers["loss_polygon"]["uid"].tolist(),
        gsd_mm=GSD_MM,
        assessed=shapely.union_all(layers["assessed"]["geometry"]),
    )


def settings(sigma_px: float = SIGMA_PX) -> ChangeSettings:
    """The settings that fit `pose`."""
    return ChangeSettings(sigma_px * GSD_MM, sigma_px * GSD_MM, GSD_MM)


def plain_wall(random: np.random.Generator, *, losses: int = 4) -> Wall:
    """A network, cracks that stand alone, and losses."""
    places = slots(random)
    alone = [bent(random, at, random.uniform(24, 45)) for at in places[losses : losses + 8]]
    spots = [blob(random, at, random.uniform(8, 22)) for at in places[:losses]]
    wall = network(random).with_cracks(alone, random.uniform(2, 4, len(alone)).tolist())
    return replace(wall, losses=tuple(spots))


def changed_wall(random: np.random.Generator) -> tuple[Wall, Wall, Changes]:
    """A wall before and after: new cracks, grown tips and wider cracks, in equal parts of its places."""
    places = slots(random)
    third = len(places) // 3
    before = network(random)
    first = len(before.cracks)
    alone = [bent(random, at, random.uniform(24, 34)) for at in places[: 2 * third]]
    before = before.with_cracks(alone, random.uniform(2, 4, len(alone)).tolist())
    grown = {first + k: float(random.uniform(10, 20)) for k in range(third)}
    widened = {first + k: float(random.uniform(1, 1.6)) for k in range(third, 2 * third)}
    cracks = [lengthened(c, grown[k]) if k in grown else c for k, c in enumerate(before.cracks)]
    widths = [w + widened.get(k, 0.0) for k, w in enumerate(before.widths)]
    new = [bent(random, at, random.uniform(20, 44)) for at in places[2 * third :]]
    new += branches(random, before, 5)
    after = Wall((*cracks, *new), (*widths, *random.uniform(2, 4, len(new)).tolist()))
    return before, after, Changes(tuple(new), grown, widened)


def branches(random: np.random.Generator, wall: Wall, count: int) -> list[np.ndarray]:
    """New cracks that start on the network and lead 20-26 px into a cell, clear of everything else."""
    everything = shapely.MultiLineString(list(wall.cracks))
    found: list[np.ndarray] = []
    for number in random.permutation(len(wall.cracks)).tolist():
        crack = wall.cracks[number]
        start, along = crack.mean(axis=0), crack[-1] - crack[0]
        across = np.array([-along[1], along[0]]) / np.hypot(*along) * random.choice([-1, 1])
        path = start + across * np.array([[0.0], [0.5], [1.0]]) * random.uniform(20, 26)
        clear = shapely.distance(shapely.LineString([start + 8 * across, path[-1]]), everything) > 6
        apart = all(shapely.distance(shapely.LineString(path), shapely.LineString(o)) > 15 for o in found)
        in_sight = (path > 15).all() and (path < SIDE_PX - 15).all()
        if np.hypot(*along) > 25 and clear and apart and in_sight and len(found) < count:
            found.append(path)
    return found
