"""What one survey found, and what decides a comparison; everything in one common frame, in mm.

Epoch: one of the two surveys compared. The frame is that of the earlier one, A; vectors of the later one,
B, come already registered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.errors import ParameterError

__all__ = ["ChangeSettings", "Epoch", "compared_area"]

_NINETY_FIVE_PERCENT = 2.45
"""Radius, in standard deviations per axis, that holds 95 % of a normal scatter in the plane."""

_LONGEST_GAP_PX = 10.0
_GAP_IN_BUFFERS = 5.0


@dataclass(frozen=True)
class Epoch:
    """Cracks and losses of one survey.

    Attributes
    ----------
    lines : sequence of shapely LineString, or of ndarray of shape (N, 2)
        Crack branches, mm.
    uids : sequence of str
        One per line.
    widths_mm : ndarray of float64
        Mean width of each line; NaN where it is not known.
    node_kinds : sequence of (str, str)
        What each line starts and ends at: I, Y, X, E or O, as in `segmentation_core.vectors.crack_lines`.
    losses : sequence of shapely (Multi)Polygon
        Paint losses, mm.
    loss_uids : sequence of str
    gsd_mm : float
        Size of a pixel of the orthophoto.
    assessed : shapely (Multi)Polygon
        Where this survey looked.

    Raises
    ------
    ParameterError
        The columns differ in length, or the size of a pixel is impossible; later, when they are first
        used: a line has no length, a loss is not valid.
    """

    lines: Sequence[Any]
    uids: Sequence[str]
    widths_mm: NDArray[np.float64]
    node_kinds: Sequence[tuple[str, str]]
    losses: Sequence[Any]
    loss_uids: Sequence[str]
    gsd_mm: float
    assessed: Any

    def __post_init__(self) -> None:
        """Refuse columns that do not belong together."""
        counts = {len(self.lines), len(self.uids), len(self.widths_mm), len(self.node_kinds)}
        if len(counts) > 1 or len(self.losses) != len(self.loss_uids):
            raise ParameterError(
                "lines, uids, widths and node kinds (or losses and their uids) differ in number",
                remedy="Give one of each per feature",
            )
        _require_positive("gsd_mm", self.gsd_mm)

    @cached_property
    def crack_lines(self) -> NDArray[np.object_]:
        """The lines as shapely geometries."""
        made = np.empty(len(self.lines), dtype=object)
        for index, line in enumerate(self.lines):
            made[index] = line if isinstance(line, shapely.LineString) else shapely.LineString(line)
        if not (shapely.length(made) > 0).all():
            raise ParameterError("a crack line has no length", remedy="Leave such lines out")
        return made

    @cached_property
    def loss_polygons(self) -> NDArray[np.object_]:
        """The losses."""
        made = np.empty(len(self.losses), dtype=object)
        made[:] = list(self.losses)
        if not shapely.is_valid(made).all():
            raise ParameterError(
                "the outline of a paint loss crosses itself",
                remedy="Repair the geometry (QGIS: Fix geometries)",
            )
        return made

    @cached_property
    def tips(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Free ends (I): points of shape (T, 2), and the line that each belongs to."""
        kinds = np.array([tuple(pair) for pair in self.node_kinds], dtype=object).reshape(-1, 2)
        line, side = np.nonzero(kinds == "I")
        ends = shapely.get_point(self.crack_lines[line], np.where(side == 0, 0, -1))
        return shapely.get_coordinates(ends).reshape(-1, 2), line


@dataclass(frozen=True)
class ChangeSettings:
    """How well the two surveys fit on each other.

    Attributes
    ----------
    sigma_x_mm, sigma_y_mm : float
        Residual error of the registration per axis (standard deviation).
    gsd_mm : float
        Size of a pixel of the coarser orthophoto.

    Raises
    ------
    ParameterError
        A value is negative, not finite, or the size of a pixel is 0.
    """

    sigma_x_mm: float
    sigma_y_mm: float
    gsd_mm: float

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        _require_positive("gsd_mm", self.gsd_mm)
        for name in ("sigma_x_mm", "sigma_y_mm"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ParameterError(f"{name} = {value} is impossible", remedy="Give 0 or more")

    @property
    def sigma_mm(self) -> float:
        """Residual error of the registration: rms of the two axes."""
        return math.hypot(self.sigma_x_mm, self.sigma_y_mm) / math.sqrt(2)

    @property
    def eps_mm(self) -> float:
        """Distance within which a line or an outline counts as the same (MEASUREMENT, section 4.2)."""
        return _NINETY_FIVE_PERCENT * self.sigma_mm + self.gsd_mm

    @property
    def shortest_change_mm(self) -> float:
        """Length from which an unmatched stretch may be a change at all."""
        return _LONGEST_GAP_PX * self.gsd_mm

    @property
    def longest_gap_mm(self) -> float:
        """Length up to which an unmatched stretch may be a gap that the registration tore."""
        return max(_GAP_IN_BUFFERS * self.eps_mm, self.shortest_change_mm)


def compared_area(a: Epoch, b: Epoch, settings: ChangeSettings) -> Any:
    """Return the area that both surveys assessed, less a margin in which a counterpart could lie outside.

    Nothing outside it is ever called new, healed or not seen again.
    """
    return shapely.buffer(shapely.intersection(a.assessed, b.assessed), -settings.eps_mm, join_style="mitre")


def _require_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ParameterError(f"{name} = {value} is impossible", remedy="Give a size above 0, in mm")
