"""Adapters: what differs from a base model after it was fitted to one beam; half a megabyte.

An adapter holds normalisation and head alone (RECOGNITION, section 5) and names its base by checksum. It
has a card like a model's and is used like one: ``--model ADAPTER.safetensors``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from segmentation_core.checksum import file_sha256
from segmentation_core.errors import ModelError
from segmentation_core.models.card import ModelCard, read_card, write_card

__all__ = ["LARGEST_ADAPTER_BYTES", "apply_adapter", "base_path", "save_adapter"]

LARGEST_ADAPTER_BYTES = 500_000


def save_adapter(path: Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Write an adapter and its card, each as a whole or not at all.

    Parameters
    ----------
    path : Path
        ``NAME.safetensors``; the card becomes ``NAME.json``.
    tensors : mapping
        What differs from the base, by name; kept in float32.
    card : mapping
        The card's JSON without ``weights``; its ``adapter`` says ``base``, ``base_sha256``, ``base_file``.

    Raises
    ------
    ModelError
        The adapter would be larger than half a megabyte.
    """
    partial = path.with_suffix(".partial")
    save_file({name: value.detach().float().cpu().contiguous() for name, value in tensors.items()}, partial)
    size = partial.stat().st_size
    if size > LARGEST_ADAPTER_BYTES:
        partial.unlink()
        raise ModelError(f"an adapter of {size / 1e6:.1f} MB is more than an adapter may be", path=path)
    os.replace(partial, path)
    weights = {"file": path.name, "sha256": file_sha256(path), "bytes": size}
    write_card(path.with_suffix(".json"), {**card, "weights": weights})


def base_path(card: ModelCard, path: Path) -> Path:
    """Return the weight file of an adapter's base model: in the store, or where it was when adapting.

    Raises
    ------
    ModelError
        No model with the base's checksum is there.
    """
    from segmentation_core.models.store import list_models

    told = card.about["adapter"]
    wanted = str(told["base_sha256"])
    candidates = [m.path for m in list_models() if m.card.weights_sha256 == wanted]
    recorded = Path(str(told.get("base_file", "")))
    if recorded.is_file() and recorded.with_suffix(".json").is_file():
        candidates += [recorded] if read_card(recorded.with_suffix(".json")).weights_sha256 == wanted else []
    if not candidates:
        raise ModelError(
            f"the adapter belongs to another model: {told['base']} with checksum {wanted[:12]}",
            path=path,
            remedy="Add that model with 'craquelure model add FILE', or adapt the model you have",
        )
    return candidates[0]


def apply_adapter(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put an adapter's parameters into its base network.

    Raises
    ------
    ModelError
        They do not fit.
    """
    known = network.state_dict()
    wrong = [k for k, v in tensors.items() if k not in known or known[k].shape != v.shape]
    if wrong:
        raise ModelError(
            f"the adapter belongs to another model: {wrong[0]} does not fit",
            path=path,
            remedy="Use the base it was made for",
        )
    network.load_state_dict(dict(tensors), strict=False)
