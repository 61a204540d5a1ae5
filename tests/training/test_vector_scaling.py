"""Calibration that is folded into the head: it finds what was distorted, and changes the network just so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from segmentation_core.models import build
from segmentation_core.vocabulary import load_vocabulary
from training.data import Tile
from training.vector_scaling import even_at_half, fold, vector_scaling

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


def in_doubt(made: list[tuple[np.ndarray, Tile]], offsets: tuple[float, ...], channel: int) -> float:
    """Share of the class among the pixels to which it is given a probability of 0.45 to 0.55."""
    told = [(given + np.array(offsets)[:, None, None], tile.label) for given, tile in made]
    near, right = 0, 0
    for logits, label in told:
        share = np.exp(logits[channel]) / np.exp(logits).sum(axis=0)
        middle = (np.abs(share - 0.5) <= 0.05) & (label != 255)
        near, right = near + int(middle.sum()), right + int((middle & (label == channel)).sum())
    return right / near


def test_a_half_means_a_half_however_sure_the_rest_is() -> None:
    calibrated = [
        (given * FACTORS[:, None, None] + OFFSETS[:, None, None], tile) for given, tile in samples(12, 3)
    ]
    # Too ready where it is in doubt alone: what is certain already is left as it is.
    bent = []
    for given, tile in calibrated:
        ready = given.copy()
        ready[1] += 0.6 * np.exp(-((given[1] - given[[0, 2]].max(axis=0)) ** 2) / 2)
        bent.append((ready.astype(np.float32), tile))
    ones, zeros = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
    moved = even_at_half({"one": bent}, ones, zeros)
    assert in_doubt(bent, zeros, 1) < 0.4
    assert in_doubt(bent, moved, 1) == pytest.approx(0.5, abs=0.02)
    assert moved[0] == 0.0


def test_what_means_a_half_and_what_nobody_annotated_stays() -> None:
    made = [(given * FACTORS[:, None, None] + OFFSETS[:, None, None], tile) for given, tile in samples(12, 4)]
    moved = even_at_half({"one": made}, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    assert moved == pytest.approx([0.0] * 3, abs=0.1)
    alone = [(given, replace(tile, annotated=(load_vocabulary().line_class.code,))) for given, tile in made]
    assert even_at_half({"one": alone}, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))[2] == 0.0


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
