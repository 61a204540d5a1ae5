"""Synthetic samples: background, damage, dirt, camera; the pictures and their labels, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segmentation_core.vocabulary import load_vocabulary
from training.synthetic.backgrounds import Picture, backgrounds, brightness, grain_directions
from training.synthetic.camera import photographed
from training.synthetic.craquelure import add_craquelure
from training.synthetic.disturbances import (
    cast_shadows,
    drive_nails,
    lay_cables,
    lay_hair,
    open_joints,
    strew,
)
from training.synthetic.draws import Draws
from training.synthetic.fields import fractal, softened
from training.synthetic.losses import add_paint_loss

__all__ = ["IGNORE", "UNDAMAGED", "Image8", "Ingredients", "synthetic_samples", "transplants"]

IGNORE = 255
"""Label of pixels left out of loss and metrics."""

UNDAMAGED = 0.2
"""Share of samples without damage, unless another one is asked for."""

_CRACKED = 0.9
_WITH_LOSS = 0.75
_BRIGHT_ENOUGH = 60.0
_STREWN, _HAIRY, _JOINTED, _CABLED, _NAILED, _SHADED = 0.22, 0.12, 0.09, 0.07, 0.06, 0.12
_AT_ONCE = 8
"""Samples made together, at most: more gain no speed and cost memory, 90 MB each at 512 px."""

Image8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Ingredients:
    """Pictures the generator draws on.

    Attributes
    ----------
    paintings : tuple of float arrays (H, W, 3)
        Undamaged paintings.
    overlays : tuple of uint8 arrays (H, W, 4)
        Hair, lint and dirt, RGBA.
    """

    paintings: tuple[Picture, ...] = ()
    overlays: tuple[Image8, ...] = ()


def synthetic_samples(
    sources: Sequence[np.random.Generator],
    size_px: int,
    ingredients: Ingredients,
    device: torch.device | str = "cpu",
    *,
    undamaged: float = UNDAMAGED,
) -> tuple[Image8, Image8]:
    """Make samples.

    Parameters
    ----------
    sources : sequence of numpy Generator
        One per sample. On a processor the same state gives the same sample, whatever is made beside it;
        a GPU adds up in another order and makes other noise.
    size_px : int
        Side of the square pictures.
    ingredients : Ingredients
        Paintings and overlays; may be empty.
    device : torch device
        Where to compute.
    undamaged : float
        Share of samples without damage, 0-1.

    Returns
    -------
    images : uint8 array (N, H, W, 3)
    labels : uint8 array (N, H, W)
        Vocabulary values where half or more of a pixel is damaged, before the camera softens anything, and
        `IGNORE` where a crack is too faint or too thin to be sure of.
    """
    images = np.empty((len(sources), size_px, size_px, 3), np.uint8)
    labels = np.empty((len(sources), size_px, size_px), np.uint8)
    for part, draws in _parts(sources, device):
        images[part], labels[part] = _made(draws, size_px, ingredients, undamaged)
    return images, labels


@torch.no_grad()
def _made(draws: Draws, size_px: int, ingredients: Ingredients, undamaged: float) -> tuple[Image8, Image8]:
    vocabulary = load_vocabulary()
    pictures = backgrounds(draws, size_px, ingredients.paintings)
    labels = torch.zeros(len(draws), size_px, size_px, dtype=torch.uint8, device=draws.device)
    grain = grain_directions(draws)
    damaged = draws.uniform() >= undamaged
    cracked = torch.nonzero(damaged & (draws.uniform() < _CRACKED))[:, 0]
    losing = damaged & (draws.uniform() < _WITH_LOSS)
    cells = None
    if len(cracked):
        pictures[cracked], crack, unsure, cells = add_craquelure(
            draws.of(cracked), pictures[cracked], grain[cracked]
        )
        labels[cracked] = _marked(labels[cracked], crack, unsure, vocabulary.line_class.value)
    for broken in (True, False):
        among = torch.zeros_like(damaged)
        among[cracked] = True
        chosen = torch.nonzero(losing & (among == broken))[:, 0]
        if not len(chosen):
            continue
        there = None
        if broken and cells is not None:
            there = cells.of(torch.searchsorted(cracked, chosen))
        pictures[chosen], loss, unsure = add_paint_loss(draws.of(chosen), pictures[chosen], there)
        labels[chosen] = _marked(labels[chosen], loss, unsure, vocabulary.polygon_class.value)
    pictures = _disturbed(draws, pictures, labels, grain, ingredients)
    return photographed(draws, pictures), labels.cpu().numpy()


def _marked(labels: Tensor, damage: Tensor, unsure: Tensor, value: int) -> Tensor:
    return labels.masked_fill(unsure, IGNORE).masked_fill(damage, value)


def _disturbed(
    draws: Draws, pictures: Tensor, labels: Tensor, grain: Tensor, ingredients: Ingredients
) -> Tensor:
    """Put things on the paint; what hides it hides its damage too, and the labels change with it."""
    chosen, part = draws.some(_NAILED)
    if len(chosen):
        pictures[chosen], covered = drive_nails(part, pictures[chosen])
        labels[chosen] = labels[chosen].masked_fill(covered, 0)
    chosen, part = draws.some(_JOINTED)
    if len(chosen):
        pictures[chosen], covered = open_joints(part, pictures[chosen], grain[chosen])
        labels[chosen] = labels[chosen].masked_fill(covered, 0)
    chosen, part = draws.some(_SHADED)
    if len(chosen):
        pictures[chosen] = cast_shadows(part, pictures[chosen])
    chosen, part = draws.some(_CABLED)
    if len(chosen):
        pictures[chosen], covered = lay_cables(part, pictures[chosen])
        labels[chosen] = labels[chosen].masked_fill(covered, 0)
    # Hair and dust are thin or let the paint show: damage goes on beneath them.
    chosen, part = draws.some(_HAIRY)
    if len(chosen):
        pictures[chosen] = lay_hair(part, pictures[chosen])
    chosen, part = draws.some(_STREWN if ingredients.overlays else 0.0)
    if len(chosen):
        pictures[chosen] = strew(part, pictures[chosen], ingredients.overlays)
    return pictures


def transplants(
    sources: Sequence[np.random.Generator],
    images: Image8,
    labels: Image8,
    ingredients: Ingredients,
    device: torch.device | str = "cpu",
) -> tuple[Image8, Image8]:
    """Carry real cracks onto other backgrounds, and now and then lose paint there.

    A picture divided by its low-pass holds the cracks as they really look; multiplied with an
    ornament it shows them where the real sets have none. A tile too dark to divide stays on its own
    background.

    Parameters
    ----------
    sources : sequence of numpy Generator
        One per tile.
    images : uint8 array (N, H, W, 3)
        Real tiles with craquelure.
    labels : uint8 array (N, H, W)
        Their labels.
    ingredients : Ingredients
        Paintings and overlays.
    device : torch device
        Where to compute.

    Returns
    -------
    images : uint8 array (N, H, W, 3)
    labels : uint8 array (N, H, W)
    """
    images, labels = images.copy(), labels.copy()
    for part, draws in _parts(sources, device):
        images[part], labels[part] = _transplanted(draws, images[part], labels[part], ingredients)
    return images, labels


@torch.no_grad()
def _transplanted(
    draws: Draws, images: Image8, labels: Image8, ingredients: Ingredients
) -> tuple[Image8, Image8]:
    size_px = images.shape[1]
    pictures = torch.from_numpy(images).to(draws.device).permute(0, 3, 1, 2).float()
    marked = torch.from_numpy(labels).to(draws.device)
    chosen = torch.nonzero((brightness(pictures) > _BRIGHT_ENOUGH) & (draws.uniform() < 0.75))[:, 0]
    if len(chosen):
        grey = (pictures[chosen, 0] + pictures[chosen, 1] + pictures[chosen, 2]) / 3
        even = softened(grey, torch.full((len(chosen),), 10.0, device=draws.device))
        relief = (grey / even.clamp(min=20)).clamp(0.2, 1.8)
        pictures[chosen] = backgrounds(draws.of(chosen), size_px, ingredients.paintings) * relief[:, None]
    chosen, part = draws.some(0.55)
    if len(chosen):
        pictures[chosen], loss, unsure = add_paint_loss(part, pictures[chosen], None)
        marked[chosen] = _marked(marked[chosen], loss, unsure, load_vocabulary().polygon_class.value)
    chosen, part = draws.some(0.2)
    if len(chosen):
        pictures[chosen] *= (1 + 0.3 * (fractal(part, size_px, 60.0) - 0.5))[:, None]
    return photographed(draws, pictures), marked.cpu().numpy()


def _parts(
    sources: Sequence[np.random.Generator], device: torch.device | str
) -> Iterator[tuple[slice, Draws]]:
    for start in range(0, len(sources), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        yield part, Draws(sources[part], torch.device(device))
