"""The second survey against the first: truth taken through the mapping is the other's but for what is told.

Cracks may be a pixel wide: looked up at the centres of larger pixels they would fall into gaps. So what is
looked up is the distance to the nearest crack, on its own grid.
"""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates
from skimage.registration import phase_cross_correlation

from segmentation_core.facade.layout import GSD_MM, facade_layout
from segmentation_core.facade.view import centres
from segmentation_core.raster.georeference import read_grid, same_crs
from segmentation_core.raster.grid import Window
from segmentation_core.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary()
LINE, LOSS, NODATA = VOCABULARY.line_class.value, VOCABULARY.polygon_class.value, VOCABULARY.nodata_value
FAR = 1e6
FEW = 1e-3
"""Share of pixels that may be wrong: hairlines a little above a pixel wide have gaps at either GSD."""

MM = 1 / GSD_MM
"""Pixels of the first survey per mm."""


@pytest.fixture(scope="module")
def before(tiny_facade):
    with rasterio.open(tiny_facade.truth_raster) as truth:
        return truth.read(1)


@pytest.fixture(scope="module")
def later(second_epoch):
    """Truth of the second survey on its own grid."""
    with rasterio.open(second_epoch.truth_raster) as truth:
        return truth.read(1)


def looked_up(layer, points, shape, beyond):
    col, row = np.floor(points).astype(int).T
    inside = (col >= 0) & (row >= 0) & (col < layer.shape[1]) & (row < layer.shape[0])
    found = np.full(len(points), beyond, layer.dtype)
    found[inside] = layer[row[inside], col[inside]]
    return found.reshape(shape)


@pytest.fixture(scope="module")
def at_first(second_epoch, before):
    """Return a function that looks a layer of the second survey up at the pixel centres of the first."""
    points = second_epoch.mapping.to_second(centres(Window(0, 0, *before.shape)))
    return lambda layer, beyond: looked_up(layer, points, before.shape, beyond)


@pytest.fixture(scope="module")
def at_second(second_epoch, later):
    """Return a function that looks a layer of the first survey up at the pixel centres of the second."""
    points = second_epoch.mapping.to_first(centres(Window(0, 0, *later.shape)))
    return lambda layer, beyond: looked_up(layer, points, later.shape, beyond)


@pytest.fixture(scope="module")
def after(later, at_first):
    """Truth of the second survey at the pixel centres of the first."""
    return at_first(later, NODATA)


@pytest.fixture(scope="module")
def changed(second_epoch, tiny_facade, before):
    """Each kind of change as a mask on the first survey's grid; lines touch every pixel that they cross."""
    with rasterio.open(tiny_facade.truth_raster) as truth:
        transform = truth.transform
    masks = {}
    for layer in ("change_line", "change_polygon"):
        frame = geopandas.read_file(second_epoch.change_shapes, layer=layer, engine="pyogrio")
        for kind, rows in frame.groupby("kind"):
            masks[kind] = rasterize(
                rows.geometry, before.shape, transform=transform, all_touched=layer == "change_line"
            ).astype(bool)
    return masks


def away(mask):
    """Return the distance to the nearest True, pixels; far where there is none."""
    return distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, FAR)


def near(mask, reach_px):
    return away(mask) <= reach_px


def beams_only(shape, size):
    inside = np.zeros(shape, bool)
    for beam in facade_layout(size).beams:
        x0, y0, x1, y1 = beam.box_px
        inside[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3] = True
    return inside


def test_it_states_the_same_crs_at_another_gsd(second_epoch, tiny_facade):
    with rasterio.open(second_epoch.orthophoto) as picture, rasterio.open(second_epoch.truth_raster) as truth:
        assert read_grid(picture) == read_grid(truth)
        assert picture.count == 3
        grid = read_grid(picture)
    with rasterio.open(tiny_facade.orthophoto) as first:
        assert same_crs(grid.crs_wkt, first.crs.to_wkt())
        assert (grid.affine.c, grid.affine.f) == (first.transform.c, first.transform.f)
    assert grid.gsd_mm == pytest.approx(0.9 * GSD_MM)


def test_the_books_balance(second_epoch):
    for change in second_epoch.changes:
        assert change.crack_m_after == pytest.approx(
            change.crack_m_before + change.new_crack_m + change.extended_tip_m - change.swallowed_m
        )
        assert change.loss_m2_after == pytest.approx(
            change.loss_m2_before + change.loss_gain_m2 - change.retouched_m2
        )
        assert min(change.new_crack_m, change.extended_tip_m, change.widened_m, change.loss_gain_m2) > 0
        assert change.swallowed_m >= 0
    assert [change.retouched_m2 > 0 for change in second_epoch.changes] == [False, True, False]


def test_figures_are_those_of_the_shapes(second_epoch):
    lines = geopandas.read_file(second_epoch.change_shapes, layer="change_line", engine="pyogrio")
    polygons = geopandas.read_file(second_epoch.change_shapes, layer="change_polygon", engine="pyogrio")
    for change in second_epoch.changes:
        of_beam = lines[lines.elem_id == change.elem_id]
        lengths = of_beam.groupby("kind").geometry.apply(lambda s: s.length.sum())
        told = (change.new_crack_m, change.extended_tip_m, change.widened_m)
        assert lengths[["new", "extended", "widened"]].tolist() == pytest.approx(told)
        assert of_beam.len_m.sum() == pytest.approx(sum(told))
        areas = (
            polygons[polygons.elem_id == change.elem_id]
            .groupby("kind")
            .geometry.apply(lambda s: s.area.sum())
        )
        assert areas["gain"] == pytest.approx(change.loss_gain_m2)
        assert areas.get("retouched", 0.0) == pytest.approx(change.retouched_m2)
    widened = lines[lines.kind == "widened"]
    assert widened.wider_mm.between(0.1, 1.0).all()
    assert lines[lines.kind != "widened"].wider_mm.isna().all()


