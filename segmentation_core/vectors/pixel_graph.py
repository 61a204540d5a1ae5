"""Skeleton pixels to a graph of pixel runs between clusters of pixels.

Two pixels are linked if they share a side, or a corner without a third skeleton pixel that shares a
side with both. A pixel with two links is part of a run, unless it belongs to a full 2 x 2 block; all
others are clusters: ends, junctions, single pixels. Runs may be parallel, and a run that meets no cluster
is a ring. All numbers are 64 bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from segmentation_core.vectors.ordering import lexical_order

__all__ = ["PixelGraph", "pixel_graph"]

_NONE = -1


@dataclass(frozen=True)
class PixelGraph:
    """Clusters and the runs between them.

    Attributes
    ----------
    cluster_of_pixel : ndarray of int64, shape (N,)
        -1 on runs.
    cluster_count : int
    run_pixels : ndarray of int64
        Pixels of all runs, one run after another.
    run_starts : ndarray of int64, shape (R + 1,)
    ends : ndarray of int64, shape (R, 2)
        The cluster at each end; -1 for rings.
    end_pixels : ndarray of int64, shape (R, 2)
        The cluster's pixel that the run arrives at; -1 for rings.
    links : ndarray of int64, shape (K, 2)
        Pairs of linked pixels.
    """

    cluster_of_pixel: NDArray[np.int64]
    cluster_count: int
    run_pixels: NDArray[np.int64]
    run_starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    end_pixels: NDArray[np.int64]
    links: NDArray[np.int64]


def pixel_graph(rows: NDArray[np.int64], cols: NDArray[np.int64]) -> PixelGraph:
    """Build the graph of skeleton pixels.

    Parameters
    ----------
    rows, cols : ndarray of int64, shape (N,)
        Distinct pixels in row-major order.

    Examples
    --------
    >>> graph = pixel_graph(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 3]))
    >>> graph.ends.tolist(), graph.run_pixels.tolist()
    ([[0, 1]], [1, 2])
    """
    links, in_block = _links(rows, cols)
    count = rows.size
    degree = np.bincount(links.ravel(), minlength=count)
    is_cluster = (degree != 2) | in_block
    crowd = links[(is_cluster & (in_block | (degree >= 3)))[links].all(axis=1)]
    label = _components(crowd[:, 0], crowd[:, 1], count)
    clusters, numbers = np.unique(label[is_cluster], return_inverse=True)
    cluster_of_pixel = np.full(count, _NONE, np.int64)
    cluster_of_pixel[is_cluster] = numbers
    starts, neighbours = _adjacency(links, count)
    run_pixels, run_starts, end_pixels = _runs(cluster_of_pixel, starts, neighbours)
    # Rings have no cluster: their -1 finds the entry more.
    ends = np.append(cluster_of_pixel, _NONE)[end_pixels]
    return PixelGraph(cluster_of_pixel, clusters.size, run_pixels, run_starts, ends, end_pixels, links)


def _links(rows: NDArray[np.int64], cols: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the linked pairs of pixels, and which pixels are in a 2 x 2 block."""
    stride = int(cols.max(initial=0)) + 3
    key = rows * stride + cols + 1

    def at(offset: int) -> NDArray[np.int64]:
        place = np.minimum(np.searchsorted(key, key + offset), key.size - 1)
        return np.where(key[place] == key + offset, place, _NONE)

    east, south, south_east, south_west = at(1), at(stride), at(stride + 1), at(stride - 1)
    west = np.full(key.size, _NONE)
    west[east[east >= 0]] = np.flatnonzero(east >= 0)
    alone_east = (east < 0) & (south < 0)
    alone_west = (west < 0) & (south < 0)
    pairs = [
        np.column_stack([np.flatnonzero(there), other[there]])
        for other, there in (
            (east, east >= 0),
            (south, south >= 0),
            (south_east, (south_east >= 0) & alone_east),
            (south_west, (south_west >= 0) & alone_west),
        )
    ]
    corner = (east >= 0) & (south >= 0) & (south_east >= 0)
    in_block = corner.copy()
    for other in (east, south, south_east):
        in_block[other[corner]] = True
    return np.concatenate(pairs), in_block


