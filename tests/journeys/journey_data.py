"""A beam with exactly known damage, as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from affine import Affine
from shapely.geometry import box

GSD_M = 0.00025
WIDTH, HEIGHT = 640, 480
LOCAL = 'LOCAL_CS["South facade",UNIT["metre",1],AXIS["u",EAST],AXIS["v",NORTH]]'


@dataclass(frozen=True)
class Beam:
    """Files of a beam: a 3 px crack of 300 px and a loss of 40 x 50 px left, a loss of 20 x 20 px right."""

    folder: Path
    ortho: Path
    classes: Path
    elements: Path
    loss_left_m2: float = 40 * 50 * GSD_M**2
    loss_right_m2: float = 20 * 20 * GSD_M**2
    crack_m: float = 300 * GSD_M
    element_m2: float = WIDTH / 2 * HEIGHT * GSD_M**2


def write_raster(
    path: Path, bands: np.ndarray, crs: str | None = LOCAL, affine: Affine | None = None
) -> Path:
    affine = affine or Affine(GSD_M, 0, 2.0, 0, -GSD_M, 3.0)
    profile = {"driver": "GTiff", "dtype": bands.dtype, "count": len(bands), "crs": crs, "transform": affine}
    with rasterio.open(path, "w", height=bands.shape[1], width=bands.shape[2], **profile) as dataset:
        dataset.write(bands)
    return path


def picture_and_classes() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    picture = np.clip(rng.normal((70, 120, 150), 6, (HEIGHT, WIDTH, 3)), 0, 255)
    classes = np.zeros((HEIGHT, WIDTH), np.uint8)
    classes[100:103, 10:310] = 1
    classes[200:240, 60:110] = 2
    classes[300:320, 500:520] = 2
    picture[classes == 1] = 20
    picture[classes == 2] = (215, 200, 170)
    return picture.astype(np.uint8).transpose(2, 0, 1), classes[None]


def write_elements(path: Path, ids: list[object], field: str = "beam_id", crs: str | None = LOCAL) -> Path:
    left, top = 2.0, 3.0
    step = WIDTH / 2 * GSD_M
    boxes = [box(left + k * step, top - HEIGHT * GSD_M, left + (k + 1) * step, top) for k in range(len(ids))]
    geopandas.GeoDataFrame({field: ids}, geometry=boxes, crs=crs).to_file(path, driver="GPKG")
    return path
