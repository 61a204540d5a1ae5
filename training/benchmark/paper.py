"""The source paper's comparison: five losses, three models, lambda, and the leak, under one budget."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from segmentation_core.progress import Progress
from segmentation_core.vocabulary import load_vocabulary
from training.benchmark import plots
from training.benchmark.material import (
    ENCODER,
    THRESHOLD_GROUPS,
    Material,
    cracks_alone,
    own_recipe,
    spread,
)
from training.benchmark.trial import Budget, Trial, markdown_table, trial, write_report
from training.data import Tile, load_ingredients, load_tiles
from training.evaluation import for_json, paper_table
from training.paper_augmentation import paper_offline
from training.recipe import Recipe
from training.significance import bootstrap_intervals, paired_comparison
from training.synthetic.samples import Ingredients, synthetic_samples

__all__ = ["Study", "benchmark_paper"]


@dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes
    ----------
    losses : tuple of str
        Each trained with the paper's network; Mixed1 is among them.
    network : str
        The paper's.
    rivals : tuple of str
        Further networks, trained with Mixed1.
    lambdas : tuple of float
        Weights of Focal in Mixed1; 1 is the Mixed1 of the losses.
    ours : str
        The network of this project that stands beside them.
    pretrained : tuple of str
        Networks with a ResNet-50 encoder, which starts from the data folder's ImageNet weights if there.
    most_real, synthetic : int
        Pictures of each kind in validation and in test.
    siblings : int
        Augmented versions of a picture in the leakage exhibit.
    """

    losses: tuple[str, ...] = ("ce", "dice", "focal", "mixed2", "mixed1")
    network: str = "res_unet_paper"
    rivals: tuple[str, ...] = ("unet", "mc_dm")
    lambdas: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    ours: str = "res_unet"
    most_real: int = 60
    synthetic: int = 30
    siblings: int = 10
    pretrained: tuple[str, ...] = ("res_unet_paper", "res_unet")


_SEEDS = {"validation": 881_000_001, "test": 882_000_001}


def benchmark_paper(
    data: Path, out: Path, budget: Budget, progress: Progress, study: Study | None = None
) -> dict[str, Any]:
    """Train everything the paper compares, and write the paper's tables and figures beside its own.

    Parameters
    ----------
    data : Path
        Folder with ``craquelure_oil``, ``paintings`` and ``overlays``; the paper's 600 images were never
        published. Where it holds ImageNet weights, the encoders the paper pre-trained start from them.
    out : Path
        Folder for ``report.md``, ``figures.json``, tables, plots, and the runs.
    budget : Budget
        The same for every training.
    study : Study or None
        What is compared; the whole of it by default, scored on fewer pictures without a GPU.

    Returns
    -------
    dict
        ``path``, ``lines``, ``figures``.
    """
    if study is None:
        study = Study() if budget.limits.device == "cuda" else Study(most_real=24, synthetic=12)
    out.mkdir(parents=True, exist_ok=True)
    material = _material(data, budget, study)
    base = Recipe(
        study.network,
        budget.steps,
        budget.batch,
        budget.size_px,
        synthetic=0.5,
        learning_rate=1e-4,
        lowest_rate=0.01,
        schedule="paper",
        optimiser="adam",
        weight_decay=0.0,
        ema=0.0,
        seed=11,
        normalisation="unit",
        augmentation="mild",
        precision="float32",
    )
    recipes = {f"loss-{name}": replace(base, loss=name) for name in study.losses}
    for value in study.lambdas:
        if value != 1.0:
            recipes[f"lambda-{value:g}"] = replace(base, loss="mixed1", focal_weight=value)
    recipes |= {f"model-{m}": replace(base, loss="mixed1", architecture=m) for m in study.rivals}
    recipes["ours"] = own_recipe(study.ours, budget, synthetic=0.5)
    encoder = data / ENCODER
    starts = dict.fromkeys(study.pretrained if encoder.is_file() else (), encoder)
    if study.network in starts:
        # The rivals start from nothing: beside them stands the paper's network that does, too.
        recipes[f"model-{study.network}-from-nothing"] = replace(base, loss="mixed1")
    trials = {
        name: trial(
            name,
            recipe,
            material,
            out,
            budget,
            progress,
            start=None if name.endswith("from-nothing") else starts.get(recipe.architecture),
        )
        for name, recipe in recipes.items()
    }
    leak = _leakage(material, base, out, budget, progress, study, starts.get(base.architecture))
    return _report(out, budget, trials, leak, material, study)


