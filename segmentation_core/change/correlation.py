"""How far two windows of paint are shifted against each other, to a few hundredths of a pixel.

Plain cross-correlation of high-passed windows under a Hann taper; whitening the spectrum (phase correlation)
is several times worse on paint (MEASUREMENT section 4.1). The peak is found on the correlation's exact
trigonometric interpolation by Newton's method, which has no grid of upsampled steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2
from scipy.ndimage import uniform_filter

__all__ = ["Shift", "flattened", "shift_between"]

FloatArray = NDArray[np.float32]

_HIGH_PASS_SIDE_PX = 20
_NOISE_LEVELS = 2.0
_LEAST_TEXTURE_LEVELS = 1.2
_SECOND_PEAK_FROM_PX = 6.0
_NEWTON_STEPS = 6
_NEWTON_ACCURACY_PX = 1e-3
_NEWTON_REACH_PX = 1.0
_NOISE_CORRELATION = 4.0
"""Pixels that share one independent value of the difference between two photographs, about."""


@dataclass(frozen=True)
class Shift:
    """Where a window of B is found in A.

    Attributes
    ----------
    x_px, y_px : float
        What stands at p in B's window stands at p + (x_px, y_px) in A's.
    centre_px : (float, float)
        x, y in the window of what the shift was measured on: its texture's centre of gravity.
    correlation : float
        Normalised, at the peak: 0 to 1.
    rival : float
        Height of the next peak, as a share of this one: near 1 on ornament that repeats.
    sigma_px : (float, float)
        Expected error in x and y, from the texture and from what the windows do not share.
    """

    x_px: float
    y_px: float
    centre_px: tuple[float, float]
    correlation: float
    rival: float
    sigma_px: tuple[float, float]


def flattened(grey: FloatArray, weight: FloatArray) -> FloatArray | None:
    """Return the texture of a window: high-passed, and evened out in contrast.

    Parameters
    ----------
    grey : ndarray of float32, shape (h, w)
        Brightness.
    weight : ndarray of float32, shape (h, w)
        0 to 1; what has 0 is not looked at.

    Returns
    -------
    ndarray of float32, shape (h, w), or None
        Times the weight; None where there is too little texture for anything to be found.
    """
    share = np.maximum(_blurred(weight), np.float32(1e-3))
    detail = (grey - _blurred(grey * weight) / share) * weight
    power = _blurred(detail * detail) / share
    total = float(weight.sum())
    if total == 0 or float((detail * detail).sum()) < total * _LEAST_TEXTURE_LEVELS**2:
        return None
    # A gilded edge that catches the light would outweigh all the paint around it.
    even: FloatArray = detail / (np.sqrt(np.maximum(power, 0)) + np.float32(_NOISE_LEVELS))
    return even


def shift_between(a: FloatArray, b: FloatArray, reach_px: float) -> Shift | None:
    """Return the shift from B's texture to A's.

    Parameters
    ----------
    a, b : ndarray of float32, shape (n, m)
        From `flattened`.
    reach_px : float
        The greatest shift that is looked for along either axis; less than half the window.

    Returns
    -------
    Shift or None
        None where no peak stands out.
    """
    taper = _taper(a.shape)
    a, b = a * taper, b * taper
    energy_a, energy_b = float((a * a).sum()), float((b * b).sum())
    if energy_a == 0 or energy_b == 0:
        return None
    spectrum = rfft2(a) * np.conj(rfft2(b))
    surface = irfft2(spectrum, s=a.shape)
    row, col, rival = _peak(surface, int(reach_px))
    found = _refined(spectrum, a.shape, float(row), float(col))
    if found is None:
        return None
    y, x, height, curvature = found
    correlation = height / np.sqrt(energy_a * energy_b)
    sigma = _expected_error(curvature, height, energy_b, correlation, a.size)
    if sigma is None:
        return None
    return Shift(x, y, _centre(a * a + b * b), float(correlation), rival, sigma)


def _blurred(values: FloatArray) -> FloatArray:
    """Average over about a Gaussian of 8 px: two running means take a fifth of its time."""
    once = uniform_filter(values, _HIGH_PASS_SIDE_PX)
    blurred: FloatArray = uniform_filter(once, _HIGH_PASS_SIDE_PX)
    return blurred


@cache
def _taper(shape: tuple[int, int]) -> FloatArray:
    rows, cols = (np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in shape)
    return np.asarray(rows[:, None] * cols[None, :], np.float32)


def _peak(surface: FloatArray, reach: int) -> tuple[int, int, float]:
    """Return the greatest value's row and column shift within reach, and the share of its next rival."""
    steps = np.arange(-reach, reach + 1)
    near = surface[np.ix_(steps, steps)]
    row, col = np.unravel_index(int(np.argmax(near)), near.shape)
    top = float(near[row, col])
    away = np.hypot(steps[:, None] - steps[row], steps[None, :] - steps[col]) > _SECOND_PEAK_FROM_PX
    rival = float(near[away].max(initial=0.0)) / top if top > 0 else 1.0
    return int(steps[row]), int(steps[col]), rival


