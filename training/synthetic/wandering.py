"""Courses of single lines: cracks that wander, branch and taper; cracks from an edge; hair; hand strokes."""

from __future__ import annotations

import numpy as np

from training.synthetic.strokes import Points, Stroke

__all__ = ["beginning_cracks", "edge_cracks", "hairs", "wandering_cracks"]

_BEGUN_PX = (14.0, 80.0)
"""Shortest and longest crack that has just opened."""

_Taper = tuple[float, float, float]
"""Share of the width a crack begins with, and over how many pixels it opens and closes."""

_TAPER: _Taper = (0.15, 20.0, 30.0)
_BRANCH_TAPER: _Taper = (0.7, 20.0, 30.0)
_EDGE_TAPER: _Taper = (1.0, 20.0, 30.0)
_BEGUN_TAPER: _Taper = (0.15, 6.0, 8.0)


def wandering_cracks(
    rng: np.random.Generator, size_px: int, count: int, width_px: tuple[float, float]
) -> list[Stroke]:
    """Return single cracks with bends, branches and tapering tips.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    size_px : int
        Side of the picture they cross.
    count : int
        Main cracks.
    width_px : (float, float)
        Range of widths.
    """
    unrest = rng.uniform(0.04, 0.35)
    strokes: list[Stroke] = []
    for _ in range(count):
        start, heading = rng.uniform(-10, size_px + 10, 2), rng.uniform(0, 2 * np.pi)
        length, width = rng.uniform(25, 1.3 * size_px), rng.uniform(*width_px)
        main = _course(rng, start, heading, length, width, unrest)
        strokes.append(main)
        for _ in range(min(rng.poisson(length / 120), 5)):
            at = int(rng.integers(len(main.points) - 1))
            way = main.points[at + 1] - main.points[at]
            side = float(np.arctan2(way[1], way[0])) + rng.choice([-1, 1]) * rng.uniform(0.5, 1.5)
            thinner = max(main.width_px[at] * rng.uniform(0.5, 0.9), 0.5)
            reach = length * rng.uniform(0.1, 0.5)
            strokes.append(_course(rng, main.points[at], side, reach, thinner, unrest, _BRANCH_TAPER))
    return strokes


def beginning_cracks(
    rng: np.random.Generator, size_px: int, count: int, width_px: tuple[float, float]
) -> list[Stroke]:
    """Return short cracks by themselves, as they look when they have just opened: open almost to their tips.

    Parameters are those of `wandering_cracks`.
    """
    unrest = rng.uniform(0.04, 0.3)
    strokes = []
    for _ in range(count):
        start, heading = rng.uniform(0, size_px, 2), rng.uniform(0, 2 * np.pi)
        length = float(np.exp(rng.uniform(*np.log(_BEGUN_PX))))
        width = rng.uniform(*width_px)
        strokes.append(_course(rng, start, heading, length, width, unrest, _BEGUN_TAPER))
    return strokes


def _course(
    rng: np.random.Generator,
    start: Points,
    heading: float,
    length_px: float,
    width_px: float,
    unrest: float,
    taper: _Taper = _TAPER,
) -> Stroke:
    """Walk a crack from one of its ends."""
    steps = rng.uniform(3, 9, max(int(length_px / 6), 2))
    along = np.cumsum(steps)
    bend = rng.normal(0, 0.012) * along / 4 + np.cumsum(rng.normal(0, unrest * 0.4, len(steps)))
    local = heading + bend + rng.normal(0, unrest * 2, len(steps))
    ways = steps[:, None] * np.stack((np.cos(local), np.sin(local)), 1)
    points = np.concatenate((start[None], start + np.cumsum(ways, 0)))
    left = np.concatenate((along[::-1], [0.0]))
    walked = np.concatenate(([0.0], along))
    tip, opens_px, closes_px = taper
    opened = np.minimum(np.clip(left / closes_px, 0, 1), np.clip(tip + walked / opens_px, 0, 1))
    width = width_px * opened * rng.uniform(0.75, 1.25, len(points))
    return Stroke(points, np.maximum(width, 0.35))


def edge_cracks(
    rng: np.random.Generator, size_px: int, angle: float, offset_px: float, width_px: tuple[float, float]
) -> list[Stroke]:
    """Return short cracks that start at an edge (of a board, a joint) and run away from it, tapering.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    size_px : int
        Side of the picture.
    angle : float
        Direction of the edge, radians.
    offset_px : float
        Distance of the edge from the picture's middle, px.
    width_px : (float, float)
        Range of widths at the edge.
    """
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    middle = np.full(2, size_px / 2) + offset_px * across
    # Away from the edge is towards the middle of the picture, or to both sides.
    sides = [-np.sign(offset_px) or 1.0] if rng.random() < 0.6 else [-1.0, 1.0]
    spacing, unrest = rng.uniform(8, 60), rng.uniform(0.04, 0.25)
    strokes = []
    for side in sides:
        at = rng.uniform(-0.7, -0.65) * size_px
        while at < 0.7 * size_px:
            heading = angle + side * (np.pi / 2 + rng.normal(0, 0.25))
            length = float(np.exp(rng.uniform(np.log(8), np.log(size_px / 3))))
            start, width = middle + at * along, rng.uniform(*width_px)
            strokes.append(_course(rng, start, heading, length, width, unrest, _EDGE_TAPER))
            at += spacing * rng.gamma(2.0, 0.5)
    return strokes


def hairs(
    rng: np.random.Generator,
    size_px: int,
    count: int,
    width_px: tuple[float, float],
    length_px: tuple[float, float],
    heading: float | None = None,
) -> list[Stroke]:
    """Return smooth curved lines, swelling in the middle: hair, threads, strokes of a fine brush.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    size_px : int
        Side of the picture.
    count : int
        Lines.
    width_px, length_px : (float, float)
        Ranges.
    heading : float or None
        Common direction, radians; None for any.
    """
    strokes = []
    for _ in range(count):
        turn = rng.uniform(0, 2 * np.pi) if heading is None else heading + rng.normal(0, 0.25)
        t = np.linspace(0, 1, 24)
        bow, curl = rng.normal(0, 0.8), rng.normal(0, 0.6)
        local = turn + bow * t + curl * np.sin(2 * np.pi * t + rng.uniform(0, 6))
        ways = rng.uniform(*length_px) / 24 * np.stack((np.cos(local), np.sin(local)), 1)
        points = rng.uniform(0, size_px, 2) + np.cumsum(ways, 0)
        swell = np.sin(np.pi * (0.04 + 0.92 * t)) ** 0.5 if heading is not None else np.ones(24)
        strokes.append(Stroke(points, np.maximum(rng.uniform(*width_px) * swell, 0.3)))
    return strokes
