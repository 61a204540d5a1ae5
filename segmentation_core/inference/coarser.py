"""A kept probability raster averaged to a coarser GSD, so that two surveys can be compared at one.

Never the other way round: nothing is upsampled. The average is exact by area, as for orthophotos.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterioWindow

from segmentation_core.errors import RasterError
from segmentation_core.raster.area_average import read_averaged
from segmentation_core.raster.cog import Piece, ResultBands, assemble, write_piece
from segmentation_core.raster.grid import Grid, Window
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["average_probabilities"]

_PIECE_PX = 2048


def average_probabilities(source: Path, grid: Grid, gsd_mm: float, out: Path) -> Grid:
    """Write a probability raster at a coarser GSD.

    Parameters
    ----------
    source : Path
        What `segment` wrote: one band per class, 0-250, 255 for nodata.
    grid : Grid
        Of that raster.
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
    factor = gsd_mm / grid.gsd_mm
    coarse = grid.coarsened(factor)
    nodata = load_vocabulary().nodata_value
    pieces = []
    try:
        with rasterio.open(source) as dataset:

            def read(window: Window) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
                area = RasterioWindow(window.col_off, window.row_off, window.width, window.height)
                bands: NDArray[np.uint8] = dataset.read(window=area)
                return bands, (bands != nodata).all(axis=0)

            for window in _windows(coarse):
                bands, valid = read_averaged(read, factor, window, grid.height, grid.width)
                bands[:, ~valid] = nodata
                piece = Piece(out.with_name(f"{out.stem}-{window.row_off}-{window.col_off}.tif"), window)
                write_piece(piece.path, bands)
                pieces.append(piece)
    except RasterioError as exc:
        raise RasterError(
            "the kept probabilities cannot be read", path=source, remedy="Run the survey again"
        ) from exc
    assemble(pieces, coarse, ResultBands(load_vocabulary().codes, "AVERAGE"), out)
    return coarse


def _windows(grid: Grid) -> list[Window]:
    rows, cols = (range(math.ceil(size / _PIECE_PX)) for size in (grid.height, grid.width))
    windows = [Window(r * _PIECE_PX, c * _PIECE_PX, _PIECE_PX, _PIECE_PX) for r in rows for c in cols]
    return [window.clipped(grid.height, grid.width) for window in windows]
