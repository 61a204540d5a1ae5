"""``model``: list, add and remove models of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segmentation_core.models import store

__all__ = ["model_add", "model_list", "model_remove"]


def _row(model: store.StoredModel, *, default: bool) -> dict[str, Any]:
    low, high = model.card.crack_width_px
    return {
        "name": model.name,
        "architecture": model.card.architecture,
        "shipped": model.shipped,
        "default": default,
        "crack_width_px": [low, high],
        "thresholds": dict(model.card.thresholds),
        "sha256": model.card.weights_sha256,
        "path": str(model.path),
    }


def model_list() -> dict[str, Any]:
    """Return ``{"models": [...]}``, one entry per model of the store, the default marked."""
    models = store.list_models()
    default = store.default_name(models)
    return {"models": [_row(model, default=model.name == default) for model in models]}


def model_add(path: Path) -> dict[str, Any]:
    """Check a model and copy it into the user's folder; return its entry.

    Raises
    ------
    ModelError
        The model cannot be used or its name is taken.
    """
    return _row(store.add_model(path), default=False)


def model_remove(name: str) -> dict[str, Any]:
    """Remove a model that the user added; return its ``name`` and the ``path`` that its weights had.

    Raises
    ------
    ModelError
        There is no such model, it ships with the package, or the folder cannot be written to.
    """
    return {"name": name, "path": str(store.remove_model(name))}
