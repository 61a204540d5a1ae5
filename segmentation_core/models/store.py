"""The model store: models that ship with the package, and those the user added.

A model is its card ``NAME.json`` and its weights ``NAME.safetensors``, which may have further parts. Added
ones live in a folder of the user's, ``CRAQUELURE_HOME`` or the platform's place for application data.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from segmentation_core.errors import ModelError
from segmentation_core.models.card import ModelCard, read_card
from segmentation_core.models.checkpoint import LoadedModel, load_checkpoint, weight_files
from segmentation_core.models.registry import ARCHITECTURES

__all__ = [
    "StoredModel",
    "add_model",
    "default_name",
    "list_models",
    "load_model",
    "remove_model",
    "user_folder",
]

_SHIPPED = Path(__file__).parent / "weights"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PART = re.compile(r"\.\d+\.safetensors$")


@dataclass(frozen=True)
class StoredModel:
    """A model of the store; ``shipped`` ones came with the package and cannot be removed."""

    card: ModelCard
    path: Path
    shipped: bool

    @property
    def name(self) -> str:
        """Name to give to ``--model``."""
        return self.card.name


def user_folder() -> Path:
    """Return the folder of the models the user added."""
    home = os.environ.get("CRAQUELURE_HOME")
    if home:
        return Path(home) / "models"
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "craquelure" / "models"


def list_models() -> tuple[StoredModel, ...]:
    """Return the models of the store by name; a model the user added hides no shipped one."""
    models: dict[str, StoredModel] = {}
    for folder, shipped in ((_SHIPPED, True), (user_folder(), False)):
        for path in sorted(folder.glob("*.safetensors")):
            if _PART.search(path.name) and not path.with_suffix(".json").exists():
                continue
            model = StoredModel(read_card(path.with_suffix(".json")), path, shipped)
            models.setdefault(model.name, model)
    return tuple(models[name] for name in sorted(models))


def load_model(name_or_file: str | Path | None = None) -> LoadedModel:
    """Load a model by name or file; without one, the best that ships.

    Parameters
    ----------
    name_or_file : str, Path or None
        A name of the store, a ``.safetensors`` file, or None for the default: ``res_unet`` where its
        weights are, else ``res_unet_lite``.

    Raises
    ------
    ModelError
        There is no such model, or it cannot be used.
    """
    if name_or_file is not None and _names_a_file(str(name_or_file)):
        return load_checkpoint(Path(name_or_file))
    models = {model.name: model for model in list_models()}
    name = default_name(tuple(models.values())) if name_or_file is None else str(name_or_file)
    if name is None:
        raise ModelError("no model is installed", remedy="Add one with 'craquelure model add FILE'")
    if name not in models:
        raise ModelError(
            f"no model is called {name!r}",
            remedy=f"Choose one of {', '.join(models)}, or add one with 'craquelure model add FILE'",
        )
    return load_checkpoint(models[name].path)


def default_name(models: tuple[StoredModel, ...]) -> str | None:
    """Return the name of the model to use where none is asked for: the first architecture that is there."""
    names = {model.name for model in models}
    return next((name for name in ARCHITECTURES if name in names), None)


def _names_a_file(text: str) -> bool:
    return text.endswith(".safetensors") or "/" in text or os.sep in text or Path(text).is_file()


def add_model(path: Path) -> StoredModel:
    """Check a model and copy it, with its card, into the user's folder.

    Raises
    ------
    ModelError
        The model cannot be used, its name is not fit for a file, or a model of that name is there.
    """
    model = load_checkpoint(path)
    name = model.name
    if not _NAME.fullmatch(name):
        raise ModelError(
            f"{name!r} cannot be a model's name", path=path, remedy="Use letters, digits, _ . - in the card"
        )
    if any(known.name == name for known in list_models()):
        raise ModelError(
            f"a model called {name} is there already",
            path=path,
            remedy="Remove it, or rename this one in its card",
        )
    folder = user_folder()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.safetensors"
    parts = model.card.weights_parts
    pairs = [
        (path.with_suffix(".json"), target.with_suffix(".json")),
        *zip(reversed(weight_files(path, parts)), reversed(weight_files(target, parts)), strict=True),
    ]
    for source, copy in pairs:  # the first part of the weights last: it makes the model visible
        partial = copy.with_suffix(".partial")
        shutil.copyfile(source, partial)
        os.replace(partial, copy)
    return StoredModel(model.card, target, shipped=False)


def remove_model(name: str) -> StoredModel:
    """Remove a model that the user added.

    Raises
    ------
    ModelError
        There is no such model, or it ships with the package.
    """
    for model in list_models():
        if model.name == name:
            break
    else:
        raise ModelError(
            f"no model is called {name}", remedy="'craquelure model list' shows the models there are"
        )
    if model.shipped:
        raise ModelError(f"{name} ships with Craquelure and stays", path=model.path)
    for file in weight_files(model.path, model.card.weights_parts):
        file.unlink()
    model.path.with_suffix(".json").unlink()
    return model
