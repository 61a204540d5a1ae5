"""How sure a difference is, against arithmetic and against chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from segmentation_core.change.uncertainty import (
    Difference,
    analytic_limit,
    area_sigma_mm2,
    repeat_limit,
    stretch_sigma,
    verdict,
)
from segmentation_core.errors import ParameterError

amount = st.floats(0, 1000)


@given(amount, amount, st.floats(0, 0.1), st.sampled_from([-1, 0, 1, 2]))
def test_a_common_scale_cancels_except_in_the_difference(a, b, scale, power):
    found = Difference(a, b, scale_relative=scale, power=power)
    assert found.u95 == pytest.approx(1.96 * abs(power) * abs(b - a) * scale)


def test_terms_add_in_quadrature():
    found = Difference(1, 2, vectoriser_a=1, vectoriser_b=2, model_a=4, model_b=2, registration=2)
    assert found.sigma == pytest.approx(math.sqrt(29))


def test_impossible_uncertainties_are_refused():
    with pytest.raises(ParameterError, match="model_a"):
        Difference(1, 2, model_a=math.nan)


def test_areas_counted_in_pixels_scatter_as_predicted():
    random = np.random.default_rng(0)
    cols, rows = np.meshgrid(np.arange(40) + 0.5, np.arange(40) + 0.5)
    counts = []
    for _ in range(2000):
        x, y, turn = *random.uniform(19, 21, 2), random.uniform(0, np.pi)
        along = (cols - x) * np.cos(turn) + (rows - y) * np.sin(turn)
        across = (rows - y) * np.cos(turn) - (cols - x) * np.sin(turn)
        counts.append(int(((along / 15) ** 2 + (across / 9) ** 2 < 1).sum()))
    ellipse = shapely.affinity.scale(shapely.Point(0, 0).buffer(1, quad_segs=64), 15, 9)
    assert np.std(counts) == pytest.approx(float(area_sigma_mm2(ellipse.length, 1.0)), rel=0.1)


def test_the_limit_from_repeats_is_exceeded_by_one_pair_in_twenty():
    random = np.random.default_rng(1)
    pairs = random.normal(0, 3.0, (20000, 2))
    limit = repeat_limit(random.normal(0, 3.0, 2000).tolist())
    assert np.mean(np.abs(pairs[:, 1] - pairs[:, 0]) > limit) == pytest.approx(0.05, abs=0.01)
    assert analytic_limit(3.0, 3.0) == pytest.approx(limit, rel=0.05)
    assert analytic_limit(3.0, 3.0, 1.5) == pytest.approx(analytic_limit(3.0, 3.0) + 1.5)


def test_one_repeat_has_no_scatter():
    with pytest.raises(ParameterError, match="one value"):
        repeat_limit([1.0])


def test_the_stretch_is_that_of_a_fitted_affine():
    """Tie points all over an area, each off by chance; the fit's position error as sigma."""
    random = np.random.default_rng(2)
    area = shapely.box(0, 0, 600, 400)
    stretches, errors = [], []
    for _ in range(400):
        points = random.uniform(0, 1, (30, 2)) * (600, 400)
        design = np.column_stack([np.ones(30), points - (300, 200)])
        fitted, *_ = np.linalg.lstsq(design, random.normal(0, 1, (30, 2)), rcond=None)
        stretches.append(fitted[1, 0] + fitted[2, 1])
        errors.append(np.mean((design @ fitted) ** 2))
    predicted = stretch_sigma(math.sqrt(np.mean(errors)), area)
    assert np.std(stretches) == pytest.approx(predicted, rel=0.1)


@given(st.floats(-100, 100), amount, amount)
def test_a_difference_within_its_bound_is_no_change(difference, u95, smallest):
    said = verdict(difference, u95, smallest)
    if abs(difference) <= max(u95, smallest):
        assert said == "no change that can be shown"
    else:
        assert said == ("worse" if difference > 0 else "better (check!)")
