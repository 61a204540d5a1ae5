from __future__ import annotations

import numpy as np
import pytest

from segmentation_core.vocabulary import load_vocabulary
from training.calibration import calibrated
from training.data import Tile
from training.prediction import softened
from training.scores import called_damaged, confusion, figures, picture_sums, pooled
from training.significance import bootstrap_intervals, holm, paired_comparison
from training.topology import betti_errors, length_map, line_sums

HALVES = dict.fromkeys(load_vocabulary().codes, 0.5)


def one_hot(label: np.ndarray) -> np.ndarray:
    return np.stack([(label == k) for k in range(3)]).astype(np.float32)


def scored(predicted: np.ndarray, target: np.ndarray) -> dict[str, float]:
    return figures(picture_sums(one_hot(predicted), target, HALVES))


def test_confusion_counts_every_known_pixel_once() -> None:
    target = np.array([[0, 0, 1, 1, 2, 255]], np.uint8)
    predicted = np.array([[0, 1, 1, 0, 2, 2]], np.uint8)
    assert confusion(predicted, target, 3).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_figures_by_hand() -> None:
    # Background: 6 true, 5 found, 5 right. Craquelure: 2 true, 4 found, 2 right. Paint loss: 2, 1, 1.
    target = np.array([[0, 0, 0, 0, 0, 0, 1, 1, 2, 2]], np.uint8)
    predicted = np.array([[0, 0, 0, 0, 0, 1, 1, 1, 2, 1]], np.uint8)
    told = scored(predicted, target)
    assert told["background.iou"] == pytest.approx(5 / 6)
    assert told["craquelure.iou"] == pytest.approx(2 / 4)
    assert (told["craquelure.precision"], told["craquelure.recall"]) == (
        pytest.approx(0.5),
        pytest.approx(1.0),
    )
    assert told["craquelure.f1"] == pytest.approx(2 / 3)
    assert told["paint_loss.iou"] == pytest.approx(0.5)
    assert told["macro.iou"] == pytest.approx(0.5)
    assert told["macro_with_background.iou"] == pytest.approx((5 / 6 + 0.5 + 0.5) / 3)
    assert told["accuracy"] == pytest.approx(0.8)
    precision, recall = told["macro_with_background.precision"], told["macro_with_background.recall"]
    assert told["macro_with_background.f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert told["paint_loss.area_error"] == pytest.approx(-0.5)


def test_the_papers_f1_is_the_mean_of_its_macro_means() -> None:
    assert pytest.approx(93.42, abs=0.01) == 2 * 93.18 * 93.67 / (93.18 + 93.67)


def test_pooling_is_scoring_side_by_side() -> None:
    rng = np.random.default_rng(4)
    one, two = (rng.integers(0, 3, (40, 40)).astype(np.uint8) for _ in range(2))
    other = rng.integers(0, 3, (40, 40)).astype(np.uint8)
    parts = [picture_sums(one_hot(p), other, HALVES) for p in (one, two)]
    together = figures(pooled(parts))
    both = scored(np.hstack([one, two]), np.hstack([other, other]))
    for name in ("craquelure.iou", "paint_loss.f1", "accuracy", "macro.recall"):
        assert together[name] == pytest.approx(both[name])


def test_length_of_lines() -> None:
    straight, diagonal, bend = (np.zeros((12, 12), bool) for _ in range(3))
    straight[5, 1:11] = True
    diagonal[np.arange(10), np.arange(10)] = True
    bend[2, 2:6], bend[2:6, 5] = True, True
    assert length_map(straight).sum() == pytest.approx(9)
    assert length_map(diagonal).sum() == pytest.approx(9 * np.sqrt(2))
    assert length_map(bend).sum() == pytest.approx(6)


def test_completeness_and_correctness_are_shares_of_length() -> None:
    target, half = np.zeros((2, 40, 60), bool)
    target[20, 5:55], half[21, 5:30] = True, True
    sums = line_sums(half, target, 2.0)
    assert sums["matched_predicted"] == pytest.approx(sums["length_predicted"])
    assert sums["matched_true"] / sums["length_true"] == pytest.approx(0.5, abs=0.06)


def test_a_gap_costs_a_piece_and_a_cut_ring_costs_a_loop() -> None:
    line = np.zeros((128, 128), bool)
    line[60, 10:110] = True
    cut = line.copy()
    cut[60, 50:53] = False
    assert betti_errors(cut, line) == {"betti0_error": 1, "betti1_error": 0, "betti_tiles": 1}
    ring = np.zeros((128, 128), bool)
    ring[20:60, 20:60] = True
    ring[22:58, 22:58] = False
    opened = ring.copy()
    opened[20:22, 30:33] = False
    assert betti_errors(opened, ring) == {"betti0_error": 0, "betti1_error": 1, "betti_tiles": 1}


def test_cldice_sees_a_gap_that_iou_hardly_sees() -> None:
    target = np.zeros((64, 64), np.uint8)
    target[30:33, 4:60] = 1
    assert scored(target, target)["cldice"] == pytest.approx(1)
    empty = np.zeros_like(target)
    assert scored(empty, target)["cldice"] == 0
    assert scored(empty, target)["length_error"] == pytest.approx(-1)


def test_a_class_nobody_looked_for_is_not_scored() -> None:
    target, predicted = np.zeros((2, 8, 8), np.uint8)
    predicted[:4] = 2
    told = figures(picture_sums(one_hot(predicted), target, HALVES, ("craquelure",)))
    assert "paint_loss.tolerance_f1" not in told
    assert told["accuracy"] == 1.0


def test_calibration_error_of_overconfidence() -> None:
    probabilities = np.zeros((3, 1, 100), np.float32)
    probabilities[0], probabilities[1] = 0.9, 0.1
    target = np.zeros((1, 100), np.uint8)
    target[0, :40] = 1
    told = figures(picture_sums(probabilities, target, HALVES))
    assert told["calibration_error"] == pytest.approx(0.3, abs=1e-5)


def test_an_interval_holds_the_figure_and_needs_two_groups() -> None:
    rng = np.random.default_rng(2)
    target = rng.integers(0, 3, (12, 32, 32)).astype(np.uint8)
    parts = [
        picture_sums(one_hot(np.where(rng.random((32, 32)) < 0.7, t, 0).astype(np.uint8)), t, HALVES)
        for t in target
    ]
    groups = [f"beam {i // 3}" for i in range(12)]
    intervals = bootstrap_intervals(parts, groups, resamples=200)
    value = figures(pooled(parts))["craquelure.iou"]
    low, high = intervals["craquelure.iou"]
    assert low < value < high
    assert high - low < 0.2
    assert bootstrap_intervals(parts, groups, resamples=200) == intervals
    assert all(np.isnan(v) for v in bootstrap_intervals(parts, ["one"] * 12)["craquelure.iou"])


def test_resampling_groups_is_wider_than_resampling_pictures() -> None:
    target = np.zeros((32, 32), np.uint8)
    target[:, ::4] = 1
    bad = np.zeros_like(target)
    parts = [picture_sums(one_hot(p), target, HALVES) for p in [target] * 10 + [bad] * 10]
    grouped = bootstrap_intervals(parts, ["a"] * 10 + ["b"] * 10, resamples=300)["craquelure.recall"]
    alone = bootstrap_intervals(parts, [str(i) for i in range(20)], resamples=300)["craquelure.recall"]
    assert grouped[1] - grouped[0] > 1.5 * (alone[1] - alone[0])


def test_holm_against_the_textbook() -> None:
    # Holm (1979), four hypotheses.
    found = holm({"a": 0.005, "b": 0.011, "c": 0.02, "d": 0.04})
    assert found == pytest.approx({"a": 0.02, "b": 0.033, "c": 0.04, "d": 0.04})


def test_paired_comparison_tells_a_better_model_from_chance() -> None:
    rng = np.random.default_rng(3)
    target = np.zeros((16, 24, 24), np.uint8)
    target[:, 10:13] = 1

    def model(noise: float) -> list:
        return [
            picture_sums(one_hot(np.where(rng.random(t.shape) < noise, 1 - t, t).astype(np.uint8)), t, HALVES)
            for t in target
        ]

    models = {"good": model(0.02), "twin": model(0.02), "bad": model(0.3)}
    pairs = paired_comparison(models)
    assert pairs["good - bad"]["p_holm"] < 0.01
    assert pairs["good - bad"]["median_difference"] > 0.2
    assert pairs["good - twin"]["p_holm"] > 0.05
    assert paired_comparison({"a": models["good"], "b": models["good"]})["a - b"]["p"] == 1.0


def test_temperature_undoes_overconfidence_and_thresholds_follow_the_class() -> None:
    rng = np.random.default_rng(5)
    tiles = []
    for index in range(4):
        truth = rng.normal(size=(3, 64, 64)).astype(np.float32) * 1.5
        probability = softened(truth, 1.0)
        drawn = (rng.random((64, 64))[None] > probability.cumsum(0)).sum(0).clip(0, 2).astype(np.uint8)
        tiles.append((truth * 4, Tile(str(index), "g", np.zeros((64, 64, 3), np.uint8), drawn)))
    fitted = calibrated(tiles)
    assert all(3 < t < 5 for t in fitted.temperature)
    assert set(fitted.thresholds) == set(load_vocabulary().codes)
    assert fitted.unknown == ()
    assert calibrated(tiles) == fitted


def test_a_class_that_validation_never_shows_keeps_one_half_and_is_named() -> None:
    label = np.zeros((16, 16), np.uint8)
    label[4] = 1
    tile = Tile("a", "g", np.zeros((16, 16, 3), np.uint8), label)
    fitted = calibrated([(np.log(one_hot(label) + 0.1), tile)])
    assert fitted.unknown == ("paint_loss",)
    assert fitted.thresholds["paint_loss"] == 0.5
    assert calibrated([]).temperature == (1.0, 1.0, 1.0)


def test_called_damaged_is_the_share_of_known_pixels() -> None:
    label = np.zeros((10, 10), np.uint8)
    label[0] = 255
    found = np.zeros((3, 10, 10), np.float32)
    found[0] = 1
    found[:, 0:2, :] = np.array([0, 1, 0], np.float32)[:, None, None]
    found[:, 5, :5] = np.array([0, 0, 1], np.float32)[:, None]
    sums = picture_sums(found, label, {"craquelure": 0.5, "paint_loss": 0.5})
    assert called_damaged([sums, sums]) == pytest.approx({"craquelure": 10 / 90, "paint_loss": 5 / 90})
