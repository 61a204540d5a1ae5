"""The forty traps of MEASUREMENT section 9, and the test that keeps each of them shut.

A test without a file stands below. Traps 22 to 26 are those of `compare`, which keeps its own list.

== ======================================================= ==================================================
 1 Zhang's thinning erases 45-degree cracks                core/vectors/test_thinning.py::test_diagonal_staircase_survives
 2 pixel-step length, inflated sinuosity                   core/vectors/test_accuracy.py::test_straight_lines_at_all_angles
 3 a Gaussian shrinks curves                               core/vectors/test_accuracy.py::test_circles
 4 junctions move when branches are smoothed               test_branches_meet_exactly_in_their_nodes
 5 16-bit coordinates; parallel edges lost                 core/vectors/test_graph.py::test_parallel_branches_are_kept
 6 width as twice the distance                             core/vectors/test_accuracy.py::test_straight_lines_at_all_angles
 7 a library's distance taken for a width                  test_no_borrowed_skeleton_graph
 8 medial axis: +13 % on thin masks                        core/vectors/test_accuracy.py::test_voronoi_network
 9 invalid 8-connected polygons; buffer(0)                 core/vectors/test_polygons.py::test_pixels_that_meet_in_a_corner_only_make_a_hole_that_touches
10 staircase perimeter                                     core/vectors/test_outline_length.py::test_trap_10_the_perimeter_of_discs_is_right_to_half_a_per_cent
11 seams without halo, blobs wider than the halo           core/vectors/test_independence.py::test_skeletons_of_tiles_are_those_of_the_whole
12 floats before the seams are dissolved                   test_seams_are_dissolved_before_the_transform
13 order of rings and polygons by GDAL's version           core/vectors/test_polygons.py::test_any_tiling_gives_what_gdal_gives_untiled
14 E counted as I; cut islands; retreat at the border      core/vectors/test_vectorise.py::test_ends_at_borders_are_kept_apart
14 (islands)                                               core/statistics/test_islands.py::test_trap_14_islands_at_the_border_count_apart
14 (drawn lines)                                           core/statistics/test_drawn_lines.py::test_trap_14_ends_at_the_border_are_no_tips
15 branches with or without E                              core/statistics/test_drawn_lines.py::test_kb11_has_its_published_figures
16 P22 means two things                                    test_no_ambiguous_figures
17 lines drawn twice                                       core/statistics/test_drawn_lines.py::test_trap_17_a_stretch_drawn_twice_counts_once
18 axial angles averaged as vectors                        test_179_and_1_degrees_are_nearly_parallel
19 rose by chords; y down                                  test_the_rose_counts_segments_and_y_points_up
20 X or two Y below 45 degrees                             core/vectors/test_accuracy.py::test_crossings_are_one_x
21 fractal dimension as a density                          test_no_ambiguous_figures
27 tolerance as a fraction of the picture                  training/test_learning.py::test_tolerance_forgives_two_pixels_and_not_three
28 clDice of empty masks                                   training/test_scores.py::test_cldice_sees_a_gap_that_iou_hardly_sees
29 shapefile: names, 254 bytes, NULL                       core/export/test_shapefile_limits.py::test_big_and_missing_numbers
29 (names)                                                 core/export/test_shapefile.py::test_every_name_is_whole
29 (254 bytes)                                             core/export/test_shapefile_limits.py::test_long_texts_are_kept_in_a_table
30 GeoJSON loses the CRS                                   core/export/test_subset.py::test_geojson_is_refused_for_a_local_crs
31 OGR's DXF encoding                                      core/export/test_dxf.py::test_layers_hatches_names_and_legend
32 three GDALs in one process                              plugin/test_package.py::test_the_plugin_imports_nothing_but_what_qgis_has
33 ellipsoidal length                                      test_lengths_are_planar
34 integers with NULL become floats                        test_numbers_of_cracks_survive_a_null
35 area of simplified or reprojected polygons              core/vectors/test_vectorise.py::test_any_affine
36 what the minimum mapping unit removes is not told       core/vectors/test_vectorise.py::test_areas_are_exact_and_small_losses_are_counted_not_kept
37 nodata assessed                                         core/vectors/test_vectorise.py::test_odd_rasters_give_defined_results
38 a re-run renames features                               core/vectors/test_independence.py::test_same_input_same_names
39 a re-run overwrites edits                               core/survey/test_rerun.py::test_what_a_person_touched_stays_and_holds_its_ground
40 edited and automatic features mixed                     core/survey/test_book.py::test_features_know_whose_they_are
== ======================================================= ==================================================
"""  # noqa: E501 - a table

