"""A training run at one step: network, running average, optimiser; on disk and back."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from segmentation_core.checksum import file_sha256
from segmentation_core.errors import ModelError, ParameterError
from segmentation_core.models import build, load_checkpoint
from segmentation_core.vocabulary import load_vocabulary
from training.data import Batch
from training.parts import (
    encoder_weights,
    is_of_encoder,
    learning_parameters,
    set_training,
    without_neighbours,
)
from training.prediction import SCALINGS, memory_format
from training.recipe import Recipe

__all__ = ["BEST", "STATE", "RunState", "averaged_network", "state_recipe", "state_step"]

STATE, BEST = "state.safetensors", "best.safetensors"


class RunState:
    """A network, its running average and its optimiser at one step.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    device : torch.device
        Where.
    use_bfloat16 : bool
        Compute in bfloat16 under autocast; weights stay float32.
    network : torch.nn.Module or None
        To start from; fresh weights if None.
    """

    def __init__(
        self,
        recipe: Recipe,
        device: torch.device | str = "cpu",
        *,
        use_bfloat16: bool = False,
        network: nn.Module | None = None,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.use_bfloat16 = recipe, torch.device(device), use_bfloat16
        classes = len(load_vocabulary().classes) + 1
        fresh = build(recipe.architecture, classes) if network is None else network
        self.network = fresh.to(self.device).to(memory_format=memory_format(self.device))  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval()
        kept = tuple(f"{name}." for name in recipe.frozen)
        learning = learning_parameters(self.network, recipe.trained)
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name in learning and not name.startswith(kept))
        groups = [
            {
                "params": [
                    p
                    for name, p in learning.items()
                    if p.requires_grad and (p.ndim > 1) == decays and is_of_encoder(name) == encoder
                ],
                "weight_decay": recipe.weight_decay if decays else 0.0,
                "scale": recipe.encoder_rate if encoder else 1.0,
            }
            for encoder in (False, True)
            for decays in (True, False)
        ]
        groups = [group for group in groups if group["params"]]
        if recipe.optimiser == "adam":
            self.optimiser: torch.optim.Optimizer = torch.optim.Adam(
                groups, lr=recipe.learning_rate, fused=True
            )
        else:
            self.optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.99), fused=True)
        self.step = 0
        self.lowest = float("inf")
        self.forward: nn.Module = self.network

    def tensors(self) -> dict[str, Tensor]:
        """Return the whole state as named tensors."""
        state = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        state |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            state |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in moments.items()}
        return {k: v.contiguous() for k, v in state.items()}

    def save(self, folder: Path, name: str = STATE) -> None:
        """Write the state as a whole or not at all."""
        partial = folder / f"{name}.partial"
        metadata = {
            "step": str(self.step),
            "lowest": repr(self.lowest),
            "recipe": json.dumps(asdict(self.recipe)),
        }
        save_file(self.tensors(), partial, metadata)
        os.replace(partial, folder / name)

    def load(self, path: Path) -> None:
        """Continue from a state file of the same recipe."""
        metadata = _metadata(path)
        if state_recipe(path) != self.recipe:
            raise ParameterError(
                "the run was started with another recipe", path=path, remedy="Use another folder"
            )
        state = load_file(path, device=str(self.device))
        self.step, self.lowest = int(metadata["step"]), float(metadata.get("lowest", "inf"))
        for name, module in (("network.", self.network), ("average.", self.average)):
            module.load_state_dict({k.removeprefix(name): v for k, v in state.items() if k.startswith(name)})
        optimiser = self.optimiser.state_dict()
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            if key.startswith("optimiser."):
                _, index, moment = key.split(".")
                if value.ndim:
                    # Laid out in memory like its parameter: the fused optimiser walks both side by side.
                    value = torch.empty_like(parameters[int(index)], dtype=value.dtype).copy_(value)
                moments.setdefault(int(index), {})[moment] = value
        optimiser["state"] = moments
        self.optimiser.load_state_dict(optimiser)

    def start_from(self, path: Path) -> None:
        """Take over the averaged weights of an earlier run, a model with its card, or an encoder.

        Raises
        ------
        ParameterError, ModelError
            The file is not the recipe's, its weights are another network's, or the model cannot be used.
        """
        if file_sha256(path) != self.recipe.start_sha256:
            raise ParameterError("the state to start from is not the recipe's", path=path)
        if path.with_suffix(".json").exists():
            state = load_checkpoint(path).network.state_dict()
        else:
            tensors = load_file(path, device=str(self.device))
            state = {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}
            if not state:
                state = self.network.state_dict() | encoder_weights(self.network, tensors, path)
        state = without_neighbours(self.network, state)
        try:
            self.network.load_state_dict(state)
        except RuntimeError as exc:
            raise ParameterError(
                f"the weights to start from are not those of a {self.recipe.architecture}", path=path
            ) from exc
        self.average.load_state_dict(state)

    def learn(self, batch: Batch) -> float:
        """Take one step; return the loss.

        Raises
        ------
        ModelError
            The loss is not a number. Nothing was learnt from this batch.
        """
        recipe = self.recipe
        torch.manual_seed(recipe.seed + self.step)  # dropout is the same whoever resumes
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.rate(self.step) * group["scale"]
        frozen = self.step < recipe.frozen_steps
        set_training(
            self.network,
            recipe.trained,
            frozen=frozen,
            legacy_bn=recipe.legacy_bn,
            statistics=recipe.statistics,
        )
        for name in recipe.frozen:
            self.network.get_submodule(name).requires_grad_(False).eval()
        loss = self.loss(batch, self.forward)
        if not torch.isfinite(loss):
            raise ModelError(
                f"the loss is not a number at step {self.step} (batch of {batch.names}); "
                "the last state on disk is good",
                remedy="Look at these pictures or lower the learning rate; --resume goes on from that state",
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self._follow()
        self.step += 1
        return float(loss.detach())

    def loss(self, batch: Batch, network: nn.Module) -> Tensor:
        """Return the loss of a network on a batch."""
        images, labels = batch.images.to(self.device), batch.labels.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.use_bfloat16):
            logits = network(SCALINGS[self.recipe.normalisation](images))
        return self.recipe.loss_function(
            logits.float(),
            labels,
            annotated=batch.annotated.to(self.device),
            tubes=batch.tubes.to(self.device),
        )

    @torch.no_grad()
    def _follow(self) -> None:
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        pairs = list(zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True))
        floating = [(mean, now) for mean, now in pairs if mean.dtype.is_floating_point]
        torch._foreach_lerp_([mean for mean, _ in floating], [now for _, now in floating], 1 - decay)
        for mean, now in pairs:
            if not mean.dtype.is_floating_point:
                mean.copy_(now)

    @contextmanager
    def together(self, ranks: int) -> Iterator[None]:
        """Share gradients with the other processes of a torchrun, if there are several."""
        if ranks > 1:
            self.forward = nn.parallel.DistributedDataParallel(
                self.network,
                device_ids=[self.device] if self.device.type == "cuda" else None,
                find_unused_parameters=self.recipe.frozen_share > 0,
            )
        yield
        self.forward = self.network


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, "pt") as handle:
            return dict(handle.metadata() or {})
    except (SafetensorError, OSError) as exc:
        raise ParameterError(
            "the state of the run cannot be read", path=path, remedy="Start the run anew in another folder"
        ) from exc


def state_recipe(path: Path) -> Recipe:
    """Return the recipe a state was made with; keys that came later have their defaults."""
    try:
        stored: dict[str, Any] = json.loads(_metadata(path)["recipe"])
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        return Recipe(**values)
    except (KeyError, TypeError, ValueError) as exc:
        raise ParameterError("this is not the state of a run", path=path) from exc


def state_step(path: Path) -> int:
    """Return the step of a state file; 0 where there is none."""
    return int(_metadata(path)["step"]) if path.exists() else 0


def averaged_network(path: Path) -> tuple[nn.Module, Recipe, int]:
    """Return the averaged network of a state file, its recipe and its step."""
    recipe = state_recipe(path)
    network = build(recipe.architecture, len(load_vocabulary().classes) + 1)
    tensors = load_file(path)
    network.load_state_dict(
        {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}
    )
    layout = memory_format(torch.device("cpu"))
    ready: nn.Module = network.eval().to(memory_format=layout)  # type: ignore[call-overload]
    return ready, recipe, int(_metadata(path)["step"])
