"""What a quantity is: one column of the statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["METHOD_VERSION", "Quantity"]

METHOD_VERSION = "3"
"""Version of the way the quantities are computed; stored beside every value."""


@dataclass(frozen=True)
class Quantity:
    """One column of the statistics.

    Attributes
    ----------
    code : str
        Name in JSON, CSV and the survey book; it ends in the unit.
    unit : str
        SI, ``"1"`` for a share or a count, or mm where the code says so.
    name_en, name_zh : str
        Names shown to people.
    meaning_en, meaning_zh : str
        One sentence.
    total : {"sum", "distinct", "ratio", "quantile", "axis", "alignment", "variation"}
        How elements make a total: added; counted once however many elements it lies in; divided from
        the totals of ``numerator`` and ``denominator``; a quantile over what lies in all of them; mean axis
        and alignment from the added double-angle vectors; or the variation of sizes from their added squares.
    numerator, denominator : str or None
        Codes, for a ratio.
    factor : float
        Multiplies a ratio, to reach its unit.
    counted_in : str or None
        Name of the count stored as ``n`` beside the value: the features that it rests on.
    population : str or None
        Of what a quantile is taken.
    quantile : float
        Which, 0-1.
    shown : bool
        False for sums that only ratios need.
    """

    code: str
    unit: str
    name_en: str
    name_zh: str
    meaning_en: str
    meaning_zh: str
    total: Literal["sum", "distinct", "ratio", "quantile", "axis", "alignment", "variation"] = "sum"
    numerator: str | None = None
    denominator: str | None = None
    factor: float = 1.0
    counted_in: str | None = None
    population: str | None = None
    quantile: float = 0.5
    shown: bool = True
