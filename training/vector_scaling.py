"""Make a network's probabilities mean what they say, by its own last layer.

Vector scaling (Guo et al. 2017): every class's logit gets a factor and an offset, fitted by likelihood on
validation pictures. Both are folded into the weights of the last layer, so that whoever runs the network gets
calibrated probabilities and a card needs no temperature. A temperature alone cannot do it: a network that
learnt from samples with more damage than pictures have is not too sure, but too ready.

Likelihood is made by the many pixels that are as good as certain; where the curve is no sigmoid, the few in
doubt, which thresholds decide on, are fitted worst. So the offsets are then moved until a half means a half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from torch import Tensor, nn

from segmentation_core.vocabulary import load_vocabulary
from training.data import Tile
from training.losses import cross_entropy, merged_log_probabilities
from training.synthetic.samples import IGNORE

__all__ = ["AROUND_HALF", "even_at_half", "fold", "vector_scaling"]

AROUND_HALF = 0.05
"""A probability this near to one half is in doubt."""

_PIXELS_PER_PICTURE = 4096
_MOST_MOVED = 1.5
_FEWEST_IN_DOUBT = 200

Predicted = Mapping[str, Sequence[tuple[NDArray[np.float32], Tile]]]


@dataclass(frozen=True)
class _Drawn:
    """Pixels drawn from validation pictures, as many from each.

    Attributes
    ----------
    logits : Tensor (N, K, P, 1)
    labels : Tensor (N, P, 1)
    annotated : bool Tensor (N, K)
    set_numbers : int Tensor (N,)
    """

    logits: Tensor
    labels: Tensor
    annotated: Tensor
    set_numbers: Tensor

    @property
    def weights(self) -> Tensor:
        """Weight of each picture (N,), adding up to 1; every set counts alike, however many it has."""
        counts = torch.bincount(self.set_numbers)
        return 1 / (counts[self.set_numbers] * (counts > 0).sum())


def _drawn(sets: Predicted, seed: int) -> _Drawn:
    codes = load_vocabulary().codes
    rng = np.random.default_rng(seed)
    x, y, mask, numbers = [], [], [], []
    for number, predicted in enumerate(sets.values()):
        for logits, tile in predicted:
            known = np.flatnonzero(tile.label != IGNORE)
            if not known.size:
                continue
            picked = rng.choice(known, _PIXELS_PER_PICTURE)
            x.append(logits.reshape(len(logits), -1)[:, picked])
            y.append(tile.label.reshape(-1)[picked])
            mask.append([True, *(tile.annotated is None or code in tile.annotated for code in codes)])
            numbers.append(number)
    return _Drawn(
        torch.from_numpy(np.stack(x))[..., None],
        torch.from_numpy(np.stack(y))[..., None],
        torch.tensor(mask),
        torch.tensor(numbers),
    )


def vector_scaling(sets: Predicted, seed: int = 0) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Fit a factor and an offset per channel, background first.

    Parameters
    ----------
    sets : mapping of str to sequence of (logits, Tile)
        Logits (K, H, W) of validation pictures. Every set counts alike, however many pictures it has.
    seed : int
        Of the pixels that are looked at.

    Returns
    -------
    tuple of float, tuple of float
        Factors and offsets (K,): calibrated logits are ``factor * logit + offset``.
    """
    drawn = _drawn(sets, seed)
    given, labels, annotated, weights = drawn.logits, drawn.labels, drawn.annotated, drawn.weights
    log_factor = torch.zeros(given.shape[1], requires_grad=True)
    offset = torch.zeros(given.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([log_factor, offset], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        scaled = given * log_factor.exp().view(1, -1, 1, 1) + offset.view(1, -1, 1, 1)
        each = cross_entropy(merged_log_probabilities(scaled, annotated), labels, reduction="none")
        loss = (each.mean(dim=(1, 2)) * weights).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    shift = offset.detach() - offset.detach()[0]  # one offset for all changes nothing
    return tuple(log_factor.detach().exp().tolist()), tuple(shift.tolist())


def even_at_half(
    sets: Predicted, factors: Sequence[float], offsets: Sequence[float], seed: int = 0
) -> tuple[float, ...]:
    """Move the offsets of the damage classes until half the pixels in doubt are of the class.

    In doubt are those whose probability is within `AROUND_HALF` of one half; every set that shows enough of
    them counts alike. A class without any, or that no small move brings there, keeps its offset.

    Parameters
    ----------
    sets, seed
        As for `vector_scaling`.
    factors, offsets : sequence of float (K,)
        Its result.

    Returns
    -------
    tuple of float
        Offsets (K,).
    """
    drawn = _drawn(sets, seed)
    scaled = drawn.logits * torch.tensor(factors).view(1, -1, 1, 1)
    moved = list(offsets)
    for channel in range(1, len(moved)):
        told = scaled + torch.tensor(moved).view(1, -1, 1, 1)
        others = [other for other in range(len(moved)) if other != channel]
        odds = told[:, channel] - told[:, others].logsumexp(dim=1)
        shown = [(drawn.set_numbers == n) & drawn.annotated[:, channel] for n in range(len(sets))]
        groups = [(odds[rows], drawn.labels[rows] == channel) for rows in shown]
        excess = partial(_excess_at_half, groups)
        if excess(-_MOST_MOVED) > 0 > excess(_MOST_MOVED):
            moved[channel] += float(brentq(excess, -_MOST_MOVED, _MOST_MOVED, xtol=1e-3))
    return tuple(moved)


def _excess_at_half(groups: Sequence[tuple[Tensor, Tensor]], move: float) -> float:
    """Return by how much more than half of what is in doubt, once log odds have moved, is of the class."""
    shares = []
    for odds, right in groups:
        in_doubt = ((odds + move).sigmoid() - 0.5).abs() <= AROUND_HALF
        if in_doubt.sum() >= _FEWEST_IN_DOUBT:
            shares.append(float(right[in_doubt].float().mean()))
    return float(np.mean(shares)) - 0.5 if shares else 0.0


def fold(network: nn.Module, factors: Sequence[float], offsets: Sequence[float]) -> None:
    """Put factors and offsets into the network's head, in place."""
    head = network.get_submodule("decoder.head")
    if not isinstance(head, nn.Conv2d) or head.bias is None:
        raise TypeError("the network's head is no convolution with a bias")
    with torch.no_grad():
        head.weight.mul_(torch.tensor(factors).view(-1, 1, 1, 1))
        head.bias.mul_(torch.tensor(factors)).add_(torch.tensor(offsets))
