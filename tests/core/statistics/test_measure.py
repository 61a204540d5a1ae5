from __future__ import annotations

import csv
import json
import math
import sqlite3

import numpy as np
import pytest
import shapely

from segmentation_core.errors import CrsError, ElementsError, ParameterError, VectorError
from segmentation_core.operations.measure import measure
from segmentation_core.statistics.features import stream_features
from segmentation_core.statistics.quantities import MAIN, QUANTITIES
from segmentation_core.terminal import print_statistics

GROUND = shapely.box(0, 0, 10, 4)
HALVES = [shapely.box(0, 0, 5, 4), shapely.box(5, 0, 12, 4)]


@pytest.fixture
def beam(tmp_path, write_vectors, beam_crs):
    """A crack along the whole beam, a second one in the left half, a loss across the middle."""
    return write_vectors(
        tmp_path / "v.gpkg",
        assessed=GROUND,
        crs=beam_crs,
        losses=[shapely.box(4, 1, 6, 2)],
        areas=[(shapely.box(0, 3, 10, 3.1), 7)],
        lines=[
            (shapely.LineString([(0, 3.05), (10, 3.05)]), 7),
            (shapely.LineString([(1, 3.05), (1, 3.5)]), 7),
            (shapely.LineString([(1, 0.5), (3, 0.5)]), 9),
        ],
    )


def test_by_hand(tmp_path, beam, write_layer, beam_crs):
    elements = write_layer(tmp_path / "e.gpkg", "e", HALVES, "Polygon", beam_crs, ID=["A", "B"])
    result = measure(beam, elements, "ID", tmp_path / "s.csv")
    left, right = result["elements"]
    main = ["elem_id", *(q.code for q in MAIN)]
    assert {code: left[code] for code in main} == pytest.approx(
        {
            "elem_id": "A",
            "assessed_m2": 20.0,
            "loss_m2": 1.0,
            "loss_ratio": 0.05,
            "loss_count": 1,
            "crack_m": 7.45,
            "crack_count": 2,
            "crack_area_m2": 0.5,
            "p21_m_per_m2": 7.45 / 20,
            "width_mean_mm": 1000 * 0.5 / 7.45,
        }
    )
    assert right["crack_m"] == pytest.approx(5)
    assert right["crack_count"] == 1
    totals = result["totals"]
    assert totals["assessed_m2"] == 40
    assert totals["loss_count"] == 1  # one loss, though it lies in both
    assert totals["crack_count"] == 2
    assert totals["p21_m_per_m2"] == pytest.approx(12.45 / 40)


def test_without_elements_the_image_is_measured(tmp_path, beam):
    result = measure(beam, None, None, tmp_path / "s.csv")
    assert [row["elem_id"] for row in result["elements"]] == ["image"]
    assert result["totals"]["crack_m"] == pytest.approx(12.45)


def test_excluded_areas_are_not_assessed(tmp_path, beam, write_layer, beam_crs):
    hidden = write_layer(tmp_path / "x.gpkg", "x", [shapely.box(5, 0, 20, 4)], "Polygon", beam_crs, n=[1])
    totals = measure(beam, None, None, tmp_path / "s.csv", exclude=hidden)["totals"]
    assert totals["assessed_m2"] == 20
    assert totals["loss_m2"] == 1
    assert totals["crack_m"] == pytest.approx(7.45)


def test_units_come_from_the_vectors(tmp_path, write_vectors):
    """1 unit = 2 mm, and no CRS."""
    path = write_vectors(
        tmp_path / "v.gpkg",
        assessed=shapely.box(0, -1000, 1000, 0),
        metres_per_unit=0.002,
        losses=[shapely.box(0, -10, 10, 0)],
        lines=[(shapely.LineString([(0, -500), (500, -500)]), 1)],
    )
    totals = measure(path, None, None, tmp_path / "s.csv")["totals"]
    assert totals["assessed_m2"] == pytest.approx(4)
    assert totals["loss_m2"] == pytest.approx(100 * 4e-6)
    assert totals["crack_m"] == pytest.approx(1)


