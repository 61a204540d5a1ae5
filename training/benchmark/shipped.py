"""The evidence for the models that ship: pictures they never saw, and a classical filter beside them.

Every figure of the model cards' claims comes from here; the same command gives the same figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segmentation_core.models import LoadedModel, load_checkpoint
from segmentation_core.models.store import list_models
from segmentation_core.progress import Progress
from segmentation_core.vocabulary import load_vocabulary
from training.benchmark import plots
from training.benchmark.difficulty import SETS, difficulty_set, is_undamaged
from training.benchmark.material import cracks_alone
from training.benchmark.reliability import Reliability, reliability
from training.benchmark.ridge import RidgeFilter, ridge_scored, tuned_filter
from training.benchmark.trial import markdown_table, write_report
from training.data import Tile, load_ingredients, load_tiles
from training.evaluation import Evaluated, for_json, scored
from training.prediction import Scaling, class_logits, labels_from, softened
from training.publish import synthetic_validation
from training.scores import called_damaged, figures, pooled
from training.significance import bootstrap_intervals, paired_comparison
from training.synthetic.samples import Ingredients

__all__ = ["Evidence", "benchmark_shipped"]

_RESAMPLES = 500
_TUNED_ON = 4
_RIDGE = "ridge filter"


@dataclass(frozen=True)
class Evidence:
    """How much is looked at.

    Attributes
    ----------
    models : tuple of str or None
        Names of shipped models; None is all of them.
    synthetic, of_each : int
        Samples of the generator, and of each set of one difficulty.
    size_px : int
        Side of the latter.
    """

    models: tuple[str, ...] | None = None
    synthetic: int = 60
    of_each: int = 16
    size_px: int = 256


def benchmark_shipped(
    data: Path, out: Path, progress: Progress, evidence: Evidence | None = None
) -> dict[str, Any]:
    """Score every shipped model and a tuned ridge filter.

    Sets: the validation paintings of the oil set; synthetic samples of unused seeds; synthetic samples of
    one difficulty each (`training.benchmark.difficulty`); undamaged ornament and paintings. The filter is
    tuned on the oil set's other paintings and on further synthetic samples, each for its own.

    Parameters
    ----------
    data : Path
        Folder with ``craquelure_oil``, ``paintings`` and ``overlays``.
    out : Path
        Folder for ``report.md``, ``figures.json``, ``tiles-MODEL.png`` and ``reliability.png``.
    progress : Progress
        Told how far it is.
    evidence : Evidence or None
        How much is looked at; the whole by default.

    Returns
    -------
    dict
        ``path``, ``lines``, ``figures``.
    """
    evidence = evidence or Evidence()
    out.mkdir(parents=True, exist_ok=True)
    ingredients = load_ingredients(data)
    sets: dict[str, tuple[Tile, ...]] = {
        "oil": tuple(cracks_alone(t) for t in load_tiles(data / "craquelure_oil", validation=True)),
        "synthetic": synthetic_validation(ingredients, evidence.synthetic),
    }
    for name in SETS:
        sets[name] = difficulty_set(name, ingredients, range(evidence.of_each), evidence.size_px)
    sets = {name: tiles for name, tiles in sets.items() if tiles}
    results: dict[tuple[str, str], Evaluated] = {}
    calibrations: dict[str, Reliability] = {}
    models = {
        m.name: load_checkpoint(m.path)
        for m in list_models()
        if m.shipped and (evidence.models is None or m.name in evidence.models)
    }
    for name, loaded in models.items():
        for key, tiles in sets.items():
            results[name, key] = scored(loaded, tiles, _staged(progress, f"{name}, {key}"))
        calibrations[name] = reliability(loaded, sets["oil"])
    filters = {
        "oil": tuned_filter(load_tiles(data / "craquelure_oil", validation=False)[::20]),
        "synthetic": tuned_filter(_further(sets, ingredients, evidence)),
    }
    for key, tiles in sets.items():
        results[_RIDGE, key] = ridge_scored(tiles, filters["oil" if key == "oil" else "synthetic"])
    rows = [row for (model, key), result in results.items() for row in _rows(model, key, result)]
    alarms = [_alarm(model, key, result) for (model, key), result in results.items() if is_undamaged(key)]
    pairs = paired_comparison({m: r.parts for (m, key), r in results.items() if key == "oil"})
    plots.reliability(out / "reliability.png", calibrations)
    for name, loaded in models.items():
        _draw_tiles(out / f"tiles-{name}.png", loaded, results[name, "oil"], filters["oil"])
    found = for_json(
        {
            "rows": rows,
            "false_alarms": alarms,
            "comparisons": pairs,
            "reliability": {name: r.told for name, r in calibrations.items()},
            "ridge_filters": {key: vars(ridge) for key, ridge in filters.items()},
        }
    )
    lines = _lines(found, sets)
    return write_report(out, lines, found)


def _staged(progress: Progress, name: str) -> Progress:
    def told(stage: str, done: float, total: float, unit: str = "") -> None:
        progress(f"{name}: {stage}", done, total, unit)

    return told


def _further(
    sets: Mapping[str, tuple[Tile, ...]], ingredients: Ingredients, evidence: Evidence
) -> list[Tile]:
    """Make damaged samples of every difficulty beyond those that are scored."""
    numbers = range(evidence.of_each, evidence.of_each + _TUNED_ON)
    return [
        tile
        for name in sets
        if name in SETS and not is_undamaged(name)
        for tile in difficulty_set(name, ingredients, numbers, evidence.size_px)
    ]


def _rows(model: str, name: str, result: Evaluated) -> list[dict[str, Any]]:
    """Return the figures of the classes that a set shows."""
    if is_undamaged(name):
        return []
    vocabulary = load_vocabulary()
    line, polygon = vocabulary.line_class.code, vocabulary.polygon_class.code
    told = result.figures
    intervals = bootstrap_intervals(result.parts, result.groups, resamples=_RESAMPLES)
    shown = [line]
    if model != _RIDGE and (name == "synthetic" or (name in SETS and SETS[name].loss)):
        shown.append(polygon)
    rows = []
    for code in shown:
        low, high = intervals[f"{code}.tolerance_f1"]
        rows.append(
            {
                "set": name,
                "model": model,
                "class": code,
                "pictures": len(result.tiles),
                "IoU": round(told[f"{code}.iou"], 4),
                "F1": round(told[f"{code}.f1"], 4),
                "F1 within 2 px": round(told[f"{code}.tolerance_f1"], 4),
                "95 %": f"{low:.3f}-{high:.3f}" if low == low else "-",
                "clDice": round(told["cldice"], 4) if code == line else None,
            }
        )
    return rows


def _alarm(model: str, name: str, result: Evaluated) -> dict[str, Any]:
    """Return how much of undamaged pictures is called damage."""
    told: dict[str, Any] = {"set": name, "model": model, "pictures": len(result.tiles)}
    for code, share in called_damaged(result.parts).items():
        told[f"{code}, % of pixels"] = round(100 * share, 3)
    pixels = float(np.sum(pooled(result.parts)["confusion"]))
    length = sum(float(part["length_predicted"]) for part in result.parts)
    told["false crack length, px per Mpx"] = round(length / pixels * 1e6)
    return told


def _draw_tiles(path: Path, loaded: LoadedModel, result: Evaluated, ridge: RidgeFilter) -> None:
    """Draw the best, the middle and the worst tiles: picture, label, what was found, and what is wrong."""
    code = load_vocabulary().line_class.code
    merits = [figures(part)[f"{code}.tolerance_f1"] for part in result.parts]
    order = [int(i) for i in np.argsort(merits) if not np.isnan(merits[i])]
    if not order:
        return
    middle = len(order) // 2
    chosen = dict.fromkeys([*order[::-1][:3], *order[middle : middle + 3], *order[:3]])
    tiles = [result.tiles[index] for index in chosen]
    found = [_found(loaded, tile) for tile in tiles]
    plots.sheet(
        path,
        {
            "picture": [t.image for t in tiles],
            "label": [plots.coloured(t.label) for t in tiles],
            "right, missed, false": [
                plots.errors(label, tile.label) for label, tile in zip(found, tiles, strict=True)
            ],
            "ridge filter": [plots.grey(ridge.probabilities(t.image)[1]) for t in tiles],
        },
        side_px=256,
    )


def _found(loaded: LoadedModel, tile: Tile) -> Any:
    card = loaded.card
    logits = class_logits(loaded.network, tile.image, Scaling(card.mean, card.std))
    return labels_from(softened(logits, card.temperature)[1:], card.thresholds)


def _lines(found: Mapping[str, Any], sets: Mapping[str, tuple[Tile, ...]]) -> list[str]:
    by_set = [row for name in sets for row in found["rows"] if row["set"] == name]
    lines = [
        "# Shipped models",
        "",
        "oil: the validation groups of craquelure_oil, in whose labels a ridge filter took part. synthetic:",
        "samples of the training generator from unused seeds. The other sets have one difficulty each, on",
        "drawn ornament. Models use the thresholds of their cards; the ridge filter is tuned on pictures",
        "that are not scored, and it knows no paint loss. Intervals: bootstrap over groups.",
        "",
        *markdown_table(by_set),
        "",
        "## Undamaged pictures",
        "",
        "The paintings also served as backgrounds in training, which flatters the models.",
        "",
        *markdown_table(found["false_alarms"]),
        "",
        "## What a probability means",
        "",
        "Craquelure on the oil set: of the pixels given a probability of 0.45 to 0.55, the share that is",
        "craquelure (reliability.png has the whole curve).",
        "",
        *markdown_table([{"model": name, **told} for name, told in found["reliability"].items()]),
    ]
    if found["comparisons"]:
        pairs = [{"pair": pair, **told} for pair, told in found["comparisons"].items()]
        lines += ["", "## Differences on the oil set: Wilcoxon on F1 per picture, Holm", ""]
        lines += markdown_table(pairs)
    return lines
