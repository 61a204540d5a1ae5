"""Undamaged backgrounds: painted ornament, plain paint, bare wood and plaster, crops of paintings.

Everything drawn here is background for the network: outlines, gold lines, contour bands and brush strokes
are the domain's hard negatives (RECOGNITION, section 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.synthetic.cells import coverage_of
from training.synthetic.draws import Draws, per_sample, plane
from training.synthetic.fields import blurred, fractal, pixel_centres, slopes, smooth_fields, streaks
from training.synthetic.motifs import MOTIFS
from training.synthetic.profiles import line_colour, paint_profiles, pigment
from training.synthetic.strokes import draw_strokes
from training.synthetic.wandering import hairs

__all__ = [
    "ORNAMENT_ALONE",
    "PAINTINGS_ALONE",
    "Picture",
    "backgrounds",
    "brightness",
    "brush_strokes",
    "flat",
    "grain_directions",
    "pigments",
    "wood",
]

Picture = NDArray[np.floating[Any]]

_KINDS = (0.58, 0.15, 0.05, 0.02, 0.2)
"""Shares of ornament, plain paint, bare wood, bare plaster, and crops of paintings where there are any."""

ORNAMENT_ALONE = (1.0, 0.0, 0.0, 0.0, 0.0)
PAINTINGS_ALONE = (0.0, 0.0, 0.0, 0.0, 1.0)

_BRUSHED = 0.3
"""Share of ornaments with strokes of a brush: hair, feathers, grass."""


def backgrounds(
    draws: Draws, size_px: int, paintings: Sequence[Picture], kinds: Sequence[float] = _KINDS
) -> Tensor:
    """Return undamaged pictures (N, 3, H, W), 0-255.

    Parameters
    ----------
    draws : Draws
        Sources of randomness.
    size_px : int
        Side of the square pictures.
    paintings : sequence of arrays (H, W, 3)
        Undamaged paintings to take crops from; may be empty.
    kinds : sequence of 5 float
        Shares of ornament, plain paint, bare wood, bare plaster and crops of paintings.
    """
    out = torch.empty(len(draws), 3, size_px, size_px, device=draws.device)
    kind = draws.choice(kinds)
    if not paintings:
        kind = torch.where(kind == 4, 0, kind)
    for number, paint in enumerate((_ornament, _plain, wood, _plaster)):
        chosen = torch.nonzero(kind == number)[:, 0]
        if len(chosen):
            part = draws.of(chosen)
            painted = paint(part, size_px)
            out[chosen] = _surface(part, painted) if number < 2 else painted
    for place in torch.nonzero(kind == 4)[:, 0].tolist():
        out[place] = _painting_crop(draws.sources[place], size_px, paintings).to(draws.device)
    return out


def pigments(draws: Draws) -> Tensor:
    """Return a colour (N, 3) per sample."""
    colours = np.stack([pigment(source) for source in draws.sources])
    return torch.from_numpy(colours.astype(np.float32)).to(draws.device)


def flat(colours: Tensor, size_px: int) -> Tensor:
    """Return pictures (N, 3, H, W) of one colour (N, 3) each."""
    return plane(colours).expand(-1, -1, size_px, size_px)


def grain_directions(draws: Draws) -> Tensor:
    """Return the direction (N,) of the wood beneath, radians: mostly along the picture's rows or columns."""
    square = draws.integers(0, 2) * (torch.pi / 2) + 0.05 * draws.normal()
    return torch.where(draws.uniform() < 0.75, square, draws.uniform(0, torch.pi))


def _painting_crop(rng: np.random.Generator, size_px: int, paintings: Sequence[Picture]) -> Tensor:
    painting = paintings[int(rng.integers(len(paintings)))]
    side = int(min(size_px * rng.uniform(0.35, 1.0), *painting.shape[:2]))
    row = int(rng.integers(painting.shape[0] - side + 1))
    col = int(rng.integers(painting.shape[1] - side + 1))
    crop = np.ascontiguousarray(painting[row : row + side, col : col + side].transpose(2, 0, 1), np.float32)
    size = (size_px, size_px)
    resized = functional.interpolate(torch.from_numpy(crop)[None], size, mode="bicubic", align_corners=False)
    return resized[0].clamp(0, 255)


def _plain(draws: Draws, size_px: int) -> Tensor:
    mix = fractal(draws, size_px, draws.uniform(30, 200))
    mix = ((mix - 0.5) * plane(draws.uniform(0.2, 3)) + 0.5).clamp(0, 1)[:, None]
    first = pigments(draws)
    near = (first + 18 * draws.normal(3)).clamp(5, 250)
    second = torch.where(draws.uniform()[:, None] < 0.4, pigments(draws), near)
    return flat(first, size_px) * mix + flat(second, size_px) * (1 - mix)


def wood(draws: Draws, size_px: int) -> Tensor:
    """Return bare wood (N, 3, H, W): brown or grey, its grain running one way and darkening in lines."""
    brown = torch.tensor((140.0, 112, 84), device=draws.device)
    colour = brown * draws.uniform(0.6, 1.35)[:, None] + 6 * draws.normal(3)
    grain = streaks(draws, size_px, grain_directions(draws))
    # Dark lines of the grain look like cracks, and are none.
    lines = (grain - plane(draws.uniform(-0.3, 1))).clamp(0, 1.5) ** plane(draws.uniform(0.5, 1.5))
    tone = 1 + plane(draws.uniform(0.03, 0.15)) * grain - plane(draws.uniform(0, 0.6)) * lines
    tone = tone * (1 + plane(draws.uniform(0, 0.3)) * (fractal(draws, size_px, 40.0) - 0.5))
    return (flat(colour, size_px) * tone[:, None]).clamp(5, 250)


