"""From a crack network to measured lines and their nodes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.raster.grid import Grid
from segmentation_core.raster.probability import PROBABILITY_SCALE
from segmentation_core.vectors.centrelines import Lines, densified, joined, segment_sums, smoothed
from segmentation_core.vectors.centring import Middles, centred
from segmentation_core.vectors.frontier import Settled, settled
from segmentation_core.vectors.graph import Network, Nodes, crack_network
from segmentation_core.vectors.junctions import approach_px, relocated, straightened
from segmentation_core.vectors.settings import VectorSettings
from segmentation_core.vectors.tips import extended, trimmed
from segmentation_core.vectors.widths import Beside, Profiles, line_profiles

__all__ = ["CrackLines", "CrackNodes", "crack_lines"]

_PINHOLE_STEPS = 12
"""A loop of more steps survives smoothing; around one missing pixel there are eight."""

_BLOCK_VERTICES = 20_000
"""Lines are finished in blocks whose arrays fit into a processor's cache."""


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
    profiles : Profiles
        Widths along the lines.
    components : ndarray of int64
        See `CrackNodes`.
    node_ids : ndarray of int64, shape (L, 2)
    nodes : CrackNodes
    """

    wkb: NDArray[Any]
    lengths_m: NDArray[np.float64]
    areas_px: NDArray[np.float64]
    sums: NDArray[np.float64]
    profiles: Profiles
    components: NDArray[np.int64]
    node_ids: NDArray[np.int64]
    nodes: CrackNodes


def crack_lines(
    pixels: NDArray[Any], grid: Grid, settings: VectorSettings, edge_row: int | None = None
) -> tuple[CrackLines, NDArray[Any]]:
    """Measure the cracks of components.

    Parameters
    ----------
    pixels : ndarray of PIXEL
        All skeleton pixels of the components, in any order, or what earlier calls left of them and all that
        have been read since; ``unit`` is the component.
    grid : Grid
    settings : VectorSettings
    edge_row : int or None
        The last row that has been read, if there are more; None: the components are complete.

    Returns
    -------
    lines : CrackLines
        Those that are final.
    carried : ndarray of PIXEL
        The pixels that the others need, for the next call.
    """
    if not pixels.size:
        return _no_lines(), pixels
    pixels = pixels[np.argsort(pixels["flat"])]
    at_edge = np.zeros(pixels.size, bool)
    if edge_row is not None:
        at_edge[np.searchsorted(pixels["flat"], edge_row * grid.width) :] = True
    network = crack_network(pixels, grid.width, settings, at_edge | pixels["cut_off"])
    final = settled(network, pixels, at_edge)
    if not final.branches.any():
        return _no_lines(), final.carried
    place, raw = _through_pixels(network, pixels, grid.width)
    # One entry more than nodes: the -1 of rings, which have no ends, finds it.
    junctions = np.append(network.degrees >= 3, False)[network.ends]
    network = replace(network, nodes=relocated(network.nodes, raw, network.ends, junctions))
    place, raw = place[np.repeat(final.branches, raw.counts)], raw.chosen(final.branches)
    return _measured(network, _Seen(place, pixels, network.nodes), raw, final, grid, settings), final.carried


def _measured(
    whole: Network, seen: _Seen, raw: Lines, final: Settled, grid: Grid, settings: VectorSettings
) -> CrackLines:
    """Return the final lines of a network whose nodes lie where they belong, from those through pixels."""
    pixels = seen.pixels
    is_tip = np.append(whole.degrees == 1, False)
    is_junction = np.append(whole.degrees >= 3, False)
    areas, sums = (of_lines[final.branches] for of_lines in _with_nodes(whole))
    network = _chosen(whole, final.branches)
    natural = is_tip[network.ends]
    cut = natural & np.append(network.nodes.cut, False)[network.ends]
    patch = np.append(_patches(network, pixels), 0)[network.ends]
    ends = _Ends(network.ends, natural & ~cut, cut, is_junction[network.ends], patch)
    firsts = _first_pixels(network, pixels)
    component = pixels["unit"][np.searchsorted(pixels["flat"], firsts)]
    order = np.argsort(component, kind="stable")
    finished = [
        _finished(raw.part(lines), seen.part(vertices), ends.part(lines), grid, settings)
        for lines, vertices in raw.blocks(_BLOCK_VERTICES)
    ]
    lines = joined([part for part, _ in finished])
    profiles = Profiles(
        *(
            np.concatenate([getattr(part, field.name) for _, part in finished])[order]
            for field in fields(Profiles)
        )
    )
    # Ends on the raster's border come out of a division: the last bit must not put them beyond it.
    lines = replace(lines, cols=lines.cols.clip(0, grid.width), rows=lines.rows.clip(0, grid.height))
    node_ids = np.append(network.nodes.firsts, 0)[network.ends]
    node_ids[raw.closed] = firsts[raw.closed, None]
    return CrackLines(
        _linestrings(lines, grid)[order],
        _lengths_m(lines, grid)[order],
        areas[order],
        sums[order],
        profiles,
        component[order],
        node_ids[order],
        _nodes(network, whole.degrees, final.nodes, lines, node_ids, component, grid),
    )


def _chosen(network: Network, branches: NDArray[np.bool_]) -> Network:
    chosen = np.flatnonzero(branches).tolist()
    return replace(
        network,
        paths=[network.paths[branch] for branch in chosen],
        **{
            name: getattr(network, name)[branches]
            for name in ("ends", "lengths", "areas_px", "sums", "unsure")
        },
    )


@dataclass(frozen=True)
class _Ends:
    """Both ends of each line; arrays have shape (L, 2)."""

    nodes: NDArray[np.int64]
    natural: NDArray[np.bool_]
    cut: NDArray[np.bool_]
    junction: NDArray[np.bool_]
    patches: NDArray[np.int64]

    def part(self, lines: slice) -> _Ends:
        return _Ends(**{field.name: getattr(self, field.name)[lines] for field in fields(self)})


@dataclass(frozen=True)
class _Seen:
    """What is at each vertex: a number of a pixel, or the number of pixels + that of a node."""

    place: NDArray[np.int64]
    pixels: NDArray[Any]
    nodes: Nodes

    def part(self, vertices: slice) -> _Seen:
        return replace(self, place=self.place[vertices])

    @property
    def at_node(self) -> NDArray[np.bool_]:
        return self.place >= self.pixels.size

    def pixel(self) -> NDArray[Any]:
        """Return the skeleton pixels; any one at nodes."""
        return self.pixels[np.where(self.at_node, 0, self.place)]

    def of_nodes(self, values: NDArray[Any], elsewhere: NDArray[Any]) -> NDArray[Any]:
        found: NDArray[Any] = elsewhere.copy()
        found[self.at_node] = values[self.place[self.at_node] - self.pixels.size]
        return found


def _finished(
    raw: Lines, seen: _Seen, ends: _Ends, grid: Grid, settings: VectorSettings
) -> tuple[Lines, Profiles]:
    """Return smooth lines for those through pixels, and their widths; no line depends on another one."""
    pixel, nodes = seen.pixel(), seen.nodes
    half_widths = seen.of_nodes(nodes.half_widths, np.sqrt(pixel["squared_half_width"]))
    areas = seen.of_nodes(nodes.areas_px, pixel["area_px"])
    middle = centred(raw, _middles(pixel, seen.at_node), ends.junction)
    margins = approach_px(half_widths[np.column_stack([raw.starts[:-1], raw.starts[1:] - 1])])
    margins[~(ends.junction | ends.natural)] = 1
    beside = Beside(areas, pixel["spread"], seen.at_node, half_widths)
    profiles = line_profiles(middle, beside, margins, grid, PROBABILITY_SCALE)
    loops = _loops(middle, nodes, ends)
    middle = _at_junctions(middle, nodes, ends)
    kept, tips = trimmed(middle, half_widths, areas.astype(float), ends.natural, ends.cut)
    dense = densified(kept)
    smooth = smoothed(dense, settings.smoothing_sigma_px)
    own = np.repeat(loops, dense.counts)
    smooth = replace(
        smooth, cols=np.where(own, dense.cols, smooth.cols), rows=np.where(own, dense.rows, smooth.rows)
    )
    return extended(smooth, tips, ends.patches), profiles


def _loops(lines: Lines, nodes: Nodes, ends: _Ends) -> NDArray[np.bool_]:
    """Return which lines are loops around a pinhole, or all inside the junction where they end.

    They keep the course through their pixels: put straight and smoothed, they would be folded to nothing.
    """
    half_widths = np.append(nodes.half_widths, 0.0)[ends.nodes]
    steps = lines.counts - 1
    short = steps <= np.maximum(approach_px(half_widths).sum(axis=1), _PINHOLE_STEPS)
    loops: NDArray[np.bool_] = short & (ends.nodes[:, 0] == ends.nodes[:, 1])
    return loops


def _through_pixels(
    network: Network, pixels: NDArray[Any], raster_width: int
) -> tuple[NDArray[np.int64], Lines]:
    """Return the lines through the centres of the skeleton pixels and nodes, and what is at each vertex.

    That is a number of a pixel, or the number of pixels + that of a node.
    """
    rows, cols = np.divmod(pixels["flat"], raster_width)
    rows = np.concatenate([rows + 0.5, network.nodes.rows])
    cols = np.concatenate([cols + 0.5, network.nodes.cols])
    closed = network.ends[:, 0] < 0
    sizes = np.array([path.size for path in network.paths])
    starts = np.concatenate([[0], np.cumsum(sizes + np.where(closed, 1, 2))])
    inner = starts[:-1] + ~closed
    place = np.empty(starts[-1], np.int64)
    within = np.arange(sizes.sum()) + np.repeat(inner - (np.cumsum(sizes) - sizes), sizes)
    place[within] = np.concatenate(network.paths)
    passed = within[place[within] < 0]
    place[passed] = pixels.size + ~place[passed]
    place[starts[:-1][~closed]] = pixels.size + network.ends[~closed, 0]
    place[starts[1:] - 1] = np.where(closed, place[starts[:-1]], pixels.size + network.ends[:, 1])
    return place, Lines(cols[place], rows[place], starts, closed)


def _at_junctions(lines: Lines, nodes: Nodes, ends: _Ends) -> Lines:
    """Let lines end at the nodes, and run straight inside junctions."""
    vertex = np.column_stack([lines.starts[:-1], lines.starts[1:] - 1])[ends.junction]
    node = ends.nodes[ends.junction]
    cols, rows = lines.cols.copy(), lines.rows.copy()
    cols[vertex], rows[vertex] = nodes.cols[node], nodes.rows[node]
    half_widths = np.append(nodes.half_widths, 0.0)[ends.nodes]
    placed = Lines(cols, rows, lines.starts, lines.closed)
    straight = ends.junction & ~_loops(lines, nodes, ends)[:, None]
    return Lines(*straightened(placed, half_widths, straight), lines.starts, lines.closed)


def _middles(here: NDArray[Any], at_node: NDArray[np.bool_]) -> Middles:
    """Return what the crack's pixels say about its middle at each vertex; nothing at nodes."""
    weights = np.where(here["sum"] > 0, here["sum"], here["area_px"])
    widths = 2 * np.sqrt(here["squared_half_width"]) - 1
    moment = here["moment"]
    return Middles(
        *(np.where(at_node, 0.0, column) for column in (weights, moment[:, 1], moment[:, 0], widths))
    )


