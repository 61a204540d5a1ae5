"""Craquelure as cells: a warped, stretched, jittered lattice of seeds, and the borders between them.

Widths are exact: the distance to a border is divided by the local stretch of the warp, which would
otherwise swell cracks where it compresses (RECOGNITION, section 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.synthetic.draws import Bound, Draws, plane
from training.synthetic.fields import pixel_centres, slopes, smooth_fields

__all__ = ["Cells", "cell_network", "coverage_of"]

_LATTICE = 128
"""Seeds per side of the table of one sample; the lattice repeats beyond."""

_AROUND = [(r, c) for r in range(-2, 3) for c in range(-2, 3) if abs(r) + abs(c) < 4]
_CODE = 31
"""The lowest bits of a distance hold which neighbour it belongs to."""


@dataclass(frozen=True)
class Cells:
    """A tiling of the pictures into cells.

    Attributes
    ----------
    border_px : Tensor (N, H, W)
        Distance to the nearest cell border, px.
    width_px : Tensor (N, H, W)
        Width of the crack along that border, px; 0 where the border did not crack.
    cell, beyond : int64 Tensor (N, H, W)
        Number of the cell, and of the cell beyond the nearest border.
    """

    border_px: Tensor
    width_px: Tensor
    cell: Tensor
    beyond: Tensor

    numbers = _LATTICE**2
    """Cells are numbered below this."""

    def of(self, chosen: Tensor) -> Cells:
        """Return the tilings of some pictures, by their numbers."""
        return Cells(self.border_px[chosen], self.width_px[chosen], self.cell[chosen], self.beyond[chosen])

    @property
    def coverage(self) -> Tensor:
        """Share of each pixel (N, H, W) that lies in a crack, 0-1."""
        return coverage_of(self.border_px, self.width_px)


def coverage_of(distance_px: Tensor, width_px: Tensor) -> Tensor:
    """Return the share of a pixel that a line covers, from the distance of its middle and its width."""
    return torch.minimum(width_px / 2 - distance_px + 0.5, width_px).clamp(0, 1)


def cell_network(
    draws: Draws,
    size_px: int,
    cell_px: Tensor,
    width_px: tuple[Bound, Bound],
    kept: Bound,
    *,
    grain: Tensor | None = None,
    parent: Tensor | None = None,
) -> Cells:
    """Make networks of cells.

    Parameters
    ----------
    draws : Draws
        Sources of randomness.
    size_px : int
        Side of the square pictures.
    cell_px : Tensor (N,)
        Typical cell size, px.
    width_px : pair of float or Tensor (N,)
        Range of crack widths, px.
    kept : float or Tensor (N,)
        Share of the cell borders that cracked, 0-1.
    grain : Tensor (N,) or None
        Direction along which cells are stretched, radians; None for any.
    parent : int64 Tensor (N, H, W) or None
        Numbers of larger cells: each is divided on its own, so that cracks end at its border.
    """
    x, y = pixel_centres(size_px, draws.device)
    amplitude = cell_px * draws.uniform(0.05, 0.45)
    feature = (cell_px * draws.uniform(0.35, 1.6)).clamp(min=6)
    unrest = draws.uniform(0, 2.2)
    bent = []
    for base in (x, y):
        waves = plane(amplitude) * (smooth_fields(draws, size_px, feature) * 2 - 1)
        bent.append(base + waves + plane(unrest) * (smooth_fields(draws, size_px, 4.0) * 2 - 1))
    angle = draws.uniform(0, torch.pi)
    if grain is not None:
        angle = grain + 0.15 * draws.normal()
    stretch = torch.exp(draws.uniform(0, 0.9))
    cos, sin = torch.cos(angle), torch.sin(angle)
    along, across = cell_px * stretch, cell_px / stretch
    u = bent[0] * plane(cos / along) + bent[1] * plane(sin / along)
    v = bent[1] * plane(cos / across) - bent[0] * plane(sin / across)
    near, far, to_near, to_far = _two_nearest(draws, u, v, parent)
    gap_u, gap_v = to_far[0] - to_near[0], to_far[1] - to_near[1]
    squares = to_far[0] ** 2 + to_far[1] ** 2 - to_near[0] ** 2 - to_near[1] ** 2
    # By the chain rule: the slope of (half of) the squares' difference is the gap seen through the warp.
    (u_x, u_y), (v_x, v_y) = slopes(u), slopes(v)
    slope = torch.sqrt((u_x * gap_u + v_x * gap_v) ** 2 + (u_y * gap_u + v_y * gap_v) ** 2)
    border = squares / 2 / slope.clamp(min=1e-4)
    low, high, share = (
        torch.as_tensor(bound, dtype=torch.float32, device=draws.device).expand(len(draws))
        for bound in (*width_px, kept)
    )
    fate = draws.uniform(0, 1, 2, 4096)
    pair = _pair(near, far)
    width = plane(low) + plane(high - low) * _looked_up(fate[:, 0], pair) ** 1.5
    width = width * (0.65 + 0.7 * smooth_fields(draws, size_px, (cell_px / 2).clamp(min=8)))
    width = torch.where(_looked_up(fate[:, 1], pair) > plane(share), 0.0, width)
    return Cells(border, width, near, far)


def _pair(near: Tensor, far: Tensor) -> Tensor:
    """Map two cell numbers to one below 4096, the same from both sides."""
    low, high = torch.minimum(near, far), torch.maximum(near, far)
    mixed = low * 40503 + high * 30011
    return (mixed ^ (mixed >> 9)) & 4095


def _looked_up(table: Tensor, place: Tensor) -> Tensor:
    """Read (N, K) tables at (N, H, W) places."""
    start = torch.arange(len(table), device=table.device) * table.shape[1]
    return _taken(table.flatten(), place + plane(start))


def _taken(table: Tensor, place: Tensor) -> Tensor:
    return table.index_select(0, place.flatten()).view(place.shape)


def _two_nearest(
    draws: Draws, u: Tensor, v: Tensor, parent: Tensor | None
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return the numbers of the two nearest seeds, and the ways to them in lattice units."""
    jitter = draws.uniform(0.04, 0.96, 2, _LATTICE**2)
    tables = jitter[:, 0].flatten(), jitter[:, 1].flatten()
    start = plane(torch.arange(len(draws), dtype=torch.int32, device=draws.device) * _LATTICE**2)
    whole_u, whole_v = torch.floor(u), torch.floor(v)
    # 32 bits are enough for places, and half as much to move.
    col, row = whole_u.int(), whole_v.int()
    if parent is not None:
        col, row = col + (parent * 37).int(), row + (parent * 61).int()
    within_u, within_v = u - whole_u, v - whole_v
    cols = {c: (col + c) & (_LATTICE - 1) for c in range(-2, 3)}
    rows = {r: (((row + r) & (_LATTICE - 1)) * _LATTICE) + start for r in range(-2, 3)}
    nearest = torch.full(u.shape, torch.inf, device=u.device).view(torch.int32)
    second = nearest.clone()
    for code, (r, c) in enumerate(_AROUND):
        place = rows[r] + cols[c]
        du = _taken(tables[0], place).add_(c).sub_(within_u)
        dv = _taken(tables[1], place).add_(r).sub_(within_v)
        # A float above zero is ordered as the whole number of its bits.
        distance = du.mul_(du).add_(dv.mul_(dv)).view(torch.int32)
        distance.bitwise_and_(~_CODE).bitwise_or_(code)
        torch.minimum(second, torch.maximum(nearest, distance), out=second)
        torch.minimum(nearest, distance, out=nearest)
    offsets = torch.tensor(_AROUND, dtype=torch.int32, device=u.device)
    found: list[tuple[Tensor, tuple[Tensor, Tensor]]] = []
    for best in (nearest, second):
        code_of = best & _CODE
        step_r, step_c = _taken(offsets[:, 0], code_of), _taken(offsets[:, 1], code_of)
        place = ((row + step_r) & (_LATTICE - 1)) * _LATTICE + ((col + step_c) & (_LATTICE - 1))
        way = (
            _taken(tables[0], place + start) + step_c - within_u,
            _taken(tables[1], place + start) + step_r - within_v,
        )
        found.append((place.long(), way))
    return found[0][0], found[1][0], found[0][1], found[1][1]
