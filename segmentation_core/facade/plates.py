"""The plates of the overview: the photograph, the map of what was found, and close-ups of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio.windows
import shapely
from affine import Affine
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import DatasetReader

from segmentation_core.facade.page import INK, PAPER, text_fonts
from segmentation_core.raster.grid import Window
from segmentation_core.vocabulary import load_vocabulary

__all__ = [
    "Found",
    "close_up",
    "found_on",
    "map_plate",
    "mark_windows",
    "outlines_on",
    "photograph",
    "reduced",
]

_LABEL = {"facecolor": PAPER, "alpha": 0.85, "edgecolor": "none", "pad": 1.5}


@dataclass(frozen=True)
class Found:
    """Found geometries in pixels of the orthophoto (x = column, y = row)."""

    losses: NDArray[Any]
    cracks: NDArray[Any]

    def within(self, window: Window) -> Found:
        """Return what touches a window."""
        frame = shapely.box(window.col_off, window.row_off, window.col_end, window.row_end)
        return Found(*(g[shapely.intersects(g, frame)] for g in (self.losses, self.cracks)))


def found_on(vectors: Path, affine: Affine) -> Found:
    """Read losses and crack lines from a GeoPackage, in pixels of a raster with this affine."""
    losses, cracks = (
        _in_pixels(geopandas.read_file(vectors, layer=layer, columns=[], engine="pyogrio"), affine)
        for layer in ("loss_polygon", "crack_line")
    )
    return Found(losses, cracks)


def outlines_on(elements: Path, affine: Affine) -> NDArray[Any]:
    """Read the elements' outlines, in pixels of a raster with this affine."""
    return _in_pixels(geopandas.read_file(elements, engine="pyogrio"), affine)


def reduced(source: DatasetReader, width_px: int) -> NDArray[np.uint8]:
    """Read the whole picture at ``width_px`` columns or fewer; nodata becomes paper."""
    width = min(width_px, source.width)
    height = round(source.height * width / source.width)
    return _on_paper(
        source.read([1, 2, 3], out_shape=(3, height, width), resampling=Resampling.average, masked=True)
    )


def photograph(axes: Axes, picture: NDArray[np.uint8], source: DatasetReader) -> None:
    """Show the photograph with a scale bar."""
    _show(axes, picture, Window(0, 0, source.height, source.width))
    _scale_bar(axes, source)


def map_plate(
    axes: Axes,
    picture: NDArray[np.uint8],
    source: DatasetReader,
    found: Found,
    elements: Sequence[tuple[Any, str]],
) -> None:
    """Show what was found over a pale photograph, with the elements' outlines and names.

    Parameters
    ----------
    axes : Axes
        Bare.
    picture : uint8 array of shape (height, width, 3)
        From `reduced`.
    source : rasterio dataset
        The orthophoto.
    found : Found
        What to draw.
    elements : sequence of (Polygon in pixels, str)
        Outlines and names.
    """
    grey = picture.astype(np.float32) @ np.array([0.3, 0.59, 0.11], np.float32)
    pale = 255 - (255 - (0.75 * grey[..., None] + 0.25 * picture)) * 0.5
    _show(axes, pale.astype(np.uint8), Window(0, 0, source.height, source.width))
    _draw_found(axes, found, crack_pt=0.4, loss_alpha=0.8)
    for outline, name in elements:
        for ring in shapely.get_rings(outline):
            x, y = shapely.get_coordinates(ring).T
            axes.plot(x, y, color=INK, linewidth=0.9, dashes=(5, 3))
        left, top, _, _ = outline.bounds
        axes.text(
            left + 0.002 * source.width,
            top - 0.011 * source.height,
            name,
            fontsize=8.5,
            fontweight="bold",
            fontfamily=text_fonts(),
            color=INK,
            bbox=_LABEL,
        )


def mark_windows(axes: Axes, windows: Sequence[tuple[str, Window]]) -> None:
    """Frame the places of the close-ups on a plate, above all else."""
    for letter, w in windows:
        corner = (w.col_off, w.row_off)
        axes.add_patch(
            Rectangle(corner, w.width, w.height, facecolor="none", edgecolor=INK, linewidth=1.4, zorder=4)
        )
        axes.text(
            w.col_end, w.row_off, f" {letter}", fontsize=10, fontweight="bold", color=INK, va="top", zorder=4
        )


