"""The uncertainty of every statistic: u95 = 1.96 sqrt(u_vec^2 + u_scale^2 + u_model^2).

Each term is a standard uncertainty in the statistic's own unit.

- ``u_vec``: what vectorising an exact mask gets wrong, as measured on networks whose truth is known; it
  grows as branches get shorter in pixels (``vectoriser_errors.json``), and with the outlines of areas.
- ``u_scale``: the scale of the picture. Its relative uncertainty counts once in a length, twice in an area.
- ``u_model``: what the network misses and invents, from the figures of its card (`budget.model_errors`).

A term that nothing is known of is None: it is not in u95, and whoever shows u95 says so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from segmentation_core.statistics.budget import Budget, ModelErrors
from segmentation_core.statistics.quantities import QUANTITIES
from segmentation_core.statistics.quantity import Quantity
from segmentation_core.statistics.resolution import RESOLVED_PX

__all__ = ["Terms", "as_dicts", "resolution_notes", "uncertainties"]

_COVERAGE = 1.96
_OUTLINE_PX = 0.28
"""Standard deviation of an area counted in pixels, over the root of its perimeter in px: discs of radius 3 to
80 px and rectangles, turned and moved at random."""
_RAGGED = 6.0
"""Perimeter over root of area: 3.5 for a disc, 4 for a square, more for a flake."""
_PERIMETER = 0.005
"""Relative, of discs of 10 px and more."""
_WIDTH_PX = 0.02
_BLIND_WIDTH_PX = 0.29
"""Below 2 px, masks show a crack up to 0.5 px too wide (spread evenly)."""
_WORTH_A_NOTE = 0.01
_WORST = {"relative": 1.0, "absolute": 0.5, "crack_axis_deg": 52.0, "connections_per_branch": 0.58}
"""No figure is less certain than one of which nothing is known (an axis: +-90 degrees, spread evenly)."""
_COUNTED_AREAS = {"assessed_m2", "island_area_ratio", "island_median_m2", "island_p10_m2", "island_p90_m2"}
_POWERS = {"m": 1, "mm": 1, "m2": 2, "m/m2": -1, "mm/cm2": -1, "1/m2": -2, "1": 0, "px": 0, "deg": 0}
"""How often the scale counts in a quantity of each unit."""


@dataclass(frozen=True)
class Terms:
    """Standard uncertainties of one value, in its unit; None where nothing is known."""

    u_vec: float | None
    u_scale: float | None
    u_model: float | None

    @property
    def u95(self) -> float | None:
        """Half width of the 95 % interval over the known terms; None without any."""
        known = [term for term in (self.u_vec, self.u_scale, self.u_model) if term is not None]
        return _COVERAGE * math.hypot(*known) if known else None


def uncertainties(row: Mapping[str, float | int | None], budget: Budget) -> dict[str, Terms]:
    """Return the uncertainty of each quantity of a row that has a value.

    Parameters
    ----------
    row : mapping
        Code to value (`Tally.rows`).
    budget : Budget
    """
    return {
        quantity.code: Terms(
            _vectorising(quantity.code, row, budget),
            abs(float(value)) * abs(_POWERS[quantity.unit]) * budget.scale_percent / 100,
            None if budget.model is None else _modelling(quantity, row, budget.model),
        )
        for quantity in QUANTITIES
        if (value := row.get(quantity.code)) is not None
    }


def as_dicts(found: Mapping[str, Terms]) -> dict[str, dict[str, float | None]]:
    """Return per quantity u95 and its terms, by the names of the book's columns."""
    return {code: {"u95": terms.u95, **asdict(terms)} for code, terms in found.items()}


def resolution_notes(row: Mapping[str, float | int | None]) -> list[str]:
    """Return a note where branches are so short in pixels that lengths and counts suffer; else nothing.

    Examples
    --------
    >>> resolution_notes({"branch_mean_px": 20.0})[0]
    'branches are 20 px long on average: crack lengths read up to 5.5 % short, counts of Y nodes up to 56 %'
    >>> resolution_notes({"branch_mean_px": 150.0})
    []
    """
    branch_px = row.get("branch_mean_px")
    if not branch_px:
        return []
    table = _table()["relative"]
    length, nodes = (min(_at(table[code], branch_px), 1.0) for code in ("crack_m", "node_y_count"))
    if length < _WORTH_A_NOTE:
        return []
    return [
        f"branches are {branch_px:.0f} px long on average: crack lengths read up to {100 * length:.1f} % "
        f"short, counts of Y nodes up to {100 * nodes:.0f} %"
    ]


