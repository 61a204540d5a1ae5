"""Widths along lines (MEASUREMENT, section 1.5 and the targets of 1.6)."""

import numpy as np
import pytest
from affine import Affine
from scipy.ndimage import distance_transform_edt, gaussian_filter

from segmentation_core.vectors.arrays import vectorise

PX = Affine.scale(1, -1)


def covered(random: np.random.Generator, width_px: float, size: int = 120, fine: int = 6) -> np.ndarray:
    """The share of each pixel that a line of 90 px at a random angle covers."""
    at = (np.arange(size * fine) + 0.5) / fine - size / 2
    x, y = np.meshgrid(at - random.uniform(-0.5, 0.5), at - random.uniform(-0.5, 0.5))
    turn = random.uniform(0, np.pi)
    along, aside = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    inside = (np.abs(along) < 45) & (np.abs(aside) < width_px / 2)
    return inside.reshape(size, fine, size, fine).mean(axis=(1, 3)).astype(np.float32)


@pytest.mark.parametrize("width_px", [2, 3, 5])
def test_forty_lines(width_px):
    """Trap 6: mean of 40 lines within 0.1 px from masks, 0.05 px from probabilities; each within 0.25 px."""
    random = np.random.default_rng(width_px)
    binary, weighted, medians = [], [], []
    for _ in range(40):
        share = covered(random, width_px)
        mask, probability = (vectorise(a, PX)["crack_line"] for a in (share >= 0.5, share))
        assert np.isnan(mask["widp_m"]).all()
        binary.append(mask["wid_m"][0])
        medians.append(mask["wid50_m"][0])
        weighted.append(probability["widp_m"][0])
    assert np.mean(binary) == pytest.approx(width_px, abs=0.1)
    assert np.mean(medians) == pytest.approx(width_px, abs=0.1)
    assert np.mean(weighted) == pytest.approx(width_px, abs=0.05)
    assert np.abs(np.array(weighted) - width_px).max() <= 0.05
    assert np.abs(np.array(binary) - width_px).max() <= 0.25


def test_a_line_that_widens():
    mask = np.zeros((60, 220), bool)
    for col in range(10, 210):
        half = 1.5 if col < 150 else 4.5  # 3 px for 140 px, 9 px for 60 px
        mask[np.abs(np.arange(60) + 0.5 - 30.5) < half, col] = True
    line = vectorise(mask, PX)["crack_line"]
    assert line["wid50_m"][0] == pytest.approx(3, abs=0.1)
    assert line["wid95_m"][0] == pytest.approx(9, abs=0.3)
    assert line["wid_m"][0] == pytest.approx((140 * 3 + 60 * 9) / 200, rel=0.02)


def test_pixels_that_are_not_square():
    mask = np.zeros((60, 120), bool)
    mask[28:32, 10:110] = True
    lying = vectorise(mask, Affine(0.001, 0, 0, 0, -0.003, 0))["crack_line"]
    standing = vectorise(mask.T, Affine(0.001, 0, 0, 0, -0.003, 0))["crack_line"]
    for name in ("wid_m", "wid50_m", "wid95_m"):
        assert lying[name][0] == pytest.approx(4 * 0.003, rel=0.02)
        assert standing[name][0] == pytest.approx(4 * 0.001, rel=0.02)


def test_a_short_line_has_its_mean_width():
    mask = np.zeros((20, 30), bool)
    mask[9:12, 10:18] = True
    line = vectorise(mask, PX)["crack_line"]
    assert line["wid50_m"].tolist() == line["wid95_m"].tolist() == line["wid_m"].tolist()


def test_a_ring():
    rows, cols = np.mgrid[:80, :80] + 0.5
    line = vectorise(np.abs(np.hypot(rows - 40, cols - 40) - 25) < 2, PX)["crack_line"]
    assert line["wid50_m"][0] == pytest.approx(4, abs=0.15)


@pytest.mark.parametrize("seed", range(6))
def test_no_line_is_folded_to_nothing_or_wider_than_the_crack(seed):
    """Rags with pinholes have loops of a few pixels; area over a length of nearly nothing is no width."""
    random = np.random.default_rng(seed)
    mask = gaussian_filter(random.normal(size=(400, 400)), 1.1) > 0.02
    mask &= random.random(mask.shape) > 0.01
    lines = vectorise(mask, PX)["crack_line"]
    assert lines["node_a"].size > 500
    widest = 2 * distance_transform_edt(mask).max()
    assert lines["len_m"].min() > 0.5
    assert lines["wid_m"].max() <= 1.1 * widest
