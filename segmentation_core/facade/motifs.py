"""Single ornaments of a painted beam: whirl flowers, gardenias, lotus, ruyi clouds, curling leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely

from segmentation_core.facade.curves import Points, arc, bezier, circle, petal, placed, ribbon, spiral
from segmentation_core.facade.painter import Painter, union_of_circles
from segmentation_core.facade.palette import GOLD, INK, OCHRE, RED, ROSE, WHITE, Ramp

__all__ = ["blossom", "cloud", "curl_leaf", "foil", "gardenia", "lotus", "whirl_flower"]

Centre = tuple[float, float]


@dataclass(frozen=True)
class _Ring:
    """One ring of petals of a whirl flower, in fractions of the flower's radius."""

    outer: float
    inner: float
    count: int
    whirl: bool


def whirl_flower(painter: Painter, centre: Centre, radius_px: float, ramps: tuple[Ramp, Ramp]) -> None:
    """Paint a xuanzi (旋子): rings of whirling lobes around a gilded heart.

    Parameters
    ----------
    painter : Painter
        Canvas.
    centre : (x, y)
        Pixels.
    radius_px : float
        Outer radius.
    ramps : (Ramp, Ramp)
        Hues of the outer and the middle ring.
    """
    rings = (_Ring(1.0, 0.66, 13, True), _Ring(0.7, 0.4, 12, False), _Ring(0.43, 0.2, 8, True))
    painter.fill(circle(centre, radius_px * 1.01), INK)
    for index, ring in enumerate(rings):
        _petal_ring(painter, centre, radius_px, ring, ramps[index % 2])
    _heart(painter, centre, radius_px * 0.21)


def _petal_ring(painter: Painter, centre: Centre, radius_px: float, ring: _Ring, ramp: Ramp) -> None:
    outer, inner = ring.outer * radius_px, ring.inner * radius_px
    painter.fill(circle(centre, outer * 0.95), ramp.deep)
    lobe = 2 * math.pi / ring.count
    size = outer * math.sin(lobe / 2) / (1 + math.sin(lobe / 2)) * (1.16 if ring.whirl else 1.04)
    middle = outer - size
    # Each petal lies on the one before it, which turns the ring.
    for k in range(ring.count):
        angle = k * lobe + 0.13
        spot = placed(np.array([[middle, 0.0]]), centre, angle)[0]
        head = union_of_circles([(spot[0], spot[1], size)])
        tail = placed(_tail(inner, middle, size, lobe if ring.whirl else 0.0), centre, angle)
        petal_shape = shapely.union(head, shapely.Polygon(tail).buffer(0))
        painter.graded(petal_shape, ramp, size * 0.17, steps=4)
        if ring.whirl:
            curl = spiral((spot[0], spot[1]), (size * 0.66, size * 0.1), angle + math.pi * 0.9, 1.4, 40)
            painter.ink(curl, max(size * 0.1, 1.2))
            painter.stroke(curl, max(size * 0.05, 0.8), WHITE)
        else:
            for fan in (-0.3, 0.0, 0.3):
                rib = np.array([[inner * 1.04, 0], [middle + size * 0.25, fan * size * 1.3]])
                painter.ink(placed(rib, centre, angle), max(size * 0.05, 1.0))


def _tail(inner: float, middle: float, size: float, sweep: float) -> Points:
    """Return the part of a petal that runs from its round head inwards, swept back against the whirl."""
    count = 8
    radius = np.linspace(middle, inner * 0.98, count)
    turn = -sweep * np.linspace(0, 1, count) ** 1.5 * 1.1
    half = np.linspace(size * 0.99, size * 0.4, count) / radius
    one = np.column_stack((radius * np.cos(turn + half), radius * np.sin(turn + half)))
    other = np.column_stack((radius * np.cos(turn - half), radius * np.sin(turn - half)))
    return np.vstack((one, other[::-1]))


