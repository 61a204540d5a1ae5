"""Fillings of a beam's panels: lotus scroll, flowing clouds, brocade, key fret, beads."""

from __future__ import annotations

import math

import numpy as np

from segmentation_core.facade.curves import Points, bezier, circle, rectangle, spiral
from segmentation_core.facade.motifs import blossom, cloud, curl_leaf, gardenia, lotus
from segmentation_core.facade.painter import Painter
from segmentation_core.facade.palette import BLUE, GOLD, GREEN, INK, OCHRE, RED, ROSE, TEAL, WHITE, Ramp

__all__ = ["beads", "brocade", "flowing_clouds", "key_fret", "lotus_scroll", "panel_outline"]

Box = tuple[float, float, float, float]


def lotus_scroll(painter: Painter, box: Box, rng: np.random.Generator) -> None:
    """Paint a winding vine with a lotus in each bay over the whole box (x0, y0, x1, y1)."""
    x0, y0, x1, y1 = box
    height, middle = y1 - y0, (y0 + y1) / 2
    bays = max(2, round((x1 - x0) / (height * 0.86)))
    pitch = (x1 - x0) / bays
    line_px = max(height * 0.014, 1.6)
    x = np.linspace(x0 - pitch, x1 + pitch, 60 * (bays + 2))
    stem = np.column_stack((x, middle + 0.3 * height * np.sin(np.pi * (x - x0) / pitch)))
    centres = [(x0 + (k + 0.5) * pitch, middle + (0.06 if k % 2 else -0.06) * height) for k in range(bays)]
    for k, centre in enumerate(centres):
        _tendril(painter, centre, height, -1 if k % 2 else 1, line_px)
    _stem_leaves(painter, stem, (x0, x1), height, rng)
    painter.gold(stem, line_px * 1.3)
    for k, centre in enumerate(centres):
        ramps = ((BLUE, ROSE), (GREEN, ROSE), (ROSE, TEAL))[k % 3]
        angle = math.pi / 2 if k % 2 else -math.pi / 2
        low = (centre[0], centre[1] + (-0.07 if k % 2 else 0.07) * height)
        lotus(painter, low, height * 0.27, ramps, angle + rng.normal(0, 0.06))


def _tendril(painter: Painter, centre: tuple[float, float], height: float, hand: int, line_px: float) -> None:
    start = math.pi / 2 * hand
    for way in (1, -1):
        curl = spiral(centre, (height * 0.42, height * 0.26), start, way * 0.6, 48)
        for k, at in enumerate((8, 16, 24, 32, 40)):
            direction = curl[at] - curl[at - 2]
            angle = math.atan2(direction[1], direction[0])
            ramp = (GREEN, TEAL, BLUE, GREEN, OCHRE)[k]
            side = -way if k % 2 == 0 else way
            length = height * (0.17 if side == -way else 0.1)
            curl_leaf(painter, (curl[at][0], curl[at][1]), length, angle + 0.35 * side, ramp, side)
        painter.gold(curl, line_px)
        tip = (curl[-1][0], curl[-1][1])
        painter.fill(circle(tip, line_px * 2.2), INK)
        painter.fill(circle(tip, line_px * 1.7), GOLD, relief=255)


def _stem_leaves(
    painter: Painter, stem: Points, span: tuple[float, float], height: float, rng: np.random.Generator
) -> None:
    step_px = float(np.hypot(*np.diff(stem, axis=0).T).mean())
    every = max(2, int(height * 0.15 / step_px))
    for k, at in enumerate(range(every, len(stem) - every, every)):
        if not span[0] - height < stem[at][0] < span[1] + height:
            continue
        direction = stem[at + 1] - stem[at]
        hand = 1 if k % 2 == 0 else -1
        angle = math.atan2(direction[1], direction[0]) + hand * (0.5 + rng.normal(0, 0.08))
        ramp = (GREEN, BLUE, TEAL)[k % 3]
        curl_leaf(painter, (stem[at][0], stem[at][1]), height * rng.uniform(0.14, 0.2), angle, ramp, hand)


def flowing_clouds(painter: Painter, box: Box, rng: np.random.Generator) -> None:
    """Paint drifting clouds in several hues over the box, with gold dots between them."""
    x0, y0, x1, y1 = box
    height = y1 - y0
    size = height * 0.16
    cols, rows = max(2, round((x1 - x0) / (size * 2.9))), 4
    hues = (GREEN, ROSE, OCHRE, TEAL, RED)
    _wind_lines(painter, box, rng)
    for row in range(rows):
        for col in range(cols + 1):
            x = x0 + (col + 0.5 * (row % 2)) * (x1 - x0) / cols + rng.normal(0, size * 0.2)
            y = y0 + (row + 0.55) * height / rows + rng.normal(0, size * 0.1)
            hue = hues[(col * 2 + row * 3) % len(hues)]
            cloud(painter, (x, y), size * rng.uniform(0.85, 1.1), hue, 1 if (row + col) % 2 else -1)
            dot = (x + size * 1.5, y + size * 0.75)
            painter.fill(circle(dot, size * 0.09), GOLD, relief=255)


