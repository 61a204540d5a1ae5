"""Tiles, bands, workers and repetition do not change the vectors."""

import itertools

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from segmentation_core.operations.vectorise import vectorise
from segmentation_core.raster.grid import Window
from segmentation_core.vectors.array_source import array_source
from segmentation_core.vectors.arrays import vectorise as vectorise_array
from segmentation_core.vectors.crack_lines import crack_lines
from segmentation_core.vectors.settings import VectorSettings
from segmentation_core.vectors.skeleton import PIXEL, Surroundings, core_skeleton
from segmentation_core.vectors.tile import trace_tile


def classes_of(seed: int, shape=(110, 130), *, nodata: bool = True) -> np.ndarray:
    random = np.random.default_rng(seed)
    noise = [gaussian_filter(random.normal(size=shape), s) for s in (1.5, 4, 8)]
    classes = (np.abs(noise[0]) < np.quantile(np.abs(noise[0]), 0.15)).astype(np.uint8)
    classes[noise[1] > np.quantile(noise[1], 0.85)] = 2
    classes[noise[1] < np.quantile(noise[1], 0.08)] = 1
    if nodata:
        classes[noise[2] < np.quantile(noise[2], 0.15)] = 255
    return classes


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.integers(30, 120), st.sampled_from([6, 64]))
def test_tile_size_does_not_matter(vectors_of, rows_of, seed, tile_size_px, max_width):
    classes = classes_of(seed)
    whole = vectors_of(classes, max_crack_width_px=max_width)
    tiled = vectors_of(classes, tile_size_px=tile_size_px, max_crack_width_px=max_width)
    assert rows_of(tiled) == rows_of(whole)
    assert tiled.totals == pytest.approx(whole.totals, rel=1e-12)
    assert tiled.run["dropped"] == whole.run["dropped"]


@settings(max_examples=12)
@given(
    st.integers(0, 10**6),
    st.lists(st.integers(1, 109), max_size=3, unique=True),
    st.lists(st.integers(1, 129), max_size=3, unique=True),
    st.sampled_from([4, 12, 64]),
)
def test_skeletons_of_tiles_are_those_of_the_whole(seed, row_cuts, col_cuts, max_width):
    """Trap 11: bit for bit, blobs wider than tiles, cut ends and areas included."""
    classes = classes_of(seed, (110, 130))
    raster = Window(0, 0, *classes.shape)
    framed = np.pad(classes, 600, constant_values=255)

    def read(window):
        part = framed[
            600 + window.row_off : 600 + window.row_end, 600 + window.col_off : 600 + window.col_end
        ]
        return Surroundings(part == 1, part != 255, None)

    def skeleton(rows, cols):
        found = []
        for top, bottom in itertools.pairwise(rows):
            for left, right in itertools.pairwise(cols):
                core = Window(top, left, bottom - top, right - left)
                part = core_skeleton(read, core, raster, VectorSettings(max_crack_width_px=max_width))
                fields = (
                    part.rows,
                    part.cols,
                    part.squared_half_widths,
                    part.areas_px,
                    part.patches,
                    part.cut,
                )
                found += list(zip(*(f.tolist() for f in fields), strict=True))
        return sorted(found)

    whole = skeleton([0, classes.shape[0]], [0, classes.shape[1]])
    tiled = skeleton([0, *sorted(row_cuts), classes.shape[0]], [0, *sorted(col_cuts), classes.shape[1]])
    assert tiled == whole


def network_of(seed: int, side: int = 260) -> np.ndarray:
    """Cracks between the cells of random points, ragged: one network from edge to edge."""
    random = np.random.default_rng(seed)
    points = random.uniform(-40, side + 40, (int((side / random.uniform(12, 50)) ** 2) + 3, 2))
    rows, cols = np.mgrid[0:side, 0:side]
    distance, nearest = cKDTree(points).query(np.column_stack([rows.ravel(), cols.ravel()]), k=2)
    apart = np.linalg.norm(points[nearest[:, 0]] - points[nearest[:, 1]], axis=1)
    aside = ((distance[:, 1] ** 2 - distance[:, 0] ** 2) / (2 * apart)).reshape(side, side)
    crack = aside < random.uniform(0.6, 3)
    return (crack ^ (random.random(crack.shape) < random.choice([0, 0.01, 0.05]))).astype(np.uint8)


def layers_of(classes: np.ndarray, chosen: VectorSettings) -> dict[str, list[tuple]]:
    found = vectorise_array(classes, Affine.scale(0.001, -0.001), settings=chosen).layers
    return {
        layer: sorted(
            (shapely.to_wkb(shape), *map(repr, values))
            for shape, *values in zip(
                columns["geometry"], *(columns[c] for c in columns if c != "geometry"), strict=True
            )
        )
        for layer, columns in found.items()
    }


