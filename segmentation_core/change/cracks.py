"""What became of the cracks between two surveys (MEASUREMENT, section 4.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.change.courses import courses_of
from segmentation_core.change.density import Refusal, chance_factor, compared_stretches
from segmentation_core.change.epoch import ChangeSettings, Epoch, compared_area
from segmentation_core.change.matching import Matched, matched
from segmentation_core.change.pieces import CrackPieces, Surveyed, joined_pieces, plain_pieces, stable_pieces
from segmentation_core.change.runs import Runs, counting, node_numbers, runs_of
from segmentation_core.change.stretches import Stretches, union, without
from segmentation_core.change.tips import Growth, growths
from segmentation_core.change.uncertainty import (
    Difference,
    cut_length_sigma_mm,
    length_sigma_mm,
    stretch_sigma,
)

__all__ = ["CrackChange", "compare_cracks"]


@dataclass(frozen=True)
class CrackChange:
    """Every crack of both surveys in pieces, and the sums.

    Attributes
    ----------
    pieces : CrackPieces
        Of B: ``stable``, ``widened``, ``new``, ``extended`` (a tip grew), ``connected`` (a tip grew into
        another crack). Of A: ``stable``, ``not_seen``. Of both: ``refused`` (too dense) and ``outside``
        (not assessed in both surveys, or in no element). What was traced (`change.traced`) is among B's.
    lengths_mm : mapping of (side, kind) to float
        Sums over the pieces; side is "a" or "b".
    total : Difference
        Compared length of A and B, mm, with what their difference is uncertain by: vectorising and
        registration. The terms of the recognition and of a common scale are for the caller to add.
    new_corrected_mm, not_seen_corrected_mm : float
        Estimates of what they would be if no crack hid another by chance; the raw ones are in `lengths_mm`.
    too_short_mm : mapping of side to float
        Unmatched length that is too short to be called a change: part of ``stable``.
    eps_mm : float
        Buffer within which a crack counts as the same.
    refusals : tuple of Refusal
    faint : mapping of side to ndarray of shapely LineString
        What only that survey has and both pictures show, mm: part of ``stable`` (`change.faint`).
    """

    pieces: CrackPieces
    lengths_mm: Mapping[tuple[str, str], float]
    total: Difference
    new_corrected_mm: float
    not_seen_corrected_mm: float
    too_short_mm: Mapping[str, float]
    eps_mm: float
    refusals: tuple[Refusal, ...]
    faint: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)

    def length_mm(self, side: str, *kinds: str) -> float:
        """Return the length of kinds of pieces of one survey."""
        return sum(self.lengths_mm.get((side, kind), 0.0) for kind in kinds)


@dataclass(frozen=True)
class _Side:
    """One survey's part of a comparison."""

    own: Surveyed
    compared: Stretches
    matched: Matched
    runs: Runs


def compare_cracks(
    a: Epoch, b: Epoch, settings: ChangeSettings, *, elements: Mapping[str, Any] | None = None
) -> CrackChange:
    """Tell new, grown, wider and unchanged cracks apart, as far as the registration allows.

    Parameters
    ----------
    a, b : Epoch
        Earlier and later survey, mm, in the frame of A.
    settings : ChangeSettings
    elements : mapping of id to (Multi)Polygon, or None
        Building elements, mm; each is refused by itself if its network is too dense. None: all is one,
        named ``all``.

    Returns
    -------
    CrackChange
        Over B the lengths of all kinds add up to B's length, what was traced included, over A to A's.
    """
    area = compared_area(a, b, settings)
    areas = {"all": area} if elements is None else _within(elements, area)
    courses = courses_of(a.crack_lines), courses_of(b.crack_lines)
    compared = compared_stretches(courses, areas, settings)
    found = matched(*courses, settings.eps_mm, settings.gsd_mm)
    surveyed = Surveyed("a", a, courses[0]), Surveyed("b", b, courses[1])
    sides = tuple(
        _Side(
            own,
            kept,
            of,
            runs_of(own.courses, kept, of.stretches, node_numbers(own.courses, settings.gsd_mm)),
        )
        for own, kept, of in zip(surveyed, compared.kept, found, strict=True)
    )
    of_a, short_a = _pieces(sides[0], sides[1], settings)
    of_b, short_b = _pieces(sides[1], sides[0], settings)
    apart = [
        plain_pieces(kind, own, stretches)
        for own, yes, no in zip(surveyed, compared.kept, compared.refused, strict=True)
        for kind, stretches in (
            ("refused", no),
            ("outside", without(without(own.courses.whole, yes), no)),
        )
    ]
    pieces = joined_pieces([of_b, of_a, *apart])
    lengths = pieces.sums()
    raw = lengths.get(("b", "new"), 0.0), lengths.get(("a", "not_seen"), 0.0)
    hidden = [chance_factor(compared.p21_per_mm(side), settings.eps_mm) for side in (0, 1)]
    return CrackChange(
        pieces,
        lengths,
        _total(sides, stretch_sigma(settings.sigma_mm, area) / 2, settings),
        min(raw[0] / hidden[0], float(compared.kept[1].lengths.sum())),
        min(raw[1] / hidden[1], float(compared.kept[0].lengths.sum())),
        {"a": short_a, "b": short_b},
        settings.eps_mm,
        compared.refusals,
    )


