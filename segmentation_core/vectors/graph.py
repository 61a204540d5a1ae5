"""The crack network of whole components: nodes, and branches between them.

Made from the pixel graph in four steps (MEASUREMENT, section 1.4): runs through clusters that are no
junction become one; junctions so close that their cracks overlap become one node; ends that are no
longer than the crack is wide at their junction are dropped; what then runs through becomes one branch.
Everything is a function of the component alone: neither tiles nor other components matter.

Of a component that is still being read, only a part of the pixels is there. What could come out otherwise
once more of them are known is marked as unsure, and so is everything that depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segmentation_core.vectors.pixel_graph import PixelGraph, pixel_graph
from segmentation_core.vectors.settings import VectorSettings

__all__ = ["Network", "Nodes", "crack_network"]

_RING = -1


@dataclass(frozen=True)
class Nodes:
    """Junctions and ends; arrays have one entry per node.

    Attributes
    ----------
    rows, cols : ndarray of float64
        Centre of the node's pixels, in pixels from the raster's corner.
    half_widths : ndarray of float64
        Largest half width among the pixels, px.
    cut : ndarray of bool
        Whether a pixel lies where the crack is cut off (see `Skeleton.cut`).
    firsts : ndarray of int64
        Flat index in the raster of the first pixel.
    pixels, areas_px, sums : ndarray of int64
        Number of skeleton pixels, the crack pixels that belong to them and their probabilities.
    unsure : ndarray of bool
        Whether the node, or how many branches meet there, could change with what is not there yet.
    """

    rows: NDArray[np.float64]
    cols: NDArray[np.float64]
    half_widths: NDArray[np.float64]
    cut: NDArray[np.bool_]
    firsts: NDArray[np.int64]
    pixels: NDArray[np.int64]
    areas_px: NDArray[np.int64]
    sums: NDArray[np.int64]
    unsure: NDArray[np.bool_]


@dataclass(frozen=True)
class Network:
    """Branches between nodes.

    Attributes
    ----------
    nodes : Nodes
    ends : ndarray of int64, shape (B, 2)
        Node at each end; -1 for a ring, which has none.
    paths : list of ndarray of int64
        What each branch passes, without its ends: a skeleton pixel, or ~n for node n.
    lengths : ndarray of float64, shape (B,)
        Rough length, px: pixel steps. Good for decisions, not for measuring.
    areas_px, sums : ndarray of float64, shape (B,)
        Crack pixels that belong to the path, and their probabilities.
    unsure : ndarray of bool, shape (B,)
        Whether the path, the nodes it passes included, could change with what is not there yet.
    links : ndarray of int64, shape (K, 2)
        Pairs of linked skeleton pixels.
    """

    nodes: Nodes
    ends: NDArray[np.int64]
    paths: list[NDArray[np.int64]]
    lengths: NDArray[np.float64]
    areas_px: NDArray[np.float64]
    sums: NDArray[np.float64]
    unsure: NDArray[np.bool_]
    links: NDArray[np.int64]

    @property
    def degrees(self) -> NDArray[np.int64]:
        """Branch ends at each node."""
        return np.bincount(self.ends[self.ends >= 0], minlength=self.nodes.rows.size)


def crack_network(
    pixels: NDArray[Any],
    raster_width: int,
    settings: VectorSettings,
    unsure: NDArray[np.bool_] | None = None,
) -> Network:
    """Build the network of components.

    Parameters
    ----------
    pixels : ndarray of PIXEL
        All skeleton pixels of one or more components, in row-major order; at least one.
    raster_width : int
    settings : VectorSettings
    unsure : ndarray of bool, shape (N,), or None
        Pixels beside which some are missing; None: all are there.
    """
    graph = pixel_graph(*np.divmod(pixels["flat"], raster_width))
    if unsure is None:
        unsure = np.zeros(pixels.size, bool)
    network = _joined(_from_pixels(graph, pixels, raster_width, unsure))
    network = _merged(network, settings.junction_merge)
    return _joined(_pruned(network, settings.spur_ratio))


def _from_pixels(
    graph: PixelGraph, pixels: NDArray[Any], raster_width: int, unsure: NDArray[np.bool_]
) -> Network:
    row, col = np.divmod(pixels["flat"], raster_width)
    inside = np.flatnonzero(graph.cluster_of_pixel >= 0)
    cluster, count = graph.cluster_of_pixel[inside], graph.cluster_count

    def total(values: NDArray[Any]) -> NDArray[np.int64]:
        return np.bincount(cluster, values[inside], minlength=count).astype(np.int64)

    size = np.bincount(cluster, minlength=count)
    widest = np.zeros(count, np.int64)
    np.maximum.at(widest, cluster, pixels["squared_half_width"][inside])
    firsts = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(firsts, cluster, pixels["flat"][inside])
    nodes = Nodes(
        total(row) / size + 0.5,
        total(col) / size + 0.5,
        np.sqrt(widest),
        total(pixels["cut"]) > 0,
        firsts,
        size,
        total(pixels["area_px"]),
        total(pixels["sum"]),
        _touched(graph, unsure),
    )
    paths = _cut(graph.run_pixels, graph.run_starts)
    run = np.repeat(np.arange(len(paths)), np.diff(graph.run_starts))
    areas, sums = (
        np.asarray(np.bincount(run, pixels[field][graph.run_pixels], minlength=len(paths)), np.float64)
        for field in ("area_px", "sum")
    )
    doubtful = np.bincount(run, unsure[graph.run_pixels], minlength=len(paths)) > 0
    doubtful |= np.append(nodes.unsure, False)[graph.ends].any(axis=1)
    return Network(
        nodes,
        graph.ends,
        paths,
        _step_lengths(graph, row, col, nodes),
        areas,
        sums,
        doubtful,
        graph.links,
    )


def _touched(graph: PixelGraph, unsure: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which clusters hold an unsure pixel, or lie beside one that may turn out to belong to them."""
    touched = np.zeros(graph.cluster_count + 1, bool)
    touched[graph.cluster_of_pixel[unsure]] = True  # -1, on runs, is the entry more
    starts, direct = graph.run_starts, np.diff(graph.run_starts) == 0
    for side, first in ((0, starts[:-1]), (1, starts[1:] - 1)):
        beside = graph.end_pixels[:, 1 - side].copy()
        beside[~direct] = graph.run_pixels[first[~direct]]
        touched[graph.ends[unsure[beside], side]] = True
    return touched[:-1]


