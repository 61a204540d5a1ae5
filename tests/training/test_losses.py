from __future__ import annotations

import numpy as np
import pytest
import torch

from segmentation_core.errors import ParameterError
from training.losses import LOSSES, Loss, merged_log_probabilities, skeleton_tubes

RNG = np.random.default_rng(1)
LOGITS = RNG.normal(size=(2, 3, 5, 4)).astype(np.float32)
LABELS = RNG.choice([0, 1, 2, 255], size=(2, 5, 4)).astype(np.uint8)
WEIGHTS = (0.5, 2.0, 1.5)


def in_numpy(
    name: str,
    logits: np.ndarray,
    labels: np.ndarray,
    *,
    weights: tuple[float, ...] = (1.0, 1.0, 1.0),
    factor: float = 1.0,
    annotated: np.ndarray | None = None,
    tubes: np.ndarray | None = None,
) -> float:
    """The losses again, pixel by pixel, from their formulas."""
    n, classes, height, width = logits.shape
    looked = np.ones((n, classes), bool) if annotated is None else annotated
    entropy, weight_sum, focal, known = 0.0, 0.0, 0.0, 0
    overlap, size, found = np.zeros(classes), np.zeros(classes), 0.0
    for i, r, c in np.ndindex(n, height, width):
        p = np.exp(logits[i, :, r, c].astype(float))
        p /= p.sum()
        for k in range(1, classes):
            if not looked[i, k]:
                p[0] += p[k]
        if tubes is not None:
            found += p[1] * tubes[i, r, c]
        k = int(labels[i, r, c])
        if k == 255:
            continue
        known += 1
        ce = -weights[k] * np.log(p[k])
        entropy += ce
        weight_sum += weights[k]
        focal += 0.5 * (1 - np.exp(-ce)) ** 2 * ce
        for j in range(classes):
            if j == 0 or looked[i, j]:
                overlap[j] += p[j] * (j == k)
                size[j] += p[j] + (j == k)
    w = np.array(weights)

    def dice(first: int, smooth: float) -> float:
        score = (2 * overlap + smooth) / (size + smooth)
        return float(1 - (score * w)[first:].sum() / w[first:].sum())

    ce_mean, focal_mean = entropy / weight_sum, focal / known
    ours = ce_mean + dice(1, 1.0)
    return {
        "ce": ce_mean,
        "focal": focal_mean,
        "dice": dice(0, 1e-5),
        "mixed1": dice(0, 1e-5) + factor * focal_mean,
        "mixed2": dice(0, 1e-5) + focal_mean + ce_mean,
        "ce_dice": ours,
        "ours": ours + (0 if tubes is None else 1 - (found + 1) / (tubes.sum() + 1)),
    }[name]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("partial", [False, True])
def test_every_loss_matches_an_independent_calculation(name: str, weighted: bool, partial: bool) -> None:
    annotated = np.array([[True, True, False], [True, True, True]]) if partial else None
    labels = LABELS.copy()
    if partial:
        labels[0][labels[0] == 2] = 0
    tubes = np.stack([skeleton_tubes(label, 1) for label in labels])
    weights = WEIGHTS if weighted else ()
    found = Loss(name, 0.7, weights)(
        torch.from_numpy(LOGITS),
        torch.from_numpy(labels),
        annotated=None if annotated is None else torch.from_numpy(annotated),
        tubes=torch.from_numpy(tubes),
    )
    expected = in_numpy(
        name, LOGITS, labels, weights=weights or (1.0,) * 3, factor=0.7, annotated=annotated, tubes=tubes
    )
    assert float(found) == pytest.approx(expected, rel=1e-5)


