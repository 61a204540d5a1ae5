"""From a trained network to a model file: thresholds from validation, figures, card, curves."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch import nn

from segmentation_core import __version__
from segmentation_core.models import save_checkpoint
from training.calibration import calibrated
from training.checkpoint_card import checkpoint_card
from training.data import Tile
from training.dataset.folder import Dataset
from training.dataset.slices import sliced
from training.evaluation import evaluated, summary
from training.prediction import SCALINGS, class_logits
from training.recipe import Recipe, recipe_as_toml

__all__ = ["MODEL", "finish", "write_run_record"]

MODEL = "model.safetensors"
_PACKAGES = ("torch", "torchvision", "numpy", "scikit-image", "scipy", "pillow", "safetensors")
_WINDOW_PX = 768


def write_run_record(folder: Path, recipe: Recipe, dataset: Dataset | None, **more: Any) -> dict[str, Any]:
    """Write ``recipe.toml`` and ``run.json``: all that the run can be repeated from."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.toml").write_text(recipe_as_toml(recipe), encoding="utf-8")
    record: dict[str, Any] = {
        "recipe": asdict(recipe),
        "data": None
        if dataset is None
        else {"path": str(dataset.path), "fingerprint": dataset.fingerprint, "leaky": dataset.leaky},
        "versions": {"craquelure": __version__, "python": platform.python_version(), **_versions()},
        "commit": _commit(),
        **more,
    }
    (folder / "run.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _commit() -> str | None:
    """Return the commit of the source tree this runs from; None where it is no clone."""
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout.strip() or None


def finish(
    network: nn.Module,
    recipe: Recipe,
    folder: Path,
    validation: Sequence[Tile],
    record: dict[str, Any],
) -> dict[str, Any]:
    """Write ``model.safetensors`` with its card, and ``figures.json``, into a run's folder.

    Parameters
    ----------
    network : torch.nn.Module
        What `training.trainer.train` returned.
    recipe : Recipe
        Of the run.
    folder : Path
        Of the run.
    validation : sequence of Tile
        Temperature and thresholds are fitted on them, and the card's figures are theirs.
    record : dict
        Of `write_run_record`, for the card.

    Returns
    -------
    dict
        ``figures`` and ``intervals`` on the validation pictures, ``model`` (path), ``notes``.
    """
    scaling = SCALINGS[recipe.normalisation]
    network = network.eval().to("cpu")
    windows = sliced(validation, _WINDOW_PX, _WINDOW_PX)
    fitted = calibrated([(class_logits(network, tile.image, scaling), tile) for tile in windows])
    notes = [f"no validation picture shows {code}; its threshold is 0.5, untested" for code in fitted.unknown]
    result: dict[str, Any] = {"figures": {}, "intervals": {}}
    if windows:
        result = summary(evaluated(network, scaling, windows, fitted.thresholds, fitted.temperature))
    card = checkpoint_card(
        folder.resolve().name,
        recipe.architecture,
        scaling,
        fitted.thresholds,
        fitted.temperature,
        metrics=[
            {
                "set": "validation",
                "pictures": len(windows),
                **{k: v for k, v in result["figures"].items() if v is not None},
                "protocol": "thresholds and temperature were fitted on these same pictures: flattering",
            }
        ],
        training=record,
        known_limits=notes,
    )
    save_checkpoint(folder / MODEL, network, card)
    told = {**result, "thresholds": fitted.thresholds, "temperature": fitted.temperature, "notes": notes}
    (folder / "figures.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return {**told, "model": str(folder / MODEL)}
