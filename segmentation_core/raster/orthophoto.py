"""An orthophoto: a georeferenced picture read window by window, native or averaged down."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from segmentation_core.errors import ParameterError, RasterError
from segmentation_core.raster.area_average import read_averaged
from segmentation_core.raster.bands import BandLayout, read_layout, read_pixels
from segmentation_core.raster.exif import exif_orientation
from segmentation_core.raster.georeference import read_grid
from segmentation_core.raster.grid import Grid, Window
from segmentation_core.raster.opening import open_raster

__all__ = ["Orthophoto", "open_orthophoto"]

_SAME_GSD = 1e-6
_NOT_PIXELS = (".aux.xml", ".ovr", ".rrd")


class _Datasets:
    """The open file, once per thread: GDAL datasets must not be shared between threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._opened: list[DatasetReader] = []

    def __reduce__(self) -> tuple[type[_Datasets], tuple[Path]]:
        """Travel to another process as the path alone: that process opens the file itself."""
        return _Datasets, (self._path,)

    def get(self) -> DatasetReader:
        dataset: DatasetReader | None = getattr(self._local, "dataset", None)
        if dataset is None or dataset.closed:
            dataset = open_raster(self._path)
            self._local.dataset = dataset
            self._opened.append(dataset)
        return dataset

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()


@dataclass(frozen=True, eq=False)
class Orthophoto:
    """A picture with a place and a scale; open it with `open_orthophoto`.

    Attributes
    ----------
    path : Path
        The file.
    native_grid : Grid
        The stored pixels.
    grid : Grid
        The working grid: the native one, or a coarser one from the same corner.
    factor : float
        Working pixel size in native pixels, >= 1.
    layout : BandLayout
        Which bands make the picture, and how values become 8 bit.
    files : tuple of Path
        Everything that the pixels come from (a mosaic's parts, a mask beside the file), the file first.
    notes : tuple of str
        What the user should be told.
    is_stored_by_rows : bool
        A window cannot be read without the whole rows that it touches, or, of a mosaic, nobody knows.
    """

    path: Path
    native_grid: Grid
    grid: Grid
    factor: float
    layout: BandLayout
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    is_stored_by_rows: bool
    _datasets: _Datasets = field(repr=False)

    def read(self, window: Window) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Read a window of the working grid; safe to call from several threads.

        Parameters
        ----------
        window : Window
            Not empty, inside the working grid.

        Returns
        -------
        rgb : ndarray of uint8, shape (3, h, w)
            Grey is repeated, palettes are expanded, wider values are scaled to 8 bit.
        valid : ndarray of bool, shape (h, w)
            False on nodata, where alpha is under a half, and outside the file's mask.

        Raises
        ------
        ParameterError
            The window reaches outside.
        RasterError
            The pixels cannot be read; the message names the window.
        """
        if window != window.clipped(self.grid.height, self.grid.width) or not window.height * window.width:
            raise ParameterError(
                f"{window} is not inside {self.grid.height} x {self.grid.width} px", path=self.path
            )
        if self.factor == 1:
            return self._read_native(window)
        native = self.native_grid
        return read_averaged(self._read_native, self.factor, window, native.height, native.width)

    def overview(self, area_px: float) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Read the whole picture, averaged down to about ``area_px`` pixels.

        Overviews in the file are used where there are any: this is for finding the way, not for measuring.

        Returns
        -------
        rgb : ndarray of uint8, shape (3, h, w)
        valid : ndarray of bool, shape (h, w)

        Raises
        ------
        RasterError
            The pixels cannot be read.
        """
        whole = self.native_grid.window
        factor = max(1.0, (whole.height * whole.width / area_px) ** 0.5)
        shape = (max(1, round(whole.height / factor)), max(1, round(whole.width / factor)))
        return self._read_native(whole, shape)

    def close(self) -> None:
        """Close the file in all threads."""
        self._datasets.close()

    def __enter__(self) -> Orthophoto:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_native(
        self, window: Window, shape: tuple[int, int] | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        try:
            return read_pixels(self._datasets.get(), self.layout, window, shape)
        except RasterioError as exc:
            raise RasterError(
                f"rows {window.row_off}-{window.row_end}, columns {window.col_off}-{window.col_end}"
                " cannot be read",
                path=self.path,
                remedy="The file is cut short or damaged; copy or export it again",
            ) from exc


def open_orthophoto(
    path: str | Path, *, gsd_mm: float | None = None, working_gsd_mm: float | None = None
) -> Orthophoto:
    """Open a raster as an orthophoto, checking all that can be checked before reading it.

    Parameters
    ----------
    path : path-like
        Any raster that GDAL reads, with one to four bands of 8 or 16 bits.
    gsd_mm : float or None
        Ground sampling distance, mm per pixel, for an image without georeference.
    working_gsd_mm : float or None
        Average a finer raster down to this many mm per pixel. Nothing is ever upsampled.

    Raises
    ------
    RasterError
        No such file, not a raster, or not a picture.
    CrsError
        Geographic CRS, unknown unit, or no CRS and no ``gsd_mm``.
    ParameterError
        An impossible GSD.
    """
    path = Path(path)
    if working_gsd_mm is not None and not (np.isfinite(working_gsd_mm) and working_gsd_mm > 0):
        raise ParameterError(
            f"a working GSD of {working_gsd_mm:g} mm per pixel is impossible",
            path=path,
            remedy="Give the millimetres that one pixel shall cover, as 0.5",
        )
    datasets = _Datasets(path)
    with ExitStack() as undo:
        undo.callback(datasets.close)
        dataset = datasets.get()
        native = read_grid(dataset, gsd_mm)
        layout, notes = read_layout(dataset, path)
        orientation = exif_orientation(path, dataset.driver)
        files = _files(path, dataset)
        undo.pop_all()
    if orientation != 1:
        notes = (
            *notes,
            f"EXIF orientation {orientation} is not applied: results lie on the stored pixels, as in QGIS",
        )
    factor = 1.0 if working_gsd_mm is None else working_gsd_mm / native.gsd_mm
    if factor < 1 - _SAME_GSD:
        notes = (
            *notes,
            f"the raster has {native.gsd_mm:.4g} mm per pixel, coarser than the working GSD of"
            f" {working_gsd_mm:.4g} mm: it runs at its native scale, nothing is upsampled",
        )
    if factor < 1 + _SAME_GSD:
        factor = 1.0
    grid = native if factor == 1 else native.coarsened(factor)
    return Orthophoto(path, native, grid, factor, layout, files, notes, _stored_by_rows(dataset), datasets)


def _stored_by_rows(dataset: DatasetReader) -> bool:
    _, block_width = dataset.block_shapes[0]
    return bool(block_width >= dataset.width or dataset.driver == "VRT")


def _files(path: Path, dataset: DatasetReader) -> tuple[Path, ...]:
    others = (Path(name) for name in dataset.files)
    pixels = [p for p in others if p.is_file() and p != path and not p.name.lower().endswith(_NOT_PIXELS)]
    return (path, *sorted(pixels))
