"""Checkpoints: safetensors weights with a model card beside them. Nothing is ever unpickled.

Weights lie on disk in half precision; normalisation layers stay in float32, because their variances can
leave the range of half precision (RECOGNITION, section 7). Weights of more than 15 MiB lie in parts, each
a safetensors file of its own: NAME.safetensors, NAME.2.safetensors, and so on; the card says how many.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from segmentation_core.checksum import file_sha256
from segmentation_core.errors import ModelError
from segmentation_core.models.adapter import apply_adapter, base_path
from segmentation_core.models.card import ModelCard, read_card, write_card
from segmentation_core.models.registry import build

if TYPE_CHECKING:
    from torch import device

__all__ = ["LoadedModel", "load_checkpoint", "read_tensors", "save_checkpoint", "weight_files"]

_PART_BYTES = 15 << 20

_NORMALISATION = (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True)
class LoadedModel:
    """A network ready to predict (evaluation mode, float32, on the CPU), and what is known of it."""

    network: nn.Module
    card: ModelCard
    path: Path

    @property
    def name(self) -> str:
        """The model's name, as results record it."""
        return self.card.name

    @property
    def sha256(self) -> str:
        """Checksum of the weight file."""
        return self.card.weights_sha256

    def to(self, where: device | str) -> LoadedModel:
        """Move the network to a device."""
        self.network.to(where)
        return self


def _in_float32(network: nn.Module) -> set[str]:
    """Return the names of the tensors that belong to normalisation layers."""
    names = set()
    for prefix, module in network.named_modules():
        if isinstance(module, _NORMALISATION):
            names |= {f"{prefix}.{name}" for name in module.state_dict()}
    return names


def save_checkpoint(path: Path, network: nn.Module, card: Mapping[str, Any]) -> None:
    """Write weights and card, each as a whole or not at all.

    Parameters
    ----------
    path : Path
        ``NAME.safetensors``; the card becomes ``NAME.json``.
    network : torch.nn.Module
        Built by `segmentation_core.models.build`.
    card : mapping
        The card's JSON without ``weights``, which is filled in.
    """
    keep = _in_float32(network)
    tensors: dict[str, Tensor] = {}
    for name, value in network.state_dict().items():
        halved = value.half() if value.is_floating_point() and name not in keep else value
        tensors[name] = halved.detach().cpu().contiguous()
    parts = _in_parts(tensors)
    files = weight_files(path, len(parts))
    for file, part in zip(files, parts, strict=True):
        partial = file.with_suffix(".partial")
        save_file(part, partial)
        os.replace(partial, file)
    weights = {
        "file": path.name,
        "parts": len(files),
        "sha256": file_sha256(*files),
        "bytes": sum(file.stat().st_size for file in files),
    }
    write_card(path.with_suffix(".json"), {**card, "weights": weights})


def weight_files(path: Path, parts: int) -> list[Path]:
    """Return the files of a model's weights, in order.

    Examples
    --------
    >>> [file.name for file in weight_files(Path("res_unet.safetensors"), 3)]
    ['res_unet.safetensors', 'res_unet.2.safetensors', 'res_unet.3.safetensors']
    """
    return [path, *(path.with_suffix(f".{k}.safetensors") for k in range(2, parts + 1))]


def _in_parts(tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, value in tensors.items():
        if parts[-1] and size + value.nbytes > _PART_BYTES:
            parts.append({})
            size = 0
        parts[-1][name] = value
        size += value.nbytes
    return parts


def load_checkpoint(path: Path) -> LoadedModel:
    """Read a checkpoint, or an adapter with its base, and build the network.

    Parameters
    ----------
    path : Path
        The ``.safetensors`` file; its card lies beside it.

    Raises
    ------
    ModelError
        The file is missing or no safetensors, the card is missing or unusable, the checksum differs, or
        the tensors do not fit the architecture.
    """
    if not path.is_file():
        raise ModelError(
            "no such model file", path=path, remedy="'craquelure model list' shows the models there are"
        )
    tensors = read_tensors(path)
    card = read_card(path.with_suffix(".json"))
    files = weight_files(path, card.weights_parts)
    for file in files[1:]:
        if not file.is_file():
            raise ModelError(
                f"a part of the model {card.name} is missing", path=file, remedy="Get the model again"
            )
        tensors |= read_tensors(file)
    if file_sha256(*files) != card.weights_sha256:
        raise ModelError(
            "the weights are not those the card describes (checksum differs)",
            path=path,
            remedy="Get the model again",
        )
    if "adapter" in card.about:
        network = load_checkpoint(base_path(card, path)).network
        apply_adapter(network, tensors, path)
        return LoadedModel(network.eval(), card, path)
    network = build(card.architecture, len(card.classes) + 1)
    _check_shapes(network, tensors, card, path)
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    )
    return LoadedModel(network.eval(), card, path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return what a safetensors file holds, by name.

    Raises
    ------
    ModelError
        It is missing or no safetensors file.
    """
    try:
        with safe_open(path, "pt") as handle:
            return {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as exc:
        raise ModelError(
            "the model file is not a whole safetensors file",
            path=path,
            remedy="Craquelure opens no other kind; convert or get it again",
        ) from exc


def _check_shapes(network: nn.Module, tensors: Mapping[str, Tensor], card: ModelCard, path: Path) -> None:
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if expected == found:
        return
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    example = wrong[0]
    raise ModelError(
        f"{len(wrong)} tensors do not fit {card.architecture}; {example} is {found.get(example, 'missing')}, "
        f"expected {expected.get(example, 'none')}",
        path=path,
        remedy="Use the card that belongs to these weights",
    )
