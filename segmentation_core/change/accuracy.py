"""How far a mapping may be off, over the whole pair and place by place, and how much of A it covers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial.distance import cdist

from segmentation_core.change.global_match import Overview
from segmentation_core.change.warp import FittedWarp, Warp

__all__ = ["SigmaMap", "covered_share", "pair_sigma", "sigma_map"]

Points = NDArray[np.float64]
Size = tuple[int, int]

_NODES_LONG_SIDE = 24
_NEIGHBOURS = 8.0
"""A place's own residuals count as much as the whole pair's where about this many tie points are near."""


@dataclass(frozen=True, eq=False)
class SigmaMap:
    """Standard error of the mapping over A.

    Attributes
    ----------
    x_nodes_px, y_nodes_px : ndarray of float64
        Pixel coordinates of A at which it is given.
    sigma_px : ndarray of float64, shape (rows, cols, 2)
        In x and y.
    """

    x_nodes_px: Points
    y_nodes_px: Points
    sigma_px: Points

    def at(self, points_a: Points) -> Points:
        """Return the standard error in x and y at points of A, (N, 2), px; beyond the map its border's."""
        points = np.asarray(points_a, np.float64).reshape(-1, 2)
        place = np.stack([_position(points[:, 1], self.y_nodes_px), _position(points[:, 0], self.x_nodes_px)])
        return np.column_stack(
            [map_coordinates(self.sigma_px[..., k], place, order=1, mode="nearest") for k in (0, 1)]
        )

    def record(self) -> dict[str, Any]:
        """Return a JSON-able dict from which `from_record` makes it again."""
        return {
            "x_nodes_px": self.x_nodes_px.tolist(),
            "y_nodes_px": self.y_nodes_px.tolist(),
            "sigma_px": self.sigma_px.tolist(),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> SigmaMap:
        """Make it again."""
        return cls(*(np.array(record[key], np.float64) for key in ("x_nodes_px", "y_nodes_px", "sigma_px")))


def pair_sigma(fitted: FittedWarp, size_a: Size, size_b: Size) -> tuple[float, float]:
    """Return the standard error in x and y, px: root mean square over what both pictures show.

    Parameters
    ----------
    fitted : FittedWarp
    size_a, size_b : (height, width)
        Of the pictures, px.
    """
    ticks = (np.arange(_NODES_LONG_SIDE) + 0.5) / _NODES_LONG_SIDE
    on_b = np.stack(np.meshgrid(ticks * size_b[1], ticks * size_b[0]), axis=-1).reshape(-1, 2)
    on_a = fitted.warp.to_a(on_b)
    shared = ((on_a >= 0) & (on_a < (size_a[1], size_a[0]))).all(axis=1)
    sigma_x, sigma_y = np.sqrt(_variance(fitted, on_a[shared]).mean(axis=0))
    return float(sigma_x), float(sigma_y)


def sigma_map(fitted: FittedWarp, size_a: Size) -> SigmaMap:
    """Return the standard error place by place, over all of A; for the parameters see `pair_sigma`."""
    height, width = size_a
    spacing = max(height, width) / _NODES_LONG_SIDE
    y_nodes = np.linspace(0, height, max(2, round(height / spacing) + 1))
    x_nodes = np.linspace(0, width, max(2, round(width / spacing) + 1))
    nodes = np.stack(np.meshgrid(x_nodes, y_nodes), axis=-1).reshape(-1, 2)
    variance = _variance(fitted, nodes)
    return SigmaMap(x_nodes, y_nodes, np.sqrt(variance).reshape(len(y_nodes), len(x_nodes), 2))


def _variance(fitted: FittedWarp, points_a: Points) -> Points:
    """Return the variance of the mapping in x and y at points of A, px^2.

    The leave-one-out residuals of the tie points around, drawn towards those of the whole pair where there
    are few, and the variance of the fit itself, which grows away from tie points. The former hold the scatter
    of single windows too, so that the sum is rather too large than too small.
    """
    squares = fitted.left_out_px**2
    places = fitted.tie_points.a_px
    area = float(np.prod(np.maximum(np.ptp(places, axis=0), 1.0)))
    reach = math.sqrt(area * _NEIGHBOURS / (2 * math.pi * len(places)))
    near = np.exp(-0.5 * cdist(points_a, places, "sqeuclidean") / reach**2)
    local = (near @ squares + _NEIGHBOURS * squares.mean(axis=0)) / (
        near.sum(axis=1, keepdims=True) + _NEIGHBOURS
    )
    return np.asarray(local + fitted.variance_at(fitted.warp.to_b(points_a)))


def covered_share(overview_a: Overview, overview_b: Overview, warp: Warp) -> float:
    """Return the share of A's valid pixels that valid pixels of B cover.

    It is counted on every fourth pixel of the overviews, in rows and in columns.
    """
    valid_a, valid_b = (o.picture.patch.valid for o in (overview_a, overview_b))
    rows, cols = np.nonzero(valid_a[::4, ::4])
    points = np.column_stack((cols, rows)) * 4.0 + 0.5
    place = np.floor(warp.to_b(points * overview_a.scale) / overview_b.scale).astype(int)
    inside = ((place >= 0) & (place < (valid_b.shape[1], valid_b.shape[0]))).all(axis=1)
    seen = valid_b[place[inside, 1], place[inside, 0]]
    return float(seen.sum() / len(points)) if len(points) else 0.0


def _position(values: Points, nodes: Points) -> Points:
    position: Points = (values - nodes[0]) / (nodes[1] - nodes[0])
    return position
