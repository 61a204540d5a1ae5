"""What the file holds: areas, borders, units, odd rasters and bad input."""

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from segmentation_core.errors import CrsError, ParameterError, RasterError, VectorError
from segmentation_core.operations.vectorise import vectorise
from segmentation_core.vectors.settings import VectorSettings

ALONE = VectorSettings(workers=1)
LAYERS = ("loss_polygon", "crack_area", "crack_line", "crack_node", "island", "assessed")


def no_nan(vectors) -> bool:
    for layer in LAYERS:
        for name, values in vars(getattr(vectors, layer)).items():
            if (
                name not in ("geometry", "conf", "widp_m")  # NULL without probabilities
                and values.dtype.kind == "f"
                and not np.isfinite(values).all()
            ):
                return False
    return all(v is None or np.isfinite(v) for v in vectors.totals.values())


def test_areas_are_exact_and_small_losses_are_counted_not_kept(vectors_of):
    classes = np.zeros((40, 50), np.uint8)
    classes[2:12, 3:23] = 2
    classes[5:8, 6:10] = 0
    classes[20:22, 20:24] = 2  # 8 px
    classes[30, 30] = classes[31, 31] = 2
    classes[35:38, 40:43] = 2  # 9 px
    vectors = vectors_of(classes)
    assert sorted(np.round(vectors.loss_polygon.area_m2 * 1e6).tolist()) == [9, 200 - 12]
    assert vectors.totals["loss_m2"] == pytest.approx(197e-6, rel=1e-12)
    assert vectors.totals["loss_count"] == 2
    assert vectors.totals["loss_ratio"] == pytest.approx(197 / 2000)
    assert vectors.run["dropped"]["loss_below_minimum_mapping_unit"] == {
        "count": 2,
        "area_m2": pytest.approx(10e-6),
    }
    assert np.isnan(vectors.loss_polygon.conf).all()
    assert np.allclose(shapely.area(vectors.loss_polygon.geometry), vectors.loss_polygon.area_m2)


def test_diagonal_patches_reach_the_minimum_together(vectors_of):
    classes = np.zeros((10, 10), np.uint8)
    classes[1:3, 1:4] = classes[3:5, 4:6] = 2
    assert vectors_of(classes).totals["loss_count"] == 2


@pytest.mark.parametrize(
    "affine",
    [
        Affine(0.002, 0, 100, 0, -0.002, 50),
        Affine(0.002, 0, 100, 0, 0.002, 50),
        Affine(0.002, 0, 0, 0, -0.005, 0),
        Affine(0.0026, 0.0005, 5, 0.0015, -0.00087, 7),
        Affine(-0.002, 0, 0, 0, 0.002, 0),
        Affine(0.0005, 0, 500_000, 0, -0.0005, 4_000_000),
    ],
)
def test_any_affine(vectors_of, drawing, affine):
    def placed(points):
        return [
            (affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f)
            for x, y in points
        ]

    mask = drawing(120, 160).stroke((20, 60), (140, 60), 3, flat=True)
    classes = mask.astype(np.uint8)
    classes[80:100, 20:60] = 2
    vectors = vectors_of(classes, affine=affine)
    ends = placed([(20, 60), (140, 60)])
    assert vectors.totals["crack_m"] == pytest.approx(np.hypot(*np.subtract(*ends)), rel=0.02)
    assert vectors.totals["loss_m2"] == pytest.approx(800 * abs(affine.determinant), rel=1e-12)
    corner = placed([(20, 80), (60, 80), (60, 100), (20, 100)])
    assert shapely.hausdorff_distance(vectors.loss_polygon.geometry[0], shapely.Polygon(corner)) < 1e-6
    assert shapely.length(vectors.crack_line.geometry)[0] == pytest.approx(
        vectors.crack_line.len_m[0], rel=1e-6
    )
    width = vectors.totals["crack_area_m2"] / vectors.totals["crack_m"]
    assert vectors.crack_line.wid_m[0] == pytest.approx(width, rel=1e-9)


