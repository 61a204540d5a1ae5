"""Gaps between crack ends that continue each other, bridged where the user asks for it (MEASUREMENT, 1.4).

A bridge is a straight line from one tip to another that lie at most so far apart, where both cracks run on
without turning by more than an angle and, on a probability raster, the mean probability along the gap is high
enough. It crosses neither paint loss nor nodata, and every tip has one bridge at most, the shortest first. A
bridge is no crack: it is marked, and no length, width or node counts it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from segmentation_core.raster.grid import Grid, Window
from segmentation_core.raster.probability import PROBABILITY_SCALE
from segmentation_core.vectors.array_source import ArraySource
from segmentation_core.vectors.class_source import ClassReader
from segmentation_core.vectors.features import Features, Place, feature_uids
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["Bridges"]

_DIRECTION_PX = 10.0
_STEP_PX = 0.5


@dataclass(frozen=True)
class _Tips:
    """Tips of cracks, in px; (right, down) is the direction in which the crack would go on."""

    cols: NDArray[np.float64]
    rows: NDArray[np.float64]
    right: NDArray[np.float64]
    down: NDArray[np.float64]
    nodes: NDArray[np.int64]
    components: NDArray[np.int64]


class Bridges:
    """Collects the tips of all cracks, and bridges gaps between them at the end.

    Memory: 48 bytes per tip.

    Parameters
    ----------
    place : Place
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._tips: list[_Tips] = []
        self._renamed: dict[int, int] = {}

    def add(self, features: Features) -> None:
        """Take the tips of finished cracks, and the final names of their components."""
        self._renamed.update(features.renamed)
        if "crack_line" not in features.layers:
            return
        lines, nodes = features.layers["crack_line"], features.layers["crack_node"]
        free = nodes["node_id"][nodes["kind"] == "I"]
        for name, sign in (("node_a", 1.0), ("node_b", -1.0)):
            at = np.flatnonzero(np.isin(lines[name], free))
            if at.size:
                courses = _in_pixels(shapely.from_wkb(lines["geometry"][at]), self._place.grid)
                tip = shapely.get_coordinates(shapely.get_point(courses, 0 if sign > 0 else -1))
                back = np.minimum(_DIRECTION_PX, shapely.length(courses))
                inner = shapely.get_coordinates(shapely.line_interpolate_point(courses, sign * back))
                step = tip - inner
                step /= np.maximum(np.hypot(*step.T), 1e-9)[:, None]
                self._tips.append(
                    _Tips(tip[:, 0], tip[:, 1], step[:, 0], step[:, 1], lines[name][at], lines["comp_id"][at])
                )

    def features(self, reader: ClassReader | ArraySource) -> Features:
        """Return the bridges, as rows of the layer of crack lines."""
        tips = _together(self._tips)
        named = [self._renamed.get(component, component) for component in tips.components.tolist()]
        tips = replace(tips, components=np.array(named, np.int64))
        chosen: list[tuple[int, int]] = []
        confidence: list[float] = []
        taken: set[int] = set()
        for a, b in _candidates(tips, self._place).tolist():
            if a in taken or b in taken:
                continue
            probability = self._along(tips, a, b, reader)
            if probability is not None:
                taken |= {a, b}
                chosen.append((a, b))
                confidence.append(probability)
        return self._rows(tips, np.array(chosen, np.int64).reshape(-1, 2), np.array(confidence))

    def _along(self, tips: _Tips, a: int, b: int, reader: ClassReader | ArraySource) -> float | None:
        """Return the mean probability along a bridge (NaN without one); None where it must not be."""
        vocabulary = load_vocabulary()
        count = max(
            math.ceil(math.hypot(tips.cols[b] - tips.cols[a], tips.rows[b] - tips.rows[a]) / _STEP_PX), 1
        )
        share = (np.arange(count) + 0.5) / count
        cols = np.floor(tips.cols[a] + share * (tips.cols[b] - tips.cols[a])).astype(np.int64)
        rows = np.floor(tips.rows[a] + share * (tips.rows[b] - tips.rows[a])).astype(np.int64)
        top, left = int(rows.min()), int(cols.min())
        seen = reader.read(Window(top, left, int(rows.max()) - top + 1, int(cols.max()) - left + 1))
        classes = seen.classes[rows - top, cols - left]
        if np.isin(classes, [vocabulary.polygon_class.value, vocabulary.nodata_value]).any():
            return None
        if not self._place.has_probabilities:
            return math.nan
        found = seen.probabilities[vocabulary.line_class.code][rows - top, cols - left]
        mean = float(found.mean()) / PROBABILITY_SCALE
        return mean if mean >= self._place.settings.bridge_probability else None

    def _rows(self, tips: _Tips, pairs: NDArray[np.int64], confidence: NDArray[np.float64]) -> Features:
        grid, count = self._place.grid, len(pairs)
        affine = grid.affine
        cols, rows = tips.cols[pairs], tips.rows[pairs]
        x, y = affine.a * cols + affine.b * rows + affine.c, affine.d * cols + affine.e * rows + affine.f
        lines = shapely.linestrings(np.stack([x, y], axis=-1))
        wkb = np.asarray(shapely.to_wkb(lines), object).reshape(-1)
        lengths_m = np.asarray(shapely.length(lines)).reshape(-1) * grid.metres_per_unit
        unknown = np.full(count, np.nan)
        first = np.minimum(tips.components[pairs[:, 0]], tips.components[pairs[:, 1]])
        layer = {
            "geometry": wkb,
            "uid": feature_uids("crack_line", wkb),
            "class_cd": np.full(count, load_vocabulary().line_class.code, object),
            "len_m": lengths_m,
            **dict.fromkeys(("wid_m", "wid50_m", "wid95_m", "widp_m"), unknown),
            "conf": confidence.reshape(-1),
            "comp_id": first,
            "node_a": tips.nodes[pairs[:, 0]],
            "node_b": tips.nodes[pairs[:, 1]],
            "at_limit": np.zeros(count, np.int32),
            "bridged": np.ones(count, np.int32),
        }
        return Features({"crack_line": layer}, {"bridge_count": count, "bridged_m": float(lengths_m.sum())})


