"""How fast two surveys' cracks are compared, and how rightly on many generated pairs.

Speed: a network of Voronoi cells, its branches followed by a vertex per pixel, against itself with the
scatter of two vectorisings. The ratio is to a plain overlay, one way: buffers of one survey's lines,
intersected with the other's, which tells no directions, partners, tips or gaps.

Accuracy: walls with known changes, drawn, photographed twice, vectorised and compared; unchanged walls too.

    python benchmarks/change_speed.py --branches 100000 --pairs 50
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
import shapely
from scipy.spatial import Voronoi

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "core" / "change"))

from crack_scenes import changed_wall, photographed, plain_wall, pose, same_pose, settings
from crack_scores import covers_truth, false_change_shares, scores, together

from segmentation_core.change.cracks import compare_cracks
from segmentation_core.change.epoch import ChangeSettings, Epoch, compared_area
from segmentation_core.change.losses import compare_losses
from segmentation_core.operations.compare_features import crack_features

CELL_PX = 60.0


def branches(count: int, random: np.random.Generator) -> tuple[np.ndarray, float]:
    """Return the ends of a network's branches (N, 2, 2) and the side of the wall, in pixels."""
    side = CELL_PX * np.sqrt(count / 3)
    diagram = Voronoi(random.uniform(0, side, (count // 3 + 200, 2)))
    ridges = np.array([ridge for ridge in diagram.ridge_vertices if min(ridge) >= 0])
    ends = diagram.vertices[ridges]
    inside = ((ends > 0) & (ends < side)).all(axis=(1, 2))
    return ends[inside][:count], float(side)


def survey(ends: np.ndarray, side: float, random: np.random.Generator) -> Epoch:
    """Return a survey that sees every branch, a fifth of a pixel off along its way."""
    lines = []
    for start, stop in ends:
        steps = max(int(np.hypot(*(stop - start))), 2)
        share = np.linspace(0, 1, steps + 1)[:, None]
        points = start + share * (stop - start)
        points[1:-1] += np.convolve(random.normal(0, 0.5, steps + 3), np.ones(5) / 5, "valid")[:, None]
        lines.append(shapely.LineString(points))
    kinds = [("Y", "Y")] * len(lines)
    names = [str(number) for number in range(len(lines))]
    widths = random.uniform(2, 4, len(lines))
    return Epoch(lines, names, widths, kinds, [], [], 1.0, shapely.box(0, 0, side, side))


def plain_overlay(a: Epoch, b: Epoch, eps: float) -> None:
    """Cut B's lines with A's buffers, pair by pair."""
    around = shapely.buffer(a.crack_lines, eps)
    in_b, in_a = shapely.STRtree(around).query(b.crack_lines, predicate="intersects")
    shapely.length(shapely.intersection(b.crack_lines[in_b], around[in_a]))


def speed(count: int) -> None:
    """Time one comparison."""
    random = np.random.default_rng(1)
    ends, side = branches(count, random)
    a, b = survey(ends, side, random), survey(ends[: int(0.98 * len(ends))], side, random)
    vertices = shapely.get_num_coordinates(a.crack_lines).sum()
    chosen = ChangeSettings(0.15, 0.15, 1.0)
    start, start_cpu = time.perf_counter(), time.process_time()
    found = compare_cracks(a, b, chosen)
    middle, middle_cpu = time.perf_counter(), time.process_time()
    plain_overlay(a, b, chosen.eps_mm)
    stop, stop_cpu = time.perf_counter(), time.process_time()
    features = crack_features(found, {"wall": a.assessed}, 1.0, sure=True)
    written = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(a.lines)} branches ({vertices} vertices) against {len(b.lines)}: {middle - start:.1f} s")
    own, plain = middle_cpu - start_cpu, stop_cpu - middle_cpu
    print(f"processor time {own:.1f} s, of a plain overlay {plain:.1f} s; ratio {own / plain:.2f}")
    print(f"(elapsed: {stop - middle:.1f} s for the plain overlay)")
    print(f"(elapsed: {written - stop:.1f} s for {len(features)} features of the book)")
    print(f"{len(found.pieces)} pieces; peak memory {peak:.2f} GiB")


def accuracy(pairs: int) -> None:
    """Print the scores of many pairs."""
    rows, false, gains, covered, areas = [], [], [], [], []
    for seed in range(pairs):
        random = np.random.default_rng(7000 + seed)
        before, after, changes = changed_wall(random)
        where = pose(random)
        a, b = photographed(before, same_pose()), photographed(after, where)
        found = compare_cracks(a, b, settings())
        area = compared_area(a, b, settings())
        rows.append(scores(found, before, changes))
        covered.append(covers_truth(found.total, after.length_mm(area) - before.length_mm(area)))
        wall = plain_wall(random)
        a, b = photographed(wall, same_pose()), photographed(wall, where)
        unchanged, losses = compare_cracks(a, b, settings()), compare_losses(a, b, settings())
        false.append(false_change_shares(unchanged))
        gains.append(losses.overlay_gain_mm2 / losses.false_gain_bound_mm2)
        covered.append(covers_truth(unchanged.total, 0.0))
        areas.append(covers_truth(losses.total, 0.0))
    new, grown, wider = together(rows)
    false_b, false_a = np.array(false).T
    print(f"unchanged walls: called new at most {false_b.max():.2%}, not seen at most {false_a.max():.2%};")
    print(f"  overlay gain over its bound: at most {max(gains):.2f}")
    print(f"new cracks: {new}\ngrown tips: {grown}\nwider cracks: {wider}")
    print(f"u95 holds the truth: length {np.mean(covered):.0%}, area of losses {np.mean(areas):.0%}")


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--branches", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=50)
    chosen = parser.parse_args()
    speed(chosen.branches)
    if chosen.pairs:
        accuracy(chosen.pairs)


if __name__ == "__main__":
    main()
