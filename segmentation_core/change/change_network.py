"""The network that says, pixel by pixel, whether a crack has come between two pictures.

It is small (`ChangeNetwork`) and sees no picture, but what is made of both: what the earlier one does not
explain of the later one, over its noise; both surveys' probabilities; and how rough the paint is. It has
learnt from generated facades with exactly known change (``benchmarks/train_change_network.py``); its weights
lie beside this file. Source: docs/change.md, *The pictures themselves*.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from segmentation_core.errors import ModelError
from segmentation_core.models.checkpoint import read_tensors

__all__ = [
    "CHANNELS",
    "REACH_PX",
    "ChangeNetwork",
    "Evidence",
    "change_network",
    "evidence",
    "exchanged",
    "read_change_network",
]

CHANNELS = 7
REACH_PX = 24
"""What lies further from a pixel has no say in what is told of it."""

_WEIGHTS = "change_network.safetensors"
_WIDTH, _WIDTH_BELOW = 16, 32
_SLOPE_OF_ZERO = 0.1
_EXCHANGED = (0, 2, 1, 4, 3, 5, 6)

Image = NDArray[np.float32]
Evidence = NDArray[np.float32]
"""Of one window, shape (7, h, w): what is unexplained, the later and the earlier survey's probability of a
crack, then of a loss, and how steep and how bent the paint is; each scaled to about one unit."""


class ChangeNetwork(nn.Module):
    """A U-Net of two levels: evidence (N, 7, H, W) to the log odds (N, H, W) that a crack has come."""

    def __init__(self) -> None:
        super().__init__()
        width, below = _WIDTH, _WIDTH_BELOW
        self.above = nn.Sequential(*_convolved(CHANNELS, width), *_convolved(width, width))
        self.below = nn.Sequential(
            *_convolved(width, below),
            *_convolved(below, below, 2),
            *_convolved(below, below, 4),
            *_convolved(below, below),
        )
        self.joined = nn.Sequential(*_convolved(width + below, width), nn.Conv2d(width, 1, 1))

    def forward(self, seen: Tensor) -> Tensor:
        """Return log odds; sides of an odd number of pixels are allowed."""
        height, width = seen.shape[-2:]
        even = functional.pad(seen, (0, width % 2, 0, height % 2))
        above = self.above(even)
        below = self.below(functional.avg_pool2d(above, 2))
        below = functional.interpolate(below, scale_factor=2.0, mode="bilinear", align_corners=False)
        told: Tensor = self.joined(torch.cat([above, below], dim=1))[:, 0, :height, :width]
        return told


def _convolved(before: int, after: int, dilation: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation), nn.LeakyReLU(_SLOPE_OF_ZERO)


def evidence(
    significance: Image,
    roughness: tuple[Image, Image],
    cracks: tuple[Image, Image],
    losses: tuple[Image, Image],
    valid: NDArray[np.bool_],
) -> Evidence:
    """Return what the network is shown of a window; 0 where not both pictures are valid.

    Parameters
    ----------
    significance : ndarray of float32, shape (h, w)
        `segmentation_core.change.unexplained.NoiseLevel.significance`.
    roughness : (ndarray, ndarray) of float32, shape (h, w)
        `Left.slope` and `Left.bend`.
    cracks, losses : (ndarray, ndarray) of float32, shape (h, w)
        Probability in the earlier and in the later survey.
    valid : ndarray of bool, shape (h, w)
    """
    told = np.stack(
        [
            significance / 4,
            *(_log_odds(band) / 2 for band in (cracks[1], cracks[0], losses[1], losses[0])),
            *(np.log1p(rough) / 4 - 1 for rough in roughness),
        ]
    ).astype(np.float32)
    told[:, ~valid] = 0
    return told


def exchanged(seen: Evidence) -> Evidence:
    """Return the evidence with both surveys exchanged: what has gone would have come."""
    told: Evidence = seen[list(_EXCHANGED)]
    told[0] *= -1
    return told


@cache
def change_network() -> ChangeNetwork:
    """Return the network that ships; see `read_change_network`."""
    with as_file(files("segmentation_core.change") / _WEIGHTS) as path:
        return read_change_network(path)


def read_change_network(path: Path) -> ChangeNetwork:
    """Return the network of a safetensors file, in evaluation mode.

    Raises
    ------
    ModelError
        The file is missing, broken or another network's.
    """
    network, tensors = ChangeNetwork(), read_tensors(path)
    own = {name: value.shape for name, value in network.state_dict().items()}
    if {name: value.shape for name, value in tensors.items()} != own:
        raise ModelError(
            "these are not the weights of the change network", path=path, remedy="Install Craquelure again"
        )
    network.load_state_dict(tensors)
    return network.eval()


def _log_odds(probability: Image) -> Image:
    kept = np.clip(probability, 0, 1)
    told: Image = np.log((kept + 0.01) / (1.01 - kept))
    return told