def _heart(painter: Painter, centre: Centre, radius_px: float) -> None:
    painter.fill(circle(centre, radius_px), INK)
    painter.fill(circle(centre, radius_px * 0.92), RED.dark)
    for k in range(8):
        leaf = placed(petal(radius_px * 0.85, radius_px * 0.3, pointed=0.3), centre, k * math.pi / 4)
        painter.fill(leaf, INK)
        painter.fill(shapely.Polygon(leaf).buffer(-radius_px * 0.05), GOLD, relief=255)
    painter.fill(circle(centre, radius_px * 0.36), INK)
    painter.fill(circle(centre, radius_px * 0.29), GOLD, relief=255)


def gardenia(painter: Painter, centre: Centre, radius_px: float, ramp: Ramp, angle: float = 0.0) -> None:
    """Paint a zhihua (栀花): four broad petals around a gilded heart, to fill corners."""
    for k in range(8):
        turn = angle + k * math.pi / 4 + math.pi / 8
        leaf = petal(radius_px * 1.0, radius_px * 0.22, pointed=0.9)
        painter.graded(placed(leaf, centre, turn), ramp, radius_px * 0.06, steps=3)
    for k in range(4):
        leaf = petal(radius_px * 0.92, radius_px * 0.62, pointed=0.25)
        painter.graded(placed(leaf, centre, angle + k * math.pi / 2), ramp, radius_px * 0.075, steps=4)
        rib = placed(np.array([[radius_px * 0.25, 0], [radius_px * 0.7, 0]]), centre, angle + k * math.pi / 2)
        painter.ink(rib, max(radius_px * 0.018, 1.0))
    _heart(painter, centre, radius_px * 0.24)


def foil(centre: Centre, radius_px: float, lobes: int = 8, angle: float = 0.0) -> shapely.Geometry:
    """Return a medallion's outline with round lobes."""
    circles = [(centre[0], centre[1], radius_px * 0.8)]
    for k in range(lobes):
        turn = angle + 2 * math.pi * k / lobes
        reach = radius_px * 0.68
        x, y = centre[0] + reach * math.cos(turn), centre[1] + reach * math.sin(turn)
        circles.append((x, y, radius_px * 0.32))
    return union_of_circles(circles)


def lotus(
    painter: Painter, centre: Centre, radius_px: float, ramps: tuple[Ramp, Ramp], angle: float = 0.0
) -> None:
    """Paint an Indian lotus (西番莲) seen from the side, growing in the direction ``angle``.

    Parameters
    ----------
    painter : Painter
        Canvas.
    centre : (x, y)
        Pixels.
    radius_px : float
        Half the flower's width.
    ramps : (Ramp, Ramp)
        Hues of the outer and the inner petals.
    angle : float
        Radians, 0 to the right.
    """
    step = radius_px * 0.055
    for spread, length, width, which in (
        (1.75, 0.85, 0.34, 0),
        (1.25, 1.0, 0.4, 0),
        (0.78, 1.04, 0.42, 0),
        (0.4, 0.98, 0.42, 1),
    ):
        for side in (-1, 1):
            leaf = petal(radius_px * length, radius_px * width, pointed=0.75, bend=side * radius_px * 0.16)
            painter.graded(
                placed(leaf, centre, angle + side * spread), ramps[which], step, outline="gold", steps=3
            )
            vein = np.array([[radius_px * 0.2, 0], [radius_px * length * 0.66, side * radius_px * 0.05]])
            painter.ink(placed(vein, centre, angle + side * spread), max(step * 0.3, 1.0))
    painter.graded(
        placed(petal(radius_px * 1.05, radius_px * 0.46, pointed=0.8), centre, angle),
        ramps[1],
        step,
        outline="gold",
    )
    for spread in (-0.55, 0.0, 0.55):
        leaf = petal(radius_px * 0.55, radius_px * 0.24, pointed=0.5)
        painter.graded(placed(leaf, centre, angle + spread), OCHRE, step * 0.8, outline="gold", steps=2)
    painter.fill(circle(centre, radius_px * 0.17), INK)
    painter.fill(circle(centre, radius_px * 0.14), GOLD, relief=255)


