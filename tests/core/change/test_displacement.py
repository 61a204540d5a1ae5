"""Fits to tie points, against direct calculation, and the mapping's own arithmetic."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.interpolate import RBFInterpolator

from segmentation_core.change.consensus import consensus
from segmentation_core.change.displacement import fit_axis, plane_terms, plate_terms
from segmentation_core.change.tie_points import TiePoints
from segmentation_core.change.warp import Warp, fit_warp


def points(count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 2))


def at(fit, where, knots):
    values = plane_terms(where) @ fit.plane
    return values if fit.plate is None else values + plate_terms(where, knots) @ fit.plate


def test_a_plane_is_found_as_a_plane():
    places = points(80)
    values = 3 + 2 * places[:, 0] - places[:, 1] + np.random.default_rng(1).normal(0, 0.05, 80)
    fit = fit_axis(places, values, np.full(80, 0.05))
    assert fit.plate is None
    np.testing.assert_allclose(fit.plane, [3, 2, -1], atol=0.03)


def test_a_wave_is_followed_within_its_noise():
    places = points(150)

    def wave(p):
        return np.sin(2.5 * p[:, 0]) * np.cos(2 * p[:, 1])

    values = wave(places) + np.random.default_rng(1).normal(0, 0.05, 150)
    fit = fit_axis(places, values, np.full(150, 0.05))
    assert fit.plate is not None
    inside = points(500, 2) * 0.9
    error = at(fit, inside, places) - wave(inside)
    assert np.sqrt(np.mean(error**2)) < 0.04
    assert np.mean(np.abs(error) < 1.96 * np.sqrt(fit.variance_at(inside))) > 0.9


@pytest.mark.parametrize("amplitude", [0.0, 1.0])
def test_left_out_residuals_are_those_of_fits_without_the_point(amplitude):
    places, rng = points(60), np.random.default_rng(1)
    sigma = rng.uniform(0.03, 0.1, 60)
    values = amplitude * np.sin(3 * places[:, 0]) + rng.normal(0, sigma)
    fit = fit_axis(places, values, sigma)
    for k in (0, 17, 59):
        rest = np.arange(60) != k
        if fit.plate is None:
            terms = plane_terms(places[rest]) / sigma[rest, None]
            plane = np.linalg.lstsq(terms, values[rest] / sigma[rest], rcond=None)[0]
            there = plane_terms(places[[k]]) @ plane
        else:
            # The stiffness from the fit itself: (K + stiffness * sigma^2) c = values - plane.
            left = values - plane_terms(places) @ fit.plane - plate_terms(places, places) @ fit.plate
            stiffness = np.median(left / (sigma**2 * fit.plate))
            # SciPy's thin plate is the same kernel.
            there = RBFInterpolator(
                places[rest], values[rest], smoothing=stiffness * sigma[rest] ** 2, degree=1
            )(places[[k]])
        assert values[k] - there[0] == pytest.approx(fit.left_out[k], rel=1e-3, abs=1e-6)


def pairs(b, a, sigma=0.05):
    return TiePoints(a, b, np.full(b.shape, sigma), np.ones(len(b)), len(b))


AFFINE = np.array([[0.9, -0.01, 30.0], [0.012, 0.91, -20.0]])


def test_outliers_do_not_pull_the_fit():
    rng = np.random.default_rng(4)
    b = rng.uniform(0, 3000, (120, 2))
    a = Warp.plain(AFFINE).to_a(b) + rng.normal(0, 0.03, b.shape)
    a[:20] += rng.uniform(0.5, 3, (20, 2))
    fitted = fit_warp(pairs(b, a))
    where = rng.uniform(0, 3000, (500, 2))
    off = fitted.warp.to_a(where) - Warp.plain(AFFINE).to_a(where)
    assert np.sqrt((off**2).mean()) < 0.03
    assert not np.isin(b[:20], fitted.tie_points.b_px).any()


def test_too_few_pairs_give_no_fit():
    b = points(7) * 1000
    assert fit_warp(pairs(b, b)) is None
    assert consensus(b, b, "affine", 1.0) is None


def test_consensus_ignores_a_minority():
    rng = np.random.default_rng(2)
    b = rng.uniform(0, 1000, (50, 2))
    a = Warp.plain(AFFINE).to_a(b)
    a[:20] = rng.uniform(0, 1000, (20, 2))
    affine, agree = consensus(b, a, "affine", 0.5)
    np.testing.assert_allclose(affine, AFFINE, atol=1e-6)
    assert agree[20:].all()
    assert not agree[:20].any()


@settings(max_examples=60)
@given(
    turn=st.floats(-0.1, 0.1),
    scale=st.floats(0.5, 2),
    weights=arrays(np.float64, (12, 2), elements=st.floats(-1, 1)),
    seed=st.integers(0, 5),
)
def test_there_and_back(turn, scale, weights, seed):
    """Plates of up to some pixels per window: far more than orthophotos are ever bent."""
    knots = np.random.default_rng(seed).uniform(0, 4000, (12, 2))
    affine = scale * np.array([[np.cos(turn), -np.sin(turn), 7.0], [np.sin(turn), np.cos(turn), -3.0]])
    warp = Warp(affine, knots, 2000.0, weights * 2)
    where = np.random.default_rng(9).uniform(0, 4000, (50, 2))
    np.testing.assert_allclose(warp.to_b(warp.to_a(where)), where, atol=1e-5)
    again = Warp.from_record(json.loads(json.dumps(warp.record())))
    np.testing.assert_array_equal(again.to_a(where), warp.to_a(where))
