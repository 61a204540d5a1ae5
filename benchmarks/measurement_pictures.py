"""Draw the picture of docs/measurement.md: what the statistics are measured on, by the engine itself.

python benchmarks/measurement_pictures.py docs/measurement.png
"""

from __future__ import annotations

import sys

import matplotlib as mpl
import numpy as np
import shapely
from affine import Affine
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import Voronoi

from segmentation_core.vectors.arrays import VectorLayers, vectorise
from segmentation_core.vectors.settings import VectorSettings

INK, CRACK, LINE, LOSS = "#333333", "#d9d2c5", "#b2182b", "#92b4d8"
NODES = {"I": ("o", "#2166ac"), "Y": ("^", "#1b7837"), "X": ("s", "#762a83"), "E": ("D", "#e08214")}
ISLANDS = ("#fbb4ae", "#b3cde3", "#ccebc5", "#decbe4", "#fed9a6")
PX = Affine.identity()


def stroke(shape: tuple[int, int], points: list[tuple[float, float]], width_px: float) -> np.ndarray:
    """Return the pixels within half a width of a line."""
    rows, cols = np.mgrid[: shape[0], : shape[1]] + 0.5
    at = shapely.points(cols.ravel(), rows.ravel())
    line = shapely.LineString(points)
    shapely.prepare(line)
    return (shapely.distance(at, line) < width_px / 2).reshape(shape)


def show(axes: Axes, classes: np.ndarray, title: str) -> None:
    """Show classes as pixels."""
    colours = mpl.colors.ListedColormap(["#ffffff", CRACK, LOSS])
    height, width = classes.shape
    axes.imshow(classes, cmap=colours, vmin=0, vmax=2, extent=(0, width, height, 0), interpolation="nearest")
    axes.set_title(title, fontsize=9, loc="left", color=INK)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_color("#999999")


def lines(axes: Axes, found: VectorLayers, width: float = 1.4) -> None:
    """Draw crack lines, bridges dashed."""
    layer = found["crack_line"]
    for geometry, bridged in zip(layer["geometry"], layer["bridged"], strict=True):
        xy = shapely.get_coordinates(geometry)
        axes.plot(*xy.T, color=LINE, linewidth=width, linestyle=":" if bridged else "-")


def nodes(axes: Axes, found: VectorLayers) -> None:
    """Mark the nodes by their kind."""
    layer = found["crack_node"]
    xy = shapely.get_coordinates(layer["geometry"])
    for kind, (marker, colour) in NODES.items():
        these = layer["kind"] == kind
        axes.scatter(*xy[these].T, marker=marker, s=34, color=colour, zorder=3, label=kind, edgecolor="white")
    axes.legend(loc="lower right", fontsize=7, ncols=4, handletextpad=0, columnspacing=0.6, framealpha=0.9)


def network_panel(axes: Axes) -> None:
    """Draw lines and nodes."""
    shape = (52, 84)
    mask = stroke(shape, [(-5, 14), (30, 20), (62, 12), (90, 16)], 4)
    mask |= stroke(shape, [(30, 20), (34, 38), (24, 46)], 3) | stroke(
        shape, [(62, -4), (60, 12), (66, 40)], 3
    )
    found = vectorise(mask, PX)
    show(axes, mask.astype(int), "Centrelines and nodes: I tip, Y, X, E cut off")
    lines(axes, found)
    nodes(axes, found)


def width_panel(axes: Axes) -> None:
    """Draw profiles across a crack that widens."""
    shape = (44, 84)
    mask = stroke(shape, [(8, 30), (44, 22), (78, 16)], 4) | stroke(shape, [(52, 20.6), (78, 16)], 8)
    found = vectorise(mask, PX)
    layer = found["crack_line"]
    line = layer["geometry"][0]
    show(axes, mask.astype(int), "Width: area between two normals / length between")
    lines(axes, found)
    for start in (14.0, 58.0):
        ends = []
        for at in (start, start + 8):
            (x, y), (x1, y1) = (
                shapely.get_coordinates(shapely.line_interpolate_point(line, d))[0] for d in (at, at + 0.5)
            )
            across = np.array([-(y1 - y), x1 - x]) / 0.5 * 7
            ends.append(((x - across[0], y - across[1]), (x + across[0], y + across[1])))
        corners = [ends[0][0], ends[0][1], ends[1][1], ends[1][0]]
        axes.fill(*np.array(corners).T, color="#4393c3", alpha=0.3, linewidth=0)
        for a, b in ends:
            axes.plot([a[0], b[0]], [a[1], b[1]], color="#2166ac", linewidth=1)
    values = (f"{name} {layer[column][0]:.1f}" for name, column in
              (("mean", "wid_m"), ("median", "wid50_m"), ("P95", "wid95_m")))  # fmt: skip
    axes.text(2, 42, ", ".join(values) + " px", fontsize=8, color=INK, va="bottom")


