"""A subset is a book; GeoJSON is written only where the CRS survives."""

from __future__ import annotations

import geopandas
import pyogrio
import pytest
import shapely

from segmentation_core.errors import CrsError, ParameterError
from segmentation_core.operations.export import export
from segmentation_core.raster.georeference import same_crs
from segmentation_core.survey.store import reading
from segmentation_core.survey.styles import STYLED
from segmentation_core.survey.surveys import orthophotos_of, surveys_of


def test_a_subset_opens_as_a_book_with_styles(changed_book, orthophoto, beam_crs, tmp_path):
    out = tmp_path / "for colleague" / "part.gpkg"
    export(changed_book, "gpkg", out, survey="春", elements=["南立面额枋"])
    with reading(out) as book:
        assert [s.name for s in surveys_of(book.connection)] == ["春"]
        assert same_crs(book.crs_wkt, beam_crs)
        (record,) = [record for _, record in orthophotos_of(book, "S1")]
        assert record.path == str(orthophoto.resolve())
        (styles,) = book.connection.execute("SELECT count(*) FROM layer_styles").fetchone()
        assert styles == len(STYLED)
        assert book.connection.execute("SELECT count(*) FROM change_line").fetchone() == (0,)
        assert book.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    lines = geopandas.read_file(out, layer="crack_line")
    assert set(lines["elem_id"]) == {"南立面额枋"}
    assert list(geopandas.read_file(out, layer="element")["elem_id"]) == ["南立面额枋"]


def test_totals_per_element_equal_the_book(changed_book, sql, tmp_path):
    export(changed_book, "gpkg", tmp_path / "part.gpkg")
    for layer, column in (("crack_line", "len_m"), ("loss_polygon", "area_m2"), ("crack_area", "area_m2")):
        stored = dict(sql(f"SELECT elem_id, sum({column}) FROM {layer} GROUP BY elem_id"))
        table = geopandas.read_file(tmp_path / "part.gpkg", layer=layer)
        assert dict(table.groupby("elem_id")[column].sum()) == pytest.approx(stored, rel=1e-6)
        measured = table.length if layer == "crack_line" else table.area
        assert dict(measured.groupby(table["elem_id"]).sum()) == pytest.approx(stored, rel=1e-6)


def test_a_pair_brings_its_surveys_and_changes(changed_book, tmp_path):
    export(changed_book, "gpkg", tmp_path / "pair.gpkg", pair=("春", "秋"))
    with reading(tmp_path / "pair.gpkg") as book:
        assert [s.name for s in surveys_of(book.connection)] == ["春", "秋"]
        assert book.connection.execute("SELECT count(*) FROM change_line").fetchone() == (2,)


def test_rejected_features_stay_behind(rich_book, sql, tmp_path):
    sql("UPDATE loss_polygon SET status = 'rejected' WHERE fid = 1")
    export(rich_book, "gpkg", tmp_path / "part.gpkg")
    assert len(geopandas.read_file(tmp_path / "part.gpkg", layer="loss_polygon")) == 1


def test_the_book_itself_is_never_overwritten(rich_book, tmp_path):
    before = rich_book.read_bytes()
    for place in (rich_book, tmp_path):
        with pytest.raises(ParameterError, match="the book itself"):
            export(rich_book, "gpkg", place, overwrite=True)
    assert rich_book.read_bytes() == before


def test_geojson_is_refused_for_a_local_crs(rich_book, tmp_path):
    with pytest.raises(CrsError, match=r"EPSG.*Beam B-03.*--format gpkg"):
        export(rich_book, "geojson", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_geojson_is_refused_without_a_crs(enter_beam, book, tmp_path, write_vectors):
    enter_beam(vectors=write_vectors(tmp_path / "n.gpkg", assessed=shapely.box(0, 0, 1, 1)), crs_wkt=None)
    with pytest.raises(CrsError, match="this book has none"):
        export(book, "geojson", tmp_path / "out")


def test_geojson_of_a_projected_book(enter_beam, book, tmp_path, write_vectors, sql):
    loss = shapely.box(450001, 4420001, 450002, 4420003)
    ground = shapely.box(450000, 4420000, 450010, 4420004)
    vectors = write_vectors(tmp_path / "u.gpkg", assessed=ground, losses=[loss], crs="EPSG:32650")
    from pyproj import CRS

    enter_beam(
        vectors=vectors, crs_wkt=CRS.from_epsg(32650).to_wkt(), transform=(0.01, 0, 450000, 0, -0.01, 4420004)
    )
    files = export(book, "geojson", tmp_path / "out")["files"]
    assert files["first_loss.geojson"] == 1
    table = geopandas.read_file(tmp_path / "out" / "first_loss.geojson")
    assert table.crs.to_epsg() == 32650
    assert table.geometry.iloc[0].equals(loss)
    assert table["area_cm2"].tolist() == pytest.approx([2e4])
    assert table["class_zh"].tolist() == ["颜料剥落"]
    assert pyogrio.read_info(tmp_path / "out" / "first_crack.geojson")["features"] == 0
