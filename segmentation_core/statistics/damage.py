"""Damage classes of elements, by rules that are data: agreed for a building, never a standard of ours."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from segmentation_core.errors import ParameterError
from segmentation_core.statistics.quantities import QUANTITIES
from segmentation_core.statistics.uncertainty import Terms

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["EXAMPLE", "DamageClass", "DamageRules", "Judgement", "judge", "load_damage_rules"]

EXAMPLE = "example"
"""Given in place of a file, the rules that ship as an example."""

_REMEDY = "Start from the example in docs/measurement.md"


@dataclass(frozen=True)
class DamageClass:
    """A class and the figures from any of which on it applies; without any, it takes the rest."""

    code: str
    name_en: str
    name_zh: str
    at_least: Mapping[str, float]


@dataclass(frozen=True)
class DamageRules:
    """Classes from the worst to the mildest, and what the rules are called."""

    title: str
    classes: tuple[DamageClass, ...]


@dataclass(frozen=True)
class Judgement:
    """The class of an element.

    Attributes
    ----------
    code : str or None
        None where a figure that the rules need is not known.
    because : tuple of str
        The quantities that reach its thresholds.
    could_be : tuple of str
        Further classes within the figures' uncertainty, from the worst on.
    """

    code: str | None
    because: tuple[str, ...]
    could_be: tuple[str, ...]


def load_damage_rules(path: str | Path) -> DamageRules:
    """Read rules from TOML.

    Parameters
    ----------
    path : path-like
        A file with ``title`` and ``[[class]]`` tables of ``code``, ``name_en``, ``name_zh`` and ``at_least``
        (code of a quantity to threshold); or `EXAMPLE`.

    Raises
    ------
    ParameterError
        No such file, not TOML, or not such rules.
    """
    if str(path) == EXAMPLE and not Path(path).exists():
        text = (files("segmentation_core.statistics") / "damage_rules_example.toml").read_text("utf-8")
    else:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as exc:
            raise ParameterError(
                "the damage rules cannot be read", path=path, remedy="Check the path"
            ) from exc
        except UnicodeDecodeError as exc:
            raise ParameterError("the damage rules are not UTF-8", path=path, remedy=_REMEDY) from exc
    try:
        data = tomllib.loads(text)
        rules = DamageRules(str(data["title"]), tuple(_class(entry) for entry in data["class"]))
    except tomllib.TOMLDecodeError as exc:
        raise ParameterError(f"the damage rules are not TOML ({exc})", path=path, remedy=_REMEDY) from exc
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ParameterError(
            f"the damage rules lack something or have it in a wrong form ({exc})", path=path, remedy=_REMEDY
        ) from exc
    _check(rules, path)
    return rules


def judge(
    rules: DamageRules, row: Mapping[str, float | int | None], uncertain: Mapping[str, Terms]
) -> Judgement:
    """Return the damage class of an element.

    Parameters
    ----------
    rules : DamageRules
    row : mapping
        Code to value.
    uncertain : mapping
        Code to `Terms`; values are also judged at both ends of their interval.
    """
    needed = {code for each in rules.classes for code in each.at_least}
    values = {code: float(value) for code in needed if (value := row.get(code)) is not None}
    if len(values) < len(needed):
        return Judgement(None, (), ())
    half = {code: (terms.u95 or 0.0) if (terms := uncertain.get(code)) else 0.0 for code in values}
    found = _first(rules, values)
    worst, mildest = (
        _first(rules, {code: value + sign * half[code] for code, value in values.items()}) for sign in (1, -1)
    )
    chosen = rules.classes[found]
    because = tuple(code for code, limit in chosen.at_least.items() if values[code] >= limit)
    others = (rules.classes[i].code for i in range(worst, mildest + 1) if i != found)
    return Judgement(chosen.code, because, tuple(others))


def _first(rules: DamageRules, values: Mapping[str, float]) -> int:
    for place, each in enumerate(rules.classes):
        if any(values[code] >= limit for code, limit in each.at_least.items()):
            return place
    return len(rules.classes) - 1


def _class(entry: Mapping[str, Any]) -> DamageClass:
    limits = {str(code): float(limit) for code, limit in entry.get("at_least", {}).items()}
    return DamageClass(str(entry["code"]), str(entry["name_en"]), str(entry["name_zh"]), limits)


def _check(rules: DamageRules, path: str | Path) -> None:
    known = {q.code for q in QUANTITIES}
    codes = [each.code for each in rules.classes]
    if len(set(codes)) < len(codes) or len(codes) < 2:
        raise ParameterError("damage rules need two classes or more, each once", path=path, remedy=_REMEDY)
    if [each.code for each in rules.classes if not each.at_least] != codes[-1:]:
        raise ParameterError(
            "the last damage class, and no other, must be without thresholds: it takes the rest",
            path=path,
            remedy=_REMEDY,
        )
    for each in rules.classes:
        for code, limit in each.at_least.items():
            if code not in known:
                raise ParameterError(
                    f"class {each.code!r}: no figure is called {code!r}",
                    path=path,
                    remedy="Use the column names of the table of measure",
                )
            if not math.isfinite(limit):
                raise ParameterError(f"class {each.code!r}: {code} >= {limit} is no threshold", path=path)
    for worse, milder in zip(rules.classes, rules.classes[1:-1], strict=False):
        for code in worse.at_least.keys() & milder.at_least.keys():
            if worse.at_least[code] <= milder.at_least[code]:
                raise ParameterError(
                    f"class {worse.code!r} must ask for more {code} than {milder.code!r}",
                    path=path,
                    remedy="List the classes from the worst to the mildest",
                )
