"""What the kept probabilities of two surveys say of the cracks and losses that only one of them has."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from segmentation_core.change.cracks import CrackChange
from segmentation_core.change.doubtful import Sureness, without_doubtful
from segmentation_core.change.faint import ALONG, Shown, without_faint
from segmentation_core.change.losses import LossChange
from segmentation_core.operations.compare_frames import Registered, kept_probabilities
from segmentation_core.operations.compare_pictures import Weighed
from segmentation_core.raster.grid import Window
from segmentation_core.raster.probability import PROBABILITY_SCALE
from segmentation_core.survey.epochs import Placement, Rejected
from segmentation_core.survey.schema import UNTOUCHED
from segmentation_core.survey.store import Book
from segmentation_core.vectors.class_source import ClassSource
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["told_by_probabilities", "touched_features"]

_TILE_PX = 1024
_MOST_SAMPLES, _AT_ONCE = 1024, 2000

Points = NDArray[np.float64]


@dataclass(frozen=True)
class _Raster:
    """Kept probabilities, and where points of the common frame, in A's pixels, lie on them."""

    source: ClassSource
    to_a: Affine
    from_a: Callable[[Points], Points]
    gsd_mm: float


def told_by_probabilities(
    cracks: CrackChange,
    losses: LossChange,
    rejected: Sequence[Rejected],
    registered: Sequence[Registered],
    weighed: Sequence[Weighed],
    mm_per_unit: float,
    touched: Collection[str],
) -> tuple[CrackChange, LossChange]:
    """Return the changes less cracks that have hardly come or gone, and less losses that are in doubt.

    Where a survey kept no probabilities, or a person rejected what it saw, nothing is known of it.

    Parameters
    ----------
    cracks, losses
        What was found.
    rejected : (Rejected, Rejected)
        In the earlier and the later survey.
    registered : sequence of Registered
    weighed : sequence of Weighed
    mm_per_unit : float
    touched : collection of str
        Uids of features that a person drew, edited or verified.
    """
    rasters_a = {r.orth_a: _raster(kept_probabilities(r.record_a), r, _same) for r in registered}
    rasters_b = [_raster(kept_probabilities(r.record_b), r, r.registration.to_b) for r in registered]
    come = [_raster(pair.come, registered[pair.number], _same) for pair in weighed]
    gone = [_raster(pair.gone, registered[pair.number], _same) for pair in weighed]
    kept, told = (
        [[r for r in rasters if r is not None] for rasters in both]
        for both in ((rasters_a.values(), rasters_b), (come, gone))
    )
    shown = [
        _shown(
            rasters, shapely.union_all(shapely.buffer(said.cracks, cracks.eps_mm)), mm_per_unit, cracks.eps_mm
        )
        for rasters, said in zip(told, rejected, strict=True)
    ]
    no_losses = {name: shapely.union_all(said.losses) for name, said in zip("ab", rejected, strict=True)}
    return (
        without_faint(cracks, *shown, touched=touched),
        without_doubtful(losses, _sureness(kept, no_losses, mm_per_unit), touched=touched),
    )


def touched_features(books: Sequence[Book], sides: Sequence[Sequence[Placement]]) -> set[str]:
    """Return the uids of what a person drew, edited, verified or rejected in both surveys."""
    return {
        uid
        for book, side in zip(books, sides, strict=True)
        for table in ("crack_line", "loss_polygon")
        for (uid,) in book.connection.execute(
            f"SELECT uid FROM {table} WHERE surv_id = ? AND status IS NOT ?",
            (side[0].sighting.surv_id, UNTOUCHED),
        )
    }


def _same(points: Points) -> Points:
    return points


def _raster(
    source: ClassSource | None, pair: Registered, from_a: Callable[[Points], Points]
) -> _Raster | None:
    if source is None:
        return None
    return _Raster(source, ~Affine(*pair.record_a.transform), from_a, source.grid.gsd_mm)


def _shown(rasters: Sequence[_Raster], rejected: object, mm_per_unit: float, eps_mm: float) -> Shown:
    def along(lines: NDArray[np.object_]) -> NDArray[np.float64]:
        told = np.full(len(lines), np.nan)
        for raster in rasters:
            told = np.fmax(told, _kept_up(raster, lines, mm_per_unit, eps_mm))
        inside = shapely.length(shapely.intersection(lines, rejected))
        told[inside >= 0.5 * shapely.length(lines)] = np.nan
        return told

    return along


def _kept_up(
    raster: _Raster, lines: NDArray[np.object_], mm_per_unit: float, eps_mm: float
) -> NDArray[np.float64]:
    """Return what the highest probability within eps keeps up along `ALONG` of each line.

    Not its mean: where a new crack meets older ones, a few pixels are certain of those.
    """
    code = load_vocabulary().line_class.code
    steps = shapely.segmentize(lines, raster.gsd_mm)
    points, owner = shapely.get_coordinates(steps, return_index=True)
    pixels, there = _pixels(raster, points / mm_per_unit)
    values = np.zeros(len(points))
    values[there] = _highest(raster, code, pixels[there], math.ceil(eps_mm / raster.gsd_mm))
    order = np.lexsort((values, ~there, owner))
    whole = np.bincount(owner, minlength=len(lines))
    counts = np.bincount(owner[there], minlength=len(lines))
    level = np.full(len(lines), np.nan)
    known = counts >= 0.5 * np.maximum(whole, 1)
    lowest = np.cumsum(whole) - whole + counts - np.ceil(ALONG * counts).astype(np.int64)
    level[known] = values[order][lowest[known]]
    return level


