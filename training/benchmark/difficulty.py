"""Synthetic test sets of one difficulty each: width, contrast, gold lines, hair, joints, loss, no damage.

Made of the generator's parts with one thing set and the others easy, from seeds that no training uses. The
ornament is the generator's: it has the motifs of the training samples, never the same picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from segmentation_core.vocabulary import load_vocabulary
from training.data import Tile
from training.synthetic.backgrounds import ORNAMENT_ALONE, PAINTINGS_ALONE, backgrounds, brightness
from training.synthetic.camera import photographed
from training.synthetic.cells import cell_network
from training.synthetic.crack_rendering import FAINTEST
from training.synthetic.disturbances import lay_hair, open_joints
from training.synthetic.draws import Draws, plane
from training.synthetic.fields import blurred, pixel_centres, smooth_fields
from training.synthetic.losses import add_paint_loss
from training.synthetic.profiles import GOLD, Profile, paint_profiles
from training.synthetic.samples import IGNORE, Ingredients

__all__ = ["SETS", "Difficulty", "difficulty_set", "is_undamaged"]

_SEED = 779_000_001
_USUAL_CONTRAST = 50.0


@dataclass(frozen=True)
class Difficulty:
    """What a set's samples are like.

    Attributes
    ----------
    width_px : (float, float)
        Range of crack widths; (0, 0) is no crack.
    contrast : float
        Grey levels (of 255) between cracks and paint, before the camera.
    gold, hair, joints, loss, paintings : bool
        What is there beside ornament and cracks; ``paintings`` stand in place of ornament.
    """

    width_px: tuple[float, float] = (1.5, 4.0)
    contrast: float = _USUAL_CONTRAST
    gold: bool = False
    hair: bool = False
    joints: bool = False
    loss: bool = False
    paintings: bool = False


SETS: Mapping[str, Difficulty] = {
    **{f"width {w} px": Difficulty((w, w)) for w in (1, 2, 3, 4, 6)},
    "contrast 15": Difficulty(contrast=15.0),
    "contrast 30": Difficulty(contrast=30.0),
    "contrast 90": Difficulty(contrast=90.0),
    "gold lines": Difficulty(gold=True),
    "hair": Difficulty(hair=True),
    "joints": Difficulty(joints=True),
    "paint loss": Difficulty(loss=True),
    "undamaged ornament": Difficulty((0.0, 0.0), gold=True),
    "undamaged paintings": Difficulty((0.0, 0.0), paintings=True),
}
"""Every set by name; all but the last two are damaged."""


def is_undamaged(name: str) -> bool:
    """Say whether a name is that of a set without damage."""
    return name in SETS and SETS[name].width_px[1] == 0


def difficulty_set(
    name: str, ingredients: Ingredients, numbers: range, size_px: int = 256
) -> tuple[Tile, ...]:
    """Make samples of a set; each is a group of its own.

    Parameters
    ----------
    name : str
        One of `SETS`.
    ingredients : Ingredients
        Paintings, for the set that needs them; without any it is empty.
    numbers : range
        Which of the set's endless samples.
    size_px : int
        Side of a sample.
    """
    difficulty = SETS[name]
    if difficulty.paintings and not ingredients.paintings:
        return ()
    number = list(SETS).index(name)
    tiles = []
    for index in numbers:
        draws = Draws([np.random.default_rng((_SEED, number, index))], torch.device("cpu"))
        image, label = _made(draws, size_px, difficulty, ingredients)
        tiles.append(Tile(f"{name}-{index}", f"{name}-{index}", image, label))
    return tuple(tiles)


@torch.no_grad()
def _made(
    draws: Draws, size_px: int, difficulty: Difficulty, ingredients: Ingredients
) -> tuple[np.ndarray, np.ndarray]:
    vocabulary = load_vocabulary()
    kinds = PAINTINGS_ALONE if difficulty.paintings else ORNAMENT_ALONE
    pictures = backgrounds(draws, size_px, ingredients.paintings, kinds)
    label = torch.zeros(1, size_px, size_px, dtype=torch.uint8)
    if difficulty.gold:
        pictures = _gold_lines(draws, pictures)
    cells = None
    if difficulty.width_px[1] > 0:
        grain = draws.uniform(0, torch.pi)
        cells = cell_network(draws, size_px, draws.uniform(36, 90), difficulty.width_px, 0.85, grain=grain)
        # One width, and not the generator's spread along a crack: it is what the set is about.
        if difficulty.width_px[0] == difficulty.width_px[1]:
            width = torch.where(cells.width_px > 0, difficulty.width_px[0], 0.0)
            cells = replace(cells, width_px=width)
        pictures = _cracked(draws, pictures, cells.coverage, difficulty.contrast)
        thin = (cells.coverage >= 0.1) & (cells.width_px < 1)
        label = label.masked_fill(thin, IGNORE)
        label = label.masked_fill(cells.coverage >= 0.5, vocabulary.line_class.value)
    if difficulty.loss:
        pictures, lost, unsure = add_paint_loss(draws, pictures, cells)
        label = label.masked_fill(unsure, IGNORE).masked_fill(lost, vocabulary.polygon_class.value)
    if difficulty.joints:
        pictures, covered = open_joints(draws, pictures, draws.uniform(0, torch.pi))
        label = label.masked_fill(covered, vocabulary.background_value)
    if difficulty.hair:
        pictures = lay_hair(draws, pictures)
    return photographed(draws, pictures)[0], label[0].numpy()


def _cracked(draws: Draws, pictures: Tensor, coverage: Tensor, contrast: float) -> Tensor:
    """Darken cracks by a number of grey levels, or lighten them where the paint is too dark for that."""
    soft = blurred(coverage, draws.uniform(0.25, 0.6))[:, None]
    sign = torch.where(brightness(pictures) > contrast + FAINTEST, -1.0, 1.0)
    return (pictures + plane(sign)[:, None] * contrast * soft).clamp(0, 255)


def _gold_lines(draws: Draws, pictures: Tensor) -> Tensor:
    """Draw contours in gold, 1 to 5 px wide, over the whole picture."""
    size_px = pictures.shape[-1]
    profiles = []
    for source in draws.sources:
        profile, width = Profile(), source.uniform(1, 5)
        profile.band(-width / 2, width / 2, np.clip(GOLD + source.normal(0, 15, 3), 0, 255))
        profiles.append(profile)
    relief = smooth_fields(draws, size_px, draws.uniform(40, 110)) * plane(draws.uniform(2, 5))
    x, _ = pixel_centres(size_px, draws.device)
    relief = relief + x / size_px
    along = torch.gradient(relief, dim=2)[0]
    down = torch.gradient(relief, dim=1)[0]
    slope = torch.sqrt(along**2 + down**2).clamp(min=1e-3)
    return paint_profiles(pictures, (relief - relief.round()) / slope, profiles)[0]