def _refined(
    spectrum: NDArray[np.complex64], shape: tuple[int, int], row: float, col: float
) -> tuple[float, float, float, NDArray[np.float64]] | None:
    """Climb to the top of the interpolated correlation; return y, x, its height and minus its Hessian."""
    n, m = shape
    wy = 2 * np.pi * np.fft.fftfreq(n)
    wx = 2 * np.pi * np.arange(spectrum.shape[1]) / m
    twice = np.full(len(wx), 2.0)
    twice[0] = 1.0
    if m % 2 == 0:
        twice[-1] = 1.0
    y, x = row, col
    for _ in range(_NEWTON_STEPS):
        turn_x = twice * np.exp(1j * wx * x)
        columns = np.column_stack((turn_x, 1j * wx * turn_x, -(wx**2) * turn_x)).astype(np.complex64)
        turn_y = np.exp(1j * wy * y)
        rows = np.stack((turn_y, 1j * wy * turn_y, -(wy**2) * turn_y)).astype(np.complex64)
        # Not as a matrix product: BLAS would wake its threads for a tenth of a millisecond of work.
        across = np.einsum("kl,lj->kj", spectrum, columns)
        terms = np.einsum("ik,kj->ij", rows, across).real.astype(np.float64) / (n * m)
        hessian = np.array([[terms[2, 0], terms[1, 1]], [terms[1, 1], terms[0, 2]]])
        if hessian[0, 0] >= 0 or np.linalg.det(hessian) <= 0:
            return None
        step_y, step_x = np.linalg.solve(hessian, (-terms[1, 0], -terms[0, 1]))
        y, x = y + float(step_y), x + float(step_x)
        if max(abs(y - row), abs(x - col)) > _NEWTON_REACH_PX:
            return None
        if max(abs(step_y), abs(step_x)) < _NEWTON_ACCURACY_PX:
            break
    return y, x, float(terms[0, 0]), -hessian


def _expected_error(
    curvature: NDArray[np.float64], height: float, energy_b: float, correlation: float, pixels: int
) -> tuple[float, float] | None:
    """Return the standard error in x and y of a least-squares shift under noise (Cramér-Rao)."""
    if not correlation > 0:
        return None
    gain = height / energy_b
    noise = gain * height * (1 / min(correlation, 1.0) ** 2 - 1) / pixels * _NOISE_CORRELATION
    covariance = np.linalg.inv(curvature * gain) * noise
    sigma_y, sigma_x = np.sqrt(np.diag(covariance))
    return float(sigma_x), float(sigma_y)


def _centre(energy: FloatArray) -> tuple[float, float]:
    by_row, by_col = energy.sum(axis=1, dtype=np.float64), energy.sum(axis=0, dtype=np.float64)
    y = float((by_row * (np.arange(len(by_row)) + 0.5)).sum() / by_row.sum())
    x = float((by_col * (np.arange(len(by_col)) + 0.5)).sum() / by_col.sum())
    return x, y