def _plaster(draws: Draws, size_px: int) -> Tensor:
    """Return bare plaster or priming: pale, mottled, with a coarse grain."""
    colour = torch.tensor((214.0, 202, 180), device=draws.device) * draws.uniform(0.75, 1.1)[:, None]
    mottling = fractal(draws, size_px, draws.uniform(20, 120)) - 0.5
    coarse = smooth_fields(draws, size_px, draws.uniform(2, 5)) - 0.5
    tone = 1 + plane(draws.uniform(0.05, 0.3)) * mottling + plane(draws.uniform(0.02, 0.15)) * coarse
    return (flat(colour, size_px) * tone[:, None]).clamp(5, 250)


def _ornament(draws: Draws, size_px: int) -> Tensor:
    out = flat(pigments(draws), size_px).clone()
    x, y = pixel_centres(size_px, draws.device)
    tremor = draws.uniform(0, 5)
    x = x + plane(tremor) * (smooth_fields(draws, size_px, 45.0) - 0.5)
    y = y + plane(tremor) * (smooth_fields(draws, size_px, 45.0) - 0.5)
    layers = draws.integers(1, 5)
    for layer in range(4):
        kind = draws.choice((0.26, 0.2, 0.1, 0.12, 0.1, 0.1, 0.12))
        for number, motif in enumerate(MOTIFS):
            chosen = torch.nonzero((kind == number) & (layer < layers))[:, 0]
            if len(chosen):
                distance, profiles = motif(draws.of(chosen), x[chosen], y[chosen])
                out[chosen] = paint_profiles(out[chosen], distance, profiles)[0]
    chosen, part = draws.some(_BRUSHED)
    if len(chosen):
        out[chosen] = brush_strokes(part, out[chosen])
    return out


def brush_strokes(draws: Draws, pictures: Tensor) -> Tensor:
    """Paint strokes of one colour that run one way and swell, as hair, feathers or grass are drawn."""
    size_px = pictures.shape[-1]
    strokes = [
        hairs(
            source,
            size_px,
            int(source.integers(3, 40)),
            (0.5, source.uniform(1, 4)),
            (15, 140),
            source.uniform(0, 6.3),
        )
        for source in draws.sources
    ]
    inside, width = draw_strokes(strokes, size_px, draws.device)
    colours = np.stack([line_colour(source) for source in draws.sources]).astype(np.float32)
    cover = coverage_of(width / 2 - inside, width)[:, None]
    return pictures * (1 - cover) + plane(torch.from_numpy(colours).to(draws.device)) * cover


def _surface(draws: Draws, pictures: Tensor) -> Tensor:
    """Give flat paint its surface: a slightly soft drawing, brush streaks, mottling, wear, relief, grime."""
    size_px = pictures.shape[-1]
    out = blurred(pictures, draws.uniform(0.15, 0.7))
    chosen, part = draws.some(0.7)
    if len(chosen):
        brush = streaks(part, size_px, grain_directions(part))
        out[chosen] += (plane(part.uniform(0, 7)) * brush)[:, None]
    mottling = fractal(draws, size_px, draws.uniform(4, 60)) - 0.5
    out *= (1 + plane(draws.uniform(0, 0.3)) * mottling)[:, None]
    chosen, part = draws.some(0.2)
    if len(chosen):
        # Thin, not gone: what is worn through to the ground is a loss, and labelled as one.
        worn = fractal(part, size_px, part.uniform(5, 40), 5) * 4 - plane(part.uniform(2, 3.4))
        worn = (worn.clamp(0, 1) * plane(part.uniform(0.1, 0.35)))[:, None]
        out[chosen] = out[chosen] * (1 - worn) + flat(pigments(part), size_px) * worn
    chosen, part = draws.some(0.3)
    if len(chosen):
        # Raised lines (gilding over a ridge of gesso) catch the light on one side.
        light = part.uniform(0, 2 * torch.pi)
        along, down = slopes(blurred(_grey(out[chosen]), part.uniform(0.6, 1.6)))
        slope = plane(torch.cos(light)) * along + plane(torch.sin(light)) * down
        out[chosen] *= (1 + (plane(part.uniform(0.004, 0.02)) * slope).clamp(-0.4, 0.5))[:, None]
    chosen, part = draws.some(0.3)
    if len(chosen):
        grime = smooth_fields(part, size_px, part.uniform(40, 150))
        out[chosen] *= (1 - plane(part.uniform(0, 0.4)) * grime)[:, None]
    return out.clamp(0, 255)


def _grey(pictures: Tensor) -> Tensor:
    return (pictures[:, 0] + pictures[:, 1] + pictures[:, 2]) / 3


def brightness(pictures: Tensor) -> Tensor:
    """Return the mean (N,) of pictures (N, C, H, W), the same whatever the batch."""
    return per_sample(torch.mean, pictures)
