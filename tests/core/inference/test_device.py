"""A graphics card that cannot compute is passed over, with the reason."""

from __future__ import annotations

import pytest
import torch

from segmentation_core.errors import ParameterError
from segmentation_core.inference import device


@pytest.fixture
def broken_gpu(monkeypatch):
    """A card that the driver shows but whose first convolution fails, as one too old for this torch."""
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GeForce GT 710")

    def fail(kind):
        if kind == "cuda":
            raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore")

    monkeypatch.setattr(device, "_try_convolution", fail)


def test_the_run_falls_back_and_says_why(broken_gpu):
    chosen = device.choose_device("auto")
    assert chosen.kind == "cpu"
    assert chosen.notes == (
        "GeForce GT 710 is not used: CUDA error: no kernel image is available for execution on the device",
    )


def test_asked_for_by_name_it_is_refused(broken_gpu):
    with pytest.raises(ParameterError, match="no kernel image"):
        device.choose_device("cuda")


def test_the_convolution_runs_where_torch_does():
    device._try_convolution("cpu")
    with pytest.raises(RuntimeError):
        device._try_convolution("nonsense")
