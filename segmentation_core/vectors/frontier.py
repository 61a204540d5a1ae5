"""Which lines of a network that is still being read are final, and which pixels the others need.

A raster is read band by band, and a craquelure may have no end: so a line is finished as soon as nothing that
is still to come can change it, and its pixels are let go. A branch is *final* if neither it nor the nodes
at its ends are unsure (see `graph`), and no other branch at these nodes is: a junction lies where all its
branches meet. What is not final is looked at again with the next band, together with the three branches
beyond it, whose far ends are what the first of them depends on. Those beyond are known to be written and are
not written again; where their pixels lie beside some that were let go, they count as unsure, as those at
the edge of what has been read do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segmentation_core.vectors.graph import Network

__all__ = ["Settled", "settled"]

_CONTEXT = 3
"""Branches beyond what is not final: its end is moved by its other branches, which end at nodes that hang on
theirs, at whose ends one more shows that nothing is missing there."""


@dataclass(frozen=True)
class Settled:
    """What is final.

    Attributes
    ----------
    branches : ndarray of bool, shape (B,)
        To be written now.
    nodes : ndarray of bool, shape (V,)
        To be written now: with the last of their branches.
    carried : ndarray of PIXEL
        The pixels that are still needed; ``written`` and ``cut_off`` are filled in.
    """

    branches: NDArray[np.bool_]
    nodes: NDArray[np.bool_]
    carried: NDArray[Any]


def settled(network: Network, pixels: NDArray[Any], at_edge: NDArray[np.bool_]) -> Settled:
    """Find out what is final.

    Parameters
    ----------
    network : Network
    pixels : ndarray of PIXEL
        That it was made from.
    at_edge : ndarray of bool, shape (N,)
        Pixels beside which others are still to be read.
    """
    ends, count = network.ends, network.nodes.rows.size
    is_ring = ends[:, 0] < 0
    sure = ~network.unsure & ~np.append(network.nodes.unsure, False)[ends].any(axis=1)
    unplaced = _at_nodes(ends, ~sure, count)
    final = sure & ~unplaced[ends].any(axis=1)
    parts = _Parts(network, pixels)
    before = parts.all_of(pixels["written"])
    to_write = final & ~before
    written = final | before
    ended = np.flatnonzero(_at_nodes(ends, to_write & ~is_ring, count) & ~_at_nodes(ends, ~written, count))
    nodes = np.zeros(count, bool)
    nodes[ended[ended < count]] = True
    return Settled(to_write, nodes, _carried(network, pixels, at_edge, parts, written))


def _at_nodes(ends: NDArray[np.int64], branches: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """Say which nodes are at an end of one of the branches; the entry more, of rings, is False."""
    found = np.zeros(count + 1, bool)
    found[ends[branches]] = True
    found[-1] = False
    return found


class _Parts:
    """The pixels that each branch goes through, and the blobs of all others between branches.

    Attributes
    ----------
    pixel, of_branch : ndarray of int64
        Pixels on paths, and their branch.
    passing, passed : ndarray of int64
        Branches that go through nodes, and a pixel of each such node.
    blob : ndarray of int64, shape (N,)
        Number of the connected pixels outside of paths that a pixel belongs to; -1 on paths.
    """

    def __init__(self, network: Network, pixels: NDArray[Any]) -> None:
        place = np.concatenate([np.zeros(0, np.int64), *network.paths])
        branch = np.repeat(np.arange(len(network.paths)), [path.size for path in network.paths])
        own = place >= 0
        self._count = len(network.paths)
        self.pixel, self.of_branch = place[own], branch[own]
        pixel_of_node = np.searchsorted(pixels["flat"], network.nodes.firsts)
        self.passing, self.passed = branch[~own], pixel_of_node[~place[~own]]
        self.blob, self.blob_count = self._blobs(network, pixels.size)
        ended = np.flatnonzero(network.ends[:, 0] >= 0)
        self._tip, self._of_tip = self._tips(network, pixel_of_node)
        # A branch meets the blobs at its ends and those that it goes through.
        self._branch = np.concatenate([np.repeat(ended, 2), self.passing])
        at = np.concatenate([pixel_of_node[network.ends[ended].ravel()], self.passed])
        self._met = self.blob[at]

    def _blobs(self, network: Network, size: int) -> tuple[NDArray[np.int64], int]:
        outside = np.ones(size, bool)
        outside[self.pixel] = False
        between = network.links[outside[network.links].all(axis=1)]
        linked = coo_array(
            (np.ones(len(between), np.int8), (between[:, 0], between[:, 1])), shape=(size, size)
        )
        count, label = connected_components(linked, directed=False)
        return np.where(outside, label, -1), int(count)

    def _tips(
        self, network: Network, pixel_of_node: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        is_tip = np.append(network.degrees == 1, False)[network.ends]
        return pixel_of_node[network.ends[is_tip]], np.nonzero(is_tip)[0]

    def all_of(self, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say which branches have all their own pixels flagged: on the path, in passed nodes, at tips."""
        missing = np.zeros(self._count, bool)
        for at, branch in (
            (self.pixel, self.of_branch),
            (self.passed, self.passing),
            (self._tip, self._of_tip),
        ):
            missing[branch[~flags[at]]] = True
        return ~missing

    def flag(self, flags: NDArray[np.bool_], branches: NDArray[np.bool_]) -> None:
        """Flag the own pixels of branches, and the blobs where no other branch ends."""
        for at, branch in (
            (self.pixel, self.of_branch),
            (self.passed, self.passing),
            (self._tip, self._of_tip),
        ):
            flags[at[branches[branch]]] = True
        closed, others = self.met(branches), self.met(~branches)
        flags |= (self.blob >= 0) & (closed & ~others)[self.blob]

    def met(self, branches: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say which blobs some of the branches meet."""
        found = np.zeros(self.blob_count, bool)
        found[self._met[branches[self._branch]]] = True
        return found

    def meeting(self, blobs: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say which branches meet some of the blobs."""
        found = np.zeros(self._count, bool)
        found[self._branch[blobs[self._met]]] = True
        return found


def _carried(
    network: Network,
    pixels: NDArray[Any],
    at_edge: NDArray[np.bool_],
    parts: _Parts,
    written: NDArray[np.bool_],
) -> NDArray[Any]:
    branches, blobs = ~written, np.zeros(parts.blob_count, bool)
    edge_blobs = parts.blob[at_edge]
    blobs[edge_blobs[edge_blobs >= 0]] = True
    for _ in range(_CONTEXT):
        blobs |= parts.met(branches)
        branches |= parts.meeting(blobs)
    blobs |= parts.met(branches)
    kept = (parts.blob >= 0) & blobs[parts.blob]
    kept[parts.pixel[branches[parts.of_branch]]] = True
    flags = pixels["written"].copy()
    parts.flag(flags, written)
    cut_off = pixels["cut_off"].copy()
    for one, other in ((0, 1), (1, 0)):
        here, there = network.links[:, one], network.links[:, other]
        cut_off[here[kept[here] & ~kept[there]]] = True
    carried = pixels[kept]
    carried["written"], carried["cut_off"] = flags[kept], cut_off[kept]
    return carried
