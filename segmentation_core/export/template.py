"""The hand-over template: title block, size classes, billing quantities and drawing conventions as data.

``handover.json`` ships with the package; a copy of it, changed, is given with ``--template``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from segmentation_core.errors import ParameterError
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["ClassRules", "Template", "load_template", "size_class"]


@dataclass(frozen=True)
class ClassRules:
    """Rules for one class of damage.

    Attributes
    ----------
    limits : tuple of float
        Upper limits of the size classes but the last, rising: mm of width for lines, cm2 for polygons.
    billing_minimum : float
        Smallest quantity billed for one feature: m for lines, cm2 for polygons; 0 bills what is there.
    hatch_angle_deg, hatch_spacing_mm : float
        On paper.
    pen_mm : tuple of float
        Pen on paper, one for each size class.
    """

    limits: tuple[float, ...]
    billing_minimum: float
    hatch_angle_deg: float
    hatch_spacing_mm: float
    pen_mm: tuple[float, ...]


@dataclass(frozen=True)
class Template:
    """A hand-over template.

    Attributes
    ----------
    title_block : tuple of (str, str, str)
        Label in English, label in Chinese, text; in the order drawn.
    classes : mapping
        Class code to its rules.
    """

    title_block: tuple[tuple[str, str, str], ...]
    classes: Mapping[str, ClassRules]


def load_template(path: str | Path | None = None) -> Template:
    """Read a template; None is the one that ships.

    Raises
    ------
    ParameterError
        The file is missing, is not JSON, or a rule is missing or impossible.
    """
    if path is None:
        text, source = files(__package__).joinpath("handover.json").read_text(encoding="utf-8"), None
    else:
        source = Path(path)
        if not source.is_file():
            raise ParameterError("no such template", path=source, remedy="Check the path")
        text = source.read_text(encoding="utf-8-sig", errors="replace")
    try:
        data = json.loads(text)
        title = tuple((str(r["label_en"]), str(r["label_zh"]), str(r["text"])) for r in data["title_block"])
        classes = {code: _rules(data["classes"][code]) for code in load_vocabulary().codes}
    except (ValueError, KeyError, TypeError) as exc:
        raise ParameterError(
            f"the template cannot be used ({type(exc).__name__}: {exc})",
            path=source,
            remedy="Start from segmentation_core/export/handover.json and keep its keys",
        ) from exc
    return Template(title, classes)


def size_class(limits: tuple[float, ...], size: float) -> int:
    """Return the index of the size class of ``size``: limits belong to the class below them.

    Examples
    --------
    >>> size_class((0.2, 0.5), 0.2), size_class((0.2, 0.5), 0.21), size_class((0.2, 0.5), 9.0)
    (0, 1, 2)
    """
    return sum(size > limit for limit in limits)


def _rules(data: Mapping[str, Any]) -> ClassRules:
    rules = ClassRules(
        tuple(float(v) for v in data["size_limits"]),
        float(data["billing_minimum"]),
        float(data["hatch_angle_deg"]),
        float(data["hatch_spacing_mm"]),
        tuple(float(v) for v in data["pen_mm"]),
    )
    numbers = (*rules.limits, rules.billing_minimum, rules.hatch_spacing_mm, *rules.pen_mm)
    if not all(math.isfinite(v) and v >= 0 for v in numbers):
        raise ValueError("sizes must be 0 or more")
    if list(rules.limits) != sorted(set(rules.limits)):
        raise ValueError("size_limits must rise")
    if len(rules.pen_mm) != len(rules.limits) + 1:
        raise ValueError("pen_mm needs one pen for each size class, one more than size_limits")
    if rules.hatch_spacing_mm < 0.2:
        raise ValueError("hatch_spacing_mm must be 0.2 or more")
    return rules