def _material(data: Path, budget: Budget, study: Study) -> Material:
    ingredients = load_ingredients(data)
    oil = [cracks_alone(t) for t in load_tiles(data / "craquelure_oil", validation=False)]
    held = [cracks_alone(t) for t in load_tiles(data / "craquelure_oil", validation=True)]
    made = {
        part: tuple(_synthetic(ingredients, seed, budget.size_px, study.synthetic))
        for part, seed in _SEEDS.items()
    }
    return Material(
        tuple(t for t in oil if t.group not in THRESHOLD_GROUPS),
        (*spread([t for t in oil if t.group in THRESHOLD_GROUPS], study.most_real), *made["validation"]),
        (*spread(held, study.most_real), *made["test"]),
        ingredients,
    )


def _synthetic(ingredients: Ingredients, seed: int, size_px: int, count: int) -> Iterator[Tile]:
    sources = [np.random.default_rng((seed, index)) for index in range(count)]
    for index, (image, label) in enumerate(
        zip(*synthetic_samples(sources, size_px, ingredients), strict=True)
    ):
        yield Tile(f"synthetic-{index}", f"synthetic-{index}", image, label)


def _leakage(
    material: Material,
    base: Recipe,
    out: Path,
    budget: Budget,
    progress: Progress,
    study: Study,
    start: Path | None,
) -> dict[str, float]:
    """Train twice on the same pictures, augmented: split before, and split after the augmentation.

    Both are scored on augmented test pictures of their own split, as the paper was.
    """
    rng = np.random.default_rng(7)
    sources = spread(material.train, study.most_real)
    siblings = []
    for tile in sources:
        for number in range(study.siblings):
            image, label = paper_offline(rng, tile.image, tile.label)
            siblings.append(replace(tile, name=f"{tile.name}-{number}", image=image, label=label))
    drawn = set(rng.permutation(len(siblings))[: max(len(siblings) // 10, 1)].tolist())
    groups = sorted({t.group for t in siblings})
    tested = {groups[i] for i in rng.permutation(len(groups))[: max(len(groups) // 10, 1)]}
    sides = {
        "split-after": [index in drawn for index in range(len(siblings))],
        "split-before": [t.group in tested for t in siblings],
    }
    found = {}
    for name, is_test in sides.items():
        test = [t for t, held in zip(siblings, is_test, strict=True) if held]
        part = Material(
            tuple(t for t, held in zip(siblings, is_test, strict=True) if not held),
            tuple(spread(test, study.most_real)),
            tuple(spread(test, study.most_real)),
            material.ingredients,
        )
        recipe = replace(base, synthetic=0.0, loss="mixed1")
        done = trial(f"leak-{name}", recipe, part, out, budget, progress, start=start)
        found[name] = done.figures["craquelure.f1"]
    return found


def _report(
    out: Path,
    budget: Budget,
    trials: Mapping[str, Trial],
    leak: Mapping[str, float],
    material: Material,
    study: Study,
) -> dict[str, Any]:
    told = json.loads((files("training.benchmark") / "paper_figures.json").read_text(encoding="utf-8"))
    losses = {name: trials[f"loss-{name}"] for name in study.losses}
    models = {name: trials[f"model-{name}"] for name in study.rivals}
    alone = f"model-{study.network}-from-nothing"
    if alone in trials:
        models[f"{study.network}, from nothing"] = trials[alone]
    models |= {study.network: trials["loss-mixed1"], f"{study.ours} (ours)": trials["ours"]}
    lambdas = {v: trials["loss-mixed1" if v == 1.0 else f"lambda-{v:g}"] for v in study.lambdas}
    table2 = [_loss_row(name, done, told["table2"][name]) for name, done in losses.items()]
    figure9 = [_model_row(name, done, told["figure9"].get(name)) for name, done in models.items()]
    figure5 = [
        {
            "lambda": value,
            "MIoU": done.figures["macro_with_background.iou"],
            "validation loss": done.log[-1]["validation_loss"],
        }
        for value, done in lambdas.items()
    ]
    pairs = {
        "losses": paired_comparison({n: d.result.parts for n, d in losses.items()}),
        "models": paired_comparison({n: d.result.parts for n, d in models.items()}),
    }
    plots.curves(out / "figure6.png", {n: d.log for n, d in losses.items()})
    plots.lambdas(out / "figure5.png", figure5)
    shown = _shown(material.test)
    plots.panels(out / "figure7.png", shown, losses)
    plots.panels(out / "figure8.png", shown, models)
    figures = {
        "budget": {"steps": budget.steps, "size_px": budget.size_px, "batch": budget.batch},
        "device": budget.limits.device,
        "table2": table2,
        "figure9": figure9,
        "figure5": figure5,
        "comparisons": pairs,
        "leakage": dict(leak),
        "layout": paper_table({n: d.figures for n, d in models.items()}),
    }
    figures = for_json(figures)
    pretrained = sorted({t.recipe.architecture for t in trials.values() if t.recipe.start_sha256 is not None})
    lines = _lines(budget, figures, pretrained, len(material.test))
    return write_report(out, lines, figures)


def _loss_row(name: str, done: Trial, paper: Mapping[str, float]) -> dict[str, Any]:
    row: dict[str, Any] = {"loss": name}
    low, high = bootstrap_intervals(done.result.parts, done.result.groups)["craquelure.iou"]
    for code in ("background", *load_vocabulary().codes):
        row[f"{code} IoU"] = round(done.figures[f"{code}.iou"], 4)
        row[f"{code} (paper)"] = paper[code]
    return row | {"craquelure 95 %": f"{low:.3f}-{high:.3f}"}


def _model_row(name: str, done: Trial, paper: Mapping[str, float] | None) -> dict[str, Any]:
    row: dict[str, Any] = {"model": name}
    keys = {"Acc": "accuracy", "MIoU": "iou", "F1": "f1", "Recall": "recall", "Precision": "precision"}
    for column, key in keys.items():
        key = key if key == "accuracy" else f"macro_with_background.{key}"
        row[column] = round(100 * done.figures[key], 2)
        row[f"{column} (paper)"] = "-" if paper is None else paper[column]
    row["F1 craquelure alone"] = round(100 * done.figures["craquelure.f1"], 2)
    row["FPS"] = done.pictures_per_second
    row["FPS (paper)"] = "-" if paper is None else paper["FPS"]
    return row


def _shown(tiles: Sequence[Tile]) -> list[Tile]:
    """Return three real and three synthetic test pictures with damage."""
    damaged = [t for t in tiles if ((t.label > 0) & (t.label < 255)).any()]
    synthetic = [t for t in damaged if t.annotated is None]
    return [*[t for t in damaged if t.annotated is not None][:3], *synthetic[:3]]


def _lines(budget: Budget, figures: Mapping[str, Any], pretrained: Sequence[str], tested: int) -> list[str]:
    leak = figures["leakage"]
    begun = (
        f"Pre-trained, on ImageNet, stem to layer3: the encoders of {' and '.join(pretrained)}."
        if pretrained
        else "No pre-training."
    )
    lines = [
        "# The source paper's comparison, repeated",
        "",
        f"Every training: {budget.steps} steps of {budget.batch} samples of {budget.size_px} px on "
        f"{budget.limits.device}, one seed. The paper: 100 epochs of 18,900 pictures. {begun}",
        "Data: craquelure_oil (consensus labels; craquelure alone) and synthetic samples, since the paper's",
        "600 images were never published: its figures stand beside ours for their order, not their height.",
        f"Scored on {tested} pictures that no training saw.",
        "Its means average in the background; the last columns show the craquelure alone.",
        "",
        "## Table 2: IoU by loss",
        "",
        *markdown_table(figures["table2"]),
        "",
        "## Figure 9: models",
        "",
        *markdown_table(figures["figure9"]),
        "",
        "## Figure 5: lambda of Mixed1 (figure5.png)",
        "",
        *markdown_table(figures["figure5"]),
        "",
        "## What the order is worth: Wilcoxon on F1 per picture, Holm",
        "",
    ]
    for kind, pairs in figures["comparisons"].items():
        rows = [{kind: pair, **told} for pair, told in pairs.items()]
        lines += [*markdown_table(rows), ""]
    return [
        *lines,
        "## The leak",
        "",
        "The same pictures, ten siblings each by its offline augmentation. As in the paper's code the",
        "test side also served as validation. Craquelure F1 there:",
        f"split before the augmentation {leak['split-before']:.3f}, after it {leak['split-after']:.3f}.",
    ]
