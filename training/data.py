"""Labelled tiles on disk, the fixed split, and the endless stream of training samples."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import IterableDataset

from segmentation_core.errors import ParameterError
from segmentation_core.vocabulary import load_vocabulary
from training.augmentation import augmented
from training.losses import skeleton_tubes
from training.paper_augmentation import paper_online
from training.plain_samples import plain_sample
from training.recipe import Recipe
from training.synthetic.samples import IGNORE, Image8, Ingredients, synthetic_samples, transplants

__all__ = [
    "VALIDATION_GROUPS",
    "Batch",
    "SampleStream",
    "Tile",
    "cut",
    "load_ingredients",
    "load_tiles",
    "turned",
]

VALIDATION_GROUPS = frozenset({"nl03", "nl08", "nl10", "fl03", "fl05"})
"""Paintings of the oil set that are never trained on."""


@dataclass(frozen=True)
class Tile:
    """A labelled picture: image (H, W, 3) and label (H, W), uint8; ``group`` is what a split may not cut.

    ``annotated`` holds the codes of the classes that were looked for; None means all.
    """

    name: str
    group: str
    image: Image8
    label: Image8
    annotated: tuple[str, ...] | None = None


def load_tiles(folder: Path, *, validation: bool) -> tuple[Tile, ...]:
    """Read the tiles of one side of the split.

    Parameters
    ----------
    folder : Path
        Holds ``manifest.csv`` (name, group, ...), ``images/`` and ``labels/`` with shared stems.
    validation : bool
        True: the groups of `VALIDATION_GROUPS`; False: all others.

    Raises
    ------
    ParameterError
        A picture has no label, or their sizes differ.
    """
    tiles = []
    with (folder / "manifest.csv").open(encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if (row["group"] in VALIDATION_GROUPS) == validation]
    for row in rows:
        image = _read(folder / "images", row["name"], "RGB")
        label = _read(folder / "labels", row["name"], "L")
        if image.shape[:2] != label.shape:
            raise ParameterError(f"picture and label of {row['name']} differ in size", path=folder)
        tiles.append(Tile(row["name"], row["group"], image, label))
    return tuple(tiles)


def _read(folder: Path, stem: str, mode: str) -> NDArray[np.uint8]:
    found = sorted(folder.glob(f"{stem}.*"))
    if not found:
        raise ParameterError(f"no file is called {stem}", path=folder, remedy="Complete the data set")
    return np.asarray(Image.open(found[0]).convert(mode))


def load_ingredients(data: Path) -> Ingredients:
    """Read paintings and overlays for the generator from ``data/paintings`` and ``data/overlays``."""
    paintings = tuple(
        np.asarray(Image.open(path).convert("RGB"), np.float32)
        for path in sorted((data / "paintings").glob("*.jpg"))
    )
    overlays = tuple(
        np.asarray(Image.open(path).convert("RGBA")) for path in sorted((data / "overlays").rglob("*.png"))
    )
    return Ingredients(paintings, overlays)


class Batch(NamedTuple):
    """What a step sees.

    Attributes
    ----------
    images : uint8 Tensor (N, 3, H, W)
    labels : uint8 Tensor (N, H, W)
    annotated : bool Tensor (N, K)
        Which classes were looked for, background first.
    tubes : uint8 Tensor (N, H, W)
        Skeletons of the labels, where the loss wants them; empty otherwise.
    names : str
        Where the samples are from.
    """

    images: torch.Tensor
    labels: torch.Tensor
    annotated: torch.Tensor
    tubes: torch.Tensor
    names: str


class SampleStream(IterableDataset[Batch]):
    """Batches by step number: step k is the same whoever makes it, so a run can resume at any step.

    Parameters
    ----------
    tiles : tuple of Tile
        Real tiles; empty for a purely synthetic run.
    ingredients : Ingredients
        For the generator.
    recipe : Recipe
        Seed, batch, size, shares, augmentation.
    steps : range
        Steps to make.
    rank, ranks : int
        This process's share of every batch, where several train together.
    """

    def __init__(
        self,
        tiles: tuple[Tile, ...],
        ingredients: Ingredients,
        recipe: Recipe,
        *,
        steps: range,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.tiles, self.ingredients, self.steps = tiles, ingredients, steps
        self.recipe = recipe
        self.synthetic = max(recipe.synthetic, recipe.rehearsal) if tiles else 1.0
        self.places = range(rank, recipe.batch, ranks)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of the range, in order (of this worker's share, where there are several)."""
        worker = torch.utils.data.get_worker_info()
        steps = self.steps if worker is None else self.steps[worker.id :: worker.num_workers]
        for step in steps:
            yield self.batch(step)

    @staticmethod
    def of_tile(tile: Tile, recipe: Recipe) -> Batch:
        """Return a batch of one tile as it is."""
        return _batch([(tile.image, tile.label, tile)], recipe)

    def batch(self, step: int) -> Batch:
        """Make the batch of a step."""
        sources = [np.random.default_rng((self.recipe.seed, step, k)) for k in self.places]
        made = [rng.random() < self.synthetic for rng in sources]
        synthetic = [k for k, yes in enumerate(made) if yes]
        real = [k for k, yes in enumerate(made) if not yes]
        samples = dict(zip(synthetic, self._synthetic([sources[k] for k in synthetic]), strict=True))
        samples |= dict(zip(real, self._real([sources[k] for k in real]), strict=True))
        return _batch([samples[k] for k in range(len(sources))], self.recipe)

    def _synthetic(self, sources: list[np.random.Generator]) -> list[Made]:
        size_px = self.recipe.size_px
        if self.recipe.generator == "plain":
            return [(*plain_sample(rng, size_px), None) for rng in sources]
        samples = synthetic_samples(sources, size_px, self.ingredients, undamaged=self.recipe.undamaged)
        made = zip(*samples, strict=True)
        return [
            (*augmented(rng, image, label, size_px, rescale=False), None)
            for rng, (image, label) in zip(sources, made, strict=True)
        ]

    def _real(self, sources: list[np.random.Generator]) -> list[Made]:
        samples = [self._real_sample(rng) for rng in sources]
        if self.recipe.augmentation != "full":
            return samples
        moved = [k for k, rng in enumerate(sources) if rng.random() < _TRANSPLANTED]
        if moved:
            images, labels = transplants(
                [sources[k] for k in moved],
                np.stack([samples[k][0] for k in moved]),
                np.stack([samples[k][1] for k in moved]),
                self.ingredients,
            )
            for k, image, label in zip(moved, images, labels, strict=True):
                samples[k] = (image, label, samples[k][2])
        return samples

    def _real_sample(self, rng: np.random.Generator) -> Made:
        size_px = self.recipe.size_px
        tile = self.tiles[rng.integers(len(self.tiles))]
        match self.recipe.augmentation:
            case "paper":
                return *paper_online(rng, tile.image, tile.label, size_px), tile
            case "none":
                image, label = cut(rng, tile.image, tile.label, size_px, self.recipe.foreground)
                return *turned(rng, *_padded(image, label, size_px)), tile
            case _:
                region = max(size_px, round(_REGION * size_px))
                image, label = cut(rng, tile.image, tile.label, region, self.recipe.foreground)
                return *augmented(rng, image, label, size_px, rescale=True), tile


