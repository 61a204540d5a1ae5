"""How far each statistic of a crack network is off, vectorised from exact masks, by length of branches.

Draws Voronoi networks (stretched by 1.5, so that they have a direction) 2, 3 and 5 px wide, vectorises and
measures them, and measures the drawing itself as lines. Prints per statistic the root mean square error over
widths and seeds: of the value (relative), or of shares, angles and the like (absolute). The table in
``segmentation_core/statistics/vectoriser_errors.json`` is this one, rounded up.

    python benchmarks/vectoriser_uncertainty.py --seeds 4
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning
from scipy.spatial import Voronoi

from segmentation_core.operations.measure import measure
from segmentation_core.operations.vectorise import vectorise
from segmentation_core.statistics.quantities import QUANTITIES
from segmentation_core.vectors.drawn import write_network
from segmentation_core.vectors.noding import node_lines
from segmentation_core.vectors.settings import VectorSettings

SIDE_PX = 1200
BRANCHES_PX = (20, 40, 75, 150)
WIDTHS_PX = (2.0, 3.0, 5.0)
STRETCH = 1.5


def network(random: np.random.Generator, branch_px: float) -> np.ndarray:
    """Return the edges of Voronoi cells whose mean branch is about ``branch_px`` long."""
    pace = 1.5 * branch_px / np.sqrt(STRETCH)
    reach = SIDE_PX + 8 * pace
    points = random.uniform(-8 * pace, reach, (int(((reach + 8 * pace) / pace) ** 2 / STRETCH), 2))
    cells = Voronoi(points)
    vertices = cells.vertices * [STRETCH, 1]
    edges = [shapely.LineString(vertices[r]) for r in cells.ridge_vertices if -1 not in r]
    frame = shapely.box(0, 0, SIDE_PX, SIDE_PX)
    return np.array([e for e in edges if e.intersects(frame)], object)


def drawn(edges: np.ndarray, width_px: float) -> np.ndarray:
    """Return the mask: pixels whose centre lies within half a width of an edge."""
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    for edge in edges:
        (x0, y0), (x1, y1) = edge.coords
        half = width_px / 2
        left, right = (int(np.clip(v, 0, SIDE_PX)) for v in (min(x0, x1) - half - 1, max(x0, x1) + half + 2))
        top, bottom = (int(np.clip(v, 0, SIDE_PX)) for v in (min(y0, y1) - half - 1, max(y0, y1) + half + 2))
        x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
        square = max((x1 - x0) ** 2 + (y1 - y0) ** 2, 1e-12)
        along = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / square, 0, 1)
        aside = np.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0))
        mask[top:bottom, left:right] |= (aside < half).astype(np.uint8)
    return mask


def errors(folder: Path, edges: np.ndarray, width_px: float) -> dict[str, float]:
    """Return found less true per statistic: relative, or absolute where `is_absolute`."""
    affine = Affine(1, 0, 0, 0, -1, SIDE_PX)
    flip = shapely.transform(edges, lambda xy: np.column_stack([xy[:, 0], SIDE_PX - xy[:, 1]]))
    run = {"metres_per_unit": 1.0, "gsd_mm": 1000.0}
    ground = shapely.box(0, 0, SIDE_PX, SIDE_PX)
    write_network(folder / "true.gpkg", node_lines(flip, ground, 0), ground, None, run)
    with rasterio.open(
        folder / "c.tif", "w", driver="GTiff", width=SIDE_PX, height=SIDE_PX, count=1, dtype="uint8",
        transform=affine, crs='LOCAL_CS["wall",UNIT["metre",1]]',
    ) as raster:  # fmt: skip
        raster.write(drawn(edges, width_px), 1)
    vectorise(folder / "c.tif", folder / "found.gpkg", settings=VectorSettings(workers=1))
    found, true = (
        measure(folder / f"{name}.gpkg", None, None, folder / "s.csv")["totals"] for name in ("found", "true")
    )
    true |= {
        "width_mean_mm": 1000 * width_px,
        "width_p50_mm": 1000 * width_px,
        "width_p95_mm": 1000 * width_px,
    }
    pairs = {q.code: (found[q.code], true[q.code]) for q in QUANTITIES}
    return {
        code: a - b if is_absolute(code) else a / b - 1
        for code, (a, b) in pairs.items()
        if a is not None and b and not code.startswith("loss")
    }


def is_absolute(code: str) -> bool:
    """Say whether the error of a statistic is not relative."""
    return code.endswith("_ratio") or code.startswith(("crack_al", "crack_axis", "connections_per_b"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    seeds = parser.parse_args().seeds
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    table: dict[str, list[tuple[float, float]]] = {}
    for branch_px in BRANCHES_PX:
        rows = []
        for seed in range(seeds):
            edges = network(np.random.default_rng(seed), branch_px)
            with tempfile.TemporaryDirectory() as folder:
                rows += [errors(Path(folder), edges, width) for width in WIDTHS_PX]
        for code in rows[0]:
            values = np.array([row.get(code, np.nan) for row in rows])
            table.setdefault(code, []).append(
                (float(np.sqrt(np.nanmean(values**2))), float(np.nanmean(values)))
            )
    print(f"{'statistic':24}" + "".join(f"{f'{b} px: rms (mean)':>24}" for b in BRANCHES_PX))
    for code, cells in table.items():
        print(f"{code:24}" + "".join(f"{f'{rms:.4f} ({mean:+.4f})':>24}" for rms, mean in cells))


if __name__ == "__main__":
    main()
