"""Scores of a network on pictures: sums that add up first, figures from the sums last.

Everything that is reported is a ratio of sums over pictures, so that it can be pooled, and resampled by
group for its confidence interval (RECOGNITION, section 8).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from segmentation_core.vocabulary import load_vocabulary
from training.prediction import labels_from
from training.synthetic.samples import IGNORE
from training.topology import betti_errors, line_sums, within

__all__ = ["TOLERANCE_PX", "Sums", "called_damaged", "confusion", "figures", "picture_sums", "pooled"]

TOLERANCE_PX = 2.0
_BINS = 15

Sums = dict[str, NDArray[np.float64]]
"""Named sums; each adds up over pictures."""


def confusion(predicted: NDArray[np.uint8], target: NDArray[np.uint8], classes: int) -> NDArray[np.float64]:
    """Return the confusion matrix (K, K), true class by row; pixels whose target is 255 count for nothing."""
    known = target != IGNORE
    index = target[known].astype(np.int64) * classes + predicted[known]
    return np.bincount(index, minlength=classes**2).reshape(classes, classes).astype(float)


def picture_sums(
    probabilities: NDArray[np.float32],
    target: NDArray[np.uint8],
    thresholds: Mapping[str, float],
    annotated: Iterable[str] | None = None,
) -> Sums:
    """Score one picture.

    Parameters
    ----------
    probabilities : float32 array (K, H, W)
        Background first.
    target : uint8 array (H, W)
        Vocabulary values, or 255 to leave a pixel out.
    thresholds : mapping of class code to float
        Probability from which a class counts.
    annotated : iterable of str or None
        Classes that were looked for; others are not scored, and do not count as wrong where predicted.
    """
    vocabulary = load_vocabulary()
    predicted = labels_from(probabilities[1:], thresholds)
    looked_for = set(vocabulary.codes if annotated is None else annotated)
    for defect in vocabulary.classes:
        if defect.code not in looked_for:
            predicted[predicted == defect.value] = vocabulary.background_value
    known = target != IGNORE
    sums: Sums = {"confusion": confusion(predicted, target, len(vocabulary.classes) + 1)}
    for defect in vocabulary.classes:
        if defect.code in looked_for:
            p, t = (predicted == defect.value) & known, (target == defect.value) & known
            near = [
                (p & within(t, TOLERANCE_PX)).sum(),
                p.sum(),
                (t & within(p, TOLERANCE_PX)).sum(),
                t.sum(),
            ]
            sums[f"near {defect.code}"] = np.array(near, float)
    line = vocabulary.line_class
    if line.code in looked_for:
        p, t = (predicted == line.value) & known, (target == line.value) & known
        sums |= {k: np.array(v) for k, v in (line_sums(p, t, TOLERANCE_PX) | betti_errors(p, t)).items()}
    if looked_for == set(vocabulary.codes):
        sums["reliability"] = _reliability(probabilities, target, known)
    return sums


def _reliability(
    probabilities: NDArray[np.float32], target: NDArray[np.uint8], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return per bin of confidence: pixels, sum of confidence, pixels that were right; (bins, 3)."""
    confidence = probabilities.max(axis=0)[known].astype(float)
    right = (probabilities.argmax(axis=0) == target)[known]
    index = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return np.stack([np.bincount(index, w, _BINS) for w in (None, confidence, right)], axis=1).astype(float)


def pooled(parts: Iterable[Sums]) -> Sums:
    """Add up the sums of several pictures; a sum that a picture lacks counts 0."""
    total: Sums = {}
    for sums in parts:
        for name, value in sums.items():
            total[name] = total[name] + value if name in total else value
    return total


def called_damaged(parts: Iterable[Sums]) -> dict[str, float]:
    """Return the share of all known pixels that is background and called damage, 0-1, by class."""
    matrix = pooled(parts)["confusion"]
    pixels = float(np.sum(matrix))
    return {
        code: _ratio(float(matrix[0][number]), pixels)
        for number, code in enumerate(load_vocabulary().codes, start=1)
    }


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else float("nan")


def _f(precision: float, recall: float) -> float:
    if np.isnan(precision) and np.isnan(recall):
        return float("nan")
    both = np.nan_to_num(precision) + np.nan_to_num(recall)
    return 2 * np.nan_to_num(precision) * np.nan_to_num(recall) / both if both else 0.0


def figures(sums: Sums) -> dict[str, float]:
    """Turn sums into figures.

    Parameters
    ----------
    sums : Sums
        Of `pooled`.

    Returns
    -------
    dict
        Per class (``background`` and the vocabulary's codes): ``<class>.iou``, ``.precision``, ``.recall``,
        ``.f1``; for damage also ``.tolerance_f1`` and ``.area_error`` (predicted over true area, minus 1).
        Means over classes ``macro.*`` without, ``macro_with_background.*`` with the background;
        ``accuracy``. For the thin class ``cldice``, ``completeness``, ``correctness``, ``length_error``,
        ``betti0_error`` and ``betti1_error`` (per 128 px tile); ``calibration_error``. nan where a figure
        has no meaning.
    """
    matrix = sums["confusion"]
    codes = ("background", *load_vocabulary().codes)
    out: dict[str, float] = {}
    for k, code in enumerate(codes):
        right, true, found = matrix[k, k], matrix[k].sum(), matrix[:, k].sum()
        out[f"{code}.iou"] = _ratio(right, true + found - right)
        out[f"{code}.precision"], out[f"{code}.recall"] = _ratio(right, found), _ratio(right, true)
        out[f"{code}.f1"] = _ratio(2 * right, true + found)
        if f"near {code}" in sums:
            near_p, p, near_t, t = sums[f"near {code}"]
            out[f"{code}.tolerance_f1"] = _f(_ratio(near_p, p), _ratio(near_t, t))
            out[f"{code}.area_error"] = _ratio(p, t) - 1
    for name, first in (("macro", 1), ("macro_with_background", 0)):
        for kind in ("iou", "precision", "recall"):
            values = [v for v in (out[f"{c}.{kind}"] for c in codes[first:]) if not np.isnan(v)]
            out[f"{name}.{kind}"] = float(np.mean(values)) if values else float("nan")
        # As the paper: the harmonic mean of the two macro means (RECOGNITION, section 1.5).
        out[f"{name}.f1"] = _f(out[f"{name}.precision"], out[f"{name}.recall"])
    out["accuracy"] = _ratio(float(np.trace(matrix)), float(matrix.sum()))
    return out | _line_figures(sums) | _calibration(sums)


def _line_figures(sums: Sums) -> dict[str, float]:
    if "length_true" not in sums:
        return {}
    s = {name: float(value) for name, value in sums.items() if value.ndim == 0}
    precision = _ratio(s["inside_true"], s["skeleton_predicted"])
    sensitivity = _ratio(s["inside_predicted"], s["skeleton_true"])
    return {
        "cldice": _f(precision, sensitivity),
        "completeness": _ratio(s["matched_true"], s["length_true"]),
        "correctness": _ratio(s["matched_predicted"], s["length_predicted"]),
        "length_error": _ratio(s["length_predicted"], s["length_true"]) - 1,
        "betti0_error": _ratio(s["betti0_error"], s["betti_tiles"]),
        "betti1_error": _ratio(s["betti1_error"], s["betti_tiles"]),
    }


def _calibration(sums: Sums) -> dict[str, float]:
    if "reliability" not in sums:
        return {}
    pixels, confidence, right = sums["reliability"].T
    return {"calibration_error": _ratio(float(np.abs(confidence - right).sum()), float(pixels.sum()))}
