"""Families of cracks that go together: along the grain, across a bend, in rings, in spirals."""

from __future__ import annotations

import torch
from torch import Tensor

from training.synthetic.cells import coverage_of
from training.synthetic.draws import Draws, plane
from training.synthetic.fields import pixel_centres, slopes, smooth_fields

__all__ = ["crack_family"]

_LINES = 256
_RINGS = 0.25
"""Share of families that run around a place, as cracks from a blow do; half of these are spirals."""


def crack_family(
    draws: Draws, size_px: int, spacing_px: Tensor, width_px: Tensor, grain: Tensor
) -> tuple[Tensor, Tensor]:
    """Make one family of roughly parallel cracks per sample.

    Parameters
    ----------
    draws : Draws
        Sources of randomness.
    size_px : int
        Side of the square pictures.
    spacing_px, width_px : Tensor (N,)
        Typical distance between neighbours, and the widest of them, px.
    grain : Tensor (N,)
        Direction of the straight ones, radians.

    Returns
    -------
    coverage, width : Tensor (N, H, W)
        Share of each pixel in a crack, 0-1; width of the nearest crack there, px.
    """
    x, y = pixel_centres(size_px, draws.device)
    angle = grain + 0.08 * draws.normal()
    straight = y * plane(torch.cos(angle)) - x * plane(torch.sin(angle))
    centre_x, centre_y = draws.uniform(-0.2, 1.2) * size_px, draws.uniform(-0.2, 1.2) * size_px
    away_x, away_y = x - plane(centre_x), y - plane(centre_y)
    radius = torch.sqrt(away_x**2 + away_y**2)
    turn = torch.atan2(away_y, away_x) / (2 * torch.pi)
    kind = draws.uniform()
    arms = torch.where(kind < _RINGS / 2, draws.uniform(1, 3).floor(), 0.0)
    around = radius / plane(spacing_px) + plane(arms) * turn
    phase = torch.where(plane(kind < _RINGS), around, straight / plane(spacing_px))
    bow = draws.uniform(0.2, 1.5)
    phase = phase + plane(bow) * smooth_fields(draws, size_px, draws.uniform(60, 300))
    # A line bends within its own spacing, never into its neighbour.
    phase = phase + 0.3 * smooth_fields(draws, size_px, (spacing_px / 2).clamp(min=10))
    # Where a spiral's turn begins anew the phase jumps by whole lines; the jump is no slope.
    along, down = (2 * slope - (2 * slope).round() for slope in slopes(phase))
    slope = torch.sqrt(along**2 + down**2) / 2
    place = draws.uniform(0.2, 0.8, _LINES)
    fate = draws.uniform(0, 1, _LINES)
    start = plane(torch.arange(len(draws), device=draws.device) * _LINES)
    whole = torch.floor(phase)
    # The arms of a spiral are one or two lines, however often they come round.
    last = plane(torch.where(arms > 0, arms - 1, _LINES - 1.0).long())
    best = torch.full_like(phase, torch.inf)
    which = torch.zeros(phase.shape, dtype=torch.long, device=draws.device)
    for step in (-1, 0, 1):
        line = ((whole.long() + step) & last) + start
        middle = whole + step + place.flatten().index_select(0, line.flatten()).view(line.shape)
        distance = (middle - phase).abs()
        closer = distance < best
        best, which = torch.where(closer, distance, best), torch.where(closer, line, which)
    luck = fate.flatten().index_select(0, which.flatten()).view(which.shape)
    # Each line runs for a while and stops; its width falls to nothing there.
    runs = smooth_fields(draws, size_px, draws.uniform(40, 200)) + 0.5 * (luck - 0.5)
    active = ((runs - plane(draws.uniform(0.25, 0.6))) * 5).clamp(0, 1)
    width = plane(width_px) * (0.4 + 0.6 * luck) * active
    width = width * (0.7 + 0.6 * smooth_fields(draws, size_px, 12.0))
    return coverage_of(best / slope.clamp(min=1e-4), width), width
