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
from scipy.sparse.csgraph import connected_components

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
    """

    cluster_of_pixel: NDArray[np.int64]
    cluster_count: int
    run_pixels: NDArray[np.int64]
    run_starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    end_pixels: NDArray[np.int64]


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
    merged = coo_array((np.ones(len(crowd), np.int8), (crowd[:, 0], crowd[:, 1])), shape=(count, count))
    _, label = connected_components(merged, directed=False)
    clusters, numbers = np.unique(label[is_cluster], return_inverse=True)
    cluster_of_pixel = np.full(count, _NONE, np.int64)
    cluster_of_pixel[is_cluster] = numbers
    starts, neighbours = _adjacency(links, count)
    runs = _Runs(cluster_of_pixel, starts, neighbours)
    return PixelGraph(
        cluster_of_pixel,
        clusters.size,
        np.array(runs.pixels, np.int64),
        np.array(runs.starts, np.int64),
        np.array(runs.ends, np.int64).reshape(-1, 2),
        np.array(runs.end_pixels, np.int64).reshape(-1, 2),
    )


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
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    return np.searchsorted(both[:, 0], np.arange(count + 1)), both[:, 1].copy()


class _Runs:
    """Walks along all runs, from each cluster pixel in order."""

    def __init__(
        self, cluster_of_pixel: NDArray[np.int64], starts: NDArray[np.int64], neighbours: NDArray[np.int64]
    ) -> None:
        self.pixels: list[int] = []
        self.starts = [0]
        self.ends: list[tuple[int, int]] = []
        self.end_pixels: list[tuple[int, int]] = []
        self._cluster = cluster_of_pixel.data
        self._first, self._next = starts.data, neighbours.data
        self._seen = bytearray(len(self._cluster))
        for pixel in np.flatnonzero(cluster_of_pixel != _NONE).tolist():
            for place in range(self._first[pixel], self._first[pixel + 1]):
                self._leave(pixel, self._next[place])
        seen = np.frombuffer(self._seen, np.uint8)
        for pixel in np.flatnonzero((cluster_of_pixel == _NONE) & (seen == 0)).tolist():
            if not self._seen[pixel]:
                self._walk(pixel, self._next[self._first[pixel]])
                self._finish((_NONE, _NONE), (_NONE, _NONE), first=pixel)

    def _leave(self, origin: int, pixel: int) -> None:
        cluster = self._cluster
        if cluster[pixel] != _NONE:
            if origin < pixel and cluster[origin] != cluster[pixel]:
                self._finish((cluster[origin], cluster[pixel]), (origin, pixel))
        elif not self._seen[pixel]:
            last = self._walk(origin, pixel)
            self._finish((cluster[origin], cluster[last]), (origin, last))

    def _walk(self, origin: int, pixel: int) -> int:
        """Follow a run to a cluster's pixel, or round a ring to where it began."""
        first, following, cluster, seen, pixels = (
            self._first,
            self._next,
            self._cluster,
            self._seen,
            self.pixels,
        )
        begin, previous = origin, origin
        while cluster[pixel] == _NONE and pixel != begin:
            seen[pixel] = 1
            pixels.append(pixel)
            place = first[pixel]
            onward = following[place]
            if onward == previous:
                onward = following[place + 1]
            previous, pixel = pixel, onward
        return pixel

    def _finish(self, ends: tuple[int, int], end_pixels: tuple[int, int], first: int | None = None) -> None:
        if first is not None:
            self._seen[first] = 1
            self.pixels.append(first)
        self.starts.append(len(self.pixels))
        self.ends.append(ends)
        self.end_pixels.append(end_pixels)
