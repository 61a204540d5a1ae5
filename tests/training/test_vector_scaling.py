"""Calibration that is folded into the head: it finds what was distorted, and changes the network just so."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from segmentation_core.models import build
from training.data import Tile
from training.vector_scaling import fold, vector_scaling

FACTORS, OFFSETS = np.array([0.5, 2.0, 1.25], np.float32), np.array([0.0, 1.0, -0.5], np.float32)


def samples(count: int, seed: int) -> list[tuple[np.ndarray, Tile]]:
    """Logits that are right once they are scaled by FACTORS and moved by OFFSETS."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        right = rng.normal(0, 1.5, (3, 96, 96)).astype(np.float32)
        share = np.exp(right) / np.exp(right).sum(axis=0)
        drawn = rng.random((96, 96))
        label = (drawn > share[0]).astype(np.uint8) + (drawn > share[:2].sum(axis=0))
        label[:4] = 255
        given = (right - OFFSETS[:, None, None]) / FACTORS[:, None, None]
        made.append((given.astype(np.float32), Tile(str(index), "g", np.zeros((96, 96, 3), np.uint8), label)))
    return made


def test_the_distortion_is_found() -> None:
    factors, offsets = vector_scaling({"one": samples(12, 1), "other": samples(3, 2)})
    assert factors == pytest.approx(FACTORS, rel=0.06)
    assert offsets == pytest.approx(OFFSETS, abs=0.06)


def test_what_is_calibrated_stays_as_it_is() -> None:
    made = [(given * FACTORS[:, None, None] + OFFSETS[:, None, None], tile) for given, tile in samples(12, 3)]
    factors, offsets = vector_scaling({"one": made})
    assert factors == pytest.approx([1.0] * 3, rel=0.06)
    assert offsets == pytest.approx([0.0] * 3, abs=0.06)


@pytest.mark.parametrize("architecture", ["res_unet_lite", "res_unet"])
def test_the_folded_network_gives_the_calibrated_logits(architecture: str) -> None:
    torch.manual_seed(5)
    network = build(architecture, 3).eval()
    picture = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        before = network(picture)
        fold(network, FACTORS.tolist(), OFFSETS.tolist())
        after = network(picture)
    wanted = before * torch.from_numpy(FACTORS).view(1, 3, 1, 1) + torch.from_numpy(OFFSETS).view(1, 3, 1, 1)
    assert torch.allclose(after, wanted, atol=1e-4)
