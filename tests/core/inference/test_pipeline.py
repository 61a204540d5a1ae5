import itertools
import threading
import tracemalloc
from contextlib import closing

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmentation_core.errors import RasterError
from segmentation_core.facade.generate import generate_facade
from segmentation_core.inference.blending import Blender
from segmentation_core.inference.network import Predictor
from segmentation_core.inference.pipeline import Picture, probability_blocks
from segmentation_core.inference.settings import SegmentSettings, plan_run
from segmentation_core.models import load_model
from segmentation_core.raster.tiles import tile_grid
from segmentation_core.vocabulary import load_vocabulary


def picture_of(rgb, valid=None, wanted=None):
    valid = np.ones(rgb.shape[1:], dtype=bool) if valid is None else valid

    def read(window):
        rows, cols = slice(window.row_off, window.row_end), slice(window.col_off, window.col_end)
        return rgb[:, rows, cols], valid[rows, cols]

    return Picture(read, wanted)


def collect(picture, tiles, predictor, **options):
    """Put the blocks together; every pixel must come exactly once."""
    probabilities = np.zeros((2, tiles.height, tiles.width), dtype=np.float32)
    valid = np.zeros((tiles.height, tiles.width), dtype=bool)
    times = np.zeros((tiles.height, tiles.width), dtype=int)
    for block in probability_blocks(picture, tiles, predictor, classes=2, **options):
        rows = slice(block.window.row_off, block.window.row_end)
        cols = slice(block.window.col_off, block.window.col_end)
        probabilities[:, rows, cols] = block.probabilities
        valid[rows, cols] = block.valid
        times[rows, cols] += 1
    first = tiles.strip(options.get("first_row", 0)).row_off
    assert (times[first:] == 1).all()
    assert not times[:first].any()
    return probabilities, valid


def whole_image(network, card, rgb):
    height, width = rgb.shape[1:]
    rgb = np.pad(rgb, ((0, 0), (0, -height % 32), (0, -width % 32)), mode="edge")
    with torch.inference_mode():
        logits = network(card.normalise(torch.from_numpy(rgb)[None]))
    return torch.softmax(logits / card.temperature, dim=1)[0, 1:, :height, :width].numpy()


def far_from_tile_borders(tiles, margin_px):
    """Return the pixels far from the borders of all tiles that they lie in; the raster's own edge is none."""
    far = np.ones((tiles.height, tiles.width), dtype=bool)
    rows, cols = np.mgrid[0 : tiles.height, 0 : tiles.width]
    for row in range(tiles.rows):
        for col in range(tiles.cols):
            tile = tiles.tile(row, col)
            top, left = (-10000 if start == 0 else start for start in (tile.row_off, tile.col_off))
            bottom = 10000 if tile.row_end >= tiles.height else tile.row_end
            right = 10000 if tile.col_end >= tiles.width else tile.col_end
            nearest = np.minimum(
                np.minimum(rows - top, bottom - 1 - rows), np.minimum(cols - left, right - 1 - cols)
            )
            far &= (nearest < 0) | (nearest >= margin_px)
    return far


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    tile_px=st.sampled_from([64, 96, 128]),
    overlap=st.sampled_from([0.0, 0.2, 0.25, 0.5]),
    batch=st.integers(1, 5),
)
def test_tiled_equals_whole_image(tiny_network, card, cpu, painting, height, width, tile_px, overlap, batch):
    rgb = painting(height, width)
    tiles = tile_grid(height, width, tile_px, overlap)
    predictor = Predictor(tiny_network, card, cpu, batch=batch, use_bfloat16=False)
    got, valid = collect(picture_of(rgb), tiles, predictor)
    assert valid.all()
    far = far_from_tile_borders(tiles, 4)
    expected = whole_image(tiny_network, card, rgb)
    np.testing.assert_allclose(got[:, far], expected[:, far], atol=1e-5)
    assert np.abs(got - expected).max() < 0.9


