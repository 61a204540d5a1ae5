"""Everything that one tile contributes, as sparse arrays that are cheap to send between processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation_core.raster.grid import Window
from segmentation_core.vectors.array_source import ArraySource
from segmentation_core.vectors.class_source import ClassReader
from segmentation_core.vectors.regions import Regions, trace_regions
from segmentation_core.vectors.settings import LATTICE_PX, VectorSettings
from segmentation_core.vectors.skeleton import Skeleton, Surroundings, core_skeleton
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["PIXEL", "TileTrace", "trace_tile"]

PIXEL = np.dtype(
    [
        ("unit", np.int64),
        ("flat", np.int64),  # flat index in the raster
        ("squared_half_width", np.int32),
        ("area_px", np.int32),
        ("sum", np.int64),
        ("spread", np.int64),
        ("moment", np.int32, 2),
        ("patch", np.int64),
        ("cut", np.bool_),
    ]
)
"""A skeleton pixel; see `Skeleton` for the fields."""


@dataclass(frozen=True)
class TileTrace:
    """What a tile contributes.

    Attributes
    ----------
    window : Window
    crack, loss, valid : Regions
    free : Regions
        What is neither crack nor nodata; `wide_px` counts the pixels beside nodata or the raster's border.
    pixels : ndarray of PIXEL
        The skeleton of the cracks.
    """

    window: Window
    crack: Regions
    loss: Regions
    valid: Regions
    free: Regions
    pixels: NDArray[Any]


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
    crack_regions, units = trace_regions(
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
    pixels = np.zeros(0, PIXEL)
    if skeleton is not None and units is not None:
        pixels = _pixels(skeleton, units, core, grid.width)
    free = (seen.classes != line.value) & (seen.classes != nodata)
    free_regions, _ = trace_regions(
        free, origin, grid.width, diagonal_units=False, wide=_beside(seen.classes == nodata)
    )
    return TileTrace(core, crack_regions, loss_regions, valid_regions, free_regions, pixels)


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


def _pixels(skeleton: Skeleton, units: NDArray[np.int32], core: Window, raster_width: int) -> NDArray[Any]:
    pixels = np.zeros(skeleton.rows.size, PIXEL)
    pixels["unit"] = units[skeleton.rows - core.row_off, skeleton.cols - core.col_off]
    pixels["flat"] = skeleton.rows * raster_width + skeleton.cols
    pixels["squared_half_width"] = skeleton.squared_half_widths
    pixels["area_px"] = skeleton.areas_px
    pixels["sum"] = skeleton.sums
    pixels["spread"] = skeleton.spreads
    pixels["moment"] = skeleton.moments
    pixels["patch"] = skeleton.patches
    pixels["cut"] = skeleton.cut
    return pixels
