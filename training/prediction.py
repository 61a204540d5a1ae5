"""Probabilities and labels of whole pictures, with the same network code that training uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segmentation_core.models.card import IMAGENET_MEAN, IMAGENET_STD, normalised
from segmentation_core.vocabulary import load_vocabulary

__all__ = [
    "SCALINGS",
    "Scaling",
    "class_logits",
    "class_probabilities",
    "labels_from",
    "memory_format",
    "softened",
    "turned_probabilities",
]

_WINDOW_PX, _OVERLAP_PX = 768, 192


@dataclass(frozen=True)
class Scaling:
    """What pictures are scaled to before the network: (value / 255 - mean) / std per band."""

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __call__(self, images: Tensor) -> Tensor:
        """Scale uint8 pictures (N, 3, H, W)."""
        return normalised(images, self.mean, self.std).contiguous(memory_format=memory_format(images.device))


def memory_format(device: torch.device) -> torch.memory_format:
    """Return the layout that computes fastest: measured, plain on processors without bfloat16 (x1.5)."""
    plain = device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.contiguous_format if plain else torch.channels_last


SCALINGS = {"imagenet": Scaling(), "unit": Scaling((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))}
"""The scalings a recipe may name; "unit" is the paper's."""


def class_logits(
    network: nn.Module, image: NDArray[np.uint8], scaling: Scaling = SCALINGS["imagenet"]
) -> NDArray[np.float32]:
    """Return the logits (K, H, W) of a picture (H, W, 3).

    A picture of more than 768 px goes through in windows that overlap by 192 px; each pixel comes from
    the window in which it lies deepest. Memory: 12 bytes per pixel, and one window's activations.
    """
    height, width = image.shape[:2]
    device = next(network.parameters()).device
    out: NDArray[np.float32] | None = None
    for row, col, core in _windows(height, width):
        part = image[row : row + _WINDOW_PX, col : col + _WINDOW_PX]
        x = torch.from_numpy(np.ascontiguousarray(part.transpose(2, 0, 1)))[None].to(device)
        with torch.inference_mode():
            logits = network(scaling(x)).float()[0].cpu().numpy()
        if out is None:
            out = np.empty((logits.shape[0], height, width), np.float32)
        rows, cols = core
        out[:, rows, cols] = logits[:, rows.start - row : rows.stop - row, cols.start - col : cols.stop - col]
    return np.empty((0, height, width), np.float32) if out is None else out


def _windows(height: int, width: int) -> Iterator[tuple[int, int, tuple[slice, slice]]]:
    for row, rows in _along(height):
        for col, cols in _along(width):
            yield row, col, (rows, cols)


def _along(length: int) -> Iterator[tuple[int, slice]]:
    """Yield where windows start and what of each counts; the parts that count tile the length."""
    step = _WINDOW_PX - _OVERLAP_PX
    starts = list(range(0, max(length - _OVERLAP_PX, 1), step))
    for index, start in enumerate(starts):
        first = 0 if index == 0 else start + _OVERLAP_PX // 2
        last = length if index == len(starts) - 1 else start + step + _OVERLAP_PX // 2
        yield start, slice(first, last)


def softened(logits: NDArray[np.float32], temperature: float | Sequence[float]) -> NDArray[np.float32]:
    """Return probabilities (K, ...) of logits (K, ...) divided by a temperature, one or one per class."""
    divided = logits / np.asarray(temperature, np.float32).reshape(-1, *[1] * (logits.ndim - 1))
    raised = np.exp(divided - divided.max(axis=0))
    probabilities: NDArray[np.float32] = (raised / raised.sum(axis=0)).astype(np.float32)
    return probabilities


def class_probabilities(
    network: nn.Module,
    image: NDArray[np.uint8],
    scaling: Scaling = SCALINGS["imagenet"],
    temperature: float | Sequence[float] = 1.0,
) -> NDArray[np.float32]:
    """Return the probabilities (K - 1, H, W) of the damage classes on a picture (H, W, 3) uint8."""
    return softened(class_logits(network, image, scaling), temperature)[1:]


def turned_probabilities(
    network: nn.Module,
    image: NDArray[np.uint8],
    scaling: Scaling = SCALINGS["imagenet"],
    temperature: float | Sequence[float] = 1.0,
) -> NDArray[np.float32]:
    """Return the mean probabilities (K, H, W) over the eight orientations of a picture."""
    total = np.zeros((1,), np.float32)
    for turns in range(4):
        for mirrored in (False, True):
            view = np.rot90(image, turns)
            view = view[:, ::-1] if mirrored else view
            seen = softened(class_logits(network, np.ascontiguousarray(view), scaling), temperature)
            seen = seen[..., ::-1] if mirrored else seen
            total = total + np.rot90(seen, -turns, axes=(1, 2))
    return (total / 8).astype(np.float32)


def labels_from(probabilities: NDArray[np.float32], thresholds: Mapping[str, float]) -> NDArray[np.uint8]:
    """Return labels (H, W): vocabulary values where a class passes its threshold, the winner where two do."""
    vocabulary = load_vocabulary()
    labels = np.full(probabilities.shape[1:], vocabulary.background_value, np.uint8)
    for defect in vocabulary.drawing_order:
        labels[probabilities[vocabulary.codes.index(defect.code)] >= thresholds[defect.code]] = defect.value
    return labels
