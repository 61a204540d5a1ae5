"""From a crack network to measured lines and their nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.raster.grid import Grid
from segmentation_core.vectors.centrelines import Lines, densified, extended, segment_sums, smoothed
from segmentation_core.vectors.graph import Network, crack_network
from segmentation_core.vectors.settings import VectorSettings

__all__ = ["CrackLines", "CrackNodes", "crack_lines"]


@dataclass(frozen=True)
class CrackNodes:
    """Nodes; arrays have one entry per node.

    Attributes
    ----------
    wkb : ndarray of bytes objects
        Points in the raster's own coordinates.
    ids, components : ndarray of int64
        Flat index in the raster of the node's, and the component's, first pixel.
    kinds : ndarray of str objects
        I end, E end at the border of what is assessed (or of a crack too wide for a centreline), Y
        junction of three branches, X of four or more, O where an isolated ring begins and ends.
    degrees : ndarray of int64
        Branch ends that meet there.
    """

    wkb: NDArray[Any]
    ids: NDArray[np.int64]
    components: NDArray[np.int64]
    kinds: NDArray[Any]
    degrees: NDArray[np.int64]


@dataclass(frozen=True)
class CrackLines:
    """Lines; arrays have one entry per line, sorted by component.

    Attributes
    ----------
    wkb : ndarray of bytes objects
        LineStrings in the raster's own coordinates.
    lengths_m : ndarray of float64
        Lengths of these very lines.
    areas_px, sums : ndarray of float64
        Crack pixels that belong to each line, its part of its nodes included, and their quantised
        probabilities.
    components : ndarray of int64
        See `CrackNodes`.
    node_ids : ndarray of int64, shape (L, 2)
    nodes : CrackNodes
    """

    wkb: NDArray[Any]
    lengths_m: NDArray[np.float64]
    areas_px: NDArray[np.float64]
    sums: NDArray[np.float64]
    components: NDArray[np.int64]
    node_ids: NDArray[np.int64]
    nodes: CrackNodes


def crack_lines(pixels: NDArray[Any], grid: Grid, settings: VectorSettings) -> CrackLines:
    """Measure the cracks of whole components.

    Parameters
    ----------
    pixels : ndarray of PIXEL
        All skeleton pixels of the components, in any order; ``unit`` is the component.
    grid : Grid
    settings : VectorSettings
    """
    pixels = pixels[np.argsort(pixels["flat"])]
    if not pixels.size:
        return _no_lines()
    network = crack_network(pixels, grid.width, settings)
    raw, firsts = _raw_lines(network, pixels, grid.width)
    if not network.paths:
        return _no_lines()
    component = pixels["unit"][np.searchsorted(pixels["flat"], firsts)]
    is_end = (network.degrees == 1)[network.ends] & ~raw.closed[:, None]
    cut = is_end & network.nodes.cut[network.ends]
    # A node of several pixels has its centre off the pixel whose half width it has.
    spread = np.sqrt(network.nodes.pixels) - 1
    reach = np.maximum(network.nodes.half_widths - spread, 0)[network.ends] * (is_end & ~cut)
    lines = extended(smoothed(densified(raw), settings.smoothing_sigma_px), reach, cut)
    order = np.argsort(component, kind="stable")
    areas, sums = _with_nodes(network)
    nodes, node_ids = _nodes(network, lines, firsts, component, cut, grid)
    return CrackLines(
        _wkb(lines, grid)[order],
        _lengths_m(lines, grid)[order],
        areas[order],
        sums[order],
        component[order],
        node_ids[order],
        nodes,
    )
