from __future__ import annotations

import shutil
import sqlite3
import subprocess

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely

from segmentation_core.errors import BookError, CrsError, ElementsError, ParameterError
from segmentation_core.raster.georeference import same_crs
from segmentation_core.statistics.elements import Elements
from segmentation_core.statistics.quantity import METHOD_VERSION
from segmentation_core.survey.geopackage import encode, register_functions
from segmentation_core.survey.names import safe_name
from segmentation_core.survey.schema import LAYERS, TABLES, Layer
from segmentation_core.survey.store import check_book, reading
from segmentation_core.survey.styles import STYLED
from segmentation_core.survey.surveys import orthophotos_of, surveys_of
from segmentation_core.vocabulary import load_vocabulary


def test_gdal_reads_every_layer_whole(enter_beam, book, halves, beam_crs):
    enter_beam(elements=halves)
    layers = dict(pyogrio.list_layers(book))
    assert set(layers) == {table.name for table in (*LAYERS, *TABLES)} | {"layer_styles"}
    for layer in LAYERS:
        info = pyogrio.read_info(book, layer=layer.name)
        assert info["geometry_type"].upper() == layer.geometry_type
        assert info["fid_column"] == "fid"
        assert info["capabilities"]["fast_spatial_filter"]
        assert same_crs(pyproj.CRS.from_user_input(info["crs"]).to_wkt(), beam_crs)
    info = pyogrio.read_info(book, layer="crack_line")
    types = dict(zip(info["fields"], info["dtypes"], strict=True))
    assert types["t_start"] == "datetime64[D]"
    assert info["features"] == 3
    assert info["total_bounds"] == pytest.approx((0.5, 0.5, 9.5, 3))
    found = pyogrio.raw.read(book, layer="loss_polygon", bbox=(3, 0, 9, 4), columns=["elem_id"])
    assert len(found[2]) == 1


