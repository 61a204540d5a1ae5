"""What became of paint losses between two surveys (MEASUREMENT, sections 4.2 and 4.3).

Where two outlines of one loss differ by less than eps, nobody can tell which is right: a gain is what lies
further than eps outside everything that was lost before. The difference of areas needs no such care. It is
unbiased whatever the registration, and is what says by how much a loss grew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segmentation_core.change.epoch import ChangeSettings, Epoch, compared_area
from segmentation_core.change.loss_pieces import LossGroup, LossPieces, LostCracks
from segmentation_core.change.uncertainty import Difference, area_sigma_mm2, stretch_sigma

__all__ = ["LossChange", "compare_losses"]


@dataclass(frozen=True)
class LossChange:
    """Every loss of both surveys, and the sums.

    Attributes
    ----------
    pieces : LossPieces
    groups : tuple of LossGroup
    areas_mm2 : mapping of kind to float
        Sums over the pieces.
    total : Difference
        Area of all losses inside the compared area, mm2, with what its difference is uncertain by: pixel
        grid and registration. The terms of the recognition and of a common scale are for the caller to add.
    overlay_gain_mm2, overlay_loss_mm2 : float
        B without A and A without B as a plain overlay gives them, misregistration included.
    false_gain_bound_mm2 : float
        What misregistration by eps makes of unchanged losses in such an overlay: perimeter x eps / pi.
    outside_a_mm2, outside_b_mm2 : float
        Losses outside the compared area.
    lost_cracks : LostCracks
    eps_mm : float
    doubtful : mapping of side to ndarray of shapely (Multi)Polygon
        What only that survey has, and is no change because it is in doubt, mm (`change.doubtful`).
    """

    pieces: LossPieces
    groups: tuple[LossGroup, ...]
    areas_mm2: Mapping[str, float]
    total: Difference
    overlay_gain_mm2: float
    overlay_loss_mm2: float
    false_gain_bound_mm2: float
    outside_a_mm2: float
    outside_b_mm2: float
    lost_cracks: LostCracks
    eps_mm: float
    doubtful: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Clipped:
    """One survey's losses inside the compared area."""

    polygons: NDArray[np.object_]
    uids: NDArray[np.object_]
    areas: NDArray[np.float64]
    outlines_mm: NDArray[np.float64]
    outside_mm2: float
    cuts_mm: NDArray[np.float64]


def compare_losses(a: Epoch, b: Epoch, settings: ChangeSettings) -> LossChange:
    """Tell new, grown and unchanged losses apart, as far as the registration allows.

    Parameters
    ----------
    a, b : Epoch
        Earlier and later survey, mm, in the frame of A.
    settings : ChangeSettings
    """
    area, eps = compared_area(a, b, settings), settings.eps_mm
    was, now = _clipped(a, area, settings), _clipped(b, area, settings)
    gained, gained_of, kept = _beyond(now.polygons, a, eps)
    gone, gone_of, _ = _beyond(was.polygons, b, eps)
    whose_gain, whose_stable, whose_gone = (
        _partners(parts, others, within)
        for parts, others, within in (
            (gained, was, 2 * eps),
            (kept, was, eps),
            (gone, now, 2 * eps),
        )
    )
    pieces = LossPieces(
        np.repeat(
            np.array(["gain", "stable", "not_confirmed"], dtype=object),
            [len(gained), len(kept), len(gone)],
        ),
        np.concatenate([gained, kept, gone]),
        shapely.area(np.concatenate([gained, kept, gone])),
        np.concatenate([whose_gain, whose_stable, was.uids[gone_of]]),
        np.concatenate([now.uids[gained_of], now.uids, whose_gone]),
    ).filled()
    stretch = stretch_sigma(settings.sigma_mm, area)
    groups = _groups(was, now, settings.gsd_mm, stretch)
    areas = {k: float(pieces.areas_mm2[pieces.kinds == k].sum()) for k in dict.fromkeys(pieces.kinds)}
    overlap = _overlap_mm2(was.polygons, now.polygons)
    grid = [float(area_sigma_mm2(side.outlines_mm.sum(), settings.gsd_mm)) for side in (was, now)]
    total = Difference(
        float(was.areas.sum()),
        float(now.areas.sum()),
        power=2,
        vectoriser_a=grid[0],
        vectoriser_b=grid[1],
        registration=math.hypot(
            stretch * float(now.areas.sum()), settings.sigma_mm * float(np.linalg.norm(now.cuts_mm))
        ),
    )
    return LossChange(
        pieces,
        groups,
        areas,
        total,
        total.value_b - overlap,
        total.value_a - overlap,
        float(was.outlines_mm.sum()) * eps / math.pi,
        was.outside_mm2,
        now.outside_mm2,
        _lost_cracks(a, gained),
        eps,
    )


