"""Networks, checkpoints (safetensors with a model card) and the model store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segmentation_core.models.registry import ARCHITECTURES, build

if TYPE_CHECKING:
    from segmentation_core.models.checkpoint import LoadedModel, load_checkpoint, save_checkpoint
    from segmentation_core.models.store import load_model, model_file

__all__ = [
    "ARCHITECTURES",
    "LoadedModel",
    "build",
    "load_checkpoint",
    "load_model",
    "model_file",
    "save_checkpoint",
]

_LAZY = {
    "LoadedModel": "checkpoint",
    "load_checkpoint": "checkpoint",
    "save_checkpoint": "checkpoint",
    "load_model": "store",
    "model_file": "store",
}


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first asked for."""
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(name)
