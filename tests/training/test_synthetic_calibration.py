from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segmentation_core.errors import ParameterError
from training.network_statistics import graph_statistics, network_statistics, read_graphs
from training.synthetic.calibration import drawn_networks


def grid(side: int = 121, step: int = 20) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[step:-1:step, step : side - step] = True
    mask[step : side - step, step:-1:step] = True
    return mask


def test_a_square_grid_has_the_nodes_branches_and_cells_of_one() -> None:
    found = network_statistics(grid())
    # Five lines each way: 9 crossings inside, 12 tees on the frame; the frame's corners are bends, no nodes.
    assert found.nodes == 21
    assert (found.ends, found.threes, found.fours) == (0, pytest.approx(12 / 21), pytest.approx(9 / 21))
    assert found.branches_per_node == pytest.approx((12 * 3 + 9 * 4) / 2 / 21)
    assert found.cells == 16
    assert found.cell_variation == 0


def test_ends_are_free_tips_and_where_the_picture_cuts() -> None:
    mask = np.zeros((60, 60), bool)
    mask[30, :] = True
    mask[30:50, 20] = True
    found = network_statistics(mask)
    assert found.nodes == 4
    assert found.ends == 0.75
    assert found.threes == 0.25
    assert found.spacing_px == pytest.approx(3600 / 79, rel=0.05)


def test_a_ring_has_no_node() -> None:
    rows, cols = np.mgrid[:60, :60]
    assert network_statistics(np.abs(np.hypot(rows - 30, cols - 30) - 18) < 1.5).nodes == 0


def test_thickness_does_not_change_the_network() -> None:
    rows, cols = np.nonzero(grid())
    thick = np.zeros((121, 121), bool)
    for shift in (-1, 0, 1):
        thick[rows + shift, cols] = thick[rows, cols + shift] = True
    thin, wide = network_statistics(grid()), network_statistics(thick)
    assert (wide.nodes, wide.cells, wide.threes) == (thin.nodes, thin.cells, thin.threes)


def test_graphs_are_read_and_a_part_of_them_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "CRACKS.txt"
    file.write_text("1\n4 2\n0 3 1 2 3\n0 1 0\n0 1 0\n0 1 0\n")
    ((origin, valences),) = read_graphs(file)
    assert (origin, valences.tolist()) == (2, [3, 1, 1, 1])
    (found,) = graph_statistics(read_graphs(file))
    assert (found.nodes, found.ends, found.threes, found.branches_per_node) == (4, 0.75, 0.25, 0.75)
    file.write_text("2\n4 2\n0 3 1 2 3\n")
    with pytest.raises(ParameterError, match="only a part"):
        read_graphs(file)


def test_drawn_networks_are_built_like_real_ones(shared_data: Path) -> None:
    graphs = graph_statistics(
        read_graphs(shared_data / "fracture_networks" / "craquelure_graphs_360" / "CRACKS.txt")
    )
    nodes = [graph.nodes for graph in graphs]
    drawn = drawn_networks(8, 99, (min(nodes), max(nodes)))
    for figure in ("ends", "threes", "fours", "branches_per_node"):
        low, high = np.quantile([getattr(graph, figure) for graph in graphs], (0.1, 0.9))
        assert low < np.median([getattr(network, figure) for network in drawn]) < high, figure
