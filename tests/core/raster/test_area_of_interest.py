import numpy as np
import pytest
from affine import Affine
from shapely.geometry import LineString, Point, Polygon, box

from segmentation_core.errors import ParameterError
from segmentation_core.raster.area_of_interest import MARGIN_PX, AreaOfInterest
from segmentation_core.raster.grid import Grid, Window

GRID = Grid(400, 300, Affine(0.5, 0, 100, 0, -0.5, 50), None, 1.0)


def distance_to_box(row0, col0, row1, col1):
    rows, cols = np.mgrid[0:300, 0:400] + 0.5
    down = np.maximum(np.maximum(row0 - rows, rows - row1), 0)
    across = np.maximum(np.maximum(col0 - cols, cols - col1), 0)
    return np.hypot(down, across)


def test_reaches_64_px_beyond_the_geometry():
    geometry = box(100 + 0.5 * 150, 50 - 0.5 * 140, 100 + 0.5 * 200, 50 - 0.5 * 120)
    mask = AreaOfInterest(geometry, GRID).mask(GRID.window)
    distance = distance_to_box(120, 150, 140, 200)
    assert mask[distance < MARGIN_PX - 0.5].all()
    assert not mask[distance > MARGIN_PX + 0.5].any()


def test_does_not_depend_on_windows():
    geometry = Polygon([(120, 40), (180, 35.3), (150, 0.7), (131.1, 12)])
    area = AreaOfInterest(geometry, GRID)
    whole = area.mask(GRID.window)
    for row in range(0, 300, 60):
        for col in range(0, 400, 80):
            part = area.mask(Window(row, col, 60, 80))
            expected = whole[row : row + 60, col : col + 80]
            if part is None:
                assert not expected.any()
            else:
                np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("geometry", [Point(150, 20), LineString([(110, 40), (190, 10)])])
def test_points_and_lines_have_a_margin_too(geometry):
    assert AreaOfInterest(geometry, GRID).mask(GRID.window).sum() > 10_000


@pytest.mark.parametrize("geometry", [Polygon(), box(0, 0, 10, 10)])
def test_what_does_not_touch_the_raster_is_refused(geometry):
    with pytest.raises(ParameterError, match="does not touch"):
        AreaOfInterest(geometry, GRID)