def test_nothing_found_gives_zero_or_null_never_nan(tmp_path, write_vectors):
    path = write_vectors(tmp_path / "v.gpkg", assessed=GROUND)
    result = measure(path, None, None, tmp_path / "s.csv")
    row = result["elements"][0]
    assert row["width_mean_mm"] is None
    assert {code: row[code] for code in ("loss_ratio", "p21_m_per_m2", "crack_count")} == {
        "loss_ratio": 0,
        "p21_m_per_m2": 0,
        "crack_count": 0,
    }
    assert not any(isinstance(v, float) and math.isnan(v) for v in row.values())
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_the_table_opens_in_a_spreadsheet(tmp_path, beam, write_layer, beam_crs):
    elements = write_layer(tmp_path / "e.gpkg", "e", HALVES, "Polygon", beam_crs, ID=["=1+1", "梁"])
    measure(beam, elements, "ID", tmp_path / "new" / "s.csv")
    raw = (tmp_path / "new" / "s.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
    codes = [q.code for q in QUANTITIES]
    bounds = ["width_mean_mm_bound", "width_p50_mm_bound", "width_p95_mm_bound"]
    assert list(rows[0]) == ["elem_id", *codes, *(f"{code}_u95" for code in codes), *bounds]
    assert [row["elem_id"] for row in rows] == ["'=1+1", "梁"]
    assert float(rows[0]["crack_m"]) == pytest.approx(7.45)


def test_the_table_marks_widths_at_the_limit_of_resolution(tmp_path, write_vectors, write_layer, beam_crs):
    """Below 2 px, here 20 mm, a width is an upper bound; the figure stays a number."""
    path = write_vectors(
        tmp_path / "v.gpkg",
        assessed=GROUND,
        crs=beam_crs,
        areas=[(shapely.box(0, 3, 5, 3.015), 7), (shapely.box(5, 3, 10, 3.1), 7)],
        lines=[(shapely.LineString([(0, 3.01), (10, 3.01)]), 7)],
    )
    elements = write_layer(tmp_path / "e.gpkg", "e", HALVES, "Polygon", beam_crs, ID=["hair", "gap"])
    measure(path, elements, "ID", tmp_path / "s.csv")
    hair, gap = csv.DictReader((tmp_path / "s.csv").read_text("utf-8-sig").splitlines())
    assert (hair["width_mean_mm_bound"], gap["width_mean_mm_bound"]) == ("<=", "")
    assert float(hair["width_mean_mm"]) == pytest.approx(15)


def test_elements_without_assessed_pixels_are_named_not_listed(tmp_path, beam, write_layer, beam_crs):
    outlines = [*HALVES, shapely.box(50, 0, 60, 4)]
    elements = write_layer(tmp_path / "e.gpkg", "e", outlines, "Polygon", beam_crs, ID=["A", "B", "far"])
    result = measure(beam, elements, "ID", tmp_path / "s.csv")
    assert [row["elem_id"] for row in result["elements"]] == ["A", "B"]
    assert any("no assessed pixel in far" in note for note in result["run"]["notes"])


def test_what_lies_in_an_elements_hole_is_not_its_own(tmp_path, beam, write_layer, beam_crs):
    ring = shapely.Polygon(GROUND.exterior, [shapely.box(4, 0.5, 7, 3.5).exterior])
    elements = write_layer(tmp_path / "e.gpkg", "e", [ring], "Polygon", beam_crs, ID=["ring"])
    (row,) = measure(beam, elements, "ID", tmp_path / "s.csv")["elements"]
    whole = measure(beam, None, None, tmp_path / "s.csv")["totals"]
    assert row["assessed_m2"] == pytest.approx(40 - 9)
    assert (row["loss_m2"], row["loss_count"]) == (0, 0)
    assert row["crack_m"] == pytest.approx(12.45 - 3)
    assert row["node_e_count"] - whole["node_e_count"] == 2  # the hole cuts the long crack twice


def test_widths_of_elements_come_from_the_profiles_of_lines(tmp_path, beam):
    with sqlite3.connect(beam) as connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE crack_line SET wid_m = 0.002, wid50_m = 0.002, wid95_m = 0.005")
    row = measure(beam, None, None, tmp_path / "s.csv")["totals"]
    assert (row["width_p50_mm"], row["width_p95_mm"]) == pytest.approx((2.0, 5.0))
    with sqlite3.connect(beam) as connection:  # a file of an earlier version
        for column in ("wid50_m", "wid95_m", "widp_m"):
            connection.execute(f"ALTER TABLE crack_line DROP COLUMN {column}")
    row = measure(beam, None, None, tmp_path / "s.csv")["totals"]
    assert (row["width_p50_mm"], row["width_p95_mm"]) == pytest.approx((2.0, 2.0))


def test_a_width_at_the_limit_is_printed_as_at_most(capsys):
    row = {q.code: 0.0 for q in MAIN} | {"elem_id": "A", "width_mean_mm": 0.8}
    result = {"elements": [row], "totals": row | {"width_mean_mm": 1.2}, "run": {"gsd_mm": 0.5}}
    print_statistics("t", result)
    said = capsys.readouterr().out
    assert said.count("<= ") == 1
    assert "<= 0.8" in said


def test_overlapping_elements_are_noted(tmp_path, beam, write_layer, beam_crs):
    outlines = [shapely.box(0, 0, 6, 4), shapely.box(5, 0, 10, 4)]
    elements = write_layer(tmp_path / "e.gpkg", "e", outlines, "Polygon", beam_crs, ID=["A", "B"])
    assert any(
        "overlap" in n and "A and B" in n
        for n in measure(beam, elements, "ID", tmp_path / "s.csv")["run"]["notes"]
    )


def test_bad_inputs_leave_the_table_alone(tmp_path, beam, write_layer, beam_crs):
    table = tmp_path / "s.csv"
    table.write_text("mine")
    far = write_layer(tmp_path / "far.gpkg", "e", [shapely.box(90, 0, 91, 1)], "Polygon", beam_crs, ID=["A"])
    bare = write_layer(tmp_path / "bare.gpkg", "e", HALVES, "Polygon", ID=["A", "B"])
    with pytest.raises(ElementsError, match="no element touches"):
        measure(beam, far, "ID", table)
    with pytest.raises(CrsError, match="no CRS"):
        measure(beam, bare, "ID", table)
    with pytest.raises(ParameterError, match="id field"):
        measure(beam, far, None, table)
    with pytest.raises(VectorError, match="no such file"):
        measure(tmp_path / "none.gpkg", far, "ID", table)
    with pytest.raises(VectorError, match="not a file of vectors"):
        measure(far, far, "ID", table)
    assert table.read_text() == "mine"


def test_a_table_that_cannot_be_written(tmp_path, beam):
    (tmp_path / "s.csv").mkdir()
    with pytest.raises(VectorError, match="cannot be written"):
        measure(beam, None, None, tmp_path / "s.csv")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_streaming_in_chunks_loses_nothing(tmp_path, write_vectors, monkeypatch):
    from segmentation_core.statistics import features

    monkeypatch.setattr(features, "_CHUNK_ROWS", 7)
    losses = [shapely.box(i, 0, i + 0.5, 0.5) for i in range(50)]
    path = write_vectors(tmp_path / "v.gpkg", assessed=shapely.box(0, 0, 50, 1), losses=losses)
    with sqlite3.connect(path) as connection:
        chunks = list(stream_features(connection, "loss_polygon", ("uid",)))
    assert [len(c.rows) for c in chunks] == [7] * 7 + [1]
    assert np.concatenate([c.fids for c in chunks]).tolist() == list(range(1, 51))
    assert measure(path, None, None, tmp_path / "s.csv")["totals"]["loss_count"] == 50


def test_quantities_are_told_apart_and_explained():
    assert len({q.code for q in QUANTITIES}) == len(QUANTITIES)
    assert all(q.name_en and q.name_zh and q.meaning_en and q.meaning_zh and q.unit for q in QUANTITIES)
