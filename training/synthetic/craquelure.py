"""Craquelure painted onto pictures, with its exact label: networks, families, single and edge cracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.synthetic.cells import Cells, cell_network, coverage_of
from training.synthetic.crack_rendering import bare_priming, cupped, filled, visible
from training.synthetic.draws import Draws, plane
from training.synthetic.families import crack_family
from training.synthetic.fields import smooth_fields
from training.synthetic.strokes import Stroke, draw_strokes
from training.synthetic.wandering import beginning_cracks, edge_cracks, wandering_cracks

__all__ = ["Craquelure", "add_craquelure", "crack_coverage"]

_KINDS = (0.13, 0.6, 0.12, 0.15)
"""Shares of wide cracks between large cells (as under a lens, or on a thick ground), of cells of any size,
of families, and of pictures with single cracks alone."""

_GONE_PX = 0.2
_THIN_PX = 1.0
"""A thinner crack covers less than half of some of the pixels it runs through."""


@dataclass(frozen=True)
class Craquelure:
    """What cracked.

    Attributes
    ----------
    coverage : Tensor (N, H, W)
        Share of each pixel that lies in a crack, 0-1.
    width_px : Tensor (N, H, W)
        Width of the crack there, px.
    cells : Cells
        Of the largest network; one single cell, far from its border, where there is none.
    wide : bool Tensor (N,)
        Large cells between wide cracks.
    """

    coverage: Tensor
    width_px: Tensor
    cells: Cells
    wide: Tensor


def crack_coverage(draws: Draws, size_px: int, grain: Tensor) -> Craquelure:
    """Draw the cracks of a batch.

    Parameters
    ----------
    draws : Draws
        Sources of randomness.
    size_px : int
        Side of the square pictures.
    grain : Tensor (N,)
        Direction of the wood beneath, radians.
    """
    shape = (len(draws), size_px, size_px)
    coverage, width = torch.zeros(shape, device=draws.device), torch.zeros(shape, device=draws.device)
    none = torch.zeros(shape, dtype=torch.long, device=draws.device)
    cells = Cells(torch.full(shape, 1e3, device=draws.device), width.clone(), none, none.clone())
    kind = draws.choice(_KINDS)

    def add(chosen: Tensor, more: Tensor, wide: Tensor) -> None:
        won = more > coverage[chosen]
        coverage[chosen] = torch.where(won, more, coverage[chosen])
        width[chosen] = torch.where(won, wide, width[chosen])

    chosen = torch.nonzero(kind <= 1)[:, 0]
    if len(chosen):
        part = draws.of(chosen)
        network, size, top = _main_network(part, size_px, kind[chosen] == 0, grain[chosen])
        for whole, own in zip(
            (cells.border_px, cells.width_px, cells.cell, cells.beyond),
            (network.border_px, network.width_px, network.cell, network.beyond),
            strict=True,
        ):
            whole[chosen] = own
        add(chosen, network.coverage, network.width_px)
        inner, deeper = part.some(torch.where((kind[chosen] == 1) & (size > 32), 0.65, 0.0))
        if len(inner):
            fine = _fine_network(deeper, size_px, size[inner], top[inner], network, inner)
            add(chosen[inner], fine.coverage, fine.width_px)
    families = torch.where(kind == 2, 1.0, 0.12)
    chosen, part = draws.some(families)
    if len(chosen):
        spacing = torch.exp(part.uniform(2.2, 4.4))
        add(chosen, *crack_family(part, size_px, spacing, part.uniform(1.2, 5.5), grain[chosen]))
    single = [
        _single(source, size_px, angle, alone=alone)
        for source, angle, alone in zip(draws.sources, grain.tolist(), (kind == 3).tolist(), strict=True)
    ]
    inside, wide = draw_strokes(single, size_px, draws.device)
    add(torch.arange(len(draws), device=draws.device), coverage_of(wide / 2 - inside, wide), wide)
    # What is left of a tapering tip below this is neither seen nor labelled.
    return Craquelure(torch.where(width < _GONE_PX, 0.0, coverage), width, cells, kind == 0)


def _main_network(draws: Draws, size_px: int, wide: Tensor, grain: Tensor) -> tuple[Cells, Tensor, Tensor]:
    """Return the network of the largest cells, their size and their widest crack, px."""
    size = torch.where(wide, draws.uniform(50, 200), torch.exp(draws.uniform(2.64, 4.8)))
    top = torch.minimum(draws.uniform(1.2, 8), (size / 7).clamp(min=1.4))
    top = torch.where(wide, draws.uniform(6, 11), top)
    low = torch.where(wide, draws.uniform(2, 6), 0.7)
    kept = torch.where(wide, draws.uniform(0.75, 1), draws.uniform(0.75, 1))
    # Half of them follow the wood; canvas, plaster and thick paint crack as they like.
    followed = torch.where(draws.uniform() < 0.5, grain, draws.uniform(0, torch.pi))
    network = cell_network(draws, size_px, size, (low, top), kept, grain=followed)
    patchy = ~wide & (draws.uniform() < 0.35)
    return _fading(draws, network, patchy), size, top


def _fine_network(
    draws: Draws, size_px: int, size: Tensor, top: Tensor, network: Cells, inner: Tensor
) -> Cells:
    """Return the smaller cells that larger ones broke into; most end at the larger ones' borders."""
    small = size / draws.uniform(2, 4)
    divided = draws.uniform() < 0.6
    parent = torch.where(plane(divided), network.cell[inner], 0)
    widest = (top / 2).clamp(min=1.2)
    fine = cell_network(draws, size_px, small, (0.5, widest), draws.uniform(0.74, 0.99), parent=parent)
    return _fading(draws, fine, draws.uniform() < 0.4)