def _step_lengths(
    graph: PixelGraph, row: NDArray[np.int64], col: NDArray[np.int64], nodes: Nodes
) -> NDArray[np.float64]:
    """Return the length of each run in pixel steps, from the centre of one cluster to that of the other."""
    starts, runs = graph.run_starts, graph.ends.shape[0]
    path_rows, path_cols = row[graph.run_pixels] + 0.5, col[graph.run_pixels] + 0.5
    run = np.repeat(np.arange(runs), np.diff(starts))
    within = run[1:] == run[:-1]
    steps = np.hypot(np.diff(path_rows), np.diff(path_cols))[within]
    lengths = np.bincount(run[1:][within], steps, minlength=runs).astype(float)
    ring = graph.ends[:, 0] == _RING
    empty = np.diff(starts) == 0
    first, last = np.minimum(starts[:-1], run.size - 1), starts[1:] - 1
    closing = ring & ~empty
    lengths[closing] += np.hypot(
        path_rows[first[closing]] - path_rows[last[closing]],
        path_cols[first[closing]] - path_cols[last[closing]],
    )
    # Rings have no nodes: their -1 finds the entry more.
    node_rows, node_cols = np.append(nodes.rows, 0)[graph.ends], np.append(nodes.cols, 0)[graph.ends]
    for side, place in ((0, first), (1, last)):
        there = ~ring & ~empty
        lengths[there] += np.hypot(
            node_rows[there, side] - path_rows[place[there]], node_cols[there, side] - path_cols[place[there]]
        )
    direct = ~ring & empty
    lengths[direct] += np.hypot(np.diff(node_rows[direct])[:, 0], np.diff(node_cols[direct])[:, 0])
    return lengths