def test_a_real_network_tiled_equals_whole_image_96_px_from_borders(checkpoint, cpu, painting):
    loaded = load_model(checkpoint)
    rgb = painting(640, 480)
    tiles = tile_grid(640, 480, 256, 0.25)
    predictor = Predictor(loaded.network, loaded.card, cpu, batch=2, use_bfloat16=False)
    got, _ = collect(picture_of(rgb), tiles, predictor)
    expected = whole_image(loaded.network, loaded.card, rgb)
    far = far_from_tile_borders(tiles, 96)
    assert far.sum() > 10_000
    assert np.ptp(expected) > 0.05
    assert np.abs(got - expected)[:, far].max() < 1e-3


@pytest.fixture(scope="module")
def facade_rgb(tmp_path_factory):
    facade = generate_facade(tmp_path_factory.mktemp("facade"), seed=3, size_px=(1696, 1024))
    with rasterio.open(facade.orthophoto) as dataset:
        return dataset.read([1, 2, 3])


@pytest.mark.parametrize("name", ["res_unet", "res_unet_lite"])
def test_shipped_weights_tiled_equal_the_whole_picture_at_every_pixel(name, cpu, facade_rgb):
    model = load_model(name)
    tiles = plan_run(SegmentSettings(), cpu, *facade_rgb.shape[1:]).tiles
    assert tiles.rows * tiles.cols > 1
    tiled, _ = collect(
        picture_of(facade_rgb), tiles, Predictor(model.network, model.card, cpu, batch=1, use_bfloat16=False)
    )
    whole = whole_image(model.network, model.card, facade_rgb)
    assert np.ptp(whole) > 0.9
    # Nearer than 96 px to its border a tile has next to no weight: the bound holds at every pixel.
    assert np.abs(tiled - whole).max() < 1e-3
    thresholds = np.array([model.card.thresholds[code] for code in load_vocabulary().codes])[:, None, None]
    assert ((tiled >= thresholds) == (whole >= thresholds)).all(axis=0).mean() >= 0.999


def test_a_constant_picture_has_no_seams(tiny_network, card, cpu):
    rgb = np.full((3, 300, 300), 77, dtype=np.uint8)
    tiles = tile_grid(300, 300, 128, 0.25)
    predictor = Predictor(tiny_network, card, cpu, batch=2, use_bfloat16=False)
    got, _ = collect(picture_of(rgb), tiles, predictor)
    inner = got[:, 4:200, 4:200]
    assert np.ptp(inner, axis=(1, 2)).max() < 0.25 * np.ptp(got)


@pytest.mark.parametrize(("batch", "readers"), [(1, 1), (3, 2), (8, 4)])
def test_result_does_not_depend_on_batch_or_readers(tiny_network, card, cpu, painting, batch, readers):
    rgb = painting(260, 330)
    tiles = tile_grid(260, 330, 96, 0.25)
    one = Predictor(tiny_network, card, cpu, batch=2, use_bfloat16=False)
    expected, _ = collect(picture_of(rgb), tiles, one)
    other = Predictor(tiny_network, card, cpu, batch=batch, use_bfloat16=False)
    got, _ = collect(picture_of(rgb), tiles, other, readers=readers)
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("first_row", [1, 2, 3])
def test_continuing_gives_the_same_bits(tiny_network, card, cpu, painting, first_row):
    rgb = painting(300, 200)
    tiles = tile_grid(300, 200, 96, 0.25)
    predictor = Predictor(tiny_network, card, cpu, batch=2, use_bfloat16=False)
    expected, _ = collect(picture_of(rgb), tiles, predictor)
    got, _ = collect(picture_of(rgb), tiles, predictor, first_row=first_row)
    start = tiles.strip(first_row).row_off
    np.testing.assert_array_equal(got[:, start:], expected[:, start:])


def test_tiles_without_data_are_skipped(tiny_network, card, cpu, painting):
    rgb = painting(400, 400)
    valid = np.zeros((400, 400), dtype=bool)
    valid[300:380, 300:380] = True
    predictor = CountingPredictor(tiny_network, card, cpu, batch=2, use_bfloat16=False)
    tiles = tile_grid(400, 400, 128, 0.25)
    _, got = collect(picture_of(rgb, valid), tiles, predictor)
    np.testing.assert_array_equal(got, valid)
    assert 0 < predictor.tiles < tiles.rows * tiles.cols / 2


