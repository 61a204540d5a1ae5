"""A painted beam photographed twice, as GeoTIFFs, with the exact mapping between the two."""

import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning
from shots import Shot, painted_scene, photographed

from segmentation_core.raster.orthophoto import open_orthophoto

CRS = 'LOCAL_CS["facade",UNIT["metre",1]]'
GSD_M = 0.00025


@pytest.fixture(scope="session")
def scene():
    """1400 x 800 px of painted beam."""
    return painted_scene(1400, 800, 5)


@pytest.fixture
def write_picture(tmp_path):
    """Return a function that writes bands (n, h, w) as a GeoTIFF whose first corner is at ``corner_m``."""

    def write(name, bands, *, corner_m=(0.0, 0.0), gsd_m=GSD_M, crs=CRS, **profile):
        path = tmp_path / name
        place = None if crs is None else Affine(gsd_m, 0, corner_m[0], 0, -gsd_m, corner_m[1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(
                path,
                "w",
                driver="GTiff",
                count=len(bands),
                height=bands.shape[1],
                width=bands.shape[2],
                dtype="uint8",
                crs=crs,
                transform=place,
                tiled=True,
                **profile,
            ) as sink:
                sink.write(bands)
        return path

    return write


@pytest.fixture
def opened(write_picture):
    """Return a function that writes and opens a picture."""
    pictures = []

    def open_picture(name, bands, **options):
        gsd_mm = GSD_M * 1000 if options.get("crs", CRS) is None else None
        pictures.append(open_orthophoto(write_picture(name, bands, **options), gsd_mm=gsd_mm))
        return pictures[-1]

    yield open_picture
    for picture in pictures:
        picture.close()


@pytest.fixture
def first_date(scene, opened):
    """The earlier shot and its orthophoto."""
    shot = Shot(1250, 700, (50.0, 40.0))
    return shot, opened("a.tif", photographed(scene, shot, 1))


@pytest.fixture
def true_pairs():
    """Return a function that draws points of shot B (N, 2) that lie on shot A, and where they lie there."""

    def draw(a, b, count=2000):
        points = np.random.default_rng(11).random((count, 2)) * (b.width_px, b.height_px)
        on_a = (b.to_scene(points) - a.origin_px) / a.scale
        inside = ((on_a > 0) & (on_a < (a.width_px, a.height_px))).all(axis=1)
        return points[inside], on_a[inside]

    return draw
