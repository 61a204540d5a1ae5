"""Runs a network on batches of tiles: layout, precision, batch size, memory that runs out."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from segmentation_core.errors import ParameterError
from segmentation_core.inference.device import Device

__all__ = ["Card", "Launched", "Predictor", "batch_for_memory", "folded", "prepared"]

_BYTES_PER_PIXEL = 2600
"""Of a tile in float32 at the widest point of the largest shipped network, with its inputs."""
_SHARE_OF_FREE_MEMORY = 0.6
_LARGEST_BATCH = {"cpu": 1, "cuda": 32, "mps": 4}
_TILE_OF_LARGEST_BATCH_PX = 512 * 512
_OUT_OF_MEMORY_TEXTS = ("out of memory", "can't allocate memory", "not enough memory")
_FOLDING_TOLERANCE = 1e-3


class Card(Protocol):
    """What inference needs of a model card."""

    @property
    def temperature(self) -> float | tuple[float, ...]:
        """Logits are divided by it: one for all channels, or one per channel."""

    def normalise(self, x: Tensor) -> Tensor:
        """Turn uint8 (N, 3, H, W) into what the network was trained on."""


@dataclass
class Launched:
    """Probabilities (N, K - 1, H, W) that a device may still be computing."""

    _probabilities: Tensor
    _event: torch.cuda.Event | None

    def wait(self) -> NDArray[np.float32]:
        """Return them once they are there."""
        if self._event is not None:
            self._event.synchronize()
        return self._probabilities.numpy()


class Predictor:
    """A network on a device, with the batch size that fits there.

    Parameters
    ----------
    network : torch.nn.Module
        Normalised picture (N, 3, H, W) to logits (N, K, H, W). It is copied, not changed.
    card : Card
        Normalisation and temperature.
    device : Device
        Where to run.
    batch : int
        Tiles at once; halved whenever the device runs out of memory.
    use_bfloat16 : bool
        Compute in bfloat16; probabilities are float32 in any case.
    """

    def __init__(
        self, network: nn.Module, card: Card, device: Device, *, batch: int, use_bfloat16: bool
    ) -> None:
        if batch < 1:
            raise ParameterError(f"a batch of {batch} tiles is impossible", remedy="Use 1 or more")
        self._network = prepared(network, device, use_bfloat16=use_bfloat16)
        self._card = card
        self.device = device
        self._dtype = torch.bfloat16 if use_bfloat16 else torch.float32
        self.batch = batch

    def launch(self, tiles: NDArray[np.uint8]) -> Launched:
        """Start computing the probabilities of all classes but the background.

        Parameters
        ----------
        tiles : ndarray of uint8, shape (N, 3, H, W)

        Raises
        ------
        ParameterError
            Not even one tile fits into memory.
        """
        done: list[Tensor] = []
        first = 0
        while first < len(tiles):
            try:
                done.append(self._probabilities(tiles[first : first + self.batch]))
            except (RuntimeError, MemoryError) as exc:
                if not _is_out_of_memory(exc):
                    raise
                tried = min(self.batch, len(tiles) - first)
            else:
                first += self.batch
                continue
            # Outside the handler: the traceback would keep the failed batch's tensors alive.
            if tried == 1:
                raise ParameterError(
                    f"one tile of {tiles.shape[-2]} x {tiles.shape[-1]} px does not fit into the memory of"
                    f" {self.device.name}",
                    remedy="Close other programs, or use --device cpu or a smaller model",
                )
            self.batch = tried // 2
            if self.device.kind == "cuda":
                torch.cuda.empty_cache()
        return self._to_host(done[0] if len(done) == 1 else torch.cat(done))

    @torch.inference_mode()
    def _probabilities(self, tiles: NDArray[np.uint8]) -> Tensor:
        picture = torch.from_numpy(tiles).to(self.device.kind)
        x = self._card.normalise(picture).to(self._dtype, memory_format=torch.channels_last)
        logits = self._network(x).float()
        temperature = torch.tensor(self._card.temperature, device=logits.device).view(-1, 1, 1)
        return torch.softmax(logits / temperature, dim=1)[:, 1:]

    @torch.inference_mode()
    def _to_host(self, probabilities: Tensor) -> Launched:
        if self.device.kind != "cuda":
            return Launched(probabilities.cpu(), None)
        host = torch.empty(probabilities.shape, dtype=probabilities.dtype, pin_memory=True)
        host.copy_(probabilities, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        return Launched(host, event)


def prepared(network: nn.Module, device: Device, *, use_bfloat16: bool) -> nn.Module:
    """Return a copy of a network, ready to run: on the device, folded, channels last, in its precision."""
    fast = folded(network)
    dtype = torch.bfloat16 if use_bfloat16 else torch.float32
    ready: nn.Module = fast.to(device.kind, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ready


def batch_for_memory(device: Device, tile_shape: tuple[int, int]) -> int:
    """Return how many tiles fit into the device's free memory at once, within what speeds it up.

    On a processor one tile keeps all cores busy, and more only take memory.
    """
    pixels = tile_shape[0] * tile_shape[1]
    fitting = int(device.free_bytes() * _SHARE_OF_FREE_MEMORY / (pixels * _BYTES_PER_PIXEL))
    largest = max(1, _LARGEST_BATCH[device.kind] * _TILE_OF_LARGEST_BATCH_PX // pixels)
    return max(1, min(fitting, largest))


def folded(network: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode whose batch normalisations are part of the convolutions before them.

    A normalisation that follows a convolution in the order of definition is taken to follow it in the
    computation; the copy is tried against the original, and given up where they differ.
    """
    original = network.eval()
    fused = _fold(copy.deepcopy(original)).eval()
    x = torch.linspace(-2, 2, 3 * 64 * 64).reshape(1, 3, 64, 64).to(next(original.parameters()).device)
    with torch.inference_mode():
        expected, got = original(x), fused(x)
    scale = float(expected.abs().max()) + 1.0
    if float((expected - got).abs().max()) > _FOLDING_TOLERANCE * scale:
        return copy.deepcopy(original)
    return fused


def _fold(module: nn.Module) -> nn.Module:
    children = list(module.named_children())
    for (name, child), (next_name, following) in itertools.pairwise(children):
        if (
            isinstance(child, nn.Conv2d)
            and isinstance(following, nn.BatchNorm2d)
            and child.out_channels == following.num_features
        ):
            setattr(module, name, fuse_conv_bn_eval(child, following))
            setattr(module, next_name, nn.Identity())
    for _, child in module.named_children():
        _fold(child)
    return module


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return any(text in str(error).lower() for text in _OUT_OF_MEMORY_TEXTS)
