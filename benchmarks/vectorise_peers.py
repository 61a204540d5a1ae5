"""`vectorise` beside GDAL's polygoniser and skan, on the same raster in one run.

Generates a class raster, seeded, of which a tenth are crack pixels everywhere: Voronoi networks with
ragged borders, 2-5 px wide, one per 1,024 px, which touch. Prints Mpx/s by the clock and per second of
processor time (of all processes), without what starting ours takes, how long the machine worked for
others meanwhile, and what each found. "Polygons alone" is `vectorise` on the same network as paint loss,
which gets no lines: it traces, writes and indexes polygons, islands and the assessed area.

skan is no dependency of the package: ``pip install craquelure[benchmark]``; without it, it is left out.
``gdal_polygonize.py`` is GDAL's own program, of the GDAL that is on the path; ``rasterio.features.shapes``
is the same algorithm of the GDAL inside rasterio, without writing a file.

    python benchmarks/vectorise_peers.py --side 6144 --workers 2
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import rasterio
from affine import Affine
from rasterio.features import shapes
from rasterio.windows import Window
from vectorise_speed import GSD_M, TILE_PX, dense_tile

DENSE = 0.1
_CELL_PX = 66.0


def dense_tiles(seed: int, count: int = 4) -> list[np.ndarray]:
    """Return networks that differ, of which a tenth are crack pixels together."""
    cell_px = _CELL_PX
    for _ in range(2):
        random = np.random.default_rng(seed)
        tiles = [dense_tile(random, cell_px) for _ in range(count)]
        cell_px *= float(np.mean(tiles)) / DENSE
    return tiles


def write_dense(path: Path, side_px: int, value: int, seed: int = 1) -> float:
    """Write the network with a class value; return the share of crack pixels."""
    random = np.random.default_rng(seed)
    tiles = dense_tiles(seed)
    cracks = 0
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint8", count=1, width=side_px, height=side_px, tiled=True,
        blockxsize=512, blockysize=512, compress="deflate", crs='LOCAL_CS["wall",UNIT["metre",1]]',
        transform=Affine(GSD_M, 0, 0, 0, -GSD_M, side_px * GSD_M),
    ) as file:  # fmt: skip
        for row in range(0, side_px, TILE_PX):
            for col in range(0, side_px, TILE_PX):
                height, width = min(TILE_PX, side_px - row), min(TILE_PX, side_px - col)
                tile = tiles[random.integers(4)][:height, :width].astype(np.uint8)
                cracks += int(tile.sum())
                file.write(tile * np.uint8(value), 1, window=Window(col, row, width, height))
    return cracks / side_px**2


Spent = tuple[float, float]
"""Seconds by the clock and of processors."""


def timed(name: str, megapixels: float, call: Callable[[], str], start: Spent = (0.0, 0.0)) -> Spent:
    """Run and print Mpx/s by the clock and of processors, without what starting takes."""
    before, busy_before = os.times(), busy_seconds()
    found = call()
    after = os.times()
    processor = sum(after[:4]) - sum(before[:4])
    wall = after.elapsed - before.elapsed
    others = busy_seconds() - busy_before - processor
    print(
        f"{name:40}{wall:8.1f} s, {megapixels / (wall - start[0]):6.2f} Mpx/s;"
        f" {processor:8.1f} s of processor, {megapixels / (processor - start[1]):6.2f} Mpx/s;"
        f" others took {max(others, 0.0):.1f} s; {found}",
        flush=True,
    )
    return wall, processor


def busy_seconds() -> float:
    """Return for how long the machine's processors have worked, for anyone."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


def gdal_shapes(path: Path) -> str:
    """Polygonise with the GDAL inside rasterio; the whole raster lies in memory."""
    with rasterio.open(path) as file:
        classes = file.read(1)
    return f"{sum(1 for _ in shapes(classes, mask=classes > 0, connectivity=4))} polygons"


def skan_lengths(path: Path) -> str:
    """Thin with scikit-image and measure with skan; the whole raster lies in memory."""
    from skan import Skeleton, summarize
    from skimage.morphology import thin

    with rasterio.open(path) as file:
        mask = file.read(1) == 1
    branches = summarize(Skeleton(thin(mask)), separator="-")
    return f"{len(branches)} branches, {branches['branch-distance'].sum() * GSD_M:.2f} m by pixel steps"


def has_skan() -> bool:
    """Say whether skan can be imported."""
    try:
        import skan  # noqa: F401
    except ImportError:
        return False
    return True


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=6144, help="pixels")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()

    from segmentation_core.operations.vectorise import vectorise
    from segmentation_core.vectors.settings import VectorSettings

    settings = VectorSettings(workers=arguments.workers)
    # So many small tiles that all processes start at once, as they do for a large raster.
    tiny_settings = VectorSettings(workers=arguments.workers, tile_size_px=64)
    megapixels = arguments.side**2 / 1e6

    def ours(raster: Path, out: Path, settings: VectorSettings = settings) -> str:
        totals = vectorise(raster, out, settings=settings)["totals"]
        return ", ".join(f"{key} {totals[key]:.6g}" for key in ("crack_count", "crack_m", "loss_count"))

    with tempfile.TemporaryDirectory() as folder:
        cracks, losses, out = (Path(folder) / n for n in ("cracks.tif", "losses.tif", "out.gpkg"))
        share = write_dense(cracks, arguments.side, 1)
        write_dense(losses, arguments.side, 2)
        print(f"{megapixels:.1f} Mpx, {share:.1%} crack, {arguments.workers} workers, {os.cpu_count()} cores")
        tiny = Path(folder) / "tiny.tif"
        write_dense(tiny, 256, 1)
        ours(tiny, out, tiny_settings)
        start = timed("start-up of ours: 256 px", 0.0, lambda: ours(tiny, out, tiny_settings))
        timed("vectorise, all of it", megapixels, lambda: ours(cracks, out), start)
        timed("vectorise, polygons alone", megapixels, lambda: ours(losses, out), start)
        name = f"rasterio.features.shapes, GDAL {rasterio.__gdal_version__}"
        timed(name, megapixels, lambda: gdal_shapes(cracks))
        program = shutil.which("gdal_polygonize.py") or shutil.which("gdal_polygonize")
        if program:
            version = subprocess.run(
                ["gdalinfo", "--version"], capture_output=True, text=True, check=True
            ).stdout
            command = [program, "-q", str(cracks), str(Path(folder) / "gdal.gpkg")]

            def polygonise() -> str:
                subprocess.run(
                    command, check=True, env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
                )
                return f"{(Path(folder) / 'gdal.gpkg').stat().st_size / 1e6:.0f} MB"

            timed(f"gdal_polygonize.py, {version.split(',')[0]}", megapixels, polygonise)
        else:
            print("gdal_polygonize.py is not on the path")
        if has_skan():
            timed("thin + skan (the first run compiles)", megapixels, lambda: skan_lengths(cracks))
            timed("thin + skan", megapixels, lambda: skan_lengths(cracks))
        else:
            print("skan is not installed")


if __name__ == "__main__":
    main()
