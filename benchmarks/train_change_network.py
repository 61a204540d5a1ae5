"""Train the network that says whether a crack has come between two pictures, on generated facades.

    python benchmarks/train_change_network.py OUT.safetensors [--model res_unet] [--pairs 20] [--folder DIR]

Facades of the seeds from 400 on, each with its second epoch (change_on_predictions.py scores on others), are
surveyed and laid on each other; of every other facade the first picture is softened, so that the later one is
now the softer, now the sharper. True is what lies within 2 px of a crack that truly came, false what lies
more than 5 px from any; beside cracks that widened, nothing is asked. The surveys exchanged, nothing has come
but what losses and retouching took, and beside these nothing is asked: there the surveys tell it, and the
network would learn to believe them alone. Printed, for two facades that are not learnt from: the precision by
pixel at some recalls. A card of the same name tells how the weights were made.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
import torch
from affine import Affine
from change_on_predictions import FIRST, SECOND, surveyed
from numpy.typing import NDArray
from rasterio.features import rasterize
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter
from torch import nn
from torch.nn import functional

from segmentation_core.change.change_network import ChangeNetwork, exchanged
from segmentation_core.checksum import file_sha256
from segmentation_core.models.store import load_model
from segmentation_core.operations.compare_frames import Registered, register_surveys
from segmentation_core.operations.compare_inputs import chosen_surveys
from segmentation_core.operations.compare_pictures import laid_on
from segmentation_core.progress import silent
from segmentation_core.raster.grid import Window
from segmentation_core.survey.store import reading
from segmentation_core.survey.surveys import orthophotos_of

FIRST_SEED, HELD_OUT = 400, 2
NEAR_PX, FAR_PX, BESIDE_PX = 2, 5, 4
SOFTER_PX, GRAIN = 0.9, 1.5
SIDE_PX, BATCH = 160, 6
RATE, DECAY, STEEPEST = 4e-3, 1e-3, 1.0
UNSURE, LOUDER = 0.7, 0.25
RECALLS = (0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Sample:
    """One pair, seen one way: evidence (7, h, w), where a crack came, and what is asked, (h, w)."""

    seen: NDArray[np.float32]
    came: NDArray[np.bool_]
    asked: NDArray[np.bool_]


def softened(orthophoto: Path) -> Path:
    """Write the picture as a softer lens would have taken it, with grain of its own."""
    path = orthophoto.with_name("softened.tif")
    if not path.exists():
        with rasterio.open(orthophoto) as photo:
            bands, profile = photo.read(), photo.profile
        rng = np.random.default_rng(bands.shape[1:])
        for band in bands[:3]:
            soft = gaussian_filter(band.astype(np.float32), SOFTER_PX)
            band[:] = np.clip(soft + rng.normal(0, GRAIN, soft.shape), 0, 255).round()
        with rasterio.open(path, "w", **profile) as out:
            out.write(bands)
    return path


def both_ways(book: Path, change_shapes: Path) -> tuple[Sample, Sample]:
    """Return a surveyed pair as it is, and with the surveys exchanged."""
    with reading(book) as opened:
        surveys = chosen_surveys(opened, FIRST, SECOND)
        before, after = (orthophotos_of(opened, survey.surv_id) for survey in surveys)
    pair = register_surveys(before, after, silent)[0][0]
    with ExitStack() as stack:
        laid = laid_on(pair, stack)
        if laid is None:
            raise SystemExit(f"{book}: its surveys kept no probabilities")
        shape = laid.grid.height, laid.grid.width
        whole = Window(0, 0, max(shape), max(shape))
        told = laid.seen(
            laid.noise([whole]), whole, *(laid.probabilities(whole, of) for of in (laid.cracks, laid.losses))
        )
    if told is None:
        raise SystemExit(f"{book}: its pictures do not overlap")
    seen, valid = (values[..., : shape[0], : shape[1]] for values in told)
    lines = geopandas.read_file(change_shapes, layer="change_line")
    areas = geopandas.read_file(change_shapes, layer="change_polygon").geometry.to_numpy()
    came = lines[lines.kind.isin(["new", "extended"])].geometry.to_numpy()
    widened = lines[lines.kind == "widened"].geometry.to_numpy()
    true, near = (_around(pair, came, reach, shape) for reach in (NEAR_PX, FAR_PX))
    asked = valid & ~_around(pair, widened, BESIDE_PX, shape)
    return (
        Sample(seen, true, asked & (true | ~near)),
        Sample(exchanged(seen), np.zeros_like(true), asked & ~_around(pair, areas, BESIDE_PX, shape)),
    )


def _around(
    pair: Registered, shapes: NDArray[np.object_], reach_px: float, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the pixels of the earlier picture around shapes in map units."""
    to_pixels = ~Affine(*pair.record_a.transform)
    drawn = shapely.transform(shapes, lambda xy: np.column_stack(to_pixels * (xy[:, 0], xy[:, 1])))
    found: NDArray[np.bool_] = rasterize(
        [(grown, 1) for grown in shapely.buffer(drawn, reach_px)], out_shape=shape, fill=0, dtype="uint8"
    ).astype(bool)
    return found


