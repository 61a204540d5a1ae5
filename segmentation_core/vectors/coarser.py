"""A kept probability raster averaged to a coarser GSD, so that two surveys can be compared at one.

Never the other way round: nothing is upsampled. The average is exact by area, as for orthophotos. Class
rasters are not averaged: a second threshold on top of the first would delete hairlines (on the demo's true
masks, 1.6 % of the crack length at 0.9 of the GSD).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segmentation_core.raster.area_average import read_averaged
from segmentation_core.raster.cog import Piece, ResultBands, assemble, write_piece
from segmentation_core.raster.grid import Grid, Window
from segmentation_core.vectors.class_source import ClassSource
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["average_probabilities"]

_PIECE_PX = 2048


def average_probabilities(source: ClassSource, gsd_mm: float, out: Path) -> Grid:
    """Write a probability raster at a coarser GSD.

    Parameters
    ----------
    source : ClassSource
        Of probabilities.
    gsd_mm : float
        mm per pixel of the result, from the same corner; not finer than the raster's own.
    out : Path
        GeoTIFF to write, in a folder of its own: pieces of it are left beside it.

    Returns
    -------
    Grid
        Of the result.

    Raises
    ------
    RasterError, DiskFullError
        The raster cannot be read, or the result not written.
    """
    grid, vocabulary = source.grid, load_vocabulary()
    factor = gsd_mm / grid.gsd_mm
    coarse = grid.coarsened(factor)
    pieces = []
    with source.open() as reader:

        def read(window: Window) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
            found = reader.read(window)
            bands = np.stack([found.probabilities[code] for code in vocabulary.codes])
            return bands, found.classes != vocabulary.nodata_value

        for window in _windows(coarse):
            bands, valid = read_averaged(read, factor, window, grid.height, grid.width)
            bands[:, ~valid] = vocabulary.nodata_value
            piece = Piece(out.with_name(f"{out.stem}-{window.row_off}-{window.col_off}.tif"), window)
            write_piece(piece.path, bands)
            pieces.append(piece)
    assemble(pieces, coarse, ResultBands(vocabulary.codes, "AVERAGE"), out)
    return coarse


def _windows(grid: Grid) -> list[Window]:
    rows, cols = (range(math.ceil(size / _PIECE_PX)) for size in (grid.height, grid.width))
    windows = [Window(r * _PIECE_PX, c * _PIECE_PX, _PIECE_PX, _PIECE_PX) for r in rows for c in cols]
    return [window.clipped(grid.height, grid.width) for window in windows]
