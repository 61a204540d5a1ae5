"""The parts of a network that training treats apart: encoder, normalisation, head."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from segmentation_core.errors import ParameterError

__all__ = [
    "adapter_tensors",
    "encoder_modules",
    "encoder_weights",
    "is_of_encoder",
    "learning_parameters",
    "set_training",
    "without_neighbours",
]

_OF_RES_UNET = ("stem.", "decoder.")
_OF_THE_PAPERS = ("ups.", "rises.", "last1.", "last2.", "head.")
_OF_DEEPLAB = ("branches.", "pooled.", "joined.", "shortcut.", "cat.")
_NOT_ENCODER = (*_OF_RES_UNET, *_OF_THE_PAPERS, *_OF_DEEPLAB)
# The partial ResNet-50 file ends after layer3: of layer4 it holds statistics without their convolutions.
_ENCODER_STAGES = ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.")


def is_of_encoder(name: str) -> bool:
    """Say whether a parameter, by its name, belongs to the encoder."""
    return not name.startswith(_NOT_ENCODER)


def encoder_modules(network: nn.Module) -> list[nn.Module]:
    """Return the top modules of the encoder."""
    return [module for name, module in network.named_children() if is_of_encoder(f"{name}.")]


def encoder_weights(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the tensors of a ResNet file that fit the network's stages up to stride 16.

    Raises
    ------
    ParameterError
        They do not fit.
    """
    wanted = {k: v for k, v in network.state_dict().items() if k.startswith(_ENCODER_STAGES)}
    counters = {k for k in wanted if k.endswith("num_batches_tracked")}
    tensors = without_neighbours(network, tensors)
    missing = [
        k
        for k, v in wanted.items()
        if k not in counters and (k not in tensors or tensors[k].shape != v.shape)
    ]
    if missing or not wanted:
        raise ParameterError(
            f"the weights do not fit the encoder ({', '.join(missing[:3]) or 'no ResNet'})",
            path=path,
            remedy="Give the state of an earlier run, or ResNet-50 weights under torchvision's names",
        )
    return {k: tensors[k] for k in wanted if k not in counters}


def without_neighbours(network: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors with their 3x3 filters summed to 1x1 where the network has 1x1 (limited context).

    On a patch that looks the same all over, such a filter answers as it did before.
    """
    wanted = network.state_dict()
    return {
        name: tensor.sum((2, 3), keepdim=True)
        if name in wanted and tensor.ndim == 4 and wanted[name].shape == (*tensor.shape[:2], 1, 1)
        else tensor
        for name, tensor in tensors.items()
    }


def learning_parameters(network: nn.Module, trained: str) -> dict[str, nn.Parameter]:
    """Return what learns, by name: everything, or normalisation and head."""
    named = dict(network.named_parameters())
    if trained == "all":
        return named
    kept = set()
    for prefix, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d) or prefix.rsplit(".", 1)[-1] == "head":
            kept |= {f"{prefix}.{name}" for name, _ in module.named_parameters()}
    return {name: value for name, value in named.items() if name in kept}


def adapter_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Return what makes an adapter, by name: the factors and offsets of normalisation, and the head."""
    return dict(learning_parameters(network, "norm_and_head"))


def set_training(
    network: nn.Module, trained: str, *, frozen: bool, legacy_bn: bool, statistics: str = "batch"
) -> None:
    """Put a network into training mode; a frozen encoder keeps its running statistics.

    Parameters
    ----------
    trained : {"all", "norm_and_head"}
        For an adapter normalisation and head alone learn.
    frozen : bool
        The encoder does not learn now.
    legacy_bn : bool
        It collects statistics all the same, as in the paper's implementation.
    statistics : {"batch", "kept"}
        See `training.recipe.Recipe`.
    """
    network.train(statistics == "batch")
    if frozen and not legacy_bn:
        for module in encoder_modules(network):
            module.eval()
    for name, parameter in network.named_parameters():
        if trained == "all":
            parameter.requires_grad_(not (frozen and is_of_encoder(name)))