def _joined(network: Network) -> Network:
    """Join branches that meet at a node of two branch ends."""
    through = network.degrees == 2
    if not through.any():
        return network
    touched = (through[network.ends] & (network.ends >= 0)).any(axis=1)
    at_node: dict[int, list[tuple[int, int]]] = {}
    affected = np.flatnonzero(touched)
    ends = network.ends.tolist()
    for branch in affected.tolist():
        for side in (0, 1):
            if through[ends[branch][side]]:
                at_node.setdefault(ends[branch][side], []).append((branch, side))
    outer_first = np.concatenate([affected[~_inner(through, network, affected)], affected])
    used: set[int] = set()
    chains: list[tuple[tuple[int, int], list[tuple[int, int]], list[int]]] = []
    for branch in outer_first.tolist():
        if branch not in used:
            side = 1 if through[ends[branch][0]] and not through[ends[branch][1]] else 0
            chains.append(_chain(branch, side, ends, at_node, used))
    keep = np.flatnonzero(~touched)
    paths = [network.paths[b] for b in keep.tolist()]
    new_ends = [ends[b] for b in keep.tolist()]
    nodes = network.nodes
    figures = np.column_stack([network.lengths, network.areas_px, network.sums, network.unsure])
    node_figures = np.column_stack([np.zeros(through.size), nodes.areas_px, nodes.sums, nodes.unsure])
    for chain_ends, members, passed in chains:
        parts: list[NDArray[np.int64]] = []
        for place, (branch, side) in enumerate(members):
            parts.append(network.paths[branch][:: -1 if side else 1])
            if place < len(passed):
                parts.append(np.array([~passed[place]]))
        paths.append(np.concatenate(parts))
        new_ends.append(list(chain_ends))
    gained = _sums(figures, [[b for b, _ in members] for _, members, _ in chains])
    gained += _sums(node_figures, [passed for _, _, passed in chains])
    lengths, areas, sums, unsure = np.concatenate([figures[keep], gained]).T
    ends_of_all = np.array(new_ends, np.int64).reshape(-1, 2)
    return Network(nodes, ends_of_all, paths, lengths, areas, sums, unsure > 0, network.links)


def _sums(figures: NDArray[np.float64], groups: list[list[int]]) -> NDArray[np.float64]:
    """Return the sums of the rows of each group."""
    rows = np.fromiter(chain.from_iterable(groups), np.int64)
    group = np.repeat(np.arange(len(groups)), [len(members) for members in groups])
    return np.column_stack(
        [np.bincount(group, column, minlength=len(groups)) for column in figures[rows].T]
    ).astype(float)


