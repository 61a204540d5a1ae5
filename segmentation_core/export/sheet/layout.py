"""Where things stand on a sheet, and at which scale an extent fits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from segmentation_core.export.sheet.canvas import Box, Frame

__all__ = ["SCALES", "Layout", "Sheets", "page_layout", "sheets_for"]

_MARGIN_MM = 10.0
_BINDING_MM = 20.0
_COLUMN_MM = 92.0
_NARROW_COLUMN_MM = 74.0
_INSET_MM = 6.0
_FOOT_MM = 18.0
_MOST_STRIPS = 4
SCALES = (
    1,
    2,
    3,
    4,
    5,
    6,
    10,
    *(step * 10**power for power in range(4) for step in (20, 25, 30, 40, 50, 60, 100)),
)
"""Chosen from: the scales of a triangular scale ruler. The QGIS template lists the same, to 1:5000."""


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


@dataclass(frozen=True)
class Sheets:
    """How an extent lies on paper.

    Attributes
    ----------
    scale : int
        The denominator: 10 for 1:10.
    frames : tuple of tuple of Frame
        The frames of each sheet. Several on one sheet are strips of a long element, its upper left end first.
    """

    scale: int
    frames: tuple[tuple[Frame, ...], ...]


def sheets_for(
    extent: tuple[float, float, float, float],
    box: Box,
    mm_per_unit: float,
    scale: int | None,
    *,
    strips: bool,
) -> Sheets:
    """Return the scale and the frames that show an extent.

    Without a scale, the largest of `SCALES` is taken at which the extent fits on one
    sheet, whole or, with ``strips``, cut across its long axis into at most four strips beside each other. At
    a given scale, what does not fit like that is cut into as many sheets as it needs, in reading order.

    Parameters
    ----------
    extent : (min x, min y, max x, max y)
        Map coordinates.
    box : Box
        The drawing on paper.
    mm_per_unit : float
        Real mm per map unit.
    """
    size = ((extent[2] - extent[0]) * mm_per_unit, (extent[3] - extent[1]) * mm_per_unit)
    most = _MOST_STRIPS if strips else 1
    if scale is None:
        needed = max(side / room for side, room in zip(size, _room(box), strict=True))
        fits = (s for s in SCALES if s >= needed * (1 - 1e-9) or _strips_needed(size, box, s, most))
        scale = next(fits, math.ceil(needed))
    count = _strips_needed(size, box, scale, most)
    k = mm_per_unit / scale
    if count:
        return Sheets(scale, (_strip_frames(extent, box, k, count),))
    return Sheets(scale, tuple((frame,) for frame in _cut_frames(extent, box, k)))


def _room(box: Box) -> tuple[float, float]:
    return (box[2] - 2 * _INSET_MM, box[3] - 2 * _INSET_MM)


def _strips_needed(size: tuple[float, float], box: Box, scale: int, most: int) -> int:
    """Return into how many strips a size in mm is cut to fit a sheet; 0: it does not, or need not be cut."""
    along = 0 if size[0] >= size[1] else 1
    room = _room(_strips_box(box))
    count = math.ceil(size[along] / scale / room[along] - 1e-9)
    fits = count * (size[1 - along] / scale + 2 * _INSET_MM) <= _strips_box(box)[3 - along]
    return count if 1 < count <= most and fits else 0


def _strips_box(box: Box) -> Box:
    """Return the part of the drawing that strips may cover: scale bar and mark stand below it."""
    return (box[0], box[1], box[2], box[3] - _FOOT_MM)


def _strip_frames(
    extent: tuple[float, float, float, float], box: Box, k: float, count: int
) -> tuple[Frame, ...]:
    """Return strips of equal length along the long axis, each in the middle of its part of the box."""
    x0, y0, x1, y1 = extent
    x, y, width, height = _strips_box(box)
    frames = []
    for index in range(count):
        if x1 - x0 >= y1 - y0:
            part = (x, y + index * height / count, width, height / count)
            middle = (x0 + (index + 0.5) * (x1 - x0) / count, (y0 + y1) / 2)
        else:
            part = (x + index * width / count, y, width / count, height)
            middle = ((x0 + x1) / 2, y1 - (index + 0.5) * (y1 - y0) / count)
        frames.append(Frame(part, middle[0] - part[2] / 2 / k, middle[1] - part[3] / 2 / k, k))
    return tuple(frames)


def _cut_frames(extent: tuple[float, float, float, float], box: Box, k: float) -> list[Frame]:
    """Return one frame where the extent fits, else as many as it needs, in reading order."""
    x0, y0, x1, y1 = extent
    room = _room(box)
    across = max(1, math.ceil((x1 - x0) * k / room[0] - 1e-9))
    down = max(1, math.ceil((y1 - y0) * k / room[1] - 1e-9))
    step = (room[0] / k, room[1] / k)
    frames = []
    for row in range(down):
        for col in range(across):
            left = (x0 + x1) / 2 - box[2] / 2 / k if across == 1 else x0 + col * step[0] - _INSET_MM / k
            bottom = (y0 + y1) / 2 - box[3] / 2 / k if down == 1 else y1 - (row + 1) * step[1] - _INSET_MM / k
            frames.append(Frame(box, left, bottom, k))
    return frames