def test_losses_are_the_first_ones_with_gain_and_without_the_retouched(before, after, changed):
    both = (before != NODATA) & (after != NODATA)
    expected = ((before == LOSS) | changed["gain"]) & ~changed["retouched"]
    found = after == LOSS
    wrong = both & (expected != found)
    to_edge = np.where(expected, away(~expected), away(expected))
    assert (wrong & (to_edge > 1.5)).sum() < FEW * expected.sum()
    assert found[both].sum() == pytest.approx(expected[both].sum(), rel=0.01)
    assert (before[changed["gain"]] != LOSS).all()
    assert (before[changed["retouched"]] == LOSS).all()


def test_cracks_are_the_first_ones_with_the_new_and_the_grown(before, later, changed, at_first, at_second):
    told = changed["new"] | changed["extended"] | changed["widened"]
    seen = (later != NODATA) & (at_second(before, NODATA) != NODATA)
    crack = (later == LINE) & seen
    appeared = crack & (at_second(away(before == LINE), FAR) > 2.5)
    assert appeared.sum() > 0.02 * crack.sum()
    assert (appeared & (at_second(away(told), FAR) > 4)).sum() < FEW * crack.sum()
    both = (before != NODATA) & (at_first(later, NODATA) != NODATA)
    to_later = at_first(away(later == LINE), FAR)
    gone = (before == LINE) & both & (to_later > 2.5)
    assert (gone & ~near(changed["gain"], 1.5)).sum() < FEW * (before == LINE).sum()
    for kind in ("new", "extended"):
        assert (to_later[changed[kind] & both] <= 2).mean() > 0.97
        assert near(before == LINE, 1.0)[changed[kind] & both].mean() < 0.15


def test_widened_cracks_cover_more_by_what_is_told(second_epoch, before, after, changed):
    others = near(changed["new"] | changed["extended"], 8) | near(changed["gain"], 4)
    around = near(changed["widened"], 5) & ~others & (before != NODATA) & (after != NODATA)
    more_px = int((after[around] == LINE).sum()) - int((before[around] == LINE).sum())
    lines = geopandas.read_file(second_epoch.change_shapes, layer="change_line", engine="pyogrio")
    wide = lines[lines.kind == "widened"]
    told_px = (wide.len_m * 1000 * MM * wide.wider_mm * MM).sum()
    told_px *= around[changed["widened"]].mean()
    assert more_px == pytest.approx(told_px, rel=0.2)


def test_the_rest_is_as_it_was(before, later, changed, at_first, at_second, tiny_size):
    touched = np.zeros(before.shape, bool)
    for mask in changed.values():
        touched |= mask
    rest = ~near(touched, 10) & (before != NODATA) & beams_only(before.shape, tiny_size)
    rest &= at_first(later, NODATA) != NODATA
    assert rest.mean() > 0.3
    rest_later = at_second(rest, False) & (later != NODATA)
    pixel = (0.9 * 1.002) ** 2  # of the second, in pixels of the first
    for value in (LINE, LOSS):
        first, other = rest & (before == value), rest_later & (later == value)
        assert (at_first(away(later == value), FAR)[first] > 2.5).mean() < FEW
        assert (at_second(away(before == value), FAR)[other] > 2.5).mean() < FEW
        assert other.sum() * pixel == pytest.approx(first.sum(), rel=0.03)
    assert rest_later.sum() * pixel == pytest.approx(rest.sum(), rel=0.01)


def test_the_picture_lies_where_the_mapping_says_in_another_light(second_epoch, tiny_facade, before, after):
    with rasterio.open(tiny_facade.orthophoto) as a, rasterio.open(second_epoch.orthophoto) as b:
        first, later = a.read().astype(np.float32), b.read().astype(np.float32)
    height, width = before.shape
    x, y = second_epoch.mapping.to_second(centres(Window(0, 0, height, width))).T.reshape(2, height, width)
    back = np.stack([map_coordinates(band, (y - 0.5, x - 0.5), order=1) for band in later])
    shifts = []
    for row in range(64, height - 192, 128):
        for col in range(64, width - 192, 128):
            part = np.s_[row : row + 128, col : col + 128]
            if ((before[part] == NODATA) | (after[part] == NODATA)).any():
                continue
            fine = [band[1][part] - gaussian_filter(band[1][part], 6) for band in (first, back)]
            window = np.outer(np.hanning(128), np.hanning(128))
            shift, _, _ = phase_cross_correlation(
                fine[0] * window, fine[1] * window, normalization=None, upsample_factor=50
            )
            shifts.append(np.hypot(*shift))
    assert len(shifts) >= 10
    assert np.median(shifts) < 0.1
    assert max(shifts) < 0.4
    both = (before != NODATA) & (after != NODATA)
    warmth = [np.median(picture[0][both] - picture[2][both]) for picture in (first, back)]
    assert warmth[1] > warmth[0] + 5
    detail = [np.abs(p[1] - gaussian_filter(p[1], 1.0))[both].mean() for p in (first, back)]
    assert detail[1] < detail[0]
