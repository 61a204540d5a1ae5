"""Painting by profile: a colour for every distance from a line, as bands, outlines and gold lie in ornament.

A motif gives each pixel a signed distance; its profile says what is painted there. Edges are softened by
one pixel, so nothing needs to be drawn larger first.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.synthetic.draws import plane

__all__ = ["GOLD", "LINE_COLOURS", "Profile", "line_colour", "paint_profiles", "pigment"]

Colour = NDArray[np.float64]

_PIGMENTS = np.array(
    [
        (28, 62, 110), (52, 98, 150), (110, 150, 190), (170, 195, 215),  # azurite steps
        (24, 84, 66), (58, 124, 96), (120, 168, 140), (176, 205, 184),  # malachite steps
        (140, 36, 28), (178, 64, 44), (205, 120, 90),  # vermilion and ochre reds
        (222, 214, 196), (236, 230, 216), (196, 176, 130), (170, 130, 60),  # whites, buff, ochre
        (30, 28, 28), (60, 52, 46), (92, 70, 50), (120, 104, 88),  # ink, browns
    ],
    np.float64,
)  # fmt: skip
GOLD = np.array((196.0, 158, 72))
LINE_COLOURS = (0.4, 0.3, 0.15, 0.15)
"""Shares of ink, gold, white and any pigment among outlines."""

_REACH_PX = 512.0
_FINENESS = 4


def pigment(rng: np.random.Generator) -> Colour:
    """Return a colour (3,), 0-255, of what painters of timber used; now and then any."""
    if rng.random() < 0.1:
        return rng.uniform(10, 245, 3)
    colour: Colour = np.clip(_PIGMENTS[rng.integers(len(_PIGMENTS))] + rng.normal(0, 14, 3), 5, 250)
    return colour


def line_colour(rng: np.random.Generator) -> Colour:
    """Return a colour (3,) of an outline: ink, gold, white, or any pigment."""
    match rng.choice(4, p=LINE_COLOURS):
        case 0:
            return np.full(3, rng.uniform(10, 60))
        case 1:
            return np.clip(GOLD + rng.normal(0, 20, 3), 0, 255)
        case 2:
            return np.array((1, 1, 0.95)) * rng.uniform(200, 250)
        case _:
            return pigment(rng)


class Profile:
    """Colours and cover along a distance from -512 to 512 px, painted one over the other.

    Attributes
    ----------
    values : float array (4, K)
        Red, green, blue, 0-255, and cover, 0-1.
    """

    def __init__(self) -> None:
        self.values = np.zeros((4, int(2 * _REACH_PX * _FINENESS)), np.float32)

    def band(self, start_px: float, end_px: float, colour: Colour) -> None:
        """Cover the distances between two with a colour."""
        first, last = (
            int(np.clip((edge + _REACH_PX) * _FINENESS, 0, self.values.shape[1]))
            for edge in (start_px, end_px)
        )
        self.values[:3, first:last] = np.asarray(colour)[:, None]
        self.values[3, first:last] = 1

    def stroke(self, rng: np.random.Generator, middle_px: float, width_px: float) -> None:
        """Draw a contour: one line, a line in a line, or a raised gold line with its light and shadow."""
        colour, half = line_colour(rng), width_px / 2
        kind = rng.random()
        if kind < 0.25:
            side = rng.choice([-1, 1]) * max(half, 0.6)
            for shift, tone in ((side, colour / 3), (-side, np.minimum(colour + 70, 255))):
                self.band(middle_px + shift - half, middle_px + shift + half, tone)
        self.band(middle_px - half, middle_px + half, colour)
        if kind > 0.8:
            self.band(middle_px - half / 3, middle_px + half / 3, line_colour(rng))

    def softened(self) -> NDArray[np.float32]:
        """Return the values (4, K), averaged over a pixel and premultiplied by the cover."""
        soft = self.values.copy()
        soft[:3] *= soft[3]
        ends = np.pad(soft, ((0, 0), (_FINENESS // 2, _FINENESS - _FINENESS // 2)), mode="edge")
        sums = np.cumsum(ends, axis=1, dtype=np.float64)
        mean: NDArray[np.float32] = ((sums[:, _FINENESS:] - sums[:, :-_FINENESS]) / _FINENESS).astype(
            np.float32
        )
        return mean


def paint_profiles(pictures: Tensor, distance_px: Tensor, profiles: list[Profile]) -> tuple[Tensor, Tensor]:
    """Paint one profile over each picture.

    Parameters
    ----------
    pictures : Tensor (N, 3, H, W)
        0-255.
    distance_px : Tensor (N, H, W)
        Where on the profile each pixel is, px.
    profiles : list of Profile
        N.

    Returns
    -------
    pictures : Tensor (N, 3, H, W)
    cover : Tensor (N, H, W)
        Share of each pixel that was painted over, 0-1.
    """
    table = torch.from_numpy(np.stack([p.softened() for p in profiles])).to(pictures.device)
    steps = table.shape[2]
    place = ((distance_px + _REACH_PX) * _FINENESS).long().clamp_(0, steps - 1)
    start = torch.arange(len(profiles), device=pictures.device) * steps
    place = (place + plane(start)).flatten()
    red, green, blue, cover = (
        table[:, k].flatten().index_select(0, place).view(distance_px.shape) for k in range(4)
    )
    return pictures * (1 - cover[:, None]) + torch.stack((red, green, blue), 1), cover