def curl_leaf(painter: Painter, base: Centre, length_px: float, angle: float, ramp: Ramp, hand: int) -> None:
    """Paint a curling leaf (卷叶) whose tip rolls to the side ``hand`` (-1 or 1)."""
    spine = bezier(
        [(0, 0), (0.45, -0.2 * hand), (1.05, -0.1 * hand), (1.1, 0.5 * hand), (0.66, 0.44 * hand)], 26
    )
    blade = ribbon(spine, 0.12, 0.3)
    lobes = [(0.68, 0.42 * hand, 0.16), (0.34, -0.16 * hand, 0.15), (0.62, -0.18 * hand, 0.17)]
    lobes += [(0.9, -0.04 * hand, 0.18), (0.98, 0.22 * hand, 0.15)]
    shape = shapely.union(shapely.Polygon(blade).buffer(0), union_of_circles(lobes))
    painter.graded(
        placed(_largest(shape), base, angle, length_px), ramp, length_px * 0.07, outline="gold", steps=3
    )
    painter.ink(placed(spine[2:-3], base, angle, length_px), max(length_px * 0.022, 1.0))
    for at, reach in ((8, -0.2), (12, -0.2), (16, -0.16)):
        vein = np.vstack((spine[at - 3], spine[at] + np.array([0.02, reach * 0.6 * hand])))
        painter.ink(placed(vein, base, angle, length_px), max(length_px * 0.014, 0.8))


def cloud(painter: Painter, centre: Centre, size_px: float, ramp: Ramp, hand: int) -> None:
    """Paint a ruyi cloud head (如意云头) with a trailing tail; ``hand`` (-1, 1) is where the tail blows."""
    s = size_px
    tail = bezier(
        [(0, 0.25 * s), (0.9 * s * hand, 0.5 * s), (1.3 * s * hand, -0.2 * s), (2.3 * s * hand, 0.22 * s)], 30
    )
    painter.graded(placed(ribbon(tail, 0.5 * s, 0.03 * s), centre), ramp, s * 0.07, steps=3)
    lobes = [(0, -0.12, 0.4), (-0.42, 0.14, 0.3), (0.42, 0.14, 0.3), (-0.2, -0.36, 0.26), (0.2, -0.36, 0.26)]
    lobes += [(0.72 * hand, 0.3, 0.2)]
    head = union_of_circles([(centre[0] + x * s, centre[1] + y * s, r * s) for x, y, r in lobes])
    painter.graded(head, ramp, s * 0.075, steps=4)
    for x, start, turns in ((-0.4, math.pi, 1.4), (0.4, 0.0, -1.4)):
        curl = spiral((centre[0] + x * s, centre[1] + 0.15 * s), (0.24 * s, 0.04 * s), start, turns, 36)
        painter.ink(curl, max(s * 0.045, 1.4))
        painter.stroke(curl, max(s * 0.02, 0.8), WHITE)
    painter.ink(
        arc((centre[0], centre[1] + 0.02 * s), 0.3 * s, math.pi * 1.15, math.pi * 1.85), max(s * 0.03, 1.0)
    )


def blossom(painter: Painter, centre: Centre, radius_px: float, angle: float = 0.0) -> None:
    """Paint a small five-petalled filler flower."""
    for k in range(5):
        leaf = petal(radius_px, radius_px * 0.62, pointed=0.05)
        painter.graded(placed(leaf, centre, angle + k * 2 * math.pi / 5), ROSE, radius_px * 0.12, steps=2)
    painter.fill(circle(centre, radius_px * 0.26), GOLD, relief=255)


def _largest(shape: shapely.Geometry) -> Points:
    parts = getattr(shape, "geoms", [shape])
    return np.asarray(max(parts, key=lambda part: float(part.area)).exterior.coords)
