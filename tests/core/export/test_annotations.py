"""Annotations: what comes out, painted again, is what went in."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.features import rasterize

from segmentation_core.export.annotations import BACKGROUND, IGNORE
from segmentation_core.operations.export import export
from segmentation_core.operations.survey import survey
from segmentation_core.vocabulary import load_vocabulary

SHAPE = (400, 1000)


def painted(shapes):
    """Paint polygons in order, as LabelMe does; on pixel edges the centre rule is exact."""
    values = {c.code: c.value for c in load_vocabulary().classes} | {BACKGROUND: 0, IGNORE: 255}
    label = np.zeros(SHAPE, np.uint8)
    for shape in shapes:
        if shape["shape_type"] == "polygon":
            mask = rasterize([shapely.Polygon(shape["points"])], out_shape=SHAPE, dtype="uint8") == 1
            label[mask] = values[shape["label"]]
    return label


@pytest.fixture
def nested_book(enter_beam, book, write_vectors, beam_crs, tmp_path, orthophoto):
    """A crack area with a hole that holds a loss with a hole that holds another crack area; part assessed."""
    ring = shapely.box(1, 1, 5, 3.5).difference(shapely.box(1.5, 1.5, 4.5, 3))
    loss = shapely.box(2, 1.8, 4, 2.8).difference(shapely.box(2.5, 2, 3.5, 2.6))
    inner = shapely.box(2.8, 2.2, 3.2, 2.4)
    ground = shapely.box(0, 0, 9, 4).difference(shapely.box(7, 1, 8, 2))
    vectors = write_vectors(
        tmp_path / "n.gpkg", assessed=ground, losses=[loss], areas=[(ring, 1), (inner, 2)], crs=beam_crs
    )
    enter_beam(vectors=vectors, path=str(orthophoto))
    return book


def test_labelme_paints_the_same_as_the_masks(nested_book, tmp_path):
    export(nested_book, "labelme", tmp_path / "lm")
    export(nested_book, "masks", tmp_path / "masks")
    (path,) = (tmp_path / "lm").glob("*.json")
    data = json.loads(path.read_text("utf-8"))
    assert (data["imageWidth"], data["imageHeight"], data["imageData"]) == (1000, 400, None)
    assert (path.parent / data["imagePath"]).resolve().name == "南立面.tif"
    (mask,) = (tmp_path / "masks").glob("*.tif")
    with rasterio.open(mask) as dataset:
        classes = dataset.read(1)
        assert dataset.transform.almost_equals(rasterio.Affine(0.01, 0, 0, 0, -0.01, 4.0))
    assert np.array_equal(painted(data["shapes"]), classes)
    counts = dict(zip(*np.unique(classes, return_counts=True), strict=True))
    assert counts == {0: 360_000 - 10_000 - 55_000 - 14_000 - 800, 1: 55_800, 2: 14_000, 255: 50_000}


def test_every_shape_names_its_feature(nested_book, sql, tmp_path):
    export(nested_book, "labelme", tmp_path / "lm")
    (path,) = (tmp_path / "lm").glob("*.json")
    shapes = json.loads(path.read_text("utf-8"))["shapes"]
    uids = {s["description"].removeprefix("uid=") for s in shapes if s["description"]}
    stored = sql("SELECT uid FROM loss_polygon UNION SELECT uid FROM crack_area")
    assert uids == {row[0] for row in stored}
    groups = {s["description"]: s["group_id"] for s in shapes if s["description"]}
    assert len(set(groups.values())) == len(groups)


def test_drawn_lines_keep_their_width(enter_beam, book, sql, tmp_path):
    enter_beam()
    sql("UPDATE crack_line SET status = 'drawn', wid_m = 0.04 WHERE fid = 3")
    sql("DELETE FROM crack_area WHERE fid = 2")
    export(book, "labelme", tmp_path / "lm")
    (path,) = (tmp_path / "lm").glob("*.json")
    (strip,) = [s for s in json.loads(path.read_text("utf-8"))["shapes"] if s["shape_type"] == "linestrip"]
    assert strip["points"] == [[100.0, 350.0], [300.0, 350.0]]
    assert strip["description"].endswith("width_mm=40")
    export(book, "masks", tmp_path / "masks")
    (mask,) = (tmp_path / "masks").glob("*.tif")
    with rasterio.open(mask) as dataset:
        assert (dataset.read(1)[340:360, 150] == 1).sum() == 4


def test_masks_survey_to_the_same_totals(nested_book, orthophoto, sql, tmp_path):
    export(nested_book, "masks", tmp_path / "masks")
    (mask,) = (tmp_path / "masks").glob("*.tif")
    again = survey(orthophoto, tmp_path / "again.gpkg", "2024-05-01", classes=mask)
    first = dict(sql("SELECT stat, value FROM element_stats WHERE elem_id = 'image'"))
    for code in ("loss_m2", "crack_area_m2"):
        assert again["totals"][code] == pytest.approx(first[code], rel=1e-9)
    # a second round changes nothing
    export(tmp_path / "again.gpkg", "masks", tmp_path / "second")
    (twice,) = (tmp_path / "second").glob("*.tif")
    with rasterio.open(mask) as a, rasterio.open(twice) as b:
        one, two = a.read(1), b.read(1)
    assert np.array_equal(np.where(one == 255, 0, one), np.where(two == 255, 0, two))


def test_rejected_and_unwanted_features_stay_out(rich_book, sql, tmp_path):
    sql("UPDATE loss_polygon SET status = 'rejected' WHERE fid = 1")
    export(rich_book, "masks", tmp_path / "a", elements=["南立面额枋"])
    (mask,) = (tmp_path / "a").glob("*.tif")
    with rasterio.open(mask) as dataset:
        classes = dataset.read(1)
    assert (classes == 2).sum() == 20_000  # the loss of 1 m2 is rejected
    export(rich_book, "masks", tmp_path / "b", elements=["@无病害"])
    (mask,) = (tmp_path / "b").glob("*.tif")
    with rasterio.open(mask) as dataset:
        assert set(np.unique(dataset.read(1))) == {0}
