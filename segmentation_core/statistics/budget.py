"""What the uncertainty of a measurement is made of: scale, network, pixels.

F1 = 2 P R / (P + R) bounds the length found over the true length by F / (2 - F) and its inverse; an
intersection over union J bounds the area found over the true area by J and 1 / J. The half ranges are taken
as uniform and pooled (root mean square) over the validation groups of the model's card.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from segmentation_core.errors import ParameterError
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["SCALE_PERCENT", "Budget", "ModelErrors", "budget_of", "model_errors"]

SCALE_PERCENT = 0.58
"""Standard uncertainty of a scale of which nothing is known, in per cent: a GSD is believed to 1 % (a stated
one may differ from the file's by no more), spread evenly: 1 / sqrt(3)."""

_UNIFORM = math.sqrt(3)


@dataclass(frozen=True)
class ModelErrors:
    """Standard uncertainties of what a network finds.

    Attributes
    ----------
    line_length, line_area, loss_area : float or None
        Relative. None: the card has no figure.
    line_swap : float or None
        Share of the crack length that may be other cracks than the true ones.
    """

    line_length: float | None
    line_area: float | None
    loss_area: float | None
    line_swap: float | None


@dataclass(frozen=True)
class Budget:
    """What the uncertainty of a measurement is made of.

    Attributes
    ----------
    scale_percent : float
        Standard uncertainty of the scale.
    gsd_mm : float or None
        Pixel of the raster; None for drawn lines without one.
    model : ModelErrors or None
        None where no network took part, or nothing is known of it.
    is_vectorised : bool
        False for lines that a person drew: how well they were drawn is not known.
    """

    scale_percent: float = SCALE_PERCENT
    gsd_mm: float | None = None
    model: ModelErrors | None = None
    is_vectorised: bool = True


def model_errors(metrics: Sequence[Mapping[str, Any]]) -> ModelErrors | None:
    """Return a network's errors from the ``metrics`` of its card; None where there are none.

    Parameters
    ----------
    metrics : sequence of mapping
        Entries with ``class`` and ``tolerance_f1_2px`` or ``iou``; others are passed over. An entry may list
        its validation groups under ``groups``, which then count instead of it.

    Examples
    --------
    >>> found = model_errors([{"class": "craquelure", "tolerance_f1_2px": 0.8, "iou": 0.5}])
    >>> round(found.line_length, 3), round(found.line_area, 3), found.loss_area
    (0.289, 0.577, None)
    """
    entries = [group for entry in metrics for group in _groups(entry)]
    line, loss = load_vocabulary().line_class.code, load_vocabulary().polygon_class.code
    length = [2 * (1 - f) / f for f in _figures(entries, line, "tolerance_f1_2px")]
    swap = [1 - f for f in _figures(entries, line, "tolerance_f1_2px")]
    line_area, loss_area = ([1 / j - 1 for j in _figures(entries, code, "iou")] for code in (line, loss))
    if not (length or line_area or loss_area):
        return None
    return ModelErrors(_pooled(length), _pooled(line_area), _pooled(loss_area), _pooled(swap))


def _groups(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    groups = entry.get("groups")
    if isinstance(groups, list) and all(isinstance(group, Mapping) for group in groups):
        return [{"class": entry.get("class"), **group} for group in groups]
    return [entry]


def _figures(entries: Sequence[Mapping[str, Any]], code: str, name: str) -> list[float]:
    values = [entry.get(name) for entry in entries if entry.get("class") == code]
    return [max(float(value), 0.01) for value in values if isinstance(value, int | float) and 0 <= value <= 1]


def _pooled(half_ranges: Sequence[float]) -> float | None:
    if not half_ranges:
        return None
    return math.sqrt(sum(a * a for a in half_ranges) / len(half_ranges)) / _UNIFORM


def budget_of(
    runs: Sequence[Mapping[str, Any]],
    gsds_mm: Sequence[float | None],
    scale_percents: Sequence[float | None],
    *,
    is_vectorised: bool = True,
) -> tuple[Budget, list[str]]:
    """Return the budget of a measurement over one or more rasters, the worst of each counting, and notes.

    Parameters
    ----------
    runs : sequence of mapping
        Records of `segment` or `vectorise`: ``model`` with ``name`` and ``metrics`` if a network took part.
    gsds_mm : sequence of float or None
        Of the rasters.
    scale_percents : sequence of float or None
        Standard uncertainties of their scales; `SCALE_PERCENT` for None.
    is_vectorised : bool
        False for lines that a person drew.

    Raises
    ------
    ParameterError
        A scale's uncertainty is negative, or no number.
    """
    scales = [SCALE_PERCENT if percent is None else percent for percent in scale_percents]
    for percent in scales:
        if not (math.isfinite(percent) and 0 <= percent <= 100):
            raise ParameterError(
                f"an uncertainty of the scale of {percent:g} per cent is impossible",
                remedy="Give the standard uncertainty in per cent, as --gsd-u 0.2",
            )
    known: list[ModelErrors] = []
    notes: set[str] = set()
    for run in runs:
        model = run.get("model") or {}
        errors = model_errors(model.get("metrics") or ())
        if errors is not None:
            known.append(errors)
        elif model:
            notes.add(
                f"u95 without a term for the network: nothing is recorded of how good {model.get('name')} is"
            )
        elif is_vectorised:
            notes.add("u95 without a term for the network: the classes came ready, none took part")
        else:
            notes.add("u95 is that of the scale alone: how well lines were drawn by hand is not known")
    gsds = [gsd for gsd in gsds_mm if gsd is not None]
    gsd_mm = max(gsds, default=None)
    budget = Budget(max(scales, default=SCALE_PERCENT), gsd_mm, _worst(known), is_vectorised)
    return budget, sorted(notes)


def _worst(errors: Sequence[ModelErrors]) -> ModelErrors | None:
    if not errors:
        return None
    worst = {
        field.name: max(
            (e for e in (getattr(each, field.name) for each in errors) if e is not None), default=None
        )
        for field in fields(ModelErrors)
    }
    return ModelErrors(**worst)
