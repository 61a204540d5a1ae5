"""Fixtures for vectorising: shapes drawn analytically, rasters written with GDAL, layers read back."""

from __future__ import annotations

import json
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning
from scipy.spatial import cKDTree

from segmentation_core.operations.vectorise import vectorise
from segmentation_core.vectors.geopackage import LAYERS
from segmentation_core.vectors.settings import VectorSettings

IN_METRES = Affine(0.001, 0, 0, 0, -0.001, 0)
LOCAL_CRS = 'LOCAL_CS["Beam",UNIT["metre",1]]'


class Drawing:
    """Cracks drawn at pixel centres: a pixel belongs to a stroke if its centre does."""

    def __init__(self, height: int, width: int) -> None:
        self.cols, self.rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)

    def stroke(self, start, end, width_px: float, *, flat: bool = False) -> np.ndarray:
        """A straight stroke between (col, row) points; round ends, or flat ones at the points."""
        (x0, y0), (x1, y1) = start, end
        length = np.hypot(x1 - x0, y1 - y0)
        along = ((self.cols - x0) * (x1 - x0) + (self.rows - y0) * (y1 - y0)) / length
        aside = np.abs((self.rows - y0) * (x1 - x0) - (self.cols - x0) * (y1 - y0)) / length
        if flat:
            return (aside < width_px / 2) & (along > 0) & (along < length)
        beyond = np.maximum(np.maximum(-along, along - length), 0)
        return np.hypot(beyond, aside) < width_px / 2

    def ray(self, centre, angle_deg: float, length_px: float, width_px: float, *, flat: bool = False):
        """A stroke through a centre."""
        turn = np.radians(angle_deg)
        half = np.array([np.cos(turn), np.sin(turn)]) * length_px / 2
        return self.stroke(np.array(centre) - half, np.array(centre) + half, width_px, flat=flat)

    def circle(self, centre, radius_px: float, width_px: float) -> np.ndarray:
        """A ring."""
        return np.abs(np.hypot(self.cols - centre[0], self.rows - centre[1]) - radius_px) < width_px / 2

    def curve(self, points, width_px: float) -> np.ndarray:
        """A stroke along densely given (col, row) points."""
        distance, _ = cKDTree(points).query(np.column_stack([self.cols.ravel(), self.rows.ravel()]))
        return distance.reshape(self.cols.shape) < width_px / 2


@pytest.fixture
def drawing():
    """Return the class that draws."""
    return Drawing


@pytest.fixture
def write_raster(tmp_path):
    """Return a function that writes bands (K, M, N) or (M, N) as GeoTIFF."""

    def write(
        bands, name: str = "classes.tif", *, affine: Affine = IN_METRES, crs=LOCAL_CRS, **profile
    ) -> Path:
        bands = np.asarray(bands)
        bands = bands[None] if bands.ndim == 2 else bands
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        shape = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2]}
        profile.update(shape, transform=affine, crs=crs, dtype=bands.dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, "w", driver="GTiff", **profile) as file:
                file.write(bands)
        return path

    return write


@pytest.fixture
def read_vectors():
    """Return a function that reads all layers of a file: columns by name, ``geometry`` as shapely arrays."""

    def read(path: Path) -> SimpleNamespace:
        layers = {}
        for layer in LAYERS:
            meta, _, geometry, columns = pyogrio.raw.read(path, layer=layer)
            values = dict(zip(meta["fields"].tolist(), columns, strict=True))
            layers[layer] = SimpleNamespace(geometry=shapely.from_wkb(geometry), **values)
        with closing(sqlite3.connect(path)) as connection:
            run = {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM run")}
        return SimpleNamespace(**layers, run=run)

    return read


@pytest.fixture
def vectors_of(tmp_path, write_raster, read_vectors):
    """Return a function that vectorises an array of classes (in pixels of 1 mm) and reads the result."""

    def run(classes, *, affine: Affine = IN_METRES, **settings) -> SimpleNamespace:
        source = write_raster(np.asarray(classes).astype(np.uint8), affine=affine)
        out = tmp_path / "vectors.gpkg"
        settings.setdefault("workers", 1)
        result = vectorise(source, out, settings=VectorSettings(**settings))
        vectors = read_vectors(out)
        vectors.totals, vectors.path = result["totals"], out
        return vectors

    return run


@pytest.fixture
def rows_of():
    """Return a function that gives all features of a file as a sorted list of comparable rows."""

    def rows(vectors: SimpleNamespace) -> list:
        found = []
        for layer in LAYERS:
            table = vars(getattr(vectors, layer))
            geometry = shapely.to_wkb(shapely.normalize(table["geometry"]))
            names = sorted(set(table) - {"geometry"})
            for place, shape in enumerate(geometry):
                found.append((layer, shape, *(repr(table[name][place]) for name in names)))
        return sorted(found)

    return rows
