"""Labelled tiles on disk, the fixed split, and the endless stream of training samples."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import IterableDataset

from segmentation_core.errors import ParameterError
from training.augmentation import augmented
from training.synthetic.samples import Image8, Ingredients, synthetic_sample, transplant

__all__ = ["VALIDATION_GROUPS", "Batch", "SampleStream", "Tile", "load_ingredients", "load_tiles"]

VALIDATION_GROUPS = frozenset({"nl03", "nl08", "nl10", "fl03", "fl05"})
"""Paintings of the oil set that are never trained on."""


@dataclass(frozen=True)
class Tile:
    """A labelled picture: image (H, W, 3) and label (H, W), uint8; ``group`` is what a split may not cut."""

    name: str
    group: str
    image: Image8
    label: Image8


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


Batch = tuple[torch.Tensor, torch.Tensor]
"""Images (N, 3, H, W) uint8 and labels (N, H, W) uint8."""


class SampleStream(IterableDataset[Batch]):
    """Batches by step number: step k is the same whoever makes it, so a run can resume at any step.

    Parameters
    ----------
    tiles : tuple of Tile
        Real tiles; empty for a purely synthetic run.
    ingredients : Ingredients
        For the generator.
    seed, batch, size_px : int
        Seed of the run, samples in a batch, side of a sample.
    synthetic : float
        Share of synthetic samples, 0-1.
    first_step, last_step : int
        Half-open range of steps to make.
    """

    def __init__(
        self,
        tiles: tuple[Tile, ...],
        ingredients: Ingredients,
        *,
        seed: int,
        batch: int,
        size_px: int,
        synthetic: float,
        steps: range,
    ) -> None:
        self.tiles, self.ingredients, self.steps = tiles, ingredients, steps
        self.seed, self.batch, self.size_px = seed, batch, size_px
        self.synthetic = synthetic if tiles else 1.0

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of the range, in order (of this worker's share, where there are several)."""
        worker = torch.utils.data.get_worker_info()
        steps = self.steps if worker is None else self.steps[worker.id :: worker.num_workers]
        for step in steps:
            samples = [self._sample(np.random.default_rng((self.seed, step, k))) for k in range(self.batch)]
            images = np.stack([image for image, _ in samples]).transpose(0, 3, 1, 2)
            labels = np.stack([label for _, label in samples])
            yield torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels)

    def _sample(self, rng: np.random.Generator) -> tuple[Image8, Image8]:
        if rng.random() < self.synthetic:
            return augmented(
                rng, *synthetic_sample(rng, self.size_px, self.ingredients), self.size_px, rescale=False
            )
        tile = self.tiles[rng.integers(len(self.tiles))]
        image, label = augmented(rng, tile.image, tile.label, self.size_px, rescale=True)
        if rng.random() < 0.6:
            image, label = transplant(rng, image, label, self.ingredients)
        return image, label
