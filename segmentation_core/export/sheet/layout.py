"""Where things stand on a sheet, and at which scale an extent fits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from segmentation_core.export.sheet.canvas import Box, Frame

__all__ = ["Layout", "frames_for", "page_layout"]

_MARGIN_MM = 10.0
_BINDING_MM = 20.0
_COLUMN_MM = 92.0
_NARROW_COLUMN_MM = 74.0
_INSET_MM = 6.0
_SCALES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)


@dataclass(frozen=True)
class Layout:
    """Boxes of a sheet in mm: the drawing, and the column beside it."""

    drawing: Box
    column: Box


def page_layout(paper_mm: tuple[float, float]) -> Layout:
    """Return the boxes of a landscape sheet."""
    width, height = paper_mm
    column = _COLUMN_MM if width > 300 else _NARROW_COLUMN_MM
    inner = height - 2 * _MARGIN_MM
    right = width - _MARGIN_MM - column
    return Layout((_BINDING_MM, _MARGIN_MM, right - _BINDING_MM, inner), (right, _MARGIN_MM, column, inner))


def frames_for(
    extent: tuple[float, float, float, float], box: Box, mm_per_unit: float, scale: int | None
) -> tuple[int, list[Frame]]:
    """Return the scale's denominator and the frames that show an extent.

    Without a scale, the largest of 1:1, 1:2, 1:5, 1:10, 1:20, ... at which the extent fits on one sheet is
    taken; at a given scale it is cut into as many frames as it needs, in reading order.

    Parameters
    ----------
    extent : (min x, min y, max x, max y)
        Map coordinates.
    box : Box
        The drawing on paper.
    mm_per_unit : float
        Real mm per map unit.
    """
    x0, y0, x1, y1 = extent
    room = (box[2] - 2 * _INSET_MM, box[3] - 2 * _INSET_MM)
    size = ((x1 - x0) * mm_per_unit, (y1 - y0) * mm_per_unit)
    if scale is None:
        needed = max(size[0] / room[0], size[1] / room[1])
        scale = next((s for s in _SCALES if s >= needed * (1 - 1e-9)), math.ceil(needed))
    k = mm_per_unit / scale
    across, down = (max(1, math.ceil(size[i] / scale / room[i] - 1e-9)) for i in (0, 1))
    step = (room[0] / k, room[1] / k)
    frames = []
    for row in range(down):
        for col in range(across):
            left = (x0 + x1) / 2 - box[2] / 2 / k if across == 1 else x0 + col * step[0] - _INSET_MM / k
            bottom = (y0 + y1) / 2 - box[3] / 2 / k if down == 1 else y1 - (row + 1) * step[1] - _INSET_MM / k
            frames.append(Frame(box, left, bottom, k))
    return scale, frames
