from __future__ import annotations

import csv
import sqlite3
from contextlib import closing

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely

from segmentation_core.errors import BookError, DiskFullError, ParameterError, VectorError
from segmentation_core.export import shapefile
from segmentation_core.export.content import Content
from segmentation_core.export.fields import CHANGE_LAYERS, ELEMENT_LAYER, EXPORT_LAYERS, STATISTICS_TABLE
from segmentation_core.operations.export import export
from segmentation_core.raster.georeference import same_crs
from segmentation_core.statistics.quantities import QUANTITIES


def read(path):
    meta, _, geometries, columns = pyogrio.raw.read(path)
    return shapely.from_wkb(geometries), dict(zip(meta["fields"].tolist(), columns, strict=True))


def test_every_layer_reads_back_whole(enter_beam, book, halves, tmp_path, beam_crs):
    enter_beam(elements=halves)
    out = tmp_path / "shapes"
    result = export(book, "shapefile", out)
    assert result["files"] == {
        "first_loss.shp": 2,
        "first_crack_area.shp": 2,
        "first_crack.shp": 3,
        "first_node.shp": 5,
        "first_island.shp": 0,
        "first_element.shp": 2,
        "first_stats.dbf": 2 * len(QUANTITIES),
    }
    for layer in EXPORT_LAYERS:
        path = out / f"first_{layer.name}.shp"
        info = pyogrio.read_info(path)
        assert list(info["fields"]) == [f.name for f in layer.fields]
        assert same_crs(pyproj.CRS.from_user_input(info["crs"]).to_wkt(), beam_crs)
        assert path.with_suffix(".cpg").read_text().strip() == "UTF-8"
    assert [p.name for p in out.iterdir() if p.name.startswith(".")] == []


def test_values_units_and_chinese(enter_beam, book, halves, tmp_path):
    enter_beam(elements=halves)
    export(book, "shapefile", tmp_path / "out")
    geometries, loss = read(tmp_path / "out" / "first_loss.shp")
    assert loss["area_cm2"].tolist() == pytest.approx([1e4, 2e4])
    assert shapely.area(geometries).tolist() == [1, 2]
    assert loss["class_zh"].tolist() == ["颜料剥落"] * 2
    assert loss["surv_dt"].tolist() == [np.datetime64("2024-05-01").item()] * 2
    _, crack = read(tmp_path / "out" / "first_crack.shp")
    assert crack["len_mm"].tolist() == pytest.approx([4500, 4500, 2000])
    assert crack["width_mm"].tolist() == pytest.approx([1, 1, 1])
    assert crack["crack_no"].tolist() == [7, 7, 9]
    assert crack["elem_id"].tolist() == ["A", "B", "A"]


def test_elements_carry_their_statistics(enter_beam, book, halves, tmp_path):
    left, right = enter_beam(elements=halves).figures.elements
    export(book, "shapefile", tmp_path / "out")
    geometries, columns = read(tmp_path / "out" / "first_element.shp")
    assert columns["elem_id"].tolist() == ["A", "B"]
    assert shapely.area(geometries).tolist() == [20, 20]
    for field in ELEMENT_LAYER.fields[2:-1]:
        expected = [row[field.source] and row[field.source] * field.factor for row in (left, right)]
        assert columns[field.name].tolist() == pytest.approx(expected)


def test_the_image_is_drawn_as_its_assessed_area(enter_beam, book, tmp_path):
    enter_beam()
    export(book, "shapefile", tmp_path / "out")
    geometries, columns = read(tmp_path / "out" / "first_element.shp")
    assert columns["elem_id"].tolist() == ["image"]
    assert shapely.area(geometries).tolist() == [40]


def test_an_undefined_width_is_null(enter_beam, book, tmp_path, write_vectors):
    enter_beam(vectors=write_vectors(tmp_path / "n.gpkg", assessed=shapely.box(0, 0, 1, 1)), crs_wkt=None)
    export(book, "shapefile", tmp_path / "out")
    _, columns = read(tmp_path / "out" / "first_element.shp")
    assert np.isnan(columns["width_mm"][0])
    assert columns["crack_n"].tolist() == [0]
    assert read(tmp_path / "out" / "first_loss.shp")[0].tolist() == []
    assert not (tmp_path / "out" / "first_loss.prj").exists()


def test_rejected_features_stay_out(enter_beam, book, sql, tmp_path):
    enter_beam()
    sql("UPDATE loss_polygon SET status = 'rejected' WHERE fid = 1")
    files = export(book, "shapefile", tmp_path / "out")["files"]
    assert files["first_loss.shp"] == 1