def _in_pixels(lines: NDArray[Any], grid: Grid) -> NDArray[Any]:
    inverse = ~grid.affine
    return np.asarray(
        shapely.transform(
            lines,
            lambda at: np.column_stack(
                [
                    inverse.a * at[:, 0] + inverse.b * at[:, 1] + inverse.c,
                    inverse.d * at[:, 0] + inverse.e * at[:, 1] + inverse.f,
                ]
            ),
        )
    )


def _together(parts: list[_Tips]) -> _Tips:
    """Return all tips, ordered by their node, whatever the order in which cracks were finished."""
    if not parts:
        none, nothing = np.zeros(0), np.zeros(0, np.int64)
        return _Tips(none, none, none, none, nothing, nothing)
    whole = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(_Tips)}
    order = np.argsort(whole["nodes"], kind="stable")
    return _Tips(**{name: values[order] for name, values in whole.items()})


def _candidates(tips: _Tips, place: Place) -> NDArray[np.int64]:
    """Return the pairs of tips that are near and continue each other, the nearest first."""
    settings = place.settings
    at = np.column_stack([tips.cols, tips.rows])
    if len(at) < 2:
        return np.zeros((0, 2), np.int64)
    pairs = np.sort(cKDTree(at).query_pairs(settings.bridge_gap_px, output_type="ndarray"), axis=1)
    step = at[pairs[:, 1]] - at[pairs[:, 0]]
    distance = np.hypot(*step.T)
    unit = step / np.maximum(distance, 1e-9)[:, None]
    out = np.column_stack([tips.right, tips.down])
    least = math.cos(math.radians(settings.bridge_turn_deg))
    goes_on = (out[pairs[:, 0]] * unit).sum(axis=1) >= least
    goes_on &= (out[pairs[:, 1]] * -unit).sum(axis=1) >= least
    pairs, distance = pairs[goes_on], distance[goes_on]
    chosen: NDArray[np.int64] = pairs[np.lexsort((pairs[:, 1], pairs[:, 0], distance))].astype(np.int64)
    return chosen
