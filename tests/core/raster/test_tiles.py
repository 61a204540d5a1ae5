import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_core.errors import ParameterError
from segmentation_core.raster.tiles import tile_grid

grids = st.builds(
    tile_grid,
    st.integers(1, 700),
    st.integers(1, 700),
    st.sampled_from([64, 96, 128, 256]),
    st.floats(0, 0.5),
)


@settings(max_examples=80, deadline=None)
@given(grids)
def test_cores_part_the_raster_and_lie_in_their_tiles(tiles):
    covered = np.zeros((tiles.height, tiles.width), dtype=int)
    for row in range(tiles.rows):
        for col in range(tiles.cols):
            tile, core = tiles.tile(row, col), tiles.core(row, col)
            assert core.height > 0
            assert core.width > 0
            assert tile.row_off <= core.row_off
            assert tile.col_off <= core.col_off
            assert core.row_end <= tile.row_end
            assert core.col_end <= tile.col_end
            covered[core.row_off : core.row_end, core.col_off : core.col_end] += 1
    assert (covered == 1).all()


@settings(max_examples=80, deadline=None)
@given(grids)
def test_origins_and_sizes_are_multiples_of_32(tiles):
    for row in range(tiles.rows):
        for col in range(tiles.cols):
            tile = tiles.tile(row, col)
            assert tile.row_off % 32 == tile.col_off % 32 == tile.height % 32 == tile.width % 32 == 0


@settings(max_examples=40, deadline=None)
@given(grids)
def test_weights_are_positive_and_add_up_to_one(tiles):
    last = tiles.tile(tiles.rows - 1, tiles.cols - 1)
    total = np.zeros((last.row_end, last.col_end))
    for row in range(tiles.rows):
        for col in range(tiles.cols):
            tile, weights = tiles.tile(row, col), tiles.weights(row, col)
            assert weights.min() > 0
            total[tile.row_off : tile.row_end, tile.col_off : tile.col_end] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(grids)
def test_the_last_tile_sees_more_than_its_edge(tiles):
    for row in (tiles.rows - 1,):
        inside = tiles.tile(row, 0).clipped(tiles.height, tiles.width)
        overlap = tiles.tile_shape[0] - tiles.stride_shape[0]
        assert inside.height > overlap or tiles.rows == 1


def test_weights_are_smooth():
    weights = tile_grid(2000, 2000, 512).weights(2, 2)[256]
    assert np.abs(np.diff(weights)).max() < 0.05


@pytest.mark.parametrize(
    ("tile_px", "overlap"), [(500, 0.25), (32, 0.25), (0, 0.25), (512, -0.1), (512, 0.6)]
)
def test_impossible_tiles_are_refused(tile_px, overlap):
    with pytest.raises(ParameterError, match="impossible"):
        tile_grid(1000, 1000, tile_px, overlap)


def test_an_empty_raster_is_refused():
    with pytest.raises(ParameterError, match="no tiles"):
        tile_grid(0, 10, 512)