def close_up(axes: Axes, source: DatasetReader, window: Window, found: Found | None = None) -> None:
    """Show a window at the photograph's own resolution, with what was found if given."""
    place = rasterio.windows.Window(window.col_off, window.row_off, window.width, window.height)
    _show(axes, _on_paper(source.read([1, 2, 3], window=place, masked=True)), window)
    if found is not None:
        _draw_found(axes, found.within(window), crack_pt=0.9, loss_alpha=0.5)
    axes.add_patch(
        Rectangle((0, 0), 1, 1, transform=axes.transAxes, facecolor="none", edgecolor=INK, linewidth=0.8)
    )


def _in_pixels(frame: geopandas.GeoDataFrame, affine: Affine) -> NDArray[Any]:
    a, b, c, d, e, f = tuple(~affine)[:6]

    def moved(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack((a * xy[:, 0] + b * xy[:, 1] + c, d * xy[:, 0] + e * xy[:, 1] + f))

    return np.asarray(shapely.get_parts(shapely.transform(frame.geometry.to_numpy(), moved)))


def _on_paper(rgb: Any) -> NDArray[np.uint8]:
    paper = np.array([int(PAPER[k : k + 2], 16) for k in (1, 3, 5)], np.uint8)
    filled = np.where(np.ma.getmaskarray(rgb), paper[:, None, None], rgb.data)
    return np.asarray(np.moveaxis(filled, 0, 2), np.uint8)


def _show(axes: Axes, picture: NDArray[np.uint8], window: Window) -> None:
    left, right, top, bottom = window.col_off, window.col_end, window.row_off, window.row_end
    native = picture.shape[1] == window.width
    axes.imshow(picture, extent=(left, right, bottom, top), interpolation="nearest" if native else "lanczos")
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="auto")


def _scale_bar(axes: Axes, source: DatasetReader) -> None:
    """Draw a bar of a round length, at most a fifth of the picture."""
    unit_m = float(source.res[0])
    lengths = [m * 10.0**e for e in range(-3, 3) for m in (1, 2, 5)]
    length_m = max(m for m in lengths if m <= 0.2 * source.width * unit_m)
    length = length_m / unit_m
    x, y, thick = 0.035 * source.width, 0.962 * source.height, 0.009 * source.height
    for k in range(4):
        colour = "#111111" if k % 2 == 0 else "#ffffff"
        at = (x + k * length / 4, y)
        axes.add_patch(Rectangle(at, length / 4, thick, facecolor=colour, edgecolor="#111111", linewidth=0.5))
    words = f"{length_m:g} m" if length_m >= 1 else f"{length_m * 1000:g} mm"
    axes.text(x + length + 0.006 * source.width, y + thick, words, fontsize=8, color="#111111", bbox=_LABEL)


def _draw_found(axes: Axes, found: Found, *, crack_pt: float, loss_alpha: float) -> None:
    vocabulary = load_vocabulary()
    loss = vocabulary.polygon_class.colour
    for polygon in found.losses:
        path = _outline(polygon)
        axes.add_patch(PathPatch(path, facecolor=loss, alpha=loss_alpha, edgecolor="none"))
        axes.add_patch(PathPatch(path, facecolor="none", edgecolor=loss, linewidth=2 * crack_pt))
    lines = [shapely.get_coordinates(line) for line in found.cracks]
    axes.add_collection(
        LineCollection(lines, colors=vocabulary.line_class.colour, linewidths=crack_pt, capstyle="round"),
        autolim=False,
    )


def _outline(polygon: Any) -> Outline:
    points = [np.asarray(ring.coords) for ring in (polygon.exterior, *polygon.interiors)]
    codes = [np.r_[Outline.MOVETO, np.full(len(p) - 2, Outline.LINETO), Outline.CLOSEPOLY] for p in points]
    return Outline(np.vstack(points), np.concatenate(codes).astype(Outline.code_type))