# Two pixels, logits so that p = (0.5, 0.5) and (0.75, 0.25), truth 0 and 1: worked out by hand.
BY_HAND = torch.tensor([[[[0.0, np.log(3.0)]], [[0.0, 0.0]]]], dtype=torch.float32)
TRUTH = torch.tensor([[[0, 1]]], dtype=torch.uint8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # (ln 2 + ln 4) / 2
        ("ce", 1.0397208),
        # 0.5 * mean(0.25 ln 2, 0.5625 ln 4)
        ("focal", 0.2382694),
        # background 2*0.5/(1.25+1), craquelure 2*0.25/(0.75+1): 1 - mean(0.4444, 0.2857)
        ("dice", 0.6349206),
        ("mixed1", 0.2382694 + 0.6349206),
        ("mixed2", 0.2382694 + 0.6349206 + 1.0397208),
    ],
)
def test_the_papers_losses_by_hand(name: str, expected: float) -> None:
    assert float(Loss(name)(BY_HAND, TRUTH)) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_ignored_pixels_teach_nothing(name: str) -> None:
    logits = torch.zeros(1, 3, 8, 8, requires_grad=True)
    labels = torch.zeros(1, 8, 8, dtype=torch.uint8)
    labels[0, :, 4:] = 255
    labels[0, 2, 1:4] = 1
    tubes = torch.from_numpy(skeleton_tubes(labels[0].numpy(), 1))[None]
    Loss(name)(logits, labels, tubes=tubes).backward()
    assert logits.grad is not None
    assert not logits.grad[..., 4:].any()
    assert logits.grad[..., :4].any()


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_that_is_ignored_altogether_gives_a_number(name: str) -> None:
    labels = torch.full((1, 8, 8), 255, dtype=torch.uint8)
    tubes = torch.zeros(1, 8, 8)
    assert torch.isfinite(Loss(name)(torch.zeros(1, 3, 8, 8), labels, tubes=tubes))


def test_what_was_not_annotated_may_be_anything_under_background() -> None:
    sure_of_loss = torch.full((1, 3, 2, 2), -10.0)
    sure_of_loss[:, 2] = 10.0
    background = torch.zeros(1, 2, 2, dtype=torch.uint8)
    only_cracks = torch.tensor([[True, True, False]])
    assert float(Loss("ce")(sure_of_loss, background)) > 5
    assert float(Loss("ce")(sure_of_loss, background, annotated=only_cracks)) == pytest.approx(0, abs=1e-4)
    merged = merged_log_probabilities(sure_of_loss, only_cracks)[:, :2].exp()
    assert torch.allclose(merged.sum(1), torch.ones(1, 2, 2))


def test_skeleton_recall_asks_for_the_middle_of_the_crack_alone() -> None:
    label = np.zeros((15, 60), np.uint8)
    label[5:10] = 1
    assert np.flatnonzero(skeleton_tubes(label, 1)[:, 30]).tolist() == [6, 7, 8]
    assert not skeleton_tubes(label, 2).any()


def test_an_unknown_loss_names_the_known_ones() -> None:
    with pytest.raises(ParameterError, match="mixed1"):
        Loss("magic")


def test_tubes_run_along_the_middle_and_stay_inside_the_label():
    label = np.zeros((40, 60), np.uint8)
    label[10, 5:55] = 1  # a hairline
    label[20:29, 5:55] = 1
    label[30, 5:55] = 255
    tubes = skeleton_tubes(label, 1)
    assert not tubes[label != 1].any()
    assert tubes[10, 5:55].all()
    assert (tubes[18:31, 15:45].sum(axis=0) == 3).all()


def test_the_weight_of_skeleton_recall():
    labels = torch.tensor([[[0, 1, 1, 2], [0, 0, 1, 255]]], dtype=torch.uint8)
    logits = torch.randn(1, 3, 2, 4, generator=torch.Generator().manual_seed(3))
    tubes = torch.from_numpy(skeleton_tubes(labels[0].numpy(), 1))[None]
    at = {w: float(Loss("ours", skeleton_weight=w)(logits, labels, tubes=tubes)) for w in (0.0, 0.5, 1.0)}
    assert at[0.0] == pytest.approx(float(Loss("ce_dice")(logits, labels)))
    assert at[1.0] - at[0.5] == pytest.approx(at[0.5] - at[0.0])
    assert at[1.0] > at[0.0]
