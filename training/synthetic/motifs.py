"""Motifs of architectural painting as distances: bands, whirling flowers, volutes, brocades, clouds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from training.synthetic.draws import Draws, plane
from training.synthetic.fields import slopes, smooth_fields
from training.synthetic.profiles import Profile, pigment

__all__ = ["MOTIFS", "Motif"]

Motif = Callable[[Draws, Tensor, Tensor], tuple[Tensor, list[Profile]]]
"""From sources, x and y (N, H, W) to distances (N, H, W), px, and N profiles."""


def _places(draws: Draws, size_px: int) -> tuple[Tensor, Tensor]:
    return plane(draws.uniform(-0.2, 1.2) * size_px), plane(draws.uniform(-0.2, 1.2) * size_px)


def _turned(draws: Draws, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Turn the axes: mostly along the beam or across it."""
    angle = torch.where(
        draws.uniform() < 0.7, draws.uniform(0, 2).floor() * (torch.pi / 2), draws.uniform(0, torch.pi)
    )
    cos, sin = plane(torch.cos(angle)), plane(torch.sin(angle))
    return x * cos + y * sin, y * cos - x * sin


def _bands(draws: Draws, x: Tensor, y: Tensor) -> tuple[Tensor, list[Profile]]:
    """Lay bands side by side: straight, waved, in zigzag or scalloped, in steps of one colour or several."""
    size_px = x.shape[-1]
    u, v = _turned(draws, x, y)
    cycle = u / plane(draws.uniform(40, 220)) + plane(draws.uniform())
    zigzag = 4 * (cycle - cycle.round()).abs() - 1
    scallop = 2 * torch.sin(torch.pi * cycle).abs() - 1
    kind = plane(draws.choice((0.35, 0.2, 0.25, 0.2)))
    wave = torch.where(kind == 1, torch.sin(2 * torch.pi * cycle), torch.where(kind == 2, zigzag, scallop))
    amplitude = torch.where(kind == 0, 0.0, plane(draws.uniform(4, 45)))
    profiles = [_band_profile(source, size_px) for source in draws.sources]
    return v + amplitude * wave - size_px / 2, profiles


def _band_profile(rng: np.random.Generator, size_px: int) -> Profile:
    profile = Profile()
    at = rng.uniform(-0.75, 0.2) * size_px
    colour, step = pigment(rng), rng.uniform(-32, 32, 3)
    for _ in range(rng.integers(2, 12)):
        width = rng.uniform(4, 45)
        profile.band(at, at + width, colour)
        if rng.random() < 0.6:
            profile.stroke(rng, at, rng.uniform(0.6, 4))
        colour = np.clip(colour + step, 5, 250) if rng.random() < 0.7 else pigment(rng)
        at += width
    return profile


def _inner_profile(rng: np.random.Generator) -> Profile:
    """Return an outlined patch: steps of one colour inwards from 0 to minus its depth, as in tuiyun."""
    profile = Profile()
    colour, step = pigment(rng), rng.uniform(-48, 48, 3)
    profile.band(-512, 0, colour)
    edge = 0.0
    for _ in range(rng.integers(0, 5)):
        edge -= rng.uniform(3, 22)
        colour = np.clip(colour + step, 3, 252)
        profile.band(-512, edge, colour)
        if rng.random() < 0.2:
            profile.stroke(rng, edge, rng.uniform(0.6, 2.5))
    if rng.random() < 0.35:
        profile.band(-3.5 - rng.uniform(1, 3), -3.5, np.full(3, rng.uniform(205, 250)))
    if rng.random() < 0.85:
        width = rng.uniform(0.8, 5)
        profile.stroke(rng, -width / 2, width)
    return profile


def _line_profile(rng: np.random.Generator, widest_px: float = 4) -> Profile:
    """Return one to three contours side by side and nothing between."""
    profile = Profile()
    at = 0.0
    for _ in range(rng.integers(1, 4)):
        profile.stroke(rng, at, rng.uniform(0.6, widest_px))
        at += rng.uniform(3, 8)
    return profile


def _flower(draws: Draws, x: Tensor, y: Tensor) -> tuple[Tensor, list[Profile]]:
    """Draw a flower of lobes in rings around its middle, whole or cut by the picture, as on beams' ends."""
    centre_x, centre_y = _places(draws, x.shape[-1])
    dx, dy = x - centre_x, y - centre_y
    radius, turn = torch.sqrt(dx * dx + dy * dy), torch.atan2(dy, dx) / (2 * torch.pi)
    lobe = plane(draws.uniform(10, 55))
    rings = plane(draws.uniform(1, 5).floor())
    ring = torch.minimum((radius / (2 * lobe) - 0.5).round().clamp(min=0), rings)
    middle = 2 * lobe * ring
    count = torch.where(ring == 0, 1.0, (torch.pi * middle / lobe).floor().clamp(min=1))
    whirl = plane(draws.uniform(-0.5, 0.5))
    angle = turn * count + whirl * ring
    off = (angle - angle.round()) * 2 * torch.pi * middle.clamp(min=1e-3) / count
    # Petals that lean, as in the whirling flower.
    lean = plane(draws.uniform(-0.7, 0.7)) * (draws.uniform() < 0.5)[:, None, None]
    away = radius - middle
    off = torch.where(ring == 0, 0.0, off + lean * away)
    squash = plane(draws.uniform(0.75, 1.1))
    return torch.sqrt(away**2 + (off / squash) ** 2) - lobe, [_inner_profile(s) for s in draws.sources]


