from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from segmentation_core.models import build, save_checkpoint


@pytest.fixture
def card_data() -> dict[str, Any]:
    classes = [{"name": n, "value": v} for v, n in enumerate(("background", "craquelure", "paint_loss"))]
    return {
        "mlm:name": "little",
        "mlm:architecture": "res_unet_lite",
        "mlm:input": [{"statistics": {"mean": [0.4, 0.4, 0.4], "stddev": [0.2, 0.2, 0.2]}}],
        "mlm:output": [{"classification:classes": classes}],
        "crack_width_px": [1, 6],
        "thresholds": {"craquelure": 0.4, "paint_loss": 0.5},
        "temperature": 1.0,
    }


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("CRAQUELURE_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def lite() -> torch.nn.Module:
    torch.manual_seed(7)
    return build("res_unet_lite").eval()


@pytest.fixture
def checkpoint(tmp_path: Path, lite: torch.nn.Module, card_data: dict[str, Any]) -> Path:
    path = tmp_path / "download" / "little.safetensors"
    path.parent.mkdir()
    save_checkpoint(path, lite, card_data)
    return path


@pytest.fixture
def in_parts(
    tmp_path: Path, lite: torch.nn.Module, card_data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setattr("segmentation_core.models.checkpoint._PART_BYTES", 4 << 20)
    path = tmp_path / "parts" / "little.safetensors"
    path.parent.mkdir()
    save_checkpoint(path, lite, card_data)
    return path