def test_gsd_scales_everything(tmp_path, write_raster):
    classes = np.zeros((30, 60), np.uint8)
    classes[10:13, 5:50], classes[20:25, 5:15] = 1, 2
    source = write_raster(classes, affine=Affine.identity(), crs=None)
    totals = vectorise(source, tmp_path / "v.gpkg", gsd_mm=0.5, settings=ALONE)["totals"]
    assert totals["loss_m2"] == pytest.approx(50 * 0.25e-6)
    assert totals["crack_m"] == pytest.approx(45 * 0.0005, rel=0.03)
    with closing(sqlite3.connect(tmp_path / "v.gpkg")) as connection:
        assert set(connection.execute("SELECT srs_id FROM gpkg_geometry_columns")) == {(-1,)}
        run = {k: json.loads(v) for k, v in connection.execute("SELECT key, value FROM run")}
    assert run["metres_per_unit"] == pytest.approx(0.0005)
    assert run["totals"] == totals
    assert len(run["source"]["sha256"]) == 64
    with pytest.raises(CrsError, match="--gsd"):
        vectorise(source, tmp_path / "v.gpkg", settings=ALONE)


def test_ends_at_borders_are_kept_apart(vectors_of, drawing):
    """Trap 14: an end at the border of the raster or of nodata is E, and thinning does not retreat there."""
    classes = drawing(120, 300).stroke((-20, 45), (320, 75), 4).astype(np.uint8)
    vectors = vectors_of(classes)
    assert vectors.crack_node.kind.tolist() == ["E", "E"]
    slope = np.hypot(1, 30 / 340)
    assert vectors.totals["crack_m"] * 1000 == pytest.approx(300 * slope, rel=0.006)
    classes[:, 140:170] = 255
    vectors = vectors_of(classes)
    assert sorted(vectors.crack_node.kind.tolist()) == ["E"] * 4
    assert vectors.totals["crack_m"] * 1000 == pytest.approx(270 * slope, rel=0.007)
    assert vectors.totals["assessed_m2"] == pytest.approx(120 * 270e-6)
    assert len(vectors.assessed.geometry) == 2
    inside = shapely.union_all(vectors.assessed.geometry).buffer(1e-9)
    assert shapely.covers(inside, vectors.crack_line.geometry).all()


def test_ends_inside_are_ends(vectors_of, drawing):
    vectors = vectors_of(drawing(60, 200).stroke((30, 30), (170, 30), 4))
    assert vectors.crack_node.kind.tolist() == ["I", "I"]
    assert vectors.crack_node.degree.tolist() == [1, 1]
    ends = shapely.points([g.coords[i] for g in vectors.crack_line.geometry for i in (0, -1)])
    assert shapely.equals(shapely.union_all(ends), shapely.union_all(vectors.crack_node.geometry))


def test_a_crack_too_wide_is_area_without_a_line(vectors_of):
    classes = np.zeros((400, 600), np.uint8)
    classes[60:180, 200:420] = 1
    classes[118:121, 20:590] = 1
    vectors = vectors_of(classes)
    assert vectors.run["dropped"]["cracks_too_wide_for_a_line"]["count"] == 1
    assert (
        0.8 * 120 * 220
        < vectors.run["dropped"]["cracks_too_wide_for_a_line"]["area_m2"] * 1e6
        < 1.1 * 120 * 220
    )
    assert vectors.totals["crack_area_m2"] == pytest.approx((classes == 1).sum() * 1e-6)
    assert sorted(vectors.crack_node.kind.tolist()).count("E") >= 2
    assert vectors.totals["crack_m"] * 1000 == pytest.approx(570 - 220, rel=0.2)


