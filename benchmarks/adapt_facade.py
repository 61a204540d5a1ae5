"""Fit a shipped model to one building from a few corrected windows, as a conservator would.

A facade is painted that no training saw (the preset was chosen on seed 77, others judge it); windows of
512 px, evenly along its beams, stand for the corrected ones, and every third of them is held out. Then the
commands of docs/training.md run, and the figures of the held-out windows before and after are printed, with
the time it took. ``--picture`` draws some windows. ``--other-beam`` holds out a whole beam instead, which
asks for more than an adapter is for.

    python benchmarks/adapt_facade.py --model res_unet_lite
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
import rasterio.windows
from PIL import Image

from segmentation_core.facade.generate import Facade, generate_facade
from segmentation_core.facade.layout import facade_layout
from segmentation_core.models import LoadedModel, load_model
from training.benchmark.plots import coloured, sheet
from training.dataset.folder import open_dataset
from training.prediction import Scaling, class_logits, labels_from, softened

_SIZE_PX, _SIDE_PX = (6144, 3072), 512
_BAR = 0.05


def cut_windows(facade: Facade, folder: Path, each: int) -> None:
    """Cut windows out of every beam, evenly along it, with their true labels; the beam is the group."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    rows = [("name", "site", "element", "group")]
    with rasterio.open(facade.orthophoto) as picture, rasterio.open(facade.truth_raster) as truth:
        for beam in facade_layout(_SIZE_PX).beams:
            x0, y0, x1, y1 = beam.box_px
            top = (y0 + y1 - _SIDE_PX) // 2
            for number, left in enumerate(np.linspace(x0, x1 - _SIDE_PX, each).astype(int).tolist()):
                window = rasterio.windows.Window(left, top, _SIDE_PX, _SIDE_PX)
                name = f"{beam.beam_id}-{number}"
                rgb = picture.read((1, 2, 3), window=window).transpose(1, 2, 0)
                Image.fromarray(np.ascontiguousarray(rgb)).save(folder / "images" / f"{name}.png")
                Image.fromarray(truth.read(1, window=window)).save(folder / "masks" / f"{name}.png")
                rows.append((name, "facade", beam.beam_id, beam.beam_id))
    with (folder / "masks" / "manifest.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows(rows)


def craquelure(*arguments: object) -> dict:
    """Run a command of the command line; return what it prints as JSON."""
    command = [sys.executable, "-m", "training", *map(str, arguments), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def found(loaded: LoadedModel, image: np.ndarray) -> np.ndarray:
    """Return the classes a model finds in a picture (H, W, 3)."""
    logits = class_logits(loaded.network, image, Scaling(loaded.card.mean, loaded.card.std))
    return labels_from(softened(logits, loaded.card.temperature)[1:], loaded.card.thresholds)


def draw(path: Path, data: Path, before: LoadedModel, after: LoadedModel) -> None:
    """Draw some held-out windows: picture, truth, found before and after."""
    dataset = open_dataset(data)
    tiles = [tile for tile in dataset.tiles("validation") if (tile.label == 1).any()][:3]
    sheet(
        path,
        {
            "held-out window": [t.image for t in tiles],
            "true": [coloured(t.label) for t in tiles],
            "found before": [coloured(found(before, t.image)) for t in tiles],
            "found after adapting": [coloured(found(after, t.image)) for t in tiles],
        },
        side_px=300,
    )


def main() -> None:
    """Print before and after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="res_unet_lite")
    parser.add_argument("--windows", type=int, default=4, help="of each of the three beams")
    parser.add_argument("--seed", type=int, default=101, help="of the facade")
    parser.add_argument("--other-beam", action="store_true", help="hold out the whole third beam")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the preset")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    changes = [word for change in options.set for word in ("--set", change)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        facade = generate_facade(folder / "facade", seed=options.seed, size_px=_SIZE_PX)
        cut_windows(facade, folder / "cut", options.windows)
        data, adapter = folder / "data", folder / "adapter.safetensors"
        masks = ("import-masks", folder / "cut" / "images", folder / "cut" / "masks", "-o", data)
        craquelure("dataset", *masks)
        if options.other_beam:
            held = ("--validation", "B3")
        else:
            names = sorted(path.stem for path in (folder / "cut" / "images").iterdir())
            held = ("--by", "image", "--validation", ",".join(names[1::3]))
        craquelure("dataset", "split", data, "--shares", "1,0,0", *held)
        began = time.perf_counter()
        told = craquelure("adapt", "--base", options.model, "--data", data, "-o", adapter, *changes)
        seconds = time.perf_counter() - began
        print(
            f"{2 * options.windows} windows of {_SIDE_PX} px, {options.model}: {seconds:.0f} s by the clock"
        )
        for key in ("craquelure.tolerance_f1", "craquelure.f1", "paint_loss.f1", "paint_loss.iou"):
            before, after = (told[when]["figures"][key] for when in ("before", "after"))
            bar = f" (bar: +{_BAR})" if key == "craquelure.tolerance_f1" else ""
            print(f"{key:26} {before:.3f} -> {after:.3f}  {after - before:+.3f}{bar}")
        if options.picture and told["kept"]:
            draw(options.picture, data, load_model(options.model), load_model(adapter))


if __name__ == "__main__":
    main()