def batch(samples: list[Sample], rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
    """Return evidence, truth and what is asked of random windows, turned and mirrored; half show what came.

    Probabilities are made surer and less sure, and what is unexplained louder and quieter: another network's,
    another camera's.
    """
    drawn: list[list[NDArray[np.float32]]] = [[], [], []]
    for number in range(BATCH):
        sample = samples[rng.integers(len(samples))]
        height, width = sample.came.shape
        row, col = rng.integers(height - SIDE_PX), rng.integers(width - SIDE_PX)
        if number % 2 and sample.came.any():
            rows, cols = np.nonzero(sample.came)
            which = rng.integers(len(rows))
            row = int(np.clip(rows[which] - rng.integers(SIDE_PX), 0, height - SIDE_PX))
            col = int(np.clip(cols[which] - rng.integers(SIDE_PX), 0, width - SIDE_PX))
        place = np.s_[..., row : row + SIDE_PX, col : col + SIDE_PX]
        turns, mirrored = rng.integers(4), rng.integers(2)
        seen = sample.seen[place].copy()
        seen[0] *= np.exp(rng.normal(0, LOUDER))
        seen[1:5] += rng.normal(0, UNSURE / 2, (4, 1, 1)) * (seen[1:5] > seen[1:5].min())
        for values, each in zip(drawn, (seen, sample.came[place], sample.asked[place]), strict=True):
            turned = np.rot90(each[..., ::-1] if mirrored else each, turns, (-2, -1))
            values.append(np.ascontiguousarray(turned, dtype=np.float32))
    return tuple(torch.from_numpy(np.stack(values)) for values in drawn)


def precision_at(network: ChangeNetwork, samples: list[Sample]) -> dict[float, float]:
    """Return the precision by pixel at each of `RECALLS`."""
    told, true = [], []
    with torch.inference_mode():
        for sample in samples:
            odds = network(torch.from_numpy(sample.seen)[None])[0].numpy()
            told.append(odds[sample.asked])
            true.append(sample.came[sample.asked])
    right = np.concatenate(true)[np.argsort(-np.concatenate(told))].cumsum()
    ranks = [int(np.searchsorted(right, recall * right[-1])) for recall in RECALLS]
    return {recall: round(float(right[k] / (k + 1)), 3) for recall, k in zip(RECALLS, ranks, strict=True)}


def trained(samples: list[Sample], held_out: list[Sample], steps: int, seed: int) -> ChangeNetwork:
    """Return a network that learnt from all samples, telling now and then how good it is on others."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = ChangeNetwork()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.1)
            nn.init.zeros_(layer.bias)
    # A crack came at one pixel in fifty: begun at one half, the first steps would learn but that.
    nn.init.constant_(network.joined[-1].bias, -4.0)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    begun = time.monotonic()
    for step in range(1, steps + 1):
        seen, came, asked = batch(samples, rng)
        each = functional.binary_cross_entropy_with_logits(network(seen), came, reduction="none")
        loss = (each * asked).sum() / asked.sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), STEEPEST)
        optimiser.step()
        schedule.step()
        if step % 400 == 0 or step == steps:
            seconds = round(time.monotonic() - begun)
            print(f"{step} of {steps}, {seconds} s: {precision_at(network, held_out)}", flush=True)
    return network.eval()


def main() -> None:
    """Survey, learn, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="res_unet")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep facades and surveys here, and use those it holds")
    chosen = parser.parse_args()
    samples = []
    with tempfile.TemporaryDirectory() as name:
        for seed in range(FIRST_SEED, FIRST_SEED + chosen.pairs):
            folder = (chosen.folder or Path(name)) / str(seed)
            book, _, second = surveyed(folder, seed, chosen.model, softened if seed % 2 else None)
            samples.append(both_ways(book, second.change_shapes))
            print(f"seed {seed}: {samples[-1][0].came.sum()} pixels came", flush=True)
    held_out = [forward for forward, _ in samples[-HELD_OUT:]]
    network = trained(
        [one for pair in samples[:-HELD_OUT] for one in pair], held_out, chosen.steps, chosen.seed
    )
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, chosen.out)
    card = {
        "what": "probability that a crack has come between two surveys of one painted element",
        "data": f"generated facades of this project, seeds {FIRST_SEED} to {FIRST_SEED + chosen.pairs - 1}",
        "surveyed_with": {"model": chosen.model, "weights_sha256": load_model(chosen.model).sha256},
        "steps": chosen.steps,
        "seed": chosen.seed,
        "precision_by_pixel_at_recall": precision_at(network, held_out),
        "held_out": f"seeds {FIRST_SEED + chosen.pairs - HELD_OUT} to {FIRST_SEED + chosen.pairs - 1}",
        "sha256": file_sha256(chosen.out),
        "terms": "GPL-2.0-or-later",
    }
    chosen.out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    main()