ODD = {
    "background": np.zeros((30, 40), np.uint8),
    "crack": np.ones((120, 130), np.uint8),
    "loss": np.full((30, 40), 2, np.uint8),
    "nodata": np.full((30, 40), 255, np.uint8),
    "one pixel": np.pad(np.ones((1, 1), np.uint8), 9),
    "a raster of one pixel": np.ones((1, 1), np.uint8),
    "one row": np.ones((1, 50), np.uint8),
    "checkerboard": (np.indices((41, 37)).sum(axis=0) % 2).astype(np.uint8),
    "checkerboard of all": (np.indices((41, 37)).sum(axis=0) % 3).astype(np.uint8),
    "frame": np.pad(np.zeros((30, 40), np.uint8), 2, constant_values=1),
    "noise": np.random.default_rng(0).choice(np.array([0, 1, 2, 255], np.uint8), (70, 80)),
    "two by two": np.pad(np.ones((2, 2), np.uint8), 5),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("tile", [40, 1024])
def test_odd_rasters_give_defined_results(vectors_of, name, tile):
    classes = ODD[name]
    vectors = vectors_of(classes, tile_size_px=tile)
    assert no_nan(vectors)
    assert vectors.totals["crack_area_m2"] == pytest.approx((classes == 1).sum() * 1e-6)
    assert vectors.totals["assessed_m2"] == pytest.approx((classes != 255).sum() * 1e-6)
    dropped = vectors.run["dropped"]["loss_below_minimum_mapping_unit"]["area_m2"]
    assert vectors.totals["loss_m2"] + dropped == pytest.approx((classes == 2).sum() * 1e-6)
    for layer in LAYERS:
        assert shapely.is_valid(getattr(vectors, layer).geometry).all()
    assert set(vectors.crack_line.comp_id.tolist()) <= set(vectors.crack_area.comp_id.tolist())
    ends = {*vectors.crack_line.node_a.tolist(), *vectors.crack_line.node_b.tolist()}
    assert ends == set(vectors.crack_node.node_id.tolist())
    assert len(set(vectors.crack_node.node_id.tolist())) == vectors.crack_node.node_id.size
    if name == "nodata":
        assert vectors.totals["loss_ratio"] is None
        assert vectors.totals["p21_m_per_m2"] is None


def test_cracks_without_a_line_are_counted(vectors_of):
    vectors = vectors_of(ODD["one pixel"])
    assert vectors.run["dropped"]["cracks_without_a_line"] == {"count": 1, "area_m2": pytest.approx(1e-6)}
    assert vectors.totals["crack_count"] == 0
    assert vectors.totals["width_mean_mm"] is None


def probability_raster(write_raster, folder=".", thresholds=None):
    bands = np.zeros((2, 40, 60), np.uint8)
    bands[0, 10:13, 5:55] = 150
    bands[0, 11, 5:55] = 200
    bands[1, 20:30, 10:20] = 250
    bands[0, 20:30, 10:20] = 240
    bands[:, :, 58:] = 255
    path = write_raster(bands, f"{folder}/probability.tif")
    if thresholds:
        record = {"model": {"name": "m", "thresholds": thresholds}}
        path.with_name("run.json").write_text(json.dumps(record))
    return path


def test_probabilities_thresholds_and_confidence(tmp_path, write_raster, read_vectors):
    path = probability_raster(write_raster)
    vectorise(path, tmp_path / "v.gpkg", settings=ALONE)
    vectors = read_vectors(tmp_path / "v.gpkg")
    assert vectors.run["thresholds"] == {"craquelure": 0.5, "paint_loss": 0.5}
    assert vectors.loss_polygon.conf.tolist() == [1.0]  # where both pass, paint loss wins
    assert vectors.crack_area.conf[0] == pytest.approx((150 * 2 + 200) / 3 / 250)
    assert vectors.crack_line.conf[0] == pytest.approx(vectors.crack_area.conf[0])
    totals = vectorise(path, tmp_path / "v.gpkg", thresholds={"craquelure": 0.7}, settings=ALONE)["totals"]
    assert totals["crack_area_m2"] == pytest.approx(50e-6)


def test_folder_of_segment_with_the_models_thresholds(tmp_path, write_raster):
    path = probability_raster(write_raster, "run", {"craquelure": 0.7, "paint_loss": 0.4})
    result = vectorise(path.parent, tmp_path / "v.gpkg", settings=ALONE)
    assert result["run"]["thresholds"] == {"craquelure": 0.7, "paint_loss": 0.4}
    assert result["totals"]["crack_area_m2"] == pytest.approx(50e-6)
    path.with_name("run.json").write_text("{")
    with pytest.raises(RasterError, match="run record"):
        vectorise(path.parent, tmp_path / "v.gpkg", settings=ALONE)
    path.with_name("run.json").unlink()
    path.unlink()
    with pytest.raises(RasterError, match=r"no probability\.tif"):
        vectorise(path.parent, tmp_path / "v.gpkg", settings=ALONE)


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        (np.full((20, 20), 7, np.uint8), "value 7 at row 0, column 0"),
        (np.full((20, 20), -1, np.int16), "value -1"),
        (np.full((20, 20), 0.5, np.float32), "value 0.5"),
        (np.full((20, 20), np.nan, np.float32), "value nan"),
        (np.full((2, 20, 20), 253, np.uint8), "value 253"),
        (np.zeros((3, 20, 20), np.uint8), "3 bands"),
        (np.zeros((2, 20, 20), np.float32), "2 bands"),
    ],
)
def test_wrong_values_are_named(tmp_path, write_raster, bands, message):
    source = write_raster(bands)
    with pytest.raises(RasterError, match=message):
        vectorise(source, tmp_path / "v.gpkg", settings=ALONE)
    assert not (tmp_path / "v.gpkg").exists()


