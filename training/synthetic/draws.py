"""One source of randomness per sample, drawn from for a whole batch.

What a sample is made of depends on its own source alone, so that the same seed gives the same sample in
whatever batch it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Draws", "per_sample", "plane"]

Bound = float | Tensor


class Draws:
    """The sources of a batch.

    Parameters
    ----------
    sources : sequence of numpy Generator
        One per sample.
    device : torch device
        Where the tensors are made.
    """

    def __init__(self, sources: Sequence[np.random.Generator], device: torch.device) -> None:
        self.sources, self.device = tuple(sources), device

    def __len__(self) -> int:
        return len(self.sources)

    def of(self, chosen: Tensor) -> Draws:
        """Return the sources of some samples, by their numbers."""
        return Draws([self.sources[k] for k in chosen.tolist()], self.device)

    def some(self, share: Bound) -> tuple[Tensor, Draws]:
        """Choose each sample with a probability; return the numbers of the chosen and their sources."""
        chosen = torch.nonzero(self.uniform() < share)[:, 0]
        return chosen, self.of(chosen)

    def uniform(self, low: Bound = 0.0, high: Bound = 1.0, *shape: int) -> Tensor:
        """Return (N, *shape) numbers between bounds, which may be (N,) themselves."""
        unit = self._stacked([source.random(shape, dtype=np.float32) for source in self.sources], shape)
        low, high = self._fitting(low, shape), self._fitting(high, shape)
        return low + (high - low) * unit

    def normal(self, *shape: int) -> Tensor:
        """Return (N, *shape) numbers of mean 0 and standard deviation 1."""
        drawn = [source.standard_normal(shape, dtype=np.float32) for source in self.sources]
        return self._stacked(drawn, shape)

    def integers(self, low: int, high: int) -> Tensor:
        """Return (N,) whole numbers from ``low`` to ``high`` - 1."""
        return torch.tensor([int(s.integers(low, high)) for s in self.sources], device=self.device)

    def choice(self, shares: Sequence[float]) -> Tensor:
        """Return (N,) numbers of the shares (which add up to 1), each as often as its share says."""
        ends = torch.tensor(np.cumsum(shares)[:-1], dtype=torch.float32, device=self.device)
        return torch.bucketize(self.uniform(), ends, right=True)

    def white(self, channels: int, size_px: int) -> Tensor:
        """Return white noise (N, channels, H, W), made on the device and so the device's own."""
        out = torch.empty(len(self), channels, size_px, size_px, device=self.device)
        for sample, source in zip(out, self.sources, strict=True):
            generator = torch.Generator(self.device).manual_seed(int(source.integers(1 << 62)))
            sample.normal_(generator=generator)
        return out

    def _stacked(self, drawn: list[NDArray[np.float32]], shape: tuple[int, ...]) -> Tensor:
        stack = np.stack([np.asarray(d) for d in drawn]) if drawn else np.empty((0, *shape), np.float32)
        return torch.from_numpy(stack).to(self.device)

    def _fitting(self, bound: Bound, shape: tuple[int, ...]) -> Bound:
        return bound.view(-1, *(1 for _ in shape)) if isinstance(bound, Tensor) else bound


def plane(values: Tensor) -> Tensor:
    """Return (..., 1, 1) of (...): one value for a whole plane."""
    return values[..., None, None]


def per_sample(reduce: Callable[[Tensor], Tensor], planes: Tensor) -> Tensor:
    """Reduce sample by sample.

    Sums over a batch are added up in an order that depends on its size; one sample's are not.
    """
    if not len(planes):
        return planes.new_zeros(0)
    return torch.stack([reduce(sample.contiguous()) for sample in planes])
