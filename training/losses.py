"""Losses over logits (N, K, H, W) and labels (N, H, W) in which 255 is left out."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from training.synthetic.samples import IGNORE

__all__ = ["cross_entropy_and_dice"]

_SMOOTH = 1.0


def cross_entropy_and_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy plus one minus the mean Dice of the damage classes.

    Dice sums over the whole batch, so that a sample without damage does not count as a failure
    (RECOGNITION, section 7).

    Parameters
    ----------
    logits : Tensor of shape (N, K, H, W)
        Channel 0 is background.
    labels : Tensor of shape (N, H, W), integer
        0 to K - 1, or 255 to leave a pixel out of both terms.

    Returns
    -------
    Tensor
        Scalar.
    """
    logits, labels = logits.float(), labels.long()
    entropy = functional.cross_entropy(logits, labels, ignore_index=IGNORE)
    known = (labels != IGNORE).unsqueeze(1)
    target = functional.one_hot(labels.where(known[:, 0], 0), logits.shape[1]).movedim(-1, 1) * known
    probability = logits.softmax(dim=1) * known
    axes = (0, 2, 3)
    overlap = (probability * target).sum(axes)[1:]
    size = (probability.sum(axes) + target.sum(axes))[1:]
    dice = (2 * overlap + _SMOOTH) / (size + _SMOOTH)
    return entropy + 1 - dice.mean()
