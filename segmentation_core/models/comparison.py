"""Networks of the source paper's comparison, to the letter; experiments only, none of them ships.

Source: RECOGNITION, sections 1.2 and 2: the paper's implementation, identified by seven fingerprints, and
the networks it was compared with. Their bilinear steps align corners, so that a result depends on the
size of the picture; `res_unet` does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from segmentation_core.models.decoder import pad_to_stride
from segmentation_core.models.torchvision_compat import import_torchvision_models

__all__ = ["ClassicUNet", "DeepLabMobile", "PaperResUNet", "PaperVggUNet"]

_DECODED = (64, 128, 256, 512)
_CLASSIC = (64, 128, 256, 512, 1024)
_ATROUS_RATES = (6, 12, 18)
_ASPP_CHANNELS = 256


class _Up(nn.Module):
    """Double the size, join the skip, convolve twice; biases, no normalisation."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)

    def forward(self, skip: Tensor, below: Tensor) -> Tensor:
        x = torch.cat([skip, _doubled(below)], dim=1)
        return functional.relu(self.conv2(functional.relu(self.conv1(x))))


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)


def _initialised_as_the_paper(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)


class PaperResUNet(nn.Module):
    """The paper's Res-UNet: ResNet-50, max-pool without padding, decoder without normalisation.

    43,932,931 parameters at three classes. Takes pictures scaled to 0-1, not normalised further.

    Parameters
    ----------
    classes : int
        Classes K, background included.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        backbone = import_torchvision_models().resnet50(weights=None)
        self.conv1, self.bn1, self.relu = backbone.conv1, backbone.bn1, backbone.relu
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=0, ceil_mode=True)
        self.layer1, self.layer2 = backbone.layer1, backbone.layer2
        self.layer3, self.layer4 = backbone.layer3, backbone.layer4
        skips, deepest = (64, 256, 512, 1024), 2048
        inputs = [skip + below for skip, below in zip(skips, (*_DECODED[1:], deepest), strict=True)]
        self.ups = nn.ModuleList(_Up(n, out) for n, out in zip(inputs, _DECODED, strict=True))
        self.last1, self.last2 = nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(64, 64, 3, padding=1)
        self.head = nn.Conv2d(64, classes, 1)
        _initialised_as_the_paper(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map a picture (N, 3, H, W) in 0-1, any H and W, to logits (N, K, H, W)."""
        height, width = x.shape[-2:]
        x = pad_to_stride(x)
        features = [self.relu(self.bn1(self.conv1(x)))]
        features.append(self.layer1(self.maxpool(features[0])))
        for layer in (self.layer2, self.layer3, self.layer4):
            features.append(layer(features[-1]))
        decoded = _doubled(_decoded(self.ups, features))
        decoded = functional.relu(self.last2(functional.relu(self.last1(decoded))))
        logits: Tensor = self.head(decoded)
        return logits[..., :height, :width]


def _decoded(ups: nn.ModuleList, features: Sequence[Tensor]) -> Tensor:
    *skips, x = features
    for up, skip in zip(reversed(ups), reversed(skips), strict=True):
        x = up(skip, x)
    return x


