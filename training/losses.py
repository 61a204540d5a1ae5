"""Losses over logits (N, K, H, W) and labels (N, H, W) in which 255 is left out.

The five of the source paper as its implementation has them (RECOGNITION, section 1.3), and ours:
cross-entropy, foreground Dice and Skeleton Recall. All of them leave out ignored pixels, take class
weights, and take partial labels: where a class was not annotated in a sample, "background" there means
"background or that class" (RECOGNITION, section 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.morphology import dilation, skeletonize
from torch import Tensor
from torch.nn import functional

from segmentation_core.errors import ParameterError
from segmentation_core.vocabulary import load_vocabulary
from training.synthetic.samples import IGNORE

__all__ = [
    "LOSSES",
    "Loss",
    "cross_entropy",
    "cross_entropy_and_dice",
    "dice",
    "focal",
    "merged_log_probabilities",
    "skeleton_recall",
    "skeleton_tubes",
]

LOSSES = ("ce", "focal", "dice", "mixed1", "mixed2", "ce_dice", "ours")
"""Names a recipe may give."""

_PAPER_SMOOTH, _OUR_SMOOTH = 1e-5, 1.0
_ALPHA, _GAMMA = 0.5, 2.0
_TUBE_STEPS = 1


def merged_log_probabilities(logits: Tensor, annotated: Tensor | None = None) -> Tensor:
    """Return log-probabilities in which classes nobody annotated belong to the background.

    Parameters
    ----------
    logits : Tensor of shape (N, K, H, W)
        Channel 0 is background.
    annotated : bool Tensor of shape (N, K), or None
        False where a class was not annotated in a sample. None: all were.

    Returns
    -------
    Tensor of shape (N, K, H, W)
        Channels of classes that were not annotated keep their own value, which no label asks for.
    """
    log_p = logits.float().log_softmax(dim=1)
    if annotated is None:
        return log_p
    outside = annotated.clone()
    outside[:, 0] = False
    background = log_p.masked_fill(outside[..., None, None], -torch.inf).logsumexp(dim=1, keepdim=True)
    return torch.cat([background, log_p[:, 1:]], dim=1)


def cross_entropy(
    log_p: Tensor, labels: Tensor, class_weights: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Cross-entropy; the mean is weighted as torch's, over known pixels. 0 where no pixel is known.

    Parameters
    ----------
    log_p : Tensor of shape (N, K, H, W)
        Of `merged_log_probabilities`.
    labels : Tensor of shape (N, H, W), integer
        0 to K - 1, or 255.
    class_weights : Tensor of shape (K,) or None
        Weights.
    reduction : {"mean", "none"}
        "none" gives (N, H, W), 0 where ignored.
    """
    labels = labels.long()
    entropy = functional.nll_loss(log_p, labels, class_weights, ignore_index=IGNORE, reduction="none")
    if reduction == "none":
        return entropy
    known = labels != IGNORE
    if class_weights is None:
        return entropy.sum() / known.sum().clamp(min=1)
    return entropy.sum() / (class_weights[labels.where(known, 0)] * known).sum().clamp(min=1e-12)


