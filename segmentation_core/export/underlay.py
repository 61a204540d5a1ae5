"""The orthophoto under a drawing: read at the resolution of paper or screen, lightened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from segmentation_core.errors import CraquelureError, CrsError
from segmentation_core.raster.grid import Window
from segmentation_core.raster.opening import open_raster
from segmentation_core.raster.orthophoto import open_orthophoto
from segmentation_core.survey.surveys import OrthophotoRecord

if TYPE_CHECKING:
    from segmentation_core.raster.orthophoto import Orthophoto

__all__ = ["Underlay", "open_recorded", "read_underlay", "why_missing"]

_SAME_PLACE_PX = 0.01


@dataclass(frozen=True)
class Underlay:
    """A part of an orthophoto: pixels (H, W, 3), and the map coordinates of three of its corners.

    ``corners`` are the upper left, upper right and lower left one, which place rotated pictures too.
    """

    rgb: NDArray[np.uint8]
    corners: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


def read_underlay(
    record: OrthophotoRecord, extent: Sequence[float], gsd_mm: float, *, lighten: float = 0.0
) -> Underlay | None:
    """Read the part of an orthophoto inside an extent.

    Parameters
    ----------
    record : OrthophotoRecord
        Its file must be there; see `why_missing`.
    extent : (min x, min y, max x, max y)
        Map coordinates.
    gsd_mm : float
        Wanted mm per pixel; a coarser file is read as it is.
    lighten : float
        0 to 1: how far towards white.

    Returns
    -------
    Underlay or None
        None where the orthophoto does not reach the extent.
    """
    with open_recorded(record, gsd_mm) as ortho:
        grid = ortho.grid
        x0, y0, x1, y1 = extent
        inverse = ~grid.affine
        corners = [inverse @ (x, y, 1.0) for x in (x0, x1) for y in (y0, y1)]
        cols, rows = [c[0] for c in corners], [c[1] for c in corners]
        row0, col0 = int(np.floor(min(rows))), int(np.floor(min(cols)))
        height, width = int(np.ceil(max(rows))) - row0, int(np.ceil(max(cols))) - col0
        window = Window(row0, col0, height, width).clipped(grid.height, grid.width)
        if not window.height * window.width:
            return None
        rgb, valid = ortho.read(window)
        picture = np.where(valid, 255 - (255 - rgb.astype(np.float32)) * (1 - lighten), 255)
        place = grid.affine
    ends = [
        (window.col_off, window.row_off),
        (window.col_end, window.row_off),
        (window.col_off, window.row_end),
    ]
    a, b, c = ((p[0], p[1]) for p in (place @ (col, row, 1.0) for col, row in ends))
    return Underlay(np.ascontiguousarray(picture.round().astype(np.uint8).transpose(1, 2, 0)), (a, b, c))


def why_missing(record: OrthophotoRecord) -> str | None:
    """Say why an orthophoto cannot be shown; None where it can.

    The file may have been moved, or replaced by one of another size or place.
    """
    if not Path(record.path).is_file():
        return f"the orthophoto is not at {record.path}"
    try:
        with open_recorded(record) as ortho:
            grid = ortho.grid
    except CraquelureError as exc:
        return str(exc)
    same_size = (grid.width, grid.height) == (record.width_px, record.height_px)
    moved = max(abs(a - b) for a, b in zip(grid.affine, Affine(*record.transform), strict=True))
    if not same_size or moved > _SAME_PLACE_PX * record.pixel_side:
        return f"another picture now lies at {record.path}"
    return None


def open_recorded(record: OrthophotoRecord, gsd_mm: float | None = None) -> Orthophoto:
    """Open an orthophoto of a book: on the grid it was surveyed on, or at a GSD where that is coarser."""
    gsd_mm = record.gsd_mm if gsd_mm is None else gsd_mm
    scale = None
    try:
        with open_orthophoto(record.path) as native:
            own = native.grid.gsd_mm
    except CrsError:  # the survey was told its scale
        with open_raster(Path(record.path)) as dataset:
            scale = own = abs(dataset.transform.determinant) ** 0.5 * record.metres_per_unit * 1e3
    working = gsd_mm if gsd_mm > own * (1 + 1e-6) else None
    return open_orthophoto(record.path, gsd_mm=scale, working_gsd_mm=working)
