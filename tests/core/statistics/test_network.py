"""Topology and directions against networks whose figures are known (MEASUREMENT, sections 3 and 7)."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_core.operations.measure import measure
from segmentation_core.statistics.network import axes_of
from segmentation_core.statistics.network_quantities import ROSE_BINS
from segmentation_core.statistics.regions import Regions
from segmentation_core.statistics.tally import Tally, _quantile

SIDE = 10.5


def grid_branches():
    """A square grid of spacing 1 with lines at 0, 1, ..., 10 of a square of 10.5, moved by a quarter."""
    at = np.arange(11) + 0.25
    stops = np.concatenate([[0], at, [SIDE]])
    lines = []
    for fixed in at:
        for start, end in itertools.pairwise(stops):
            lines.append(shapely.LineString([(start, fixed), (end, fixed)]))
            lines.append(shapely.LineString([(fixed, start), (fixed, end)]))
    return lines


def measured(tmp_path, write_vectors, lines, ground, **more):
    path = write_vectors(tmp_path / "v.gpkg", assessed=ground, lines=[(line, 1) for line in lines], **more)
    return measure(path, None, None, tmp_path / "s.csv")["totals"]


def test_a_square_grid_has_the_figures_of_the_literature(tmp_path, write_vectors):
    ground = shapely.box(0, 0, SIDE, SIDE)
    found = measured(tmp_path, write_vectors, grid_branches(), ground)
    # MEASUREMENT section 7: X 121, E 44, 242 branches, 264 with E, P21 231/110.25, C_B 2.
    assert (found["node_i_count"], found["node_y_count"], found["node_x_count"]) == (0, 0, 121)
    assert found["node_e_count"] == 44
    assert (found["branch_count"], found["branch_with_e_count"]) == (242, 264)
    assert found["connections_per_branch"] == 2
    assert found["crack_m"] == pytest.approx(231)
    assert found["p21_m_per_m2"] == pytest.approx(231 / 110.25)
    assert found["p21_mm_per_cm2"] == pytest.approx(23.1 / 110.25)
    assert found["connections_per_m2"] == pytest.approx(121 / 110.25)
    assert found["branch_mean_m"] == pytest.approx(231 / 264)
    assert found["branch_mean_px"] == pytest.approx(100 * 231 / 264)
    assert found["sinuosity"] == pytest.approx(1)
    assert found["spacing_along_mm"] == pytest.approx(1000 * 110.25 / 115.5)
    assert found["spacing_across_mm"] == pytest.approx(1000 * 110.25 / 115.5)
    assert found["crack_alignment"] == pytest.approx(0, abs=1e-12)
    assert (found["along_ratio"], found["across_ratio"]) == pytest.approx((0.5, 0.5))
    assert (found["rose_000_ratio"], found["rose_090_ratio"]) == pytest.approx((0.5, 0.5))


def test_directions_are_told_from_the_elements_axis(tmp_path, write_vectors, write_layer):
    """A beam that lies askew: cracks along its grain are along, whatever the compass says."""
    angle = math.radians(30)
    turned = shapely.affinity.rotate

    def on_beam(geometry):
        return turned(geometry, 30, origin=(0, 0))

    beam = on_beam(shapely.box(0, 0, 20, 4))
    lines = [on_beam(shapely.LineString([(1, y), (19, y)])) for y in (1, 3)]
    lines.append(on_beam(shapely.LineString([(10, 1.2), (10, 2.8)])))
    path = write_vectors(tmp_path / "v.gpkg", assessed=beam.buffer(1), lines=[(line, 1) for line in lines])
    elements = write_layer(tmp_path / "e.gpkg", "e", [beam], "Polygon", ID=["B"])
    (row,) = measure(path, elements, "ID", tmp_path / "s.csv")["elements"]
    assert axes_of(np.array([beam])) == pytest.approx([angle])
    assert row["along_ratio"] == pytest.approx(36 / 37.6)
    assert row["across_ratio"] == pytest.approx(1.6 / 37.6)
    assert row["crack_axis_deg"] == pytest.approx(0, abs=1e-9)
    assert row["crack_alignment"] == pytest.approx((36 - 1.6) / 37.6)
    assert row["spacing_across_mm"] == pytest.approx(1000 * 80 / 36)


def test_an_outline_that_cuts_a_crack_makes_an_end_there(tmp_path, write_vectors, write_layer):
    line = shapely.LineString([(1, 1), (9, 1)])
    path = write_vectors(tmp_path / "v.gpkg", assessed=shapely.box(0, 0, 10, 2), lines=[(line, 1)])
    halves = [shapely.box(0, 0, 5, 2), shapely.box(5, 0, 10, 2)]
    elements = write_layer(tmp_path / "e.gpkg", "e", halves, "Polygon", ID=["A", "B"])
    found = measure(path, elements, "ID", tmp_path / "s.csv")
    for row in found["elements"]:
        assert (row["node_i_count"], row["node_e_count"], row["branch_with_e_count"]) == (1, 1, 1)
    totals = found["totals"]
    assert (totals["node_i_count"], totals["node_e_count"], totals["branch_with_e_count"]) == (2, 0, 1)


def test_nothing_there_is_zero_or_null(tmp_path, write_vectors):
    found = measured(tmp_path, write_vectors, [], shapely.box(0, 0, 1, 1))
    assert found["node_y_count"] == found["crack_area_ratio"] == found["connections_per_m2"] == 0
    for code in ("connections_per_branch", "sinuosity", "crack_axis_deg", "loss_median_m2", "width_p50_mm"):
        assert found[code] is None


def test_rings_and_curves(tmp_path, write_vectors):
    ring = shapely.Point(5, 5).buffer(2, quad_segs=90).exterior
    arc = shapely.LineString([(9 + math.cos(t), 8 + math.sin(t)) for t in np.linspace(0, math.pi, 500)])
    lines = [shapely.LineString(ring.coords), arc]
    found = measured(tmp_path, write_vectors, lines, shapely.box(0, 0, 20, 20))
    assert found["sinuosity"] == pytest.approx(math.pi / 2, rel=1e-4)  # of the arc alone
    assert found["branch_count"] == 1
    assert found["crack_alignment"] == pytest.approx(0, abs=1e-3)
    assert sum(found[f"rose_{10 * k:03d}_ratio"] for k in range(ROSE_BINS)) == pytest.approx(1)


def test_quantiles_of_losses_and_widths(tmp_path, write_vectors):
    losses = [shapely.box(i, 0, i + 0.1 * (i + 1), 0.5) for i in range(9)]
    path = write_vectors(tmp_path / "v.gpkg", assessed=shapely.box(0, 0, 10, 1), losses=losses)
    found = measure(path, None, None, tmp_path / "s.csv")["totals"]
    assert found["loss_median_m2"] == pytest.approx(0.25)
    assert found["loss_max_m2"] == pytest.approx(0.45)
    assert found["loss_median_m2"] < found["loss_p90_m2"] < found["loss_max_m2"]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.floats(0, 1))
def test_equal_weights_give_hazens_quantile(values, share):
    ordered = np.sort(values)
    found = _quantile(ordered, np.full(len(ordered), 3.0), share)
    assert found == pytest.approx(np.quantile(ordered, share, method="hazen"))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_over_a_partition_the_parts_are_the_whole(seed, columns):
    rng = np.random.default_rng(seed)
    lines = np.array([shapely.LineString(rng.uniform(0, 10, (4, 2))) for _ in range(8)])
    edges = np.linspace(0, 10, columns + 1)
    parts = np.array([shapely.box(a, 0, b, 10) for a, b in itertools.pairwise(edges)])
    sums = []
    for geometries in (parts, np.array([shapely.box(0, 0, 10, 10)])):
        regions = Regions(geometries)
        tally = Tally([str(k) for k in range(len(geometries))])
        tally.add_courses(lines, regions.lengths_of(lines), regions, 1.0, 10.0)
        sums.append({code: values.sum() for code, values in tally._sums.items()})
    assert sums[0] == pytest.approx(sums[1], abs=1e-6)


def test_an_end_at_the_rasters_border_counts_once_where_an_element_cuts_the_crack(
    tmp_path, write_vectors, write_layer
):
    """The node at the raster's border is an end already; only the cut by the outline makes another one."""
    vectors = write_vectors(
        tmp_path / "v.gpkg",
        assessed=shapely.box(0, 0, 10, 4),
        lines=[(shapely.LineString([(0, 2), (10, 2)]), 1)],
    )
    left = write_layer(tmp_path / "e.gpkg", "e", [shapely.box(-1, -1, 6, 5)], "Polygon", None, ID=["left"])
    row = measure(vectors, left, "ID", tmp_path / "s.csv")["elements"][0]
    assert row["node_i_count"] + row["node_e_count"] == 2
    assert row["branch_count"] + row["node_e_count"] / 2 == row["branch_with_e_count"] == 1