def test_results_beside_skipped_tiles_are_the_same(tiny_network, card, cpu, painting):
    rgb = painting(400, 400)
    tiles = tile_grid(400, 400, 128, 0.25)
    predictor = CountingPredictor(tiny_network, card, cpu, batch=3, use_bfloat16=False)
    expected, _ = collect(picture_of(rgb), tiles, predictor)
    mask = np.zeros((400, 400), dtype=bool)
    mask[150:250, 0:130] = True

    def wanted(window):
        part = mask[window.row_off : window.row_end, window.col_off : window.col_end]
        return part if part.any() else None

    predictor.tiles = 0
    got, valid = collect(picture_of(rgb, wanted=wanted), tiles, predictor)
    np.testing.assert_array_equal(valid, mask)
    np.testing.assert_allclose(got[:, mask], expected[:, mask], atol=1e-6)
    assert 0 < predictor.tiles < tiles.rows * tiles.cols


def test_an_error_in_a_reader_surfaces_and_stops_the_threads(tiny_network, card, cpu, painting):
    rgb = painting(300, 300)
    good = picture_of(rgb)

    def read(window):
        if window.row_off >= 130:
            raise RasterError("rows 144-240 cannot be read", path="photo.tif")
        return good.read(window)

    tiles = tile_grid(300, 300, 96, 0.25)
    predictor = Predictor(tiny_network, card, cpu, batch=2, use_bfloat16=False)
    done = []
    blocks = probability_blocks(Picture(read), tiles, predictor, classes=2, readers=3)
    with pytest.raises(RasterError, match="rows 144-240"):
        done.extend(blocks)
    assert 0 < len(done) < tiles.rows * tiles.cols
    assert not [t for t in threading.enumerate() if t.name.startswith("reader")]


def test_closing_early_stops_the_threads(tiny_network, card, cpu, painting):
    tiles = tile_grid(300, 300, 96, 0.25)
    predictor = Predictor(tiny_network, card, cpu, batch=2, use_bfloat16=False)
    with closing(probability_blocks(picture_of(painting(300, 300)), tiles, predictor, classes=2)) as blocks:
        next(blocks)
    assert not [t for t in threading.enumerate() if t.name.startswith("reader")]


class CountingPredictor(Predictor):
    tiles = 0

    def launch(self, tiles):
        self.tiles += len(tiles)
        return super().launch(tiles)


@settings(max_examples=40)
@given(
    height=st.integers(1, 260),
    width=st.integers(1, 260),
    overlap=st.floats(0, 0.5),
    skip_seed=st.integers(0, 9),
)
def test_blending_is_the_weighted_sum(height, width, overlap, skip_seed):
    tiles = tile_grid(height, width, 64, overlap)
    rng = np.random.default_rng(skip_seed)
    end = tiles.tile(tiles.rows - 1, tiles.cols - 1)
    expected = np.zeros((2, end.row_end, end.col_end))
    got = np.zeros((2, height, width), dtype=np.float32)
    with Blender(tiles, 2) as blender:
        for row, col in itertools.product(range(tiles.rows), range(tiles.cols)):
            tile, core = tiles.tile(row, col), tiles.core(row, col)
            values = (
                rng.random((2, tile.height, tile.width), dtype=np.float32) if rng.random() < 0.8 else None
            )
            if values is not None:
                weighted = values * tiles.weights(row, col)
                expected[:, tile.row_off : tile.row_end, tile.col_off : tile.col_end] += weighted
            got[:, core.row_off : core.row_end, core.col_off : core.col_end] = blender.add(row, col, values)
    np.testing.assert_allclose(got, expected[:, :height, :width], atol=1e-6)


def test_blending_takes_no_more_memory_on_a_wider_raster():
    peaks = []
    for width in (2_000, 20_000):
        tiles = tile_grid(700, width, 256, 0.25)
        tile = np.ones((2, 256, 256), dtype=np.float32)
        tracemalloc.start()
        with Blender(tiles, 2) as blender:
            for row, col in itertools.product(range(tiles.rows), range(tiles.cols)):
                done = blender.add(row, col, tile)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        np.testing.assert_allclose(done, 1, atol=1e-6)
    assert peaks[1] < 1.1 * peaks[0]
