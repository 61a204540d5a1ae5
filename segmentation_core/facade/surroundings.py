"""What frames the beams: rafter ends, red boards, plaster, columns, and the light that falls on all of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation_core.facade.curves import circle, rectangle
from segmentation_core.facade.layout import FacadeLayout
from segmentation_core.facade.motifs import cloud
from segmentation_core.facade.painter import Painter
from segmentation_core.facade.palette import BLUE, GOLD, GREEN, INK, OCHRE, RED, TEAL, WHITE
from segmentation_core.facade.view import View, put
from segmentation_core.raster.grid import Window

__all__ = ["LightProfile", "light_profile", "paint_surroundings"]

_PLASTER = (176, 164, 146)


def paint_surroundings(
    layout: FacadeLayout,
    rgb: NDArray[np.uint8],
    relief: NDArray[np.uint8],
    rng: np.random.Generator,
    view: View,
) -> None:
    """Paint everything but the beams, in place, on the pixels of a view."""
    height, width = layout.shape
    tops = [0, *(beam.box_px[3] for beam in layout.beams)]
    bottoms = [*(beam.box_px[1] for beam in layout.beams), height]
    painters = (_rafter_ends, _plain_board, _cloud_board, _plaster)
    for top, bottom, paint in zip(tops, bottoms, painters, strict=True):
        band = (0, top, width, bottom)
        painter = Painter(width, bottom - top, RED.dark, rng, view.sheet(band))
        paint(painter)
        painted, raised = painter.finished()
        put(view, band, (rgb, painted), (relief, raised))
    left, _, right, _ = layout.beams[0].box_px
    for column in ((0, 0, left, height), (right, 0, width, height)):
        put(view, column, (rgb, np.array(RED.deep, np.uint8)), (relief, np.array(0, np.uint8)))


def _rafter_ends(painter: Painter) -> None:
    """Paint a row of round rafter ends with the dragon-eye pearl (龙眼宝珠)."""
    height, width = float(painter.height_px), float(painter.width_px)
    painter.fill(rectangle(-9, -9, width + 9, height + 9), RED.deep)
    pitch, radius = height * 0.98, height * 0.37
    for k in range(math.ceil(width / pitch) + 1):
        x, y = (k + 0.4) * pitch, height * 0.44
        outer, inner = (BLUE, GREEN) if k % 2 == 0 else (GREEN, BLUE)
        painter.graded(circle((x, y), radius), outer, radius * 0.1, outline="gold", steps=3)
        painter.graded(
            circle((x, y + radius * 0.22), radius * 0.66), inner, radius * 0.09, outline="ink", steps=3
        )
        painter.fill(circle((x, y + radius * 0.42), radius * 0.36), INK)
        painter.fill(circle((x, y + radius * 0.42), radius * 0.31), GOLD, relief=255)
        painter.fill(circle((x, y + radius * 0.42), radius * 0.16), WHITE)


def _plain_board(painter: Painter) -> None:
    height, width = float(painter.height_px), float(painter.width_px)
    x = np.linspace(-9, width + 9, 60)
    for share in (0.3, 0.9):
        painter.ink(np.column_stack((x, np.full(60, share * height))), max(0.008 * height, 1.2))
        painter.gold(np.column_stack((x, np.full(60, (share + 0.025) * height))), max(0.014 * height, 1.2))


def _cloud_board(painter: Painter) -> None:
    """Paint a red board with small clouds at intervals."""
    _plain_board(painter)
    height, width = float(painter.height_px), float(painter.width_px)
    count = max(3, int(width / (2.9 * height)))
    for k in range(count):
        x = (k + 0.5) * width / count
        cloud(
            painter, (x, 0.62 * height), 0.2 * height, (GREEN, BLUE, OCHRE, TEAL)[k % 4], 1 if k % 2 else -1
        )


def _plaster(painter: Painter) -> None:
    height, width = float(painter.height_px), float(painter.width_px)
    painter.fill(rectangle(-9, -9, width + 9, height + 9), _PLASTER)
    x = np.linspace(-9, width + 9, 60)
    painter.stroke(np.column_stack((x, np.full(60, 0.5 * height))), max(0.05 * height, 2.0), RED.dark)
    painter.ink(np.column_stack((x, np.full(60, 0.62 * height))), max(0.018 * height, 1.2))


@dataclass(frozen=True)
class LightProfile:
    """Light by row and by column; the facade's light is their product, 1 in full light."""

    rows: NDArray[np.float32]
    columns: NDArray[np.float32]

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the light at points in pixel coordinates (x = column, y = row)."""
        rows = np.interp(y, np.arange(len(self.rows)) + 0.5, self.rows)
        columns = np.interp(x, np.arange(len(self.columns)) + 0.5, self.columns)
        return np.asarray(rows * columns, np.float32)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return the light on a window, 1 in full light."""
        return (
            self.rows[window.row_off : window.row_end, None]
            * self.columns[None, window.col_off : window.col_end]
        )


def light_profile(layout: FacadeLayout) -> LightProfile:
    """Return the light: rounded beams that cast shadows on the boards set back between them."""
    height, width = layout.shape
    rows = np.empty(height)
    edge = 0
    for beam in layout.beams:
        _, top, _, bottom = beam.box_px
        rows[edge:top] = _set_back(top - edge, height)
        rows[top:bottom] = _rounded(bottom - top)
        edge = bottom
    rows[edge:] = _set_back(height - edge, height)
    u = np.linspace(0, 1, width)
    columns = 0.8 + 0.26 * np.sin(np.pi * np.clip(0.12 + 0.78 * u, 0, 1)) ** 1.2
    left, _, right, _ = layout.beams[0].box_px
    for start, stop in ((0, left), (right, width)):
        v = np.linspace(0.35, 1, stop - start) if start == 0 else np.linspace(0, 0.7, stop - start)
        columns[start:stop] *= 0.25 + 0.8 * np.sin(np.pi * v)
    return LightProfile(rows.astype(np.float32), columns.astype(np.float32))


def _rounded(size: int) -> NDArray[np.float64]:
    v = np.linspace(0, 1, size)
    return np.asarray(
        1.05 - 0.22 * np.clip((v - 0.5) / 0.5, 0, 1) ** 2.2 - 0.25 * np.clip(1 - v / 0.05, 0, 1) ** 2
    )


def _set_back(size: int, height: int) -> NDArray[np.float64]:
    """Dark under the member above, and a dark joint above the member below."""
    y = np.arange(size, dtype=float)
    shadow = 0.36 + 0.6 / (1 + np.exp(-(y - 0.4 * size) / (0.07 * size)))
    joint = max(0.0022 * height, 2.0)
    return np.asarray(shadow * (1 - 0.75 * np.exp(-(size - 1 - y) / joint)) * (1 - 0.6 * np.exp(-y / joint)))
