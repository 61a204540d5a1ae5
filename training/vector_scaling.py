"""Make a network's probabilities mean what they say, by its own last layer.

Vector scaling (Guo et al. 2017): every class's logit gets a factor and an offset, fitted by likelihood on
validation pictures. Both are folded into the weights of the last layer, so that whoever runs the network gets
calibrated probabilities and a card needs no temperature. A temperature alone cannot do it: a network that
learnt from samples with more damage than pictures have is not too sure, but too ready.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segmentation_core.vocabulary import load_vocabulary
from training.data import Tile
from training.losses import cross_entropy, merged_log_probabilities
from training.synthetic.samples import IGNORE

__all__ = ["fold", "vector_scaling"]

_PIXELS_PER_PICTURE = 4096


def vector_scaling(
    sets: Mapping[str, Sequence[tuple[NDArray[np.float32], Tile]]], seed: int = 0
) -> tuple[tuple[float, ...], tuple[float, ...]]:
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
    codes = load_vocabulary().codes
    rng = np.random.default_rng(seed)
    x, y, mask, weight = [], [], [], []
    for predicted in sets.values():
        for logits, tile in predicted:
            known = np.flatnonzero(tile.label != IGNORE)
            if not known.size:
                continue
            picked = rng.choice(known, _PIXELS_PER_PICTURE)
            x.append(logits.reshape(len(logits), -1)[:, picked])
            y.append(tile.label.reshape(-1)[picked])
            mask.append([True, *(tile.annotated is None or code in tile.annotated for code in codes)])
            weight.append(1.0 / len(predicted))
    given = torch.from_numpy(np.stack(x))[..., None]
    labels = torch.from_numpy(np.stack(y))[..., None]
    annotated = torch.tensor(mask)
    weights = torch.tensor(weight) / sum(weight)
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


def fold(network: nn.Module, factors: Sequence[float], offsets: Sequence[float]) -> None:
    """Put factors and offsets into the network's head, in place."""
    head = network.get_submodule("decoder.head")
    if not isinstance(head, nn.Conv2d) or head.bias is None:
        raise TypeError("the network's head is no convolution with a bias")
    with torch.no_grad():
        head.weight.mul_(torch.tensor(factors).view(-1, 1, 1, 1))
        head.bias.mul_(torch.tensor(factors)).add_(torch.tensor(offsets))