def test_columns_of_feature_layers_survive_a_shapefile(enter_beam, book, sql):
    enter_beam()
    for layer in LAYERS:
        for row in sql(f"PRAGMA table_info({layer.name})"):
            assert len(row[1]) <= 10
            assert row[1].isascii()


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="no ogrinfo")
@pytest.mark.parametrize("crs", [None, "EPSG:32633", "local"])
def test_an_older_gdal_has_nothing_to_remark(enter_beam, book, write_vectors, tmp_path, beam_crs, crs):
    wkt = beam_crs if crs == "local" else crs and pyproj.CRS.from_user_input(crs).to_wkt()
    vectors = write_vectors(tmp_path / "c.gpkg", assessed=shapely.box(0, 0, 10, 4), crs=wkt)
    enter_beam(vectors=vectors, crs_wkt=wkt)
    told = subprocess.run(
        ["ogrinfo", "-ro", "-al", "-so", str(book)], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stderr == ""
    assert "Warning" not in told.stdout
    assert told.stdout.count("Layer name:") == len(LAYERS) + len(TABLES) + 1
    with reading(book) as opened:
        assert same_crs(opened.crs_wkt, wkt)


def test_geopackage_1_2(enter_beam, book, sql):
    enter_beam()
    assert sql("PRAGMA application_id") == [(0x47504B47,)]
    assert sql("PRAGMA user_version") == [(10200,)]
    assert sql("PRAGMA integrity_check") == [("ok",)]
    assert sql("PRAGMA foreign_key_check") == []
    assert {row[0] for row in sql("SELECT extension_name FROM gpkg_extensions")} == {"gpkg_rtree_index"}


def test_styles_take_their_colours_from_the_vocabulary(enter_beam, book, sql):
    import xml.etree.ElementTree as ElementTree

    enter_beam()
    styles = dict(sql("SELECT f_table_name, styleQML FROM layer_styles WHERE useAsDefault"))
    assert set(styles) == set(STYLED)
    for qml in styles.values():
        assert ElementTree.fromstring(qml).tag == "qgis"
        assert "$" not in qml
    colour = load_vocabulary().line_class.colour
    rgb = ",".join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    assert f'v="{rgb},255"' in styles["crack_line"]


def test_features_know_whose_they_are(enter_beam, book, halves, sql):
    enter_beam(elements=halves)
    rows = sql("SELECT elem_id, surv_id, orth_id, status, t_start, t_end FROM crack_line ORDER BY fid")
    assert rows == [
        ("A", "S1", "O1", "auto", "2024-05-01", None),
        ("B", "S1", "O1", "auto", "2024-05-01", None),
        ("A", "S1", "O1", "auto", "2024-05-01", None),
    ]
    assert sql("SELECT DISTINCT elem_id FROM crack_node ORDER BY 1") == [("A",), ("B",)]


def test_statistics_by_hand(enter_beam, halves, sql):
    figures = enter_beam(elements=halves).figures
    left = figures.elements[0]
    assert left["assessed_m2"] == 20
    assert left["loss_m2"] == pytest.approx(2)
    assert left["crack_m"] == pytest.approx(6.5)
    assert left["crack_count"] == 2
    assert figures.totals["crack_count"] == 2
    assert figures.totals["loss_count"] == 2
    stored = dict(sql("SELECT stat, value FROM element_stats WHERE elem_id = 'A'"))
    assert stored == pytest.approx({k: v for k, v in left.items() if k != "elem_id"})
    units = sql(
        "SELECT unit, u95, n, method_v, stale FROM element_stats WHERE elem_id='A' AND stat='crack_m'"
    )
    assert units == [
        ("m", pytest.approx(figures.uncertainty["elements"][0]["crack_m"]["u95"]), 2, METHOD_VERSION, 0)
    ]


def test_without_elements_the_image_is_measured(enter_beam, sql):
    figures = enter_beam(excluded=shapely.box(5, 0, 20, 4)).figures
    assert [row["elem_id"] for row in figures.elements] == ["image"]
    assert figures.totals["assessed_m2"] == 20
    assert sql("SELECT count(*) FROM element") == [(0,)]
    assert sql("SELECT area_m2 FROM assessed") == [(20.0,)]


def test_a_later_survey_uses_the_elements_of_the_book(enter_beam, halves):
    enter_beam(elements=halves)
    later = enter_beam(name="second", date="2025-05-01")
    assert [row["elem_id"] for row in later.figures.elements] == ["A", "B"]


def test_validity_runs_to_the_next_survey_of_the_place(enter_beam, sql):
    enter_beam(name="b", date="2025-05-01")
    enter_beam(name="a", date="2024-05-01")
    rows = sql("SELECT DISTINCT t_start, t_end FROM loss_polygon ORDER BY 1")
    assert rows == [("2024-05-01", "2025-05-01"), ("2025-05-01", None)]


def test_uids_differ_between_surveys_and_orthophotos(enter_beam, sql):
    enter_beam()
    enter_beam(path="/photos/b.tif", sha256="b" * 64)
    enter_beam(name="second", date="2025-05-01")
    assert sql("SELECT count(*), count(DISTINCT uid) FROM loss_polygon") == [(6, 6)]


def test_orthophotos_that_overlap_count_once(enter_beam, tmp_path, write_vectors, beam_crs):
    first = enter_beam().figures.totals
    shifted = write_vectors(
        tmp_path / "w.gpkg",
        assessed=shapely.box(5, 0, 15, 4),
        losses=[shapely.box(4 + 1, 1, 6, 2), shapely.box(12, 1, 13, 2)],
        crs=beam_crs,
    )
    entered = enter_beam(path="/photos/b.tif", sha256="b" * 64, vectors=shifted)
    assert entered.figures.totals["assessed_m2"] == pytest.approx(60)
    assert entered.figures.totals["loss_m2"] == pytest.approx(first["loss_m2"] + 1)
    assert any("overlap by 20 m2" in note for note in entered.notes)


def test_pictures_without_georeference_do_not_overlap(enter_beam, tmp_path, write_vectors):
    picture = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    vectors = write_vectors(tmp_path / "p.gpkg", assessed=shapely.box(0, -10, 10, 0), metres_per_unit=0.1)
    for i, unit in enumerate((0.1, 0.2)):
        entered = enter_beam(
            path=f"/{i}.jpg",
            sha256=str(i) * 64,
            vectors=vectors,
            crs_wkt=None,
            transform=picture,
            metres_per_unit=unit,
        )
    assert entered.figures.totals["assessed_m2"] == pytest.approx(1 + 4)


def test_a_picture_with_nothing_assessed(enter_beam):
    entered = enter_beam(excluded=shapely.box(-1, -1, 20, 20))
    assert entered.figures.totals["assessed_m2"] == 0
    assert entered.figures.totals["loss_ratio"] is None
    assert any("no pixel was assessed" in note for note in entered.notes)


def test_paths_inside_the_books_folder_travel_with_it(enter_beam, book, tmp_path):
    enter_beam(path=str(tmp_path / "photos" / "a.tif"))
    elsewhere = tmp_path / "moved"
    elsewhere.mkdir()
    book.rename(elsewhere / "B.gpkg")
    with reading(elsewhere / "B.gpkg") as opened:
        assert orthophotos_of(opened, "S1")[0][1].path == str(elsewhere / "photos" / "a.tif")


def _unchanged(book):
    return book.read_bytes()


def test_what_does_not_fit_the_book_is_refused_and_changes_nothing(enter_beam, book, halves):
    enter_beam(elements=halves)
    before = _unchanged(book)
    moved = Elements(("A",), np.array([shapely.box(0, 0, 5.1, 4)], dtype=object))
    with pytest.raises(ElementsError, match=r"another outline in the book B\.gpkg: A"):
        enter_beam(name="second", date="2025-01-01", elements=moved)
    with pytest.raises(ParameterError, match="'first' in this book is of 2024-05-01, not 2025-01-01"):
        enter_beam(date="2025-01-01")
    with pytest.raises(CrsError, match=r"WGS 84 / UTM zone 33N\) is not that of the book B.gpkg \(Beam B-03"):
        enter_beam(crs_wkt=pyproj.CRS.from_epsg(32633).to_wkt())
    with pytest.raises(CrsError, match=r"\(none\)"):
        enter_beam(crs_wkt=None)
    assert _unchanged(book) == before


def test_equal_outlines_may_come_again(enter_beam, halves, sql):
    enter_beam(elements=halves)
    nearly = Elements(
        ("B", "C"), np.array([shapely.box(5, 0, 10.0001, 4), shapely.box(9, 0, 9.5, 1)], dtype=object)
    )
    entered = enter_beam(name="second", date="2025-01-01", elements=nearly)
    assert sql("SELECT elem_id FROM element ORDER BY fid") == [("A",), ("B",), ("C",)]
    assert any("overlap" in note and "B and C" in note for note in entered.notes)


def test_not_a_survey_book(tmp_path, write_layer, enter_beam):
    path = tmp_path / "B.gpkg"
    write_layer(path, "x", [shapely.box(0, 0, 1, 1)], "Polygon", n=[1])
    for content in (path.read_bytes(), b"hello, this is no database" * 99, b""):
        path.write_bytes(content)
        for attempt in (enter_beam, lambda: check_book(path)):
            with pytest.raises(BookError, match="not a survey book"):
                attempt()
        assert path.read_bytes() == content


def test_a_damaged_book(enter_beam, book):
    enter_beam()
    book.write_bytes(book.read_bytes()[:40000])
    with pytest.raises(BookError, match=r"damaged|not a survey book"):
        enter_beam()


def test_a_newer_book(enter_beam, book, sql):
    enter_beam()
    sql("UPDATE book_info SET value = '99' WHERE key = 'schema_version'")
    with pytest.raises(BookError, match="newer version"):
        enter_beam()


def test_where_a_book_can_be(tmp_path):
    assert check_book(tmp_path / "new" / "B.gpkg") is None
    assert not (tmp_path / "new").exists()
    with pytest.raises(BookError, match=r"ends in \.gpkg"):
        check_book(tmp_path / "B.sqlite")
    with pytest.raises(BookError, match="no such survey book"), reading(tmp_path / "B.gpkg"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(BookError, match="no new book can be made"):
        check_book(tmp_path / "file" / "B.gpkg")


def test_surveys_are_listed_by_date(enter_beam, book):
    enter_beam(name="春", date="2025-05-01")
    enter_beam(name="old", date="1999-12-31")
    with reading(book) as opened:
        assert [s.name for s in surveys_of(opened.connection)] == ["old", "春"]


def test_geometries_have_envelopes_and_the_books_srs(enter_beam, sql):
    enter_beam()
    blob = sql("SELECT geom FROM loss_polygon")[0][0]
    assert blob[:3] == b"GP\x00"
    assert (
        int.from_bytes(blob[4:8], "little", signed=True)
        == sql("SELECT srs_id FROM gpkg_contents WHERE table_name='loss_polygon'")[0][0]
    )
    assert np.frombuffer(blob[8:40]).tolist() == [1, 2, 1, 2]
    empty = encode(np.array([shapely.Polygon()], dtype=object), 4)[0]
    connection = sqlite3.connect(":memory:")
    register_functions(connection)
    values = connection.execute(
        "SELECT ST_IsEmpty(?), ST_MinX(?), ST_IsEmpty(?), ST_MaxY(?)", (empty, empty, blob, blob)
    )
    assert values.fetchone() == (1, None, 0, 2.0)
    connection.close()


@pytest.mark.parametrize("text", ["2024-05-01", "北立面 春", "a.b"])
def test_safe_names_stay(text):
    assert safe_name(text) == text


@pytest.mark.parametrize(
    "text", ["../x", "a/b", "a\\b", "CON", "com1.tif", "x" * 300, "龟" * 100, "..", "a:b", "trailing.", " "]
)
def test_unsafe_names_are_changed_and_stay_apart(text, tmp_path):
    name = safe_name(text)
    assert name != text
    assert (tmp_path / name).resolve().parent == tmp_path.resolve()
    assert len(name.encode()) < 120
    (tmp_path / name).mkdir()


def test_unsafe_names_do_not_meet():
    assert len({safe_name(t) for t in ("a/b", "a_b", "a:b", "a?b")}) == 4


def test_layers_are_layers():
    assert all(isinstance(layer, Layer) for layer in LAYERS)
