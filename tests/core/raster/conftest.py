"""Real raster files, written by GDAL."""

import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

ON_WALL = Affine(0.001, 0, 10, 0, -0.001, 20)


@pytest.fixture
def write_raster(tmp_path):
    """Write an array (bands, h, w) to a new file; keywords go to rasterio, the rest to the dataset."""

    def write(
        array, name="photo.tif", *, interpretation=None, colormap=None, mask=None, nbits=None, **profile
    ):
        path = tmp_path / name
        array = np.asarray(array)
        settings = {"driver": "GTiff", "crs": "EPSG:32650", "transform": ON_WALL, **profile}
        settings = {key: value for key, value in settings.items() if value is not None}
        if nbits is not None:
            settings["nbits"] = nbits
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with (
                rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
                rasterio.open(
                    path,
                    "w",
                    count=array.shape[0],
                    height=array.shape[1],
                    width=array.shape[2],
                    dtype=array.dtype,
                    **settings,
                ) as dataset,
            ):
                if interpretation is not None:
                    dataset.colorinterp = interpretation
                if colormap is not None:
                    dataset.write_colormap(1, colormap)
                dataset.write(array)
                if mask is not None:
                    dataset.write_mask(mask)
        return path

    return write


@pytest.fixture
def noise():
    """Return seeded noise (bands, h, w)."""

    def make(bands, height, width, dtype="uint8", high=256):
        return np.random.default_rng(7).integers(0, high, (bands, height, width)).astype(dtype)

    return make
