"""Where the members of the demo's facade lie, how each is painted and how badly each has suffered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segmentation_core.errors import ParameterError
from segmentation_core.facade.beam import BeamScheme
from segmentation_core.facade.palette import BLUE, GREEN, RED, TEAL
from segmentation_core.raster.grid import Grid

__all__ = [
    "FULL_SIZE_PX",
    "GSD_MM",
    "LOCAL_CRS_WKT",
    "Beam",
    "Damage",
    "FacadeLayout",
    "facade_layout",
    "valid_mask",
]

FULL_SIZE_PX = (10240, 4096)
"""(width, height) of the demo's orthophoto: 41.9 Mpx."""

GSD_MM = 0.25
_LEFT_M, _TOP_M = 10.0, 6.4
_LEAST_SIZE_PX = (1200, 600)

LOCAL_CRS_WKT = (
    'ENGCRS["Pavilion, south facade",EDATUM["Survey marks of the pavilion"],CS[Cartesian,2],'
    'AXIS["along (u)",east,ORDER[1]],AXIS["height (v)",north,ORDER[2]],LENGTHUNIT["metre",1]]'
)
"""Engineering CRS of the facade: u along it, v above the pavilion's floor, metres."""


@dataclass(frozen=True)
class Damage:
    """How far a beam has decayed.

    Attributes
    ----------
    crackled : float
        Share of the beam under craquelure, 0 to 1.
    cell_px : (float, float)
        Sides of the finest and the coarsest cells.
    width_px : (float, float)
        Widths of the youngest and the oldest cracks of a network.
    grain_cracks : float
        Long cracks along the grain, per million pixels.
    check_share : float
        Share of these that are wide, open checks.
    lost : float
        Share of the beam that has lost its paint.
    """

    crackled: float
    cell_px: tuple[float, float]
    width_px: tuple[float, float]
    grain_cracks: float
    check_share: float
    lost: float


@dataclass(frozen=True)
class Beam:
    """One painted beam: its id and names, its pixels (x0, y0, x1, y1), its painting and its damage."""

    beam_id: str
    name_en: str
    name_zh: str
    box_px: tuple[int, int, int, int]
    scheme: BeamScheme
    damage: Damage

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        x0, y0, x1, y1 = self.box_px
        return y1 - y0, x1 - x0


@dataclass(frozen=True)
class FacadeLayout:
    """The facade: three beams between boards, on the grid of its orthophoto."""

    grid: Grid
    beams: tuple[Beam, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.grid.height, self.grid.width


_BEAMS = (
    (
        "B1",
        "Eave purlin",
        "檐檩",
        (0.055, 0.285),
        BeamScheme(BLUE, GREEN, RED, "brocade", "beads"),
        Damage(0.3, (48, 90), (1.0, 2.2), 1.2, 0.1, 0.006),
    ),
    (
        "B2",
        "Large architrave",
        "大额枋",
        (0.355, 0.645),
        BeamScheme(GREEN, BLUE, RED, "scroll", "fret"),
        Damage(0.62, (24, 72), (1.1, 3.6), 1.6, 0.15, 0.05),
    ),
    (
        "B3",
        "Small architrave",
        "小额枋",
        (0.725, 0.935),
        BeamScheme(BLUE, GREEN, TEAL, "clouds", "beads"),
        Damage(0.5, (32, 84), (1.0, 2.8), 4.0, 0.3, 0.022),
    ),
)


def facade_layout(size_px: tuple[int, int] = FULL_SIZE_PX) -> FacadeLayout:
    """Lay out the facade.

    Parameters
    ----------
    size_px : (width, height)
        Of the orthophoto. Members scale with it; cracks, flakes and the GSD of 0.25 mm do not.

    Raises
    ------
    ParameterError
        Too small to hold the ornament.
    """
    width, height = size_px
    if width < _LEAST_SIZE_PX[0] or height < _LEAST_SIZE_PX[1]:
        raise ParameterError(
            f"a facade of {width} x {height} pixels is too small",
            remedy=f"Ask for at least {_LEAST_SIZE_PX[0]} x {_LEAST_SIZE_PX[1]}",
        )
    unit = GSD_MM / 1000
    grid = Grid(width, height, Affine(unit, 0, _LEFT_M, 0, -unit, _TOP_M), LOCAL_CRS_WKT, 1.0)
    x0, x1 = round(0.017 * width), round(0.983 * width)
    beams = tuple(
        Beam(beam_id, en, zh, (x0, round(top * height), x1, round(bottom * height)), scheme, damage)
        for beam_id, en, zh, (top, bottom), scheme, damage in _BEAMS
    )
    return FacadeLayout(grid, beams)


def valid_mask(layout: FacadeLayout, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return where the orthophoto has data: everything but a ragged strip at its right and a lost corner."""
    height, width = layout.shape
    rows = np.linspace(0, height, 40)
    steps = np.repeat(rng.uniform(0.004, 0.03, 8), 5) * width
    edge = width - steps - rng.uniform(0, 0.0015 * width, 40)
    image = Image.new("1", (width, height), 1)
    brush = ImageDraw.Draw(image)
    brush.polygon([(width + 1, -1), *zip(edge, rows, strict=True), (width + 1, height + 1)], fill=0)
    cut = 0.045 * height
    brush.polygon(
        [(0, height), (0, height - cut), (0.6 * cut, height - 0.8 * cut), (1.4 * cut, height)], fill=0
    )
    return np.asarray(image)
