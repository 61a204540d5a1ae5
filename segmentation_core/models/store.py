"""The model store: models that ship with the package, and those the user added.

A model is its card ``NAME.json`` and its weights ``NAME.safetensors``, which may have further parts. Added
ones live in a folder of the user's, ``CRAQUELURE_HOME`` or the platform's place for application data.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from segmentation_core.errors import DiskFullError, ModelError
from segmentation_core.models.card import ModelCard, read_card
from segmentation_core.models.checkpoint import LoadedModel, load_checkpoint, weight_files
from segmentation_core.models.registry import ARCHITECTURES

__all__ = [
    "StoredModel",
    "add_model",
    "default_name",
    "list_models",
    "load_model",
    "model_file",
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
        """Name to give to ``--model``: that of the file, which `add_model` takes from the card."""
        return self.path.stem


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
    """Return the models of the store by name; a model the user added hides no shipped one.

    Raises
    ------
    ModelError
        The card of one of them cannot be read; the message names it.
    """
    files = _files()
    return tuple(
        StoredModel(read_card(path.with_suffix(".json")), path, path.parent == _SHIPPED)
        for path in (files[name] for name in sorted(files))
    )


def _files() -> dict[str, Path]:
    """Return the weight files by name. No card is read: a broken model is in nobody's way."""
    files: dict[str, Path] = {}
    for folder in (_SHIPPED, user_folder()):
        for path in sorted(folder.glob("*.safetensors")):
            if not _is_a_part(path):
                files.setdefault(path.stem, path)
    return files


def _is_a_part(path: Path) -> bool:
    """Say whether a file holds further weights of the model whose name it begins with."""
    return bool(_PART.search(path.name)) and not path.with_suffix(".json").exists()


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
    return load_checkpoint(model_file(name_or_file))


def model_file(name_or_file: str | Path | None = None) -> Path:
    """Return the weight file that `load_model` would load, unread.

    Raises
    ------
    ModelError
        No model has this name.
    """
    if name_or_file is not None and _names_a_file(str(name_or_file)):
        return Path(name_or_file)
    files = _files()
    name = _default(files) if name_or_file is None else str(name_or_file)
    if name is None:
        raise ModelError("no model is installed", remedy="Add one with 'craquelure model add FILE'")
    if name not in files:
        raise ModelError(
            f"no model is called {name!r}",
            remedy=f"Choose one of {', '.join(sorted(files))}, or add one with 'craquelure model add FILE'",
        )
    return files[name]


def default_name(models: tuple[StoredModel, ...]) -> str | None:
    """Return the name of the model to use where none is asked for: the first architecture that is there."""
    return _default({model.name for model in models})


def _default(names: Container[str]) -> str | None:
    return next((name for name in ARCHITECTURES if name in names), None)


def _names_a_file(text: str) -> bool:
    return text.endswith(".safetensors") or "/" in text or os.sep in text or Path(text).is_file()


def add_model(path: Path) -> StoredModel:
    """Check a model and copy it, with its card, into the user's folder.

    Raises
    ------
    ModelError
        The model cannot be used, its name is not fit for a file, a model of that name is there, or the
        folder cannot be written to.
    DiskFullError
        No room.
    """
    model = load_checkpoint(path)
    name = model.name
    if not _NAME.fullmatch(name):
        raise ModelError(
            f"{name!r} cannot be a model's name", path=path, remedy="Use letters, digits, _ . - in the card"
        )
    if name in _files():
        raise ModelError(
            f"a model called {name} is there already",
            path=path,
            remedy="Remove it, or rename this one in its card",
        )
    folder = user_folder()
    target = folder / f"{name}.safetensors"
    parts = model.card.weights_parts
    pairs = [
        (path.with_suffix(".json"), target.with_suffix(".json")),
        *zip(reversed(weight_files(path, parts)), reversed(weight_files(target, parts)), strict=True),
    ]
    partials = [copy.with_suffix(".partial") for _, copy in pairs]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for (source, copy), partial in zip(pairs, partials, strict=True):
            # The first part of the weights last: it makes the model visible.
            shutil.copyfile(source, partial)
            os.replace(partial, copy)
    except OSError as exc:
        for left in (*partials, *(copy for _, copy in pairs)):
            if left.is_file():
                left.unlink()
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFullError("the disk or the quota is full", path=folder, remedy="Make room") from exc
        raise ModelError(
            f"the model cannot be copied into the store ({exc.strerror})",
            path=folder,
            remedy="Check the folder's permissions, or set CRAQUELURE_HOME to another one",
        ) from exc
    return StoredModel(model.card, target, shipped=False)


def remove_model(name: str) -> Path:
    """Remove a model that the user added, usable or not; return where its weights were.

    Raises
    ------
    ModelError
        There is no such model, it ships with the package, or the folder cannot be written to.
    """
    path = _files().get(name)
    if path is None:
        raise ModelError(
            f"no model is called {name!r}", remedy="'craquelure model list' shows the models there are"
        )
    if path.parent == _SHIPPED:
        raise ModelError(f"{name} ships with Craquelure and stays", path=path)
    parts = [part for part in path.parent.glob("*.safetensors") if _PART.sub("", part.name) == name]
    try:
        for file in (path, *(part for part in parts if _is_a_part(part))):
            file.unlink()
        path.with_suffix(".json").unlink(missing_ok=True)
    except OSError as exc:
        raise ModelError(
            f"the model cannot be removed ({exc.strerror})",
            path=path,
            remedy="Check the folder's permissions",
        ) from exc
    return path
