"""Datasets that are made: synthetic ones, and the paper's augmented one with its leak."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from segmentation_core.dataset_tables import SPLIT_COLUMNS
from segmentation_core.errors import ParameterError
from segmentation_core.progress import Progress, silent
from segmentation_core.vocabulary import load_vocabulary
from training.dataset.folder import (
    LEAKY,
    Picture,
    Record,
    add_pictures,
    open_dataset,
    write_table,
)
from training.paper_augmentation import paper_offline
from training.plain_samples import plain_sample
from training.synthetic.samples import Image8, Ingredients, synthetic_samples
from training.synthetic.sheet import contact_sheet

__all__ = ["KINDS", "LEAK_WARNING", "paper_dataset", "synthetic_dataset"]

KINDS = ("full", "plain", "pale")
"""The training generator, and the two easy sets of `training.plain_samples`."""

_AT_ONCE = 8
_ON_THE_SHEET = 24

LEAK_WARNING = (
    "This dataset is augmented first and split at random afterwards, as the source paper's was: nearly every "
    "test picture has siblings among the training pictures. Figures on it say how well a network remembers, "
    "not how well it works."
)


def synthetic_dataset(
    out: Path,
    count: int,
    seed: int,
    *,
    size_px: int = 512,
    kind: str = "full",
    ingredients: Ingredients | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Make synthetic samples with exact labels, and ``contact-sheet.png`` of the first of them to look at.

    Parameters
    ----------
    out : Path
        Folder; must not hold a dataset yet.
    count, seed, size_px : int
        Samples, seed (the same seed gives the same samples), side.
    kind : str
        One of `KINDS`.
    ingredients : Ingredients or None
        Paintings and overlays for the full generator.

    Returns
    -------
    dict
        ``path``, ``pictures``, ``damaged`` (share of pixels per class).
    """
    if count < 1 or size_px < 32:
        raise ParameterError(
            f"cannot make {count} samples of {size_px} px", remedy="Use 1 or more, of 32 px or more"
        )
    if kind not in KINDS:
        raise ParameterError(f"no samples are called {kind!r}", remedy=f"Use one of {', '.join(KINDS)}")
    if (out / "manifest.csv").exists():
        raise ParameterError("a dataset is there already", path=out, remedy="Use another folder")
    held = ingredients or Ingredients()
    vocabulary = load_vocabulary()
    pixels = dict.fromkeys(vocabulary.codes, 0)

    shown: list[tuple[Image8, Image8]] = []

    def made() -> Iterator[Picture]:
        for index, (image, label) in enumerate(_samples(seed, count, size_px, kind, held)):
            progress("synthesise", index, count, "samples")
            if index < _ON_THE_SHEET:
                shown.append((image, label))
            for defect in vocabulary.classes:
                pixels[defect.code] += int((label == defect.value).sum())
            name = f"synthetic-{seed}-{index:05d}"
            record = Record(name, "synthetic", "", name, vocabulary.codes)
            yield Picture(record, image, label, f"synthetic, seed {seed}, sample {index}")

    add_pictures(out, made())
    contact_sheet(shown).save(out / "contact-sheet.png")
    progress("synthesise", count, count, "samples")
    total = count * size_px**2
    return {
        "path": str(out),
        "pictures": count,
        "damaged": {code: round(n / total, 6) for code, n in pixels.items()},
    }


def _samples(
    seed: int, count: int, size_px: int, kind: str, ingredients: Ingredients
) -> Iterator[tuple[Image8, Image8]]:
    for start in range(0, count, _AT_ONCE):
        sources = [
            np.random.default_rng((seed, index)) for index in range(start, min(start + _AT_ONCE, count))
        ]
        if kind == "full":
            yield from zip(*synthetic_samples(sources, size_px, ingredients), strict=True)
        else:
            yield from (plain_sample(rng, size_px, pale=kind == "pale") for rng in sources)


def paper_dataset(
    data: Path,
    out: Path,
    count: int,
    seed: int,
    *,
    split_first: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Make the paper's augmented dataset: ``count`` siblings, then a random 9:1 split.

    Parameters
    ----------
    data : Path
        A dataset with a split; its pictures are what is augmented.
    out : Path
        Folder for the augmented one.
    count : int
        Pictures in all (the paper: 600 to 21,000).
    seed : int
        Of augmentation and split.
    split_first : bool
        The honest counterpart with the same pictures: siblings stay on their source's side of the split.

    Returns
    -------
    dict
        ``path``, ``pictures``, ``split`` (pictures per split), ``warning`` (None where split first).
    """
    dataset = open_dataset(data)
    if (out / "manifest.csv").exists():
        raise ParameterError("a dataset is there already", path=out, remedy="Use another folder")
    records = dataset.records
    if split_first:
        dataset.part("train"), dataset.part("test")
    rows: list[dict[str, str]] = []
    drawn = np.random.default_rng((seed, 1)).random(count)

    def made() -> Iterator[Picture]:
        for index in range(count):
            progress("augment", index, count, "pictures")
            source = records[index % len(records)]
            tile = dataset.tile(source)
            rng = np.random.default_rng((seed, 2, index))
            image, label = paper_offline(rng, tile.image, tile.label)
            name = f"{source.name}-{index // len(records):03d}"
            split = source.split if split_first else ("train" if drawn[index] < 0.9 else "test")
            rows.append(
                {
                    "image": name,
                    "site": source.site,
                    "element": source.element,
                    "group": source.group,
                    "split": split,
                }
            )
            record = Record(name, source.site, source.element, source.group, source.annotated)
            yield Picture(record, image, label, f"{source.name}, augmented")

    add_pictures(out, made())
    if not split_first:
        (out / LEAKY).write_text(LEAK_WARNING + "\n", encoding="utf-8")
    write_table(out / "split.csv", SPLIT_COLUMNS, rows)
    progress("augment", count, count, "pictures")
    counts = {s: sum(row["split"] == s for row in rows) for s in ("train", "validation", "test")}
    return {
        "path": str(out),
        "pictures": count,
        "split": counts,
        "warning": None if split_first else LEAK_WARNING,
    }
