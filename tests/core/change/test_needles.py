"""What cutting two outlines leaves over: needles without area are no part of a change."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import shapely

from segmentation_core.change.loss_pieces import LossPieces
from segmentation_core.change.pieces import CrackPieces
from segmentation_core.operations.compare_features import crack_features, loss_features, without_needles

SQUARE = shapely.box(0, 0, 10, 10)
NEEDLE = shapely.Polygon([(10, 4), (13, 4), (13, 4 + 1e-7)])


def test_parts_with_area_stay_as_they_are() -> None:
    two = shapely.MultiPolygon([SQUARE, shapely.box(20, 0, 20.01, 10)])
    assert without_needles(two).equals_exact(two)
    assert without_needles(SQUARE).equals_exact(SQUARE)


def test_needles_go() -> None:
    assert without_needles(shapely.MultiPolygon([NEEDLE, SQUARE])).equals_exact(SQUARE)
    assert without_needles(NEEDLE).is_empty


def test_an_outline_that_crosses_itself_is_made_valid() -> None:
    bow = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    mended = without_needles(bow)
    assert mended.is_valid
    assert mended.geom_type == "MultiPolygon"
    assert mended.area == 50


def test_a_line_that_making_valid_leaves_goes_too() -> None:
    spiked = shapely.Polygon([(0, 0), (10, 0), (10, 10), (5, 10), (5, 20), (5, 10), (0, 10)])
    assert without_needles(spiked).bounds == (0, 0, 10, 10)


def test_a_cut_at_a_lines_end_leaves_no_piece() -> None:
    """What is left of a line that ends on an element's outline may be 1e-12 mm long: no format keeps that."""
    lines = [shapely.LineString([(1, 1), (5, 1)]), shapely.LineString([(10, 1), (10 + 1e-12, 1)])]
    pieces = CrackPieces(
        sides=np.array(["b", "b"], dtype=object),
        kinds=np.array(["new", "stable"], dtype=object),
        lines=np.array(lines, dtype=object),
        lengths_mm=np.array([4.0, 1e-12]),
        uids_a=np.array(["", "x"], dtype=object),
        uids_b=np.array(["y", "z"], dtype=object),
        values_mm=np.array([np.nan, 0.1]),
    )
    (feature,) = crack_features(cast(Any, SimpleNamespace(pieces=pieces)), {"B1": SQUARE}, 1e3, sure=True)
    assert (feature.kind, feature.elem_id, feature.uid_b) == ("new", "B1", "y")
    assert feature.geometry.length == 4e-3


def test_losses_are_valid_in_the_unit_of_the_book() -> None:
    """An outline that touches itself in mm may cross itself where it is rounded to metres."""
    rng = np.random.default_rng(1)
    up, aside = np.array([0.0, 4.0]), np.array([1.0, 0.0])
    shapes = []
    while len(shapes) < 50:
        left, right = np.array([[10180.0, 6190.0], [10185.0, 6190.0]]) + rng.random((2, 2))
        tip = left + rng.uniform(0.2, 0.8) * (right - left)
        outline = [left, right, right + up, tip + up + aside, tip, tip + up - aside, left + up]
        if (shape := shapely.Polygon(outline)).is_valid:
            shapes.append(shape)
    assert not all(shapely.Polygon(shapely.get_coordinates(shape) / 1e3).is_valid for shape in shapes)
    none = np.full(len(shapes), "", dtype=object)
    areas = shapely.area(shapes)
    pieces = LossPieces(none + "stable", np.array(shapes, dtype=object), areas, none + "a", none + "b")
    features = loss_features(
        cast(Any, SimpleNamespace(pieces=pieces)),
        {"B1": shapely.box(1e4, 6e3, 2e4, 7e3)},
        1e3,
        sure=True,
    )
    found = [feature.geometry for feature in features]
    assert shapely.is_valid(found).all()
    np.testing.assert_allclose(1e6 * shapely.area(found), areas, rtol=1e-9)
