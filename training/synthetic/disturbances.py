"""What lies on or beside the paint and is no damage: hair, dirt, joints, cables, nails, shadows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.synthetic.backgrounds import wood
from training.synthetic.cells import coverage_of
from training.synthetic.draws import Draws, plane
from training.synthetic.fields import blurred, pixel_centres, sampled, slopes, smooth_fields
from training.synthetic.profiles import Profile, paint_profiles, pigment
from training.synthetic.strokes import draw_strokes
from training.synthetic.wandering import hairs

__all__ = ["cast_shadows", "drive_nails", "lay_cables", "lay_hair", "open_joints", "strew"]

Overlay = NDArray[np.uint8]


def strew(draws: Draws, pictures: Tensor, overlays: Sequence[Overlay]) -> Tensor:
    """Lay one to three pictures of hair, lint, dust or stains (RGBA) over each picture (N, 3, H, W)."""
    size_px = pictures.shape[-1]
    out = pictures.clone()
    for picture, source in zip(out, draws.sources, strict=True):
        for _ in range(source.integers(1, 4)):
            overlay = overlays[int(source.integers(len(overlays)))]
            side = max(size_px * source.uniform(0.3, 1.0), 16.0)
            alpha = torch.from_numpy(overlay[..., 3].astype(np.float32)).to(draws.device)[None, None] / 255
            shrink = int(overlay.shape[0] / side)
            alpha = functional.avg_pool2d(alpha, shrink) if shrink > 1 else alpha
            # Beyond its border an overlay is empty.
            alpha = functional.pad(alpha, (1, 1, 1, 1))
            angle, scale = source.uniform(0, 2 * np.pi), alpha.shape[-1] / side
            middle = source.uniform(side / 4, size_px - side / 4, 2)
            x, y = pixel_centres(size_px, draws.device)
            x, y = (x - middle[0]) * scale, (y - middle[1]) * scale
            cos, sin, half = float(np.cos(angle)), float(np.sin(angle)), alpha.shape[-1] / 2
            turned = sampled(alpha, (x * cos + y * sin + half)[None], (y * cos - x * sin + half)[None])[0]
            cover = turned * source.uniform(0.4, 1)
            tone = source.uniform(0, 70) if source.random() < 0.5 else source.uniform(170, 250)
            picture.mul_(1 - cover).add_(tone * cover)
    return out


def lay_hair(draws: Draws, pictures: Tensor) -> Tensor:
    """Lay a few hairs or threads over pictures (N, 3, H, W): dark or pale, thin and smooth."""
    size_px = pictures.shape[-1]
    strokes = [
        hairs(source, size_px, int(source.integers(1, 6)), (0.6, 2.6), (0.15 * size_px, 1.2 * size_px))
        for source in draws.sources
    ]
    inside, width = draw_strokes(strokes, size_px, draws.device)
    cover = coverage_of(width / 2 - inside, width) * plane(draws.uniform(0.4, 1))
    tone = torch.where(draws.uniform() < 0.6, draws.uniform(5, 70), draws.uniform(150, 250))
    return pictures * (1 - cover[:, None]) + (plane(tone) * cover)[:, None]


def _straight(draws: Draws, size_px: int, angle: Tensor, sway_px: Tensor) -> Tensor:
    """Return the distance (N, H, W), px, from a line that sways a little, somewhere in the picture."""
    x, y = pixel_centres(size_px, draws.device)
    x, y = x - size_px / 2, y - size_px / 2
    across = y * plane(torch.cos(angle)) - x * plane(torch.sin(angle))
    sway = plane(sway_px) * (smooth_fields(draws, size_px, 0.3 * size_px) - 0.5)
    distance = across + sway - plane(draws.uniform(-0.45, 0.45) * size_px)
    along, down = slopes(distance)
    return distance / torch.sqrt(along**2 + down**2).clamp(min=0.2)


def open_joints(draws: Draws, pictures: Tensor, grain: Tensor) -> tuple[Tensor, Tensor]:
    """Open a joint between boards: a dark gap with worn edges, along the grain (N,) or across it.

    Returns
    -------
    pictures : Tensor (N, 3, H, W)
    covered : bool Tensor (N, H, W)
        Where there is no paint any more, nor damage to it.
    """
    size_px = pictures.shape[-1]
    angle = grain + torch.where(draws.uniform() < 0.8, 0.0, torch.pi / 2)
    distance = _straight(draws, size_px, angle, draws.uniform(0, 6))
    profiles, bare = [], []
    for source in draws.sources:
        profile, width = Profile(), source.uniform(1.5, 14)
        dark = np.full(3, source.uniform(4, 45)) * (1, 0.92, 0.84)
        bare.append(source.random() < 0.4)
        if source.random() < 0.5:
            profile.band(-width / 2 - source.uniform(1, 3), width / 2, np.minimum(pigment(source) + 60, 255))
        profile.band(-width / 2, width / 2, dark)
        profiles.append(profile)
    beside = torch.tensor(bare, device=draws.device)
    if beside.any():
        # The next board was never painted.
        chosen = torch.nonzero(beside)[:, 0]
        other = (distance[chosen] + 0.5).clamp(0, 1)
        part = draws.of(chosen)
        pictures = pictures.clone()
        pictures[chosen] = pictures[chosen] * (1 - other[:, None]) + wood(part, size_px) * other[:, None]
    out, cover = paint_profiles(pictures, distance, profiles)
    return out, (cover >= 0.5) | (plane(beside) & (distance >= 0))


def lay_cables(draws: Draws, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Run a cable or a wire over pictures (N, 3, H, W): round, lit from one side, with its cast shadow.

    Returns
    -------
    pictures : Tensor (N, 3, H, W)
    covered : bool Tensor (N, H, W)
        Where the cable hides the paint.
    """
    size_px = pictures.shape[-1]
    distance = _straight(draws, size_px, draws.uniform(0, torch.pi), draws.uniform(0, 0.3) * size_px)
    profiles, shadows = [], []
    for source in draws.sources:
        radius = np.exp(source.uniform(np.log(1.2), np.log(22)))
        colour = np.full(3, source.uniform(10, 90)) if source.random() < 0.6 else pigment(source)
        profile, shadow = Profile(), Profile()
        lit = source.uniform(-0.6, 0.6)
        for at in np.linspace(-1, 1, 24, endpoint=False):
            shade = 0.35 + 0.9 * max(1 - (at - lit) ** 2, 0.0) ** 2
            profile.band(at * radius, (at + 1 / 12) * radius, np.clip(colour * shade + 8, 0, 255))
        shadow.band(-radius, radius, np.zeros(3))
        profiles.append(profile)
        shadows.append(shadow)
    beyond = distance - plane(draws.uniform(-14, 14))
    cast = paint_profiles(torch.zeros_like(pictures), beyond, shadows)[1]
    cast = blurred(cast, draws.uniform(0.8, 3))
    shaded = pictures * (1 - plane(draws.uniform(0.2, 0.6)) * cast)[:, None]
    out, cover = paint_profiles(shaded, distance, profiles)
    return out, cover >= 0.5


