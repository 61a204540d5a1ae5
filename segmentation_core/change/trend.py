"""A statistic over several surveys: by how much it changes per year, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from segmentation_core.change.uncertainty import COVERAGE

__all__ = ["Reading", "Trend", "trend_of", "year_of"]

_DAYS_A_YEAR = 365.2425


def year_of(day: str) -> float:
    """Return a day, ``YYYY-MM-DD``, in years since the calendar's first."""
    return date.fromisoformat(day).toordinal() / _DAYS_A_YEAR


@dataclass(frozen=True)
class Reading:
    """A statistic at one survey, in its own unit.

    Attributes
    ----------
    year : float
        When, in years from any common day.
    value : float
    own : float or None
        Standard uncertainty that this survey does not share with the others; None where it is not known.
    shared_relative : float
        Relative standard uncertainty that all surveys share (scale, the same network): it stretches a
        difference, and no more.
    """

    year: float
    value: float
    own: float | None
    shared_relative: float = 0.0


@dataclass(frozen=True)
class Trend:
    """A straight line through readings.

    Attributes
    ----------
    per_year : float
        Its slope, in the statistic's unit.
    u95 : float or None
        Half width of the slope's 95 % interval; None where a reading's uncertainty is not known.
    middle_year, middle_value : float
        A point of the line.
    """

    per_year: float
    u95: float | None
    middle_year: float
    middle_value: float

    def at(self, year: float) -> float:
        """Return the line's value."""
        return self.middle_value + self.per_year * (year - self.middle_year)


def trend_of(readings: Sequence[Reading]) -> Trend | None:
    """Fit a straight line by least squares, each reading with the weight of its own uncertainty.

    Where three and more readings scatter about the line by more than their own uncertainties say, these are
    taken to be too small, all by one factor (the Birge ratio).

    Parameters
    ----------
    readings : sequence of Reading

    Returns
    -------
    Trend or None
        None where the readings are of fewer than two moments.

    Examples
    --------
    >>> line = trend_of([Reading(0.0, 10.0, 0.3), Reading(2.0, 12.0, 0.4)])
    >>> round(line.per_year, 3), round(line.u95, 3)
    (1.0, 0.49)
    """
    if len({reading.year for reading in readings}) < 2:
        return None
    years, values = (np.array([getattr(r, name) for r in readings]) for name in ("year", "value"))
    known = [r.own for r in readings if r.own is not None]
    weighs = len(known) == len(readings) and min(known) > 0
    weights = 1 / np.square(known) if weighs else np.ones(len(readings))
    middle = float(np.average(years, weights=weights))
    level = float(np.average(values, weights=weights))
    spread = float(np.sum(weights * (years - middle) ** 2))
    slope = float(np.sum(weights * (years - middle) * (values - level)) / spread)
    if len(known) < len(readings):
        return Trend(slope, None, middle, level)
    own = np.array(known)
    # Equal weights where an uncertainty is 0: then the slope's follows from each reading's part in it.
    sigma = math.sqrt(float(np.sum((weights * (years - middle) * own) ** 2))) / spread
    if weighs and len(readings) > 2:
        left = values - level - slope * (years - middle)
        sigma *= math.sqrt(max(1.0, float(np.sum(weights * left**2)) / (len(readings) - 2)))
    shared = max(readings, key=lambda reading: reading.year).shared_relative * abs(slope)
    return Trend(slope, COVERAGE * math.hypot(sigma, shared), middle, level)
