"""Opening rasters for reading: one place for what rasterio warns about and raises."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from segmentation_core.errors import RasterError
from segmentation_core.raster.png import is_whole_png

__all__ = ["open_raster"]

# Warning filters belong to the process, not to the thread.
_opening = threading.Lock()


def open_raster(path: Path) -> DatasetReader:
    """Open a raster for reading; one without georeference is no reason to warn.

    Raises
    ------
    RasterError
        No such file, not a raster, or a PNG that is cut short.
    """
    if not path.exists():
        raise RasterError("no such file", path=path, remedy="Check the path")
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            dataset = rasterio.open(path)
        except RasterioError as exc:
            raise RasterError(
                "not a raster that can be read", path=path, remedy="Give a GeoTIFF, TIFF, PNG or JPEG"
            ) from exc
    if dataset.driver == "PNG" and not is_whole_png(path):
        dataset.close()
        raise RasterError("the picture is cut short or damaged", path=path, remedy="Copy or export it again")
    return dataset
