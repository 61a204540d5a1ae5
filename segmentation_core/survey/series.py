"""The surveys of a book as series over time: every element's statistics, their gaps and their trends."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segmentation_core.change.trend import Reading, Trend, trend_of, year_of
from segmentation_core.change.uncertainty import (
    COVERAGE,
    SHARED_BY_ONE_NETWORK,
    Verdict,
    scattered,
    verdict,
)
from segmentation_core.statistics.uncertainty import Terms
from segmentation_core.survey.methods import differences_of_method
from segmentation_core.survey.repeats import repeat_limits
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import Survey, orthophotos_of

__all__ = ["WORSE_WHEN_MORE", "Point", "Series", "methods_differ", "ranked", "series_of"]

WORSE_WHEN_MORE = ("loss_ratio", "p21_m_per_m2", "loss_m2", "crack_m")
"""Statistics of damage whose trend is judged, and by which elements are ranked; shares before sums."""

_ANGLE = "deg"
"""An axis has no least or greatest value: no straight line goes through several."""


@dataclass(frozen=True)
class Point:
    """A statistic at one survey, in its own unit, with the half width of its 95 % interval where known."""

    value: float
    u95: float | None


@dataclass(frozen=True)
class Series:
    """One statistic of one element over the surveys.

    Attributes
    ----------
    elem_id, stat, unit : str
    points : tuple of Point or None
        One per survey; None where the survey lacks the element, or the element the statistic.
    trend : Trend or None
        None where there are values of fewer than two dates, and of angles. Its years are those of `year_of`.
    """

    elem_id: str
    stat: str
    unit: str
    points: tuple[Point | None, ...]
    trend: Trend | None

    @property
    def verdict(self) -> Verdict | None:
        """What may be said of the trend; None where u95 is not known, and of what is no damage."""
        if self.trend is None or self.trend.u95 is None or self.stat not in WORSE_WHEN_MORE:
            return None
        return verdict(self.trend.per_year, self.trend.u95)


def series_of(book: Book, surveys: Sequence[Survey], elements: Sequence[str] | None = None) -> list[Series]:
    """Return every statistic of every element over surveys, by element, then in the order of the statistics.

    A trend's uncertainty leaves out what the surveys share (docs/change.md, Over several surveys).

    Parameters
    ----------
    book : Book
        Its statistics are up to date.
    surveys : sequence of Survey
        Oldest first.
    elements : sequence of str or None
        Ids of those wanted; None: all.
    """
    sides = [_Side.of(book, survey) for survey in surveys]
    alike = not methods_differ(book, surveys)
    repeats = repeat_limits(book)
    gsds = [side.gsd_mm for side in sides if side.gsd_mm is not None]
    wanted = None if elements is None else set(elements)
    ids = dict.fromkeys(elem_id for side in sides for elem_id in side.rows)
    found = []
    for elem_id in (name for name in ids if wanted is None or name in wanted):
        units = dict.fromkeys(key for side in sides for key in side.units.get(elem_id, {}).items())
        for stat, unit in units:
            points = tuple(side.point(elem_id, stat) for side in sides)
            repeat = repeats.get((elem_id, stat))
            readings = [
                side.reading(elem_id, stat, alike=alike, repeat=repeat, other_gsd_mm=max(gsds, default=None))
                for side, point in zip(sides, points, strict=True)
                if point is not None
            ]
            found.append(Series(elem_id, stat, unit, points, None if unit == _ANGLE else trend_of(readings)))
    return found


def methods_differ(book: Book, surveys: Sequence[Survey]) -> list[str]:
    """Return how surveys that follow each other were made differently."""
    return [
        f"{a.name} and {b.name} were made differently ({text}), which looks like change"
        for a, b in itertools.pairwise(surveys)
        for text in differences_of_method(book, a, b)
    ]


def ranked(series: Sequence[Series], stat: str) -> list[Series]:
    """Return the elements' series of a statistic, what gets worse fastest first.

    Those that are shown to get worse come before those of which nothing can be shown.
    """
    own = [s for s in series if s.stat == stat and s.trend is not None]
    return sorted(own, key=lambda s: (s.verdict != "worse", -(s.trend.per_year if s.trend else 0), s.elem_id))


@dataclass(frozen=True)
class _Side:
    """What a book holds of one survey: element to statistic to value, unit and terms."""

    year: float
    gsd_mm: float | None
    rows: Mapping[str, Mapping[str, float | None]]
    units: Mapping[str, Mapping[str, str]]
    terms: Mapping[tuple[str, str], Terms]
    u95: Mapping[tuple[str, str], float | None]

    @classmethod
    def of(cls, book: Book, survey: Survey) -> _Side:
        rows: dict[str, dict[str, float | None]] = {}
        units: dict[str, dict[str, str]] = {}
        terms, u95 = {}, {}
        query = (
            "SELECT elem_id, stat, value, unit, u95, u_vec, u_scale, u_model FROM element_stats "
            "WHERE surv_id = ? ORDER BY fid"
        )
        for elem_id, stat, value, unit, half_width, *parts in book.connection.execute(
            query, (survey.surv_id,)
        ):
            rows.setdefault(elem_id, {})[stat] = value
            units.setdefault(elem_id, {})[stat] = unit
            terms[elem_id, stat] = Terms(*parts)
            u95[elem_id, stat] = half_width
        gsds = [record.gsd_mm for _, record in orthophotos_of(book, survey.surv_id)]
        return cls(year_of(survey.date), max(gsds, default=None), rows, units, terms, u95)

    def point(self, elem_id: str, stat: str) -> Point | None:
        value = self.rows.get(elem_id, {}).get(stat)
        return None if value is None else Point(float(value), self.u95[elem_id, stat])

    def reading(
        self, elem_id: str, stat: str, *, alike: bool, repeat: float | None, other_gsd_mm: float | None
    ) -> Reading:
        row = self.rows[elem_id]
        value = float(row[stat] or 0.0)
        terms = self.terms[elem_id, stat]
        if {"branch_count", "crack_m", "assessed_m2"} <= row.keys():
            terms = scattered(terms, stat, row, self.gsd_mm, other_gsd_mm)
        model = terms.u_model or 0.0
        shared = math.hypot(terms.u_scale or 0.0, model if alike else 0.0) / abs(value) if value else 0.0
        if repeat is not None:  # repeats hold everything that differs from picture to picture
            return Reading(self.year, value, repeat / (COVERAGE * math.sqrt(2)), shared)
        if terms.u_vec is None:
            return Reading(self.year, value, None, shared)
        own = math.hypot(terms.u_vec, model * (math.sqrt(1 - SHARED_BY_ONE_NETWORK) if alike else 1.0))
        return Reading(self.year, value, own, shared)
