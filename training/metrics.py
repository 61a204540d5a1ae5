"""How well labels agree: pooled sums first, one division at the end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.samples import IGNORE

__all__ = ["Agreement"]

Labels = NDArray[np.uint8]


@dataclass
class Agreement:
    """Pooled agreement of one class over many pictures.

    Attributes
    ----------
    value : int
        Label value of the class.
    tolerance_px : float
        How far off a pixel may lie and still count, in the tolerant scores.
    """

    value: int
    tolerance_px: float = 2.0
    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    near_predicted: int = 0
    near_true: int = 0

    def add(self, predicted: Labels, target: Labels) -> None:
        """Add a picture: labels (H, W); pixels whose target is 255 count for nothing."""
        known = target != IGNORE
        p, t = (predicted == self.value) & known, (target == self.value) & known
        self.true_positive += int((p & t).sum())
        self.false_positive += int((p & ~t).sum())
        self.false_negative += int((~p & t).sum())
        self.near_predicted += int((p & self._within(t)).sum())
        self.near_true += int((t & self._within(p)).sum())

    def _within(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if not mask.any():
            return mask
        near: NDArray[np.bool_] = ndimage.distance_transform_edt(~mask) <= self.tolerance_px
        return near

    @property
    def iou(self) -> float:
        """Intersection over union; nan where the class is neither there nor predicted."""
        union = self.true_positive + self.false_positive + self.false_negative
        return self.true_positive / union if union else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, pixel for pixel."""
        total = 2 * self.true_positive + self.false_positive + self.false_negative
        return 2 * self.true_positive / total if total else float("nan")

    @property
    def tolerance_f1(self) -> float:
        """F1 in which a pixel counts as right within ``tolerance_px`` (MEASUREMENT, section 5)."""
        predicted = self.true_positive + self.false_positive
        true = self.true_positive + self.false_negative
        if predicted + true == 0:
            return float("nan")
        precision = self.near_predicted / predicted if predicted else 0.0
        recall = self.near_true / true if true else 0.0
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