def test_an_error_crosses_from_a_worker_whole(tmp_path, write_raster):
    classes = np.zeros((200, 200), np.uint8)
    classes[190, 190] = 9
    source = write_raster(classes)
    with pytest.raises(RasterError, match="value 9 at row 190, column 190"):
        vectorise(source, tmp_path / "v.gpkg", settings=VectorSettings(workers=2, tile_size_px=100))


def test_whole_numbers_of_other_types_are_classes(tmp_path, write_raster):
    for dtype in (np.int16, np.float32, np.uint16):
        classes = np.zeros((30, 60), dtype)
        classes[10:14, 4:20] = 2
        source = write_raster(classes)
        assert vectorise(source, tmp_path / "v.gpkg", settings=ALONE)["totals"]["loss_m2"] == pytest.approx(
            64e-6
        )


def test_bad_files(tmp_path, write_raster):
    text = tmp_path / "notes.tif"
    text.write_text("no raster")
    with pytest.raises(RasterError, match=r"not a raster.*notes\.tif"):
        vectorise(text, tmp_path / "v.gpkg", settings=ALONE)
    with pytest.raises(RasterError, match="no such file"):
        vectorise(tmp_path / "none.tif", tmp_path / "v.gpkg", settings=ALONE)
    classes = np.random.default_rng(0).choice(np.array([0, 1], np.uint8), (400, 400))
    cut = write_raster(classes, "cut.tif", tiled=True, blockxsize=64, blockysize=64)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    with pytest.raises(RasterError, match=r"rows \d+-\d+, columns \d+-\d+ cannot be read.*cut\.tif"):
        vectorise(cut, tmp_path / "v.gpkg", settings=VectorSettings(workers=1, tile_size_px=100))
    whole = write_raster(classes)
    with pytest.raises(VectorError, match="no such folder"):
        vectorise(whole, tmp_path / "missing" / "v.gpkg", settings=ALONE)
    with pytest.raises(ParameterError, match="thresholds"):
        vectorise(whole, tmp_path / "v.gpkg", thresholds={"craquelure": 0.4}, settings=ALONE)
    geographic = write_raster(classes, "degrees.tif", crs="EPSG:4326")
    with pytest.raises(CrsError, match="degrees"):
        vectorise(geographic, tmp_path / "v.gpkg", settings=ALONE)


@pytest.mark.parametrize(
    ("name", "value"),
    [("tile_size_px", 0), ("workers", 0), ("junction_merge", float("nan")), ("min_loss_px", -1)],
)
def test_impossible_settings(name, value):
    with pytest.raises(ParameterError, match=name):
        VectorSettings(**{name: value})


