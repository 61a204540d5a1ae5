import numpy as np
import pytest

from segmentation_core.errors import ParameterError
from segmentation_core.raster.probability import class_values, quantised, smallest_passing
from segmentation_core.vocabulary import load_vocabulary


def test_the_class_that_wins_takes_pixels_where_both_pass():
    vocabulary = load_vocabulary()
    line, polygon = vocabulary.line_class, vocabulary.polygon_class
    assert line.code in polygon.wins_over
    by_code = {line.code: [0, 125, 124, 125, 255], polygon.code: [0, 0, 200, 125, 255]}
    bands = np.array([[by_code[code]] for code in vocabulary.codes], dtype=np.uint8)
    values = class_values(bands, dict.fromkeys(vocabulary.codes, 0.5))
    nothing = vocabulary.background_value
    assert values.tolist() == [[nothing, line.value, polygon.value, polygon.value, vocabulary.nodata_value]]


@pytest.mark.parametrize("threshold", np.arange(0, 251) / 250)
def test_a_threshold_that_is_a_step_passes_that_step(threshold):
    assert smallest_passing(float(threshold)) == round(threshold * 250)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_impossible_thresholds(threshold):
    with pytest.raises(ParameterError, match="threshold"):
        smallest_passing(threshold)


def test_sums_that_pass_one_by_rounding_stay_probabilities():
    p = np.array([[[1.0000002, -1e-9]]], dtype=np.float32)
    assert quantised(p, np.ones((1, 2), dtype=bool)).tolist() == [[[250, 0]]]
