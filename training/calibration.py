"""Temperatures and thresholds, fitted on validation pictures and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from segmentation_core.vocabulary import load_vocabulary
from training.data import Tile
from training.losses import cross_entropy, merged_log_probabilities
from training.prediction import softened
from training.synthetic.samples import IGNORE

__all__ = ["Calibration", "calibrated"]

_PIXELS_PER_PICTURE = 4096
_HOTTEST = 10.0
_LEVELS = 100
_LOWEST, _HIGHEST = 2, 98


@dataclass(frozen=True)
class Calibration:
    """Temperature per channel, background first, and threshold per class code."""

    temperature: tuple[float, ...]
    thresholds: dict[str, float]
    unknown: tuple[str, ...] = ()
    """Classes that no validation picture shows; their threshold is one half."""


def calibrated(predicted: Sequence[tuple[NDArray[np.float32], Tile]], seed: int = 0) -> Calibration:
    """Fit temperatures by likelihood, then thresholds by F1.

    Parameters
    ----------
    predicted : sequence of (logits, Tile)
        Logits (K, H, W) of each validation picture.
    seed : int
        Of the pixels that the temperatures are fitted on.
    """
    codes = load_vocabulary().codes
    if not predicted:
        return Calibration((1.0,) * (len(codes) + 1), dict.fromkeys(codes, 0.5), codes)
    temperature = _temperatures(predicted, np.random.default_rng(seed))
    thresholds, unknown = {}, []
    for defect in load_vocabulary().classes:
        best = _best_threshold(predicted, temperature, defect.value, defect.code)
        thresholds[defect.code] = 0.5 if best is None else best
        if best is None:
            unknown.append(defect.code)
    return Calibration(temperature, thresholds, tuple(unknown))


def _temperatures(
    predicted: Sequence[tuple[NDArray[np.float32], Tile]], rng: np.random.Generator
) -> tuple[float, ...]:
    codes = load_vocabulary().codes
    logits, labels, annotated = [], [], []
    for values, tile in predicted:
        known = np.flatnonzero(tile.label != IGNORE)
        if known.size:
            picked = rng.choice(known, _PIXELS_PER_PICTURE)
            logits.append(values.reshape(len(values), -1)[:, picked])
            labels.append(tile.label.reshape(-1)[picked])
            annotated.append([True, *(tile.annotated is None or code in tile.annotated for code in codes)])
    x = torch.from_numpy(np.stack(logits))[..., None]
    y = torch.from_numpy(np.stack(labels))[..., None]
    mask = torch.tensor(annotated)
    log_t = torch.zeros(x.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([log_t], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        scaled = x / log_t.exp().view(1, -1, 1, 1)
        loss = cross_entropy(merged_log_probabilities(scaled, mask), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    fitted = log_t.detach().exp().clamp(1 / _HOTTEST, _HOTTEST)
    return tuple(round(float(t), 4) for t in fitted)


def _best_threshold(
    predicted: Iterable[tuple[NDArray[np.float32], Tile]], temperature: Sequence[float], value: int, code: str
) -> float | None:
    """Return the threshold of the highest pooled F1, in steps of 0.01; None where the class is never true."""
    inside, outside = np.zeros(_LEVELS + 1), np.zeros(_LEVELS + 1)
    for logits, tile in predicted:
        if tile.annotated is not None and code not in tile.annotated:
            continue
        known = tile.label != IGNORE
        level = np.floor(softened(logits, temperature)[value] * _LEVELS + 1e-6).astype(int)
        for counts, mask in ((inside, tile.label == value), (outside, known & (tile.label != value))):
            counts += np.bincount(level[mask], minlength=_LEVELS + 1)
    if not inside.sum():
        return None
    right, wrong = inside[::-1].cumsum()[::-1], outside[::-1].cumsum()[::-1]
    f1 = 2 * right / (right + wrong + inside.sum())
    return (_LOWEST + int(np.argmax(f1[_LOWEST : _HIGHEST + 1]))) / _LEVELS
