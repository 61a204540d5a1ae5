"""The recipe's main choice, synthetic samples beside real ones, on every painting: five folds by group.

No painting trains and is scored, and none of those that are scored fits a threshold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segmentation_core.errors import ParameterError
from segmentation_core.progress import Progress
from segmentation_core.vocabulary import load_vocabulary
from training.benchmark.material import Material, cracks_alone, own_recipe, spread
from training.benchmark.ridge import ridge_scored, tuned_filter
from training.benchmark.trial import Budget, markdown_table, trial, write_report
from training.data import load_ingredients, load_tiles
from training.evaluation import Evaluated, for_json
from training.publish import synthetic_validation
from training.significance import bootstrap_intervals, paired_comparison

__all__ = ["benchmark_folds", "folds_of"]

_COUNT = 5
_RECIPES: Mapping[str, Mapping[str, Any]] = {
    "with synthetic samples": {},
    "real pictures alone": {"synthetic": 0.0},
}
_RIDGE = "ridge filter"


def folds_of(groups: Sequence[str], count: int = _COUNT) -> dict[str, int]:
    """Share groups out among folds of about as many pictures: the largest first, each to the emptiest.

    Parameters
    ----------
    groups : sequence of str
        Group of each picture.
    count : int
        Folds.

    Returns
    -------
    dict
        Group to fold, 0 to count - 1.

    Raises
    ------
    ParameterError
        There are fewer groups than folds.

    Examples
    --------
    >>> folds_of(["a", "a", "a", "b", "b", "c"], 2)
    {'a': 0, 'b': 1, 'c': 1}
    """
    sizes = Counter(groups)
    if len(sizes) < count:
        raise ParameterError(
            f"{len(sizes)} groups cannot be {count} folds", remedy="Give pictures of more paintings"
        )
    filled = [0] * count
    found = {}
    for group, size in sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0])):
        fold = filled.index(min(filled))
        found[group] = fold
        filled[fold] += size
    return found


def benchmark_folds(
    data: Path, out: Path, budget: Budget, architecture: str, progress: Progress, most: int = 80
) -> dict[str, Any]:
    """Train both sides of the choice on three folds each, fit thresholds on one, score on the fifth.

    The ridge filter is tuned on what fits the thresholds and scored on the same pictures.

    Parameters
    ----------
    data : Path
        Folder with ``craquelure_oil``, ``paintings`` and ``overlays``.
    out : Path
        Folder for ``report.md``, ``figures.json`` and the runs.
    budget : Budget
        Of each of the ten trainings.
    architecture : str
        A name of the registry.
    progress : Progress
        Told how far it is.
    most : int
        Pictures scored in each fold at most, spread evenly.

    Returns
    -------
    dict
        ``path``, ``lines``, ``figures``.
    """
    out.mkdir(parents=True, exist_ok=True)
    ingredients = load_ingredients(data)
    sides = [load_tiles(data / "craquelure_oil", validation=side) for side in (False, True)]
    oil = [cracks_alone(tile) for side in sides for tile in side]
    fold_of = folds_of([t.group for t in oil])
    found: dict[str, list[Evaluated]] = {name: [] for name in (*_RECIPES, _RIDGE)}
    rows = []
    for fold in range(_COUNT):
        fitted = (fold + 1) % _COUNT
        tuned = spread([t for t in oil if fold_of[t.group] == fitted], most // 3)
        material = Material(
            tuple(t for t in oil if fold_of[t.group] not in (fold, fitted)),
            (*tuned, *synthetic_validation(ingredients, len(tuned) // 3)),
            tuple(spread([t for t in oil if fold_of[t.group] == fold], most)),
            ingredients,
        )
        for name, changes in _RECIPES.items():
            recipe = own_recipe(architecture, budget, **changes)
            run = f"fold-{fold + 1}-{name.replace(' ', '-')}"
            found[name].append(trial(run, recipe, material, out, budget, progress).result)
        found[_RIDGE].append(ridge_scored(material.test, tuned_filter(tuned)))
        paintings = ", ".join(sorted({t.group for t in material.test}))
        rows.append(
            {"fold": fold + 1, "paintings": paintings, **_figures({n: r[-1] for n, r in found.items()})}
        )
    whole = {
        name: Evaluated(
            tuple(t for r in results for t in r.tiles), tuple(p for r in results for p in r.parts)
        )
        for name, results in found.items()
    }
    rows.append({"fold": "all", "paintings": "", **_figures(whole, intervals=True)})
    pairs = paired_comparison(
        {name: result.parts for name, result in whole.items()}, "craquelure.tolerance_f1"
    )
    lines = [
        "# Five folds",
        "",
        f"{architecture}, from nothing, {budget.steps} steps of {budget.batch} samples of {budget.size_px} px"
        f" on {budget.limits.device}. craquelure_oil: of five folds by painting three train, one fits the",
        "thresholds (and tunes the ridge filter), one is scored. Craquelure IoU / F1 within 2 px / clDice;",
        "the last row has all scored pictures, with the 95 % interval of F1 (bootstrap over paintings).",
        "",
        *markdown_table(rows),
        "",
        "Differences of F1 within 2 px per picture: Wilcoxon, Holm.",
        "",
        *markdown_table([{"pair": pair, **told} for pair, told in pairs.items()]),
    ]
    report = for_json({"rows": rows, "comparisons": pairs, "folds": fold_of})
    return write_report(out, lines, report)


def _figures(results: Mapping[str, Evaluated], *, intervals: bool = False) -> dict[str, str]:
    line = load_vocabulary().line_class.code
    cells = {}
    for name, result in results.items():
        told = result.figures
        figure = f"{line}.tolerance_f1"
        cell = f"{told[f'{line}.iou']:.3f} / {told[figure]:.3f} / {told['cldice']:.3f}"
        if intervals:
            low, high = bootstrap_intervals(result.parts, result.groups, resamples=500)[figure]
            cell += f" ({low:.3f}-{high:.3f})"
        cells[name] = cell
    return cells
