"""What an export is asked for, and what it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segmentation_core.export.template import Template
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import Survey, surveys_of

__all__ = ["Language", "Pair", "Request", "Unit", "Written", "pairs_of"]

Language = Literal["en", "zh"]
Unit = Literal["m", "mm"]


@dataclass(frozen=True)
class Pair:
    """Two compared surveys.

    Attributes
    ----------
    pair_id : str
    before, after : Survey
    registration_sigma_mm, tolerance_mm : float or None
        Residual error of the registration, and the distance within which nothing is called a change.
    """

    pair_id: str
    before: Survey
    after: Survey
    registration_sigma_mm: float | None
    tolerance_mm: float | None

    @property
    def name(self) -> str:
        """Name shown to people."""
        return f"{self.before.name} - {self.after.name}"


@dataclass(frozen=True)
class Request:
    """What to export.

    Attributes
    ----------
    surveys, pairs : tuple
        Oldest first.
    elements : tuple of str or None
        Ids of the elements to keep; None keeps everything, features outside all elements too.
    language : {"en", "zh"}
        Of what people read.
    unit : {"m", "mm"}
        Of drawings.
    paper : str
        Name of a paper size, as ``A3``.
    scale : int or None
        Denominator of the plan scale; None is chosen to fit.
    template : Template
        Title block, size classes, billing quantities, drawing conventions.
    out : Path
        Where the result will lie in the end, for paths that it stores.
    """

    surveys: tuple[Survey, ...]
    pairs: tuple[Pair, ...]
    template: Template
    elements: tuple[str, ...] | None = None
    language: Language = "en"
    unit: Unit = "m"
    paper: str = "A3"
    scale: int | None = None
    out: Path = Path()

    @property
    def elements_json(self) -> str | None:
        """The ids as JSON, for SQLite's ``json_each``."""
        return None if self.elements is None else json.dumps(self.elements, ensure_ascii=False)


@dataclass(frozen=True)
class Written:
    """What a format wrote: file name to number of features or rows, and what the user should be told."""

    files: dict[str, int]
    notes: tuple[str, ...] = ()


def pairs_of(book: Book) -> list[Pair]:
    """Return the compared pairs of a book, in the order they were compared."""
    surveys = {s.surv_id: s for s in surveys_of(book.connection)}
    rows = book.connection.execute(
        "SELECT pair_id, surv_a, surv_b, reg_sig_mm, eps_mm FROM change_pair ORDER BY fid"
    )
    return [
        Pair(pair_id, surveys[a], surveys[b], sigma, eps)
        for pair_id, a, b, sigma, eps in rows
        if a in surveys and b in surveys
    ]
