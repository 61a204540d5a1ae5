"""What cutting two outlines leaves over: needles without area are no part of a change."""

from __future__ import annotations

import shapely

from segmentation_core.operations.compare_features import without_needles

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
