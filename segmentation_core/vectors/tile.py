"""Everything that one tile contributes, as sparse arrays that are cheap to send between processes.

What does not touch a side that another tile lies at is complete, and becomes features at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation_core.raster.grid import Window
from segmentation_core.vectors.array_source import ArraySource
from segmentation_core.vectors.class_source import ClassReader
from segmentation_core.vectors.features import (
    Features,
    Place,
    crack_features,
    island_features,
    loss_features,
    valid_features,
)
from segmentation_core.vectors.regions import Regions, trace_regions
from segmentation_core.vectors.settings import LATTICE_PX, VectorSettings
from segmentation_core.vectors.skeleton import PIXEL, Skeleton, Surroundings, core_skeleton
from segmentation_core.vectors.stitching import Tables, parted
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["TileTrace", "trace_tile"]


@dataclass(frozen=True)
class TileTrace:
    """What a tile contributes.

    Attributes
    ----------
    window : Window
    crack, loss, valid : Regions
        What may go on in another tile.
    free : Regions
        What is neither crack nor nodata; `wide_px` counts the pixels beside nodata or the raster's border.
    pixels : ndarray of PIXEL
        The skeleton of these cracks.
    features : list of Features
        What is complete.
    """

    window: Window
    crack: Regions
    loss: Regions
    valid: Regions
    free: Regions
    pixels: NDArray[Any]
    features: list[Features]


def trace_tile(reader: ClassReader | ArraySource, core: Window, settings: VectorSettings) -> TileTrace:
    """Trace a tile that does not cross a line of the lattice on which crack areas are cut."""
    vocabulary = load_vocabulary()
    line, polygon, nodata = vocabulary.line_class, vocabulary.polygon_class, vocabulary.nodata_value
    grid = reader.source.grid
    seen = reader.read(core.grown(1))
    origin = (core.row_off, core.col_off)
    weights = {code: values[1:-1, 1:-1] for code, values in seen.probabilities.items()}
    crack = seen.classes == line.value
    skeleton = _skeleton(reader, core, settings) if crack[1:-1, 1:-1].any() else None
    crack_regions, numbers = trace_regions(
        _cut_on_lattice(crack, core),
        origin,
        grid.width,
        diagonal_units=True,
        weights=weights.get(line.code),
        wide=None if skeleton is None else skeleton.wide,
    )
    loss_regions, _ = trace_regions(
        seen.classes == polygon.value,
        origin,
        grid.width,
        diagonal_units=True,
        weights=weights.get(polygon.code),
    )
    valid_regions, _ = trace_regions(seen.classes != nodata, origin, grid.width, diagonal_units=False)
    no_pixels = np.zeros(0, PIXEL)
    pixels = no_pixels
    if skeleton is not None and numbers is not None:
        pixels = _pixels(skeleton, crack_regions, numbers, core, grid.width)
    free = (seen.classes != line.value) & (seen.classes != nodata)
    free_regions, _ = trace_regions(
        free, origin, grid.width, diagonal_units=False, wide=_beside(seen.classes == nodata)
    )
    place = Place(grid, reader.source.has_probabilities, settings)
    goes_on = (core.row_off > 0, core.row_end < grid.height, core.col_off > 0, core.col_end < grid.width)
    features: list[Features] = []

    def unfinished(
        regions: Regions, make: Callable[[Tables, Place], Features], pixels: NDArray[Any] = no_pixels
    ) -> tuple[Regions, NDArray[Any]]:
        complete, regions, pixels = parted(regions, pixels, goes_on)
        if complete.pieces.size:
            features.append(make(complete, place))
        return regions, pixels

    crack_regions, pixels = unfinished(crack_regions, crack_features, pixels)
    loss_regions, _ = unfinished(loss_regions, loss_features)
    valid_regions, _ = unfinished(valid_regions, valid_features)
    free_regions, _ = unfinished(free_regions, island_features)
    return TileTrace(core, crack_regions, loss_regions, valid_regions, free_regions, pixels, features)


def _beside(framed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which pixels inside the frame touch one of these with an edge."""
    beside: NDArray[np.bool_] = framed[:-2, 1:-1] | framed[2:, 1:-1] | framed[1:-1, :-2] | framed[1:-1, 2:]
    return beside


def _skeleton(reader: ClassReader | ArraySource, core: Window, settings: VectorSettings) -> Skeleton:
    vocabulary = load_vocabulary()
    line = vocabulary.line_class

    def surroundings(window: Window) -> Surroundings:
        seen = reader.read(window)
        valid = seen.classes != vocabulary.nodata_value
        return Surroundings(seen.classes == line.value, valid, seen.probabilities.get(line.code))

    return core_skeleton(surroundings, core, reader.source.grid.window, settings)


def _cut_on_lattice(framed: NDArray[np.bool_], core: Window) -> NDArray[np.bool_]:
    for on_line, side in (
        (core.row_off % LATTICE_PX == 0, np.s_[0]),
        (core.row_end % LATTICE_PX == 0, np.s_[-1]),
        (core.col_off % LATTICE_PX == 0, np.s_[:, 0]),
        (core.col_end % LATTICE_PX == 0, np.s_[:, -1]),
    ):
        if on_line:
            framed[side] = False
    return framed


def _pixels(
    skeleton: Skeleton, regions: Regions, numbers: NDArray[np.int32], core: Window, raster_width: int
) -> NDArray[Any]:
    pixels = np.zeros(skeleton.rows.size, PIXEL)
    piece = numbers[skeleton.rows - core.row_off, skeleton.cols - core.col_off]
    pixels["unit"] = regions.pieces["unit"][piece - 1]
    pixels["flat"] = skeleton.rows * raster_width + skeleton.cols
    pixels["squared_half_width"] = skeleton.squared_half_widths
    pixels["area_px"] = skeleton.areas_px
    pixels["sum"] = skeleton.sums
    pixels["spread"] = skeleton.spreads
    pixels["moment"] = skeleton.moments
    pixels["patch"] = skeleton.patches
    pixels["cut"] = skeleton.cut
    return pixels
