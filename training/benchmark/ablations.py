"""What each choice of the recipe is worth: the same short training, with one thing changed at a time.

Thresholds come from paintings and samples that are not scored, so that a choice is judged by what it would
give to a user (RECOGNITION, section 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from segmentation_core.progress import Progress
from segmentation_core.vocabulary import load_vocabulary
from training.benchmark.difficulty import SETS, difficulty_set, is_undamaged
from training.benchmark.material import ENCODER, THRESHOLD_GROUPS, Material, cracks_alone, own_recipe, spread
from training.benchmark.trial import Budget, Trial, markdown_table, trial, write_report
from training.data import Tile, load_ingredients, load_tiles
from training.evaluation import Evaluated, for_json
from training.publish import synthetic_validation
from training.scores import called_damaged
from training.significance import bootstrap_intervals

__all__ = ["VARIANTS", "Variant", "benchmark_ablations"]

_FIRST = 1000
"""Number of the first sample of each set: what decides the recipe must not be what is told of the weights."""


@dataclass(frozen=True)
class Variant:
    """One change to the recipe.

    Attributes
    ----------
    changes : mapping
        Keys of the recipe.
    overlays : bool
        Hair, dust and scratches lie over the samples.
    pretrained : bool
        The encoder starts from ImageNet; then the network is the one with that encoder.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    overlays: bool = True
    pretrained: bool = False


VARIANTS: Mapping[str, Variant] = {
    "as shipped": Variant(),
    "Mixed1 of the source paper": Variant({"loss": "mixed1"}),
    "without Skeleton Recall": Variant({"skeleton_weight": 0.0}),
    "real pictures alone": Variant({"synthetic": 0.0}),
    "synthetic samples alone": Variant({"synthetic": 1.0}),
    "no samples without damage": Variant({"undamaged": 0.0}),
    "no hair, dust and scratches": Variant(overlays=False),
    "res_unet from nothing": Variant({"architecture": "res_unet"}),
    "res_unet from ImageNet": Variant({"architecture": "res_unet"}, pretrained=True),
}
"""Every training by name; the first is what the others are changes of."""


def benchmark_ablations(
    data: Path,
    out: Path,
    budget: Budget,
    architecture: str,
    progress: Progress,
    variants: Mapping[str, Variant] = VARIANTS,
    of_each: int = 4,
) -> dict[str, Any]:
    """Train every variant from nothing under one budget and score all on the same pictures.

    Parameters
    ----------
    data : Path
        Folder with ``craquelure_oil``, ``paintings`` and ``overlays``; without ``weights``, what starts
        from ImageNet is left out and the report says so.
    out : Path
        Folder for ``report.md``, ``figures.json`` and the runs.
    budget : Budget
        The same for every training.
    architecture : str
        A name of the registry; of the variants that name none.
    progress : Progress
        Told how far it is.
    variants : mapping of str to Variant
        What is tried.
    of_each : int
        Samples of each difficulty; undamaged pictures are three times as many.

    Returns
    -------
    dict
        ``path``, ``lines``, ``figures``.
    """
    out.mkdir(parents=True, exist_ok=True)
    material = _material(data, of_each)
    encoder = data / ENCODER
    left_out = [n for n, v in variants.items() if v.pretrained and not encoder.is_file()]
    rows = []
    for name, variant in variants.items():
        if name in left_out:
            continue
        recipe = replace(own_recipe(architecture, budget), **variant.changes)
        ingredients = material.ingredients if variant.overlays else replace(material.ingredients, overlays=())
        start = encoder if variant.pretrained else None
        part = replace(material, ingredients=ingredients)
        done = trial(
            name.replace(",", "").replace(" ", "-"), recipe, part, out, budget, progress, start=start
        )
        rows.append(_row(name, done))
    lines = [
        "# What each choice is worth",
        "",
        f"{architecture}, from nothing, {budget.steps} steps of {budget.batch} samples of {budget.size_px} px"
        f" on {budget.limits.device}, one training each: differences within the intervals say nothing, and",
        "longer trainings may order them otherwise. Craquelure F1 within 2 px with its 95 % interval;",
        "undamaged pictures: craquelure / paint loss called, % of the pixels.",
        "",
        *markdown_table(rows),
    ]
    if left_out:
        lines += ["", f"Left out, as there are no weights in {ENCODER.as_posix()}: {', '.join(left_out)}."]
    found = for_json({"rows": rows, "left_out": left_out})
    return write_report(out, lines, found)


def _material(data: Path, of_each: int) -> Material:
    ingredients = load_ingredients(data)
    oil = [cracks_alone(t) for t in load_tiles(data / "craquelure_oil", validation=False)]
    held = [cracks_alone(t) for t in load_tiles(data / "craquelure_oil", validation=True)]
    test: list[Tile] = spread(held, 12 * of_each)
    for name in SETS:
        count = of_each * (3 if is_undamaged(name) else 1)
        test += difficulty_set(name, ingredients, range(_FIRST, _FIRST + count))
    return Material(
        tuple(t for t in oil if t.group not in THRESHOLD_GROUPS),
        (
            *spread([t for t in oil if t.group in THRESHOLD_GROUPS], 6 * of_each),
            *synthetic_validation(ingredients, 3 * of_each),
        ),
        tuple(test),
        ingredients,
    )


def _row(name: str, done: Trial) -> dict[str, Any]:
    vocabulary = load_vocabulary()
    line, polygon = vocabulary.line_class.code, vocabulary.polygon_class.code
    by_set: dict[str, list[int]] = {}
    for index, tile in enumerate(done.result.tiles):
        by_set.setdefault(_set_of(tile), []).append(index)
    drawn = [i for key, at in by_set.items() if key in SETS and not is_undamaged(key) for i in at]
    oil, ornament = _part(done.result, by_set["oil"]), _part(done.result, drawn)
    losses = _part(
        done.result, [i for key, at in by_set.items() if key in SETS and SETS[key].loss for i in at]
    )
    row: dict[str, Any] = {
        "recipe": name,
        "oil IoU": round(oil.figures[f"{line}.iou"], 3),
        "oil": _with_interval(oil, f"{line}.tolerance_f1"),
        "oil clDice": round(oil.figures["cldice"], 3),
        "ornament": _with_interval(ornament, f"{line}.tolerance_f1"),
        "paint loss F1": round(losses.figures[f"{polygon}.f1"], 3),
    }
    for key in SETS:
        if is_undamaged(key):
            row[key] = _called(done.result, by_set.get(key, []))
    return row


def _set_of(tile: Tile) -> str:
    name = tile.name.rpartition("-")[0]
    return name if name in SETS else "oil"


def _part(result: Evaluated, at: list[int]) -> Evaluated:
    return Evaluated(tuple(result.tiles[i] for i in at), tuple(result.parts[i] for i in at))


def _with_interval(result: Evaluated, figure: str) -> str:
    low, high = bootstrap_intervals(result.parts, result.groups, resamples=500)[figure]
    return f"{result.figures[figure]:.3f} ({low:.3f}-{high:.3f})"


def _called(result: Evaluated, at: list[int]) -> str:
    if not at:
        return "-"
    shares = called_damaged(result.parts[i] for i in at)
    return " / ".join(f"{100 * share:.2f}" for share in shares.values())