from __future__ import annotations

import ast
import re
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine

from segmentation_core.operations.measure import measure
from segmentation_core.statistics.features import stream_features
from segmentation_core.statistics.quantities import QUANTITIES
from segmentation_core.vectors.arrays import vectorise
from segmentation_core.vectors.settings import VectorSettings

TESTS = Path(__file__).resolve().parents[1]
ELSEWHERE = range(22, 27)


def test_the_table_is_whole_and_true():
    rows = [(int(m[1]), m[2]) for m in re.finditer(r"^( ?\d+) .*?  +(\S+)$", __doc__, re.MULTILINE)]
    assert {number for number, _ in rows} == set(range(1, 41)) - set(ELSEWHERE)
    for _, test in rows:
        file, _, name = test.rpartition("::")
        source = (TESTS / file if file else Path(__file__)).read_text(encoding="utf-8")
        functions = {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
        assert name in functions, test


def wavy_network(size=220):
    """Three bent cracks that meet, 3 px wide."""
    y, x = np.mgrid[0:size, 0:size] + 0.5
    mask = np.abs(y - 110 - 18 * np.sin(x / 17)) < 2
    mask |= (np.abs(x - 90 - 12 * np.sin(y / 13)) < 2) & (y < 112)
    return mask | ((np.abs(x - y + 20 * np.sin(y / 19)) < 2.5) & (y > 100))


def test_branches_meet_exactly_in_their_nodes():
    """Trap 4."""
    found = vectorise(wavy_network(), Affine.identity())
    lines, nodes = found["crack_line"], found["crack_node"]
    places = dict(zip(nodes["node_id"].tolist(), nodes["geometry"], strict=True))
    assert (nodes["degree"] >= 3).any()
    for line, a, b in zip(lines["geometry"], lines["node_a"].tolist(), lines["node_b"].tolist(), strict=True):
        assert line.coords[0] == places[a].coords[0]
        assert line.coords[-1] == places[b].coords[0]


def test_no_borrowed_skeleton_graph():
    """Traps 5, 7: libraries whose lengths or widths mean something else are not used."""
    banned = {"skan", "sknw", "centerline", "cv2", "momepy"}
    for path in (TESTS.parent / "segmentation_core").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        names |= {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert not names & banned, path


@pytest.mark.parametrize("tile", [37, 64])
def test_seams_are_dissolved_before_the_transform(tile):
    """Trap 12: on a turned grid far from the origin, no float differs and no sliver stays at a seam."""
    random = np.random.default_rng(3)
    classes = (random.random((100, 120)) < 0.6).astype(np.uint8) * 2
    affine = Affine.translation(466000.123, 6691582.457) @ Affine.rotation(31.7) @ Affine.scale(0.003, -0.003)
    whole, tiled = (
        vectorise(classes, affine, settings=VectorSettings(min_loss_px=0, tile_size_px=size))["loss_polygon"]
        for size in (1024, tile)
    )
    assert sorted(tiled["uid"]) == sorted(whole["uid"])


def test_no_ambiguous_figures():
    """Traps 16, 21."""
    for quantity in QUANTITIES:
        assert "p22" not in quantity.code
        assert "fractal" not in (quantity.code + quantity.name_en).lower()
    assert {"crack_area_ratio", "branch_count", "branch_with_e_count"} <= {q.code for q in QUANTITIES}


def figures(tmp_path, write_vectors, lines, ground=None, **more):
    path = write_vectors(
        tmp_path / "v.gpkg",
        assessed=ground or shapely.box(0, 0, 100, 100),
        lines=[(line, 1) for line in lines],
        **more,
    )
    return measure(path, None, None, tmp_path / "s.csv")["totals"]


def ray(angle_deg, length=20.0):
    turn = np.radians(angle_deg)
    return shapely.LineString([(50, 50), (50 + length * np.cos(turn), 50 + length * np.sin(turn))])


def test_179_and_1_degrees_are_nearly_parallel(tmp_path, write_vectors):
    """Trap 18: their mean is 0, not 90."""
    found = figures(tmp_path, write_vectors, [ray(179), ray(1)])
    assert found["crack_axis_deg"] == pytest.approx(0, abs=1e-6)
    assert found["crack_alignment"] == pytest.approx(np.cos(np.radians(2)))
    assert found["along_ratio"] == pytest.approx(1)


def test_the_rose_counts_segments_and_y_points_up(tmp_path, write_vectors):
    """Trap 19: a right angle is half along and half across, though its chord runs at 45 degrees."""
    corner = shapely.LineString([(10, 10), (30, 10), (30, 30)])
    found = figures(tmp_path, write_vectors, [corner])
    assert (found["rose_000_ratio"], found["rose_090_ratio"]) == pytest.approx((0.5, 0.5))
    assert found["rose_040_ratio"] == 0
    long_and_short = figures(tmp_path, write_vectors, [ray(35, 30), ray(125, 10)])
    assert long_and_short["rose_030_ratio"] == pytest.approx(0.75)  # by length, not by number
    assert long_and_short["crack_axis_deg"] == pytest.approx(35)
    rows, cols = np.indices((120, 120))
    rising = np.abs(cols - (119 - rows) * 1.5) < 2  # up to the right on the screen: 33.7 degrees
    line = vectorise(rising, Affine(1, 0, 0, 0, -1, 0))["crack_line"]["geometry"]
    assert figures(tmp_path, write_vectors, [shapely.affinity.translate(g, 0, 100) for g in line])[
        "crack_axis_deg"
    ] == pytest.approx(33.7, abs=1)


def test_lengths_are_planar(tmp_path, write_vectors):
    """Trap 33: at 60 degrees north, a metre of Web Mercator is half a metre on the ellipsoid, not here."""
    x, y = 2_700_000.0, 8_400_000.0
    line = shapely.LineString([(x, y), (x + 3, y + 4)])
    ground = shapely.box(x - 10, y - 10, x + 10, y + 10)
    found = figures(tmp_path, write_vectors, [line], ground, crs="EPSG:3857")
    assert found["crack_m"] == pytest.approx(5)
    assert found["assessed_m2"] == pytest.approx(400)


def test_numbers_of_cracks_survive_a_null(tmp_path, write_vectors):
    """Trap 34: read as floats, 2^53 + 1 would become its neighbour's number."""
    big = 2**53 + 1
    lines = [(ray(10), big), (ray(80), big - 1), (ray(45), 7)]
    path = write_vectors(tmp_path / "v.gpkg", assessed=shapely.box(0, 0, 100, 100), lines=lines)
    with sqlite3.connect(path) as connection:
        for trigger in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{trigger[0]}"')
        connection.execute("UPDATE crack_line SET comp_id = NULL WHERE comp_id = 7")
        (chunk,) = stream_features(connection, "crack_line", ("comp_id",))
        numbers = chunk.column(0)
    assert numbers.dtype == np.int64
    assert numbers.tolist() == [big, big - 1, -3]
    assert measure(path, None, None, tmp_path / "s.csv")["totals"]["crack_count"] == 3