def _inner(through: NDArray[np.bool_], network: Network, branches: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray(through[network.ends[branches]].all(axis=1))


def _chain(
    branch: int,
    side: int,
    ends: list[list[int]],
    at_node: dict[int, list[tuple[int, int]]],
    used: set[int],
) -> tuple[tuple[int, int], list[tuple[int, int]], list[int]]:
    """Follow a chain of branches; return its ends, (branch, side it starts from) and the nodes passed."""
    members = [(branch, side)]
    passed: list[int] = []
    used.add(branch)
    start = ends[branch][side]
    while True:
        branch, side = members[-1]
        node = ends[branch][1 - side]
        if node not in at_node:
            return (start, node), members, passed
        passed.append(node)
        here = at_node[node]
        onward = here[1] if here[0] == (branch, 1 - side) else here[0]
        if onward[0] in used:
            return (_RING, _RING), members, passed
        used.add(onward[0])
        members.append(onward)


def _merged(network: Network, factor: float) -> Network:
    """Make one node of junctions whose joining branch is shorter than ``factor`` x their half widths.

    A node is unsure from here on if one of its branches is: that could be short enough, or an end.
    """
    doubtful = np.append(network.nodes.unsure, False)
    doubtful[network.ends[network.unsure]] = True  # -1, of rings, is the entry more
    network = replace(network, nodes=replace(network.nodes, unsure=doubtful[:-1]))
    degrees, ends, nodes = network.degrees, network.ends, network.nodes
    between = np.asarray((ends >= 0).all(axis=1))
    between[between] = (degrees[ends[between]] >= 3).all(axis=1)
    reach = np.zeros(len(ends))
    reach[between] = factor * nodes.half_widths[ends[between]].sum(axis=1)
    short = between & (network.lengths < reach)
    if not short.any():
        return network
    links = ends[short]
    matrix = coo_array(
        (np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(nodes.rows.size,) * 2
    )
    count, group = connected_components(matrix, directed=False)
    absorbed = np.flatnonzero(short).tolist()
    return _regrouped(network, group.astype(np.int64), count, absorbed)


def _regrouped(network: Network, group: NDArray[np.int64], count: int, absorbed: list[int]) -> Network:
    """Replace nodes by groups of nodes, which take over the absorbed branches."""
    nodes = network.nodes
    home = group[network.ends[absorbed, 0]]
    size = np.bincount(group, nodes.pixels, minlength=count)
    halves = np.zeros(count)
    np.maximum.at(halves, group, nodes.half_widths)
    firsts = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(firsts, group, nodes.firsts)

    def total(of_nodes: NDArray[Any], of_branches: NDArray[Any] | None = None) -> NDArray[np.float64]:
        summed = np.bincount(group, of_nodes, minlength=count).astype(float)
        if of_branches is not None:
            summed = summed + np.bincount(home, of_branches[absorbed], minlength=count)
        return summed

    merged = Nodes(
        total(nodes.rows * nodes.pixels) / size,
        total(nodes.cols * nodes.pixels) / size,
        halves,
        total(nodes.cut) > 0,
        firsts,
        size.astype(np.int64),
        total(nodes.areas_px, network.areas_px).astype(np.int64),
        total(nodes.sums, network.sums).astype(np.int64),
        total(nodes.unsure) > 0,
    )
    return _without(network, np.array(absorbed), merged, group)


def _without(
    network: Network, branches: NDArray[np.int64], nodes: Nodes, group: NDArray[np.int64] | None
) -> Network:
    keep = np.ones(len(network.ends), bool)
    keep[branches] = False
    ends, paths = network.ends[keep], [network.paths[b] for b in np.flatnonzero(keep).tolist()]
    if group is not None:
        ends = np.where(ends >= 0, group[ends], _RING)
        paths = _renamed(paths, group)
    return Network(
        nodes,
        ends,
        paths,
        network.lengths[keep],
        network.areas_px[keep],
        network.sums[keep],
        network.unsure[keep],
        network.links,
    )


def _renamed(paths: list[NDArray[np.int64]], group: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return paths that pass groups of nodes where they passed nodes."""
    flat = np.concatenate(paths) if paths else np.zeros(0, np.int64)
    passed = np.flatnonzero(flat < 0)
    if not passed.size:
        return paths
    flat[passed] = ~group[~flat[passed]]
    return _cut(flat, np.concatenate([[0], np.cumsum([path.size for path in paths])]))


def _cut(flat: NDArray[np.int64], starts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [flat[start:stop] for start, stop in pairwise(starts.tolist())]


def _pruned(network: Network, ratio: float) -> Network:
    """Drop ends no longer than the crack is wide at their junction; of a star of such ends keep two."""
    degrees, ends, nodes = network.degrees, network.ends, network.nodes
    if not degrees.size:
        return network
    closed = ends[:, 0] == _RING
    is_tip = (degrees == 1) & ~nodes.cut
    tip_side = np.where(is_tip[ends[:, 1]], 1, 0)
    junction = np.take_along_axis(ends, 1 - tip_side[:, None], axis=1)[:, 0]
    tip = np.take_along_axis(ends, tip_side[:, None], axis=1)[:, 0]
    spur = ~closed & is_tip[tip] & (degrees[junction] >= 3)
    spur &= network.lengths < ratio * 2 * nodes.half_widths[junction]
    candidates = np.flatnonzero(spur)
    if not candidates.size:
        return network
    spurs_at = np.bincount(junction[candidates], minlength=degrees.size)
    star = spurs_at[junction[candidates]] == degrees[junction[candidates]]
    order = candidates[np.lexsort((candidates, -network.lengths[candidates], junction[candidates]))]
    rank = np.arange(order.size) - np.searchsorted(junction[order], junction[order])
    star_of = dict(zip(candidates.tolist(), star.tolist(), strict=True))
    spared = {b for b, place in zip(order.tolist(), rank.tolist(), strict=True) if star_of[b] and place < 2}
    dropped = np.array([b for b in candidates.tolist() if b not in spared], np.int64)
    gained = [
        np.bincount(junction[dropped], values[dropped] + of_tip[tip[dropped]], minlength=degrees.size).astype(
            np.int64
        )
        for values, of_tip in ((network.areas_px, nodes.areas_px), (network.sums, nodes.sums))
    ]
    fuller = replace(nodes, areas_px=nodes.areas_px + gained[0], sums=nodes.sums + gained[1])
    return _without(network, dropped, fuller, None)