def focal(log_p: Tensor, labels: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Focal loss: ``alpha (1 - pt)^2 ce`` with scalar alpha 0.5, mean over the known pixels.

    Source: RECOGNITION, section 1.3; with alpha 0.5 equation 2 of the paper is the same.
    """
    entropy = cross_entropy(log_p, labels, class_weights, reduction="none")
    pixels = (labels != IGNORE).sum().clamp(min=1)
    return (_ALPHA * (1 - torch.exp(-entropy)) ** _GAMMA * entropy).sum() / pixels


def dice(
    log_p: Tensor,
    labels: Tensor,
    class_weights: Tensor | None = None,
    annotated: Tensor | None = None,
    *,
    background: bool = True,
    smooth: float = _PAPER_SMOOTH,
) -> Tensor:
    """One minus the mean Dice over classes; sums over the whole batch.

    Parameters
    ----------
    log_p, labels, class_weights
        As for `cross_entropy`; weights make the mean over classes a weighted one.
    annotated : bool Tensor of shape (N, K), or None
        A class counts only in samples in which it was annotated.
    background : bool
        Count the background as a class, as the paper does.
    smooth : float
        Added above and below. With a small one, a class that is absent pushes false positives hard.
    """
    labels, classes = labels.long(), log_p.shape[1]
    known = (labels != IGNORE).unsqueeze(1)
    counted = known if annotated is None else known & annotated[..., None, None]
    target = functional.one_hot(labels.where(known[:, 0], 0), classes).movedim(-1, 1) * counted
    probability = log_p.exp() * counted
    axes = (0, 2, 3)
    overlap = (probability * target).sum(axes)
    size = probability.sum(axes) + target.sum(axes)
    score = (2 * overlap + smooth) / (size + smooth)
    weights = torch.ones_like(score) if class_weights is None else class_weights
    first = 0 if background else 1
    return 1 - (score * weights)[first:].sum() / weights[first:].sum()


def skeleton_tubes(label: NDArray[np.uint8], value: int) -> NDArray[np.uint8]:
    """Return 1 within the label and within a pixel of its skeleton, 0 elsewhere: (H, W).

    Source: Skeleton Recall loss (ECCV 2024): the skeleton of the *label*, widened to a tube that stays
    inside the label. A tube that leaves it teaches hairlines three pixels wide (measured: the IoU on real
    craquelure fell from 0.75 to 0.45).
    """
    mask = label == value
    if not mask.any():
        return np.zeros(label.shape, np.uint8)
    tube = skeletonize(mask)  # type: ignore[no-untyped-call]
    for _ in range(_TUBE_STEPS):
        tube = dilation(tube, np.ones((3, 3), bool))
    within: NDArray[np.uint8] = (tube & mask).astype(np.uint8)
    return within


def skeleton_recall(log_p: Tensor, tubes: Tensor, channel: int, smooth: float = _OUR_SMOOTH) -> Tensor:
    """One minus the share of the label's skeleton tube that the network finds.

    Parameters
    ----------
    log_p : Tensor of shape (N, K, H, W)
        Log-probabilities.
    tubes : Tensor of shape (N, H, W)
        Of `skeleton_tubes`.
    channel : int
        Channel of the thin class.
    """
    found = (log_p[:, channel].exp() * tubes).sum()
    return 1 - (found + smooth) / (tubes.sum() + smooth)


@dataclass(frozen=True)
class Loss:
    """A loss by name.

    Attributes
    ----------
    name : str
        One of `LOSSES`.
    focal_weight : float
        Lambda of ``mixed1``: Dice + lambda Focal.
    class_weights : tuple of float
        One per class, background first; empty for none.
    skeleton_weight : float
        Of Skeleton Recall in ``ours``.

    Examples
    --------
    >>> logits, labels = torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.uint8)
    >>> round(float(Loss("ce")(logits, labels)), 4)
    0.6931
    """

    name: str = "ours"
    focal_weight: float = 1.0
    class_weights: tuple[float, ...] = ()
    skeleton_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in LOSSES:
            raise ParameterError(f"no loss is called {self.name!r}", remedy=f"Use one of {', '.join(LOSSES)}")

    @property
    def needs_tubes(self) -> bool:
        """Whether it wants the skeletons of the labels."""
        return self.name == "ours"

    def __call__(
        self,
        logits: Tensor,
        labels: Tensor,
        *,
        annotated: Tensor | None = None,
        tubes: Tensor | None = None,
    ) -> Tensor:
        """Return the loss, a scalar.

        Parameters
        ----------
        logits : Tensor of shape (N, K, H, W)
            Channel 0 is background.
        labels : Tensor of shape (N, H, W), integer
            0 to K - 1, or 255 to leave a pixel out.
        annotated : bool Tensor of shape (N, K), or None
            Which classes were annotated in each sample.
        tubes : Tensor of shape (N, H, W), or None
            Of `skeleton_tubes`; needed by ``ours``.
        """
        log_p = merged_log_probabilities(logits, annotated)
        weights = log_p.new_tensor(self.class_weights) if self.class_weights else None

        def paper_dice() -> Tensor:
            return dice(log_p, labels, weights, annotated)

        def our_dice() -> Tensor:
            return dice(log_p, labels, weights, annotated, background=False, smooth=_OUR_SMOOTH)

        match self.name:
            case "ce":
                return cross_entropy(log_p, labels, weights)
            case "focal":
                return focal(log_p, labels, weights)
            case "dice":
                return paper_dice()
            case "mixed1":
                return paper_dice() + self.focal_weight * focal(log_p, labels, weights)
            case "mixed2":
                both = focal(log_p, labels, weights) + cross_entropy(log_p, labels, weights)
                return paper_dice() + both
            case "ce_dice":
                return cross_entropy(log_p, labels, weights) + our_dice()
            case _:
                if tubes is None:
                    raise ParameterError("this loss needs the skeletons of the labels")
                recall = skeleton_recall(log_p, tubes, load_vocabulary().line_class.value)
                return cross_entropy(log_p, labels, weights) + our_dice() + self.skeleton_weight * recall


def cross_entropy_and_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy plus one minus the mean Dice of the damage classes: ``Loss("ce_dice")``."""
    return Loss("ce_dice")(logits, labels)
