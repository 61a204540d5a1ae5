"""Where a crack network is too dense for the registration, and what chance does to a comparison.

Within eps of a crack that is not there any more, another one lies by chance: 1 - exp(-2 eps P21) of the
time, whatever its direction (MEASUREMENT, section 4.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from segmentation_core.change.courses import Courses, inside
from segmentation_core.change.epoch import ChangeSettings
from segmentation_core.change.matching import MAX_TURN_DEG
from segmentation_core.change.stretches import Stretches, union, without

__all__ = ["DENSEST", "Compared", "Refusal", "chance_factor", "compared_stretches"]

DENSEST = 0.25
"""Largest 2 eps P21 at which cracks are compared."""

_EPS_OF_SIGMA = 2.45


@dataclass(frozen=True)
class Refusal:
    """An element whose cracks are not compared.

    Attributes
    ----------
    element : str
    p21_per_mm : float
        Crack length over area, of the survey with more.
    crowding : float
        2 eps P21.
    remedy : str
        What would help.
    """

    element: str
    p21_per_mm: float
    crowding: float
    remedy: str


@dataclass(frozen=True)
class Compared:
    """Which stretches of A and B are compared.

    Attributes
    ----------
    kept, refused : tuple of Stretches
        Of A, of B.
    area_mm2 : float
        Area in which cracks are compared.
    refusals : tuple of Refusal
    """

    kept: tuple[Stretches, Stretches]
    refused: tuple[Stretches, Stretches]
    area_mm2: float
    refusals: tuple[Refusal, ...]

    def p21_per_mm(self, side: int) -> float:
        """Return the compared crack length of A (0) or B (1) over the area."""
        return float(self.kept[side].lengths.sum()) / self.area_mm2 if self.area_mm2 else 0.0


def chance_factor(p21_per_mm: float, eps_mm: float) -> float:
    """Return the share of new crack that no older one hides by chance.

    Only cracks of a similar direction hide it: 50 of 180 degrees, if directions are as good as random.
    """
    return math.exp(-2 * eps_mm * p21_per_mm * 2 * MAX_TURN_DEG / 180)


def compared_stretches(
    courses: tuple[Courses, Courses], areas: Mapping[str, Any], settings: ChangeSettings
) -> Compared:
    """Return which stretches of A and B are compared, which are refused, and why.

    Parameters
    ----------
    courses : tuple of Courses
        A's and B's lines.
    areas : mapping of element to (Multi)Polygon
        Compared area of each element, mm.
    settings : ChangeSettings
    """
    nothing = union(np.zeros(0), np.zeros(0))
    kept, refused = [nothing, nothing], [nothing, nothing]
    refusals = []
    accepted_mm2 = 0.0
    for element, area in areas.items():
        if shapely.area(area) == 0:  # nothing, or no more than the margin's edge
            continue
        within = [inside(side, area) for side in courses]
        density = max(float(stretches.lengths.sum()) for stretches in within) / float(shapely.area(area))
        crowding = 2 * settings.eps_mm * density
        if crowding > DENSEST:
            refusals.append(Refusal(element, density, crowding, _remedy(density, settings)))
        else:
            accepted_mm2 += float(shapely.area(area))
        chosen = refused if crowding > DENSEST else kept
        for side in (0, 1):
            chosen[side] = _both(chosen[side], within[side])
    refused = [without(no, yes) for no, yes in zip(refused, kept, strict=True)]
    return Compared((kept[0], kept[1]), (refused[0], refused[1]), accepted_mm2, tuple(refusals))


def _both(these: Stretches, those: Stretches) -> Stretches:
    return union(np.concatenate([these.starts, those.starts]), np.concatenate([these.stops, those.stops]))


def _remedy(density: float, settings: ChangeSettings) -> str:
    """Return what would let the cracks of an element be compared."""
    needed_eps = DENSEST / (2 * density)
    sigma = (needed_eps - settings.gsd_mm) / _EPS_OF_SIGMA
    if sigma > 0:
        return (
            f"Register better: a residual error of at most {sigma:.3g} mm per axis would do, "
            f"it is {settings.sigma_mm:.3g} mm"
        )
    return (
        f"Photograph closer: even a perfect registration needs pixels of at most {needed_eps:.3g} mm, "
        f"they are {settings.gsd_mm:.3g} mm"
    )
