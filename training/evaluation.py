"""``evaluate``: a model on the pictures of a split; figures per class with how sure they are."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from segmentation_core.models import LoadedModel, load_model
from segmentation_core.progress import Progress, silent
from segmentation_core.vocabulary import load_vocabulary
from training.data import Tile
from training.dataset.folder import open_dataset
from training.prediction import Scaling, class_logits, softened
from training.scores import Sums, figures, picture_sums, pooled
from training.significance import bootstrap_intervals

__all__ = [
    "Evaluated",
    "evaluate",
    "evaluated",
    "for_json",
    "paper_table",
    "pictures_per_second",
    "scored",
    "summary",
]

PROTOCOL = (
    "Pictures at their own scale, sums pooled over pictures, thresholds of the model's card (fitted on "
    "validation), ignored pixels left out; tolerance 2 px; Betti errors per 128 px tile; intervals by "
    "bootstrap over groups."
)


@dataclass(frozen=True)
class Evaluated:
    """Sums of every picture, in the order of the tiles."""

    tiles: tuple[Tile, ...]
    parts: tuple[Sums, ...]

    @property
    def figures(self) -> dict[str, float]:
        """The figures over all pictures."""
        return figures(pooled(self.parts))

    @property
    def groups(self) -> list[str]:
        """Group of each picture."""
        return [tile.group for tile in self.tiles]


def evaluated(
    network: nn.Module,
    scaling: Scaling,
    tiles: Sequence[Tile],
    thresholds: Mapping[str, float],
    temperature: float | Sequence[float] = 1.0,
    progress: Progress = silent,
) -> Evaluated:
    """Score a network on tiles."""
    network.eval()
    parts = []
    for number, tile in enumerate(tiles):
        progress("evaluate", number, len(tiles), "pictures")
        probabilities = softened(class_logits(network, tile.image, scaling), temperature)
        parts.append(picture_sums(probabilities, tile.label, thresholds, tile.annotated))
    progress("evaluate", len(tiles), len(tiles), "pictures")
    return Evaluated(tuple(tiles), tuple(parts))


def scored(loaded: LoadedModel, tiles: Sequence[Tile], progress: Progress = silent) -> Evaluated:
    """Score a model as its card says: scaling, temperature, thresholds."""
    card = loaded.card
    scaling = Scaling(card.mean, card.std)
    return evaluated(loaded.network, scaling, tiles, card.thresholds, card.temperature, progress)


def evaluate(
    model: str | Path | None,
    data: Path,
    *,
    split: str = "test",
    device: str = "cpu",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Evaluate a model on a split of a dataset.

    Parameters
    ----------
    model : str, Path or None
        Name in the store or a file, an adapter included; None for the default.
    data : Path
        A dataset.
    split : str
        "train", "validation" or "test".
    device : str
        "cpu", "cuda" or "mps".
    progress : Progress
        Told the pictures done.

    Returns
    -------
    dict
        ``figures``, ``intervals`` (95 %), ``pictures`` (name, group, figures of each),
        ``pictures_per_second`` (at batch 1), ``table`` (the paper's layout), ``protocol``, ``run``.

    Raises
    ------
    ParameterError
        The split is empty or the dataset cannot be used.
    ModelError
        The model cannot be used.
    """
    dataset = open_dataset(data)
    tiles = dataset.tiles(split)
    loaded = load_model(model).to(device)
    result = summary(scored(loaded, tiles, progress))
    result["pictures_per_second"] = pictures_per_second(loaded.network)
    result["table"] = paper_table({loaded.name: result["figures"]})
    result["run"] = {
        "model": {"name": loaded.name, "path": str(loaded.path), "sha256": loaded.sha256},
        "data": {
            "path": str(data),
            "split": split,
            "fingerprint": dataset.fingerprint,
            "leaky": dataset.leaky,
        },
        "notes": _notes(tiles, leaky=dataset.leaky),
    }
    return result


def summary(result: Evaluated) -> dict[str, Any]:
    """Return the figures of an evaluation, their intervals, and every picture's own."""
    chosen = ("craquelure.f1", "craquelure.tolerance_f1", "paint_loss.f1", "macro.iou")
    rows = []
    for tile, sums in zip(result.tiles, result.parts, strict=True):
        own = figures(sums)
        rows.append({"picture": tile.name, "group": tile.group, **for_json({k: own.get(k) for k in chosen})})
    intervals = bootstrap_intervals(result.parts, result.groups)
    return {
        "figures": for_json(result.figures),
        "intervals": for_json(intervals),
        "pictures": rows,
        "protocol": PROTOCOL,
    }


def for_json(value: Any) -> Any:
    """Return figures, however nested, as JSON can hold them: six digits, None for what has no meaning."""
    if isinstance(value, Mapping):
        return {str(k): for_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_json(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return None if np.isnan(value) else round(float(value), 6)
    return value


def _notes(tiles: Sequence[Tile], *, leaky: bool) -> list[str]:
    notes = []
    groups = len({tile.group for tile in tiles})
    if groups < 2:
        notes.append("All pictures are of one group: no interval can be given")
    elif groups < 10:
        notes.append(f"Only {groups} groups: take the intervals as rough")
    if leaky:
        notes.append(
            "This dataset was split after its augmentation: the figures are worthless but as an exhibit"
        )
    return notes


def pictures_per_second(network: nn.Module, size_px: int = 512, runs: int = 3) -> float:
    """Time a network at batch 1 as the paper did: softmax, back to the processor, argmax."""
    device = next(network.parameters()).device
    x = torch.zeros(1, 3, size_px, size_px, device=device)

    def once() -> None:
        with torch.inference_mode():
            network(x).softmax(dim=1).cpu().argmax(dim=1)

    once()
    started = time.perf_counter()
    for _ in range(runs):
        once()
    return round(runs / (time.perf_counter() - started), 3)


def paper_table(models: Mapping[str, Mapping[str, float | None]]) -> list[dict[str, Any]]:
    """Lay figures out as the paper's tables do, with and without the background in the means."""
    vocabulary = load_vocabulary()
    rows = []
    for name, told in models.items():
        row: dict[str, Any] = {"model": name, "Acc": told["accuracy"]}
        for code in ("background", *vocabulary.codes):
            row[f"IoU {code}"] = told[f"{code}.iou"]
        for mean, suffix in (("macro_with_background", ""), ("macro", " (damage alone)")):
            row[f"MIoU{suffix}"] = told[f"{mean}.iou"]
            row[f"F1{suffix}"] = told[f"{mean}.f1"]
            row[f"Recall{suffix}"] = told[f"{mean}.recall"]
            row[f"Precision{suffix}"] = told[f"{mean}.precision"]
        rows.append(row)
    return rows