def _clipped(epoch: Epoch, area: Any, settings: ChangeSettings) -> _Clipped:
    polygons = epoch.loss_polygons.copy()
    before = float(shapely.area(polygons).sum())
    shapely.prepare(area)
    cut = ~shapely.covers(area, polygons)
    polygons[cut] = shapely.intersection(polygons[cut], area)
    there = ~shapely.is_empty(polygons)
    polygons, cut = polygons[there], cut[there]
    border = shapely.boundary(area)
    chords = shapely.length(shapely.intersection(shapely.boundary(polygons[cut]), border))
    # Outlines on pixel edges are 27 % too long; followed within a pixel they are 1-6 % too long at most.
    smooth = shapely.length(shapely.simplify(polygons, settings.gsd_mm))
    areas = shapely.area(polygons)
    return _Clipped(
        polygons,
        np.array(epoch.loss_uids, dtype=object)[there],
        areas,
        smooth,
        before - float(areas.sum()),
        chords,
    )


def _beyond(
    polygons: NDArray[np.object_], other: Epoch, eps_mm: float
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.object_]]:
    """Return the parts further than eps from the other's losses, whose they are, and the rests.

    A part counts only if a circle with a diameter above eps fits into it: thinner ones are seams.
    """
    around = shapely.buffer(other.loss_polygons, eps_mm)
    left = polygons.copy()
    at, of = shapely.STRtree(around).query(polygons, predicate="intersects")
    shapely.prepare(around)
    whole = shapely.covers(around[of], polygons[at])
    left[at[whole]] = shapely.Polygon()
    open_still = ~shapely.is_empty(left[at])
    for whose, some in _members(at[open_still], of[open_still]):
        cover = around[some[0]] if some.size == 1 else shapely.union_all(around[some])
        left[whose] = shapely.difference(polygons[whose], cover)
    parts, owner = shapely.get_parts(left, return_index=True)
    thick = ~shapely.is_empty(shapely.buffer(parts, -eps_mm / 2))
    parts, owner = parts[thick], owner[thick]
    rests = polygons.copy()
    for whose, some in _members(owner, np.arange(owner.size)):
        rests[whose] = shapely.difference(polygons[whose], shapely.union_all(parts[some]))
    return parts, owner, rests


def _members(keys: NDArray[np.int64], values: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each key with its values."""
    order = np.argsort(keys, kind="stable")
    found, first = np.unique(keys[order], return_index=True)
    yield from zip(found.tolist(), np.split(values[order], first)[1:], strict=True)


def _partners(parts: NDArray[np.object_], others: _Clipped, within_mm: float) -> NDArray[np.object_]:
    """Return the uid of the largest of the other survey's losses close to each part; "" if there is none."""
    found = np.full(len(parts), "", dtype=object)
    at, of = shapely.STRtree(others.polygons).query(parts, predicate="dwithin", distance=within_mm)
    order = np.lexsort((others.areas[of], at))
    found[at[order]] = others.uids[of[order]]
    return found


def _groups(was: _Clipped, now: _Clipped, gsd_mm: float, stretch: float) -> tuple[LossGroup, ...]:
    """Return losses that overlap, directly or through others."""
    count_a, count = was.areas.size, was.areas.size + now.areas.size
    in_b, in_a = shapely.STRtree(was.polygons).query(now.polygons, predicate="intersects")
    joins = coo_array((np.ones(in_a.size), (in_a, count_a + in_b)), shape=(count, count))
    groups, number = connected_components(joins, directed=False) if count else (0, np.zeros(0, int))
    outlines = np.concatenate([was.outlines_mm, now.outlines_mm])
    areas = [
        np.bincount(part, weights, minlength=groups)
        for part, weights in ((number[:count_a], was.areas), (number[count_a:], now.areas))
    ]
    grid = area_sigma_mm2(np.bincount(number, outlines, minlength=groups), gsd_mm)
    sigma = np.hypot(grid, stretch * areas[1])
    members: list[tuple[list[str], list[str]]] = [([], []) for _ in range(groups)]
    for index, uid in enumerate([*was.uids, *now.uids]):
        members[number[index]][index >= count_a].append(uid)
    return tuple(
        LossGroup(tuple(uids_a), tuple(uids_b), *map(float, figures))
        for (uids_a, uids_b), *figures in zip(members, *areas, 1.96 * sigma, strict=True)
    )


def _overlap_mm2(these: NDArray[np.object_], those: NDArray[np.object_]) -> float:
    """Return the area that two surveys' losses share; losses of one survey do not overlap."""
    at, of = shapely.STRtree(those).query(these, predicate="intersects")
    return float(shapely.area(shapely.intersection(these[at], those[of])).sum())


def _lost_cracks(a: Epoch, gained: NDArray[np.object_]) -> LostCracks:
    lines = a.crack_lines
    part, line = shapely.STRtree(lines).query(gained, predicate="intersects")
    pieces = shapely.intersection(lines[line], gained[part])
    lengths = shapely.length(pieces)
    there = lengths > 0
    names = np.array(a.uids, dtype=object)[line]
    return LostCracks(names[there], np.asarray(pieces, dtype=object)[there], lengths[there])
