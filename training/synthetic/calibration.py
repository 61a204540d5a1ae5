"""Networks as the generator draws them, for comparison with real ones of the same size."""

from __future__ import annotations

import numpy as np
import torch

from training.network_statistics import NetworkStatistics, network_statistics
from training.synthetic.craquelure import crack_coverage
from training.synthetic.draws import Draws
from training.synthetic.fields import quantile

__all__ = ["drawn_networks"]

_PATCH_PX = 800
"""Side of the photographs' patches that the craquelure graphs were traced on."""

_MOST_CELLS = 400
_SEEN = 0.1
"""Coverage from which a pixel is crack here: half of a pixel would break hairlines, which a person sees
whole, into dashes."""


@torch.no_grad()
def drawn_networks(count: int, seed: int, nodes: tuple[int, int]) -> list[NetworkStatistics]:
    """Measure drawn networks of cells until there are enough with as many nodes as real ones have.

    Parameters
    ----------
    count : int
        Networks wanted.
    seed : int
        Of the sources.
    nodes : (int, int)
        Fewest and most ends and junctions in a patch of 800 px.
    """
    found: list[NetworkStatistics] = []
    number = 0
    while len(found) < count:
        draws = Draws([np.random.default_rng((seed, number))], torch.device("cpu"))
        number += 1
        cracks = crack_coverage(draws, _PATCH_PX, torch.zeros(1))
        single = float(quantile(cracks.cells.border_px, torch.zeros(1))) > _PATCH_PX
        if single or len(np.unique(cracks.cells.cell.numpy())) > _MOST_CELLS:
            continue
        measured = network_statistics((cracks.coverage[0] > _SEEN).numpy())
        if nodes[0] <= measured.nodes <= nodes[1]:
            found.append(measured)
    return found
