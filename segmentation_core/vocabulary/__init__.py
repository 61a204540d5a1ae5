"""The defect classes (``defect_classes.json``) and the kinds of change (``change_kinds.json``), as data.

Code asks for a class by what it is (drawn as a line, drawn as a polygon), never by its name, so that a
vocabulary can be renamed or extended without touching Python.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["ChangeKind", "DefectClass", "Vocabulary", "change_kind", "change_kinds", "load_vocabulary"]


@dataclass(frozen=True)
class DefectClass:
    """One class of damage.

    Attributes
    ----------
    code : str
        ASCII identifier, used in files.
    value : int
        Value in class rasters and training labels.
    name_en, name_zh : str
        Names shown to people.
    geometry : str
        ``"line"`` (thin defects, measured as centrelines) or ``"polygon"``.
    colour : str
        ``#rrggbb``.
    wins_over : tuple of str
        Codes of the classes that give way where both pass their threshold.
    standard : str or None
        Code in a standard, once checked against its text.
    """

    code: str
    value: int
    name_en: str
    name_zh: str
    geometry: str
    colour: str
    wins_over: tuple[str, ...]
    standard: str | None


@dataclass(frozen=True)
class Vocabulary:
    """All classes, in the order of the bands of a probability raster."""

    classes: tuple[DefectClass, ...]
    background_value: int
    nodata_value: int

    @property
    def codes(self) -> tuple[str, ...]:
        """Class codes in band order."""
        return tuple(c.code for c in self.classes)

    @property
    def line_class(self) -> DefectClass:
        """Return the class that is measured as centrelines."""
        return next(c for c in self.classes if c.geometry == "line")

    @property
    def polygon_class(self) -> DefectClass:
        """Return the class that is measured as polygons."""
        return next(c for c in self.classes if c.geometry == "polygon")

    @property
    def drawing_order(self) -> tuple[DefectClass, ...]:
        """Classes such that painting them in this order lets each win over those it names."""
        return tuple(sorted(self.classes, key=lambda c: len(c.wins_over)))


@cache
def load_vocabulary() -> Vocabulary:
    """Read the vocabulary that ships with the package.

    Examples
    --------
    >>> load_vocabulary().codes
    ('craquelure', 'paint_loss')
    """
    text = files(__package__).joinpath("defect_classes.json").read_text(encoding="utf-8")
    data = json.loads(text)
    classes = tuple(DefectClass(**{**c, "wins_over": tuple(c["wins_over"])}) for c in data["classes"])
    return Vocabulary(classes, data["background_value"], data["nodata_value"])


@dataclass(frozen=True)
class ChangeKind:
    """What can have happened to a crack or a loss between two surveys.

    Attributes
    ----------
    code : str
        ASCII identifier, used in files; one code may stand for a line and for a polygon.
    geometry : str
        ``"line"`` or ``"polygon"``.
    name_en, name_zh : str
        Names shown to people.
    colour : str
        ``#rrggbb``.
    change : bool
        False where nothing happened.
    """

    code: str
    geometry: str
    name_en: str
    name_zh: str
    colour: str
    change: bool


@cache
def change_kinds(geometry: str) -> tuple[ChangeKind, ...]:
    """Return the kinds of change of lines or of polygons, in drawing order.

    Examples
    --------
    >>> [kind.code for kind in change_kinds("polygon")]
    ['stable', 'not_confirmed', 'gain']
    """
    text = files(__package__).joinpath("change_kinds.json").read_text(encoding="utf-8")
    return tuple(ChangeKind(**kind) for kind in json.loads(text)["kinds"] if kind["geometry"] == geometry)


def change_kind(geometry: str, code: str) -> ChangeKind:
    """Return a kind of change; one that this version does not know, under its code and in grey."""
    unknown = ChangeKind(code, geometry, code, code, "#666666", change=True)
    return next((kind for kind in change_kinds(geometry) if kind.code == code), unknown)
