"""The layers of a whole facade on an orthophoto's pixels, and how they become its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.windows
from numpy.typing import NDArray
from rasterio.crs import CRS

from segmentation_core.facade.weathering import HALO_PX, Camera, Layers, Weather, weathered
from segmentation_core.raster.grid import Grid, Window
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["Canvas", "photographed", "seeded", "write_classes", "write_picture"]

_TILE_PX = (512, 1024)


@dataclass(frozen=True)
class Canvas:
    """Layers of the whole facade, see `Layers`."""

    rgb: NDArray[np.uint8]
    relief: NDArray[np.uint8]
    crack: NDArray[np.uint8]
    depth: NDArray[np.uint8]
    lost: NDArray[np.uint8]

    @staticmethod
    def blank(shape: tuple[int, int]) -> Canvas:
        """Return layers of zeros for ``shape`` (height, width)."""
        return Canvas(np.zeros((*shape, 3), np.uint8), *(np.zeros(shape, np.uint8) for _ in range(4)))

    def read(self, window: Window, shade: NDArray[np.float32]) -> Layers:
        """Return a window of the layers, under the light of the window."""
        place = np.s_[window.row_off : window.row_end, window.col_off : window.col_end]
        return Layers(
            rgb=self.rgb[place],
            relief=self.relief[place],
            crack=self.crack[place],
            depth=self.depth[place],
            lost=self.lost[place],
            shade=shade,
        )


def seeded(seed: int, *purpose: int) -> np.random.Generator:
    """Return an independent generator for one purpose: pieces may be made in any order."""
    return np.random.default_rng([seed, *purpose])


def photographed(
    canvas: Canvas,
    core: Window,
    look: Callable[[Window], tuple[NDArray[np.float32], Weather]],
    rng: np.random.Generator,
    camera: Camera,
) -> NDArray[np.uint8]:
    """Return the finished picture of a window.

    Parameters
    ----------
    canvas : Canvas
        Of the facade.
    core : Window
        What is wanted.
    look : callable
        The light and the weather of a window, which is ``core`` with a ring around it.
    rng : numpy Generator
        Of this window.
    camera : Camera
        That takes the picture.
    """
    height, width = canvas.relief.shape
    window = core.grown(HALO_PX).clipped(height, width)
    shade, fields = look(window)
    picture = weathered(canvas.read(window, shade), window, fields, rng, camera)
    row, col = core.row_off - window.row_off, core.col_off - window.col_off
    return picture[row : row + core.height, col : col + core.width]


def write_classes(path: Path, grid: Grid, classes: NDArray[np.uint8]) -> None:
    """Write a class raster as GeoTIFF."""
    profile = _profile(grid) | {"count": 1, "nodata": load_vocabulary().nodata_value}
    with rasterio.open(path, "w", **profile) as sink:
        sink.write(classes, 1)


def write_picture(
    path: Path,
    grid: Grid,
    valid: NDArray[np.bool_],
    taken: Callable[[Window], NDArray[np.uint8]],
    told: Callable[[float], None],
) -> None:
    """Write an orthophoto as GeoTIFF with a mask, tile by tile.

    Parameters
    ----------
    path : Path
        Replaced.
    grid : Grid
        Of the orthophoto.
    valid : bool array of shape (height, width)
        False is without data.
    taken : callable
        Gives the picture of a window, uint8 (height, width, 3).
    told : callable
        Told the share that is done, 0 to 1.
    """
    profile = _profile(grid) | {"count": 3, "photometric": "rgb", "predictor": 2, "zlevel": 3}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as sink:
        for core in _tiles(grid.height, grid.width):
            told(core.row_off / grid.height)
            rgb = taken(core)
            seen = valid[core.row_off : core.row_end, core.col_off : core.col_end]
            rgb[~seen] = 0
            place = rasterio.windows.Window(core.col_off, core.row_off, core.width, core.height)
            sink.write(np.moveaxis(rgb, 2, 0), window=place)
            sink.write_mask(seen, window=place)


def _tiles(height: int, width: int) -> Iterator[Window]:
    for row in range(0, height, _TILE_PX[0]):
        for col in range(0, width, _TILE_PX[1]):
            yield Window(row, col, *_TILE_PX).clipped(height, width)


def _profile(grid: Grid) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "width": grid.width,
        "height": grid.height,
        "dtype": "uint8",
        "transform": grid.affine,
        "crs": CRS.from_wkt(grid.crs_wkt),
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "deflate",
        "num_threads": "ALL_CPUS",
    }
