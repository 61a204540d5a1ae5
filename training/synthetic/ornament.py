"""Undamaged backgrounds: caihua-like ornament, textures, crops of paintings.

Everything drawn here is background for the network: outlines, gold lines, contour bands and hair strokes
are the domain's hard negatives (RECOGNITION, section 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from training.synthetic.noise import brush_texture, fractal, smooth_field

__all__ = ["background"]

Picture = NDArray[np.floating[Any]]

_PIGMENTS = np.array(
    [
        (28, 62, 110), (52, 98, 150), (110, 150, 190), (170, 195, 215),  # azurite steps
        (24, 84, 66), (58, 124, 96), (120, 168, 140), (176, 205, 184),  # malachite steps
        (140, 36, 28), (178, 64, 44), (205, 120, 90),  # vermilion and ochre reds
        (222, 214, 196), (236, 230, 216), (196, 176, 130), (170, 130, 60),  # whites, buff, ochre
        (30, 28, 28), (60, 52, 46), (92, 70, 50), (120, 104, 88),  # ink, browns
    ],
    np.float32,
)  # fmt: skip
_GOLD = np.array((196, 158, 72), np.float32)
_SUPERSAMPLING = 3


def background(rng: np.random.Generator, size_px: int, paintings: Sequence[Picture]) -> Picture:
    """Return an undamaged picture (H, W, 3), 0-255.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    size_px : int
        Side of the square picture.
    paintings : sequence of arrays (H, W, 3)
        Undamaged paintings to take crops from; may be empty.
    """
    kind = rng.random()
    if paintings and kind < 0.2:
        return _painting_crop(rng, size_px, paintings)
    return _surface(rng, _plain(rng, size_px) if kind < 0.4 else _ornament(rng, size_px))


def _pigment(rng: np.random.Generator) -> Picture:
    colour = _PIGMENTS[rng.integers(len(_PIGMENTS))] + rng.normal(0, 14, 3)
    if rng.random() < 0.15:
        colour = rng.uniform(10, 245, 3)
    pigment: Picture = np.clip(colour, 5, 250).astype(np.float32)
    return pigment


def _painting_crop(rng: np.random.Generator, size_px: int, paintings: Sequence[Picture]) -> Picture:
    painting = paintings[int(rng.integers(len(paintings)))]
    side = int(min(size_px * rng.uniform(0.35, 1.0), *painting.shape[:2]))
    row = rng.integers(painting.shape[0] - side + 1)
    col = rng.integers(painting.shape[1] - side + 1)
    crop = Image.fromarray(painting[row : row + side, col : col + side].astype(np.uint8))
    return np.asarray(crop.resize((size_px, size_px), Image.Resampling.BICUBIC), np.float32)


def _plain(rng: np.random.Generator, size_px: int) -> Picture:
    mix = fractal(rng, size_px, rng.uniform(30, 200))[..., None]
    mix = np.clip((mix - 0.5) * rng.uniform(0.2, 3) + 0.5, 0, 1)
    first = _pigment(rng)
    second = _pigment(rng) if rng.random() < 0.4 else np.clip(first + rng.normal(0, 18, 3), 5, 250)
    mixed: Picture = (first * mix + second * (1 - mix)).astype(np.float32)
    return mixed


def _ornament(rng: np.random.Generator, size_px: int) -> Picture:
    s = _SUPERSAMPLING
    canvas = Image.new("RGB", (size_px * s, size_px * s), tuple(int(c) for c in _pigment(rng)))
    draw = ImageDraw.Draw(canvas)
    for _ in range(rng.integers(1, 5)):
        _DRAWERS[rng.integers(len(_DRAWERS))](rng, draw, size_px, s)
    return np.asarray(canvas.reduce(s), np.float32)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    r, g, b = (int(c) for c in _pigment(rng))
    return r, g, b


def _line_colour(rng: np.random.Generator) -> tuple[int, int, int]:
    choice = rng.random()
    if choice < 0.4:
        value = rng.uniform(10, 60)
        return int(value), int(value), int(value)
    if choice < 0.7:
        r, g, b = (int(c) for c in np.clip(_GOLD + rng.normal(0, 20, 3), 0, 255))
        return r, g, b
    if choice < 0.85:
        value = rng.uniform(200, 250)
        return int(value), int(value), int(value * 0.95)
    return _colour(rng)


Points = NDArray[np.float64]


def _stroke(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, points: Points, width_px: float, s: int
) -> None:
    """Draw a contour: one line, a double line, or a raised gold line with its light and shadow side."""
    xy = [tuple(p) for p in (points * s)]
    width = max(round(width_px * s), 1)
    kind = rng.random()
    colour = _line_colour(rng)
    if kind < 0.25:
        light, dark = tuple(min(c + 70, 255) for c in colour), tuple(c // 3 for c in colour)
        shift = max(width_px * 0.5, 0.6) * s
        direction = rng.choice([-1, 1])
        draw.line([(x + shift * direction, y + shift) for x, y in xy], fill=dark, width=width, joint="curve")
        draw.line([(x - shift * direction, y - shift) for x, y in xy], fill=light, width=width, joint="curve")
    draw.line(xy, fill=colour, width=width, joint="curve")
    if kind > 0.8:
        draw.line(xy, fill=_line_colour(rng), width=max(width // 3, 1), joint="curve")


def _spiral(rng: np.random.Generator, draw: ImageDraw.ImageDraw, size_px: int, s: int) -> None:
    for _ in range(rng.integers(1, 6)):
        centre = rng.uniform(0, size_px, 2)
        turns, radius = rng.uniform(0.7, 3.5), rng.uniform(10, 90)
        t = np.linspace(rng.uniform(0, 0.2), 1, 90)
        theta = rng.uniform(0, 2 * np.pi) + rng.choice([-1, 1]) * turns * 2 * np.pi * t
        points = centre + (radius * t ** rng.uniform(0.6, 1.4))[:, None] * np.c_[np.cos(theta), np.sin(theta)]
        for offset in range(rng.integers(1, 4)):
            _stroke(rng, draw, points + offset * rng.uniform(2, 7), rng.uniform(0.7, 5), s)


def _bands(rng: np.random.Generator, draw: ImageDraw.ImageDraw, size_px: int, s: int) -> None:
    angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    position = rng.uniform(-0.6, 0.2) * size_px
    amplitude, period = rng.choice([0, rng.uniform(3, 40)]), rng.uniform(40, 200)
    t = np.linspace(-1, 1, 100) * size_px
    middle = np.array([size_px / 2, size_px / 2])
    colour, step = _pigment(rng), rng.uniform(-30, 30, 3)
    for _ in range(rng.integers(2, 12)):
        width = rng.uniform(4, 45)
        wave = amplitude * np.sin(2 * np.pi * t / period)
        edge = middle + t[:, None] * along + (position + wave)[:, None] * across
        far = middle + t[::-1, None] * along + (position + width + wave[::-1])[:, None] * across
        draw.polygon([tuple(p) for p in np.r_[edge, far] * s], fill=tuple(int(c) for c in colour))
        if rng.random() < 0.6:
            _stroke(rng, draw, edge, rng.uniform(0.6, 4), s)
        colour = np.clip(colour + step, 5, 250) if rng.random() < 0.7 else _pigment(rng)
        position += width


def _rosette(rng: np.random.Generator, draw: ImageDraw.ImageDraw, size_px: int, s: int) -> None:
    centre, radius, petals = rng.uniform(0, size_px, 2), rng.uniform(15, 110), rng.integers(3, 14)
    rings = rng.integers(1, 5)
    colour, step = _pigment(rng), rng.uniform(-40, 40, 3)
    theta = np.linspace(0, 2 * np.pi, 220)
    for ring in range(rings):
        depth = rng.uniform(0, 0.35)
        r = radius * (1 - ring / rings) * (1 - depth + depth * np.abs(np.sin(petals * theta / 2)))
        points = centre + r[:, None] * np.c_[np.cos(theta), np.sin(theta)]
        draw.polygon([tuple(p) for p in points * s], fill=tuple(int(c) for c in np.clip(colour, 0, 255)))
        if rng.random() < 0.8:
            _stroke(rng, draw, points, rng.uniform(0.6, 4), s)
        colour = colour + step


def _clouds(rng: np.random.Generator, draw: ImageDraw.ImageDraw, size_px: int, s: int) -> None:
    for _ in range(rng.integers(2, 10)):
        centre, radius = rng.uniform(0, size_px, 2), rng.uniform(8, 60)
        box = [*((centre - radius) * s), *((centre + radius) * s)]
        if rng.random() < 0.6:
            draw.ellipse(box, fill=_colour(rng))
        for shrink in np.linspace(1, 0.3, rng.integers(1, 5)):
            inner = [*((centre - radius * shrink) * s), *((centre + radius * shrink) * s)]
            start = rng.uniform(0, 360)
            width = max(round(rng.uniform(0.6, 4) * s), 1)
            draw.arc(inner, start, start + rng.uniform(120, 360), fill=_line_colour(rng), width=width)


def _lattice(rng: np.random.Generator, draw: ImageDraw.ImageDraw, size_px: int, s: int) -> None:
    spacing, angle, width = rng.uniform(14, 70), rng.uniform(0, np.pi), rng.uniform(0.6, 3)
    for turn in (angle, angle + rng.choice([np.pi / 2, np.pi / 3])):
        along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
        for k in np.arange(-size_px, size_px, spacing):
            start = np.array([size_px / 2] * 2) + k * across - size_px * along
            _stroke(rng, draw, np.array([start, start + 2 * size_px * along]), width, s)


def _brush_lines(rng: np.random.Generator, draw: ImageDraw.ImageDraw, size_px: int, s: int) -> None:
    heading, spread = rng.uniform(0, np.pi), rng.uniform(0.02, 0.6)
    for _ in range(rng.integers(3, 40)):
        start, turn = rng.uniform(0, size_px, 2), heading + rng.normal(0, spread)
        t = np.linspace(0, rng.uniform(15, 140), 24)
        curve = rng.normal(0, 0.006) * t**2
        points = (
            start + np.c_[np.cos(turn) * t - np.sin(turn) * curve, np.sin(turn) * t + np.cos(turn) * curve]
        )
        xy = points * s
        colour, width = _line_colour(rng), rng.uniform(0.5, 3.5)
        for index in range(len(xy) - 1):
            swell = np.sin(np.pi * (index + 1) / len(xy)) ** 0.5
            draw.line([*xy[index], *xy[index + 1]], fill=colour, width=max(round(width * swell * s), 1))


def _lobes(rng: np.random.Generator, draw: ImageDraw.ImageDraw, size_px: int, s: int) -> None:
    """Draw overlapping lobes with graded bands, dark outlines and ink veins, as on flower roundels."""
    colour, step = _pigment(rng), rng.uniform(-45, 45, 3)
    outline, inner = _line_colour(rng), _line_colour(rng)
    width, bands, veins = rng.uniform(0.8, 5), rng.integers(1, 5), rng.integers(0, 6)
    centre, ring = rng.uniform(-0.3, 1.3, 2) * size_px, rng.uniform(20, 200)
    radius, squash = rng.uniform(10, 60), rng.uniform(0.5, 1)
    count = max(int(2 * np.pi * ring / (radius * rng.uniform(1, 2))), 3)
    theta = np.linspace(0, 2 * np.pi, 60)
    for turn in rng.uniform(0, 2 * np.pi) + np.arange(count) * 2 * np.pi / count:
        along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
        middle = centre + ring * along
        for band in range(bands):
            size = radius * (1 - band / (bands + 0.5))
            edge = middle + size * (np.cos(theta)[:, None] * along + squash * np.sin(theta)[:, None] * across)
            fill = tuple(int(c) for c in np.clip(colour + band * step, 5, 250))
            draw.polygon([tuple(p) for p in edge * s], fill=fill)
            if band == 0:
                draw.line([tuple(p) for p in edge * s], fill=outline, width=max(round(width * s), 1))
            elif band == bands - 1 and veins > 3:
                draw.line([tuple(p) for p in edge * s], fill=inner, width=max(round(width * s / 2), 1))
        for spread in np.linspace(-0.5, 0.5, veins):
            tip = middle + radius * 0.7 * (np.cos(spread) * along + np.sin(spread) * across)
            draw.line([*(middle * s), *(tip * s)], fill=outline, width=max(round(width * s * 0.6), 1))


_DRAWERS = (_spiral, _bands, _rosette, _clouds, _lattice, _brush_lines, _bands, _spiral, _lobes, _lobes)


def _surface(rng: np.random.Generator, picture: Picture) -> Picture:
    """Give flat paint its surface: brush streaks, mottling, grime, a slightly soft drawing."""
    size_px = picture.shape[0]
    out = ndimage.gaussian_filter(picture, (rng.uniform(0.2, 0.8),) * 2 + (0,))
    if rng.random() < 0.7:
        out = out + rng.uniform(0, 7) * brush_texture(rng, size_px)[..., None]
    out = out * (1 + rng.uniform(0, 0.3) * (fractal(rng, size_px, rng.uniform(4, 60)) - 0.5)[..., None])
    if rng.random() < 0.2:
        # Thin, not gone: what is worn through to the ground is a loss, and labelled as one.
        worn = np.clip(fractal(rng, size_px, rng.uniform(5, 40), 5) * 4 - rng.uniform(2, 3.4), 0, 1)
        worn = rng.uniform(0.1, 0.35) * worn[..., None]
        out = out * (1 - worn) + _pigment(rng) * worn
    if rng.random() < 0.3:
        # Raised lines (gilding over a ridge of gesso) catch the light on one side.
        light = rng.uniform(0, 2 * np.pi)
        height = ndimage.gaussian_filter(out.mean(axis=2), rng.uniform(0.6, 1.6))
        slope = np.sin(light) * np.gradient(height, axis=0) + np.cos(light) * np.gradient(height, axis=1)
        out = out * (1 + np.clip(rng.uniform(0.004, 0.02) * slope, -0.4, 0.5)[..., None])
    if rng.random() < 0.3:
        grime = smooth_field(rng, size_px, rng.uniform(40, 150))[..., None]
        out = out * (1 - rng.uniform(0, 0.4) * grime)
    clipped: Picture = np.clip(out, 0, 255).astype(np.float32)
    return clipped
