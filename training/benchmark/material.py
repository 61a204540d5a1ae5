"""The pictures of a benchmark, and the recipe of this project's own that its trainings share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation_core.vocabulary import load_vocabulary
from training.data import Tile
from training.recipe import Recipe
from training.synthetic.samples import Ingredients

if TYPE_CHECKING:
    from training.benchmark.trial import Budget

__all__ = ["ENCODER", "THRESHOLD_GROUPS", "Material", "cracks_alone", "own_recipe", "spread"]

ENCODER = Path("weights", "resnet50_imagenet_partial.safetensors")
"""In the data folder: weights of ResNet-50, from ImageNet."""

THRESHOLD_GROUPS = frozenset({"nl01", "fl06", "nl06"})
"""Paintings of the oil set that neither train nor score: thresholds are fitted on them."""


@dataclass(frozen=True)
class Material:
    """The same pictures for every training of a benchmark."""

    train: tuple[Tile, ...]
    validation: tuple[Tile, ...]
    test: tuple[Tile, ...]
    ingredients: Ingredients


def cracks_alone(tile: Tile) -> Tile:
    """Say of a tile of the oil set that paint loss was not looked for."""
    return replace(tile, annotated=(load_vocabulary().line_class.code,))


def spread(tiles: Sequence[Tile], most: int) -> list[Tile]:
    """Return at most so many tiles, evenly spread over all."""
    step = -(-len(tiles) // most) or 1
    return list(tiles[::step])


def own_recipe(architecture: str, budget: Budget, **changes: Any) -> Recipe:
    """Return the recipe of the shipped weights at a benchmark's budget, with changes.

    The running average of the weights spans the last tenth, however short the training is.
    """
    base = Recipe(
        architecture, budget.steps, budget.batch, budget.size_px, synthetic=0.7, undamaged=0.4,
        learning_rate=1e-3, warm_up=max(budget.steps // 20, 1), ema=max(1 - 10 / budget.steps, 0.0),
        loss="ours", skeleton_weight=0.5, foreground=0.2,
    )  # fmt: skip
    return replace(base, **changes)