def _wind_lines(painter: Painter, box: Box, rng: np.random.Generator) -> None:
    """Rule thin wavering ink lines across the ground, as painters do for wind and water."""
    x0, y0, x1, y1 = box
    line_px = max((y1 - y0) * 0.0028, 1.0)
    for y in np.linspace(y0, y1, 15):
        start = rng.uniform(x0, x0 + 0.3 * (x1 - x0))
        while start < x1:
            stop = min(start + rng.uniform(0.05, 0.3) * (x1 - x0), x1)
            x = np.linspace(start, stop, 40)
            wave = (y1 - y0) * 0.012 * np.sin(x / (y1 - y0) * 9 + y)
            painter.ink(np.column_stack((x, y + wave)), line_px * rng.uniform(0.8, 1.5))
            start = stop + rng.uniform(0.02, 0.15) * (x1 - x0)


def brocade(painter: Painter, box: Box, ramp: Ramp) -> None:
    """Paint a brocade (宋锦): a gold lattice of squares and octagons with a flower in each."""
    x0, y0, x1, y1 = box
    pitch = (y1 - y0) / 3.0
    painter.fill(rectangle(*box), ramp.mid)
    line_px = max(pitch * 0.028, 1.4)
    cols, rows = int((x1 - x0) / pitch) + 2, 5
    for row in range(-1, rows):
        for col in range(-1, cols):
            x, y = x0 + col * pitch, y0 + row * pitch + pitch / 2
            _brocade_cell(painter, (x, y), pitch, line_px, (row + col) % 2 == 0)


def _brocade_cell(
    painter: Painter, centre: tuple[float, float], pitch: float, line_px: float, even: bool
) -> None:
    x, y = centre
    r = pitch / 2
    diamond = np.array([[x - r, y], [x, y - r], [x + r, y], [x, y + r], [x - r, y]])
    inner = (
        np.array([[x - r, y], [x, y - r], [x + r, y], [x, y + r], [x - r, y]]) * 0.72
        + np.array([x, y]) * 0.28
    )
    painter.fill(diamond, (RED if even else GREEN).dark)
    for offset in (0.0, 0.16):
        shrunk = diamond * (1 - offset) + np.array([x, y]) * offset
        painter.gold(shrunk, line_px)
    painter.stroke(inner, line_px * 0.6, WHITE)
    for dx, dy in ((-r, 0.0), (0.0, -r)):
        corner = (x + dx, y + dy)
        painter.fill(circle(corner, pitch * 0.1), INK)
        painter.graded(circle(corner, pitch * 0.09), OCHRE, pitch * 0.02, steps=3)
    if even:
        gardenia(painter, centre, pitch * 0.22, ROSE)
    else:
        blossom(painter, centre, pitch * 0.17)


def key_fret(painter: Painter, box: Box, line_px: float) -> None:
    """Paint a column of key frets (回纹) down a box, in gold on its ground."""
    x0, y0, x1, y1 = box
    side = x1 - x0
    unit = np.array(
        [
            [0.08, 0.98],
            [0.08, 0.1],
            [0.92, 0.1],
            [0.92, 0.72],
            [0.34, 0.72],
            [0.34, 0.4],
            [0.66, 0.4],
            [0.66, 0.54],
        ]
    )
    for k in range(math.ceil((y1 - y0) / side) + 1):
        turned = unit if k % 2 == 0 else unit * (-1, 1) + (1, 0)
        painter.gold(turned * side + (x0, y0 + k * side), line_px)


def beads(painter: Painter, box: Box, ramp: Ramp) -> None:
    """Paint a string of beads (连珠) down a box on an ink ground."""
    x0, y0, x1, y1 = box
    painter.fill(rectangle(x0, y0 - 50, x1, y1 + 50), INK)
    radius, x = (x1 - x0) * 0.44, (x0 + x1) / 2
    count = int((y1 - y0) / (2.15 * radius)) + 1
    for y in np.linspace(y0, y1, count):
        painter.graded(circle((x, y), radius), ramp, radius * 0.24, outline="none", steps=3)
        painter.fill(circle((x - radius * 0.25, y - radius * 0.25), radius * 0.2), WHITE)


def panel_outline(box: Box, fold_px: float) -> Points:
    """Return a centre panel (枋心) whose two ends are drawn in to a point by ogee folds."""
    x0, y0, x1, y1 = box
    middle, half = (y0 + y1) / 2, (y1 - y0) / 2
    waist = (x0 + 0.45 * fold_px, middle - 0.62 * half)
    upper = bezier(
        [
            (x0, middle),
            (x0 + 0.28 * fold_px, middle - 0.05 * half),
            (x0 + 0.12 * fold_px, middle - 0.6 * half),
            waist,
        ],
        20,
    )
    shoulder = bezier(
        [waist, (x0 + 0.78 * fold_px, middle - 0.64 * half), (x0 + 0.62 * fold_px, y0), (x0 + fold_px, y0)],
        20,
    )
    end = np.vstack((upper, shoulder[1:]))
    low = end * (1, -1) + (0, 2 * middle)
    right = end * (-1, 1) + (x0 + x1, 0)
    right_low = low * (-1, 1) + (x0 + x1, 0)
    return np.vstack((end, right[::-1], right_low, low[::-1]))
