"""A small trained-looking network, orthophotos, and a checkpoint that `segment` can load."""

from dataclasses import dataclass

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from torch import nn

from segmentation_core.inference.device import Device
from segmentation_core.models import build, save_checkpoint
from segmentation_core.vocabulary import load_vocabulary

CPU = Device("cpu", "test", has_bfloat16=False)


@dataclass(frozen=True)
class TinyCard:
    temperature: float = 1.5

    def normalise(self, x):
        return x.float() / 127.5 - 1


@pytest.fixture
def cpu():
    return CPU


@pytest.fixture
def card():
    return TinyCard()


@pytest.fixture
def tiny_network():
    """Return three convolutions: what a pixel sees ends 3 px away."""
    torch.manual_seed(5)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 3, 3, padding=1),
    )
    with torch.no_grad():
        network[-1].weight *= 6
        network[1].running_mean.uniform_(-0.2, 0.2)
        network[1].running_var.uniform_(0.5, 2)
    return network.eval()


def paint(height, width, seed=0):
    rng = np.random.default_rng(seed)
    blotches = rng.integers(0, 230, (3, -(-height // 16), -(-width // 16)))
    grown = np.kron(blotches, np.ones((1, 16, 16), dtype=int))[:, :height, :width]
    return (grown + rng.integers(0, 25, grown.shape)).astype(np.uint8)


@pytest.fixture
def painting():
    """Return a maker of seeded pictures (3, h, w): blotches and grain."""
    return paint


def write_geotiff(path, array, **profile):
    _, height, width = array.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(array),
        height=height,
        width=width,
        dtype="uint8",
        crs="EPSG:32650",
        transform=Affine(0.001, 0, 10, 0, -0.001, 20),
        **profile,
    ) as dataset:
        dataset.write(array)
    return path


@pytest.fixture
def write_photo(tmp_path):
    """Write an orthophoto of 1 mm pixels."""

    def write(height, width, name="photo.tif", *, array=None, **profile):
        return write_geotiff(tmp_path / name, paint(height, width) if array is None else array, **profile)

    return write


@pytest.fixture(scope="session")
def photo(tmp_path_factory):
    """Return an orthophoto of four rows of tiles of 128 px."""
    return write_geotiff(tmp_path_factory.mktemp("photo") / "photo.tif", paint(400, 120))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Return a lite network with fresh weights whose answers vary over the picture."""
    torch.manual_seed(1)
    network = build("res_unet_lite").eval()
    with torch.no_grad():
        network.decoder.head.weight *= 40
    codes = load_vocabulary().codes
    classes = [{"name": name, "value": value} for value, name in enumerate(("background", *codes))]
    path = tmp_path_factory.mktemp("model") / "test_net.safetensors"
    save_checkpoint(
        path,
        network,
        {
            "mlm:name": "test_net",
            "mlm:architecture": "res_unet_lite",
            "mlm:input": [{"statistics": {"mean": [0.485, 0.456, 0.406], "stddev": [0.229, 0.224, 0.225]}}],
            "mlm:output": [{"classification:classes": classes}],
            "crack_width_px": [1, 6],
            "thresholds": {codes[0]: 0.3, codes[1]: 0.35},
            "temperature": 1.2,
        },
    )
    return path
