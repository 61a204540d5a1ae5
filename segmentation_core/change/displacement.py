"""One axis of the mapping between two pictures, fitted to tie points: a plane, or a plane and a thin plate.

The thin plate is the smoothing spline of Wahba (1990, Spline Models for Observational Data), which is also
kriging with the generalised covariance r^2 log r; its stiffness is the one whose leave-one-out residuals are
least, with the plane itself (infinitely stiff) among the candidates. Both leave-one-out residuals and the
expected error anywhere come from the same matrices, without fitting again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

__all__ = ["AxisFit", "fit_axis", "plane_terms", "plate_terms"]

Points = NDArray[np.float64]
Values = NDArray[np.float64]

_STIFFNESSES = np.logspace(-7, 1, 33)
_CLEAR_GAIN = 0.75
"""The plate must bring the leave-one-out residuals (rms) below this share of the plane's."""
_LEAST_POINTS_PLATE = 30
_TRIMMED = 0.05


@dataclass(frozen=True, eq=False)
class AxisFit:
    """A fitted axis, in the normalised coordinates of the points.

    Attributes
    ----------
    plane : ndarray of float64, shape (3,)
        Constant, x and y.
    plate : ndarray of float64, shape (N,), or None
        Weight of each point's r^2 log r.
    left_out : ndarray of float64, shape (N,)
        Residual of each point from the fit to all others.
    expected : ndarray of float64, shape (N,)
        Standard deviation that each of these should have, up to a common factor: greater at the border, where
        the others have to be extrapolated.
    variance_at : callable
        Points (M, 2) to the variance of the fit there, (M,).
    """

    plane: Values
    plate: Values | None
    left_out: Values
    expected: Values
    variance_at: Callable[[Points], Values]


@dataclass(frozen=True, eq=False)
class _Reduced:
    """The problem without its planes: eigenvalues, and what turns data into coefficients."""

    scale: Values
    eigenvalues: Values
    to_points: Values
    data: Values


def fit_axis(points: Points, values: Values, sigma: Values) -> AxisFit:
    """Fit one axis.

    Parameters
    ----------
    points : ndarray of float64, shape (N, 2)
        Within about -1 to 1; four or more, not in one line.
    values : ndarray of float64, shape (N,)
        Pixels.
    sigma : ndarray of float64, shape (N,)
        Expected error of each value, up to a common factor.
    """
    planes = plane_terms(points)
    kernel = plate_terms(points, points)
    reduced, orthogonal, upper = _reduce(kernel, planes, values, sigma)
    plane_left_out, plane_expected, plane_loss = _left_out(reduced, None)
    if len(points) >= _LEAST_POINTS_PLATE:
        largest = float(np.abs(reduced.eigenvalues).max())
        losses = [_left_out(reduced, s * largest)[2] for s in _STIFFNESSES]
        best = int(np.argmin(losses))
        if losses[best] < _CLEAR_GAIN**2 * plane_loss:
            return _plate(points, values, sigma, reduced, float(_STIFFNESSES[best]) * largest)
    coefficients: Values = np.linalg.solve(upper, orthogonal.T @ (values / sigma))
    spread = float(np.mean((plane_left_out / sigma) ** 2))
    inverse = np.linalg.inv(upper)
    covariance = spread * inverse @ inverse.T

    def variance_at(where: Points) -> Values:
        terms = plane_terms(where)
        variance: Values = np.einsum("ij,jk,ik->i", terms, covariance, terms)
        return variance

    return AxisFit(coefficients, None, plane_left_out, plane_expected, variance_at)


def plane_terms(points: Points) -> Values:
    """Return 1, x, y for each point, (N, 3)."""
    return np.column_stack((np.ones(len(points)), points))


def plate_terms(points: Points, knots: Points) -> Values:
    """Return r^2 log r between each point and each knot, (N, M)."""
    squared = cdist(points, knots, "sqeuclidean")
    terms: Values = 0.5 * squared * np.log(np.maximum(squared, 1e-300))
    return terms


def _reduce(kernel: Values, planes: Values, values: Values, sigma: Values) -> tuple[_Reduced, Values, Values]:
    scale = 1 / sigma
    q, r = np.linalg.qr(planes * scale[:, None], mode="complete")
    free = q[:, 3:]
    eigenvalues, vectors = np.linalg.eigh(free.T @ (kernel * scale[:, None] * scale) @ free)
    to_points = free @ vectors
    reduced = _Reduced(scale, np.maximum(eigenvalues, 0), to_points, to_points.T @ (values * scale))
    return reduced, q[:, :3], r[:3]


def _left_out(reduced: _Reduced, stiffness: float | None) -> tuple[Values, Values, float]:
    """Return leave-one-out residuals, their expected spread, and their trimmed mean square in sigmas."""
    if stiffness is None:
        softness = np.ones_like(reduced.eigenvalues)
    else:
        softness = 1 / (reduced.eigenvalues + stiffness)
    certainty = (reduced.to_points**2) @ softness
    residuals = reduced.to_points @ (reduced.data * softness) / certainty
    squares = np.sort(residuals**2)
    kept = squares[: max(1, round(len(squares) * (1 - _TRIMMED)))]
    expected: Values = 1 / (np.sqrt(certainty) * reduced.scale)
    return residuals / reduced.scale, expected, float(kept.mean())


def _plate(points: Points, values: Values, sigma: Values, reduced: _Reduced, stiffness: float) -> AxisFit:
    softness = 1 / (reduced.eigenvalues + stiffness)
    weights = reduced.to_points @ (reduced.data * softness)
    spread = float(np.mean(weights**2 / ((reduced.to_points**2) @ softness)))
    n = len(points)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = plate_terms(points, points) + np.diag(stiffness * sigma**2)
    system[:n, n:] = plane_terms(points)
    system[n:, :n] = system[:n, n:].T
    inverse: Values = np.asarray(np.linalg.inv(system), np.float64)
    solution: Values = inverse @ np.concatenate((values, np.zeros(3)))

    def variance_at(where: Points) -> Values:
        terms = np.hstack((plate_terms(where, points), plane_terms(where)))
        variance: Values = np.maximum(-spread * np.einsum("ij,jk,ik->i", terms, inverse, terms), 0)
        return variance

    left_out, expected, _ = _left_out(reduced, stiffness)
    return AxisFit(solution[n:], solution[:n], left_out, expected, variance_at)
