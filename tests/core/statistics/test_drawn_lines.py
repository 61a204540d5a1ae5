"""Lines drawn by hand, against published figures and fractopo (MEASUREMENT, sections 3 and 7)."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_core.errors import CrsError, ParameterError, VectorError
from segmentation_core.operations.measure import measure
from segmentation_core.vectors.noding import node_lines

AREA = shapely.box(0.5, 0.5, 9.5, 9.5)
SNAP = 0.001
_APART = 0.02


def random_network(seed: int) -> list[shapely.LineString]:
    """Bent lines across each other, and some that begin at an earlier one with a gap or an overshoot."""
    random = np.random.default_rng(seed)
    lines: list[shapely.LineString] = []
    places = [shapely.Point(p) for p in AREA.exterior.coords]
    while len(lines) < 40:
        angle, bends = random.uniform(0, np.pi), random.normal(0, 0.05, (5, 2))
        step = np.array([np.cos(angle), np.sin(angle)])
        bends[[0, -1]] = 0
        xy = random.uniform(1, 9, 2) + np.linspace(0, random.uniform(1, 6), 5)[:, None] * step + bends
        host = None
        if len(lines) >= 15 and len(lines) % 2:
            host = lines[random.integers(len(lines))]
            foot = np.array(host.interpolate(random.uniform(0.1, 0.9), normalized=True).coords[0])
            xy += foot - xy[0]
            xy[0] += step * random.uniform(-0.4, 0.4) * SNAP
        line = shapely.LineString(xy)
        others = [other for other in lines if other is not host]
        new = [*shapely.points(xy), *shapely.get_parts(shapely.intersection(line, AREA.exterior))]
        crossings = [*(line.intersection(other) for other in others)]
        if host is not None:  # it may meet its host again, but not beside its foot
            crossings.append(shapely.LineString(xy[1:]).intersection(host))
        new += [p for found in crossings for p in shapely.get_parts(found)]
        new = [p for p in new if not p.is_empty]
        tree = shapely.STRtree([*places, *(p for n, p in enumerate(new) if n)])
        pairs = tree.query(new, "dwithin", distance=_APART)
        beside = len(pairs[0]) > len(new) - 1  # each but the first finds itself
        grazing = any(other.distance(shapely.Point(p)) < _APART for other in others for p in xy)
        if not (beside or grazing):
            lines.append(line)
            places += new
    return lines


FRACTOPO = (
    (52, 9, 29, 13, 104, 94.63069504490372),
    (53, 11, 32, 12, 113, 102.77418516842053),
    (52, 8, 48, 12, 140, 100.50924603358925),
    (51, 8, 39, 15, 123, 97.18360292615569),
    (48, 11, 52, 17, 153, 116.42094176143542),
    (50, 10, 45, 14, 137, 103.35890633627713),
    (44, 7, 30, 17, 101, 94.34057027090716),
    (52, 7, 38, 9, 117, 86.86247564722844),
    (48, 7, 27, 13, 95, 85.36506650284505),
    (50, 9, 40, 15, 126, 102.56078606914923),
    (47, 10, 26, 19, 100, 88.9478101209926),
    (45, 6, 26, 15, 91, 84.38560546472941),
    (47, 10, 36, 19, 120, 98.91713076673985),
    (51, 12, 53, 15, 157, 105.70200566749791),
    (52, 9, 42, 15, 131, 106.53183245641159),
    (48, 12, 39, 18, 129, 106.72443249447068),
    (45, 9, 29, 20, 104, 89.93788116143295),
    (46, 9, 16, 21, 79, 73.96344406928391),
    (51, 10, 35, 13, 117, 103.08773966358945),
    (50, 11, 26, 15, 101, 100.01605464627022),
)
"""I, Y, X, E, branches and their length, by fractopo 0.9.2 for the seeds 0, 1, ..."""


def figures(network):
    kinds = Counter(network.kinds.tolist())
    length = shapely.length(network.branches).sum()
    return (*(kinds[kind] for kind in "IYXE"), len(network.branches), pytest.approx(length, abs=1e-6))


@pytest.mark.parametrize("seed", range(len(FRACTOPO)))
def test_random_networks_agree_with_fractopo(seed):
    network = node_lines(np.array(random_network(seed)), AREA, SNAP)
    assert FRACTOPO[seed] == figures(network)


@pytest.mark.filterwarnings("default")
def test_the_figures_noted_are_fractopos():
    fractopo = pytest.importorskip("fractopo", reason="fractopo needs an older pandas than ours")
    import geopandas

    for seed in range(len(FRACTOPO)):
        traces = geopandas.GeoDataFrame(geometry=random_network(seed), crs="EPSG:3067")
        area = geopandas.GeoDataFrame(geometry=[AREA], crs="EPSG:3067")
        network = fractopo.Network(
            trace_gdf=traces,
            area_gdf=area,
            determine_branches_nodes=True,
            truncate_traces=True,
            circular_target_area=False,
            snap_threshold=SNAP,
        )
        counts = [int(network.node_counts[kind]) for kind in "IYXE"]
        branches = network.branch_gdf
        assert FRACTOPO[seed] == (*counts, len(branches), pytest.approx(branches.length.sum(), abs=1e-9))


def test_kb11_has_its_published_figures(tmp_path, shared_data):
    folder = shared_data / "fracture_networks" / "KB11"
    expected = json.loads((folder / "expected.json").read_text())["expected"]
    result = measure(
        folder / "traces.geojson", folder / "area.geojson", "Shape_Area", tmp_path / "s.csv", snap_m=0.001
    )
    (row,) = result["elements"]
    for found in (row, result["totals"]):
        for kind in "IYXE":
            assert found[f"node_{kind.lower()}_count"] == expected[f"nodes_{kind}"]
        assert found["branch_count"] == expected["branches"]
        assert found["branch_with_e_count"] == expected["branches_real"]
        for code, name in (
            ("assessed_m2", "area"),
            ("p21_m_per_m2", "P21"),
            ("connections_per_branch", "connections_per_branch"),
            ("connections_per_m2", "connection_frequency"),
        ):
            assert round(found[code], 2) == expected[name]
        # MEASUREMENT section 7 has more digits.
        assert found["p21_m_per_m2"] == pytest.approx(1.26309, abs=5e-6)
        assert found["connections_per_branch"] == pytest.approx(1.763537, abs=5e-7)
        for unknown in ("loss_m2", "crack_area_m2", "width_mean_mm", "width_p50_mm", "branch_mean_px"):
            assert found[unknown] is None


def test_kb11_has_its_published_branches(shared_data):
    pyogrio = pytest.importorskip("pyogrio")
    folder = shared_data / "fracture_networks" / "KB11"
    expected = json.loads((folder / "expected.json").read_text())["expected"]
    traces, area = (
        shapely.from_wkb(pyogrio.raw.read(folder / f"{name}.geojson")[2]) for name in ("traces", "area")
    )
    network = node_lines(traces, shapely.union_all(area), 0.001)
    ends = np.array([{"Y": "C", "X": "C"}.get(kind, kind) for kind in network.kinds])[network.ends]
    pairs = Counter("_".join(sorted(pair, key="CIE".index)) for pair in ends)
    assert pairs == {name: expected[f"branches_{name}"] for name in pairs}
    assert round(shapely.length(network.branches).max(), 2) == expected["branch_max_length"]


GROUND = shapely.box(0, 0, 10, 10)


def kinds_of(*lines, snap=0.1):
    network = node_lines(np.array([shapely.LineString(line) for line in lines], object), GROUND, snap)
    return dict(Counter(network.kinds.tolist())), network


@pytest.mark.parametrize("end", [4.95, 5, 5.05], ids=["gap", "touching", "overshoot"])
def test_ends_that_miss_a_line_meet_it(end):
    kinds, network = kinds_of([(1, 5), (9, 5)], [(5, 1), (5, end)])
    assert kinds == {"I": 3, "Y": 1}
    assert len(network.branches) == 3


def test_what_misses_by_more_stays_apart():
    assert kinds_of([(1, 5), (9, 5)], [(5, 1), (5, 4.8)])[0] == {"I": 4}
    assert kinds_of([(1, 5), (9, 5)], [(5, 1), (5, 5.2)])[0] == {"I": 4, "X": 1}


def test_ends_that_miss_each_other_meet():
    kinds, network = kinds_of([(1, 5), (5, 5)], [(5.05, 5), (9, 5)], [(5, 5.05), (5, 9)])
    assert kinds == {"I": 3, "Y": 1}
    kinds, network = kinds_of([(1, 5), (5, 5)], [(5.05, 5), (9, 5)])
    assert (kinds, len(network.branches)) == ({"I": 2}, 1)  # one crack in two strokes


def test_trap_17_a_stretch_drawn_twice_counts_once():
    _, network = kinds_of([(1, 5), (9, 5)], [(8, 5), (3, 5)], [(1, 5), (9, 5)])
    assert shapely.length(network.branches).sum() == pytest.approx(8)


def test_trap_14_ends_at_the_border_are_no_tips():
    kinds, network = kinds_of([(-1, 5), (9.95, 5)], [(5, 5), (5, 20)])
    assert kinds == {"E": 3, "Y": 1}
    assert shapely.length(network.branches).sum() == pytest.approx(9.95 + 5)


def test_rings_loops_and_nothing():
    ring = shapely.Point(5, 5).buffer(2).exterior.coords
    kinds, network = kinds_of(ring)
    assert (kinds, len(network.branches)) == ({"O": 1}, 1)
    kinds, network = kinds_of(ring, [(7, 5), (8, 5)])
    assert kinds == {"I": 1, "Y": 1}
    assert len(kinds_of([(20, 20), (30, 30)])[1].branches) == 0
    assert network.cracks.tolist() == [0, 0]


@settings(max_examples=25)
@given(st.integers(0, 19), st.randoms(use_true_random=False), st.floats(0, 2 * math.pi))
def test_neither_order_nor_direction_nor_rotation_matter(seed, random, angle):
    lines = [line if random.random() < 0.5 else line.reverse() for line in random_network(seed % 4)]
    random.shuffle(lines)

    def turned(shapes):
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return shapely.transform(shapes, lambda xy: xy @ matrix.T)

    network = node_lines(turned(np.array(lines)), turned(AREA), SNAP)
    assert FRACTOPO[seed % 4] == figures(network)


@pytest.fixture
def drawn(tmp_path, write_layer):
    """A crack over two beams, with a branch that misses it by 5 mm; in metres."""
    lines = [shapely.LineString([(1, 1), (9, 1)]), shapely.LineString([(3, 1.005), (3, 1.8)])]

    def write(name="lines.gpkg", crs=None):
        (tmp_path / name).unlink(missing_ok=True)
        return write_layer(tmp_path / name, "cracks", lines, "LineString", crs, who=["x", "y"])

    return write


@pytest.fixture
def beams(tmp_path, write_layer):
    def write(crs=None):
        (tmp_path / "beams.gpkg").unlink(missing_ok=True)
        halves = [shapely.box(0, 0, 5, 2), shapely.box(5, 0, 10, 2)]
        return write_layer(tmp_path / "beams.gpkg", "beams", halves, "Polygon", crs, ID=["A", "B"])

    return write


@pytest.mark.parametrize("name", ["lines.gpkg", "lines.shp"])
def test_two_beams(tmp_path, drawn, beams, beam_crs, name):
    result = measure(drawn(name, beam_crs), beams(beam_crs), "ID", tmp_path / "s.csv", snap_m=0.01)
    left, right = result["elements"]
    assert (left["node_i_count"], left["node_y_count"], left["node_e_count"]) == (2, 1, 1)
    assert (right["node_i_count"], right["node_e_count"]) == (1, 1)
    assert (left["crack_count"], right["crack_count"], result["totals"]["crack_count"]) == (1, 1, 1)
    assert result["totals"]["crack_m"] == pytest.approx(8.795, abs=1e-4)
    assert (tmp_path / "s.csv").is_file()
    apart = measure(drawn(name, beam_crs), beams(beam_crs), "ID", tmp_path / "s.csv", snap_m=0)["totals"]
    assert (apart["node_i_count"], apart["node_y_count"]) == (4, 0)


def test_pixels_without_crs_need_their_size(tmp_path, drawn, beams):
    with pytest.raises(CrsError, match="--gsd"):
        measure(drawn(), beams(), "ID", tmp_path / "s.csv", snap_m=0.01)
    totals = measure(drawn(), beams(), "ID", tmp_path / "s.csv", snap_m=2e-5, gsd_mm=2)["totals"]
    assert totals["crack_m"] == pytest.approx(8.795 * 0.002, rel=1e-5)
    assert totals["node_y_count"] == 1
    assert totals["branch_mean_px"] == pytest.approx(8.795 / 3, rel=1e-4)


def test_edited_lines_of_a_run(tmp_path, write_vectors):
    path = write_vectors(
        tmp_path / "v.gpkg",
        assessed=GROUND,
        losses=[shapely.box(1, 1, 2, 2)],
        lines=[(shapely.LineString([(0, 5), (9, 5)]), 1), (shapely.LineString([(4, 5.001), (4, 8)]), 1)],
    )
    result = measure(path, None, None, tmp_path / "s.csv", snap_m=0.01)
    assert (result["totals"]["node_y_count"], result["totals"]["node_e_count"]) == (1, 1)
    assert result["totals"]["loss_m2"] is None
    assert any("left aside" in note for note in result["run"]["notes"])


def test_bad_input(tmp_path, drawn, beams, beam_crs, write_layer):
    table = tmp_path / "s.csv"
    with pytest.raises(ParameterError, match="assessed"):
        measure(drawn(), None, None, table, snap_m=0.01, gsd_mm=1)
    with pytest.raises(ParameterError, match="snap"):
        measure(drawn(), beams(), "ID", table, snap_m=-1, gsd_mm=1)
    with pytest.raises(ParameterError, match="--gsd"):
        measure(drawn("in_crs.gpkg", beam_crs), beams(beam_crs), "ID", table, snap_m=0.01, gsd_mm=1)
    with pytest.raises(VectorError, match="--snap"):
        measure(drawn(), beams(), "ID", table)
    with pytest.raises(VectorError, match="not lines"):
        measure(beams(), beams(), "ID", table, snap_m=0.01, gsd_mm=1)
    degrees = write_layer(
        tmp_path / "d.gpkg", "d", [shapely.LineString([(1, 1), (2, 2)])], "LineString", "EPSG:4326", n=[1]
    )
    with pytest.raises(CrsError, match="degrees"):
        measure(degrees, beams(), "ID", table, snap_m=0.01)
    assert not table.exists()
