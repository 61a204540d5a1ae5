"""A crack line that a person rejected takes its area out of every export, whole or in part."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing

import geopandas
import pytest
import rasterio
import shapely

from segmentation_core.operations.export import export


@pytest.fixture
def rejected(rich_book, sql):
    """Crack 9 is rejected whole; of crack 7 (9 m long) the 4.5 m from x 0.5 to 5."""
    sql("UPDATE crack_line SET status = 'rejected' WHERE comp_id = 9")
    sql("UPDATE crack_line SET status = 'rejected' WHERE fid = (SELECT min(fid) FROM crack_line)")
    return rich_book


def areas_in(path, layer=None):
    shapes = geopandas.read_file(path, layer=layer).geometry
    return [shape.bounds for shape in shapes], sum(shape.area for shape in shapes)


def test_shapefile_and_gpkg_hold_what_is_left(rejected, sql, tmp_path):
    export(rejected, "shapefile", tmp_path / "s")
    export(rejected, "gpkg", tmp_path / "b.gpkg")
    ((total,),) = sql("SELECT sum(value) FROM element_stats WHERE stat = 'crack_area_m2'")
    for path, layer in (
        (next((tmp_path / "s").glob("*_crack_area.shp")), None),
        (tmp_path / "b.gpkg", "crack_area"),
    ):
        ((x0, _, x1, _),), area = areas_in(path, layer)
        assert (x0, x1) == (pytest.approx(5, abs=0.01), pytest.approx(9.5))
        assert area == pytest.approx(0.45, rel=1e-3)
        assert total == pytest.approx(area, rel=1e-6)
    stated = geopandas.read_file(next((tmp_path / "s").glob("*_crack_area.shp")))["area_cm2"]
    assert stated.sum() == pytest.approx(4500, rel=1e-3)
    assert sql("SELECT count(*), sum(area_m2) FROM crack_area")[0] == (
        2,
        pytest.approx(1.1),
    )  # kept in the book


def test_masks_and_annotations_hold_what_is_left(rejected, tmp_path):
    export(rejected, "masks", tmp_path / "m")
    export(rejected, "labelme", tmp_path / "l")
    with rasterio.open(next((tmp_path / "m").glob("*.tif"))) as mask:
        _, cols = (mask.read(1) == 1).nonzero()
    assert (cols.min(), cols.max()) == (500, 949)
    assert len(cols) == 4500
    shapes = json.loads(next((tmp_path / "l").glob("*.json")).read_text("utf-8"))["shapes"]
    cracks = [shapely.Polygon(s["points"]) for s in shapes if s["label"] == "craquelure"]
    assert sum(crack.area for crack in cracks) == pytest.approx(4500, rel=1e-3)


def test_quantities_leave_it_out_everywhere(rejected, tmp_path):
    """Quantities, size classes, billing: 4.5 m of one crack are left."""
    export(rejected, "csv", tmp_path / "c")

    def rows_of(name):
        with next((tmp_path / "c").glob(f"*_{name}.csv")).open(encoding="utf-8-sig", newline="") as stream:
            return [r for r in csv.DictReader(stream) if r["Class code"] == "craquelure"]

    assert sum(float(r["Length [m]"]) for r in rows_of("size_classes")) == pytest.approx(4.5)
    assert sum(int(r["Features [1]"]) for r in rows_of("billing")) == 1
    area = sum(float(r["Area [cm2]"]) for r in rows_of("quantities"))
    assert area == pytest.approx(4500)


def test_a_subset_counts_the_same(rejected, sql, tmp_path):
    """Cut areas stay cut when the subset, where no rejected line is, is measured again."""
    export(rejected, "gpkg", tmp_path / "b.gpkg")
    query = "SELECT elem_id, value FROM element_stats WHERE stat = 'crack_area_m2' ORDER BY elem_id"
    before = dict(sql(query))
    with closing(sqlite3.connect(tmp_path / "b.gpkg")) as part:
        part.execute("UPDATE element_stats SET stale = 1")
        part.commit()
    export(tmp_path / "b.gpkg", "csv", tmp_path / "c")
    with closing(sqlite3.connect(tmp_path / "b.gpkg")) as part:
        assert dict(part.execute(query)) == pytest.approx(before, rel=1e-9)
