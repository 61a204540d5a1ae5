"""The U-Net decoder that both shipped networks share.

Source: RECOGNITION, sections 7 and 9: bilinear x2 with ``align_corners=False`` (the output then does not
depend on the tile's size), two conv-BN-ReLU per block, and a full-resolution stem skip, because a
backbone's first feature is at half resolution and a hairline is one pixel wide.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["STRIDE_PX", "Decoder", "StemSkip", "pad_to_stride"]

STRIDE_PX = 32
"""Both backbones reduce by 32: inputs are padded to a multiple, tiles start at a multiple."""

_STEM_CHANNELS = 16


def _conv_bn_relu(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class StemSkip(nn.Sequential):
    """Two 3x3 convolutions at full resolution: (N, 3, H, W) -> (N, 16, H, W)."""

    def __init__(self) -> None:
        super().__init__(_conv_bn_relu(3, _STEM_CHANNELS), _conv_bn_relu(_STEM_CHANNELS, _STEM_CHANNELS))


class Decoder(nn.Module):
    """Five blocks from stride 32 to full resolution, and the 1x1 head.

    Parameters
    ----------
    skip_channels : sequence of int
        Channels of the encoder's features at strides 2, 4, 8, 16 and 32.
    channels : sequence of int
        Channels of the five blocks, deepest first.
    classes : int
        Classes K, background included.
    """

    def __init__(self, skip_channels: Sequence[int], channels: Sequence[int], classes: int) -> None:
        super().__init__()
        *skips, deepest = skip_channels
        inputs = [deepest, *channels[:-1]]
        joined = [*reversed(skips), _STEM_CHANNELS]
        self.blocks = nn.ModuleList(
            nn.Sequential(_conv_bn_relu(below + beside, out), _conv_bn_relu(out, out))
            for below, beside, out in zip(inputs, joined, channels, strict=True)
        )
        self.head = nn.Conv2d(channels[-1], classes, 1)

    def forward(self, features: Sequence[Tensor], stem: Tensor) -> Tensor:
        """Decode.

        Parameters
        ----------
        features : sequence of Tensor
            Strides 2, 4, 8, 16, 32.
        stem : Tensor of shape (N, 16, H, W)
            Full-resolution features.

        Returns
        -------
        Tensor of shape (N, K, H, W)
            Logits.
        """
        *skips, x = features
        for block, skip in zip(self.blocks, [*reversed(skips), stem], strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(torch.cat([skip, x], dim=1))
        logits: Tensor = self.head(x)
        return logits


def pad_to_stride(x: Tensor) -> Tensor:
    """Replicate the right and bottom edge up to a multiple of the stride: (N, C, H, W), any H and W."""
    height, width = x.shape[-2:]
    bottom, right = -height % STRIDE_PX, -width % STRIDE_PX
    if bottom == 0 and right == 0:
        return x
    return functional.pad(x, (0, right, 0, bottom), mode="replicate")
