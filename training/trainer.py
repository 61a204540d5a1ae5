"""The training loop: plain torch, one seed, resumable.

Step k sees the same batch and learning rate however often the run was interrupted; the state file is
written as a whole or not at all. It holds tensors only (safetensors), so that resuming never unpickles.
"""

from __future__ import annotations

import copy
import csv
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader

from segmentation_core.checksum import file_sha256
from segmentation_core.errors import ModelError, ParameterError
from segmentation_core.models import build
from segmentation_core.models.card import IMAGENET_MEAN, IMAGENET_STD, normalised
from segmentation_core.vocabulary import load_vocabulary
from training.data import SampleStream, Tile
from training.losses import cross_entropy_and_dice
from training.metrics import Agreement
from training.synthetic.samples import Ingredients

__all__ = ["Recipe", "class_probabilities", "labels_from", "train", "validated"]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run.

    Attributes
    ----------
    architecture : str
        A name of the registry.
    steps : int
        Optimiser steps.
    batch : int
        Samples per step.
    size_px : int
        Side of a sample.
    synthetic : float
        Share of synthetic samples, 0-1.
    learning_rate : float
        Highest rate, after the warm-up; falls along a cosine to 1/1000 of it.
    warm_up : int
        Steps of linear warm-up.
    weight_decay : float
        On weights, not on biases or normalisation.
    ema : float
        Decay of the running average of the weights.
    seed : int
        Of weights and samples.
    start_sha256 : str or None
        File this run starts from: the state of an earlier run (its averaged weights), or the weights of an
        encoder under torchvision's names.
    encoder_rate : float
        Learning rate of the encoder over that of the rest: below 1 where the encoder starts from weights.
    frozen : tuple of str
        Modules of the network (``"layer1"``) that keep their weights and their normalisation.
    """

    architecture: str = "res_unet_lite"
    steps: int = 4000
    batch: int = 8
    size_px: int = 256
    synthetic: float = 0.6
    learning_rate: float = 2e-3
    warm_up: int = 100
    weight_decay: float = 0.02
    ema: float = 0.995
    seed: int = 20260501
    start_sha256: str | None = None
    encoder_rate: float = 1.0
    frozen: tuple[str, ...] = ()

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        progress = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
        return self.learning_rate * (0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))


_NOT_ENCODER = ("stem.", "decoder.")
# The partial ResNet-50 file ends after layer3: of layer4 it holds statistics without their convolutions.
_ENCODER_STAGES = ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.")


def _has_bfloat16() -> bool:
    """Whether this processor computes in bfloat16: emulated, it is twenty times slower than float32."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _memory_format() -> torch.memory_format:
    """Return the layout that trains fastest: measured, plain on processors without bfloat16 (x1.5)."""
    return torch.channels_last if _has_bfloat16() else torch.contiguous_format


