"""What one element shows at one date, drawn: directions, widths, islands, and one place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.export.numbers import shown
from segmentation_core.export.picture import (
    COLOURS,
    INK,
    PICTURE_IN,
    RULE,
    SOFT,
    blank_figure,
    locator,
    styled,
)
from segmentation_core.export.words import word
from segmentation_core.statistics.resolution import RESOLVED_PX

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path

    from segmentation_core.export.request import Language
    from segmentation_core.export.underlay import Underlay

__all__ = ["island_picture", "place_picture", "rose", "width_picture"]

_BINS = 16
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_PLACE_IN = (1.7, 1.9)
_PLACE_STEPS = 1000
"""Steps across a place: about two a pixel."""

_LINESTRING = 1
_BAR_SHARE = 0.4
"""Of a place's width, how long its scale bar may be."""
_TITLE_PT, _NOTE_PT = 9, 7
_LARGEST_MM2 = 1e4
"""Larger islands are shown in cm2."""


def rose(shares: Sequence[float], axis_deg: float | None, title: str, language: Language) -> Figure:
    """Return the directions of an element's cracks, relative to its axis, which lies level.

    Parameters
    ----------
    shares : sequence of float
        Share of the crack length per bin of 180 degrees, anticlockwise from the axis. The area of a petal
        stands for it; each is drawn on both sides.
    axis_deg : float or None
        Mean direction; dashed.
    title : str
        Whose cracks.
    """
    heading = word("plots_directions", language)
    along, across = word("plots_along", language), word("plots_across", language)
    with styled((title, heading, along, across)):
        figure = blank_figure(PICTURE_IN[0], PICTURE_IN[0])
        axes: Any = figure.add_axes((0.16, 0.06, 0.68, 0.68), projection="polar")
        step = math.pi / len(shares)
        middles = (np.arange(2 * len(shares)) + 0.5) * step
        radii = np.sqrt(np.tile(np.asarray(shares, dtype=float), 2))
        axes.bar(middles, radii, width=step, color=COLOURS[0], alpha=0.75, edgecolor="white", lw=0.5)
        top = float(radii.max()) * 1.05
        rings = _rings(float(max(shares)))
        axes.set_ylim(0, top)
        axes.set_yticks([math.sqrt(r) for r in rings], [f"{100 * r:g} %" for r in rings], fontsize=6.5)
        axes.set_rlabel_position(67.5)
        axes.set_xticks(np.radians([0, 45, 90, 135, 180, 225, 270, 315]))
        axes.set_xticklabels([along, "45°", across, "135°", "", "", "", ""], fontsize=_NOTE_PT)
        axes.spines["polar"].set_visible(False)
        axes.grid(color=RULE, lw=0.6)
        if axis_deg is not None:
            for side in (0.0, math.pi):
                axes.plot([0, math.radians(axis_deg) + side], [0, top], "--", color=INK, lw=1.1)
        _head(figure, title, heading)
    return figure


def width_picture(
    widths_mm: NDArray[np.float64],
    lengths_m: NDArray[np.float64],
    gsd_mm: float | None,
    title: str,
    language: Language,
) -> Figure:
    """Return how much crack length is how wide; grey what is narrower than the pixels can tell.

    Parameters
    ----------
    widths_mm, lengths_m : ndarray of float
        Of `segmentation_core.survey.populations`.
    gsd_mm : float or None
        Of the survey's coarsest orthophoto.
    """
    heading = word("plots_widths", language)
    limit = None if gsd_mm is None else RESOLVED_PX * gsd_mm
    note = "" if limit is None else word("plots_resolution", language, v=shown(limit, 2))
    labels = (word("plots_width_mm", language), word("plots_length_m", language))
    with styled((title, heading, note, *labels)):
        figure = blank_figure(*PICTURE_IN)
        axes = figure.add_axes((0.15, 0.2, 0.81, 0.52))
        edges = _edges(float(widths_mm.max()))
        axes.hist(widths_mm, bins=edges, weights=lengths_m, color=COLOURS[0], rwidth=0.92)
        if limit is not None and limit > edges[0]:
            axes.axvspan(0, limit, color=SOFT, alpha=0.18, lw=0)
        axes.set_xlim(0, max(edges[-1], limit or 0.0))
        _finish(axes, *labels)
        _head(figure, title, heading, note)
    return figure


def island_picture(islands_m2: NDArray[np.float64], title: str, language: Language) -> Figure:
    """Return how many islands are how large; sizes on a logarithmic axis, the median dashed."""
    is_small = float(np.median(islands_m2)) * 1e6 < _LARGEST_MM2
    factor, unit = (1e6, "mm²") if is_small else (1e4, "cm²")
    areas = islands_m2 * factor
    middle = float(np.median(areas))
    heading = word("plots_islands", language)
    note = word("plots_median", language, n=len(areas), v=f"{shown(middle, 3)} {unit}")
    labels = (word("plots_area", language, unit=unit), word("plots_number", language))
    with styled((title, heading, note, *labels)):
        figure = blank_figure(*PICTURE_IN)
        axes = figure.add_axes((0.15, 0.2, 0.81, 0.52))
        low, high = float(areas.min()), float(areas.max())
        low, high = (low, high) if high > 1.5 * low else (low / 1.5, high * 1.5)
        axes.hist(
            areas,
            bins=np.geomspace(low * (1 - 1e-9), high * (1 + 1e-9), _BINS + 1).tolist(),
            color=COLOURS[1],
            rwidth=0.92,
        )
        axes.set_xscale("log")
        axes.axvline(middle, color=INK, lw=1.0, ls="--")
        axes.minorticks_off()
        axes.set_xticks(ticks := _log_ticks(low, high), [f"{t:g}" for t in ticks])
        _finish(axes, *labels, whole=True)
        _head(figure, title, heading, note)
    return figure


