"""What decides a training run: a frozen dataclass, and its form on disk, TOML."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from segmentation_core.errors import ParameterError
from training.losses import LOSSES, Loss
from training.synthetic.samples import UNDAMAGED

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same reader before it joined the standard library
    import tomli as tomllib

__all__ = ["PRESETS", "Recipe", "changed", "load_recipe", "recipe_as_toml"]

PRESETS = ("default", "quick", "paper", "adapt")
"""Names of the recipes that come with the package."""

_CHOICES = {
    "loss": LOSSES,
    "optimiser": ("adamw", "adam"),
    "schedule": ("cosine", "paper"),
    "augmentation": ("full", "mild", "paper", "none"),
    "normalisation": ("imagenet", "unit"),
    "precision": ("auto", "float32"),
    "trained": ("all", "norm_and_head"),
    "statistics": ("batch", "kept"),
    "generator": ("full", "plain"),
    "keep": ("last", "lowest_validation_loss"),
}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run but the data and the device.

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
    undamaged : float
        Share of the synthetic samples that show no damage, 0-1.
    learning_rate : float
        Highest rate, after the warm-up.
    warm_up : int
        Steps of linear warm-up.
    weight_decay : float
        On weights, not on biases or normalisation.
    ema : float
        Decay of the running average of the weights; 0 for none.
    seed : int
        Of weights and samples.
    start_sha256 : str or None
        File this run starts from: the state of an earlier run (its averaged weights), or the weights of an
        encoder under torchvision's names.
    encoder_rate : float
        Learning rate of the encoder over that of the rest: below 1 where the encoder starts from weights.
    loss : str
        One of `training.losses.LOSSES`.
    focal_weight : float
        Lambda of ``mixed1``.
    skeleton_weight : float
        Weight of Skeleton Recall in ``ours``.
    class_weights : tuple of float
        For the loss, background first; empty for none.
    optimiser : {"adamw", "adam"}
        With betas 0.9 and 0.99, or 0.9 and 0.999 as in the paper.
    schedule : {"cosine", "paper"}
        Per step with linear warm-up, or per epoch as in the paper's implementation: quadratic warm-up from
        a tenth, cosine, flat at the end.
    lowest_rate : float
        Where the schedule ends, as a share of the highest rate.
    epochs : int
        If not 0, ``steps`` is epochs times the batches of an epoch; see `Recipe.resolved`.
    frozen : tuple of str
        Modules of the network (``"layer1"``) that keep their weights and their normalisation.
    frozen_share : float
        Share of the run, from its start, in which the whole encoder does not learn.
    legacy_bn : bool
        The frozen encoder goes on collecting batch statistics, as the paper's implementation does.
    foreground : float
        Share of samples cut around a damaged pixel.
    augmentation : {"full", "mild", "paper", "none"}
        Of the real samples: geometry, light and other backgrounds; geometry and light; as the paper's
        implementation; or quarter turns and mirroring alone.
    normalisation : {"imagenet", "unit"}
        What pictures are scaled to; "unit" is 0-1, as in the paper.
    precision : {"auto", "float32"}
        "auto": bfloat16 where the device computes in it.
    trained : {"all", "norm_and_head"}
        What learns; normalisation and head make an adapter.
    statistics : {"batch", "kept"}
        What normalisation computes with while training: the batch's statistics, or those the network came
        with, which then stay. A batch of few small samples says too little about a picture.
    rehearsal : float
        Share of samples of the base model's own kind (synthetic), against forgetting; for adapters.
    generator : {"full", "plain"}
        Synthetic samples as `training.synthetic` or as `training.plain_samples` makes them.
    keep : {"last", "lowest_validation_loss"}
        Which state becomes the model.
    """

    architecture: str = "res_unet_lite"
    steps: int = 4000
    batch: int = 8
    size_px: int = 256
    synthetic: float = 0.6
    undamaged: float = UNDAMAGED
    learning_rate: float = 2e-3
    warm_up: int = 100
    weight_decay: float = 0.02
    ema: float = 0.995
    seed: int = 20260501
    start_sha256: str | None = None
    encoder_rate: float = 1.0
    loss: str = "ce_dice"
    focal_weight: float = 1.0
    skeleton_weight: float = 1.0
    class_weights: tuple[float, ...] = ()
    optimiser: str = "adamw"
    schedule: str = "cosine"
    lowest_rate: float = 0.001
    epochs: int = 0
    frozen: tuple[str, ...] = ()
    frozen_share: float = 0.0
    legacy_bn: bool = False
    foreground: float = 0.0
    augmentation: str = "full"
    normalisation: str = "imagenet"
    precision: str = "auto"
    trained: str = "all"
    statistics: str = "batch"
    rehearsal: float = 0.0
    generator: str = "full"
    keep: str = "last"

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ParameterError(
                    f"{name} cannot be {getattr(self, name)!r}", remedy=f"Use one of {', '.join(allowed)}"
                )
        for name in (
            "synthetic",
            "undamaged",
            "frozen_share",
            "foreground",
            "rehearsal",
            "ema",
            "lowest_rate",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} is {getattr(self, name)}", remedy="Use a number from 0 to 1")
        for name in ("steps", "batch", "size_px"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} is {getattr(self, name)}", remedy="Use 1 or more")
        if self.learning_rate <= 0 or not math.isfinite(self.learning_rate):
            raise ParameterError(f"a learning rate of {self.learning_rate} teaches nothing")

    @property
    def loss_function(self) -> Loss:
        """The loss."""
        return Loss(self.loss, self.focal_weight, self.class_weights, self.skeleton_weight)

    @property
    def frozen_steps(self) -> int:
        """First step in which the encoder learns."""
        return round(self.frozen_share * self.steps)

    def resolved(self, pictures: int) -> Recipe:
        """Return the recipe with ``steps`` counted from ``epochs`` over this many pictures."""
        if not self.epochs:
            return self
        return replace(self, steps=self.epochs * max(pictures // self.batch, 1))

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        if self.schedule == "paper":
            return self._paper_rate(step)
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        progress = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
        fall = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        return self.learning_rate * (self.lowest_rate + (1 - self.lowest_rate) * fall)

    def _paper_rate(self, step: int) -> float:
        """Per epoch; lengths of warm-up and flat end as the implementation derives them from the epochs."""
        epochs = self.epochs or 100
        epoch = step * epochs // self.steps
        high, low = self.learning_rate, self.learning_rate * self.lowest_rate
        warm, flat = min(max(0.05 * epochs, 1), 3), min(max(0.05 * epochs, 1), 15)
        if epoch <= warm:
            start = max(0.1 * high, 1e-6)
            return (high - start) * (epoch / warm) ** 2 + start
        if epoch >= epochs - flat:
            return low
        return low + 0.5 * (high - low) * (1 + math.cos(math.pi * (epoch - warm) / (epochs - warm - flat)))


def load_recipe(name_or_file: str | Path) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    name_or_file : str or Path
        One of `PRESETS`, or a TOML file.

    Raises
    ------
    ParameterError
        There is no such recipe, it is no TOML, has a key nobody knows, or a value of a wrong kind.
    """
    if str(name_or_file) in PRESETS:
        text, path = (files("training") / "presets" / f"{name_or_file}.toml").read_text("utf-8"), None
    else:
        path = Path(name_or_file)
        if not path.is_file():
            raise ParameterError(
                "there is no such preset or file",
                path=path,
                remedy=f"Use {', '.join(PRESETS)} or the path of a TOML file",
            )
        text = path.read_text(encoding="utf-8")
    try:
        return _recipe(tomllib.loads(text), path)
    except tomllib.TOMLDecodeError as exc:
        raise ParameterError(f"the preset is not valid TOML ({exc})", path=path) from exc


def _recipe(data: dict[str, Any], path: Path | None) -> Recipe:
    known = {f.name: f.default for f in fields(Recipe)}
    unknown = sorted(data.keys() - known.keys())
    if unknown:
        raise ParameterError(
            f"the preset has keys nobody knows: {', '.join(unknown)}",
            path=path,
            remedy=f"Known keys are {', '.join(known)}",
        )
    values: dict[str, Any] = {}
    for name, value in data.items():
        kind: Any = str if name == "start_sha256" else type(known[name])
        wanted = {float: (int, float), tuple: (list,)}.get(kind, (kind,))
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
            raise ParameterError(
                f"{name} in the preset is {value!r}", path=path, remedy=f"Write a {kind.__name__}"
            )
        values[name] = kind(value)
    return Recipe(**values)


def recipe_as_toml(recipe: Recipe) -> str:
    """Write a recipe as TOML that `load_recipe` reads back to an equal one."""
    lines = []
    for name, value in asdict(recipe).items():
        if value is not None:
            # JSON's strings, numbers, booleans and lists are TOML's.
            lines.append(f"{name} = {json.dumps(list(value) if isinstance(value, tuple) else value)}")
    return "\n".join(lines) + "\n"


def changed(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """Return a recipe with keys changed, each as ``key=value`` with a TOML value (quotes may be left out).

    Raises
    ------
    ParameterError
        A key nobody knows, or a value of a wrong kind.
    """
    data = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(recipe).items() if v is not None}
    for text in changes:
        name, equals, value = text.partition("=")
        if not equals:
            raise ParameterError(f"{text!r} is not KEY=VALUE")
        try:
            data[name.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            data[name.strip()] = value.strip()
    return _recipe(data, None)
