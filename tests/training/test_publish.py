from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from segmentation_core.errors import ModelError, ParameterError
from segmentation_core.models import load_checkpoint
from training.data import Tile
from training.publish import publish, rescore
from training.recipe import Recipe
from training.run_state import RunState

MADE = {"device": "CPU", "hours": 0.0}


def _tile(name: str) -> Tile:
    rng = np.random.default_rng(3)
    label = np.zeros((64, 64), np.uint8)
    label[20:22], label[40:50, 40:50] = 1, 2
    return Tile(name, name, rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), label)


def _run(folder: Path, seed: int, architecture: str = "res_unet_lite") -> Path:
    folder.mkdir()
    RunState(Recipe(architecture=architecture, seed=seed)).save(folder)
    return folder


def _published(run: Path, out: Path, **more: object) -> Path:
    sets = {"real": (_tile("fl03"),), "synthetic": (_tile("synthetic"),)}
    card = publish(run, out, **sets, made=MADE, **more)  # type: ignore[arg-type]
    return out / f"{card['mlm:architecture']}.safetensors"


def test_the_mean_of_two_runs_lies_where_the_share_says(tmp_path: Path) -> None:
    earlier = _published(_run(tmp_path / "a", 1), tmp_path / "earlier")
    late = _run(tmp_path / "b", 2)
    mean = load_checkpoint(_published(late, tmp_path / "mean", mean_with=(earlier, 0.25)))
    old = load_checkpoint(earlier)
    new = load_file(late / "state.safetensors")
    told = json.loads(mean.path.with_suffix(".json").read_text(encoding="utf-8"))["training"]
    factors, offsets = (torch.tensor(told["calibration"][key]) for key in ("factors", "offsets"))
    for name, value in mean.network.state_dict().items():
        if value.is_floating_point():
            expected = 0.25 * old.network.state_dict()[name] + 0.75 * new[f"average.{name}"]
            if name == "decoder.head.weight":
                expected = expected * factors.view(-1, 1, 1, 1)
            elif name == "decoder.head.bias":
                expected = expected * factors + offsets
            torch.testing.assert_close(value, expected, rtol=2e-3, atol=1e-3)  # half precision on disk
    assert told["mean_with"] == {"sha256": old.sha256, "share": 0.25}


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_a_share_that_is_none_is_refused(tmp_path: Path, share: float) -> None:
    earlier = _published(_run(tmp_path / "a", 1), tmp_path / "earlier")
    with pytest.raises(ParameterError, match="between 0 and 1"):
        _published(_run(tmp_path / "b", 2), tmp_path / "mean", mean_with=(earlier, share))


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    earlier = _published(_run(tmp_path / "a", 1), tmp_path / "earlier")
    with pytest.raises(ModelError, match="res_unet_lite"):
        _published(_run(tmp_path / "b", 2, "res_unet"), tmp_path / "mean", mean_with=(earlier, 0.5))


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no training run"):
        _published(tmp_path, tmp_path / "out")


def test_a_card_is_written_anew_and_the_weights_stay(tmp_path: Path) -> None:
    checkpoint = _published(_run(tmp_path / "a", 1), tmp_path / "out")
    before = load_checkpoint(checkpoint)
    sets = {"real": (_tile("fl03"),), "synthetic": (_tile("synthetic"), _tile("another"))}
    kept = rescore(checkpoint, **sets, slack=None)
    assert kept["thresholds"] == dict(before.card.thresholds)
    assert [row["pictures"] for row in kept["metrics"] if row["set"] == "synthetic"] == [2, 2]
    best = rescore(checkpoint, **sets, slack=0.0, note="sharper")
    lax = rescore(checkpoint, **sets, slack=1.0)
    assert best["training"]["rescored"] == "sharper"
    assert set(lax["thresholds"].values()) == {0.8}  # any F1 will do: the highest there is
    assert all(best["thresholds"][code] <= lax["thresholds"][code] for code in best["thresholds"])
    after = load_checkpoint(checkpoint)
    assert after.sha256 == before.sha256
    assert dict(after.card.thresholds) == lax["thresholds"]
    rescore(checkpoint, **sets, slack=0.0, calibrate=True)
    again = load_checkpoint(checkpoint)
    assert again.sha256 != before.sha256
    changed = [
        name
        for name, value in again.network.state_dict().items()
        if not torch.equal(value, before.network.state_dict()[name])
    ]
    assert set(changed) <= {"decoder.head.weight", "decoder.head.bias"}
