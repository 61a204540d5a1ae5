from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from segmentation_core.errors import ModelError
from segmentation_core.models import ARCHITECTURES, build


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("res_unet", 21_144_595),
        ("res_unet_lite", 6_589_411),
        ("res_unet_paper", 43_932_931),
        ("unet", 24_891_267),
        ("unet_classic", 31_037_763),
        ("mc_dm", 5_813_523),
    ],
)
def test_parameter_count_is_the_designed_one(name: str, parameters: int) -> None:
    assert sum(p.numel() for p in build(name).parameters()) == parameters


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (70, 45), (1, 33)])
def test_logits_have_the_size_of_the_picture(name: str, height: int, width: int) -> None:
    network = build(name, classes=4).eval()
    with torch.inference_mode():
        logits = network(torch.zeros(2, 3, height, width))
    assert logits.shape == (2, 4, height, width)


def test_padding_inside_is_what_padding_outside_would_give(lite: torch.nn.Module) -> None:
    picture = torch.rand(1, 3, 50, 61, generator=torch.Generator().manual_seed(1))
    padded = torch.nn.functional.pad(picture, (0, 3, 0, 14), mode="replicate")
    with torch.inference_mode():
        assert torch.equal(lite(picture), lite(padded)[..., :50, :61])


def test_unknown_architecture_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match="res_unet_lite"):
        build("res_unet_huge")


def test_importing_the_models_package_does_not_import_torch() -> None:
    code = "import sys, segmentation_core.models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_torchvision_imports_beside_a_torch_without_its_operators() -> None:
    # Refusing to load the extension is what a mismatched build does, whatever is installed here.
    code = (
        "import torch\n"
        "def refuse(path): raise OSError('built for another torch')\n"
        "torch.ops.load_library = refuse\n"
        "from segmentation_core.models.torchvision_compat import import_torchvision_models\n"
        "models = import_torchvision_models()\n"
        "assert models is import_torchvision_models()\n"
        "models.mobilenet_v2(weights=None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
