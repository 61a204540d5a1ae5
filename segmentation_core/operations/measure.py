"""Vectors and elements to statistics per element."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from segmentation_core.errors import ParameterError
from segmentation_core.export.csv_table import write_csv
from segmentation_core.operations.drawn import drawn_vectors
from segmentation_core.statistics.budget import budget_of
from segmentation_core.statistics.damage import DamageRules, judge, load_damage_rules
from segmentation_core.statistics.elements import (
    WHOLE_IMAGE,
    Elements,
    load_elements,
    load_exclusions,
    require_contact,
)
from segmentation_core.statistics.layers import Selection, tally_layers
from segmentation_core.statistics.network import axes_of
from segmentation_core.statistics.outlines import named, polygon_parts
from segmentation_core.statistics.quantities import METHOD_VERSION, QUANTITIES
from segmentation_core.statistics.regions import assessed_regions, overlapping
from segmentation_core.statistics.resolution import is_at_most, is_width
from segmentation_core.statistics.tally import Row, Tally
from segmentation_core.statistics.uncertainty import Terms, as_dicts, resolution_notes, uncertainties
from segmentation_core.statistics.vectorfile import VectorFile, open_vectors

__all__ = ["measure"]


def measure(  # noqa: PLR0913 - the command's options
    vectors: str | Path,
    elements: str | Path | None,
    id_field: str | None,
    out_csv: str | Path,
    *,
    exclude: str | Path | None = None,
    snap_m: float | None = None,
    gsd_mm: float | None = None,
    with_bridges: bool = False,
    gsd_u_percent: float | None = None,
    damage_rules: str | Path | None = None,
) -> dict[str, Any]:
    """Measure vectors per element and write the table as CSV.

    Parameters
    ----------
    vectors : path-like
        What `vectorise` wrote; with ``snap_m``, any layer of lines that a person drew or edited.
    elements : path-like or None
        Layer of building elements; None measures one element, ``image``, the valid pixels. Drawn lines
        need them: they are what was assessed.
    id_field : str or None
        Field with the elements' ids.
    out_csv : path-like
        Table to write, one row per element that has assessed pixels.
    exclude : path-like or None
        Layer of areas to leave out.
    snap_m : float or None
        Node the lines first: ends that miss each other or a line by up to this many metres meet.
    with_bridges : bool
        Whether bridged gaps count as cracks.
    gsd_mm : float or None
        For drawn lines without CRS: mm per unit of their coordinates.
    gsd_u_percent : float or None
        Standard uncertainty of the scale in per cent; see `segmentation_core.statistics.budget`.
    damage_rules : path-like or None
        Rules that give each element a damage class (`segmentation_core.statistics.damage`).

    Returns
    -------
    dict
        ``elements`` (list of rows), ``totals``, ``uncertainty`` (of both, code to u95 and its terms, in the
        same order) and ``run`` (inputs, method version, notes). With rules, rows have a ``damage_class``, and
        ``damage`` says by which rules and why.

    Raises
    ------
    VectorError, ElementsError, CrsError, ParameterError, DiskFullError
        See `segmentation_core.errors`.
    """
    if elements is not None and not id_field:
        raise ParameterError("elements need the name of their id field", remedy="Give --id-field")
    if Path(out_csv).suffix.lower() != ".csv":
        raise ParameterError("the table's name must end in .csv", path=out_csv, remedy="Rename it")
    rules = None if damage_rules is None else load_damage_rules(damage_rules)
    if gsd_mm is not None and snap_m is None:
        raise ParameterError("--gsd is for drawn lines", remedy="Leave it out, or give --snap too")
    with ExitStack() as stack:
        if snap_m is None:
            source = stack.enter_context(open_vectors(vectors))
            assessed, notes = _assessed(source, exclude)
        else:
            staged = drawn_vectors(Path(vectors), snap_m, elements, id_field, exclude, gsd_mm)
            source, notes = stack.enter_context(staged)
            assessed = source.assessed()
        is_drawn = source.is_drawn
        scale = [source.run.get("scale_percent") if gsd_u_percent is None else gsd_u_percent]
        budget, budget_notes = budget_of([source.run], [source.gsd_mm], scale, is_vectorised=not is_drawn)
        ids, outlines, more_notes = _elements(source, elements, id_field, assessed)
        regions = assessed_regions(outlines, assessed)
        tally = Tally(ids, None if outlines is None else axes_of(outlines))
        tally.add_assessed(regions.areas * source.metres_per_unit**2)
        selection = Selection(source.connection, source.gsd_mm, source.affine, with_bridges=with_bridges)
        tally_layers(selection, regions, source.metres_per_unit, tally)
        run: dict[str, Any] = {"vectors": str(vectors), "vectorise": source.run}
    notes += [*more_notes, *budget_notes]
    found = tally.rows()
    unassessed = [name for name, row in zip(ids, found, strict=True) if not row["assessed_m2"]]
    if unassessed and outlines is not None:
        notes.append(f"no assessed pixel in {named(unassessed)}: left out")
    rows: list[dict[str, Any]] = [
        {"elem_id": name, **(_of_lines(row) if is_drawn else row)}
        for name, row in zip(ids, found, strict=True)
        if row["assessed_m2"] or outlines is None
    ]
    totals = _of_lines(tally.totals()) if is_drawn else tally.totals()
    notes += [] if is_drawn else resolution_notes(totals)
    terms = [uncertainties(row, budget) for row in rows]
    damage = None if rules is None else _judged(rules, damage_rules, rows, terms)
    uncertain = [as_dicts(found) for found in terms]
    _write_table(Path(out_csv), rows, uncertain, None if is_drawn else source.gsd_mm)
    run |= {
        "elements": None if elements is None else str(elements),
        "id_field": id_field,
        "exclude": None if exclude is None else str(exclude),
        "statistics_version": METHOD_VERSION,
        "table": str(out_csv),
        "notes": notes,
    }
    uncertainty = {
        "elements": uncertain,
        "totals": as_dicts(uncertainties(totals, budget)),
        "budget": asdict(budget),
    }
    result = {"elements": rows, "totals": totals, "uncertainty": uncertainty, "run": run}
    return result if damage is None else {**result, "damage": damage}


def _judged(
    rules: DamageRules, path: str | Path | None, rows: list[dict[str, Any]], terms: list[dict[str, Terms]]
) -> dict[str, Any]:
    """Give each row its damage class, and return by which rules and why."""
    judgements = [judge(rules, row, found) for row, found in zip(rows, terms, strict=True)]
    for row, judgement in zip(rows, judgements, strict=True):
        row["damage_class"] = judgement.code
    return {
        "rules": str(path),
        "title": rules.title,
        "classes": [asdict(each) for each in rules.classes],
        "elements": [asdict(judgement) for judgement in judgements],
    }


def _write_table(
    path: Path,
    rows: list[dict[str, Any]],
    uncertain: list[dict[str, dict[str, float | None]]],
    gsd_mm: float | None,
) -> None:
    """Write one row per element: figures, the half widths of their 95 % intervals, bounds, the damage class.

    A bound is "<=" where the pixel grid cannot say how much less it is; the figure itself stays a number.
    """
    codes = [q.code for q in QUANTITIES]
    widths = [code for code in codes if is_width(code)]
    judged = ["damage_class"] if rows and "damage_class" in rows[0] else []
    body = (
        [
            row["elem_id"],
            *(row[code] for code in codes),
            *(terms.get(code, {}).get("u95") for code in codes),
            *("<=" if is_at_most(code, row[code], gsd_mm) else None for code in widths),
            *(row[column] for column in judged),
        ]
        for row, terms in zip(rows, uncertain, strict=True)
    )
    marks = [*(f"{code}_u95" for code in codes), *(f"{code}_bound" for code in widths)]
    write_csv(path, ["elem_id", *codes, *marks, *judged], body)


def _of_lines(row: Row) -> Row:
    """Return a row in which what drawn lines cannot tell is None, not 0: losses, areas, widths, pixels."""
    known = {q.code for q in QUANTITIES if q.counted_in in (None, "lines", "nodes", "islands")} - {
        "branch_mean_px"
    }
    if row["branch_mean_px"]:
        known.add("branch_mean_px")
    return {code: value if code in known else None for code, value in row.items()}


def _assessed(source: VectorFile, exclude: str | Path | None) -> tuple[Any, list[str]]:
    assessed = source.assessed()
    if exclude is None:
        return assessed, []
    excluded, notes = load_exclusions(exclude, source.crs_wkt)
    return polygon_parts(shapely.difference(assessed, excluded)), list(notes)


def _elements(
    source: VectorFile, elements: str | Path | None, id_field: str | None, assessed: Any
) -> tuple[tuple[str, ...], Any, list[str]]:
    if elements is None or id_field is None:
        return (WHOLE_IMAGE,), None, []
    loaded: Elements = load_elements(elements, id_field, source.crs_wkt)
    require_contact(loaded, shapely.box(*shapely.bounds(assessed)), elements)
    touching = np.asarray(loaded.geometries)
    return loaded.ids, touching, [*loaded.notes, *overlapping(loaded.ids, touching)]
