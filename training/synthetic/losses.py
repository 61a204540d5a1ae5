"""Paint loss on pictures, with its exact label: whole cells, blobs that end at cracks, specks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from training.synthetic.cells import Cells
from training.synthetic.crack_rendering import visible
from training.synthetic.draws import Draws, plane
from training.synthetic.fields import blurred, fractal, quantile, shifted, slopes, smooth_fields
from training.synthetic.grounds import exposed

__all__ = ["add_paint_loss", "loss_depth"]

_FAR = 64.0
_LEAST = 0.1
_BY_CELLS = 0.7
_BY_BLOBS = 0.45
_BY_SPECKS = 0.4
_ENDS_AT_CRACKS = 0.5


def loss_depth(draws: Draws, size_px: int, cells: Cells | None) -> Tensor:
    """Return how deep inside a loss each pixel lies (N, H, W), px; negative outside.

    Exact near the edge, where it decides label and picture; a bound further away.

    Parameters
    ----------
    draws : Draws
        Sources of randomness.
    size_px : int
        Side of the square pictures.
    cells : Cells or None
        What the paint broke into; None, or a single cell, where it did not.
    """
    zone = smooth_fields(draws, size_px, draws.uniform(25, 160))
    depth = torch.full((len(draws), size_px, size_px), -_FAR, device=draws.device)
    broken = torch.zeros(len(draws), dtype=torch.bool, device=draws.device)
    if cells is not None:
        broken = (cells.cell != cells.cell[:, :1, :1]).flatten(1).any(1)
    by_cells = torch.nonzero(broken & (draws.uniform() < _BY_CELLS))[:, 0]
    if cells is not None and len(by_cells):
        depth[by_cells] = _lost_cells(draws.of(by_cells), zone[by_cells], cells.of(by_cells))
    found = (depth > 0).flatten(1).any(1)
    chosen = torch.nonzero(~found | (draws.uniform() < _BY_BLOBS))[:, 0]
    if len(chosen):
        part = draws.of(chosen)
        rough = plane(part.uniform(0.05, 0.35)) * fractal(part, size_px, part.uniform(6, 30), 4)
        blob = _above(zone[chosen] + rough, part.uniform(0.75, 0.99))
        ending = torch.nonzero(broken[chosen] & (part.uniform() < _ENDS_AT_CRACKS))[:, 0]
        if cells is not None and len(ending):
            held = cells.of(chosen[ending])
            lucky = (
                part.of(ending).uniform(0, 1, Cells.numbers) < plane(part.of(ending).uniform(0.4, 0.9))[:, 0]
            )
            blob[ending] = torch.minimum(blob[ending], _depth_in_cells(lucky, held))
        depth[chosen] = torch.maximum(depth[chosen], blob)
    chosen, part = draws.some(_BY_SPECKS)
    if len(chosen):
        speck = _above(fractal(part, size_px, part.uniform(5, 14), 3), part.uniform(0.97, 0.998))
        where = _above(zone[chosen], torch.full((len(chosen),), 0.4, device=draws.device))
        depth[chosen] = torch.maximum(depth[chosen], torch.minimum(speck, where))
    return depth


def _above(field: Tensor, share: Tensor) -> Tensor:
    """Return the distance (N, H, W), px, inside where a field lies above one of its quantiles."""
    along, down = slopes(field)
    slope = torch.sqrt(along**2 + down**2).clamp(min=1e-4)
    return ((field - plane(quantile(field, share))) / slope).clamp(-_FAR, _FAR)


def _lost_cells(draws: Draws, zone: Tensor, cells: Cells) -> Tensor:
    """Lose the cells where a zone is high, at a rim of paint here and there."""
    size_px = zone.shape[-1]
    start = plane(torch.arange(len(draws), device=zone.device) * Cells.numbers)
    place = (cells.cell + start).flatten()
    # Whole numbers add up to the same sum in any order.
    sums = torch.zeros(len(draws) * Cells.numbers, dtype=torch.long, device=zone.device)
    counts = sums.clone()
    sums.scatter_add_(0, place, (zone * 4096).long().flatten())
    counts.scatter_add_(0, place, torch.ones_like(place))
    mean = (sums / (4096 * counts.clamp(min=1))).view(len(draws), -1)
    mean = torch.where(counts.view(len(draws), -1) > 0, mean + 0.12 * draws.normal(Cells.numbers), -1.0)
    here = mean.flatten().index_select(0, place).view(zone.shape)
    lost = mean > quantile(here, draws.uniform(0.7, 0.97))[:, None]
    depth = _depth_in_cells(lost, cells)
    bite = smooth_fields(draws, size_px, draws.uniform(5, 14))
    rim = plane(draws.uniform(0, 3)) * ((bite - 0.5) * 5).clamp(0, 1)
    return torch.minimum(depth, torch.where(rim > 0, cells.border_px - rim, _FAR))


def _depth_in_cells(lost: Tensor, cells: Cells) -> Tensor:
    """Return the depth (N, H, W), px, inside cells by whether each (N, numbers) is lost."""
    start = plane(torch.arange(len(lost), device=lost.device) * Cells.numbers)
    flat = lost.flatten()
    here = flat.index_select(0, (cells.cell + start).flatten()).view(cells.cell.shape)
    there = flat.index_select(0, (cells.beyond + start).flatten()).view(cells.cell.shape)
    distance = torch.where(here == there, _FAR, cells.border_px)
    return torch.where(here, distance, -distance).clamp(-_FAR, _FAR)


def add_paint_loss(draws: Draws, pictures: Tensor, cells: Cells | None) -> tuple[Tensor, Tensor, Tensor]:
    """Remove paint from pictures (N, 3, H, W); ground, wood or an older layer shows, shaded by the edge.

    Parameters
    ----------
    draws : Draws
        Sources of randomness.
    pictures : Tensor (N, 3, H, W)
        0-255.
    cells : Cells or None
        What the paint broke into; loss follows the cells' borders.

    Returns
    -------
    pictures : Tensor (N, 3, H, W)
    loss : bool Tensor (N, H, W)
        Pixels of which half or more lost its paint.
    unsure : bool Tensor (N, H, W)
        Loss that exposes what looks like the paint it replaces: ignored in training.
    """
    size_px = pictures.shape[-1]
    depth = loss_depth(draws, size_px, cells)
    cover = (depth + 0.5).clamp(0, 1)
    # Less than this of a pixel is neither seen nor labelled.
    cover = torch.where(cover < _LEAST, 0.0, cover)
    mask = cover >= 0.5
    soft = blurred(cover, draws.uniform(0.25, 0.7))[:, None]
    ground = exposed(draws, pictures, cover)
    paint = pictures
    chosen, part = draws.some(0.8)
    if len(chosen):
        # The edge of the paint casts a shadow into the loss, and catches the light on its other side.
        light, reach = part.uniform(0, 2 * torch.pi), part.uniform(0.8, 3.5)
        dx, dy = reach * torch.cos(light), reach * torch.sin(light)
        lost = cover[chosen]
        cast = shifted(1 - lost, dx, dy) * lost
        shadow = blurred(cast, part.uniform(0.5, 1.5)).clamp(0, 1)
        ground[chosen] *= (1 - plane(part.uniform(0.2, 0.7)) * shadow)[:, None]
        rim = blurred(shifted(lost, dx / 2, dy / 2) * (1 - lost), torch.full_like(reach, 0.7))
        paint = paint.clone()
        paint[chosen] *= (1 + plane(part.uniform(-0.2, 0.4)) * rim)[:, None]
    bare = paint * (1 - soft) + ground * soft
    seen = visible(paint, bare, mask, reach_px=4.0)
    # A speck that covers half of no pixel.
    sliver = (cover > 0) & (functional.max_pool2d(cover[:, None], 3, 1, 1)[:, 0] < 0.5)
    return bare, mask & seen, (mask & ~seen) | sliver