def _sureness(
    kept: Sequence[Sequence[_Raster]], rejected: Mapping[str, object], mm_per_unit: float
) -> Sureness:
    """Return how sure the two surveys are that a loss of one of them is none of the other's."""

    def of(polygons: NDArray[np.object_], side: Literal["a", "b"]) -> NDArray[np.float64]:
        other: Literal["a", "b"] = "b" if side == "a" else "a"
        gsd_mm = min((raster.gsd_mm for rasters in kept for raster in rasters), default=1.0)
        own, others = (kept["ab".index(name)] for name in (side, other))
        told = np.full(len(polygons), np.nan)
        for start in range(0, len(polygons), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            points, owner = _sampled(polygons[some], gsd_mm)
            points /= mm_per_unit
            told[some] = _medians(_lost(own, points) * (1 - _lost(others, points)), owner, told[some].size)
        inside = shapely.area(shapely.intersection(polygons, rejected[other]))
        told[inside >= 0.5 * shapely.area(polygons)] = np.nan
        return told

    return of


def _medians(values: NDArray[np.float64], owner: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return the median of each owner's values; NaN where more than half of them are not known."""
    told = np.full(count, np.nan)
    order = np.lexsort((values, np.isnan(values), owner))
    whole = np.bincount(owner, minlength=count)
    known = np.bincount(owner[~np.isnan(values)], minlength=count)
    enough = (known > 0) & (known >= 0.5 * whole)
    told[enough] = values[order][(np.cumsum(whole) - whole + known // 2)[enough]]
    return told


def _sampled(polygons: NDArray[np.object_], gsd_mm: float) -> tuple[Points, NDArray[np.int64]]:
    """Return places inside polygons, at most a pixel apart or about a thousand each, and whose they are."""
    found, owner = [np.zeros((0, 2))], [np.zeros(0, np.int64)]
    for index, polygon in enumerate(polygons.tolist()):
        west, south, east, north = polygon.bounds
        step = max(gsd_mm, math.sqrt((east - west) * (north - south) / _MOST_SAMPLES))
        x, y = np.meshgrid(np.arange(west + step / 2, east, step), np.arange(south + step / 2, north, step))
        shapely.prepare(polygon)
        inside = shapely.contains_xy(polygon, x, y)
        places = np.column_stack((x[inside], y[inside]))
        if not len(places):
            places = shapely.get_coordinates(shapely.point_on_surface(polygon))
        found.append(places)
        owner.append(np.full(len(places), index, dtype=np.int64))
    return np.concatenate(found), np.concatenate(owner)


def _lost(rasters: Sequence[_Raster], points: Points) -> NDArray[np.float64]:
    """Return the probability of paint loss at points of the common frame, map units; NaN where unknown."""
    code = load_vocabulary().polygon_class.code
    told = np.full(len(points), np.nan)
    for raster in rasters:
        pixels, there = _pixels(raster, points)
        values = np.full(len(points), np.nan)
        values[there] = _highest(raster, code, pixels[there], 0)
        told = np.fmax(told, values)
    return told


def _pixels(raster: _Raster, points: Points) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the pixels of a raster that points of the common frame, map units, lie in, and which it has."""
    x, y = points.T
    a, b, c, d, e, f = tuple(raster.to_a)[:6]
    pixels = np.floor(raster.from_a(np.column_stack((a * x + b * y + c, d * x + e * y + f)))).astype(np.int64)
    grid = raster.source.grid
    inside = (pixels >= 0) & (pixels < (grid.width, grid.height))
    return pixels, np.asarray(inside.all(axis=1), dtype=np.bool_)


def _highest(raster: _Raster, code: str, pixels: NDArray[np.int64], reach_px: int) -> NDArray[np.float64]:
    """Return the highest probability of a class within some pixels of each pixel, tile by tile."""
    nodata = load_vocabulary().nodata_value
    found = np.zeros(len(pixels))
    tiles, which = np.unique(pixels // _TILE_PX, axis=0, return_inverse=True)
    with raster.source.open() as reader:
        for number, (col, row) in enumerate(tiles.tolist()):
            corner = col * _TILE_PX - reach_px, row * _TILE_PX - reach_px
            side = _TILE_PX + 2 * reach_px
            seen = reader.read(Window(corner[1], corner[0], side, side))
            band = np.where(seen.classes == nodata, 0, seen.probabilities[code])
            highest = maximum_filter(band, 2 * reach_px + 1)
            own = np.flatnonzero(which.ravel() == number)
            cols, rows = (pixels[own] - corner).T
            found[own] = highest[rows, cols] / PROBABILITY_SCALE
    return found
