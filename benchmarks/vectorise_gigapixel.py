"""How processor time and memory of `vectorise` grow with the raster, up to a gigapixel.

Generates class rasters band by band, seeded: the left half is densely cracked (a tenth of crack pixels),
the right half in patches that fill a tenth of it, one in each tile; so the mix is the same at any size.
Boards of 8,192 px lie side by side, and no crack goes on from one to the next (``--board-px 0``: one
network without end). A process of its own vectorises each; processor time is that of all its processes,
memory the largest sum of their proportional set sizes (PSS), looked at five times a second. Linux only.

    python benchmarks/vectorise_gigapixel.py --mpx 10 100 1000
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import rasterio
from affine import Affine
from rasterio.windows import Window
from vectorise_peers import dense_tiles
from vectorise_speed import GSD_M, TILE_PX

JOINT_PX = 6
PATCH_PX = round(TILE_PX * 0.1**0.5)
"""Side of a cracked patch in a tile of the sparse half."""
_LEAST_ROWS = 8
TINY_MPX = 0.01
"""The time of such a raster is start-up; the median of three counts."""

RUN = """
import sys
from segmentation_core.operations.vectorise import vectorise
from segmentation_core.vectors.settings import VectorSettings
if __name__ == "__main__":
    print(vectorise(sys.argv[1], sys.argv[2], settings=VectorSettings(workers=int(sys.argv[3])))["totals"])
"""


def write_raster(path: Path, megapixels: float, board_px: int) -> tuple[float, float]:
    """Write a raster of about so many Mpx, one row of tiles at a time; return its Mpx and share of cracks."""
    width = max(round((megapixels * 1e6) ** 0.5 / (2 * TILE_PX)), 1) * 2 * TILE_PX
    height = max(round(megapixels * 1e6 / width / TILE_PX) * TILE_PX, _LEAST_ROWS)
    random = np.random.default_rng(1)
    dense = dense_tiles(1)
    cracks = 0
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint8", count=1, width=width, height=height, tiled=True,
        blockxsize=512, blockysize=512, compress="deflate", crs='LOCAL_CS["wall",UNIT["metre",1]]',
        transform=Affine(GSD_M, 0, 0, 0, -GSD_M, height * GSD_M),
    ) as file:  # fmt: skip
        for top in range(0, height, TILE_PX):
            band = np.zeros((min(TILE_PX, height), width), np.uint8)
            for left in range(0, width, TILE_PX):
                side = TILE_PX if 2 * left < width else PATCH_PX
                tile = dense[random.integers(4)][: min(side, height), :side]
                band[: tile.shape[0], left : left + side] = tile
            if board_px:
                band[(np.arange(top, top + band.shape[0]) % board_px) < JOINT_PX] = 0
                band[:, (np.arange(width) % board_px) < JOINT_PX] = 0
            cracks += int(band.sum())
            file.write(band, 1, window=Window(0, top, width, band.shape[0]))
    return width * height / 1e6, cracks / (width * height)


def measured(raster: Path, out: Path, workers: int) -> tuple[float, float, float, str]:
    """Return processor seconds, clock seconds and the peak memory in MB of a run, and its totals."""
    before = os.times()
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        run = out.with_name("run.py")
        run.write_text(RUN, encoding="utf-8")
        child = subprocess.Popen([sys.executable, str(run), str(raster), str(out), str(workers)], stdout=said)
        peak = 0
        process = psutil.Process(child.pid)
        while child.poll() is None:
            peak = max(peak, memory_bytes(process))
            time.sleep(0.2)
        said.seek(0)
        text = said.read().strip()
    if child.returncode:
        raise SystemExit(f"vectorise ended with {child.returncode}")
    after = os.times()
    spent = sum(after[2:4]) - sum(before[2:4])
    return spent, time.perf_counter() - start, peak / 1e6, text


def memory_bytes(process: psutil.Process) -> int:
    """Return the proportional set sizes of a process and its children, together."""
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_full_info().pss
    except psutil.Error:  # One has just ended.
        return total
    return total


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mpx", type=float, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--board-px", type=int, default=8 * TILE_PX)
    arguments = parser.parse_args()
    starts: list[float] = []
    for megapixels in [*3 * [TINY_MPX], *arguments.mpx]:
        with tempfile.TemporaryDirectory() as folder:
            raster, out = Path(folder) / "classes.tif", Path(folder) / "vectors.gpkg"
            actual, share = write_raster(raster, megapixels, arguments.board_px)
            spent, clock, peak, totals = measured(raster, out, arguments.workers)
            if megapixels == TINY_MPX:
                starts.append(spent)
                print(f"start-up {spent:.1f} s of processor, {peak:.0f} MB", flush=True)
                continue
            startup = statistics.median(starts)
            print(
                f"{actual:7.1f} Mpx {share:6.2%} crack {clock:8.1f} s, {spent:8.1f} s of processor,"
                f" per Mpx without start-up {(spent - startup) / actual:.4f} s; {peak:.0f} MB;"
                f" {out.stat().st_size / 1e6:.0f} MB written",
                flush=True,
            )
            print("       ", totals, flush=True)


if __name__ == "__main__":
    main()
