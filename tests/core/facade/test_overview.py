from __future__ import annotations

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image
from rasterio.features import shapes

from segmentation_core.facade.insets import inset_windows
from segmentation_core.facade.overview import Overview, draw_overview
from segmentation_core.facade.scores import class_scores
from segmentation_core.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary()
LINE, LOSS = VOCABULARY.line_class, VOCABULARY.polygon_class


@pytest.fixture
def true_vectors(small_facade, tmp_path):
    """Vectors of the truth: losses with holes and parts, and a few lines."""
    with rasterio.open(small_facade.truth_raster) as truth:
        classes = truth.read(1)
        losses = [
            shapely.geometry.shape(g)
            for g, _ in shapes(classes, classes == LOSS.value, transform=truth.transform)
        ]
        rows, cols = np.nonzero(classes == LINE.value)
        ends = [truth.xy(r, c) for r, c in zip(rows[::50], cols[::50], strict=True)]
        lines = [shapely.LineString([(x, y), (x + 0.003, y)]) for x, y in ends]
        crs = truth.crs.to_wkt()
    path = tmp_path / "vectors.gpkg"
    for layer, geometries in (("loss_polygon", losses), ("crack_line", lines)):
        frame = geopandas.GeoDataFrame({"n": range(len(geometries))}, geometry=geometries, crs=crs)
        frame.to_file(path, layer=layer, engine="pyogrio", driver="GPKG")
    return path


def rows_of(facade):
    rows = []
    for beam in facade.beams:
        figures = beam.as_dict()
        row = {"elem_id": figures.pop("elem_id"), "name_en": "A beam", "name_zh": "梁"}
        for name, value in figures.items():
            row |= {f"found_{name}": None if name == "crack_m" else value, f"true_{name}": value}
        rows.append(row)
    return rows


def test_the_overview_is_a_wide_picture_in_the_classes_colours(small_facade, true_vectors, tmp_path):
    overview = Overview(
        small_facade.orthophoto,
        small_facade.truth_raster,
        true_vectors,
        small_facade.elements,
        rows_of(small_facade),
        class_scores(small_facade.truth_raster, small_facade.truth_raster),
        "A title",
        "a subtitle",
    )
    path = draw_overview(overview, tmp_path / "overview.png")
    with Image.open(path) as image:
        assert image.width == 2400
        assert image.height > 2000
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    for defect in (LINE, LOSS):
        colour = [int(defect.colour[k : k + 2], 16) for k in (1, 3, 5)]
        assert (np.abs(pixels.astype(int) - colour).max(axis=1) < 25).sum() > 300


def test_close_ups_show_both_classes_and_lie_apart(small_facade):
    windows = inset_windows(small_facade.truth_raster, 120, 3)
    assert windows
    with rasterio.open(small_facade.truth_raster) as truth:
        classes = truth.read(1)
    for window in windows:
        part = classes[window.row_off : window.row_end, window.col_off : window.col_end]
        assert part.shape == (120, 120)
        assert (part == LINE.value).any()
        assert (part == LOSS.value).any()
    for k, a in enumerate(windows):
        for b in windows[k + 1 :]:
            assert abs(a.row_off - b.row_off) >= 120 or abs(a.col_off - b.col_off) >= 120


def test_where_nothing_is_found_there_is_nothing_to_show(tmp_path, small_facade):
    path = tmp_path / "empty.tif"
    with rasterio.open(small_facade.truth_raster) as truth:
        profile = truth.profile
        with rasterio.open(path, "w", **profile) as sink:
            sink.write(np.zeros((1, *truth.shape), np.uint8))
    assert inset_windows(path, 120, 3) == []
