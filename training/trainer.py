"""The training loop: plain torch, one seed, resumable.

Step k sees the same batch and learning rate however often the run was interrupted; the state file is
written as a whole or not at all. It holds tensors only (safetensors), so that resuming never unpickles.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from segmentation_core.errors import DiskFullError, ParameterError
from segmentation_core.models.decoder import STRIDE_PX
from segmentation_core.progress import Progress, silent
from segmentation_core.vocabulary import load_vocabulary
from training.data import SampleStream, Tile
from training.dataset.slices import sliced
from training.metrics import Agreement
from training.prediction import SCALINGS, Scaling, class_probabilities, labels_from
from training.recipe import Recipe
from training.run_log import RunLog
from training.run_state import BEST, STATE, RunState, averaged_network
from training.synthetic.samples import Ingredients

__all__ = ["Limits", "Recipe", "class_probabilities", "labels_from", "place", "train", "validated"]

_MOST_WINDOWS = 48
_WINDOW_PX = 512
_BYTES_PER_PIXEL_AND_STEP = 7000
"""Of a sample in float32: activations kept for the backward pass, at the widest shipped network."""


@dataclass(frozen=True)
class Limits:
    """How far and where a run goes this time; none of it changes its result.

    Attributes
    ----------
    device : str
        "cpu", "cuda" or "mps".
    use_bfloat16 : bool
        Where the recipe leaves it to the device. A run that is resumed elsewhere is not bit-equal.
    max_seconds : float or None
        Stop after the step in which this much time has passed; the state is kept.
    every : int
        Steps between two states on disk.
    resume : bool
        Continue the run found in the folder; otherwise a folder that holds one is refused.
    """

    device: str = "cpu"
    use_bfloat16: bool = False
    max_seconds: float | None = None
    every: int = 250
    resume: bool = True


def validated(
    network: nn.Module,
    tiles: Sequence[Tile],
    thresholds: Mapping[str, float],
    scaling: Scaling = SCALINGS["imagenet"],
) -> dict[str, Agreement]:
    """Score a network on tiles, per class, sums pooled over all tiles."""
    network.eval()
    scores = {c.code: Agreement(c.value) for c in load_vocabulary().classes}
    for tile in tiles:
        labels = labels_from(class_probabilities(network, tile.image, scaling), thresholds)
        for code, agreement in scores.items():
            if tile.annotated is None or code in tile.annotated:
                agreement.add(labels, tile.label)
    return scores


def train(  # noqa: PLR0913 - what a run is made of
    recipe: Recipe,
    tiles: tuple[Tile, ...],
    ingredients: Ingredients,
    folder: Path,
    *,
    validation: tuple[Tile, ...] = (),
    start: Path | nn.Module | None = None,
    limits: Limits | None = None,
    report: Callable[[str], object] = str,
    progress: Progress = silent,
) -> nn.Module:
    """Train, or continue the training found in ``folder``.

    Under torchrun every process calls this alike; the first alone writes.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    tiles : tuple of Tile
        Real training tiles.
    ingredients : Ingredients
        For the synthetic ones.
    folder : Path
        State and ``log.csv`` go here.
    validation : tuple of Tile
        Scored at every state, never trained on.
    start : Path, torch.nn.Module or None
        Model, state of an earlier run, or encoder weights to start from (its checksum is the recipe's); or
        a network, as adapting does.
    limits : Limits or None
        How far and where.
    report : callable
        Receives a line now and then.
    progress : Progress
        Told the steps done; may raise `Interrupted`.

    Returns
    -------
    torch.nn.Module
        The running average of the weights, in evaluation mode; of the best state where the recipe says so.

    Raises
    ------
    ParameterError
        The folder holds a run of another recipe, or memory cannot hold the run.
    DiskFullError
        The disk cannot hold the run's state.
    ModelError
        The loss is not a number; the last good state stays.
    """
    limits = limits or Limits()
    recipe = recipe.resolved(len(tiles))
    rank, ranks = place()
    folder.mkdir(parents=True, exist_ok=True)
    network = start if isinstance(start, nn.Module) else None
    run = RunState(recipe, limits.device, use_bfloat16=_bfloat16(recipe, limits), network=network)
    state = folder / STATE
    if state.exists():
        if not limits.resume:
            raise ParameterError(
                "there is a run in this folder already",
                path=folder,
                remedy="Add --resume, or use another folder",
            )
        run.load(state)
    elif isinstance(start, Path):
        run.start_from(start)
    _check_batch(recipe, ranks)
    _check_room(run, tiles, folder)
    windows = _some(sliced(validation, _WINDOW_PX, _WINDOW_PX))
    with RunLog(folder, writes=rank == 0) as log, run.together(ranks):
        _steps(run, (tiles, ingredients, windows), folder, limits, log, report, progress)
    if recipe.keep == "lowest_validation_loss" and windows and (folder / BEST).exists():
        return averaged_network(folder / BEST)[0]
    average: nn.Module = run.average
    return average


def _steps(
    run: RunState,
    data: tuple[tuple[Tile, ...], Ingredients, tuple[Tile, ...]],
    folder: Path,
    limits: Limits,
    log: RunLog,
    report: Callable[[str], object],
    progress: Progress,
) -> None:
    recipe, (tiles, ingredients, windows) = run.recipe, data
    rank, ranks = place()
    steps = range(run.step, recipe.steps)
    stream = SampleStream(tiles, ingredients, recipe, steps=steps, rank=rank, ranks=ranks)
    losses: list[float] = []
    started, first = time.monotonic(), run.step
    progress("train", run.step, recipe.steps, "steps")
    # A process that has threads, as the engine behind a pipe has, must not be forked: the copy may wait for
    # ever for a lock that one of them held.
    method = "spawn" if threading.active_count() > 1 else None
    loader = DataLoader(
        stream, batch_size=None, num_workers=1, prefetch_factor=4, multiprocessing_context=method
    )
    for batch in loader if steps else ():
        losses.append(run.learn(batch))
        elapsed = time.monotonic() - started
        over = limits.max_seconds is not None and elapsed >= limits.max_seconds
        if over or run.step % limits.every == 0 or run.step == recipe.steps:
            # Thresholds are fitted at the end; on the way, one half.
            scores = validated(
                run.average,
                windows,
                {c.code: 0.5 for c in load_vocabulary().classes},
                SCALINGS[recipe.normalisation],
            )
            validation_loss = _validation_loss(run, windows)
            _keep_state(run, folder, validation_loss, writes=rank == 0)
            seconds = elapsed / (run.step - first)
            log.add(run.step, float(np.mean(losses)), validation_loss, seconds, scores)
            report(
                f"step {run.step}/{recipe.steps}  loss {np.mean(losses):.4f}  {seconds:.2f} s/step  "
                + "  ".join(f"{c} IoU {s.iou:.3f} F1(2 px) {s.tolerance_f1:.3f}" for c, s in scores.items())
            )
            losses.clear()
        progress("train", run.step, recipe.steps, "steps")
        if over:
            report(f"stopped after {elapsed:.0f} s at step {run.step} of {recipe.steps}; --resume continues")
            return


def _keep_state(run: RunState, folder: Path, validation_loss: float, *, writes: bool) -> None:
    better = validation_loss < run.lowest
    if better:
        run.lowest = validation_loss
    if not writes:
        return
    if better and run.recipe.keep == "lowest_validation_loss":
        run.save(folder, BEST)
    run.save(folder)


@torch.no_grad()
def _validation_loss(run: RunState, windows: Sequence[Tile]) -> float:
    """Return the mean loss over windows, one at a time, of the averaged weights; nan without any."""
    losses = []
    for tile in windows:
        batch = SampleStream.of_tile(tile, run.recipe)
        losses.append(float(run.loss(batch, run.average)))
    return float(np.mean(losses)) if losses else float("nan")


def _some(windows: tuple[Tile, ...]) -> tuple[Tile, ...]:
    """Return at most 48 windows, evenly over all, so that scoring on the way stays cheap."""
    step = -(-len(windows) // _MOST_WINDOWS) or 1
    return windows[::step]


def place() -> tuple[int, int]:
    """Return this process's rank and how many train together (torchrun sets both); the first writes."""
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return int(os.environ.get("RANK", "0")), ranks


def _bfloat16(recipe: Recipe, limits: Limits) -> bool:
    return limits.use_bfloat16 and recipe.precision == "auto"


def _check_batch(recipe: Recipe, ranks: int) -> None:
    """Refuse batches on which normalisation has a single value to learn from."""
    share = recipe.batch // ranks
    if share < 1 or (share == 1 and (recipe.size_px <= STRIDE_PX or recipe.architecture == "mc_dm")):
        raise ParameterError(
            f"a batch of {recipe.batch} samples of {recipe.size_px} px, shared by {ranks}, is too small for "
            f"{recipe.architecture}",
            remedy="Use a larger batch in the recipe",
        )


def _check_room(run: RunState, tiles: Sequence[Tile], folder: Path) -> None:
    """Refuse to start what disk or memory cannot hold."""
    parameters = sum(p.numel() for p in run.network.parameters())
    # Network, average, two moments; old state, new state and the best one side by side.
    state = 4 * 4 * parameters
    room = shutil.disk_usage(folder).free
    if room < 3 * state:
        raise DiskFullError(
            f"the run needs {3 * state / 1e6:.0f} MB on disk, {room / 1e6:.0f} MB are free",
            path=folder,
            remedy="Make room, or use a folder on another disk",
        )
    free = _free_memory()
    samples = run.recipe.batch * run.recipe.size_px**2
    needed = 4 * parameters + samples * _BYTES_PER_PIXEL_AND_STEP  # gradients, activations
    if run.device.type == "cpu" and free is not None and needed > free:
        raise ParameterError(
            f"a step needs about {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free "
            f"({len(tiles)} pictures are loaded)",
            remedy="Use a smaller batch or size_px in the recipe, or close other programs",
        )


def _free_memory() -> int | None:
    """Return the memory that is free, in bytes; None where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as handle:
            told = dict(line.split(":", 1) for line in handle)
        return int(told["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
