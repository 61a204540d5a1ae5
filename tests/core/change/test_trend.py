"""A statistic over several surveys: the slope, what it is uncertain by, and what all surveys share."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation_core.change.trend import Reading, trend_of, year_of


def test_u95_holds_the_true_slope():
    """Own errors of each reading, and one relative error that all of them share."""
    random = np.random.default_rng(1)
    for count in (2, 3, 5):
        hits = 0
        for _ in range(400):
            years, own = np.sort(random.uniform(0, 10, count)), random.uniform(0.2, 1.0, count)
            slope, shared = random.normal(), 0.05
            values = (5 + slope * years) * (1 + shared * random.normal()) + own * random.normal(size=count)
            found = trend_of([Reading(*row, shared) for row in zip(years, values, own, strict=True)])
            hits += abs(found.per_year - slope) <= found.u95
        assert 0.92 <= hits / 400 <= 0.985


def test_a_sure_reading_weighs_more():
    level = [Reading(0.0, 0.0, 0.1), Reading(1.0, 0.0, 0.1)]
    assert trend_of([*level, Reading(2.0, 3.0, 10.0)]).per_year == pytest.approx(0, abs=0.01)
    assert trend_of([*level, Reading(2.0, 3.0, 0.1)]).per_year == pytest.approx(1.5)


def test_scatter_beyond_the_uncertainties_makes_it_more_uncertain():
    straight = trend_of([Reading(t, float(t), 0.1) for t in (0.0, 1.0, 2.0, 3.0)])
    zigzag = trend_of([Reading(t, t + d, 0.1) for t, d in ((0.0, 1.0), (1.0, -1.0), (2.0, 1.0), (3.0, -1.0))])
    assert zigzag.u95 > 5 * straight.u95


def test_what_is_shared_stretches_the_slope_and_no_more():
    def u95(slope):
        return trend_of([Reading(t, 100 + slope * t, 0.0, 0.1) for t in (0.0, 1.0, 2.0)]).u95

    assert u95(0.0) == 0
    assert u95(5.0) == pytest.approx(1.96 * 0.5)


def test_without_uncertainty_or_without_two_dates():
    assert trend_of([Reading(0.0, 1.0, None), Reading(1.0, 2.0, 0.1)]).u95 is None
    assert trend_of([Reading(1.0, 1.0, 0.1), Reading(1.0, 2.0, 0.1)]) is None
    assert trend_of([]) is None


def test_years_are_calendar_years():
    assert year_of("2028-05-01") - year_of("2026-05-01") == pytest.approx(2, abs=0.002)
