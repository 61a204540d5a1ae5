"""Whether a crack became wider by more than two measurements of its width differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_widened", "width_sigma_mm"]

_PER_LINE_PX = 0.25
"""What the width of a single line is right to (MEASUREMENT, section 1.6)."""

_ENDS_PX2 = 3.0
"""Crack area at the two ends of a branch that may go to it or to its neighbours, px2 (standard deviation)."""


def width_sigma_mm(lengths_mm: NDArray[np.float64], gsd_mm: float) -> NDArray[np.float64]:
    """Return the standard deviation of mean widths of lines: short ones have little area to average over."""
    lengths_px = np.maximum(lengths_mm / gsd_mm, 1.0)
    sigma: NDArray[np.float64] = gsd_mm * np.hypot(_PER_LINE_PX, _ENDS_PX2 / lengths_px)
    return sigma


def is_widened(
    widths_a_mm: NDArray[np.float64],
    widths_b_mm: NDArray[np.float64],
    lengths_a_mm: NDArray[np.float64],
    lengths_b_mm: NDArray[np.float64],
    gsd_mm: float,
) -> NDArray[np.bool_]:
    """Return where B's width exceeds A's by 1.96 standard deviations of the difference; NaN: not.

    Examples
    --------
    >>> lengths = np.full(2, 60.0)
    >>> is_widened(np.full(2, 2.0), np.array([2.3, 3.0]), lengths, lengths, gsd_mm=1.0)
    array([False,  True])
    """
    least = 1.96 * np.hypot(width_sigma_mm(lengths_a_mm, gsd_mm), width_sigma_mm(lengths_b_mm, gsd_mm))
    wider: NDArray[np.bool_] = widths_b_mm - widths_a_mm > least
    return wider