def test_thresholds_must_be_probabilities_of_known_classes(tmp_path, write_raster):
    path = probability_raster(write_raster)
    for thresholds in ({"craquelure": 1.5}, {"rust": 0.5}):
        with pytest.raises(ParameterError):
            vectorise(path, tmp_path / "v.gpkg", thresholds=thresholds, settings=ALONE)


def test_orthophoto_lends_its_nodata_and_unit(tmp_path, write_raster):
    from segmentation_core.raster.orthophoto import open_orthophoto

    picture = np.full((3, 60, 80), 120, np.uint8)
    picture[:, :, 70:] = 0
    ortho_path = write_raster(picture, "ortho.tif", affine=Affine.identity(), crs=None, nodata=0)
    classes = np.zeros((60, 80), np.uint8)
    classes[20:23] = 1
    source = write_raster(classes, affine=Affine.identity(), crs=None)
    with open_orthophoto(ortho_path, gsd_mm=2) as ortho:
        for workers in (1, 2):
            result = vectorise(
                source, tmp_path / "v.gpkg", valid_mask_of=ortho, settings=VectorSettings(workers=workers)
            )
            assert result["totals"]["assessed_m2"] == pytest.approx(60 * 70 * 4e-6)
            assert result["totals"]["crack_m"] == pytest.approx(70 * 0.002, rel=0.01)
        smaller = write_raster(classes[:50], "smaller.tif")
        with pytest.raises(RasterError, match="80 x 50 pixels"):
            vectorise(smaller, tmp_path / "v.gpkg", valid_mask_of=ortho, settings=ALONE)


def test_gdal_reads_the_file(vectors_of):
    vectors = vectors_of(ODD["noise"])
    with closing(sqlite3.connect(vectors.path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (10200,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        tables = {row[0] for row in connection.execute("SELECT table_name FROM gpkg_contents")}
        assert tables == {*LAYERS, "run"}
    if shutil.which("ogrinfo"):
        told = subprocess.run(
            ["ogrinfo", "-al", "-so", vectors.path], capture_output=True, text=True, check=True
        )
        assert "FAILURE" not in told.stdout + told.stderr


def test_a_crs_is_kept(tmp_path, write_raster):
    source = write_raster(ODD["noise"], crs="EPSG:32650")
    vectorise(source, tmp_path / "v.gpkg", settings=ALONE)
    with closing(sqlite3.connect(tmp_path / "v.gpkg")) as connection:
        assert set(connection.execute("SELECT srs_id FROM gpkg_geometry_columns")) == {(32650,)}
    with rasterio.open(source) as dataset:
        assert dataset.crs.to_epsg() == 32650


def test_cracks_wider_than_the_limit_stay_area_and_are_told(tmp_path, vectors_of):
    """A blob of 40 px on a crack of 4 px: above a limit of 20 px it gets no centreline; its area counts."""
    classes = np.zeros((120, 200), np.uint8)
    classes[58:62, 10:190] = 1
    classes[40:80, 80:120] = 1
    found = vectors_of(classes, max_crack_width_px=20)
    wide = found.run["dropped"]["cracks_too_wide_for_a_line"]
    assert wide["count"] == 1
    assert wide["area_m2"] == pytest.approx(40 * 40 * 1e-6, rel=0.1)  # and where the crack joins it
    assert any("wider than 20 px" in note for note in found.run["notes"])
    assert found.totals["crack_area_m2"] == pytest.approx((classes == 1).sum() * 1e-6)
    assert not any(
        line.intersects(shapely.box(0.095, -0.065, 0.105, -0.055)) for line in found.crack_line.geometry
    )
    all_of_it = vectors_of(classes, max_crack_width_px=64)
    assert (all_of_it.run["dropped"]["cracks_too_wide_for_a_line"]["count"], all_of_it.run["notes"]) == (
        0,
        [],
    )
    assert found.totals["crack_m"] < all_of_it.totals["crack_m"]