def _total(sides: Sequence[_Side], stretch: float, settings: ChangeSettings) -> Difference:
    """Return the compared lengths and the uncertainty of their difference."""
    lengths, sigmas, cuts = [], [], []
    for side in sides:
        kept, courses = side.compared, side.own.courses
        lengths.append(float(kept.lengths.sum()))
        branches = np.unique(courses.line_at(kept.starts)).size
        sigmas.append(length_sigma_mm(branches, settings.gsd_mm))
        whole = np.isin(kept.starts, courses.begins).sum() + np.isin(kept.stops, courses.ends).sum()
        cuts.append(2 * kept.starts.size - int(whole))
    return Difference(
        lengths[0],
        lengths[1],
        vectoriser_a=sigmas[0],
        vectoriser_b=sigmas[1],
        registration=math.hypot(stretch * lengths[1], cut_length_sigma_mm(max(cuts), settings.sigma_mm)),
    )


def _within(elements: Mapping[str, Any], area: Any) -> dict[str, Any]:
    return {name: shapely.intersection(outline, area) for name, outline in elements.items()}


def _pieces(this: _Side, other: _Side, settings: ChangeSettings) -> tuple[CrackPieces, float]:
    """Return the compared pieces of one survey, and the unmatched length too short to be called."""
    runs, courses, name = this.runs, this.own.courses, this.own.side
    grown = growths(courses, runs, other.own.epoch, other.matched.segments, settings)
    floors = np.full(int(runs.components.max(initial=-1)) + 1, settings.shortest_change_mm)
    for growth in grown:
        component = runs.components[growth.runs[0]]
        floors[component] = max(floors[component], growth.least_mm)
    counts = counting(courses, runs, floors, other.matched.segments, settings)
    kinds = np.where(counts, "new" if name == "b" else "not_seen", "").astype(object)
    starts, stops = runs.starts.copy(), runs.stops.copy()
    partner = np.full(starts.size, -1, dtype=np.int64)
    values = np.full(starts.size, np.nan)
    for growth in (g for g in grown if g.is_certain):
        _put(growth, kinds, partner, values, name)
        starts[growth.runs[0]], stops[growth.runs[0]] = growth.start, growth.stop
    changed = np.flatnonzero(kinds != "")
    starts, stops = _apart(starts[changed], stops[changed])
    stable = without(this.compared, union(starts, stops))
    pieces = [
        plain_pieces(
            kinds[changed], this.own, Stretches(starts, stops), other.own.epoch,
            partner[changed], values[changed],
        ),
        stable_pieces(this.own, stable, this.matched, other.own.epoch, settings),
    ]  # fmt: skip
    return joined_pieces(pieces), float(runs.lengths[kinds == ""].sum())


def _put(
    growth: Growth,
    kinds: NDArray[np.object_],
    partner: NDArray[np.int64],
    values: NDArray[np.float64],
    name: str,
) -> None:
    """Mark the runs of a growth; of A, what leads on from a tip of B is not seen again."""
    runs = list(growth.runs)
    kinds[runs] = "not_seen" if name == "a" else "connected" if growth.joins else "extended"
    partner[runs] = growth.tip_line
    values[runs] = growth.length_mm


def _apart(
    starts: NDArray[np.float64], stops: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the stretches, in order, without overlaps: two growths may claim one spot around a tip."""
    starts = np.maximum(starts, np.concatenate([[-np.inf], np.maximum.accumulate(stops)[:-1]])[: starts.size])
    return starts, np.maximum(stops, starts)
