"""The pigments of a painted beam: aged mineral colours in the graded steps of tui-yun (退晕).

Tui-yun lays each hue in three or four parallel steps of lightness from a white line inwards. Colours
are sRGB, chosen after weathered Qing official painting: azurite or smalt blue, malachite green,
vermilion, gold leaf over ochre, lamp-black ink.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BLUE", "GOLD", "GREEN", "INK", "OCHRE", "RED", "ROSE", "TEAL", "WHITE", "Colour", "Ramp"]

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Ramp:
    """One hue from light to deep."""

    light: Colour
    mid: Colour
    dark: Colour
    deep: Colour


WHITE: Colour = (226, 220, 204)
INK: Colour = (34, 30, 29)
GOLD: Colour = (196, 154, 72)

BLUE = Ramp((158, 182, 203), (92, 130, 178), (46, 80, 143), (28, 51, 99))
GREEN = Ramp((170, 199, 170), (104, 160, 128), (46, 117, 95), (24, 76, 66))
TEAL = Ramp((162, 196, 192), (92, 150, 152), (42, 104, 116), (22, 66, 80))
RED = Ramp((214, 132, 104), (192, 78, 54), (160, 48, 36), (116, 32, 28))
ROSE = Ramp((226, 190, 172), (208, 140, 120), (178, 90, 78), (132, 58, 54))
OCHRE = Ramp((226, 204, 150), (206, 168, 96), (168, 122, 60), (120, 82, 42))
