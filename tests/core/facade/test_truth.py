from __future__ import annotations

import numpy as np
import pytest

from segmentation_core.facade.cracking import CrackNetwork
from segmentation_core.facade.layout import facade_layout
from segmentation_core.facade.truth import beam_truth, true_classes, visible_length_px
from segmentation_core.vocabulary import load_vocabulary

LINE = load_vocabulary().line_class.value
LOSS = load_vocabulary().polygon_class.value
NODATA = load_vocabulary().nodata_value


def along(y, x0, x1):
    x = np.arange(x0, x1 + 1.0, 2.0)
    return CrackNetwork(
        np.column_stack((x, np.full(len(x), y))), np.ones(len(x)), np.ones(len(x)), np.zeros(len(x), int)
    )


def test_a_class_takes_a_pixel_from_half_on_and_loss_wins():
    crack = np.array([[7, 8, 16, 16, 16]], np.uint8)
    lost = np.array([[0, 0, 7, 8, 16]], np.uint8)
    valid = np.array([[True, True, True, True, False]])
    assert true_classes(crack, lost, valid).tolist() == [[0, LINE, LINE, LOSS, NODATA]]


def test_length_hidden_in_losses_nodata_and_beyond_the_raster_does_not_count():
    classes = np.zeros((10, 40), np.uint8)
    assert visible_length_px(along(5.5, 0, 40), classes) == pytest.approx(40)
    classes[:, 10:20] = LOSS
    assert visible_length_px(along(5.5, 0, 40), classes) == pytest.approx(30)
    classes[:, 30:] = NODATA
    assert visible_length_px(along(5.5, 0, 40), classes) == pytest.approx(20)
    assert visible_length_px(along(5.5, -20, 10), classes) == pytest.approx(10)
    assert visible_length_px(along(50.5, 0, 40), classes) == 0


def test_figures_of_a_beam_by_hand():
    classes = np.zeros((10, 100), np.uint8)
    classes[5] = LINE
    classes[0:4, 0:25] = LOSS
    classes[:, 90:] = NODATA
    truth = beam_truth(facade_layout().beams[0], along(5.5, 0, 100), classes, unit_m=0.001)
    assert truth.assessed_m2 == pytest.approx(900e-6)
    assert truth.loss_m2 == pytest.approx(100e-6)
    assert truth.loss_ratio == pytest.approx(1 / 9)
    assert truth.crack_area_m2 == pytest.approx(90e-6)
    assert truth.crack_m == pytest.approx(0.09)
