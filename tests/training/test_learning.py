from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from segmentation_core.errors import ParameterError
from training.data import VALIDATION_GROUPS, load_tiles
from training.metrics import Agreement
from training.synthetic.samples import Ingredients
from training.trainer import Limits, Recipe, train

TINY = Recipe(steps=4, batch=2, size_px=64, synthetic=1.0, warm_up=2, seed=5)


def test_tolerance_forgives_two_pixels_and_not_three() -> None:
    target = np.zeros((40, 40), np.uint8)
    target[20] = 1
    for shift, score in ((0, 1.0), (2, 1.0), (3, 0.0)):
        agreement = Agreement(1)
        agreement.add(np.roll(target, shift, axis=0), target)
        assert agreement.tolerance_f1 == pytest.approx(score)
    assert agreement.iou == 0.0


def test_scores_are_pooled_before_the_division() -> None:
    one, none = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    one[0] = 1
    agreement = Agreement(1)
    agreement.add(one, one)
    agreement.add(one, none)
    assert agreement.iou == pytest.approx(0.5)
    assert agreement.f1 == pytest.approx(2 / 3)
    ignored = np.full((4, 4), 255, np.uint8)
    agreement.add(one, ignored)
    assert agreement.iou == pytest.approx(0.5)
    assert np.isnan(Agreement(2).iou)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_resuming_gives_bit_for_bit_the_uninterrupted_run(
    layout: torch.memory_format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Processors differ in which layout they compute fastest with; a run resumes on either.
    monkeypatch.setattr("training.run_state.memory_format", lambda _device: layout)
    whole = train(TINY, (), Ingredients(), tmp_path / "whole", limits=Limits(every=2))
    halves = tmp_path / "halves"

    class Stop(Exception):
        pass

    def interrupt(line: str) -> None:
        raise Stop(line)

    with pytest.raises(Stop):
        train(TINY, (), Ingredients(), halves, limits=Limits(every=2), report=interrupt)
    resumed = train(TINY, (), Ingredients(), halves, limits=Limits(every=2))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    first, second = load_file(tmp_path / "whole/state.safetensors"), load_file(halves / "state.safetensors")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[k], second[k]) for k in first)
    with (halves / "log.csv").open() as handle:
        assert [row["step"] for row in csv.DictReader(handle)] == ["2", "4"]


def test_a_run_of_another_recipe_is_not_continued(tmp_path: Path) -> None:
    short = Recipe(steps=1, batch=2, size_px=64, synthetic=1.0, seed=5)
    train(short, (), Ingredients(), tmp_path, limits=Limits(every=1))
    with pytest.raises(ParameterError, match="another recipe"):
        train(Recipe(steps=2, batch=2, size_px=64, synthetic=1.0, seed=6), (), Ingredients(), tmp_path)


def test_the_rate_rises_then_falls() -> None:
    rates = [TINY.rate(step) for step in range(5)]
    assert rates[0] < rates[1] == max(rates)
    assert rates[4] < 0.01 * rates[1]


def test_validation_paintings_are_never_trained_on(shared_data: Path) -> None:
    folder = shared_data / "craquelure_oil"
    training, validation = load_tiles(folder, validation=False), load_tiles(folder, validation=True)
    assert {tile.group for tile in validation} == VALIDATION_GROUPS
    assert not {tile.group for tile in training} & VALIDATION_GROUPS
    assert len(training) + len(validation) == 1167
    assert not {tile.name for tile in training} & {tile.name for tile in validation}


def test_a_tile_without_label_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("name,group\nlonely,nl01\n")
    (tmp_path / "images").mkdir()
    with pytest.raises(ParameterError, match="lonely"):
        load_tiles(tmp_path, validation=False)
