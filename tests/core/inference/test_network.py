import os

import numpy as np
import pytest
import torch
from torch import nn

from segmentation_core.errors import ParameterError
from segmentation_core.inference.device import (
    Device,
    choose_device,
    default_threads,
    describe_devices,
)
from segmentation_core.inference.network import Predictor, batch_for_memory, folded
from segmentation_core.inference.settings import SegmentSettings, plan_run
from segmentation_core.models import build


class SmallMemory(nn.Module):
    """A network that runs out of memory on more than ``fits`` tiles."""

    def __init__(self, fits, error):
        super().__init__()
        self.head = nn.Conv2d(3, 3, 1)
        self.fits = fits
        self.error = error
        self.sizes = []

    def forward(self, x):
        self.sizes.append(len(x))
        if len(x) > self.fits:
            raise self.error
        return self.head(x)


OUT_OF_MEMORY = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("MPS backend out of memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["cuda", "cpu", "mps", "python"])
def test_batches_are_halved_until_they_fit(card, cpu, error):
    torch.manual_seed(0)
    tiles = np.random.default_rng(0).integers(0, 256, (8, 3, 64, 64)).astype(np.uint8)
    network = SmallMemory(2, error)
    predictor = Predictor(network, card, cpu, batch=8, use_bfloat16=False)
    got = predictor.launch(tiles).wait()
    assert predictor.batch == 2
    expected = Predictor(network, card, cpu, batch=2, use_bfloat16=False).launch(tiles).wait()
    np.testing.assert_array_equal(got, expected)
    assert got.shape == (8, 2, 64, 64)


def test_one_tile_that_does_not_fit_is_an_error(card, cpu):
    network = SmallMemory(1, OUT_OF_MEMORY[0])
    predictor = Predictor(network, card, cpu, batch=4, use_bfloat16=False)
    predictor._network.fits = 0
    with pytest.raises(ParameterError, match="one tile of 64 x 64 px does not fit"):
        predictor.launch(np.zeros((3, 3, 64, 64), dtype=np.uint8))


def test_other_errors_are_not_taken_for_lack_of_memory(card, cpu):
    network = SmallMemory(1, RuntimeError("sizes differ"))
    predictor = Predictor(network, card, cpu, batch=4, use_bfloat16=False)
    with pytest.raises(RuntimeError, match="sizes differ"):
        predictor.launch(np.zeros((3, 3, 64, 64), dtype=np.uint8))


def test_folding_changes_nothing_and_leaves_no_normalisation():
    torch.manual_seed(2)
    network = build("res_unet_lite")
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.1, 0.1)
                module.running_var.uniform_(0.5, 2.0)
                module.weight.uniform_(0.5, 1.5)
    network.eval()
    fast = folded(network)
    x = torch.randn(1, 3, 96, 64)
    with torch.inference_mode():
        expected, got = network(x), fast(x)
    assert not [m for m in fast.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-3)


class NormalisedInAnotherOrder(nn.Module):
    """A normalisation that follows the convolution in definition, not in computation."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.norm.running_mean.fill_(0.4)
        self.norm.running_var.fill_(3.0)

    def forward(self, x):
        return self.conv(torch.relu(self.norm(x)))


def test_folding_that_would_change_the_answer_is_given_up():
    network = NormalisedInAnotherOrder().eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(folded(network)(x), network(x))


def test_bfloat16_gives_float32_probabilities_close_to_float32(tiny_network, card, cpu):
    tiles = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64)).astype(np.uint8)
    exact = Predictor(tiny_network, card, cpu, batch=2, use_bfloat16=False).launch(tiles).wait()
    close = Predictor(tiny_network, card, cpu, batch=2, use_bfloat16=True).launch(tiles).wait()
    assert close.dtype == np.float32
    assert 0 < np.abs(close - exact).max() < 0.1
    assert next(tiny_network.parameters()).dtype == torch.float32


def test_probabilities_are_tempered_and_leave_the_background_out(card, cpu):
    network = nn.Conv2d(3, 3, 1)
    with torch.no_grad():
        network.weight.zero_()
        network.bias.copy_(torch.tensor([0.0, 1.5, 3.0]))
    got = Predictor(network, card, cpu, batch=1, use_bfloat16=False).launch(
        np.zeros((1, 3, 64, 64), dtype=np.uint8)
    )
    e = np.exp(np.array([0.0, 1.0, 2.0]))
    np.testing.assert_allclose(got.wait()[0, :, 5, 5], (e / e.sum())[1:], rtol=1e-6)


def test_batch_of_nothing_is_refused(tiny_network, card, cpu):
    with pytest.raises(ParameterError, match="batch of 0"):
        Predictor(tiny_network, card, cpu, batch=0, use_bfloat16=False)


class TightDevice(Device):
    def free_bytes(self):
        return 3 << 30


def test_batch_follows_free_memory():
    small = TightDevice("cuda", "small", has_bfloat16=True)
    assert batch_for_memory(small, (512, 512)) in range(1, 5)
    assert batch_for_memory(small, (1024, 1024)) == 1
    assert batch_for_memory(small, (64, 64)) > 4


def test_plan_takes_what_is_set_and_else_asks_the_device(cpu):
    plan = plan_run(SegmentSettings(), cpu, 3000, 2000)
    assert (plan.tile_px, plan.use_bfloat16, plan.readers) == (1024, False, 1)
    plan = plan_run(SegmentSettings(tile_px=256, batch=7, use_bfloat16=True, readers=3), cpu, 3000, 2000)
    assert (plan.tile_px, plan.batch, plan.use_bfloat16, plan.readers) == (256, 7, True, 3)


def test_auto_finds_a_device_that_works():
    assert choose_device("auto").kind in {"cpu", "cuda", "mps"}
    assert choose_device("cpu").kind == "cpu"


def test_every_device_is_described_and_the_broken_ones_say_why():
    reports = {report.kind: report for report in describe_devices()}
    assert set(reports) == {"cpu", "cuda", "mps"}
    assert reports["cpu"].why_not is None
    assert reports["cpu"].memory_bytes > 0
    for kind, report in reports.items():
        if report.why_not is not None:
            with pytest.raises(ParameterError, match=f"--device {kind} cannot be used"):
                choose_device(kind)


def test_unknown_device():
    with pytest.raises(ParameterError, match="no device 'tpu'"):
        choose_device("tpu")


def test_threads_stay_within_what_is_allowed():
    assert 1 <= default_threads() <= (os.cpu_count() or 1)
