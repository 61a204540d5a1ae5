from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from segmentation_core.errors import ParameterError
from segmentation_core.facade.scores import class_scores, pixel_counts
from segmentation_core.vocabulary import load_vocabulary

LINE = load_vocabulary().line_class.value
LOSS = load_vocabulary().polygon_class.value
NODATA = load_vocabulary().nodata_value


@pytest.fixture
def class_raster(tmp_path):
    def write(name, array):
        path = tmp_path / name
        height, width = array.shape
        profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "crs": "EPSG:32650"}
        with rasterio.open(
            path, "w", width=width, height=height, transform=Affine(0.1, 0, 0, 0, -0.1, 0), **profile
        ) as sink:
            sink.write(array, 1)
        return path

    return write


def rows(*values):
    return np.array(values, np.uint8)


def test_a_crack_two_pixels_off_is_right_and_three_off_is_wrong():
    target = np.zeros((12, 20), np.uint8)
    target[5] = LINE
    for shift, right in ((2, 1.0), (3, 0.0)):
        scores = pixel_counts(np.roll(target, shift, axis=0), target, 2).scores(2)
        assert scores["craquelure_precision_2px"] == right
        assert scores["craquelure_recall_2px"] == right
        assert scores["craquelure_f1_2px"] == right


def test_precision_and_recall_by_hand():
    target = np.zeros((20, 20), np.uint8)
    target[2] = LINE
    preds = np.zeros((20, 20), np.uint8)
    preds[2, :10] = LINE
    preds[15, :10] = LINE
    scores = pixel_counts(preds, target, 2).scores(2)
    assert scores["craquelure_precision_2px"] == 0.5
    # 10 columns lie below the found half and 2 more within tolerance of its end.
    assert scores["craquelure_recall_2px"] == 12 / 20
    assert scores["craquelure_f1_2px"] == pytest.approx(2 * 0.5 * 0.6 / 1.1)


def test_intersection_over_union_leaves_nodata_out():
    preds = rows([LOSS, LOSS, LOSS, NODATA, 0, LOSS])
    target = rows([LOSS, LOSS, 0, LOSS, LOSS, NODATA])
    assert pixel_counts(preds, target, 2).scores(2)["paint_loss_iou"] == 2 / 4


def test_nothing_to_divide_by_is_none_and_finding_nothing_scores_zero():
    empty, line = np.zeros((5, 5), np.uint8), np.full((5, 5), LINE, np.uint8)
    assert set(pixel_counts(empty, empty, 2).scores(2).values()) == {None}
    scores = pixel_counts(empty, line, 2).scores(2)
    assert scores["craquelure_precision_2px"] is None
    assert scores["craquelure_f1_2px"] == 0.0


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_tolerance_is_a_euclidean_distance(seed, tolerance_px):
    rng = np.random.default_rng(seed)
    preds, target = (np.where(rng.random((24, 30)) < 0.03, LINE, 0).astype(np.uint8) for _ in range(2))
    if not (preds.any() and target.any()):
        return
    counts = pixel_counts(preds, target, tolerance_px)
    assert (
        counts.line_preds_near == ((distance_transform_edt(target == 0) <= tolerance_px) & (preds > 0)).sum()
    )
    assert (
        counts.line_target_near == ((distance_transform_edt(preds == 0) <= tolerance_px) & (target > 0)).sum()
    )


def test_bands_do_not_show(class_raster):
    rng = np.random.default_rng(0)
    preds, target = (rng.choice([0, 0, 0, LINE, LOSS, NODATA], (1100, 40)).astype(np.uint8) for _ in range(2))
    scores = class_scores(class_raster("p.tif", preds), class_raster("t.tif", target))
    assert scores == pixel_counts(preds, target, 2).scores(2)


def test_rasters_of_two_sizes_are_refused(class_raster):
    a = class_raster("a.tif", np.zeros((5, 6), np.uint8))
    b = class_raster("b.tif", np.zeros((5, 7), np.uint8))
    with pytest.raises(ParameterError, match=r"a\.tif"):
        class_scores(a, b)