def test_stale_statistics_are_computed_first(enter_beam, book, sql, tmp_path):
    enter_beam()
    enter_beam(name="second", date="2025-01-01")
    sql("DELETE FROM loss_polygon WHERE surv_id = 'S1' AND area_m2 = 2")
    result = export(book, "shapefile", tmp_path / "out")
    assert result["run"]["recomputed"] == ["first"]
    assert read(tmp_path / "out" / "first_element.shp")[1]["loss_cm2"].tolist() == pytest.approx([1e4])
    assert export(book, "shapefile", tmp_path / "again")["run"]["recomputed"] == []


def test_one_survey_of_several(enter_beam, book, tmp_path):
    enter_beam()
    enter_beam(name="北/面", date="2025-01-01")
    files = export(book, "shapefile", tmp_path / "out", survey="北/面")["files"]
    assert all(name.startswith("北_面-") for name in files)
    with pytest.raises(ParameterError, match=r"no survey 'third'.*first, 北/面"):
        export(book, "shapefile", tmp_path / "out", survey="third")


def test_the_key_explains_every_field(enter_beam, book, tmp_path):
    enter_beam()
    export(book, "shapefile", tmp_path / "out")
    raw = (tmp_path / "out" / shapefile.FIELD_KEY).read_bytes()
    rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
    assert [(r["layer"], r["field"]) for r in rows] == [
        (y.name, f.name) for y in (*EXPORT_LAYERS, STATISTICS_TABLE) for f in y.fields
    ]
    assert all(r["meaning_en"] and r["meaning_zh"] for r in rows)


def test_every_name_is_whole():
    for layer in (*EXPORT_LAYERS, *CHANGE_LAYERS, STATISTICS_TABLE):
        names = [f.name for f in layer.fields]
        assert len(set(names)) == len(names)
        assert all(len(name) <= 10 and name.isascii() for name in names)


def test_an_unknown_format(enter_beam, book, tmp_path):
    with pytest.raises(ParameterError, match=r"unknown format 'dwg'\. Use .*shapefile"):
        export(book, "dwg", tmp_path / "out")


def test_no_book_and_not_a_book(tmp_path):
    with pytest.raises(BookError, match="no such survey book"):
        export(tmp_path / "none.gpkg", "shapefile", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_earlier_files_are_replaced_only_by_whole_ones(enter_beam, book, tmp_path, monkeypatch):
    enter_beam()
    out = tmp_path / "out"
    export(book, "shapefile", out)
    (out / "notes.txt").write_text("mine")
    (out / "first_loss.qix").write_text("an index of the old file")
    before = {p.name: p.read_bytes() for p in out.iterdir()}

    def misread(folder, names, layer, expected):
        raise VectorError("reads back otherwise", path=folder)

    with monkeypatch.context() as patch:
        patch.setattr(shapefile, "_check", misread)
        with pytest.raises(VectorError):
            export(book, "shapefile", out, overwrite=True)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    export(book, "shapefile", out, overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"
    assert not (out / "first_loss.qix").exists()


@pytest.mark.parametrize("damage", ["names", "fewer", "more", "geometry", "place", "value", "null"])
def test_the_comparison_notices(enter_beam, book, tmp_path, damage):
    enter_beam()
    out, files = tmp_path / "out", ["first_loss.shp"]
    export(book, "shapefile", out)
    layer = EXPORT_LAYERS[0]
    (content,) = shapefile._read_back(out, files, layer)
    shapefile._check(out, files, layer, [content])
    geometries, columns = content.geometries, [list(c) for c in content.columns]
    if damage == "names":
        layer = EXPORT_LAYERS[1]
    elif damage == "fewer":
        geometries, columns = np.append(geometries, geometries[:1]), [[*c, c[0]] for c in columns]
    elif damage == "more":
        geometries, columns = geometries[:1], [c[:1] for c in columns]
    elif damage == "geometry":
        geometries = shapely.buffer(geometries, 0.001)
    elif damage == "place":
        geometries = shapely.transform(geometries, lambda p: p + 0.001)
    elif damage == "value":
        columns[-2][0] = "verified"
    else:
        columns[-3][0] = None
    with pytest.raises(VectorError, match="does not read back as it was written"):
        shapefile._check(out, files, layer, [Content(geometries, columns)])


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no RLIMIT_FSIZE")
def test_a_full_disk(enter_beam, book, tmp_path):
    import resource

    enter_beam()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, hard))
    try:
        with pytest.raises((DiskFullError, VectorError), match=r"disk is"):
            export(book, "shapefile", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "out").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".export")] == []


def test_the_book_stays_as_it_is(enter_beam, book, tmp_path):
    enter_beam()
    before = book.read_bytes()
    export(book, "shapefile", tmp_path / "out")
    assert book.read_bytes() == before
    with closing(sqlite3.connect(book)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