@cache
def _table() -> dict[str, Any]:
    text = (files("segmentation_core.statistics") / "vectoriser_errors.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def _vectorising(code: str, row: Mapping[str, float | int | None], budget: Budget) -> float | None:
    if not budget.is_vectorised or budget.gsd_mm is None:
        return None
    pixel_mm, value = budget.gsd_mm, float(row[code] or 0)
    if code.startswith(("loss_", "crack_area")) or code in _COUNTED_AREAS:
        return _of_area(code, row, pixel_mm / 1000)
    if code.startswith("width_") and value < RESOLVED_PX * pixel_mm:
        return _BLIND_WIDTH_PX * pixel_mm
    branch_px = row.get("branch_mean_px")
    name = "rose" if code.startswith("rose_") else code
    for kind, factor in (("relative", abs(value)), ("absolute", 1.0)):
        if name in _table()[kind]:
            error = factor * min(_at(_table()[kind][name], branch_px), _WORST.get(code, _WORST[kind]))
            return math.hypot(error, _WIDTH_PX * pixel_mm) if code.startswith("width_") else error
    return None


def _at(errors: Sequence[float], branch_px: float | int | None) -> float:
    """Interpolate between logarithms; below the shortest branch it grows on, above the longest it stays."""
    lengths = np.log(_table()["branch_px"])
    logs = np.log(errors)
    at = lengths[0] if not branch_px else math.log(branch_px)
    if at < lengths[0]:
        slope = min((logs[1] - logs[0]) / (lengths[1] - lengths[0]), 0.0)
        return float(np.exp(logs[0] + slope * (at - lengths[0])))
    return float(np.exp(np.interp(at, lengths, logs)))


def _of_area(code: str, row: Mapping[str, float | int | None], pixel_m: float) -> float | None:
    """Return the error of areas counted in pixels: of outlines for losses, of widths for cracks."""
    value, assessed = float(row[code] or 0), float(row["assessed_m2"] or 0)
    if code.startswith("crack_area") or code == "island_area_ratio":
        error = _WIDTH_PX * pixel_m * float(row["crack_m"] or 0)
        return error if code == "crack_area_m2" else error / assessed
    if code in ("assessed_m2", "loss_count"):
        return 0.0
    if code == "loss_perimeter_m":
        return _PERIMETER * value
    if code == "loss_circularity":
        return 2 * _PERIMETER
    if code in ("loss_m2", "loss_ratio"):
        count, area = float(row["loss_count"] or 0), float(row["loss_m2"] or 0)
        error = _counted(math.sqrt(count * area) / pixel_m) * pixel_m**2
        return error / assessed if code == "loss_ratio" else error
    return _counted(math.sqrt(value) / pixel_m) * pixel_m**2 if code.endswith("_m2") else None


def _counted(root_area_px: float) -> float:
    return _OUTLINE_PX * math.sqrt(_RAGGED * root_area_px)


def _modelling(quantity: Quantity, row: Mapping[str, float | int | None], model: ModelErrors) -> float | None:
    code, value = quantity.code, abs(float(row[quantity.code] or 0))
    if code == "assessed_m2":
        return 0.0
    if quantity.counted_in == "losses":
        return _times(value, model.loss_area)
    if code.startswith("crack_area"):
        return _times(value, model.line_area)
    if code.startswith("width_"):
        known = model.line_length is not None and model.line_area is not None
        return value * math.hypot(model.line_length or 0, model.line_area or 0) if known else None
    if quantity.unit == "deg":
        return _axis(row, model.line_swap)
    if code == "connections_per_branch":
        return _times(max(value, 2 - value), model.line_swap)
    if code == "sinuosity":
        return _times(value - 1, model.line_swap)
    if quantity.unit == "1" and not code.endswith("_count"):
        return _times(max(value, 1 - value), model.line_swap)
    return _times(value, model.line_length)


def _axis(row: Mapping[str, float | int | None], swap: float | None) -> float | None:
    alignment = row.get("crack_alignment")
    if swap is None or not alignment:
        return None
    return math.degrees(math.asin(min(1.0, swap / alignment))) / 2


def _times(value: float, share: float | None) -> float | None:
    return None if share is None else value * share
