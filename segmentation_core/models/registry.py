"""Architectures by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmentation_core.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ARCHITECTURES", "build"]

ARCHITECTURES = ("res_unet", "res_unet_lite", "res_unet_paper", "unet", "unet_classic", "mc_dm")
"""Names `build` knows, the default first; from the third on, the networks of the paper's comparison."""


def build(name: str, classes: int = 3) -> nn.Module:
    """Build a network with fresh weights.

    Parameters
    ----------
    name : str
        One of `ARCHITECTURES`.
    classes : int
        Classes K, background included.

    Returns
    -------
    torch.nn.Module
        ``forward(x: (N, 3, H, W)) -> logits (N, K, H, W)`` for any H and W.

    Raises
    ------
    ModelError
        The name is unknown.
    """
    from segmentation_core.models import comparison, res_unet

    match name:
        case "res_unet":
            return res_unet.ResUNet(classes)
        case "res_unet_lite":
            return res_unet.ResUNetLite(classes)
        case "res_unet_paper":
            return comparison.PaperResUNet(classes)
        case "unet":
            return comparison.PaperVggUNet(classes)
        case "unet_classic":
            return comparison.ClassicUNet(classes)
        case "mc_dm":
            return comparison.DeepLabMobile(classes)
        case _:
            raise ModelError(
                f"no architecture is called {name!r}", remedy=f"Choose one of {', '.join(ARCHITECTURES)}"
            )
