"""What a network finds at other scales than the picture's own, and turned: the same weights, other ways.

Ways: as it ships; the mean over the eight orientations of a picture; enlarged 1.5 and 2 times (bicubic; the
probabilities averaged back by area); at half the scale, as networks that resize pictures see them. Every way
gets the threshold that suits it best, so that what is compared is not how sure it is. Sets: oil paintings
and ornament that no training saw, undamaged ornament and paintings, and two painted facades.

    python benchmarks/ways_of_running.py [--model res_unet] [--data DATA]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
import rasterio.windows
import torch
from numpy.typing import NDArray
from torch.nn import functional

from segmentation_core.facade.generate import generate_facade
from segmentation_core.facade.layout import facade_layout
from segmentation_core.models import LoadedModel, load_model
from training.benchmark.difficulty import SETS, difficulty_set
from training.benchmark.trial import markdown_table
from training.data import Tile, load_ingredients, load_tiles
from training.metrics import Agreement
from training.prediction import Scaling, class_probabilities, labels_from, turned_probabilities

THRESHOLDS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
FIRST_NUMBER, OF_EACH, UNDAMAGED = 400, 4, 20
FACADE_SEEDS, FACADE_PX, WINDOW_PX = (303, 404), (3072, 1536), 512

Way = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From a picture (H, W, 3) to the probabilities (K - 1, H, W) of the damage classes."""


def ways_of(loaded: LoadedModel) -> Mapping[str, tuple[Way, str]]:
    """Return the ways by name, and how many times a picture's pixels each computes."""
    scaling = Scaling(loaded.card.mean, loaded.card.std)
    plain: Way = partial(class_probabilities, loaded.network, scaling=scaling)
    return {
        "as shipped": (plain, "1"),
        "mean of 8 orientations": (
            lambda image: turned_probabilities(loaded.network, image, scaling)[1:],
            "8",
        ),
        "enlarged 1.5 times": (partial(rescaled, plain, 1.5), "2.25"),
        "enlarged 2 times": (partial(rescaled, plain, 2.0), "4"),
        "at half the scale": (partial(rescaled, plain, 0.5), "0.25"),
    }


def rescaled(plain: Way, factor: float, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Run a way on a picture at another scale."""
    x = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), np.float32))[None]
    size = [round(side * factor) for side in image.shape[:2]]
    x = functional.interpolate(x, size, mode="bicubic", align_corners=False, antialias=factor < 1)
    other = x[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()
    found = torch.from_numpy(plain(np.ascontiguousarray(other)))[None]
    mode = {"mode": "area"} if factor > 1 else {"mode": "bilinear", "align_corners": False}
    back: NDArray[np.float32] = functional.interpolate(found, image.shape[:2], **mode)[0].numpy()
    return back


def facade_windows(folder: Path, seed: int) -> list[Tile]:
    """Return two windows of every beam of a facade."""
    facade = generate_facade(folder, seed=seed, size_px=FACADE_PX)
    tiles = []
    with rasterio.open(facade.orthophoto) as picture, rasterio.open(facade.truth_raster) as truth:
        for beam in facade_layout(FACADE_PX).beams:
            x0, y0, x1, y1 = beam.box_px
            high = min(WINDOW_PX, y1 - y0)
            for left in (x0, x1 - WINDOW_PX):
                window = rasterio.windows.Window(left, (y0 + y1 - high) // 2, WINDOW_PX, high)
                rgb = np.ascontiguousarray(picture.read((1, 2, 3), window=window).transpose(1, 2, 0))
                tiles.append(Tile(beam.beam_id, beam.beam_id, rgb, truth.read(1, window=window)))
    return tiles


def sets_of(data: Path, folder: Path) -> dict[str, Sequence[Tile]]:
    """Return the pictures by set."""
    ingredients = load_ingredients(data)
    sets: dict[str, Sequence[Tile]] = {
        "oil": load_tiles(data / "craquelure_oil", validation=True)[::4],
        "ornament": [],
    }
    for name in SETS:
        if name.startswith("undamaged"):
            numbers = range(FIRST_NUMBER, FIRST_NUMBER + UNDAMAGED)
            sets[name] = difficulty_set(name, ingredients, numbers)
        else:
            numbers = range(FIRST_NUMBER, FIRST_NUMBER + OF_EACH)
            sets["ornament"] = [*sets["ornament"], *difficulty_set(name, ingredients, numbers)]
    for seed in FACADE_SEEDS:
        sets[f"facade {seed}"] = facade_windows(folder / str(seed), seed)
    return sets


def agreements(way: Way, tiles: Sequence[Tile]) -> dict[float, tuple[Agreement, Agreement]]:
    """Score a way on a set at every threshold: craquelure and paint loss."""
    scores = {t: (Agreement(1), Agreement(2)) for t in THRESHOLDS}
    for tile in tiles:
        found = way(tile.image)
        for threshold, both in scores.items():
            labels = labels_from(found, {"craquelure": threshold, "paint_loss": threshold})
            for agreement in both:
                agreement.add(labels, tile.label)
    return scores


def told(
    scores: Mapping[str, Mapping[float, tuple[Agreement, Agreement]]], sets: Mapping[str, Sequence[Tile]]
) -> dict[str, str]:
    """Return a way's cells: damaged sets at their best, undamaged ones at the rest's thresholds."""
    damaged = [name for name in sets if not name.startswith("undamaged")]
    with_loss = [name for name in damaged if name != "oil"]
    line = max(THRESHOLDS, key=lambda t: sum(scores[n][t][0].tolerance_f1 for n in damaged))
    area = max(THRESHOLDS, key=lambda t: sum(scores[n][t][1].f1 for n in with_loss))
    cells = {"thresholds": f"{line:g} / {area:g}"}
    for name, tiles in sets.items():
        crack, loss = scores[name][line][0], scores[name][area][1]
        if name.startswith("undamaged"):
            pixels = sum(tile.label.size for tile in tiles)
            false = (100 * each.false_positive / pixels for each in (crack, loss))
            cells[f"{name}, % called"] = " / ".join(f"{share:.2f}" for share in false)
        else:
            cells[name] = f"{crack.tolerance_f1:.3f}" + ("" if name == "oil" else f" / {loss.f1:.3f}")
    return cells


def main() -> None:
    """Print the table: craquelure F1 within 2 px / paint loss F1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="res_unet")
    parser.add_argument("--data", type=Path, default=os.environ.get("CRAQUELURE_DATA"))
    options = parser.parse_args()
    loaded = load_model(options.model)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        sets = sets_of(options.data, Path(folder))
        for name, (way, work) in ways_of(loaded).items():
            cells = told({key: agreements(way, tiles) for key, tiles in sets.items()}, sets)
            rows.append({"way": name, **cells, "work": work})
    print("\n".join(markdown_table(rows)))


if __name__ == "__main__":
    main()
