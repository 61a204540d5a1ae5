"""An element's figures for a sheet or the report: in people's units, with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass, replace

from segmentation_core.change.uncertainty import JUDGED, Verdict, at_least, gravest
from segmentation_core.export.content import survey_gsd_mm
from segmentation_core.export.fields import ELEMENT_LAYER
from segmentation_core.export.numbers import shown, shown_with
from segmentation_core.export.request import Language
from segmentation_core.export.words import word
from segmentation_core.statistics.quantities import GROWTH, QUANTITIES
from segmentation_core.statistics.resolution import is_at_most
from segmentation_core.survey.series import Series
from segmentation_core.survey.store import Book

__all__ = ["Figure", "Figures", "Scale", "differences_of", "figures_of", "rate", "scale_of", "verdicts_of"]


_NOTHING = 1e-3
_CODES = {quantity.code: quantity for quantity in QUANTITIES}
_SHOWN = tuple(field for field in ELEMENT_LAYER.fields if field.source in _CODES)


@dataclass(frozen=True)
class Scale:
    """How a statistic is shown: its name, people's unit (empty: none), and the factor from the book's."""

    name: str
    unit: str
    factor: float

    @property
    def title(self) -> str:
        """Name and unit, as ``Crack length [m]``."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


def scale_of(code: str, language: Language) -> Scale:
    """Return how a statistic of the elements' layer, or the growth of cracks, is shown."""
    if code == GROWTH.code:
        return Scale(GROWTH.name_en if language == "en" else GROWTH.name_zh, GROWTH.unit, 1.0)
    field, quantity = next(f for f in _SHOWN if f.source == code), _CODES[code]
    unit = field.unit.replace("2", "²") if field.unit != "1" else ""
    return Scale(quantity.name_en if language == "en" else quantity.name_zh, unit, field.factor)


@dataclass(frozen=True)
class Figure:
    """A quantity: code, name, unit, value and half-width of its 95 % interval in that unit.

    A difference is shown with its sign; a width at the limit of resolution with "≤"; the growth of cracks
    with "≥", the lower end of its interval, because what the network misses comes on top.
    """

    code: str
    name: str
    unit: str
    value: float | None
    u95: float | None
    is_difference: bool = False
    is_at_most: bool = False

    @property
    def text(self) -> str:
        """Value and uncertainty, as ``12.4 ± 0.6``."""
        if self.code == GROWTH.code:
            seen = at_least(self.value, self.u95)
            return shown(None) if seen is None else f"≥ {shown(seen, 2)}"
        told = shown(self.value) if self.value is None or not self.u95 else shown_with(self.value, self.u95)
        if self.is_difference and self.value is not None and self.value > 0:
            told = f"+{told}"
        return f"≤ {told}" if self.is_at_most else told


Figures = dict[str, tuple[Figure, ...]]
"""Element id to its figures, in the table's order."""


def figures_of(book: Book, surv_id: str, language: Language) -> Figures:
    """Return the figures of every element of a survey."""
    query = "SELECT elem_id, stat, value, u95 FROM element_stats WHERE surv_id = ? ORDER BY fid"
    gsd_mm = survey_gsd_mm(book, surv_id)
    return {
        elem_id: tuple(replace(f, is_at_most=is_at_most(f.code, f.value, gsd_mm)) for f in found)
        for elem_id, found in _figures(book, query, surv_id, language, is_difference=False).items()
    }


def differences_of(book: Book, pair_id: str, language: Language) -> Figures:
    """Return by how much the figures of every element differ between two compared surveys."""
    query = "SELECT elem_id, stat, diff, u95_diff FROM change_stats WHERE pair_id = ? ORDER BY fid"
    return _figures(book, query, pair_id, language, is_difference=True)


def verdicts_of(book: Book, pair_id: str) -> dict[str, Verdict]:
    """Return what may be said of every element that two surveys were compared on."""
    query = "SELECT elem_id, stat, verdict FROM change_stats WHERE pair_id = ? ORDER BY fid"
    said: dict[str, list[str]] = {}
    for elem_id, code, verdict in book.connection.execute(query, (pair_id,)):
        if code in JUDGED:
            said.setdefault(elem_id, []).append(verdict)
    return {elem_id: gravest(verdicts) for elem_id, verdicts in said.items()}


def _figures(book: Book, query: str, whose: str, language: Language, *, is_difference: bool) -> Figures:
    stored: dict[str, dict[str, tuple[float | None, float | None]]] = {}
    for elem_id, code, value, u95 in book.connection.execute(query, (whose,)):
        stored.setdefault(elem_id, {})[code] = (value, u95)
    codes = (*(field.source for field in _SHOWN), *((GROWTH.code,) if is_difference else ()))
    scales = {code: scale_of(code, language) for code in codes}
    return {
        elem_id: tuple(
            Figure(
                code,
                scale.name,
                scale.unit,
                *_scaled(values.get(code, (None, None)), scale.factor),
                is_difference,
            )
            for code, scale in scales.items()
        )
        for elem_id, values in stored.items()
    }


def _scaled(values: tuple[float | None, float | None], factor: float) -> tuple[float | None, float | None]:
    value, u95 = (None if v is None else v * factor for v in values)
    return value, u95


def rate(series: Series, scale: Scale, language: Language) -> str:
    """Return the change per year of a statistic, as ``+0.22 ± 0.04 % per year``; empty without a trend."""
    trend = series.trend
    if trend is None:
        return ""
    per_year = trend.per_year
    if trend.u95 is not None and abs(per_year) < _NOTHING * trend.u95:  # rounding of a computer, not a rate
        per_year = 0.0
    told = per_year * scale.factor
    text = shown_with(told, trend.u95 * scale.factor) if trend.u95 else shown(told, 3)
    if per_year > 0:
        text = f"+{text}"
    return word("trend_rate", language, v=f"{text} {scale.unit}".strip())