def _fading(draws: Draws, network: Cells, where: Tensor) -> Cells:
    """Let cracks end within parts of some networks: narrowing the width gives tips that taper."""
    field = smooth_fields(draws, network.cell.shape[-1], draws.uniform(60, 200))
    active = ((field - plane(draws.uniform(0.2, 0.55))) * 5).clamp(0, 1)
    width = network.width_px * torch.where(plane(where), active, 1.0)
    return Cells(network.border_px, width, network.cell, network.beyond)


def _single(rng: np.random.Generator, size_px: int, angle: float, *, alone: bool) -> list[Stroke]:
    strokes: list[Stroke] = []
    if alone or rng.random() < 0.35:
        count = int(rng.integers(1, 9))
        strokes += wandering_cracks(rng, size_px, count, (0.8, rng.uniform(1.2, 6)))
    if rng.random() < 0.12:
        edge = rng.choice([-1, 1]) * rng.uniform(0.2, 0.5) * size_px
        strokes += edge_cracks(rng, size_px, angle, edge, (0.8, rng.uniform(1.2, 4)))
    if rng.random() < 0.35:
        strokes += beginning_cracks(rng, size_px, int(rng.integers(1, 10)), (0.9, rng.uniform(1.4, 2.8)))
    return strokes


def add_craquelure(draws: Draws, pictures: Tensor, grain: Tensor) -> tuple[Tensor, Tensor, Tensor, Cells]:
    """Paint craquelure onto pictures (N, 3, H, W).

    Parameters
    ----------
    draws : Draws
        Sources of randomness.
    pictures : Tensor (N, 3, H, W)
        0-255.
    grain : Tensor (N,)
        Direction of the wood beneath, radians.

    Returns
    -------
    pictures : Tensor (N, 3, H, W)
    crack : bool Tensor (N, H, W)
        Pixels of which half or more lies in a crack.
    unsure : bool Tensor (N, H, W)
        Cracks too thin to cover half a pixel all along, or too faint to be seen: ignored in training.
    cells : Cells
        For paint loss that ends at cracks.
    """
    size_px = pictures.shape[-1]
    cracks = crack_coverage(draws, size_px, grain)
    bare = cracks.wide & (draws.uniform() < 0.5)
    chosen = torch.nonzero(bare)[:, 0]
    if len(chosen):
        pictures = pictures.clone()
        pictures[chosen] = bare_priming(draws.of(chosen), pictures[chosen])
    cracked = cupped(draws, pictures, cracks.coverage, cracks.cells)
    cracked = filled(draws, cracked, cracks.coverage, dark=bare)
    drawn = cracks.coverage >= 0.5
    crack = drawn & visible(pictures, cracked, drawn, reach_px=2.0)
    thin = (cracks.coverage >= 0.1) & (cracks.width_px < _THIN_PX)
    return cracked, crack, (drawn | thin) & ~crack, cracks.cells
