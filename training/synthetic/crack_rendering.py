"""How cracks look: filled with shade or ground, between paint that curls up; and whether they can be seen."""

from __future__ import annotations

import torch
from torch import Tensor

from training.synthetic.backgrounds import brightness, flat
from training.synthetic.cells import Cells
from training.synthetic.draws import Draws, per_sample, plane
from training.synthetic.fields import blurred, quantile, shifted, slopes, smooth_fields
from training.synthetic.grounds import ground_colours

__all__ = ["FAINTEST", "bare_priming", "cupped", "filled", "visible"]

FAINTEST = 11.0
"""Grey levels of contrast below which damage is ignored in training."""

_DARK = 75.0
"""Mean grey level below which cracks are mostly lighter than the paint."""


def bare_priming(draws: Draws, pictures: Tensor) -> Tensor:
    """Pale pictures to grey, with the coarse grain of a ground or of an old print."""
    grey = (pictures[:, :1] + pictures[:, 1:2] + pictures[:, 2:]) / 3
    grain = blurred(draws.white(1, pictures.shape[-1]), draws.uniform(0.5, 1.6))
    grain = grain / plane(per_sample(torch.std, grain))[:, None] * plane(draws.uniform(8, 28))[:, None]
    return (
        (255 - (255 - grey) * plane(draws.uniform(0.15, 0.7))[:, None] + grain)
        .clamp(0, 255)
        .expand(-1, 3, -1, -1)
    )


def visible(before: Tensor, after: Tensor, mask: Tensor, reach_px: float) -> Tensor:
    """Say where a change of pictures could be seen at all: what nobody can see must not be learnt."""
    change = (after - before).abs()
    change = (change[:, 0] + change[:, 1] + change[:, 2]) / 3 * mask
    reach = torch.full((len(mask),), reach_px, device=mask.device)
    both = blurred(torch.stack((change, mask.float()), 1), reach)
    return both[:, 0] >= FAINTEST * both[:, 1].clamp(min=1e-3)


def cupped(draws: Draws, pictures: Tensor, coverage: Tensor, cells: Cells) -> Tensor:
    """Let paint curl up at the borders of its cells: lit on one side of a crack, in shade on the other."""
    chosen, part = draws.some(0.35)
    if not len(chosen):
        return pictures
    out = pictures.clone()
    border = cells.border_px[chosen]
    # Never past the middle of a cell, where the next border takes over.
    reach = torch.minimum(part.uniform(2, 12), quantile(border, torch.full_like(part.uniform(), 0.9)) * 0.6)
    opened = blurred((cells.width_px[chosen] / 1.5).clamp(0, 1), torch.full_like(reach, 2.0))
    near = (5 * blurred(coverage[chosen], torch.full_like(reach, 4.0))).clamp(0, 1)
    height = opened * (1 - border / plane(reach)).clamp(0, 1) ** 2
    along, down = slopes(blurred(height, torch.full_like(reach, 0.7)) * plane(reach))
    light = part.uniform(0, 2 * torch.pi)
    slope = plane(torch.cos(light)) * along + plane(torch.sin(light)) * down
    shade = 1 + (plane(part.uniform(0.05, 0.3)) * slope * near).clamp(-0.45, 0.6)
    out[chosen] = (out[chosen] * shade[:, None]).clamp(0, 255)
    return out


def filled(draws: Draws, pictures: Tensor, coverage: Tensor, *, dark: Tensor) -> Tensor:
    """Paint the cracks themselves: dark with depth and dirt, or pale with the ground that shows."""
    size_px = pictures.shape[-1]
    soft = blurred(coverage, draws.uniform(0.25, 0.7))
    uneven = 0.75 + 0.5 * (smooth_fields(draws, size_px, 50.0) - 0.5)
    alpha = (soft * plane(draws.uniform(0.35, 0.95)) * uneven).clamp(0, 1)[:, None]
    out = pictures
    chosen, part = draws.some(0.25)
    if len(chosen):
        lip = blurred(coverage[chosen], torch.full((len(chosen),), 0.7, device=draws.device))
        lip = shifted(lip, part.uniform(-2, 2), part.uniform(-2, 2))
        out = out.clone()
        out[chosen] *= (1 + plane(part.uniform(0.05, 0.4)) * lip)[:, None]
    mean = brightness(out)
    is_dark = dark | (draws.uniform() < torch.where(mean > _DARK, 0.8, 0.25))
    shaded = out * plane(draws.uniform(0.05, 0.5))[:, None]
    black = plane(draws.uniform(10, 60))[:, None]
    depth = torch.where(plane(draws.uniform() < 0.6)[:, None], shaded, black)
    ground = ground_colours(draws, shares=None) * draws.uniform(0.9, 1.15)[:, None]
    near = ((ground[:, 0] + ground[:, 1] + ground[:, 2]) / 3 - mean).abs() < 35
    other = torch.where((mean > 110)[:, None], ground * 0.2, (ground * 1.3 + 30).clamp(0, 255))
    ground = torch.where(near[:, None], other, ground)
    fill = torch.where(plane(is_dark)[:, None], depth, flat(ground, size_px))
    return out * (1 - alpha) + fill * alpha
