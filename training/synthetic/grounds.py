"""What paint loss exposes: ground, bare wood, or an older layer of paint."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.synthetic.backgrounds import flat, grain_directions, pigments, wood
from training.synthetic.draws import Draws, per_sample, plane
from training.synthetic.fields import blurred, fractal, softened, streaks

__all__ = ["exposed", "ground_colours"]

_GROUNDS = (
    (214.0, 200, 172), (228, 220, 204), (196, 170, 130), (150, 118, 84), (112, 84, 60), (170, 160, 150),
    (130, 60, 44), (86, 74, 66), (205, 190, 160),
)  # fmt: skip
# Earth colours come more often than near-whites, which a painted petal can share.
_LOSS_SHARES = (0.1, 0.04, 0.2, 0.18, 0.14, 0.14, 0.05, 0.1, 0.05)
_OLDER_LAYER = 0.12
_WITH_WOOD = 0.6


def ground_colours(draws: Draws, shares: Sequence[float] | None = _LOSS_SHARES) -> Tensor:
    """Return a ground's colour (N, 3), 0-255; all alike where there are no shares."""
    table = torch.tensor(_GROUNDS, device=draws.device)
    return table[draws.choice(shares or [1 / len(_GROUNDS)] * len(_GROUNDS))]


def exposed(draws: Draws, pictures: Tensor, loss: Tensor) -> Tensor:
    """Return what lies beneath pictures (N, 3, H, W), unlike the paint around.

    Parameters
    ----------
    draws : Draws
        Sources of randomness.
    pictures : Tensor (N, 3, H, W)
        The paint.
    loss : Tensor (N, H, W)
        Share of each pixel that lost it, 0-1; where the loss is wide, wood shows within the ground.
    """
    size_px = pictures.shape[-1]
    colour = ground_colours(draws) + 12 * draws.normal(3)
    paint = torch.stack([per_sample(torch.mean, pictures[:, k]) for k in range(3)], 1)
    alike = (colour - paint).abs().sum(1) / 3 < 25
    away = torch.where(colour.sum(1) / 3 < 128, 60.0, -60.0)
    colour = torch.where(alike[:, None], colour + away[:, None], colour)
    mottling = fractal(draws, size_px, draws.uniform(4, 50), 5) - 0.5
    out = flat(colour, size_px) * (1 + plane(draws.uniform(0.12, 0.55)) * mottling)[:, None]
    chosen, part = draws.some(0.5)
    if len(chosen):
        brush = streaks(part, size_px, grain_directions(part))
        out[chosen] += (plane(part.uniform(2, 30)) * brush)[:, None]
    chosen, part = draws.some(0.3)
    if len(chosen):
        out[chosen] += plane(part.uniform(2, 10))[:, None] * part.white(1, size_px)
    chosen, part = draws.some(_OLDER_LAYER)
    if len(chosen):
        out[chosen] = _older_layer(part, size_px, out[chosen])
    chosen, part = draws.some(_WITH_WOOD)
    if len(chosen):
        # Where the loss is deep the ground is gone too, and the wood shows: a core inside a paler rim.
        reach = part.uniform(2, 10)
        depth = softened(loss[chosen], reach) + plane(part.uniform(0, 0.5)) * (
            fractal(part, size_px, 20.0) - 0.5
        )
        core = ((depth - plane(part.uniform(0.6, 0.9))) * plane(reach)).clamp(0, 1)
        core = blurred(core, part.uniform(0.4, 2.0))[:, None]
        out[chosen] = out[chosen] * (1 - core) + wood(part, size_px) * core
    return out.clamp(0, 255)


def _older_layer(draws: Draws, size_px: int, ground: Tensor) -> Tensor:
    """Return an older painting beneath: one or two worn colours, its ground showing through."""
    border = fractal(draws, size_px, draws.uniform(40, 200), 3)
    edge = ((border - plane(draws.uniform(0.3, 0.7))) * 60).clamp(0, 1)[:, None]
    old = flat(pigments(draws), size_px) * edge + flat(pigments(draws), size_px) * (1 - edge)
    worn = (fractal(draws, size_px, draws.uniform(4, 20)) * 4 - plane(draws.uniform(1.8, 3.2))).clamp(0, 0.9)[
        :, None
    ]
    return old * (1 - worn) + ground * worn