def outline_panel(axes: Axes) -> None:
    """Draw a loss, its outline of pixel edges and the smoothed one."""
    shape = (44, 84)
    rows, cols = np.mgrid[: shape[0], : shape[1]] + 0.5
    classes = np.where(np.hypot((cols - 42) / 1.6, rows - 22) < 15, 2, 0)
    classes[np.hypot(cols - 50, rows - 20) < 4] = 0
    found = vectorise(classes, PX)
    polygon = found["loss_polygon"]["geometry"][0]
    show(axes, classes, "Loss: area of its pixels; perimeter of the smoothed outline")
    for ring in shapely.get_rings(polygon):
        axes.plot(*shapely.get_coordinates(ring).T, color=INK, linewidth=0.8)
        middles = shapely.get_coordinates(shapely.segmentize(ring, 1.0))[:-1]
        middles = (middles + np.roll(middles, -1, axis=0)) / 2
        once = gaussian_filter(middles, (2.5, 0), mode="wrap")
        twice = 2 * once - gaussian_filter(once, (2.5, 0), mode="wrap")
        axes.plot(*np.vstack([twice, twice[:1]]).T, color=LINE, linewidth=1.4)


def cells(shape: tuple[int, int], seed: int, pace: float, width_px: float) -> np.ndarray:
    """Return a network of Voronoi cells."""
    random = np.random.default_rng(seed)
    height, width = shape
    points = random.uniform(
        (-40, -40), (width + 40, height + 40), (int((width + 80) * (height + 80) / pace**2), 2)
    )
    diagram = Voronoi(points)
    mask = np.zeros(shape, bool)
    for ridge in diagram.ridge_vertices:
        if -1 not in ridge:
            ends = [tuple(diagram.vertices[k]) for k in ridge]
            if shapely.LineString(ends).intersects(shapely.box(-5, -5, width + 5, height + 5)):
                mask |= stroke(shape, ends, width_px)
    return mask


def island_panel(axes: Axes) -> None:
    """Draw islands, and patches that the border cuts."""
    mask = cells((110, 210), 4, 34, 3)
    found = vectorise(mask, PX)
    show(axes, mask.astype(int), "Islands: what cracks enclose (not what the border cuts)")
    random = np.random.default_rng(1)
    for island in found["island"]["geometry"]:
        outer = shapely.get_coordinates(shapely.get_exterior_ring(island))
        axes.fill(*outer.T, color=ISLANDS[int(random.integers(len(ISLANDS)))])


def direction_panel(axes: Axes, rose: Axes) -> None:
    """Draw a stretched network and its rose."""
    shape = (110, 210)
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(float)
    stretched = map_coordinates(cells((110, 110), 8, 24, 3).astype(float), [rows, cols / 1.9], order=0)
    mask = stretched > 0.5
    found = vectorise(mask, PX)
    show(axes, mask.astype(int), "Directions: each segment by its length, from the element's axis")
    lines(axes, found, 0.9)
    xy, owner = shapely.get_coordinates(found["crack_line"]["geometry"], return_index=True)
    steps = np.diff(xy, axis=0)[owner[1:] == owner[:-1]]
    angle = np.degrees(np.arctan2(-steps[:, 1], steps[:, 0])) % 180
    share = np.histogram(angle, np.arange(0, 181, 10), weights=np.hypot(*steps.T))[0]
    share = share / share.sum()
    for turn in (0, 180):
        rose.bar(
            np.radians(np.arange(5, 180, 10) + turn),
            np.sqrt(share),
            width=np.radians(10),
            color=LINE,
            alpha=0.8,
        )
    rose.set_xticks(np.radians([0, 45, 90, 135, 180, 225, 270, 315]))
    rose.set_xticklabels(["along", "", "across", "", "", "", "", ""], fontsize=7)
    rose.set_yticks([])


def bridge_panel(axes: Axes) -> None:
    """Draw a gap with its bridge."""
    shape = (44, 84)
    mask = stroke(shape, [(6, 30), (36, 24)], 3) | stroke(shape, [(45, 22), (80, 14)], 3)
    mask |= stroke(shape, [(40, 30), (44, 42)], 3)
    found = vectorise(mask, PX, settings=VectorSettings(bridge_gap_px=14))
    show(axes, mask.astype(int), "Gaps: bridged where cracks go on; marked, counted apart")
    lines(axes, found)


def main() -> None:
    """Draw it."""
    plt.rcParams["font.family"] = "DejaVu Sans"
    figure = plt.figure(figsize=(9.6, 8.2), layout="constrained")
    grid = figure.add_gridspec(3, 2)
    network_panel(figure.add_subplot(grid[0, 0]))
    width_panel(figure.add_subplot(grid[0, 1]))
    outline_panel(figure.add_subplot(grid[1, 0]))
    bridge_panel(figure.add_subplot(grid[1, 1]))
    island_panel(figure.add_subplot(grid[2, 0]))
    axes = figure.add_subplot(grid[2, 1])
    direction_panel(axes, axes.inset_axes((0.66, 0.02, 0.34, 0.62), polar=True))
    figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "measurement.png", dpi=110)


if __name__ == "__main__":
    main()
