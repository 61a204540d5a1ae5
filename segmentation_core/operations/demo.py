"""The demo: paint a facade with known damage, survey it twice, and set what was found against the truth."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from segmentation_core.export.csv_table import write_csv
from segmentation_core.facade.generate import DEMO_SEED, ID_FIELD, Facade, generate_facade
from segmentation_core.facade.layout import FULL_SIZE_PX, facade_layout
from segmentation_core.facade.overview import Overview, draw_overview
from segmentation_core.facade.scores import class_scores
from segmentation_core.facade.second_epoch import generate_second_epoch
from segmentation_core.operations.demo_change import survey_again
from segmentation_core.operations.hand_over import hand_over
from segmentation_core.operations.survey import survey
from segmentation_core.progress import Progress, silent

__all__ = ["COMPARED", "DEMO_DATE", "DEMO_SEED", "compared", "demo", "report"]

DEMO_DATE = "2026-05-01"
COMPARED = ("assessed_m2", "loss_m2", "loss_ratio", "crack_m", "crack_area_m2")
"""Figures of an element that both the survey and the truth state."""

_TITLE = "Pavilion, south facade"


def demo(
    out: str | Path,
    *,
    seed: int = DEMO_SEED,
    progress: Progress = silent,
    model: str | Path | None = None,
    device: str = "auto",
    size: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Generate a facade, survey it, survey it again two years later, and compare all with the truth.

    Parameters
    ----------
    out : path-like
        Folder; made where it does not exist. Holds ``facade/`` (orthophoto, elements, truth), the survey
        book ``pavilion.gpkg`` with its rasters, ``hand-over/`` (every export), ``overview.png``,
        ``found_against_true.csv`` and ``figures.json``. A facade that lies there already is used again.
    seed : int
        Of the facade.
    progress : Progress
        Told how far the work is.
    model : str, path-like or None
        Model name or file; None is the default model.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    size : (width, height) or None
        Of the orthophoto in pixels; None is the full demo, 42 Mpx.

    Returns
    -------
    dict
        ``elements`` (``elem_id``, names, ``found_*`` and ``true_*`` for each of `COMPARED`), ``scores``
        (see `facade.scores.class_scores`), ``changes`` (see `survey_again`), ``paths``, and the first
        survey's ``totals`` and ``run``.

    Raises
    ------
    CraquelureError
        See `segmentation_core.errors`.
    """
    out = Path(out)
    size_px = FULL_SIZE_PX if size is None else size
    facade = generate_facade(out / "facade", seed=seed, size_px=size_px, progress=progress)
    book = out / "pavilion.gpkg"
    result = survey(
        facade.orthophoto,
        book,
        DEMO_DATE,
        elements=facade.elements,
        id_field=ID_FIELD,
        model=model,
        device=device,
        progress=progress,
    )
    classes = Path(result["run"]["rasters"]) / "classes.tif"
    told = report(out, facade, classes, result)
    second = generate_second_epoch(out / "facade", seed=seed, size_px=size_px, progress=progress)
    told["changes"] = survey_again(book, DEMO_DATE, second, model=model, device=device, progress=progress)
    told["paths"]["second orthophoto"] = str(second.orthophoto)
    handed = hand_over(book, out / "hand-over", progress=progress)
    told["paths"]["hand-over"] = str(out / "hand-over")
    told["run"]["notes"] = [*told["run"].get("notes", ()), *handed["notes"]]
    figures = out / "figures.json"
    figures.write_text(json.dumps(told, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8")
    return told


def report(out: Path, facade: Facade, classes: Path, result: Mapping[str, Any]) -> dict[str, Any]:
    """Compare a survey of the facade with its truth; write the table and the overview.

    Parameters
    ----------
    out : Path
        Folder for ``found_against_true.csv`` and ``overview.png``.
    facade : Facade
        With its truth.
    classes : Path
        Class raster of the survey.
    result : mapping
        As `survey` returns it.

    Returns
    -------
    dict
        As `demo` returns it.
    """
    rows = compared(result["elements"], facade)
    scores = class_scores(classes, facade.truth_raster)
    table, picture = out / "found_against_true.csv", out / "overview.png"
    write_csv(table, list(rows[0]), [list(row.values()) for row in rows])
    run = result["run"]
    book = Path(run["book"])
    subtitle = (
        f"Survey of {run['date']}, {run['gsd_mm']:g} mm per pixel, {run['model'] or 'ready classes'}. "
        "A generated facade: its damage is known exactly."
    )
    draw_overview(
        Overview(facade.orthophoto, classes, book, facade.elements, rows, scores, _TITLE, subtitle), picture
    )
    paths = {
        "orthophoto": facade.orthophoto,
        "elements": facade.elements,
        "truth": facade.truth_raster,
        "book": book,
        "classes": classes,
        "table": table,
        "overview": picture,
    }
    return {
        "elements": rows,
        "scores": scores,
        "paths": {name: str(path) for name, path in paths.items()},
        "totals": result["totals"],
        "run": run,
    }


def compared(found: Iterable[Mapping[str, Any]], facade: Facade) -> list[dict[str, Any]]:
    """Set the found figures of each element beside the true ones.

    Parameters
    ----------
    found : iterable of mapping
        ``elements`` of a survey.
    facade : Facade
        With its truth.

    Returns
    -------
    list of dict
        One row per beam from top to bottom; a found figure is None where the survey lacks the beam.
    """
    by_id = {str(row["elem_id"]): row for row in found}
    names = {beam.beam_id: beam for beam in facade_layout().beams}
    rows = []
    for beam in facade.beams:
        row: dict[str, Any] = {
            "elem_id": beam.elem_id,
            "name_en": names[beam.elem_id].name_en,
            "name_zh": names[beam.elem_id].name_zh,
        }
        for column in COMPARED:
            row[f"found_{column}"] = by_id.get(beam.elem_id, {}).get(column)
            row[f"true_{column}"] = beam.as_dict()[column]
        rows.append(row)
    return rows