@settings(max_examples=10)
@given(
    st.integers(0, 10**6),
    st.integers(10, 120),
    st.sampled_from([0.0, 1.5, 4.0]),
    st.sampled_from([0.0, 1.0, 3.0]),
    st.sampled_from([6, 64]),
)
def test_one_network_is_the_same_band_by_band(seed, tile_size_px, merge, spurs, max_width):
    """Lines are made while the network is still being read; none may change, come twice or be missing."""
    classes = network_of(seed)
    rules = {"junction_merge": merge, "spur_ratio": spurs, "max_crack_width_px": max_width}
    whole = layers_of(classes, VectorSettings(tile_size_px=4096, **rules))
    assert layers_of(classes, VectorSettings(tile_size_px=tile_size_px, **rules)) == whole


def test_arms_that_meet_below_become_one_component(vectors_of, rows_of):
    """The right arm is written before it is known that it belongs to the left one, which begins higher up."""
    classes = np.zeros((90, 60), np.uint8)
    classes[5:80, 10:13] = classes[12:80, 40:43] = classes[77:80, 10:43] = 1
    classes[20:23, 40:55] = 1
    tiled, whole = vectors_of(classes, tile_size_px=16), vectors_of(classes)
    assert rows_of(tiled) == rows_of(whole)
    assert set(tiled.crack_line.comp_id.tolist()) == set(tiled.crack_node.comp_id.tolist()) == {5 * 60 + 10}
    assert tiled.totals["crack_count"] == 1


def test_only_the_frontier_of_a_network_is_carried_on():
    """However long a network is, a band needs no more of it than lies near its edge."""
    classes = network_of(7, 900)
    classes[:, :4] = 0
    reader = array_source(classes, Affine.identity()).open()
    rules = VectorSettings(max_crack_width_px=64)
    pixels = trace_tile(reader, Window(0, 0, 900, 900), rules)
    assert pixels.features  # complete at once: the whole raster is one tile
    carried = np.zeros(0, PIXEL)
    sizes = []
    for top in range(0, 800, 100):
        band = trace_tile(reader, Window(top, 0, 100, 900), rules).pixels
        band["unit"] = 0
        _, carried = crack_lines(np.concatenate([carried, band]), reader.source.grid, rules, top + 99)
        sizes.append(carried.size)
    assert max(sizes[4:]) < 1.5 * max(sizes[:4])


def test_workers_do_not_matter(vectors_of, rows_of):
    classes = classes_of(5, (200, 180))
    alone = vectors_of(classes, tile_size_px=64)
    shared = vectors_of(classes, tile_size_px=64, workers=2)
    assert rows_of(shared) == rows_of(alone)


def test_the_lattice_is_fixed(vectors_of, rows_of):
    """Crack areas are cut at multiples of 1,024 px whatever the tile; lines are not."""
    classes = np.zeros((40, 2100), np.uint8)
    classes[18:22, 10:2090] = 1
    wide, narrow = vectors_of(classes, tile_size_px=4096), vectors_of(classes, tile_size_px=700)
    assert rows_of(wide) == rows_of(narrow)
    assert wide.crack_line.len_m.size == 1
    assert len(wide.crack_area.geometry) == 3
    assert set(wide.crack_area.comp_id.tolist()) == set(wide.crack_line.comp_id.tolist()) == {18 * 2100 + 10}


def test_same_input_same_names(vectors_of):
    """Trap 38: a re-run must not rename features."""
    classes = classes_of(11)
    first, second = vectors_of(classes), vectors_of(classes)
    for layer in ("loss_polygon", "crack_area", "crack_line", "crack_node"):
        names = getattr(first, layer).uid.tolist()
        assert names == getattr(second, layer).uid.tolist()
        assert len(set(names)) == len(names) > 0


def test_progress_can_stop_it_and_leaves_nothing(tmp_path, write_raster):
    from segmentation_core.errors import Interrupted

    source, out = write_raster(classes_of(1)), tmp_path / "v" / "vectors.gpkg"
    out.parent.mkdir()
    vectorise(source, out)
    before = out.read_bytes()

    def stop(stage, done, total, unit=""):
        if done >= 2:
            raise Interrupted("stopped")

    for workers in (1, 2):
        with pytest.raises(Interrupted):
            vectorise(source, out, settings=VectorSettings(tile_size_px=50, workers=workers), progress=stop)
    assert [p.name for p in out.parent.iterdir()] == ["vectors.gpkg"]
    assert out.read_bytes() == before
