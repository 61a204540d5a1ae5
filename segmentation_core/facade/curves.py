"""Curves that ornament is made of, as arrays of points (N, 2) in pixels, x to the right, y down."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["arc", "bezier", "circle", "petal", "placed", "rectangle", "ribbon", "spiral"]

Points = NDArray[np.float64]


def bezier(controls: Sequence[tuple[float, float]], count: int = 24) -> Points:
    """Return a Bezier curve of any degree through its first and last control point.

    Examples
    --------
    >>> bezier([(0, 0), (1, 2), (2, 0)], 3).tolist()
    [[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]]
    """
    points = np.asarray(controls, float)[None].repeat(count, 0)
    t = np.linspace(0, 1, count)[:, None, None]
    while points.shape[1] > 1:
        points = points[:, :-1] * (1 - t) + points[:, 1:] * t
    return np.asarray(points[:, 0])


def circle(centre: tuple[float, float], radius: float) -> Points:
    """Return a closed circle (its last point is its first)."""
    return arc(centre, radius, 0, 2 * math.pi, 16 + int(2 * math.sqrt(radius) + radius / 6))


def arc(centre: tuple[float, float], radius: float, start: float, stop: float, count: int = 32) -> Points:
    """Return an arc between two angles in radians."""
    angle = np.linspace(start, stop, count)
    return np.column_stack((centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)))


def spiral(
    centre: tuple[float, float], radii: tuple[float, float], start: float, turns: float, count: int = 64
) -> Points:
    """Return a spiral from ``radii[0]`` to ``radii[1]``; negative ``turns`` run the other way."""
    t = np.linspace(0, 1, count)
    radius = radii[0] + (radii[1] - radii[0]) * t**0.85
    angle = start + 2 * math.pi * turns * t
    return np.column_stack((centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)))


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Points:
    """Return a closed rectangle, with points along its sides so that it can bend."""
    count = 2 + int(max(abs(x1 - x0), abs(y1 - y0)) / 60)
    t = np.linspace(0, 1, count)
    top = np.column_stack((x0 + (x1 - x0) * t, np.full(count, y0)))
    right = np.column_stack((np.full(count, x1), y0 + (y1 - y0) * t))
    bottom = np.column_stack((x1 + (x0 - x1) * t, np.full(count, y1)))
    left = np.column_stack((np.full(count, x0), y1 + (y0 - y1) * t))
    return np.vstack((top, right, bottom, left))


def petal(length: float, width: float, *, pointed: float = 0.5, bend: float = 0.0) -> Points:
    """Return a petal whose base is the origin and whose tip lies at (length, bend).

    Parameters
    ----------
    length, width : float
        Pixels.
    pointed : float
        0 for a round tip, 1 for an ogee with a drawn-out point.
    bend : float
        Sideways offset of the tip, pixels.
    """
    reach = length * (1.0 - 0.45 * pointed)
    side = [(0.0, width * 0.18), (length * 0.3, width * 0.75), (reach, width * 0.72)]
    tip = (length, bend)
    upper = bezier([side[0], side[1], side[2], (length * 0.97, width * 0.12 * (1 - pointed) + bend), tip], 18)
    lower = bezier([(x, -y + bend * 0.5) for x, y in side] + [(length * 0.97, bend * 1.1), tip], 18)
    return np.vstack((upper, lower[::-1]))


def ribbon(line: Points, width_start: float, width_stop: float) -> Points:
    """Return the outline of a line whose width changes from one end to the other."""
    tangent = np.gradient(line, axis=0)
    tangent /= np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), 1e-9)[:, None]
    normal = np.column_stack((-tangent[:, 1], tangent[:, 0]))
    half = (np.linspace(width_start, width_stop, len(line)) / 2)[:, None]
    return np.vstack((line + normal * half, (line - normal * half)[::-1]))


def placed(points: Points, centre: tuple[float, float], angle: float = 0.0, scale: float = 1.0) -> Points:
    """Return points turned by ``angle`` (radians), scaled, and moved so that the origin is ``centre``."""
    c, s = math.cos(angle) * scale, math.sin(angle) * scale
    x, y = points[:, 0], points[:, 1]
    return np.column_stack((centre[0] + c * x - s * y, centre[1] + s * x + c * y))
