"""The two shipped networks: ``res_unet`` (ResNet-50) and ``res_unet_lite`` (MobileNetV2).

Source: DESIGN section 7; RECOGNITION sections 6, 7 and 9. Parameters at three classes: 21.1 M and 6.6 M.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from segmentation_core.models.decoder import Decoder, StemSkip, pad_to_stride
from segmentation_core.models.torchvision_compat import import_torchvision_models

__all__ = ["ResUNet", "ResUNetLite"]

_V1_EPSILON = 1.001e-5
_RES_CHANNELS = (128, 128, 64, 64, 32)
_LITE_CHANNELS = (256, 128, 64, 32, 16)
# Last MobileNetV2 block before each reduction: strides 2, 4, 8, 16, 32.
_LITE_TAPS = (1, 3, 6, 13, 18)
# Blocks at strides 16 and 32 that keep their resolution: their 3x3 filters would carry a tile's border up to
# 190 px inwards (measured on trained weights), which no overlap worth its cost hides. With 1x1 filters a
# border is felt to about 100 px, so that tiled and whole-picture results agree. Damage is local anyway.
_RES_LOCAL = (("layer3", (4, 5)), ("layer4", (0, 1, 2)))
_LITE_LOCAL = (8, 9, 10, 11, 12, 13, 15, 16, 17)


def _as_version_1(backbone: Any) -> None:  # torchvision is untyped
    for stage in (backbone.layer2, backbone.layer3, backbone.layer4):
        first = stage[0]
        first.conv1.stride, first.conv2.stride = (2, 2), (1, 1)
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = _V1_EPSILON


def _limit_context(backbone: Any) -> None:  # torchvision is untyped
    for stage, indices in _RES_LOCAL:
        for index in indices:
            block = getattr(backbone, stage)[index]
            channels = block.conv2.out_channels
            block.conv2 = nn.Conv2d(channels, channels, 1, bias=False)


class ResUNet(nn.Module):
    """ResNet-50 v1 encoder (torchvision's, strides of v1) of limited context, with the light decoder.

    The pre-trained stages that may be shipped are those of the original ResNet-50: its blocks halve the
    resolution in their first 1x1 convolution, not in the 3x3, and its BatchNorm has another epsilon.

    Parameters
    ----------
    classes : int
        Classes K, background included.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        backbone = import_torchvision_models().resnet50(weights=None)
        _as_version_1(backbone)
        _limit_context(backbone)
        self.stem = StemSkip()
        self.conv1, self.bn1, self.relu, self.maxpool = (
            backbone.conv1,
            backbone.bn1,
            backbone.relu,
            backbone.maxpool,
        )
        self.layer1, self.layer2 = backbone.layer1, backbone.layer2
        self.layer3, self.layer4 = backbone.layer3, backbone.layer4
        self.decoder = Decoder((64, 256, 512, 1024, 2048), _RES_CHANNELS, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map a normalised picture (N, 3, H, W), any H and W, to logits (N, K, H, W)."""
        height, width = x.shape[-2:]
        x = pad_to_stride(x)
        half = self.relu(self.bn1(self.conv1(x)))
        quarter = self.layer1(self.maxpool(half))
        eighth = self.layer2(quarter)
        sixteenth = self.layer3(eighth)
        features = (half, quarter, eighth, sixteenth, self.layer4(sixteenth))
        logits: Tensor = self.decoder(features, self.stem(x))
        return logits[..., :height, :width]


class ResUNetLite(nn.Module):
    """MobileNetV2 encoder (torchvision) of limited context, light decoder; for computers without a GPU.

    Parameters
    ----------
    classes : int
        Classes K, background included.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = StemSkip()
        self.features = import_torchvision_models().mobilenet_v2(weights=None).features
        for index in _LITE_LOCAL:
            depthwise = self.features[index].conv[1][0]
            channels = depthwise.out_channels
            self.features[index].conv[1][0] = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)
        self.decoder = Decoder((16, 24, 32, 96, 1280), _LITE_CHANNELS, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map a normalised picture (N, 3, H, W), any H and W, to logits (N, K, H, W)."""
        height, width = x.shape[-2:]
        x = pad_to_stride(x)
        taps: list[Tensor] = []
        feature = x
        for index, layer in enumerate(self.features):
            feature = layer(feature)
            if index in _LITE_TAPS:
                taps.append(feature)
        logits: Tensor = self.decoder(taps, self.stem(x))
        return logits[..., :height, :width]
