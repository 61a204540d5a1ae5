"""The mapping from pixels of B to pixels of A: an affine, bent by a thin plate where that fits better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation_core.change.displacement import AxisFit, fit_axis, plane_terms, plate_terms
from segmentation_core.change.tie_points import TiePoints

__all__ = ["FittedWarp", "Warp", "fit_warp"]

Points = NDArray[np.float64]

_LEAST_POINTS = 8
_OUTLIER = 3.5
_LEAST_OUTLIER_PX = 0.2
_MAD_TO_SIGMA = 1.4826
_REJECTION_ROUNDS = 6
_INVERSE_STEPS = 30
_INVERSE_ACCURACY_PX = 1e-7
_CHUNK = 20_000


@dataclass(frozen=True, eq=False)
class Warp:
    """Pixels of B to pixels of A.

    Attributes
    ----------
    affine : ndarray of float64, shape (2, 3)
        x, y of A from x, y, 1 of B.
    knots_px : ndarray of float64, shape (N, 2)
        Points of B at which the thin plate is held; none for a plain affine.
    unit_px : float
        Length that is 1 in the plate's r^2 log r.
    weights_px : ndarray of float64, shape (N, 2)
        Weight of each knot in x and y.
    """

    affine: Points
    knots_px: Points
    unit_px: float
    weights_px: Points

    @property
    def is_affine(self) -> bool:
        """Whether nothing is bent."""
        return not len(self.knots_px)

    def to_a(self, points_b: Points) -> Points:
        """Map pixel coordinates of B, (N, 2), to A."""
        points = np.asarray(points_b, np.float64).reshape(-1, 2)
        mapped: Points = points @ self.affine[:, :2].T + self.affine[:, 2]
        if not self.is_affine:
            for start in range(0, len(points), _CHUNK):
                part = slice(start, start + _CHUNK)
                terms = plate_terms(points[part] / self.unit_px, self.knots_px / self.unit_px)
                mapped[part] += terms @ self.weights_px
        return mapped

    def to_b(self, points_a: Points) -> Points:
        """Map pixel coordinates of A, (N, 2), to B: the inverse, found step by step where it is bent."""
        points = np.asarray(points_a, np.float64).reshape(-1, 2)
        back = np.linalg.inv(self.affine[:, :2])
        mapped: Points = (points - self.affine[:, 2]) @ back.T
        if self.is_affine:
            return mapped
        for _ in range(_INVERSE_STEPS):
            step = (points - self.to_a(mapped)) @ back.T
            mapped = mapped + step
            if not step.size or np.abs(step).max() < _INVERSE_ACCURACY_PX:
                break
        return mapped

    def record(self) -> dict[str, Any]:
        """Return a JSON-able dict from which `from_record` makes it again."""
        return {
            "affine": self.affine.tolist(),
            "knots_px": self.knots_px.tolist(),
            "unit_px": self.unit_px,
            "weights_px": self.weights_px.tolist(),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Warp:
        """Make it again."""
        return cls(
            np.array(record["affine"], np.float64),
            np.array(record["knots_px"], np.float64).reshape(-1, 2),
            float(record["unit_px"]),
            np.array(record["weights_px"], np.float64).reshape(-1, 2),
        )

    @classmethod
    def plain(cls, affine: Points) -> Warp:
        """Return one that bends nothing."""
        return cls(np.asarray(affine, np.float64), np.empty((0, 2)), 1.0, np.empty((0, 2)))


@dataclass(frozen=True, eq=False)
class FittedWarp:
    """A warp and how sure it is.

    Attributes
    ----------
    warp : Warp
    tie_points : TiePoints
        Those it rests on; outliers are gone.
    left_out_px : ndarray of float64, shape (N, 2)
        Residual of each in A, x and y, from the fit to all others.
    axes : pair of AxisFit
        x and y, in normalised coordinates.
    middle_px : ndarray of float64, shape (2,)
        Origin of these in B; their unit is the warp's ``unit_px``.
    """

    warp: Warp
    tie_points: TiePoints
    left_out_px: Points
    axes: tuple[AxisFit, AxisFit]
    middle_px: Points

    def nearest_affine(self) -> Points:
        """Return the affine nearest to the warp over its tie points, (2, 3): what it does on the whole."""
        b = self.tie_points.b_px
        nearest: Points = np.linalg.lstsq(
            np.column_stack((b, np.ones(len(b)))), self.warp.to_a(b), rcond=None
        )[0].T
        return nearest

    def variance_at(self, points_b: Points) -> Points:
        """Return the variance of the fit in x and y at points of B, (N, 2), px^2."""
        where = (points_b - self.middle_px) / self.warp.unit_px
        return np.column_stack([axis.variance_at(where) for axis in self.axes])


def fit_warp(found: TiePoints) -> FittedWarp | None:
    """Fit the mapping, leaving out pairs that the others contradict, until all agree.

    Returns
    -------
    FittedWarp or None
        None where fewer than eight pairs are left.
    """
    kept = found
    for _ in range(_REJECTION_ROUNDS):
        if len(kept) < _LEAST_POINTS:
            return None
        fitted = _fit(kept)
        agree: NDArray[np.bool_] = np.ones(len(kept), np.bool_)
        for axis in fitted.axes:
            sizes = np.abs(axis.left_out)
            standard = sizes / axis.expected
            spread = _MAD_TO_SIGMA * np.median(standard)
            agree &= (standard <= _OUTLIER * spread) | (sizes <= _LEAST_OUTLIER_PX)
        if agree.all():
            return fitted
        kept = kept.chosen(agree)
    return _fit(kept) if len(kept) >= _LEAST_POINTS else None


def _fit(pairs: TiePoints) -> FittedWarp:
    b, a = pairs.b_px, pairs.a_px
    middle = (b.min(axis=0) + b.max(axis=0)) / 2
    unit = float(max(np.ptp(b, axis=0).max() / 2, 1.0))
    normalised = (b - middle) / unit
    rough = np.linalg.lstsq(plane_terms(normalised), a, rcond=None)[0]
    rest = a - plane_terms(normalised) @ rough
    axes = (
        fit_axis(normalised, rest[:, 0], pairs.sigma_px[:, 0]),
        fit_axis(normalised, rest[:, 1], pairs.sigma_px[:, 1]),
    )
    planes = rough + np.column_stack([axis.plane for axis in axes])
    slope = planes[1:].T / unit
    affine = np.column_stack((slope, planes[0] - slope @ middle))
    if all(axis.plate is None for axis in axes):
        warp = Warp(affine, np.empty((0, 2)), unit, np.empty((0, 2)))
    else:
        none = np.zeros(len(b))
        weights = np.column_stack([none if axis.plate is None else axis.plate for axis in axes])
        warp = Warp(affine, b, unit, weights)
    return FittedWarp(warp, pairs, np.column_stack([axis.left_out for axis in axes]), axes, middle)
