"""How sure a figure, or a difference between two models, is (RECOGNITION, section 8).

The unit is the picture, nested in its group; pixels are not independent and are never counted as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from training.scores import Sums, figures, pooled

__all__ = ["bootstrap_intervals", "holm", "paired_comparison"]

_RESAMPLES = 1000


def _by_group(parts: Sequence[Sums], groups: Sequence[str]) -> list[Sums]:
    return [
        pooled(s for s, g in zip(parts, groups, strict=True) if g == group) for group in sorted(set(groups))
    ]


def bootstrap_intervals(
    parts: Sequence[Sums], groups: Sequence[str], *, resamples: int = _RESAMPLES, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of every figure by resampling whole groups.

    Parameters
    ----------
    parts : sequence of Sums
        One per picture.
    groups : sequence of str
        Group of each picture.
    resamples : int
        Number of draws.
    seed : int
        Of the draws.

    Returns
    -------
    dict
        Figure to (low, high); (nan, nan) with fewer than two groups, from which nothing can be said.
    """
    clusters = _by_group(parts, groups)
    names = figures(pooled(parts))
    if len(clusters) < 2:
        return dict.fromkeys(names, (float("nan"), float("nan")))
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in names}
    for picks in rng.integers(len(clusters), size=(resamples, len(clusters))):
        for name, value in figures(pooled(clusters[i] for i in picks)).items():
            drawn.setdefault(name, []).append(value)
    return {name: _interval(np.asarray(values)) for name, values in drawn.items()}


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    values = values[~np.isnan(values)]
    if not values.size:
        return float("nan"), float("nan")
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust p values for the number of comparisons (Holm's step-down).

    Examples
    --------
    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    adjusted, highest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min((len(p_values) - rank) * p, 1.0))
        adjusted[name] = highest
    return adjusted


def paired_comparison(
    models: Mapping[str, Sequence[Sums]], figure: str = "craquelure.f1"
) -> dict[str, dict[str, float]]:
    """Compare models pairwise by one figure per picture: Wilcoxon's signed ranks, Holm over the pairs.

    Parameters
    ----------
    models : mapping
        Name to the sums of each picture, the same pictures in the same order.
    figure : str
        Name of a figure.

    Returns
    -------
    dict
        "a - b" to ``median_difference``, ``p``, ``p_holm`` and ``pictures`` (those where both have it).
    """
    values = {name: np.array([figures(s)[figure] for s in parts]) for name, parts in models.items()}
    names = list(values)
    pairs: dict[str, dict[str, float]] = {}
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            difference = values[first] - values[second]
            difference = difference[~np.isnan(difference)]
            differ = bool(np.any(difference != 0))
            pairs[f"{first} - {second}"] = {
                "median_difference": float(np.median(difference)) if difference.size else float("nan"),
                "p": float(stats.wilcoxon(difference).pvalue) if differ else 1.0,
                "pictures": int(difference.size),
            }
    corrected = holm({pair: told["p"] for pair, told in pairs.items()})
    return {pair: {**told, "p_holm": corrected[pair]} for pair, told in pairs.items()}