Made = tuple[Image8, Image8, Tile | None]

_TRANSPLANTED = 0.6
"""Share of real samples that are carried onto another background."""


def _batch(made: list[Made], recipe: Recipe) -> Batch:
    images = np.stack([image for image, _, _ in made]).transpose(0, 3, 1, 2)
    labels = np.stack([label for _, label, _ in made])
    codes = load_vocabulary().codes
    annotated = [
        [True, *(tile is None or tile.annotated is None or code in tile.annotated for code in codes)]
        for _, _, tile in made
    ]
    tubes = np.zeros((0,), np.uint8)
    if recipe.loss_function.needs_tubes:
        line = load_vocabulary().line_class.value
        tubes = np.stack([skeleton_tubes(label, line) for label in labels])
    return Batch(
        torch.from_numpy(np.ascontiguousarray(images)),
        torch.from_numpy(labels),
        torch.tensor(annotated),
        torch.from_numpy(tubes),
        ", ".join("synthetic" if tile is None else tile.name for _, _, tile in made),
    )


_REGION = 1.7
"""Side of the region that a sample is turned and scaled in, over the sample's own."""


def cut(
    rng: np.random.Generator, image: Image8, label: Image8, side_px: int, foreground: float
) -> tuple[Image8, Image8]:
    """Cut a square out of a picture, with probability ``foreground`` around a damaged pixel.

    The square is as large as the picture's shorter side where that is less than ``side_px``.
    """
    height, width = label.shape
    side = min(height, width, side_px)
    if side == height == width:
        return image, label
    row, col = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    if rng.random() < foreground:
        damaged = np.flatnonzero((label > 0) & (label != IGNORE))
        if damaged.size:
            at_row, at_col = divmod(int(damaged[rng.integers(damaged.size)]), width)
            row = min(max(at_row - side // 2, 0), height - side)
            col = min(max(at_col - side // 2, 0), width - side)
    rows, cols = slice(row, row + side), slice(col, col + side)
    return image[rows, cols], label[rows, cols]


def turned(rng: np.random.Generator, image: Image8, label: Image8) -> tuple[Image8, Image8]:
    """Turn by quarters and mirror."""
    turns = int(rng.integers(4))
    image, label = np.rot90(image, turns), np.rot90(label, turns)
    if rng.random() < 0.5:
        image, label = image[:, ::-1], label[:, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(label)


def _padded(image: Image8, label: Image8, size_px: int) -> tuple[Image8, Image8]:
    missing = size_px - image.shape[0]
    if missing <= 0:
        return image, label
    image = np.pad(image, ((0, missing), (0, missing), (0, 0)), mode="symmetric")
    return image, np.pad(label, ((0, missing), (0, missing)), constant_values=IGNORE)