def place_picture(
    extent: tuple[float, float, float, float],
    pictures: Sequence[Underlay],
    shapes: Sequence[tuple[Any, str]],
    metre: float,
    text: str,
) -> Figure:
    """Return a place: the orthophoto, what was found on it, a scale bar, and what makes it one of the worst.

    Parameters
    ----------
    extent : (min x, min y, max x, max y)
        Map coordinates.
    pictures : sequence of Underlay
    shapes : sequence of (shapely geometry, colour)
    metre : float
        Metres per map unit.
    text : str
    """
    from matplotlib.patches import PathPatch
    from matplotlib.transforms import Affine2D

    x0, y0, x1, y1 = extent
    with styled((text,)):
        figure = blank_figure(*_PLACE_IN)
        share = _PLACE_IN[0] / _PLACE_IN[1]
        axes = figure.add_axes((0.0, 0.0, 1.0, share))
        axes.set_axis_off()
        for picture in pictures:
            height, width = picture.rgb.shape[:2]
            (ax, ay), (bx, by), (cx, cy) = picture.corners
            place = Affine2D(
                np.array(
                    [
                        [(bx - ax) / width, (cx - ax) / height, ax],
                        [(by - ay) / width, (cy - ay) / height, ay],
                        [0.0, 0.0, 1.0],
                    ]
                )
            )
            shown_as = axes.imshow(picture.rgb, extent=(0, width, height, 0))
            shown_as.set_transform(place + axes.transData)
        for colour in dict.fromkeys(colour for _, colour in shapes):
            own = np.array([geometry for geometry, each in shapes if each == colour], dtype=object)
            outlines = _outlines(own, (x1 - x0) / _PLACE_STEPS)
            axes.add_artist(PathPatch(outlines, fill=False, edgecolor=colour, lw=0.9))
        length_m = _nice(_BAR_SHARE * (x1 - x0) * metre)
        left, low = x0 + 0.05 * (x1 - x0), y0 + 0.06 * (y1 - y0)
        bar = [left, left + length_m / metre], [low, low]
        axes.plot(*bar, color="white", lw=4, solid_capstyle="butt")
        axes.plot(*bar, color=INK, lw=2, solid_capstyle="butt")
        said = f"{length_m * 1e3:g} mm" if length_m < 0.1 else f"{length_m:g} m"
        box = {"boxstyle": "square,pad=0.15", "facecolor": "white", "alpha": 0.8, "lw": 0}
        axes.text(left, low + 0.04 * (y1 - y0), said, fontsize=6, bbox=box)
        axes.set_xlim(x0, x1)
        axes.set_ylim(y0, y1)
        axes.set_aspect("auto")
        figure.text(0.02, 1 - 0.6 * (1 - share), text, fontsize=_fitting(text), va="center")
    return figure


def _outlines(shapes: NDArray[np.object_], tolerance: float) -> Path:
    """Return lines, and the rings of polygons, as one path, without bends that a picture cannot show."""
    from matplotlib.path import Path

    parts = shapely.get_parts(shapely.simplify(shapes, tolerance))
    is_line = shapely.get_type_id(parts) == _LINESTRING
    rings = np.concatenate([parts[is_line], shapely.get_rings(parts[~is_line])])
    points, owners = shapely.get_coordinates(rings, return_index=True)
    codes = np.where(np.diff(owners, prepend=-1) > 0, Path.MOVETO, Path.LINETO)
    return Path(points, codes)


def _head(figure: Figure, title: str, heading: str, note: str = "") -> None:
    high = figure.get_figheight()
    figure.text(0.02, 1 - 0.17 / high, f"{title}: {heading}", fontsize=_TITLE_PT)
    figure.text(0.02, 1 - 0.36 / high, note, fontsize=_NOTE_PT, color=SOFT)


def _finish(axes: Axes, across: str, up: str, *, whole: bool = False) -> None:
    axes.set_xlabel(across, fontsize=_NOTE_PT)
    axes.set_ylabel(up, fontsize=_NOTE_PT)
    axes.yaxis.set_major_locator(locator(4, whole=whole))
    axes.grid(axis="y", color=RULE, lw=0.6)
    axes.set_axisbelow(True)


def _nice(most: float) -> float:
    """Return the largest round number (1, 2, 2.5 or 5 times a power of ten) of at most ``most``."""
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in _STEPS if step * power <= most * (1 + 1e-9))


def _edges(most: float) -> list[float]:
    """Return round edges of bins from 0 to beyond ``most``."""
    step = _nice(most / _BINS * 2)
    return [step * k for k in range(math.floor(most / step) + 2)]


def _rings(most: float) -> list[float]:
    step = _nice(most / 2)
    return [step * k for k in range(1, int(most / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Return round ticks within a range: powers of ten, or 1, 2, 5 times them where those are few."""
    powers = [10.0**k for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    inside = [p for p in powers if low <= p <= high]
    if len(inside) >= 3:
        return inside
    return [t for p in powers for t in (p, 2 * p, 5 * p) if low <= t <= high]


def _fitting(text: str) -> float:
    """Return the size in points at which a line of text fits over a place; Chinese is twice as wide."""
    wide = sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)
    return min(_NOTE_PT, _NOTE_PT * 30 / max(wide, 1))
