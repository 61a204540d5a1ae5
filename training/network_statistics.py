"""Figures of a crack network that say whether a drawn one is built like a real one.

Nodes, branches and cells of a skeleton, for comparison with the craquelure graphs of Sidorov and Hardeberg
(RECOGNITION, section 5). The engine's own vectoriser is not used: the training path has no shapely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import thin

from segmentation_core.errors import ParameterError
from training.topology import length_map

__all__ = ["NetworkStatistics", "graph_statistics", "network_statistics", "read_graphs"]

Mask = NDArray[np.bool_]

_AROUND = np.ones((3, 3), int)
_ONE_NODE_PX = 2
"""Junction pixels within this distance are one node: a thinned crossing comes apart into two."""


@dataclass(frozen=True)
class NetworkStatistics:
    """One network.

    Attributes
    ----------
    nodes : int
        Ends and junctions; an end is also where the picture's border cuts a crack.
    ends, threes, fours : float
        Shares of the nodes with one, three, and four or more branches (I, Y and X nodes).
    branches_per_node : float
        Half the mean valence.
    branch_variation, cell_variation : float
        Standard deviation over mean of the branches' lengths, and of the areas of closed cells; NaN where
        nothing is to be measured or lengths are not known.
    spacing_px : float
        Picture area over crack length, px; NaN where lengths are not known.
    cells : int
        Closed cells.
    """

    nodes: int
    ends: float
    threes: float
    fours: float
    branches_per_node: float
    branch_variation: float = np.nan
    cell_variation: float = np.nan
    spacing_px: float = np.nan
    cells: int = 0


def _of_valences(valences: NDArray[np.int64]) -> tuple[int, float, float, float, float]:
    """Return nodes, shares and branches per node; what has two branches is no node."""
    nodes = valences[(valences == 1) | (valences > 2)]
    if not nodes.size:
        return 0, np.nan, np.nan, np.nan, np.nan
    shares = (float((nodes == 1).mean()), float((nodes == 3).mean()), float((nodes > 3).mean()))
    return len(nodes), *shares, float(nodes.sum() / 2 / len(nodes))


def network_statistics(cracks: Mask, least_branch_px: float = 3.0) -> NetworkStatistics:
    """Measure the network of a crack mask.

    Parameters
    ----------
    cracks : bool array (H, W)
        Cracks of any width, or a skeleton.
    least_branch_px : float
        Shorter free ends are steps of the thinning, and none of the network.
    """
    skeleton: Mask = thin(cracks)  # type: ignore[no-untyped-call]
    crowd = ndimage.convolve(skeleton.astype(int), _AROUND, mode="constant") - 1
    junctions = skeleton & (crowd > 2)
    nodes, count = ndimage.label(ndimage.binary_dilation(junctions, _AROUND, _ONE_NODE_PX // 2), _AROUND)
    branches, many = ndimage.label(skeleton & (nodes == 0), _AROUND)
    length = length_map(skeleton)
    touched = _touching(branches, nodes)
    met = np.bincount(touched[:, 0], minlength=many + 1)[1:]
    # A branch goes on to the middle of the nodes that it meets.
    lengths = np.bincount(branches.ravel(), length.ravel(), many + 1)[1:] + _ONE_NODE_PX / 2 * met
    kept = (lengths >= least_branch_px) | (met > 1)
    valence = np.bincount(touched[kept[touched[:, 0] - 1], 1], minlength=count + 1)[1:]
    free = np.maximum(2 - met, 0)[kept]
    closed = _closed_branches(branches, met, many)
    free[closed[kept]] = 0
    ends = np.ones(int(free.sum()), np.int64)
    figures = _of_valences(np.concatenate((valence, ends)))
    areas = _cell_areas(skeleton)
    return NetworkStatistics(
        *figures,
        branch_variation=_variation(lengths[kept]),
        cell_variation=_variation(areas),
        spacing_px=skeleton.size / max(float(length.sum()), 1.0),
        cells=len(areas),
    )


def _touching(branches: NDArray[np.int32], nodes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return pairs (branch, node) once for each place where one ends at the other."""
    near = ndimage.maximum_filter(nodes, 3) * (branches > 0)
    contact, many = ndimage.label(near > 0, _AROUND)
    pairs = np.stack((contact, branches, near), -1)[near > 0]
    unique = np.unique(pairs, axis=0) if many else np.zeros((0, 3), np.int64)
    return unique[:, 1:].astype(np.int64)


def _closed_branches(branches: NDArray[np.int32], met: NDArray[np.int64], many: int) -> Mask:
    """Say which branches are rings that meet no node."""
    inside = branches > 0
    neighbours = ndimage.convolve(inside.astype(int), _AROUND, mode="constant") - 1
    has_end = np.bincount(branches[inside & (neighbours <= 1)], minlength=many + 1)[1:] > 0
    ring: Mask = (met == 0) & ~has_end
    return ring


def _cell_areas(skeleton: Mask) -> NDArray[np.int64]:
    """Return the areas, px, of cells that the picture's border does not cut."""
    cells, _ = ndimage.label(~skeleton)
    areas = np.bincount(cells.ravel())
    areas[np.unique(np.concatenate((cells[0], cells[-1], cells[:, 0], cells[:, -1])))] = 0
    areas[0] = 0
    whole: NDArray[np.int64] = areas[areas > 12]
    return whole


def _variation(values: NDArray[np.floating] | NDArray[np.int64]) -> float:
    return float(np.std(values) / np.mean(values)) if len(values) > 4 else np.nan


def read_graphs(path: Path) -> tuple[tuple[int, NDArray[np.int64]], ...]:
    """Read ``CRACKS.txt`` of the craquelure graphs.

    Returns
    -------
    tuple of (int, int array)
        Origin of each pattern (0-4) and the valences of its nodes.

    Raises
    ------
    ParameterError
        The file is cut short or is something else.
    """
    lines = iter(path.read_text(encoding="utf-8").splitlines())
    graphs = []
    try:
        for _ in range(int(next(lines))):
            nodes, origin = map(int, next(lines).split())
            valences = [int(next(lines).split()[1]) for _ in range(nodes)]
            graphs.append((origin, np.array(valences, np.int64)))
    except (StopIteration, ValueError, IndexError) as error:
        raise ParameterError(
            "no craquelure graphs, or only a part", path=path, remedy="Fetch CRACKS.txt again"
        ) from error
    return tuple(graphs)


def graph_statistics(graphs: Sequence[tuple[int, NDArray[np.int64]]]) -> list[NetworkStatistics]:
    """Return the figures of graphs that know no lengths."""
    return [NetworkStatistics(*_of_valences(valences)) for _, valences in graphs]
