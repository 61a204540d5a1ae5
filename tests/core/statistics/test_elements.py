from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely

from segmentation_core.errors import CrsError, ElementsError
from segmentation_core.statistics.elements import load_elements, load_exclusions, require_contact

UTM = pyproj.CRS.from_epsg(32633).to_wkt()
SQUARE = shapely.box(0, 0, 2, 1)
BOW_TIE = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])


def test_ids_become_text(tmp_path, write_layer):
    path = write_layer(tmp_path / "e.gpkg", "e", [SQUARE, SQUARE], "Polygon", ID=[1, 2])
    assert load_elements(path, "ID", None).ids == ("1", "2")


def test_whole_floats_lose_their_point(tmp_path, write_layer):
    path = write_layer(tmp_path / "e.gpkg", "e", [SQUARE, SQUARE], "Polygon", ID=[1.0, 2.5])
    assert load_elements(path, "ID", None).ids == ("1", "2.5")


def test_the_fid_can_be_the_id(tmp_path, write_layer):
    path = write_layer(tmp_path / "e.gpkg", "e", [SQUARE, SQUARE], "Polygon", ID=["a", "b"])
    assert load_elements(path, "fid", None).ids == ("1", "2")


def test_a_missing_field_names_the_fields_there_are(tmp_path, write_layer):
    path = write_layer(tmp_path / "e.gpkg", "e", [SQUARE], "Polygon", beam=["a"], 构件=["b"])
    with pytest.raises(ElementsError, match=r"no field 'ID'.*beam, 构件"):
        load_elements(path, "ID", None)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", "b", "a", "b", "c"], "more than once.*: a, b"),
        (["a", None, "c", "d", "e"], "1 of 5 elements have no id"),
        (["a", " ", "c", "d", "e"], "1 of 5 elements have no id"),
        ([1, None, 3, 4, 5], "1 of 5 elements have no id"),
    ],
)
def test_bad_ids(tmp_path, write_layer, ids, message):
    path = write_layer(tmp_path / "e.gpkg", "e", [SQUARE] * 5, "Polygon", ID=ids)
    with pytest.raises(ElementsError, match=message):
        load_elements(path, "ID", None)


@pytest.mark.parametrize("missing", [None, shapely.Polygon()])
def test_a_missing_geometry_is_refused_by_name(tmp_path, write_layer, missing):
    path = write_layer(tmp_path / "e.gpkg", "e", [SQUARE, missing], "Polygon", ID=["a", "beam 7"])
    with pytest.raises(ElementsError, match="no geometry for beam 7"):
        load_elements(path, "ID", None)


def test_lines_are_refused_by_name(tmp_path, write_layer):
    line = shapely.LineString([(0, 0), (1, 1)])
    path = write_layer(tmp_path / "e.gpkg", "e", [SQUARE, line], "Unknown", ID=["a", "b"])
    with pytest.raises(ElementsError, match=r"not a polygon \(LineString\): b"):
        load_elements(path, "ID", None)


def test_an_invalid_outline_is_repaired_and_reported(tmp_path, write_layer):
    path = write_layer(tmp_path / "e.gpkg", "e", [SQUARE, BOW_TIE], "Polygon", ID=["a", "bow"])
    elements = load_elements(path, "ID", None)
    assert shapely.is_valid(elements.geometries).all()
    assert elements.geometries[1].area == pytest.approx(2.0)
    assert len(elements.notes) == 1
    assert "outline of bow was invalid (self-intersection)" in elements.notes[0]


def test_an_invalid_outline_without_area_is_refused(tmp_path, write_layer):
    spike = shapely.Polygon([(0, 0), (2, 0), (0, 0)])
    path = write_layer(tmp_path / "e.gpkg", "e", [SQUARE, spike], "Polygon", ID=["a", "spike"])
    with pytest.raises(ElementsError, match="outline of spike is invalid"):
        load_elements(path, "ID", None)


def test_heights_are_left_out(tmp_path, write_layer):
    solid = shapely.Polygon([(0, 0, 5), (1, 0, 5), (1, 1, 5)])
    path = write_layer(tmp_path / "e.gpkg", "e", [solid], "Polygon Z", ID=["a"])
    assert not shapely.has_z(load_elements(path, "ID", None).geometries).any()