class PaperVggUNet(nn.Module):
    """The paper's U-Net baseline, most likely: VGG16 encoder, the same decoder; 24.89 M parameters.

    Parameters
    ----------
    classes : int
        Classes K, background included.
    """

    _POOLS = (4, 9, 16, 23, 30)

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = import_torchvision_models().vgg16(weights=None).features[: self._POOLS[-1]]
        skips, deepest = (64, 128, 256, 512), 512
        inputs = [skip + below for skip, below in zip(skips, (*_DECODED[1:], deepest), strict=True)]
        self.ups = nn.ModuleList(_Up(n, out) for n, out in zip(inputs, _DECODED, strict=True))
        self.head = nn.Conv2d(64, classes, 1)
        _initialised_as_the_paper(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map a picture (N, 3, H, W) in 0-1, any H and W, to logits (N, K, H, W)."""
        height, width = x.shape[-2:]
        feature = pad_to_stride(x)
        features = []
        for index, layer in enumerate(self.features):
            if index in self._POOLS:
                features.append(feature)
            feature = layer(feature)
        logits: Tensor = self.head(_decoded(self.ups, [*features, feature]))
        return logits[..., :height, :width]


def _twice(channels_in: int, channels_out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (channels_in, channels_out):
        layers += [
            nn.Conv2d(channels, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class ClassicUNet(nn.Module):
    """The classic U-Net, 64 to 1024 channels, transposed convolutions up; 31.04 M parameters.

    Padded convolutions with batch normalisation, as it is used today.

    Parameters
    ----------
    classes : int
        Classes K, background included.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.downs = nn.ModuleList(_twice(n, out) for n, out in zip((3, *_CLASSIC), _CLASSIC, strict=False))
        pairs = list(zip(_CLASSIC[:0:-1], _CLASSIC[-2::-1], strict=True))
        self.rises = nn.ModuleList(nn.ConvTranspose2d(below, out, 2, stride=2) for below, out in pairs)
        self.ups = nn.ModuleList(_twice(below, out) for below, out in pairs)
        self.head = nn.Conv2d(_CLASSIC[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map a normalised picture (N, 3, H, W), any H and W, to logits (N, K, H, W)."""
        height, width = x.shape[-2:]
        feature = pad_to_stride(x)
        features = []
        for index, down in enumerate(self.downs):
            feature = down(functional.max_pool2d(feature, 2) if index else feature)
            features.append(feature)
        *skips, feature = features
        for rise, up, skip in zip(self.rises, self.ups, reversed(skips), strict=True):
            feature = up(torch.cat([skip, rise(feature)], dim=1))
        logits: Tensor = self.head(feature)
        return logits[..., :height, :width]


def _conv(channels_in: int, channels_out: int, kernel: int, rate: int = 1) -> nn.Sequential:
    padding = rate * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, padding=padding, dilation=rate),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class DeepLabMobile(nn.Module):
    """MC-DM: DeepLabV3+ on MobileNetV2 at output stride 16; 5.81 M parameters.

    It predicts at a quarter of the resolution, which is why it loses hairlines.

    Parameters
    ----------
    classes : int
        Classes K, background included.
    """

    _LOW_LEVEL, _DILATED_FROM = 4, 14

    def __init__(self, classes: int) -> None:
        super().__init__()
        features = import_torchvision_models().mobilenet_v2(weights=None).features[:-1]
        for block in features[self._DILATED_FROM :]:
            for module in block.modules():
                if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
                    rate = 1 if module.stride == (2, 2) else 2
                    module.stride, module.dilation, module.padding = (1, 1), (rate, rate), (rate, rate)
        self.low, self.high = features[: self._LOW_LEVEL], features[self._LOW_LEVEL :]
        deep = 320
        self.branches = nn.ModuleList(
            [_conv(deep, _ASPP_CHANNELS, 1), *(_conv(deep, _ASPP_CHANNELS, 3, r) for r in _ATROUS_RATES)]
        )
        # One value per picture: its normalisation learns nothing from a batch of one, but is in the original.
        self.pooled = _conv(deep, _ASPP_CHANNELS, 1)
        self.joined = _conv(5 * _ASPP_CHANNELS, _ASPP_CHANNELS, 1)
        self.shortcut = _conv(24, 48, 1)
        self.cat = nn.Sequential(
            _conv(48 + _ASPP_CHANNELS, 256, 3), nn.Dropout(0.5), _conv(256, 256, 3), nn.Dropout(0.1)
        )
        self.head = nn.Conv2d(256, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map a picture (N, 3, H, W) in 0-1, any H and W, to logits (N, K, H, W)."""
        height, width = x.shape[-2:]
        x = pad_to_stride(x)
        low = self.low(x)
        deep = self.high(low)
        pooled = self.pooled(deep.mean((2, 3), keepdim=True)).expand(-1, -1, *deep.shape[-2:])
        aspp = self.joined(torch.cat([*(branch(deep) for branch in self.branches), pooled], dim=1))
        aspp = functional.interpolate(aspp, size=low.shape[-2:], mode="bilinear", align_corners=True)
        quarter = self.head(self.cat(torch.cat([aspp, self.shortcut(low)], dim=1)))
        logits = functional.interpolate(quarter, size=x.shape[-2:], mode="bilinear", align_corners=True)
        return logits[..., :height, :width]
