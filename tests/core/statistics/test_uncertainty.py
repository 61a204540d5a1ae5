"""The half width of every figure's 95 % interval, and the terms it is made of."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
import shapely

from segmentation_core.errors import ParameterError
from segmentation_core.models.store import list_models
from segmentation_core.operations.measure import measure
from segmentation_core.statistics.budget import SCALE_PERCENT, Budget, ModelErrors, budget_of, model_errors
from segmentation_core.statistics.quantities import QUANTITIES, with_ratios
from segmentation_core.statistics.uncertainty import uncertainties

GOOD = ModelErrors(0.03, 0.1, 0.08, 0.05)
ROW = {
    **with_ratios({"assessed_m2": 4.0, "loss_m2": 0.04, "crack_m": 30.0, "crack_area_m2": 0.03}),
    "loss_count": 4,
    "branch_mean_px": 75.0,
    "width_mean_mm": 1.0,
    "connections_per_branch": 1.9,
    "crack_axis_deg": 3.0,
    "crack_alignment": 0.5,
}


def test_the_terms_add_in_squares():
    for terms in uncertainties(ROW, Budget(0.5, 0.2, GOOD)).values():
        known = [u for u in (terms.u_vec, terms.u_scale, terms.u_model) if u is not None]
        assert terms.u95 == pytest.approx(1.96 * math.sqrt(sum(u * u for u in known)))


def test_the_scale_counts_once_in_a_length_and_twice_in_an_area():
    found = uncertainties(ROW, Budget(0.5, 0.2))
    assert found["crack_m"].u_scale == pytest.approx(0.005 * 30)
    assert found["loss_m2"].u_scale == pytest.approx(2 * 0.005 * 0.04)
    assert found["p21_m_per_m2"].u_scale == pytest.approx(0.005 * 7.5)
    assert found["connections_per_m2"].u_scale == 0
    for code in ("loss_ratio", "crack_count", "connections_per_branch", "crack_axis_deg", "branch_mean_px"):
        assert found[code].u_scale == 0


def test_every_unit_has_its_power_of_the_scale():
    row = {q.code: 1.0 for q in QUANTITIES} | {"branch_mean_px": 75.0}
    assert set(uncertainties(row, Budget(0.5, 0.2, GOOD))) == {q.code for q in QUANTITIES}


def test_what_has_no_value_has_no_uncertainty():
    assert "sinuosity" not in uncertainties(ROW | {"sinuosity": None}, Budget(0.5, 0.2, GOOD))


def test_short_branches_are_less_certain():
    def of(branch_px):
        return uncertainties(ROW | {"branch_mean_px": branch_px}, Budget(0, 0.2))["crack_m"].u_vec / 30

    assert of(75) == pytest.approx(0.006)
    assert of(150) == of(1000) == pytest.approx(0.003)
    assert of(10) > of(20) == pytest.approx(0.055)
    assert of(20) > of(30) > of(40)
    crumbs = uncertainties(ROW | {"branch_mean_px": 2.0, "node_y_count": 6.0}, Budget(0, 0.2))
    assert crumbs["node_y_count"].u_vec == 6
    assert crumbs["crack_axis_deg"].u_vec == 52


def test_a_crack_below_two_pixels_has_the_width_of_a_blur():
    at_limit = uncertainties(ROW | {"width_mean_mm": 0.3}, Budget(0, 0.2))["width_mean_mm"].u_vec
    resolved = uncertainties(ROW, Budget(0, 0.2))["width_mean_mm"].u_vec
    assert at_limit == pytest.approx(0.29 * 0.2)
    assert resolved == pytest.approx(math.hypot(0.01, 0.02 * 0.2))


@pytest.mark.parametrize("radius", [4, 12, 40])
def test_areas_counted_in_pixels_scatter_as_stated(radius):
    random = np.random.default_rng(radius)
    y, x = np.mgrid[0:100, 0:100] + 0.5
    areas = [(np.hypot(x - cx, y - cy) < radius).sum() for cx, cy in random.uniform(49, 51, (200, 2))]
    row = ROW | {"loss_m2": math.pi * radius**2 * 1e-6, "loss_count": 1}
    stated = uncertainties(row, Budget(0, 1.0))["loss_m2"].u_vec * 1e6
    assert np.std(areas) < stated < 3 * np.std(areas)


def test_what_a_network_misses_bounds_what_it_finds():
    """F1 0.8 may mean that all is found and a third more, or that a third of all is missed."""
    found = model_errors([{"class": "craquelure", "tolerance_f1_2px": 0.8, "iou": 0.8}])
    assert found.line_length == pytest.approx(0.5 / math.sqrt(3))
    assert found.line_area == pytest.approx(0.25 / math.sqrt(3))
    assert found.line_swap == pytest.approx(0.2 / math.sqrt(3))
    assert found.loss_area is None
    perfect = model_errors([{"class": "paint_loss", "iou": 1.0}])
    assert (perfect.loss_area, perfect.line_length) == (0, None)


def test_groups_are_pooled_in_squares():
    entries = [{"class": "paint_loss", "iou": 1.0}, {"class": "paint_loss", "iou": 0.5}]
    pooled = model_errors(entries).loss_area
    assert pooled == pytest.approx(math.sqrt(0.5) / math.sqrt(3))
    told = [{"class": "paint_loss", "iou": 0.9, "groups": [{"iou": 1.0}, {"iou": 0.5}]}]
    assert model_errors(told).loss_area == pooled
    assert model_errors([{"class": "craquelure", "false_share": 0.01}]) is None


def test_no_term_without_a_network_and_it_says_so():
    budget, notes = budget_of([{"model": None}], [0.2], [None])
    assert (budget.model, budget.scale_percent) == (None, SCALE_PERCENT)
    assert notes == ["u95 without a term for the network: the classes came ready, none took part"]
    assert uncertainties(ROW, budget)["crack_m"].u_model is None
    budget, notes = budget_of([{"model": {"name": "old"}}], [0.2], [0.1])
    assert budget.model is None
    assert "how good old is" in notes[0]
    budget, notes = budget_of([{}], [None], [None], is_vectorised=False)
    assert uncertainties(ROW, budget)["crack_m"].u_vec is None
    assert "by hand" in notes[0]


def test_of_several_rasters_the_worst_counts():
    runs = [
        {"model": {"name": "a", "metrics": [{"class": "paint_loss", "iou": iou}]}} for iou in (0.8, 0.5, 0.9)
    ]
    budget, notes = budget_of(runs, [0.2, 0.5, 0.3], [0.1, None, 2.0])
    assert (budget.scale_percent, budget.gsd_mm, notes) == (2.0, 0.5, [])
    assert budget.model.loss_area == pytest.approx(1 / math.sqrt(3))


@pytest.mark.parametrize("percent", [-1, math.nan, 101])
def test_an_impossible_uncertainty_is_refused(percent):
    with pytest.raises(ParameterError, match="gsd-u"):
        budget_of([{}], [0.2], [percent])


def test_the_cards_that_ship_have_figures_for_both_classes():
    for model in list_models():
        errors = model_errors(model.card.about["metrics"])
        assert 0 < errors.line_length < 1
        assert 0 < errors.loss_area < 1


def test_measure_tells_it_everywhere(tmp_path, beam_vectors):
    result = measure(beam_vectors, None, None, tmp_path / "s.csv", gsd_u_percent=1.0)
    (terms,) = result["uncertainty"]["elements"]
    assert terms["assessed_m2"]["u_scale"] == pytest.approx(0.02 * 40)
    assert terms == result["uncertainty"]["totals"]
    assert result["uncertainty"]["budget"]["scale_percent"] == 1
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    (row,) = csv.DictReader((tmp_path / "s.csv").read_text(encoding="utf-8-sig").splitlines())
    assert float(row["crack_m_u95"]) == pytest.approx(terms["crack_m"]["u95"])
    assert any("none took part" in note for note in result["run"]["notes"])


def test_the_book_stores_each_term(enter_beam, sql):
    figures = enter_beam().figures
    stored = sql("SELECT u95, u_vec, u_scale, u_model FROM element_stats WHERE stat = 'crack_m'")
    terms = figures.uncertainty["elements"][0]["crack_m"]
    assert stored == [(terms["u95"], terms["u_vec"], terms["u_scale"], None)]
    assert terms["u95"] > 0


def test_a_longer_ground_does_not_change_the_relative_uncertainty(tmp_path, write_vectors):
    """Scale and network are off for all of a survey alike: many elements do not average them away."""

    def relative(count):
        lines = [(shapely.LineString([(i + 0.1, 0.5), (i + 0.9, 0.5)]), i) for i in range(count)]
        path = write_vectors(tmp_path / "v.gpkg", assessed=shapely.box(0, 0, count, 1), lines=lines)
        result = measure(path, None, None, tmp_path / "s.csv")
        return result["uncertainty"]["totals"]["crack_m"]["u95"] / result["totals"]["crack_m"]

    assert relative(1) == pytest.approx(relative(20))