@pytest.mark.parametrize("suffix", [".gpkg", ".shp"])
def test_a_local_crs_is_recognised(tmp_path, write_layer, beam_crs, suffix):
    path = write_layer(tmp_path / f"e{suffix}", "e", [SQUARE], "Polygon", beam_crs, ID=["a"])
    elements = load_elements(path, "ID", beam_crs)
    assert elements.geometries[0].equals(SQUARE)
    assert elements.notes == ()


def test_another_crs_is_reprojected_and_reported(tmp_path, write_layer):
    to_degrees = pyproj.Transformer.from_crs(32633, 4326, always_xy=True)
    square = shapely.box(500000, 5400000, 500010, 5400010)
    degrees = shapely.transform(square, lambda xy: np.column_stack(to_degrees.transform(xy[:, 0], xy[:, 1])))
    path = write_layer(tmp_path / "e.gpkg", "e", [degrees], "Polygon", "EPSG:4326", ID=["a"])
    elements = load_elements(path, "ID", UTM)
    assert elements.geometries[0].area == pytest.approx(100, rel=1e-6)
    assert "reprojected from WGS 84 to WGS 84 / UTM zone 33N" in elements.notes[0]


def test_no_way_between_a_local_crs_and_the_earth(tmp_path, write_layer, beam_crs):
    path = write_layer(tmp_path / "e.geojson", "e", [SQUARE], "Polygon", ID=["a"])
    with pytest.raises(CrsError, match=r"no transformation .*Beam B-03.*GeoJSON cannot"):
        load_elements(path, "ID", beam_crs)


def test_a_crs_on_one_side_only_is_refused(tmp_path, write_layer, beam_crs):
    bare = write_layer(tmp_path / "bare.gpkg", "e", [SQUARE], "Polygon", ID=["a"])
    placed = write_layer(tmp_path / "placed.gpkg", "e", [SQUARE], "Polygon", beam_crs, ID=["a"])
    with pytest.raises(CrsError, match="the layer has no CRS"):
        load_elements(bare, "ID", beam_crs)
    with pytest.raises(CrsError, match="the raster has none"):
        load_elements(placed, "ID", None)


def test_of_several_layers_the_polygons_with_the_field_are_taken(tmp_path, write_layer):
    path = tmp_path / "e.gpkg"
    write_layer(path, "points", [shapely.Point(0, 0)], "Point", ID=["p"])
    write_layer(path, "other", [SQUARE], "Polygon", name=["x"])
    write_layer(path, "beams", [SQUARE], "Polygon", ID=["a"])
    elements = load_elements(path, "ID", None)
    assert elements.ids == ("a",)
    assert "layer 'beams' was used" in elements.notes[0]
    with pytest.raises(ElementsError, match="no polygon layer has a field 'nr'"):
        load_elements(path, "nr", None)


def test_not_a_vector_file(tmp_path):
    path = tmp_path / "e.gpkg"
    with pytest.raises(ElementsError, match="no such file"):
        load_elements(path, "ID", None)
    path.write_text("hello")
    with pytest.raises(ElementsError, match="not a vector file"):
        load_elements(path, "ID", None)


def test_a_truncated_file(tmp_path, write_layer):
    path = write_layer(tmp_path / "e.gpkg", "e", [SQUARE], "Polygon", ID=["a"])
    path.write_bytes(path.read_bytes()[:30000])
    with pytest.raises(ElementsError):
        load_elements(path, "ID", None)


def test_an_empty_layer(tmp_path, write_layer):
    path = write_layer(tmp_path / "e.gpkg", "e", [], "Polygon", ID=[])
    with pytest.raises(ElementsError, match="no features"):
        load_elements(path, "ID", None)


def test_elements_that_do_not_touch_the_raster(tmp_path, write_layer):
    path = write_layer(
        tmp_path / "e.gpkg", "e", [SQUARE, shapely.box(50, 0, 60, 1)], "Polygon", ID=["a", "b"]
    )
    elements = load_elements(path, "ID", None)
    require_contact(elements, shapely.box(1, 0, 9, 9), path)
    with pytest.raises(ElementsError, match="no element touches the raster"):
        require_contact(elements, shapely.box(100, 0, 109, 9), path)


def test_exclusions_are_one_geometry(tmp_path, write_layer):
    path = write_layer(tmp_path / "x.gpkg", "x", [SQUARE, BOW_TIE], "Polygon", n=[1, 2])
    excluded, notes = load_exclusions(path, None)
    assert excluded.area == pytest.approx(SQUARE.union(shapely.make_valid(BOW_TIE)).area)
    assert "feature 2 was invalid" in notes[0]
