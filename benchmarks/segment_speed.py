"""How much time and memory ``segment`` takes beyond the bare network.

    python benchmarks/segment_speed.py [--mpx 100] [--device cpu] [--model NAME|FILE]
    python benchmarks/segment_speed.py --memory [--small 5000] [--large 20000] [--rows N] [--cheap-network]

The first prints whole-process time of ``segment`` (start of the interpreter, imports, reading, writing
and all) over the bare network's time on the same tiles: forward passes alone, in a fresh process, over
the same batches in the same precision and layout. Beside it stands the ratio to that whole process.
On two cores 100 Mpx take half an hour; ``--mpx 16`` takes about five minutes. A smaller raster is charged
more than its part of the start, so the start is timed too, on a picture of one small tile, and the ratio
is carried over to 100 Mpx: everything but the start grows with the number of tiles.

The second prints peak memory of ``segment`` on a small and a large raster, and their ratio. With
``--cheap-network`` a single 1x1 convolution takes the network's place, so that the largest rasters take
minutes; everything else is the same. What the pipeline takes then stands out, without the network's memory
beside it: a stricter ratio.

Without ``--model`` a ``res_unet`` with fresh weights is used: neither figure depends on the weights.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_BLOCK_PX = 512
_SPECK_PX = 64

SEGMENT = """
import sys
from segmentation_core.operations.segment import segment
photo, out, model, device, *cheap = sys.argv[1:]
if cheap:
    from torch import nn
    from segmentation_core.inference import network
    network.prepared = lambda *_, **__: nn.Conv2d(3, 3, 1)
segment(photo, out, model=model, device=device)
"""

BARE = """
import json, sys, time
import numpy as np
import torch
from segmentation_core.inference.device import choose_device
from segmentation_core.inference.network import prepared
from segmentation_core.inference.settings import SegmentSettings, plan_run
from segmentation_core.models import load_model
from segmentation_core.raster.orthophoto import open_orthophoto

photo, _, model, kind = sys.argv[1:]
device, loaded = choose_device(kind), load_model(model)
with open_orthophoto(photo) as source:
    plan = plan_run(SegmentSettings(), device, source.grid.height, source.grid.width)
    torch.set_num_threads(plan.threads)
    network = prepared(loaded.network, device, use_bfloat16=plan.use_bfloat16)
    dtype = torch.bfloat16 if plan.use_bfloat16 else torch.float32
    seconds, tiles = 0.0, 0
    for row in range(plan.tiles.rows):
        for first in range(0, plan.tiles.cols, plan.batch):
            pictures = []
            for col in range(first, min(first + plan.batch, plan.tiles.cols)):
                window = plan.tiles.tile(row, col)
                rgb, _ = source.read(window.clipped(source.grid.height, source.grid.width))
                pad = ((0, 0), (0, window.height - rgb.shape[1]), (0, window.width - rgb.shape[2]))
                pictures.append(np.pad(rgb, pad, mode="edge"))
            with torch.inference_mode():
                x = loaded.card.normalise(torch.from_numpy(np.stack(pictures)).to(device.kind))
                x = x.to(dtype, memory_format=torch.channels_last)
                if device.kind == "cuda":
                    torch.cuda.synchronize()
                began = time.perf_counter()
                network(x)
                if device.kind == "cuda":
                    torch.cuda.synchronize()
                seconds += time.perf_counter() - began
            tiles += len(pictures)
