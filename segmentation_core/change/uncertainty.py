"""How sure a difference of two surveys is, and what may be said of it (MEASUREMENT, section 4.3).

Standard uncertainties (1 sigma) go in; a difference comes out with every term kept, so that a report can
show which one decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.errors import ParameterError
from segmentation_core.statistics.uncertainty import Terms

__all__ = [
    "COVERAGE",
    "JUDGED",
    "SAME_GSD",
    "SHARED_BY_ONE_NETWORK",
    "Difference",
    "Verdict",
    "analytic_limit",
    "area_sigma_mm2",
    "at_least",
    "cut_length_sigma_mm",
    "gravest",
    "length_sigma_mm",
    "repeat_limit",
    "scattered",
    "stretch_sigma",
    "verdict",
]

Verdict = Literal["worse", "no change that can be shown", "better (check!)"]

COVERAGE = 1.96
"""Standard uncertainties in half the width of a 95 % interval."""

JUDGED = ("crack_m", "loss_m2", "crack_growth_m")
"""Statistics that the verdict on an element goes by."""

SHARED_BY_ONE_NETWORK = 0.7
"""Correlation of what one network misses and invents on two pictures of one element. Measured on the demo,
whose second picture has other light, focus and GSD: 0.74 for crack lengths, 0.83 for losses."""

SAME_GSD = 0.005
_OTHER_GSD = 0.004
"""Of a crack length, where two pictures were not brought to one GSD: up to this much on the demo's true masks
at 0.9 of the GSD, always more at the finer one."""

_LENGTH_PER_BRANCH_PX = 0.5
_AREA_OF_GRID = 0.0724
"""Variance of the area of a shape counted on a square grid, per perimeter x pixel^3 (Matheron)."""


_TERMS = (
    "scale_relative",
    "vectoriser_a",
    "vectoriser_b",
    "model_a",
    "model_b",
    "registration",
    "in_doubt",
)


@dataclass(frozen=True)
class Difference:
    """A statistic at two dates, and the standard uncertainties of its difference, in its own unit.

    Attributes
    ----------
    value_a, value_b : float
    scale_relative : float
        Relative standard uncertainty of the scale that both surveys share. It cancels, except in what they
        differ by.
    power : int
        How the statistic follows the scale: 1 length, 2 area, -1 length per area, 0 count.
    vectoriser_a, vectoriser_b : float
        What the pixel grid and the vectoriser do to each value.
    model_a, model_b : float
        What the recognition does to each value: from labelled samples, or from repeats.
    registration : float
        What misregistration does to the difference.
    in_doubt : float
        What only one survey has and is no change: cracks that both pictures show, losses that are not sure.
    """

    value_a: float
    value_b: float
    scale_relative: float = 0.0
    power: int = 1
    vectoriser_a: float = 0.0
    vectoriser_b: float = 0.0
    model_a: float = 0.0
    model_b: float = 0.0
    registration: float = 0.0
    in_doubt: float = 0.0

    def __post_init__(self) -> None:
        """Refuse negative or unknown uncertainties."""
        for name in _TERMS:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ParameterError(f"uncertainty {name} = {value} is impossible", remedy="Give 0 or more")

    @property
    def difference(self) -> float:
        """B less A."""
        return self.value_b - self.value_a

    @property
    def scale(self) -> float:
        """What the common scale leaves in the difference."""
        return abs(self.power * self.difference) * self.scale_relative

    @property
    def sigma(self) -> float:
        """Standard uncertainty of the difference: all terms in quadrature."""
        return math.hypot(
            self.scale,
            self.vectoriser_a,
            self.vectoriser_b,
            self.model_a,
            self.model_b,
            self.registration,
            self.in_doubt,
        )

    @property
    def u95(self) -> float:
        """Half the width of the 95 % interval.

        Examples
        --------
        >>> round(Difference(10.0, 12.0, vectoriser_a=0.3, vectoriser_b=0.4).u95, 2)
        0.98
        """
        return COVERAGE * self.sigma


def length_sigma_mm(branches: int, gsd_mm: float) -> float:
    """Return the standard uncertainty of the total length of crack branches from one picture.

    Half a pixel per branch, independent of the others: measured on generated networks (docs/change.md).
    """
    return _LENGTH_PER_BRANCH_PX * gsd_mm * math.sqrt(branches)


def scattered(
    terms: Terms,
    code: str,
    row: Mapping[str, float | int | None],
    gsd_mm: float | None,
    other_gsd_mm: float | None = None,
) -> Terms:
    """Return the terms of a crack length or density with the vectoriser's scatter in place of its error.

    What the vectoriser gets wrong on short branches it gets wrong at every date alike; only what differs from
    picture to picture stays in a difference (docs/change.md, How sure). Terms of other statistics are
    returned as they are.

    Parameters
    ----------
    terms : Terms
    code : str
        The statistic.
    row : mapping
        Code to value, of the same element and survey.
    gsd_mm : float or None
        Of the survey; None where it is not known.
    other_gsd_mm : float or None
        Of what it is compared with, where the two were not brought to one GSD.
    """
    if code not in ("crack_m", "p21_m_per_m2") or terms.u_vec is None or gsd_mm is None:
        return terms
    scatter_m = length_sigma_mm(math.ceil(float(row["branch_count"] or 0.0)), gsd_mm) / 1e3
    if other_gsd_mm is not None and abs(other_gsd_mm / gsd_mm - 1) > SAME_GSD:
        scatter_m = math.hypot(scatter_m, _OTHER_GSD * float(row["crack_m"] or 0.0))
    divisor = {"crack_m": 1.0, "p21_m_per_m2": float(row["assessed_m2"] or math.inf)}[code]
    return replace(terms, u_vec=scatter_m / divisor)


def cut_length_sigma_mm(cut_ends: int, sigma_mm: float) -> float:
    """Return what misregistration does to a length in an area whose border cuts cracks.

    Each cut moves along its crack by sigma over the sine of the angle between crack and border: by about
    sqrt(2) sigma.
    """
    return sigma_mm * math.sqrt(2 * cut_ends)


def stretch_sigma(sigma_mm: float, area: Any) -> float:
    """Return by what share a registration may stretch an area, as a standard uncertainty; lengths half of it.

    Of the error of a fitted affine each axis' shift and its two slopes hold a third. Over a width W the
    slope then is uncertain by 2 sigma / W (a uniform spread's standard deviation is W / sqrt(12)).
    A local distortion stretches less, so this is on the safe side.

    Parameters
    ----------
    sigma_mm : float
        Residual error of the registration per axis.
    area : shapely geometry
        What is compared, mm.
    """
    west, south, east, north = shapely.bounds(area)
    if not (east > west and north > south):
        return 0.0
    return 2 * sigma_mm * math.hypot(1 / (east - west), 1 / (north - south))


def area_sigma_mm2(perimeters_mm: Any, gsd_mm: float) -> NDArray[np.float64]:
    """Return the standard uncertainty of areas counted in pixels: sqrt(0.0724 perimeter pixel^3).

    Examples
    --------
    >>> round(float(area_sigma_mm2(100.0, 1.0)), 2)
    2.69
    """
    perimeters = np.asarray(perimeters_mm, dtype=np.float64)
    return np.asarray(np.sqrt(_AREA_OF_GRID * perimeters * gsd_mm**3))


def repeat_limit(values: Sequence[float]) -> float:
    """Return the smallest detectable change from repeats on one day: 1.96 sqrt(2) s.

    Raises
    ------
    ParameterError
        There are fewer than two values.

    Examples
    --------
    >>> round(repeat_limit([10.0, 11.0, 12.0]), 2)
    2.77
    """
    if len(values) < 2:
        raise ParameterError("one value has no scatter", remedy="Survey the element twice on one day or more")
    return COVERAGE * math.sqrt(2) * float(np.std(values, ddof=1))


def analytic_limit(sigma_a: float, sigma_b: float, registration_bound: float = 0.0) -> float:
    """Return the smallest detectable change where there are no repeats.

    1.96 sqrt(sigma_a^2 + sigma_b^2) + the registration's bound.
    """
    return COVERAGE * math.hypot(sigma_a, sigma_b) + registration_bound


def verdict(difference: float, u95: float, smallest_detectable: float = 0.0) -> Verdict:
    """Return what may be said of a difference in damage.

    Damage does not heal: less of it means that someone treated the element, or that something is misread.

    Examples
    --------
    >>> verdict(3.0, 1.0), verdict(0.9, 1.0), verdict(-3.0, 1.0)
    ('worse', 'no change that can be shown', 'better (check!)')
    """
    bound = max(u95, smallest_detectable)
    if abs(difference) <= bound:
        return "no change that can be shown"
    return "worse" if difference > 0 else "better (check!)"


def at_least(value: float | None, u95: float | None) -> float | None:
    """Return the lower end of a growth's 95 % interval, in its unit; None where no growth is shown.

    Examples
    --------
    >>> at_least(1.5, 0.5), at_least(0.5, 0.5), at_least(None, None)
    (1.0, None, None)
    """
    if value is None or u95 is None or value <= u95:
        return None
    return value - u95


def gravest(verdicts: Iterable[str]) -> Verdict:
    """Return the verdict of several: damage that grew outweighs damage that seems to have gone.

    Examples
    --------
    >>> gravest(["better (check!)", "worse"]), gravest([])
    ('worse', 'no change that can be shown')
    """
    found = set(verdicts)
    if "worse" in found:
        return "worse"
    return "better (check!)" if "better (check!)" in found else "no change that can be shown"
