"""The function for notebooks: the same layers as the command writes, from an array."""

import numpy as np
import pytest
import shapely
from affine import Affine

from segmentation_core.errors import ParameterError, RasterError
from segmentation_core.vectors.arrays import vectorise
from segmentation_core.vectors.geopackage import LAYERS

IN_METRES = Affine(0.001, 0, 0, 0, -0.001, 0)


def test_it_gives_what_the_command_writes(vectors_of):
    classes = np.random.default_rng(3).choice(
        np.array([0, 1, 2, 255], np.uint8), (60, 70), p=[0.5, 0.3, 0.1, 0.1]
    )
    written, found = vectors_of(classes), vectorise(classes, IN_METRES)
    assert found.totals == pytest.approx(written.totals)
    assert found.dropped == written.run["dropped"]
    for layer in LAYERS:
        table = getattr(written, layer)
        assert shapely.equals_exact(found[layer]["geometry"], table.geometry).all()
        for name, values in found[layer].items():
            if name != "geometry":
                np.testing.assert_array_equal(values, getattr(table, name))


def test_masks_classes_and_probabilities_agree():
    mask = np.zeros((30, 80), bool)
    mask[14:17, 10:70] = True
    both = np.stack([mask, np.zeros_like(mask)]).astype(float)
    lengths = {
        vectorise(array, IN_METRES, **more).totals["crack_m"]
        for array, more in (
            (mask, {}),
            (mask.astype(np.int64), {}),
            (mask.astype(np.float32), {}),
            (both, {"thresholds": {"craquelure": 0.3}}),
            ((both * 250).astype(np.uint8), {}),
        )
    }
    assert len(lengths) == 1
    assert lengths.pop() == pytest.approx(0.06, rel=0.01)
    missing = mask.astype(float)
    missing[:, 60:] = np.nan
    assert vectorise(missing, IN_METRES).totals["assessed_m2"] == pytest.approx(30 * 60e-6)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), "shape"),
        (np.zeros((0, 4), bool), "shape"),
        (np.full((4, 4), 3), "value 3 at row 0, column 0"),
        (np.full((4, 4), 300), "value 300"),
        (np.full((4, 4), 1.5), "value 1.5"),
        (np.full((4, 4), -np.inf), "value -inf"),
        (np.zeros((3, 4, 4)), "3 bands"),
        (np.full((2, 4, 4), 252, np.uint8), "value 252"),
    ],
)
def test_wrong_arrays_are_refused(array, message):
    with pytest.raises(RasterError, match=message):
        vectorise(array, IN_METRES)


@pytest.mark.parametrize(
    ("affine", "more"),
    [
        (Affine(1, 1, 0, 1, 1, 0), {}),
        (Affine(float("nan"), 0, 0, 0, 1, 0), {}),
        (IN_METRES, {"metres_per_unit": 0.0}),
        (IN_METRES, {"thresholds": {"craquelure": 0.5}}),
    ],
)
def test_impossible_parameters(affine, more):
    with pytest.raises(ParameterError):
        vectorise(np.zeros((4, 4), bool), affine, **more)


def test_thresholds_of_known_classes():
    for thresholds in ({"rust": 0.5}, {"craquelure": 2.0}):
        with pytest.raises(ParameterError):
            vectorise(np.zeros((4, 4)), IN_METRES, thresholds=thresholds)
