"""An element's figures for a sheet or the report: in people's units, with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

from segmentation_core.export.fields import ELEMENT_LAYER
from segmentation_core.export.numbers import shown
from segmentation_core.export.request import Language
from segmentation_core.statistics.quantities import QUANTITIES
from segmentation_core.survey.store import Book

__all__ = ["Figure", "Figures", "figures_of"]


@dataclass(frozen=True)
class Figure:
    """A quantity: code, name, unit, value and half-width of its 95 % interval in that unit."""

    code: str
    name: str
    unit: str
    value: float | None
    u95: float | None

    @property
    def text(self) -> str:
        """Value and uncertainty, as ``12.4 ± 0.6``."""
        if not self.u95 or self.value is None:
            return shown(self.value)
        return f"{shown(self.value)} ± {shown(self.u95, 2)}"


Figures = dict[str, tuple[Figure, ...]]
"""Element id to its figures, in the table's order."""


def figures_of(book: Book, surv_id: str, language: Language) -> Figures:
    """Return the figures of every element of a survey."""
    stored: dict[str, dict[str, tuple[float | None, float | None]]] = {}
    query = "SELECT elem_id, stat, value, u95 FROM element_stats WHERE surv_id = ? ORDER BY fid"
    for elem_id, code, value, u95 in book.connection.execute(query, (surv_id,)):
        stored.setdefault(elem_id, {})[code] = (value, u95)
    fields = {f.source: f for f in ELEMENT_LAYER.fields}
    listed = [(q, fields[q.code]) for q in QUANTITIES if q.code in fields]
    return {
        elem_id: tuple(
            Figure(
                q.code,
                q.name_en if language == "en" else q.name_zh,
                f.unit.replace("2", "²") if f.unit != "1" else "",
                *(None if v is None else v * f.factor for v in values.get(q.code, (None, None))),
            )
            for q, f in listed
        )
        for elem_id, values in stored.items()
    }
