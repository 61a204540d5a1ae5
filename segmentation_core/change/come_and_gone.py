"""How probable it is that a crack has come, or gone, at each pixel: from both pictures and both networks."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from segmentation_core.change.change_network import (
    REACH_PX,
    ChangeNetwork,
    Evidence,
    change_network,
    exchanged,
)

__all__ = ["LEAST_PROBABILITY", "come_and_gone"]

LEAST_PROBABILITY = 0.01
"""Of a crack in the survey that would have it: what even that one does not half believe in may be a hair or a
pencil's line, which the network never saw."""

_NEAR_PX = 5
_STRIP_PX = 256

Image = NDArray[np.float32]


def come_and_gone(seen: Evidence, cracks: tuple[Image, Image]) -> tuple[Image, Image]:
    """Return the probability that a crack has come, and that one has gone, each of shape (h, w).

    One network tells both: what has gone is what would have come, had the surveys been taken the other way
    round.

    Parameters
    ----------
    seen : Evidence
        Of a window, with `segmentation_core.change.change_network.REACH_PX` around what counts.
    cracks : (ndarray, ndarray) of float32, shape (h, w)
        Probability of a crack in the earlier and in the later survey.

    Raises
    ------
    ModelError
        The network's weights cannot be read.
    """
    network = change_network()
    earlier, later = cracks
    come, gone = (
        np.where(maximum_filter(has, _NEAR_PX) >= LEAST_PROBABILITY, _told(network, each), np.float32(0))
        for each, has in ((seen, later), (exchanged(seen), earlier))
    )
    return come, gone


def _told(network: ChangeNetwork, seen: Evidence) -> Image:
    """Return the probabilities of a window, strip by strip: its activations are eighty times its size."""
    strips = []
    for row in range(0, seen.shape[1], _STRIP_PX):
        first = max(row - REACH_PX, 0)
        strip = torch.from_numpy(seen[None, :, first : row + _STRIP_PX + REACH_PX])
        with torch.inference_mode():
            told = network(strip)[0].sigmoid().numpy()
        strips.append(told[row - first :][:_STRIP_PX])
    return np.concatenate(strips)