def _adjacency(links: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for each pixel, where its neighbours begin, and all neighbours in ascending order."""
    both = np.concatenate([links, links[:, ::-1]])
    both = both[lexical_order(both[:, 0], both[:, 1])]
    return np.searchsorted(both[:, 0], np.arange(count + 1)), both[:, 1].copy()


def _runs(
    cluster: NDArray[np.int64], first: NDArray[np.int64], neighbours: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the pixels of all runs, where each run begins, and the cluster pixels at both ends (-1: ring).

    Runs are in the order in which the cluster pixels, one by one, meet them from neighbour to neighbour, and
    begin there; rings come last, each from beside its first pixel round to it.
    """
    origin = np.repeat(np.arange(cluster.size), np.diff(first))
    leaves = np.flatnonzero(cluster[origin] != _NONE)
    entries = leaves[cluster[neighbours[leaves]] == _NONE]
    direct = leaves[cluster[neighbours[leaves]] != _NONE]
    here, there = origin[direct], neighbours[direct]
    direct = direct[(here < there) & (cluster[here] != cluster[there])]

    pixels = np.flatnonzero(cluster == _NONE)
    number = np.full(cluster.size, _NONE, np.int64)
    number[pixels] = np.arange(pixels.size)
    within = (cluster[origin] == _NONE) & (cluster[neighbours] == _NONE)
    one, other = number[origin[within]], number[neighbours[within]]
    part = _components(one, other, pixels.size)

    # An open run has two entries: it is walked from the first one.
    pairs = entries[np.argsort(part[number[neighbours[entries]]], kind="stable")].reshape(-1, 2)
    begins, stops = number[neighbours[pairs]].T
    closing = np.flatnonzero(~np.isin(part, part[begins]))
    closing = np.sort(closing[np.unique(part[closing], return_index=True)[1]])
    opening = number[neighbours[first[pixels[closing]]]]
    begins, stops = np.append(begins, opening), np.append(stops, closing)

    keys = np.concatenate([direct, pairs[:, 0]])
    order = np.append(np.argsort(keys), np.arange(keys.size, keys.size + closing.size))
    sizes = np.append(np.zeros(direct.size, np.int64), np.bincount(part)[part[begins]])
    ends = np.full((order.size, 2), _NONE, np.int64)
    ends[: direct.size] = np.column_stack([origin[direct], neighbours[direct]])
    ends[direct.size : keys.size] = origin[pairs]

    # Rings opened and runs tied together, all of it is one path, which a search follows.
    opened = np.full(pixels.size, _NONE, np.int64)
    opened[closing], opened[opening] = opening, closing
    kept = opened[one] != other
    with_pixels = order[order >= direct.size] - direct.size
    begins, stops = begins[with_pixels], stops[with_pixels]
    walk = _from_end_to_end(
        np.concatenate([one[kept], stops[:-1], begins[1:]]),
        np.concatenate([other[kept], begins[1:], stops[:-1]]),
        pixels.size,
        begins,
    )
    return pixels[walk], np.concatenate([[0], np.cumsum(sizes[order])]), ends[order]


def _components(one: NDArray[np.int64], other: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    linked = coo_array((np.ones(one.size, np.int8), (one, other)), shape=(count, count))
    label: NDArray[np.int64] = connected_components(linked, directed=False)[1]
    return label


def _from_end_to_end(
    one: NDArray[np.int64], other: NDArray[np.int64], count: int, begins: NDArray[np.int64]
) -> NDArray[np.int64]:
    if not count:
        return begins
    path = coo_array((np.ones(one.size), (one, other)), shape=(count, count)).tocsr()
    walk: NDArray[np.int64] = breadth_first_order(path, int(begins[0]), return_predecessors=False)
    return walk
