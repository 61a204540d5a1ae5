"""Parts of paint losses with what became of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LossGroup", "LossPieces", "LostCracks"]


@dataclass(frozen=True)
class LossPieces:
    """Parts of losses; arrays have one entry per part.

    Attributes
    ----------
    kinds : ndarray of str objects
        ``gain`` and ``stable`` of B, ``not_confirmed`` of A.
    polygons : ndarray of shapely (Multi)Polygon
        mm.
    areas_mm2 : ndarray of float64
    uids_a, uids_b : ndarray of str objects
        Losses that it belongs to; "" where there is none: a ``gain`` without A is a new loss, with A a loss
        that grew.
    """

    kinds: NDArray[np.object_]
    polygons: NDArray[np.object_]
    areas_mm2: NDArray[np.float64]
    uids_a: NDArray[np.object_]
    uids_b: NDArray[np.object_]

    def filled(self) -> LossPieces:
        """Return the pieces that have an area: of a new loss nothing is stable."""
        there = self.areas_mm2 > 0
        return LossPieces(
            self.kinds[there],
            self.polygons[there],
            self.areas_mm2[there],
            self.uids_a[there],
            self.uids_b[there],
        )


@dataclass(frozen=True)
class LossGroup:
    """Losses of the two surveys that overlap: one loss, or several that grew together.

    Attributes
    ----------
    uids_a, uids_b : tuple of str
        One of them may be empty: a new loss, or one that is gone.
    area_a_mm2, area_b_mm2 : float
        Inside the compared area.
    u95_mm2 : float
        95 % uncertainty of the difference: pixel grid, and stretch by the registration.
    """

    uids_a: tuple[str, ...]
    uids_b: tuple[str, ...]
    area_a_mm2: float
    area_b_mm2: float
    u95_mm2: float

    @property
    def growth_mm2(self) -> float:
        """Area of B less area of A."""
        return self.area_b_mm2 - self.area_a_mm2


@dataclass(frozen=True)
class LostCracks:
    """Cracks of A where paint is lost in B; arrays have one entry per piece."""

    uids_a: NDArray[np.object_]
    lines: NDArray[np.object_]
    lengths_mm: NDArray[np.float64]
