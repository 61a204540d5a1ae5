import math

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


@settings(max_examples=80)
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


@settings(max_examples=80)
@given(grids)
def test_origins_and_sizes_are_multiples_of_32(tiles):
    for row in range(tiles.rows):
        for col in range(tiles.cols):
            tile = tiles.tile(row, col)
            assert tile.row_off % 32 == tile.col_off % 32 == tile.height % 32 == tile.width % 32 == 0


@settings(max_examples=40)
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


@settings(max_examples=40)
@given(grids)
def test_the_last_tile_ends_with_the_raster(tiles):
    last = tiles.tile(tiles.rows - 1, tiles.cols - 1)
    assert 0 <= last.row_end - tiles.height < 32
    assert 0 <= last.col_end - tiles.width < 32


@settings(max_examples=80)
@given(st.integers(1, 3000), st.sampled_from([64, 128, 512]), st.sampled_from([0, 0.25, 0.5]))
def test_tiles_overlap_at_least_as_asked_with_as_few_as_needed(size, tile_px, overlap):
    tiles = tile_grid(size, 10, tile_px, overlap)
    origins = [tiles.tile(row, 0).row_off for row in range(tiles.rows)]
    steps = np.diff(origins)
    stride = int(tile_px * (1 - overlap)) // 32 * 32
    assert (steps <= stride).all()
    assert (steps > 0).all()
    assert tiles.rows == 1 + max(0, math.ceil((math.ceil(size / 32) * 32 - tile_px) / stride))


@settings(max_examples=60)
@given(grids, st.data())
def test_first_row_reaching(tiles, data):
    row = data.draw(st.integers(0, tiles.rows - 1))
    first = tiles.first_row_reaching(row)
    start = tiles.core(row, 0).row_off
    assert tiles.tile(first, 0).row_end > start
    assert first == 0 or tiles.tile(first - 1, 0).row_end <= start


def test_weights_are_smooth():
    weights = tile_grid(4000, 4000, 1024).weights(2, 2)[512]
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


def test_a_tile_counts_for_next_to_nothing_near_its_borders():
    tiles = tile_grid(3000, 3000, 1024)
    weights = tiles.weights(1, 1)
    assert weights[:112].max() < 1e-5
    assert weights[:, -112:].max() < 1e-5
    edge = tiles.weights(0, 0)
    assert edge[0, 0] == 1  # at the raster's own edge there is no other tile
