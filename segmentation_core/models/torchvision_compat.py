"""Lets torchvision import beside a torch build that lacks its compiled operators.

The published Linux wheel of torchvision is a CUDA build. Beside a CPU build of torch its extension does
not load, and ``import torchvision`` fails with "operator torchvision::nms does not exist" because it
registers fake kernels for operators nobody declared. Declaring them first is enough: we use only its
backbones, which call none of them (reference: QGIS page, section 0, item 7).
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from pathlib import Path
from types import ModuleType

__all__ = ["import_torchvision_models"]

_REGISTERED = re.compile(r"""register_(?:meta|fake)\(\s*["'](?:torchvision::)?(\w+)["']""")

_declarations: list[object] = []
"""Keeps the library objects alive: torch drops a declaration with the object that made it."""


def _torchvision_folder() -> Path | None:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _extension_loads(folder: Path) -> bool:
    """Say whether the compiled operators load beside this torch."""
    import torch

    for library in sorted(folder.glob("_C*.so")) + sorted(folder.glob("_C*.pyd")):
        try:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
        except OSError:
            return False
    return True


def _declare_operators(folder: Path) -> None:
    """Declare every operator for which this torchvision registers a fake kernel."""
    import torch
    from torch import library

    source = (folder / "_meta_registrations.py").read_text(encoding="utf-8")
    fragment = library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in sorted(set(_REGISTERED.findall(source))):
        if not hasattr(torch.ops.torchvision, name):
            fragment.define(f"{name}(Tensor input) -> Tensor")  # type: ignore[no-untyped-call]
    _declarations.append(fragment)


def import_torchvision_models() -> ModuleType:
    """Import ``torchvision.models``, declaring the operators that a mismatched build lacks.

    Returns
    -------
    module
        ``torchvision.models``.
    """
    folder = _torchvision_folder()
    if folder is not None and not _declarations and not _extension_loads(folder):
        _declare_operators(folder)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Failed to load image Python extension")
        import torchvision.models

    models: ModuleType = torchvision.models
    return models
