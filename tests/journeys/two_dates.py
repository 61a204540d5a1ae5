"""A painted wall at two dates, with exactly known change: textured paint, cracks, losses, two cameras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.transform import Affine
from scipy.ndimage import gaussian_filter, map_coordinates
from skimage.draw import disk, polygon

GSD_M = 0.00025
HEIGHT, WIDTH = 800, 1100
MARGIN = 60
CRACK_PX = 3.0
ORIGIN = (1000.0, 500.0)
CRS = 'LOCAL_CS["Pavilion",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
ELEMENTS = ("L", "R")


@dataclass(frozen=True)
class Camera:
    """How the later picture was taken: B's pixel to A's."""

    shift_px: tuple[float, float] = (3.3, -3.4)
    rotation_deg: float = 0.3
    scale: float = 1.002
    light: float = 0.85

    def to_a(self, x, y):
        angle = np.deg2rad(self.rotation_deg)
        return (
            self.scale * (np.cos(angle) * x - np.sin(angle) * y) + self.shift_px[0],
            self.scale * (np.sin(angle) * x + np.cos(angle) * y) + self.shift_px[1],
        )


@dataclass(frozen=True)
class Wall:
    """What is painted on the wall: class values on a canvas with a margin around picture A, and its paint."""

    paint: np.ndarray
    classes: np.ndarray


def before() -> Wall:
    """The wall at the first date: 12 cracks, two losses."""
    shape = (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN)
    random = np.random.default_rng(3)
    paint = sum(gaussian_filter(random.normal(size=shape), s) * s * 20 for s in (1.2, 3, 8, 25))
    classes = np.zeros(shape, np.uint8)
    for number in range(12):
        x, y = 100 + number * 80, 110 + (number % 4) * 160
        crack(classes, [(x, y), (x + 50, y + 60), (x + 70, y + 130)])
    loss(classes, 350, 700, 30)
    loss(classes, 850, 120, 24)
    return Wall(128 + paint, classes)


def after() -> Wall:
    """Two years on: a new crack, a grown tip, a grown loss that takes a bit of crack, a retouched loss."""
    wall = before()
    classes = wall.classes.copy()
    crack(classes, [(840, 640), (900, 690), (980, 700)])
    crack(classes, [(170, 240), (180, 280)])
    rows, cols = disk((120 + MARGIN, 850 + MARGIN), 26, shape=classes.shape)
    classes[rows, cols] = np.where(classes[rows, cols] == 2, 0, classes[rows, cols])
    loss(classes, 350, 700, 38)
    return Wall(wall.paint, classes)


NEW_M = (np.hypot(60, 50) + np.hypot(80, 10)) * GSD_M
GROWN_M = np.hypot(10, 40) * GSD_M
GAIN_M2 = np.pi * (38**2 - 30**2) * GSD_M**2
RETOUCHED_M2 = np.pi * 24**2 * GSD_M**2


def crack(classes: np.ndarray, points: list[tuple[float, float]], width_px: float = CRACK_PX) -> None:
    """Draw a crack through points of A's pixels."""
    line = shapely.LineString(points).buffer(width_px / 2, cap_style="flat")
    x, y = line.exterior.coords.xy
    rows, cols = polygon(np.array(y) + MARGIN - 0.5, np.array(x) + MARGIN - 0.5, shape=classes.shape)
    classes[rows, cols] = 1


def loss(classes: np.ndarray, x: float, y: float, radius: float) -> None:
    """Draw a round loss."""
    classes[disk((y + MARGIN, x + MARGIN), radius, shape=classes.shape)] = 2


def photograph(
    folder: Path, name: str, wall: Wall, camera: Camera | None = None, gsd_m: float = GSD_M
) -> Path:
    """Write ``NAME.tif``, its classes ``NAME_classes.tif`` and probabilities ``NAME/probability.tif``."""
    factor = gsd_m / GSD_M
    height, width = round(HEIGHT / factor), round(WIDTH / factor)
    y, x = np.mgrid[:height, :width] + 0.5
    x, y = x * factor, y * factor
    if camera is not None:
        x, y = camera.to_a(x, y)
    at = [y + MARGIN - 0.5, x + MARGIN - 0.5]
    paint = map_coordinates(wall.paint, at, order=3, mode="nearest")
    shares = [map_coordinates((wall.classes == k).astype(float), at, order=1) for k in (1, 2)]
    classes = np.where(shares[1] >= 0.5, 2, np.where(shares[0] >= 0.5, 1, 0)).astype(np.uint8)
    light = 1.0 if camera is None else camera.light
    rgb = np.stack([0.9 * paint, 0.7 * paint + 20, 0.5 * paint + 40]) * light
    rgb = np.where(classes == 1, 0.35 * rgb, np.where(classes == 2, 0.5 * rgb + 100, rgb))
    rgb += np.random.default_rng(len(name)).normal(size=rgb.shape) * 2
    affine = Affine(gsd_m, 0, ORIGIN[0], 0, -gsd_m, ORIGIN[1])
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / f"{name}_classes.tif", classes[None], affine)
    (folder / name).mkdir(exist_ok=True)
    write(folder / name / "probability.tif", np.rint(250 * np.stack(shares)).astype(np.uint8), affine)
    return write(folder / f"{name}.tif", np.clip(rgb, 0, 255).astype(np.uint8), affine)


def write(path: Path, bands: np.ndarray, affine: Affine) -> Path:
    """Write a GeoTIFF in the pavilion's own coordinates."""
    profile = {"driver": "GTiff", "dtype": "uint8", "crs": CRS, "transform": affine}
    count, height, width = bands.shape
    with rasterio.open(path, "w", count=count, height=height, width=width, **profile) as dataset:
        dataset.write(bands)
    return path


def write_elements(path: Path) -> Path:
    """Write two elements, the left and the right half."""
    left, top = ORIGIN
    middle, right, bottom = left + WIDTH / 2 * GSD_M, left + WIDTH * GSD_M, top - HEIGHT * GSD_M
    halves = [shapely.box(left, bottom, middle, top), shapely.box(middle, bottom, right, top)]
    geopandas.GeoDataFrame({"id": ELEMENTS}, geometry=halves, crs=CRS).to_file(path)
    return path