print(json.dumps({"seconds": seconds, "tiles": tiles, "device": device.name, "bfloat16": plan.use_bfloat16}))
"""


def main() -> None:
    """Run one of the two benchmarks and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mpx", type=float, default=100, help="size of the raster, Mpx")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", help="name or file; default: res_unet with fresh weights")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of time")
    parser.add_argument("--small", type=int, default=5000, help="side of the small raster, px")
    parser.add_argument("--large", type=int, default=20000, help="side of the large raster, px")
    parser.add_argument("--rows", type=int, help="height of both rasters, px; square if left out")
    parser.add_argument("--cheap-network", action="store_true", help="with --memory: measure the rest alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model = options.model or str(fresh_model(work))
        if options.memory:
            print_memory(work, model, options)
        else:
            print_speed(work, model, options)


def print_speed(work: Path, model: str, options: argparse.Namespace) -> None:
    """Time ``segment`` and the bare network on one raster."""
    photo = work / "photo.tif"
    write_photo(photo, round((options.mpx * 1e6) ** 0.5))
    arguments = (str(photo), str(work / "out"), model, options.device)
    bare_process, told = timed(BARE, arguments)
    bare = json.loads(told)
    whole, _ = timed(SEGMENT, arguments)
    speck = work / "speck.tif"
    write_photo(speck, _SPECK_PX)
    start, _ = timed(SEGMENT, (str(speck), str(work / "speck"), model, options.device))
    tiles_of_100_mpx = tile_count(10_000)
    more = tiles_of_100_mpx / bare["tiles"]
    carried_over = (start + (whole - start) * more) / (bare["seconds"] * more)
    print(f"{options.mpx:g} Mpx, {bare['tiles']} tiles, {bare['device']}, bfloat16 {bare['bfloat16']}")
    print(f"bare network            {bare['seconds']:9.1f} s")
    print(f"bare network, process   {bare_process:9.1f} s")
    print(f"segment, whole process  {whole:9.1f} s")
    print(f"ratio to the bare network          {whole / bare['seconds']:.3f}")
    print(f"ratio to the bare network's process {whole / bare_process:.3f}")
    print(f"start, on a picture of {_SPECK_PX} px     {start:9.1f} s")
    print(f"ratio at 100 Mpx ({tiles_of_100_mpx} tiles)         {carried_over:.3f}")


def print_memory(work: Path, model: str, options: argparse.Namespace) -> None:
    """Measure the peak memory of ``segment`` on two rasters."""
    peaks = []
    for side in (options.small, options.large):
        photo = work / f"{side}.tif"
        write_photo(photo, side, options.rows)
        arguments = (str(photo), str(work / str(side)), model, options.device)
        peaks.append(peak_mib(SEGMENT, (*arguments, "cheap") if options.cheap_network else arguments))
        photo.unlink()
        print(f"{side} x {options.rows or side} px: peak {peaks[-1]:.0f} MiB")
    print(f"ratio {peaks[1] / peaks[0]:.3f}")


def tile_count(side_px: int) -> int:
    """Return the tiles of a square raster."""
    from segmentation_core.inference.device import choose_device
    from segmentation_core.inference.settings import SegmentSettings, plan_run

    tiles = plan_run(SegmentSettings(), choose_device("cpu"), side_px, side_px).tiles
    return tiles.rows * tiles.cols


def timed(code: str, arguments: tuple[str, ...]) -> tuple[float, str]:
    """Run Python code in a fresh process; return its wall time, s, and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    return time.perf_counter() - began, done.stdout


def peak_mib(code: str, arguments: tuple[str, ...]) -> float:
    """Run Python code in a fresh process; return its largest resident size (Linux)."""
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "segment")
    return usage.ru_maxrss / 1024


def environment() -> dict[str, str]:
    """Return the environment that the command line gives itself."""
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}


def fresh_model(work: Path) -> Path:
    """Write a res_unet with fresh weights."""
    import torch

    from segmentation_core.models import build, save_checkpoint
    from segmentation_core.vocabulary import load_vocabulary

    torch.manual_seed(0)
    codes = load_vocabulary().codes
    classes = [{"name": name, "value": value} for value, name in enumerate(("background", *codes))]
    card = {
        "mlm:name": "fresh",
        "mlm:architecture": "res_unet",
        "mlm:input": [{"statistics": {"mean": [0.485, 0.456, 0.406], "stddev": [0.229, 0.224, 0.225]}}],
        "mlm:output": [{"classification:classes": classes}],
        "crack_width_px": [1, 6],
        "thresholds": dict.fromkeys(codes, 0.5),
        "temperature": 1.0,
    }
    path = work / "fresh.safetensors"
    save_checkpoint(path, build("res_unet"), card)
    return path


def write_photo(path: Path, side_px: int, height_px: int | None = None) -> None:
    """Write a seeded picture of 0.2 mm pixels, block row by block row."""
    import numpy as np
    import rasterio
    from affine import Affine

    height_px = height_px or side_px
    rng = np.random.default_rng(0)
    blotches = rng.integers(0, 220, (3, 64, 64), dtype=np.uint8)
    texture = np.kron(blotches, np.ones((1, 16, 16), dtype=np.uint8))
    texture += rng.integers(0, 32, texture.shape, dtype=np.uint8)
    row = np.tile(texture, (1, 1, side_px // texture.shape[2] + 1))[:, :, :side_px]
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=side_px,
        height=height_px,
        count=3,
        dtype="uint8",
        crs="EPSG:32650",
        transform=Affine(0.0002, 0, 0, 0, -0.0002, 0),
        tiled=True,
        blockxsize=_BLOCK_PX,
        blockysize=_BLOCK_PX,
        compress="deflate",
        zlevel=1,
        photometric="rgb",
        interleave="pixel",
        bigtiff="if_safer",
    ) as dataset:
        for top in range(0, height_px, texture.shape[1]):
            height = min(texture.shape[1], height_px - top)
            window = rasterio.windows.Window(0, top, side_px, height)
            dataset.write(np.roll(row[:, :height], top // 7, axis=2), window=window)


if __name__ == "__main__":
    main()