def _patches(network: Network, pixels: NDArray[Any]) -> NDArray[np.int64]:
    """Return the crack around the nodes that are single pixels at the ends of lines; else 0."""
    single = network.nodes.pixels == 1
    at = np.searchsorted(pixels["flat"], network.nodes.firsts)
    patches: NDArray[np.int64] = np.where(single, pixels["patch"][at], 0)
    return patches


def _first_pixels(network: Network, pixels: NDArray[Any]) -> NDArray[np.int64]:
    """Return, for each branch, the flat index of one of its pixels: for a ring, of its first."""
    flat = pixels["flat"]
    starts = network.ends[:, 0]
    firsts = np.append(network.nodes.firsts, 0)[starts]
    for ring in np.flatnonzero(starts < 0).tolist():
        path = network.paths[ring]
        own, passed = path[path >= 0], path[path < 0]
        firsts[ring] = min([*flat[own].tolist(), *network.nodes.firsts[~passed].tolist()])
    return firsts


def _with_nodes(network: Network) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return areas and sums of the branches with an equal part of what belongs to their nodes."""
    degrees = np.append(np.maximum(network.degrees, 1), 1)
    shares = [
        (np.append(of_nodes, 0) / degrees)[network.ends].sum(axis=1)
        for of_nodes in (network.nodes.areas_px, network.nodes.sums)
    ]
    return network.areas_px + shares[0], network.sums + shares[1]


def _nodes(
    network: Network,
    degrees: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    lines: Lines,
    node_ids: NDArray[np.int64],
    component: NDArray[np.int64],
    grid: Grid,
) -> CrackNodes:
    """Return the wanted nodes at ends of lines, and those of rings; they lie where the lines end."""
    count = network.nodes.rows.size
    numbers = np.where(lines.closed[:, None], count + np.arange(lines.closed.size)[:, None], network.ends)
    number, first = np.unique(numbers, return_index=True)
    chosen = np.append(wanted, np.ones(lines.closed.size, bool))[number]
    number, first = number[chosen], first[chosen]
    line, side = np.divmod(first, 2)
    vertex = np.where(side == 0, lines.starts[line], lines.starts[line + 1] - 1)
    degree = np.append(degrees, np.full(lines.closed.size, 2))[number]
    cut = np.append(network.nodes.cut, np.zeros(lines.closed.size, bool))[number]
    kinds = np.select([number >= count, degree >= 4, degree == 3, cut], ["O", "X", "Y", "E"], "I").astype(
        object
    )
    cols, rows = lines.cols[vertex], lines.rows[vertex]
    # Smoothing rounds: at a junction, the last bit of a line's end is not that of another's.
    shared = number[degree >= 3]
    cols[degree >= 3] = network.nodes.cols[shared].clip(0, grid.width)
    rows[degree >= 3] = network.nodes.rows[shared].clip(0, grid.height)
    x, y = _placed(cols, rows, grid)
    ids, components = node_ids[line, side], component[line]
    order = np.lexsort((ids, components))
    return CrackNodes(
        shapely.to_wkb(shapely.points(x, y))[order],
        ids[order],
        components[order],
        kinds[order],
        degree[order],
    )


def _placed(
    cols: NDArray[np.float64], rows: NDArray[np.float64], grid: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    affine = grid.affine
    return affine.a * cols + affine.b * rows + affine.c, affine.d * cols + affine.e * rows + affine.f


def _linestrings(lines: Lines, grid: Grid) -> NDArray[Any]:
    x, y = _placed(lines.cols, lines.rows, grid)
    wkb: NDArray[Any] = shapely.to_wkb(shapely.linestrings(x, y, indices=lines.line_of_vertex))
    return wkb


def _lengths_m(lines: Lines, grid: Grid) -> NDArray[np.float64]:
    """Return lengths from the steps' own differences: large coordinates would cost digits."""
    affine, right, down = grid.affine, np.diff(lines.cols), np.diff(lines.rows)
    x, y = affine.a * right + affine.b * down, affine.d * right + affine.e * down
    return segment_sums(lines, np.sqrt(x * x + y * y)) * grid.metres_per_unit


def _no_lines() -> CrackLines:
    none, numbers = np.zeros(0, object), np.zeros(0, np.int64)
    nodes = CrackNodes(none, numbers, numbers, none, numbers)
    zeros = np.zeros(0)
    profiles = Profiles(zeros, zeros, zeros, zeros)
    return CrackLines(none, zeros, zeros, zeros, profiles, numbers, np.zeros((0, 2), np.int64), nodes)
