"""What the kept probabilities of two surveys say along the cracks that only one of them has."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from segmentation_core.change.cracks import CrackChange
from segmentation_core.change.faint import ALONG, Seen, without_faint
from segmentation_core.operations.compare_frames import Registered, kept_probabilities
from segmentation_core.raster.grid import Window
from segmentation_core.raster.probability import PROBABILITY_SCALE
from segmentation_core.statistics.features import stream_features
from segmentation_core.survey.epochs import Placement, in_mm
from segmentation_core.survey.schema import UNTOUCHED
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import OrthophotoRecord
from segmentation_core.vectors.class_source import ClassSource
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["told_by_probabilities", "touched_lines"]

_TILE_PX = 1024

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
    books: Sequence[Book],
    sides: Sequence[Sequence[Placement]],
    registered: Sequence[Registered],
    mm_per_unit: float,
    touched: Collection[str],
) -> CrackChange:
    """Return the change of cracks less what the other survey saw below its threshold.

    Where a survey kept no probabilities, or a person rejected what it saw, nothing is known of it.
    """
    rasters_a = {r.orth_a: _raster(r.record_a, r, _same) for r in registered}
    rasters_b = [_raster(r.record_b, r, r.registration.to_b) for r in registered]
    seen = [
        _seen(
            [raster for raster in rasters if raster is not None],
            _rejected(book, side, mm_per_unit, cracks.eps_mm),
            mm_per_unit,
            cracks.eps_mm,
        )
        for rasters, book, side in zip((rasters_a.values(), rasters_b), books, sides, strict=True)
    ]
    return without_faint(cracks, seen[0], seen[1], touched=touched)


def touched_lines(books: Sequence[Book], sides: Sequence[Sequence[Placement]]) -> set[str]:
    """Return the uids of the cracks of both surveys that a person drew, edited, verified or rejected."""
    return {
        uid
        for book, side in zip(books, sides, strict=True)
        for (uid,) in book.connection.execute(
            "SELECT uid FROM crack_line WHERE surv_id = ? AND status IS NOT ?",
            (side[0].sighting.surv_id, UNTOUCHED),
        )
    }


def _same(points: Points) -> Points:
    return points


def _raster(record: OrthophotoRecord, pair: Registered, from_a: Callable[[Points], Points]) -> _Raster | None:
    source = kept_probabilities(record)
    if source is None:
        return None
    return _Raster(source, ~Affine(*pair.record_a.transform), from_a, record.gsd_mm)


def _rejected(book: Book, side: Sequence[Placement], mm_per_unit: float, eps_mm: float) -> object:
    """Return the surroundings, mm, of the lines that a person rejected in a survey."""
    where = "surv_id = ? AND orth_id = ? AND status = 'rejected'"
    shapes = []
    for placement in side:
        whose = (placement.sighting.surv_id, placement.sighting.orth_id)
        for chunk in stream_features(book.connection, "crack_line", (), where, whose):
            moved = placement.sighting.moved
            shapes += list(chunk.geometries if moved is None else moved(chunk.geometries))
    return shapely.union_all(shapely.buffer(in_mm(shapes, mm_per_unit), eps_mm))


def _seen(rasters: Sequence[_Raster], rejected: object, mm_per_unit: float, eps_mm: float) -> Seen:
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
    """Return what the highest probability within eps keeps up along `ALONG` of each line, over the threshold.

    Not its mean: where a new crack meets older ones, a few pixels are certain of those.
    """
    steps = shapely.segmentize(lines, raster.gsd_mm)
    points, owner = shapely.get_coordinates(steps, return_index=True)
    x, y = (points / mm_per_unit).T
    a, b, c, d, e, f = tuple(raster.to_a)[:6]
    pixels = np.floor(raster.from_a(np.column_stack((a * x + b * y + c, d * x + e * y + f)))).astype(np.int64)
    grid = raster.source.grid
    there = ((pixels >= 0) & (pixels < (grid.width, grid.height))).all(axis=1)
    values = np.zeros(len(points))
    values[there] = _highest(raster, pixels[there], math.ceil(eps_mm / raster.gsd_mm))
    order = np.lexsort((values, ~there, owner))
    whole = np.bincount(owner, minlength=len(lines))
    counts = np.bincount(owner[there], minlength=len(lines))
    level = np.full(len(lines), np.nan)
    known = counts >= 0.5 * np.maximum(whole, 1)
    lowest = np.cumsum(whole) - whole + counts - np.ceil(ALONG * counts).astype(np.int64)
    level[known] = values[order][lowest[known]]
    return level


def _highest(raster: _Raster, pixels: NDArray[np.int64], reach_px: int) -> NDArray[np.float64]:
    """Return the highest probability within some pixels of each pixel, over the threshold, tile by tile."""
    code = load_vocabulary().line_class.code
    threshold = raster.source.thresholds[code] * PROBABILITY_SCALE
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
            found[own] = highest[rows, cols] / threshold
    return found
