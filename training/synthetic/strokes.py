"""Lines made of short tapering pieces, drawn for a whole batch at once: cracks, hair, brush strokes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Stroke", "draw_strokes"]

Points = NDArray[np.float64]

_FAR = -1000.0
_PIECE_PX = 8.0
_AT_ONCE = 1024


@dataclass(frozen=True)
class Stroke:
    """A line: points (K, 2) as x and y, px, and the width (K,) at each, px."""

    points: Points
    width_px: NDArray[np.float64]

    def pieces(self) -> Points:
        """Return straight pieces (M, 6) of at most some px: x, y and width of both ends."""
        steps = np.hypot(*np.diff(self.points, axis=0).T)
        along = np.concatenate(([0.0], np.cumsum(steps)))
        extra = np.arange(_PIECE_PX, along[-1], _PIECE_PX)
        at = np.union1d(along, extra)
        columns = (self.points[:, 0], self.points[:, 1], self.width_px)
        ends = np.stack([np.interp(at, along, column) for column in columns], 1)
        return np.concatenate((ends[:-1], ends[1:]), 1)


def draw_strokes(strokes: list[list[Stroke]], size_px: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return how far inside a stroke each pixel lies, and how wide that stroke is.

    Parameters
    ----------
    strokes : list of lists of Stroke
        Of each sample.
    size_px : int
        Side of the pictures.
    device : torch device
        Where to draw.

    Returns
    -------
    inside : Tensor (N, H, W)
        Half the width less the distance to the middle, px, of the stroke that reaches furthest out;
        a large negative number away from strokes.
    width : Tensor (N, H, W)
        Width of that stroke, px; 0 away from strokes.
    """
    count = len(strokes)
    inside = torch.full((count * size_px**2,), _FAR, device=device)
    width = torch.zeros_like(inside)
    lists = [[stroke.pieces() for stroke in sample] for sample in strokes]
    owner = np.concatenate([np.full(sum(map(len, p)), n) for n, p in enumerate(lists)] or [np.zeros(0)])
    flat = [piece for sample in lists for piece in sample]
    if not flat:
        return inside.view(count, size_px, size_px), width.view(count, size_px, size_px)
    pieces = torch.from_numpy(np.concatenate(flat).astype(np.float32)).to(device)
    owners = torch.from_numpy(owner.astype(np.int64)).to(device)
    for start in range(0, len(pieces), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        place, value, wide = _around(pieces[part], owners[part], size_px)
        inside.scatter_reduce_(0, place, value, "amax")
    # The width of the winner: a second round, once it is known who that is.
    for start in range(0, len(pieces), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        place, value, wide = _around(pieces[part], owners[part], size_px)
        won = value == inside.index_select(0, place)
        width.scatter_reduce_(0, place[won], wide[won], "amax")
    return inside.view(count, size_px, size_px), width.view(count, size_px, size_px)


def _around(pieces: Tensor, owners: Tensor, size_px: int) -> tuple[Tensor, Tensor, Tensor]:
    """Evaluate pieces on the pixels around them; return the pixels' places, depth inside and width."""
    start, end = pieces[:, [0, 1]], pieces[:, [3, 4]]
    reach = (end - start).abs().amax(1) / 2 + pieces[:, [2, 5]].amax(1) / 2 + 1.5
    side = 2 * int(torch.ceil(reach.max())) + 2
    corner = torch.floor((start + end) / 2).long() - side // 2
    steps = torch.arange(side, device=pieces.device)
    col = (corner[:, 0, None] + steps)[:, None, :].expand(-1, side, -1)
    row = (corner[:, 1, None] + steps)[:, :, None].expand(-1, -1, side)
    x0, y0, w0, x1, y1, w1 = pieces[:, :, None, None].unbind(1)
    dx, dy = x1 - x0, y1 - y0
    x, y = col + 0.5 - x0, row + 0.5 - y0
    t = ((x * dx + y * dy) / (dx * dx + dy * dy).clamp(min=1e-6)).clamp(0, 1)
    width = w0 + t * (w1 - w0)
    inside = width / 2 - torch.sqrt((x - t * dx) ** 2 + (y - t * dy) ** 2)
    # Nothing beyond the reach counts, so that the windows' size, which the batch decides, does not matter.
    valid = (inside > -1.5) & (col >= 0) & (col < size_px) & (row >= 0) & (row < size_px)
    place = (owners[:, None, None] * size_px + row) * size_px + col
    return place[valid], inside[valid], width[valid]
