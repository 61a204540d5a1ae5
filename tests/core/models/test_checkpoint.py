from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from segmentation_core.errors import ModelError
from segmentation_core.models import load_checkpoint, save_checkpoint


def edit_card(checkpoint: Path, **changes: Any) -> None:
    card = checkpoint.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), **changes}))


def test_round_trip_keeps_the_network_to_half_precision(checkpoint: Path, lite: torch.nn.Module) -> None:
    model = load_checkpoint(checkpoint)
    picture = torch.randint(
        0, 256, (1, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(2)
    )
    with torch.inference_mode():
        before, after = lite(model.card.normalise(picture)), model.network(model.card.normalise(picture))
    assert torch.allclose(before, after, atol=0.02)
    assert not model.network.training
    assert model.name == "little"
    assert model.card.thresholds == {"craquelure": 0.4, "paint_loss": 0.5}


def test_weights_lie_in_half_precision_and_normalisation_in_float32(checkpoint: Path) -> None:
    tensors = load_file(checkpoint)
    assert tensors["decoder.head.weight"].dtype == torch.float16
    assert tensors["stem.0.0.weight"].dtype == torch.float16
    assert tensors["stem.0.1.weight"].dtype == torch.float32
    assert tensors["stem.0.1.running_var"].dtype == torch.float32
    assert checkpoint.stat().st_size < 14e6


def test_normalise_scales_from_bytes(checkpoint: Path) -> None:
    picture = torch.tensor([0, 102, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    expected = torch.tensor([-2.0, 0.0, 3.0]).view(1, 3, 1, 1)
    assert torch.allclose(load_checkpoint(checkpoint).card.normalise(picture), expected, atol=1e-6)


def test_large_weights_lie_in_parts_and_load_as_one(in_parts: Path, lite: torch.nn.Module) -> None:
    files = sorted(in_parts.parent.glob("*.safetensors"))
    assert len(files) > 2
    assert all(file.stat().st_size < 7e6 for file in files)  # the largest tensor alone has 6.3 MB
    loaded = load_checkpoint(in_parts)
    assert loaded.card.weights_parts == len(files)
    expected = lite.state_dict()
    for name, value in loaded.network.state_dict().items():
        assert torch.allclose(value, expected[name], atol=1e-3), name


def test_a_missing_part_is_named(in_parts: Path) -> None:
    in_parts.with_suffix(".3.safetensors").unlink()
    with pytest.raises(ModelError, match=r"part of the model little is missing: .*little\.3\.safetensors"):
        load_checkpoint(in_parts)


def test_a_changed_part_is_refused(in_parts: Path) -> None:
    part = in_parts.with_suffix(".2.safetensors")
    tensors = load_file(part)
    save_file({name: value + 1 for name, value in tensors.items()}, part)
    with pytest.raises(ModelError, match="checksum differs"):
        load_checkpoint(in_parts)


class Trap:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("craquelure-was-unpickled"),)


def test_a_pickle_is_refused_unopened(checkpoint: Path) -> None:
    Path("craquelure-was-unpickled").unlink(missing_ok=True)
    checkpoint.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError, match=r"not a whole safetensors file.*little\.safetensors"):
        load_checkpoint(checkpoint)
    assert not Path("craquelure-was-unpickled").exists()


def test_a_cut_file_is_refused(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:5_000_000])
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        load_checkpoint(checkpoint)


def test_a_missing_file_or_card_is_named(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such model file: .*absent\.safetensors"):
        load_checkpoint(tmp_path / "absent.safetensors")
    checkpoint.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"card is missing: .*little\.json"):
        load_checkpoint(checkpoint)


def test_other_weights_than_the_card_describes_are_refused(checkpoint: Path) -> None:
    tensors = load_file(checkpoint)
    tensors["decoder.head.bias"] += 1
    save_file(tensors, checkpoint)
    with pytest.raises(ModelError, match="checksum differs"):
        load_checkpoint(checkpoint)


def test_shapes_that_do_not_fit_are_named(
    tmp_path: Path, lite: torch.nn.Module, card_data: dict[str, Any]
) -> None:
    path = tmp_path / "mismatch.safetensors"
    save_checkpoint(path, lite, {**card_data, "mlm:architecture": "res_unet"})
    with pytest.raises(ModelError, match="tensors do not fit res_unet"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"thresholds": {"craquelure": 0.4}}, "one threshold"),
        ({"thresholds": {"craquelure": 0.4, "paint_loss": 1.5}}, "one threshold"),
        ({"temperature": 0}, "temperature"),
        ({"weights": {"sha256": "0", "parts": 0}}, "0 parts"),
        ({"weights": {"sha256": "0", "parts": 10**9}}, "1000000000 parts"),
        ({"temperature": float("nan")}, "temperature"),
        ({"crack_width_px": [1]}, "lacks a field"),
        ({"mlm:input": []}, "lacks a field"),
        ({"mlm:input": [{"statistics": {"mean": [0, 0, 0], "stddev": [1, 1, 0]}}]}, "normalisation"),
        ({"mlm:output": [{"classification:classes": [{"name": "pothole", "value": 1}]}]}, "pothole"),
        ({"mlm:architecture": "transformer"}, "no architecture"),
    ],
)
def test_an_unusable_card_says_what_is_wrong(checkpoint: Path, changes: dict[str, Any], message: str) -> None:
    edit_card(checkpoint, **changes)
    with pytest.raises(ModelError, match=message):
        load_checkpoint(checkpoint)


def test_a_card_that_is_not_json_is_refused(checkpoint: Path) -> None:
    checkpoint.with_suffix(".json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        load_checkpoint(checkpoint)