def _encoder_weights(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the tensors of a ResNet file that fit the network's stages up to stride 16."""
    wanted = {k: v for k, v in network.state_dict().items() if k.startswith(_ENCODER_STAGES)}
    counters = {k for k in wanted if k.endswith("num_batches_tracked")}
    missing = [
        k
        for k, v in wanted.items()
        if k not in counters and (k not in tensors or tensors[k].shape != v.shape)
    ]
    if missing or not wanted:
        raise ParameterError(
            f"the weights do not fit the encoder ({', '.join(missing[:3]) or 'no ResNet'})",
            path=path,
            remedy="Give the state of an earlier run, or ResNet-50 weights under torchvision's names",
        )
    return {k: tensors[k] for k in wanted if k not in counters}


class _Run:
    """A network, its running average and its optimiser at one step."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        classes = len(load_vocabulary().classes) + 1
        self.network = build(recipe.architecture, classes).to(memory_format=_memory_format())  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval()
        for name in recipe.frozen:
            self.network.get_submodule(name).requires_grad_(False)
        groups = [
            {
                "params": [
                    p
                    for name, p in self.network.named_parameters()
                    if p.requires_grad and (p.ndim > 1) == decays and name.startswith(_NOT_ENCODER) != encoder
                ],
                "weight_decay": recipe.weight_decay if decays else 0.0,
                "scale": recipe.encoder_rate if encoder else 1.0,
            }
            for encoder in (False, True)
            for decays in (True, False)
        ]
        groups = [group for group in groups if group["params"]]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.99), fused=True)
        self.step = 0

    def tensors(self) -> dict[str, Tensor]:
        """Return the whole state as named tensors."""
        state = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        state |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            state |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in moments.items()}
        return {k: v.contiguous() for k, v in state.items()}

    def save(self, folder: Path) -> None:
        """Write the state atomically."""
        partial = folder / "state.partial"
        metadata = {"step": str(self.step), "recipe": json.dumps(asdict(self.recipe))}
        save_file(self.tensors(), partial, metadata)
        os.replace(partial, folder / "state.safetensors")

    def load(self, path: Path) -> None:
        """Continue from a state file of the same recipe."""
        with safe_open(path, "pt") as handle:
            metadata = handle.metadata()
        if json.loads(metadata["recipe"]) != json.loads(json.dumps(asdict(self.recipe))):
            raise ParameterError(
                "the run was started with another recipe", path=path, remedy="Use another folder"
            )
        state = load_file(path)
        self.step = int(metadata["step"])
        for name, module in (("network.", self.network), ("average.", self.average)):
            module.load_state_dict({k.removeprefix(name): v for k, v in state.items() if k.startswith(name)})
        optimiser = self.optimiser.state_dict()
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            if key.startswith("optimiser."):
                _, index, moment = key.split(".")
                moments.setdefault(int(index), {})[moment] = value
        optimiser["state"] = moments
        self.optimiser.load_state_dict(optimiser)

    def start_from(self, path: Path) -> None:
        """Take over the averaged weights of an earlier run, or an encoder."""
        if file_sha256(path) != self.recipe.start_sha256:
            raise ParameterError("the state to start from is not the recipe's", path=path)
        tensors = load_file(path)
        state = {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}
        if not state:
            state = self.network.state_dict() | _encoder_weights(self.network, tensors, path)
        self.network.load_state_dict(state)
        self.average.load_state_dict(state)

    def learn(self, images: Tensor, labels: Tensor) -> float:
        """Take one step on a batch (N, 3, H, W) uint8 with labels (N, H, W); return the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate(self.step) * group["scale"]
        self.network.train()
        for name in self.recipe.frozen:
            self.network.get_submodule(name).eval()
        x = normalised(images, IMAGENET_MEAN, IMAGENET_STD).to(memory_format=_memory_format())
        with torch.autocast("cpu", torch.bfloat16, enabled=_has_bfloat16()):
            logits = self.network(x)
        loss = cross_entropy_and_dice(logits, labels)
        if not torch.isfinite(loss):
            raise ModelError(
                f"the loss is not a number at step {self.step}", remedy="Lower the learning rate"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self._follow()
        self.step += 1
        return float(loss.detach())

    @torch.no_grad()
    def _follow(self) -> None:
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        pairs = list(zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True))
        floating = [(mean, now) for mean, now in pairs if mean.dtype.is_floating_point]
        torch._foreach_lerp_([mean for mean, _ in floating], [now for _, now in floating], 1 - decay)
        for mean, now in pairs:
            if not mean.dtype.is_floating_point:
                mean.copy_(now)


def class_probabilities(network: nn.Module, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the probabilities (K - 1, H, W) of the damage classes on a picture (H, W, 3) uint8."""
    x = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    with torch.inference_mode():
        logits = network(normalised(x, IMAGENET_MEAN, IMAGENET_STD).to(memory_format=_memory_format()))
    probabilities: NDArray[np.float32] = logits.float().softmax(dim=1)[0, 1:].numpy()
    return probabilities


def labels_from(probabilities: NDArray[np.float32], thresholds: Mapping[str, float]) -> NDArray[np.uint8]:
    """Return labels (H, W): vocabulary values where a class passes its threshold, the winner where two do."""
    vocabulary = load_vocabulary()
    labels = np.full(probabilities.shape[1:], vocabulary.background_value, np.uint8)
    for defect in vocabulary.drawing_order:
        labels[probabilities[vocabulary.codes.index(defect.code)] >= thresholds[defect.code]] = defect.value
    return labels


def validated(
    network: nn.Module, tiles: tuple[Tile, ...], thresholds: Mapping[str, float]
) -> dict[str, Agreement]:
    """Score a network on tiles, per class, sums pooled over all tiles."""
    network.eval()
    scores = {c.code: Agreement(c.value) for c in load_vocabulary().classes}
    for tile in tiles:
        labels = labels_from(class_probabilities(network, tile.image), thresholds)
        for agreement in scores.values():
            agreement.add(labels, tile.label)
    return scores


def train(  # noqa: PLR0913 - what a run is made of
    recipe: Recipe,
    tiles: tuple[Tile, ...],
    ingredients: Ingredients,
    folder: Path,
    *,
    validation: tuple[Tile, ...] = (),
    start: Path | None = None,
    every: int = 250,
    report: Callable[[str], object] = str,
) -> nn.Module:
    """Train, or continue the training found in ``folder``.

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
        Scored every ``every`` steps, never trained on.
    start : Path or None
        State file of an earlier run to start from; its checksum is the recipe's.
    every : int
        Steps between two states on disk.
    report : callable
        Receives a line now and then.

    Returns
    -------
    torch.nn.Module
        The running average of the weights, in evaluation mode.

    Raises
    ------
    ParameterError
        The folder holds a run of another recipe.
    ModelError
        The loss is not a number; the last good state stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(recipe)
    state = folder / "state.safetensors"
    if state.exists():
        run.load(state)
    elif start is not None:
        run.start_from(start)
    stream = SampleStream(
        tiles,
        ingredients,
        seed=recipe.seed,
        batch=recipe.batch,
        size_px=recipe.size_px,
        synthetic=recipe.synthetic,
        steps=range(run.step, recipe.steps),
    )
    losses: list[float] = []
    started = time.monotonic()
    halves = {c.code: 0.5 for c in load_vocabulary().classes}
    first = run.step
    for images, labels in DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=4):
        losses.append(run.learn(images, labels))
        if run.step % every == 0 or run.step == recipe.steps:
            run.save(folder)
            seconds = (time.monotonic() - started) / (run.step - first)
            scores = validated(run.average, validation, halves)
            _log(folder, run.step, float(np.mean(losses)), seconds, scores)
            report(
                f"step {run.step}/{recipe.steps}  loss {np.mean(losses):.4f}  {seconds:.2f} s/step  "
                + _line(scores)
            )
            losses.clear()
    average: nn.Module = run.average
    return average


def _line(scores: dict[str, Agreement]) -> str:
    return "  ".join(f"{code} IoU {s.iou:.3f} F1(2 px) {s.tolerance_f1:.3f}" for code, s in scores.items())


def _log(folder: Path, step: int, loss: float, seconds: float, scores: dict[str, Agreement]) -> None:
    path = folder / "log.csv"
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        if new:
            columns = [f"{code}_{name}" for code in scores for name in ("iou", "tolerance_f1")]
            writer.writerow(["step", "loss", "seconds_per_step", *columns])
        writer.writerow([step, loss, seconds, *(v for s in scores.values() for v in (s.iou, s.tolerance_f1))])
