"""Lines that a person drew, to the branches and nodes of a network (MEASUREMENT, sections 3 and 7).

A *branch* runs from node to node; a *node* is a tip (I), a junction of three (Y) or of four and more (X)
branches, an end at the border of what is assessed (E), or the only node of a ring (O). Hand-drawn lines
miss each other by a little: a *gap* or an *overshoot* up to the snap distance is closed by leading the other
line through the end. Nothing else moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

__all__ = ["Network", "clipped", "node_lines"]

_ROUNDING = 16 * np.finfo(np.float64).eps
"""Relative to the largest coordinate: how far a computed point may lie off its line."""


@dataclass(frozen=True)
class Network:
    """Branches and nodes.

    Attributes
    ----------
    branches : ndarray of shapely LineString, shape (B,)
        They touch in their ends only; a stretch drawn twice is there once.
    ends : ndarray of int64, shape (B, 2)
        Index of the node at either end.
    nodes : ndarray of shapely Point, shape (N,)
    degrees : ndarray of int64, shape (N,)
        How many ends meet there.
    kinds : ndarray of str, shape (N,)
        I, Y, X, E or O.
    cracks : ndarray of int64, shape (B,)
        Which connected crack each branch belongs to, from 0.
    """

    branches: NDArray[np.object_]
    ends: NDArray[np.int64]
    nodes: NDArray[np.object_]
    degrees: NDArray[np.int64]
    kinds: NDArray[np.object_]
    cracks: NDArray[np.int64]


def clipped(lines: NDArray[np.object_], ground: Any) -> NDArray[np.object_]:
    """Return the parts of lines inside a ground, each without its repeated points.

    Parameters
    ----------
    lines : ndarray of shapely (Multi)LineString
    ground : shapely (Multi)Polygon
        What is cut off ends on its border, or a rounding error inside.
    """
    parts = shapely.get_parts(shapely.get_parts(lines))
    shapely.prepare(ground)
    parts = parts[shapely.intersects(ground, parts)]
    whole = shapely.contains_properly(ground, parts)
    cut = shapely.get_parts(shapely.line_merge(shapely.intersection(ground, parts[~whole])))
    pieces = shapely.get_parts(np.concatenate([parts[whole], cut]))
    linear = shapely.get_type_id(pieces) == shapely.GeometryType.LINESTRING
    pieces = pieces[linear]
    tiny = _ROUNDING * max(float(np.abs(shapely.get_coordinates(pieces)).max(initial=0)), 1.0)
    pieces = shapely.remove_repeated_points(pieces[shapely.length(pieces) > 2 * tiny], 2 * tiny)
    return _pulled_in(pieces, ground, tiny)


def node_lines(lines: NDArray[np.object_], ground: Any, snap: float) -> Network:
    """Return the network of lines inside a ground.

    Parameters
    ----------
    lines : ndarray of shapely (Multi)LineString
        In any order and direction; crossing, touching, or drawn twice.
    ground : shapely (Multi)Polygon
        What is assessed. Lines are clipped to it, and an end within ``snap`` of its border is cut off
        there (E).
    snap : float
        Map units. Ends within it of each other are one; an end within it of another line lies on it; what
        still dangles and is not longer is no branch.

    Returns
    -------
    Network
    """
    branches = _joined(_snapped(clipped(lines, ground), snap))
    while True:
        ends, places, degrees = _ends_of(branches)
        dangling = (degrees[ends] == 1).any(axis=1) & (degrees[ends] > 2).any(axis=1)
        dangling &= shapely.length(branches) <= snap
        if not dangling.any():
            break
        branches = _joined(branches[~dangling])
    nodes = shapely.points(places)
    kinds = np.array([None, "I", "O", "Y", "X"], object)[np.minimum(degrees, 4)]
    kinds[(degrees == 1) & shapely.dwithin(nodes, shapely.boundary(ground), snap)] = "E"
    links = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (len(nodes), len(nodes)))
    crack_of_node = connected_components(links, directed=False)[1] if len(nodes) else np.zeros(0, np.int64)
    return Network(branches, ends, nodes, degrees, kinds, crack_of_node[ends[:, 0]].astype(np.int64))


def _pulled_in(lines: NDArray[np.object_], ground: Any, step: float) -> NDArray[np.object_]:
    """Return lines whose ends lie on the ground, where rounding put them beside it."""
    coordinates = [shapely.get_coordinates(line) for line in lines]
    for xy in coordinates:
        for end, before in ((0, 1), (-1, -2)):
            back = xy[before] - xy[end]
            length = np.hypot(*back)
            tried, share = xy[end].copy(), step / length
            while share < 1 and not shapely.covers(ground, shapely.Point(tried)):
                tried, share = xy[end] + share * back, 2 * share
            xy[end] = tried
    return np.array([shapely.LineString(xy) for xy in coordinates], dtype=object)


def _snapped(lines: NDArray[np.object_], snap: float) -> NDArray[np.object_]:
    """Return lines of which each passes exactly through the ends that lie within the snap distance."""
    if len(lines) == 0 or snap == 0:
        return lines
    coordinates = [shapely.get_coordinates(line) for line in lines]
    _merge_ends(coordinates, snap)
    _move_ends_to_vertices(coordinates, snap)
    return _led_through_ends(coordinates, snap)


def _ends(coordinates: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.array([xy[at] for xy in coordinates for at in (0, -1)])


def _put_ends(coordinates: list[NDArray[np.float64]], ends: NDArray[np.float64]) -> None:
    for number, xy in enumerate(coordinates):
        if len(xy) > 2 or (ends[2 * number] != ends[2 * number + 1]).any():
            xy[0], xy[-1] = ends[2 * number], ends[2 * number + 1]


def _merge_ends(coordinates: list[NDArray[np.float64]], snap: float) -> None:
    ends = _ends(coordinates)
    pairs = cKDTree(ends).query_pairs(snap, output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(ends), len(ends)))
    _, group = connected_components(links, directed=False)
    _, first = np.unique(group, return_index=True)
    _put_ends(coordinates, ends[first][group])


def _move_ends_to_vertices(coordinates: list[NDArray[np.float64]], snap: float) -> None:
    """Move ends that lie beside an inner vertex of another line onto it."""
    inner = [xy[1:-1] for xy in coordinates]
    owner = np.repeat(np.arange(len(inner)), [len(xy) for xy in inner])
    if len(owner) == 0:
        return
    vertices = np.concatenate(inner)
    ends = _ends(coordinates)
    distance, nearest = cKDTree(vertices).query(ends, distance_upper_bound=snap)
    near = np.flatnonzero(np.isfinite(distance))
    near = near[owner[nearest[near]] != near // 2]
    moved = ends.copy()
    moved[near] = vertices[nearest[near]]
    # All ends of a place move together.
    _, place = np.unique(ends, axis=0, return_inverse=True)
    where = np.full(place.max() + 1, -1)
    where[place[near[::-1]]] = near[::-1]
    follows = where[place]
    moved = np.where((follows >= 0)[:, None], moved[np.maximum(follows, 0)], ends)
    _put_ends(coordinates, moved)


def _led_through_ends(coordinates: list[NDArray[np.float64]], snap: float) -> NDArray[np.object_]:
    counts = np.array([len(xy) - 1 for xy in coordinates])
    firsts = np.concatenate([[0], np.cumsum(counts)])
    line_of = np.repeat(np.arange(len(coordinates)), counts)
    starts = np.concatenate([xy[:-1] for xy in coordinates])
    stops = np.concatenate([xy[1:] for xy in coordinates])
    segments = shapely.linestrings(np.stack([starts, stops], axis=1))
    ends = np.unique(_ends(coordinates), axis=0)
    point, segment = shapely.STRtree(segments).query(shapely.points(ends), "dwithin", distance=snap)
    at_vertex = (ends[point] == starts[segment]).all(axis=1) | (ends[point] == stops[segment]).all(axis=1)
    has_vertex = set(zip(point[at_vertex].tolist(), line_of[segment[at_vertex]].tolist(), strict=True))
    best: dict[tuple[int, int], tuple[float, int, float]] = {}
    for p, s in zip(point[~at_vertex].tolist(), segment[~at_vertex].tolist(), strict=True):
        key = (p, int(line_of[s]))
        if key in has_vertex:
            continue
        along, aside = _foot(ends[p], starts[s], stops[s])
        if key not in best or aside < best[key][0]:
            best[key] = (aside, s, along)
    inserted: dict[int, list[tuple[int, float, int]]] = {}
    for (p, line), (_, s, along) in best.items():
        inserted.setdefault(line, []).append((int(s - firsts[line]), along, p))
    made = []
    for number, xy in enumerate(coordinates):
        for at, _, p in sorted(inserted.get(number, ()), reverse=True):
            xy = np.insert(xy, at + 1, ends[p], axis=0)
        made.append(shapely.LineString(xy))
    return np.array(made, dtype=object)


def _foot(
    point: NDArray[np.float64], start: NDArray[np.float64], stop: NDArray[np.float64]
) -> tuple[float, float]:
    """Return how far along a segment (0-1) a point lies, and how far aside."""
    step = stop - start
    along = float(np.clip((point - start) @ step / max(step @ step, np.finfo(np.float64).tiny), 0, 1))
    return along, float(np.hypot(*(start + along * step - point)))


def _joined(lines: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return the branches of lines: noded, each stretch once, joined where just two of them meet."""
    if len(lines) == 0:
        return np.zeros(0, dtype=object)
    parts: NDArray[np.object_] = shapely.get_parts(shapely.line_merge(shapely.union_all(lines)))
    linear: NDArray[np.object_] = parts[shapely.get_type_id(parts) == shapely.GeometryType.LINESTRING]
    return linear


def _ends_of(
    branches: NDArray[np.object_],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the node of either end per branch, the nodes' places, and how many ends meet there."""
    if len(branches) == 0:
        return np.zeros((0, 2), np.int64), np.zeros((0, 2)), np.zeros(0, np.int64)
    places = shapely.get_coordinates(
        np.column_stack([shapely.get_point(branches, 0), shapely.get_point(branches, -1)]).ravel()
    )
    nodes, node_of = np.unique(places, axis=0, return_inverse=True)
    degrees = np.bincount(node_of.ravel(), minlength=len(nodes))
    return node_of.reshape(-1, 2).astype(np.int64), nodes, degrees.astype(np.int64)
