"""The demo's second survey: two years later, compared, and set against what truly changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from segmentation_core.change.uncertainty import at_least
from segmentation_core.facade.changes import BeamChange
from segmentation_core.facade.second_epoch import SecondEpoch
from segmentation_core.operations.compare import compare
from segmentation_core.operations.survey import survey
from segmentation_core.progress import Progress
from segmentation_core.statistics.quantities import GROWTH

__all__ = ["CHANGED", "SECOND_DATE", "change_rows", "survey_again"]

SECOND_DATE = "2028-05-01"

CHANGED: tuple[tuple[str, str, str, str], ...] = (
    ("new_m", "cracks", "new_m", "new_crack_m"),
    ("extended_m", "cracks", "extended_m", "extended_tip_m"),
    ("widened_m", "cracks", "widened_m", "widened_m"),
    ("gain_m2", "losses", "gain_m2", "loss_gain_m2"),
    ("not_confirmed_m2", "losses", "not_confirmed_m2", "retouched_m2"),
)
"""A figure, where `compare` tells it, and the truth's name for it."""


def survey_again(
    book: Path,
    first_date: str,
    second: SecondEpoch,
    *,
    model: str | Path | None,
    device: str,
    progress: Progress,
) -> dict[str, Any]:
    """Survey the second orthophoto into the book and compare the two surveys.

    Returns
    -------
    dict
        As `compare` returns it, and ``true``: rows of `change_rows`.

    Raises
    ------
    CraquelureError
        See `survey` and `compare`.
    """
    survey(second.orthophoto, book, SECOND_DATE, model=model, device=device, progress=progress)
    found = compare(book, first_date, SECOND_DATE, progress=progress)
    return found | {"true": change_rows(found["elements"], second.changes)}


def change_rows(
    found: Iterable[Mapping[str, Any]], changes: Iterable[BeamChange]
) -> list[dict[str, str | float | None]]:
    """Set what was found to have changed beside what truly did, one row per beam.

    A found figure is None where the survey lacks the beam, or where its cracks were too dense to compare.
    That of the growth is the lower end of its interval, and None where no growth is shown.
    """
    by_id = {str(row["elem_id"]): row for row in found}
    rows = []
    for change in changes:
        row: dict[str, str | float | None] = {"elem_id": change.elem_id}
        own = by_id.get(change.elem_id)
        for name, part, code, truth in CHANGED:
            seen = own is not None and (part == "losses" or own["cracks_compared"])
            row[f"found_{name}"] = float(own[part][code]) if own is not None and seen else None
            row[f"true_{name}"] = float(change.as_dict()[truth])
        growth = (own["difference"].get(GROWTH.code) if own else None) or {"value": None, "u95": None}
        row["found_growth_m"] = at_least(growth["value"], growth["u95"])
        row["true_growth_m"] = change.new_crack_m + change.extended_tip_m
        row["verdict"] = None if own is None else str(own["verdict"])
        rows.append(row)
    return rows
