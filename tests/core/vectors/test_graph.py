"""The pixel graph and the crack network on skeletons drawn by hand."""

import numpy as np
import pytest

from segmentation_core.vectors.graph import crack_network
from segmentation_core.vectors.pixel_graph import pixel_graph
from segmentation_core.vectors.settings import VectorSettings
from segmentation_core.vectors.skeleton import PIXEL


def pixels_of(drawn: str, half_width: float = 1.0, offset: tuple[int, int] = (0, 0), width: int = 100):
    lines = [line.strip() for line in drawn.strip().splitlines()]
    rows, cols = np.nonzero(np.array([[c == "#" for c in line] for line in lines]))
    pixels = np.zeros(rows.size, PIXEL)
    pixels["flat"] = (rows + offset[0]) * width + cols + offset[1]
    pixels["squared_half_width"], pixels["area_px"] = half_width**2, 1
    return pixels


def degrees_of(drawn: str, **kwargs) -> list[int]:
    network = crack_network(pixels_of(drawn, **kwargs), 100, VectorSettings(spur_ratio=0))
    return sorted(d for d in network.degrees.tolist() if d)


@pytest.mark.parametrize(
    ("drawn", "degrees", "branches"),
    [
        ("#", [], 0),
        ("##", [1, 1], 1),
        ("#..\n.#.\n..#", [1, 1], 1),
        ("#....\n.####", [1, 1], 1),
        ("##\n##", [], 0),
        ("#...#\n.#.#.\n..#..\n..#..\n..#..", [1, 1, 1, 3], 3),
        ("..#..\n..#..\n#####\n..#..\n..#..", [1, 1, 1, 1, 4], 4),
        ("#...#\n.#.#.\n..#..\n.#.#.\n#...#", [1, 1, 1, 1, 4], 4),
        (".####.\n#....#\n#....#\n.####.", [], 1),
        (".#.\n#.#\n.#.", [], 1),
    ],
)
def test_shapes_drawn_by_hand(drawn, degrees, branches):
    network = crack_network(pixels_of(drawn, 0.1), 100, VectorSettings(spur_ratio=0))
    assert sorted(d for d in network.degrees.tolist() if d) == degrees
    assert len(network.paths) == branches


PARALLEL = """
    ...##########...
    ..#..........#..
    ##............##
    ..#..........#..
    ...##########...
"""


def test_parallel_branches_are_kept():
    """Trap 5: a simple graph would keep one of the two."""
    network = crack_network(pixels_of(PARALLEL, 0.1), 100, VectorSettings(spur_ratio=0))
    loops = [tuple(sorted(e)) for e in network.ends.tolist()]
    assert len(loops) == 4
    assert len(set(loops)) == 3


def test_loop_at_one_node_is_kept():
    drawn = """
        ..########..
        ..#......#..
        ..#......#..
        ####.....#..
        ..#......#..
        ..########..
    """
    network = crack_network(pixels_of(drawn, 0.1), 100, VectorSettings(spur_ratio=0))
    assert sorted(network.degrees[network.degrees > 0].tolist()) in ([1, 3], [1, 1, 4])


def test_close_junctions_become_one():
    """A crossing thins to two junctions with a short branch between."""
    drawn = """
        #........#
        .#......#.
        ..#....#..
        ...####...
        ..#....#..
        .#......#.
        #........#
    """
    assert degrees_of(drawn, half_width=2) == [1, 1, 1, 1, 4]
    assert degrees_of(drawn, half_width=0.5) == [1, 1, 1, 1, 3, 3]


SPUR = """
    .........#..........
    .........#..........
    ####################
"""


def test_spur_shorter_than_the_crack_is_wide_goes_and_its_junction_with_it():
    network = crack_network(pixels_of(SPUR, 2.0), 100, VectorSettings(spur_ratio=1.0))
    assert sorted(network.degrees[network.degrees > 0].tolist()) == [1, 1]
    assert network.areas_px.sum() + network.nodes.areas_px[network.degrees > 0].sum() == 22


def test_branch_longer_than_that_stays():
    network = crack_network(pixels_of(SPUR, 0.5), 100, VectorSettings(spur_ratio=1.0))
    assert sorted(network.degrees[network.degrees > 0].tolist()) == [1, 1, 1, 3]


def test_a_cut_end_is_never_a_spur():
    pixels = pixels_of(SPUR, 2.0)
    pixels["cut"][0] = True
    network = crack_network(pixels, 100, VectorSettings(spur_ratio=1.0))
    assert sorted(network.degrees[network.degrees > 0].tolist()) == [1, 1, 1, 3]


def test_a_small_star_keeps_its_longest_way():
    star = "..#..\n..#..\n.###.\n#...#"
    network = crack_network(pixels_of(star, 5.0), 100, VectorSettings(spur_ratio=1.0))
    assert len(network.paths) == 1


def test_numbers_are_64_bit_and_the_place_does_not_matter():
    """Trap 5 again: int16 coordinates wrapped."""
    wide = 200_000
    near, far = (
        crack_network(pixels_of(PARALLEL, 0.1, offset, wide), wide, VectorSettings())
        for offset in ((0, 0), (150_000, 190_000))
    )
    assert np.array_equal(near.ends, far.ends)
    assert np.allclose(near.lengths, far.lengths, atol=1e-9)
    assert np.array_equal(near.nodes.firsts + 150_000 * wide + 190_000, far.nodes.firsts)


def test_columns_of_neighbouring_rows_do_not_touch():
    """The last pixel of a row and the first of the next are neighbours in memory only."""
    graph = pixel_graph(np.array([0, 0, 1, 1]), np.array([8, 9, 0, 1]))
    assert graph.ends.tolist() == [[0, 1], [2, 3]]


def test_batches_do_not_matter():
    one = pixels_of(PARALLEL, 0.1)
    other = pixels_of(SPUR, 0.5, (20, 30))
    alone = crack_network(one, 100, VectorSettings())
    both = crack_network(np.sort(np.concatenate([one, other]), order="flat"), 100, VectorSettings())
    mine = [b for b, e in enumerate(both.ends[:, 0]) if both.nodes.rows[e] < 10]
    assert np.array_equal(both.lengths[mine], alone.lengths)
