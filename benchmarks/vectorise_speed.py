"""How fast `vectorise` and `measure` are, beside GDAL's polygonising of the same raster in the same run.

Generates a class raster, seeded: one tile in ten is a dense crack network (Voronoi cells, cracks 2-5 px
wide, about a tenth of the pixels), some others hold a few paint losses, the rest is empty; one element
covers each quarter. Prints seconds, Mpx/s, the ratio to ``rasterio.features.shapes`` and peak memory.

    python benchmarks/vectorise_speed.py --side 10000
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pyogrio
import rasterio
import shapely
from affine import Affine
from rasterio.features import shapes
from rasterio.windows import Window
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree

TILE_PX = 1024
GSD_M = 0.0005


def dense_tile(random: np.random.Generator, cell_px: float = 55.0) -> np.ndarray:
    """Return a network of Voronoi edges with ragged borders."""
    count = int((TILE_PX / cell_px) ** 2)
    points = random.uniform(-40, TILE_PX + 40, (count, 2))
    rows, cols = np.mgrid[0:TILE_PX, 0:TILE_PX]
    distance, nearest = cKDTree(points).query(np.column_stack([rows.ravel(), cols.ravel()]), k=2)
    apart = np.linalg.norm(points[nearest[:, 0]] - points[nearest[:, 1]], axis=1)
    aside = ((distance[:, 1] ** 2 - distance[:, 0] ** 2) / (2 * apart)).reshape(TILE_PX, TILE_PX)
    crack = aside < random.uniform(1, 2.5)
    return crack ^ (binary_dilation(crack) & (random.random(crack.shape) < 0.02))


def write_raster(path: Path, side_px: int, share: float, seed: int) -> None:
    """Write the class raster, tile by tile."""
    random = np.random.default_rng(seed)
    dense = [dense_tile(random) for _ in range(4)]
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "width": side_px,
        "height": side_px,
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "compress": "deflate",
        "crs": 'LOCAL_CS["wall",UNIT["metre",1]]',
        "transform": Affine(GSD_M, 0, 0, 0, -GSD_M, side_px * GSD_M),
    }
    with rasterio.open(path, "w", **profile) as file:
        for row in range(0, side_px, TILE_PX):
            for col in range(0, side_px, TILE_PX):
                tile = np.zeros((TILE_PX, TILE_PX), np.uint8)
                kind = random.random()
                if kind < share:
                    tile[dense[random.integers(4)]] = 1
                elif kind < 2 * share:
                    for _ in range(12):
                        top, left = random.integers(0, TILE_PX - 90, 2)
                        tile[top : top + random.integers(5, 90), left : left + random.integers(5, 90)] = 2
                height, width = min(TILE_PX, side_px - row), min(TILE_PX, side_px - col)
                file.write(tile[:height, :width], 1, window=Window(col, row, width, height))


def write_elements(path: Path, side_px: int) -> None:
    """Write four elements, one per quarter."""
    half, whole = side_px * GSD_M / 2, side_px * GSD_M
    quarters = [shapely.box(x, y, x + half, y + half) for x in (0, half) for y in (0, whole - half)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyogrio.raw.write(
            path,
            np.array(shapely.to_wkb(quarters), object),
            [np.array(["NW", "SW", "NE", "SE"], object)],
            ["name"],
            layer="elements",
            driver="GPKG",
            geometry_type="Polygon",
            crs='LOCAL_CS["wall",UNIT["metre",1]]',
        )


def gdal_seconds(path: Path) -> tuple[float, int]:
    """Return the seconds that GDAL takes to polygonise the whole raster, and the number of polygons."""
    with rasterio.open(path) as file:
        start = time.perf_counter()
        classes = file.read(1)
        count = sum(1 for _ in shapes(classes, mask=classes > 0, connectivity=4))
    return time.perf_counter() - start, count


def peak_mb() -> tuple[float, float]:
    """Return the peak memory of this process and of its largest child, MB."""
    return tuple(
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=5000, help="pixels (10000 for 100 Mpx)")
    parser.add_argument("--share", type=float, default=0.1, help="share of densely cracked tiles")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--without-measure", action="store_true")
    parser.add_argument("--without-gdal", action="store_true", help="it holds the whole raster in memory")
    arguments = parser.parse_args()

    from segmentation_core.operations.measure import measure
    from segmentation_core.operations.vectorise import vectorise
    from segmentation_core.vectors.settings import VectorSettings

    with tempfile.TemporaryDirectory() as folder:
        raster, vectors, elements = (
            Path(folder) / n for n in ("classes.tif", "vectors.gpkg", "elements.gpkg")
        )
        write_raster(raster, arguments.side, arguments.share, arguments.seed)
        write_elements(elements, arguments.side)
        megapixels = arguments.side**2 / 1e6
        with rasterio.open(raster) as file:
            sample = file.read(1, out_shape=(min(arguments.side, 5000),) * 2)
        print(f"{megapixels:.0f} Mpx, {(sample == 1).mean():.2%} crack, {(sample == 2).mean():.2%} loss")
        del sample

        start = time.perf_counter()
        result = vectorise(raster, vectors, settings=VectorSettings(workers=arguments.workers))
        took = time.perf_counter() - start
        own, child = peak_mb()
        print(
            f"vectorise  {took:8.1f} s {megapixels / took:8.1f} Mpx/s   {vectors.stat().st_size / 1e6:.0f} MB"
        )
        print(f"           peak {own:.0f} MB here, {child:.0f} MB in the largest worker")
        print("          ", {k: round(v, 4) if v is not None else None for k, v in result["totals"].items()})
        total = took
        if not arguments.without_measure:
            start = time.perf_counter()
            measure(vectors, elements, "name", Path(folder) / "stats.csv")
            took = time.perf_counter() - start
            total += took
            print(f"measure    {took:8.1f} s {megapixels / took:8.1f} Mpx/s")
        print(f"together   {total:8.1f} s {megapixels / total:8.1f} Mpx/s   peak {peak_mb()[0]:.0f} MB here")
        if not arguments.without_gdal:
            took, count = gdal_seconds(raster)
            print(
                f"polygonise {took:8.1f} s {megapixels / took:8.1f} Mpx/s   {count} polygons (GDAL, one core)"
            )
            print(f"together / polygonise = {total / took:.2f}")


if __name__ == "__main__":
    main()