def drive_nails(draws: Draws, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Drive up to four nails into pictures (N, 3, H, W): dark heads with a lit side, rust around some.

    Returns
    -------
    pictures : Tensor (N, 3, H, W)
    covered : bool Tensor (N, H, W)
        Where heads hide the paint.
    """
    size_px = pictures.shape[-1]
    x, y = pixel_centres(size_px, draws.device)
    count, radius = draws.integers(1, 5), draws.uniform(2.5, 14)
    distance = torch.full_like(pictures[:, 0], 400.0)
    lean = torch.zeros_like(distance)
    light = draws.uniform(0, 2 * torch.pi)
    for k in range(4):
        dx, dy = x - plane(draws.uniform() * size_px), y - plane(draws.uniform() * size_px)
        away = torch.sqrt(dx * dx + dy * dy) - plane(radius)
        away = torch.where(plane(k < count), away, 400.0)
        closer = away < distance
        distance = torch.where(closer, away, distance)
        way = (dx * plane(torch.cos(light)) + dy * plane(torch.sin(light))) / plane(radius)
        lean = torch.where(closer, way, lean)
    rust = torch.tensor((0.72, 0.5, 0.36), device=draws.device)[:, None, None]
    halo = plane(draws.uniform(0, 0.8)) * (1 - distance / plane(radius * draws.uniform(0.5, 2.5))).clamp(0, 1)
    stained = pictures * (1 - halo[:, None] * (1 - rust))
    head = torch.where(plane(draws.uniform() < 0.6), draws.uniform(25, 90)[:, None, None], 130.0)
    shade = (head * (1 + 0.6 * lean)).clamp(5, 235)
    cover = (0.5 - distance).clamp(0, 1)
    return stained * (1 - cover[:, None]) + (shade * cover)[:, None], cover >= 0.5


def cast_shadows(draws: Draws, pictures: Tensor) -> Tensor:
    """Darken a side or a strip of pictures (N, 3, H, W) by the shadow of something above: sharp or soft."""
    size_px = pictures.shape[-1]
    distance = _straight(draws, size_px, draws.uniform(0, torch.pi), draws.uniform(0, 0.2) * size_px)
    soft = torch.exp(draws.uniform(0.3, 4))
    half = torch.where(draws.uniform() < 0.4, torch.exp(draws.uniform(0.7, 3.7)), 1e4)
    inner = torch.where(half < 1e3, half - distance.abs().permute(1, 2, 0), distance.permute(1, 2, 0))
    dark = (inner.permute(2, 0, 1) / plane(soft) + 0.5).clamp(0, 1)
    dark = dark * dark * (3 - 2 * dark)
    tint = 1 - draws.uniform(0.15, 0.65)[:, None] * (1 - 0.12 * draws.uniform(0, 1, 3))
    return pictures * (1 - dark[:, None] * (1 - plane(tint)))
