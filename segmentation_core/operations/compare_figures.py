"""The figures of a comparison: every statistic at both dates, and what became of damage, per element.

A difference has the uncertainty of both values less what they share: the scale, and most of what the network
misses and invents when it is the same network. What the registration adds is where an element's border cuts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation_core.change.cracks import CrackChange
from segmentation_core.change.epoch import ChangeSettings
from segmentation_core.change.losses import LossChange
from segmentation_core.change.shown_growth import ShownGrowth, shown_growth
from segmentation_core.change.uncertainty import (
    JUDGED,
    SHARED_BY_ONE_NETWORK,
    Difference,
    cut_length_sigma_mm,
    gravest,
    scattered,
    stretch_sigma,
    verdict,
)
from segmentation_core.operations.compare_features import regions_of
from segmentation_core.statistics.budget import Budget
from segmentation_core.statistics.quantities import GROWTH, QUANTITIES
from segmentation_core.statistics.quantity import Quantity
from segmentation_core.statistics.regions import Parts
from segmentation_core.statistics.tally import Row
from segmentation_core.statistics.uncertainty import Terms, uncertainties
from segmentation_core.survey.pairs import ChangeFigure

__all__ = ["Dated", "amounts_in_doubt", "change_figures", "element_summary", "growth_figures", "growth_of"]

_DAYS_A_YEAR = 365.2425
_UNKNOWN = Terms(None, None, None)
_STRETCHED = {"m": 0.5, "m2": 1.0, "m/m2": 0.5}
"""Share of an area's stretch that a quantity of a unit takes; elements' outlines do not stretch along."""

_OF_CRACKS = {"new": "new_m", "widened": "widened_m", "extended": "extended_m", "connected": "extended_m"}


@dataclass(frozen=True)
class Dated:
    """One survey's figures.

    Attributes
    ----------
    day : str
        ``YYYY-MM-DD``.
    rows : sequence of Row
        One per element.
    totals : Row
    budget : Budget
        What its uncertainty is made of.
    """

    day: str
    rows: Sequence[Row]
    totals: Row
    budget: Budget


def amounts_in_doubt(
    elements: Mapping[str, Any], cracks: CrackChange, losses: LossChange
) -> list[dict[str, float]]:
    """Return what each element's two surveys differ by and is no change: of crack_m and of loss_m2.

    Cracks that both pictures show and one survey has, and losses that are not sure.

    Parameters
    ----------
    elements : mapping of id to (Multi)Polygon
        mm.
    cracks : CrackChange
        After `segmentation_core.change.faint.without_faint`.
    losses : LossChange
        After `segmentation_core.change.doubtful.without_doubtful`.
    """
    regions = regions_of(elements)
    lengths = {side: regions.lengths_of(lines) for side, lines in cracks.faint.items()}
    areas = {side: regions.areas_of(parts) for side, parts in losses.doubtful.items()}
    lengths_m, areas_m2 = (
        per_unit * np.abs(_sums(parts.get("b"), len(elements)) - _sums(parts.get("a"), len(elements)))
        for per_unit, parts in ((1e-3, lengths), (1e-6, areas))
    )
    return [
        {"crack_m": length_m, "loss_m2": area_m2}
        for length_m, area_m2 in zip(lengths_m.tolist(), areas_m2.tolist(), strict=True)
    ]


def _sums(parts: Parts | None, count: int) -> NDArray[np.float64]:
    """Return how much lies in each region."""
    if parts is None:
        return np.zeros(count)
    return np.bincount(parts.regions, parts.amounts, minlength=count).astype(np.float64)


def change_figures(
    elements: Mapping[str, Any],
    a: Dated,
    b: Dated,
    settings: ChangeSettings,
    *,
    same_method: bool,
    repeats: Mapping[tuple[str, str], float],
    in_doubt: Sequence[Mapping[str, float]],
) -> list[ChangeFigure]:
    """Return every statistic of every element at both dates.

    Parameters
    ----------
    elements : mapping of id to (Multi)Polygon
        mm, in the order of the rows.
    a, b : Dated
        The earlier and the later survey, measured on the same ground at the same GSD.
    settings : ChangeSettings
    same_method : bool
        False where the surveys were made by different models or thresholds: nothing is shared then.
    repeats : mapping of (elem_id, stat) to float
        The smallest detectable change where repeats on one day tell it; else u95 is taken for it.
    in_doubt : sequence of mapping of code to float
        See `amounts_in_doubt`.
    """
    years = _years(a.day, b.day)
    figures = []
    for (name, outline), row_a, row_b, doubt in zip(elements.items(), a.rows, b.rows, in_doubt, strict=True):
        terms = uncertainties(row_a, a.budget), uncertainties(row_b, b.budget)
        cut_m = cut_length_sigma_mm(int(row_b["node_e_count"] or 0), settings.sigma_mm) / 1e3
        stretch = stretch_sigma(settings.sigma_mm, outline)
        for quantity in QUANTITIES:
            code = quantity.code
            pair = (
                scattered(terms[0].get(code, _UNKNOWN), code, row_a, a.budget.gsd_mm),
                scattered(terms[1].get(code, _UNKNOWN), code, row_b, b.budget.gsd_mm, a.budget.gsd_mm),
            )
            figures.append(
                _figure(
                    (name, code, quantity.unit),
                    (row_a[code], row_b[code]),
                    pair,
                    years,
                    (_added(quantity, cut_m, stretch, row_b), _doubt(quantity, doubt, row_b)),
                    same_method=same_method,
                    repeat=repeats.get((name, code)),
                )
            )
    return figures


def growth_of(
    elements: Mapping[str, Any], cracks: CrackChange, confirmed: Collection[str]
) -> tuple[tuple[ShownGrowth, ...], ShownGrowth] | None:
    """Return the growth of every element and of all together; None where it cannot be told from misreading.

    Parameters
    ----------
    elements : mapping of id to (Multi)Polygon
        mm.
    cracks : CrackChange
    confirmed : collection of str
        Uids of lines that a person drew, edited or verified.
    """
    parts = regions_of(elements).lengths_of(cracks.pieces.lines)
    found = shown_growth(
        cracks, parts.features, parts.regions, parts.amounts, len(elements), confirmed=confirmed
    )
    return None if found is None else (found[:-1], found[-1])


def growth_figures(
    elements: Mapping[str, Any], grown: Sequence[ShownGrowth], days: tuple[str, str]
) -> list[ChangeFigure]:
    """Return the growth of every element as a figure of the book: a difference, without values of its own."""
    years = _years(*days)
    figures = []
    for name, growth in zip(elements, grown, strict=True):
        value, u95 = growth.growth_mm / 1e3, growth.u95_mm / 1e3
        terms = {
            "found": growth.found_mm / 1e3,
            "misread": growth.misread_mm / 1e3,
            "pieces": growth.pieces_mm / 1e3,
            "misreading": growth.misreading_mm / 1e3,
        }
        per_year = value / years if years else None
        told = verdict(value, u95)
        figures.append(
            ChangeFigure(
                name, GROWTH.code, GROWTH.unit, None, None, value, per_year, None, None, u95, terms, u95, told
            )
        )
    return figures


def _years(first: str, second: str) -> float:
    return (date.fromisoformat(second) - date.fromisoformat(first)).days / _DAYS_A_YEAR


def _added(quantity: Quantity, cut_m: float, stretch: float, row: Row) -> float:
    """Return what the registration adds to the difference of a statistic: cut ends, and its stretch.

    Parameters
    ----------
    quantity : Quantity
    cut_m : float
        What the element's border cuts from cracks, in and out.
    stretch : float
        Of areas, relative.
    row : Row
        Of the later survey.
    """
    value = abs(float(row[quantity.code] or 0.0))
    stretched = _STRETCHED.get(quantity.unit, 0.0) * stretch * value
    if quantity.code == "crack_m":
        return math.hypot(cut_m, stretched)
    if quantity.code == "p21_m_per_m2":
        return math.hypot(cut_m / float(row["assessed_m2"] or math.inf), stretched)
    return stretched


def _doubt(quantity: Quantity, doubt: Mapping[str, float], row: Row) -> float:
    """Return what is in doubt of a length or area, or of its share of the assessed area."""
    if quantity.denominator == "assessed_m2":
        amount = doubt.get(quantity.numerator or "", 0.0)
        return quantity.factor * amount / float(row["assessed_m2"] or math.inf)
    return doubt.get(quantity.code, 0.0)


def _figure(
    whose: tuple[str, str, str],
    values: tuple[float | int | None, float | int | None],
    terms: tuple[Terms, Terms],
    years: float,
    of_the_pair: tuple[float, float],
    *,
    same_method: bool,
    repeat: float | None,
) -> ChangeFigure:
    value_a, value_b = values
    registration, in_doubt = of_the_pair
    if value_a is None or value_b is None:
        return ChangeFigure(*whose, value_a, value_b, *(None,) * 5, {}, None, "")
    a, b = float(value_a), float(value_b)
    is_known = all(t.u_vec is not None for t in terms)
    models = [t.u_model or 0.0 for t in terms]
    if same_method:
        shared = _relative(b, terms[1].u_model) * abs(b - a)
        # Repeats hold what is not shared.
        own = 0.0 if repeat is not None else math.sqrt(1 - SHARED_BY_ONE_NETWORK)
        models = [math.hypot(shared, own * models[0]), own * models[1]]
    difference = Difference(
        a,
        b,
        scale_relative=_relative(b, terms[1].u_scale),
        vectoriser_a=terms[0].u_vec or 0.0,
        vectoriser_b=terms[1].u_vec or 0.0,
        model_a=models[0],
        model_b=models[1],
        registration=registration,
        in_doubt=in_doubt,
    )
    diff = difference.difference
    smallest = repeat if repeat is not None else difference.u95 if is_known else None
    return ChangeFigure(
        *whose,
        a,
        b,
        diff,
        diff / years if years else None,
        terms[0].u95,
        terms[1].u95,
        difference.u95 if is_known else None,
        {
            "scale": difference.scale,
            "vectoriser_a": difference.vectoriser_a,
            "vectoriser_b": difference.vectoriser_b,
            "model": math.hypot(difference.model_a, difference.model_b),
            "registration": registration,
            "in_doubt": in_doubt,
        },
        smallest,
        "" if smallest is None else verdict(diff, difference.u95 if is_known else 0.0, smallest),
    )


def _relative(value: float, term: float | None) -> float:
    return 0.0 if term is None or value == 0 else term / abs(value)


def element_summary(
    elements: Mapping[str, Any],
    cracks: CrackChange,
    losses: LossChange,
    figures: Sequence[ChangeFigure],
    whole: ShownGrowth | None,
) -> dict[str, Any]:
    """Return ``elements`` and ``totals`` of the JSON: lengths in m, areas in m2, differences, verdicts.

    Parameters
    ----------
    elements : mapping of id to (Multi)Polygon
        mm.
    cracks, losses
        What was found.
    figures : sequence of ChangeFigure
    whole : ShownGrowth or None
        Of all elements together.
    """
    lengths = _crack_lengths(elements, cracks)
    areas = _loss_areas(elements, losses)
    refused = {refusal.element for refusal in cracks.refusals}
    rows = []
    for index, name in enumerate(elements):
        own = {f.stat: f for f in figures if f.elem_id == name}
        rows.append(
            {
                "elem_id": name,
                "cracks": {code: values[index] for code, values in lengths.items()},
                "losses": {code: values[index] for code, values in areas.items()},
                "difference": {
                    code: {"value": own[code].diff, "u95": own[code].u95_diff, "per_year": own[code].per_year}
                    for code in JUDGED
                    if code in own
                },
                "cracks_compared": name not in refused,
                "verdict": gravest([own[code].verdict for code in JUDGED if code in own]),
            }
        )
    totals: dict[str, Any] = {
        "cracks": {code: float(np.sum(values)) for code, values in lengths.items()},
        "losses": {code: float(np.sum(values)) for code, values in areas.items()},
        "verdict": gravest([str(row["verdict"]) for row in rows]),
    }
    if whole is not None:
        totals["difference"] = {GROWTH.code: {"value": whole.growth_mm / 1e3, "u95": whole.u95_mm / 1e3}}
    return {"elements": rows, "totals": totals}


def _crack_lengths(elements: Mapping[str, Any], cracks: CrackChange) -> dict[str, list[float]]:
    pieces = cracks.pieces
    parts = regions_of(elements).lengths_of(pieces.lines)
    names = np.array(
        [
            _name_of(side, kind)
            for side, kind in zip(pieces.sides.tolist(), pieces.kinds.tolist(), strict=True)
        ],
        dtype=object,
    )
    counted = ("stable_m", *dict.fromkeys(_OF_CRACKS.values()), "not_seen_m", "to_loss_m", "not_compared_m")
    chosen = {name: names == name for name in counted}
    chosen["traced_m"] = np.isin(names, ("new_m", "extended_m")) & pieces.is_traced
    return {
        name: np.bincount(
            parts.regions, parts.amounts / 1e3 * rows[parts.features], minlength=len(elements)
        ).tolist()
        for name, rows in chosen.items()
    }


def _name_of(side: str, kind: str) -> str:
    if side == "a":
        return {"not_seen": "not_seen_m", "crack_to_loss": "to_loss_m"}.get(kind, "")
    return {"stable": "stable_m", "refused": "not_compared_m", **_OF_CRACKS}.get(kind, "")


def _loss_areas(elements: Mapping[str, Any], losses: LossChange) -> dict[str, list[float]]:
    pieces = losses.pieces
    parts = regions_of(elements).areas_of(pieces.polygons)
    found = {}
    for kind in ("stable", "gain", "not_confirmed"):
        chosen = pieces.kinds[parts.features] == kind
        sums = np.bincount(parts.regions[chosen], parts.amounts[chosen] / 1e6, minlength=len(elements))
        found[f"{kind}_m2"] = sums.tolist()
    return found
