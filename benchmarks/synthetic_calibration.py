"""How drawn craquelure compares with real craquelure, as the table of docs/training.md shows it.

CRAQUELURE_DATA=data python benchmarks/synthetic_calibration.py [networks]
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from training.network_statistics import NetworkStatistics, graph_statistics, network_statistics, read_graphs
from training.synthetic.calibration import drawn_networks
from training.synthetic.samples import Ingredients, synthetic_samples

_FIGURES = {
    "nodes": "ends and junctions per 800 px patch",
    "ends": "share of ends (I)",
    "threes": "share of nodes with three branches (Y)",
    "fours": "share of nodes with four or more (X)",
    "branches_per_node": "branches per node",
    "branch_variation": "branch length: standard deviation over mean",
    "cell_variation": "cell area: standard deviation over mean",
    "spacing_px": "patch area over crack length, px",
}


def spread(values: Iterable[float]) -> str:
    """Return the median and the middle four fifths of what is known."""
    known = [v for v in values if np.isfinite(v)]
    if not known:
        return "-"
    low, middle, high = np.quantile(known, (0.1, 0.5, 0.9))
    digits = 0 if middle > 20 else 2
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def photograph(data: Path) -> list[NetworkStatistics]:
    """Measure overlapping patches of the one photograph whose skeleton is known."""
    picture = Image.open(data / "craquelure_photos" / "fl187_skeleton.png").convert("L")
    skeleton = np.asarray(picture) > 127
    return [
        network_statistics(skeleton[row : row + 800, col : col + 800])
        for row in (0, 381)
        for col in (0, 486, 972)
    ]


def widths(data: Path) -> tuple[list[float], list[float]]:
    """Return the share of the looked-at area that is crack, of real tiles and of drawn samples."""
    with (data / "craquelure_oil" / "manifest.csv").open(encoding="utf-8") as handle:
        real = [
            float(row["crack_fraction"]) / (1 - float(row["ignore_fraction"]))
            for row in csv.DictReader(handle)
        ]
    sources = [np.random.default_rng((5, k)) for k in range(200)]
    _, labels = synthetic_samples(sources, 256, Ingredients())
    drawn = [float((label == 1).mean() / (label != 255).mean()) for label in labels if (label == 1).any()]
    return real, drawn


def main() -> None:
    """Print the table."""
    data = Path(os.environ["CRAQUELURE_DATA"])
    torch.set_num_threads(1)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    graphs = graph_statistics(
        read_graphs(data / "fracture_networks" / "craquelure_graphs_360" / "CRACKS.txt")
    )
    reach = tuple(int(v) for v in np.quantile([g.nodes for g in graphs], (0.05, 0.95)))
    columns = {
        "360 graphs": graphs,
        "photograph fl187": photograph(data),
        "drawn": drawn_networks(count, 99, (reach[0], reach[1])),
    }
    print("| median (10 %-90 %) | " + " | ".join(f"{k}, {len(v)}" for k, v in columns.items()) + " |")
    print("|---|" + "---|" * len(columns))
    for name, words in _FIGURES.items():
        cells = [spread(getattr(one, name) for one in column) for column in columns.values()]
        print(f"| {words} | " + " | ".join(cells) + " |")
    real, drawn = widths(data)
    print(f"crack share of the area, %: oil tiles {spread(100 * v for v in real)}", end="; ")
    print(f"drawn samples with cracks {spread(100 * v for v in drawn)}")


if __name__ == "__main__":
    main()