def _rosette(draws: Draws, x: Tensor, y: Tensor) -> tuple[Tensor, list[Profile]]:
    """Draw a scalloped roundel with steps inwards."""
    centre_x, centre_y = _places(draws, x.shape[-1])
    dx, dy = x - centre_x, y - centre_y
    petals = plane(draws.uniform(3, 15).floor())
    depth = plane(draws.uniform(0, 0.35))
    edge = 1 - depth + depth * torch.sin(torch.atan2(dy, dx) * petals / 2).abs()
    radius = plane(draws.uniform(20, 150))
    distance = torch.sqrt(dx * dx + dy * dy) / edge.clamp(min=0.4) - radius
    return distance, [_inner_profile(source) for source in draws.sources]


def _volutes(draws: Draws, x: Tensor, y: Tensor) -> tuple[Tensor, list[Profile]]:
    """Draw spirals, one or several, in a repeat."""
    u, v = _turned(draws, x, y)
    repeat = plane(draws.uniform(60, 260))
    u, v = u / repeat + plane(draws.uniform()), v / repeat + plane(draws.uniform())
    mirror = 1 - 2 * (u.round() % 2)
    dx, dy = (u - u.round()) * repeat * mirror, (v - v.round()) * repeat
    radius, turn = torch.sqrt(dx * dx + dy * dy), torch.atan2(dy, dx) / (2 * torch.pi)
    pitch = repeat / plane(draws.uniform(4, 9))
    arms = plane(draws.uniform(1, 3).floor())
    cycle = radius / pitch - arms * turn
    distance = (cycle - cycle.round()) * pitch
    inside = radius < repeat * plane(draws.uniform(0.3, 0.5))
    return torch.where(inside, distance, 400.0), [_line_profile(source, 5) for source in draws.sources]


def _lattice(draws: Draws, x: Tensor, y: Tensor) -> tuple[Tensor, list[Profile]]:
    """Draw a brocade: lines in two directions at a right or slanting angle, or roundels in its meshes."""
    u, v = _turned(draws, x, y)
    spacing = plane(draws.uniform(14, 75))
    slant = torch.where(plane(draws.uniform()) < 0.5, 0.0, 0.577)
    u, v = u / spacing, (v + slant * u) / spacing
    cross_u, cross_v = (u - u.floor() - 0.5).abs(), (v - v.floor() - 0.5).abs()
    lines = (0.5 - torch.maximum(cross_u, cross_v)) * spacing
    roundel = (torch.sqrt(cross_u**2 + cross_v**2) - plane(draws.uniform(0.15, 0.35))) * spacing
    patches = plane(draws.uniform()) < 0.4
    profiles = [
        _inner_profile(source) if patched else _line_profile(source, 3)
        for source, patched in zip(draws.sources, patches.flatten().tolist(), strict=True)
    ]
    return torch.where(patches, roundel, lines), profiles


def _clouds(draws: Draws, x: Tensor, y: Tensor) -> tuple[Tensor, list[Profile]]:
    """Draw a heap of round clouds with steps inwards."""
    size_px = x.shape[-1]
    discs = draws.uniform(0, 1, 7, 3)
    distance = torch.full_like(x, torch.inf)
    for k in range(discs.shape[1]):
        dx, dy = x - plane(discs[:, k, 0] * size_px), y - plane(discs[:, k, 1] * size_px)
        distance = torch.minimum(distance, torch.sqrt(dx * dx + dy * dy) - plane(10 + 60 * discs[:, k, 2]))
    return distance, [_inner_profile(source) for source in draws.sources]


def _contours(draws: Draws, x: Tensor, _y: Tensor) -> tuple[Tensor, list[Profile]]:
    """Draw free curved outlines, of drapery, rocks, leaves; lines alone or patches."""
    size_px = x.shape[-1]
    relief = smooth_fields(draws, size_px, draws.uniform(35, 160)) * plane(draws.uniform(1, 4)) - 0.5
    along, down = slopes(relief)
    slope = torch.sqrt(along**2 + down**2).clamp(min=1e-3)
    patches = draws.uniform() < 0.4
    level = torch.where(plane(patches), relief, relief - relief.round())
    profiles = [
        _inner_profile(source) if patched else _line_profile(source)
        for source, patched in zip(draws.sources, patches.tolist(), strict=True)
    ]
    return level / slope, profiles


MOTIFS: tuple[Motif, ...] = (_bands, _flower, _rosette, _volutes, _lattice, _clouds, _contours)
"""What an ornament is put together from."""
