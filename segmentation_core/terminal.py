"""What a person sees in a terminal: progress, tables, one-line errors. Only the command line uses it."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from segmentation_core.progress import Progress, rate, told_in_lines

__all__ = [
    "number",
    "print_demo",
    "print_json",
    "print_notes",
    "print_statistics",
    "print_table",
    "progress_shown",
]


@contextmanager
def progress_shown(*, quiet: bool) -> Iterator[Progress]:
    """Show progress on standard error: bars in a terminal, now and then a line elsewhere.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """
    if quiet:
        from segmentation_core.progress import silent

        yield silent
    elif sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield told_in_lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]:>14}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    started: dict[str, tuple[Any, float]] = {}
    ended: set[str] = set()
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def show(stage: str, done: float, total: float, unit: str = "") -> None:
            if stage not in started or (
                stage in ended and done < total
            ):  # or begins anew, for another raster
                ended.discard(stage)
                started[stage] = (bars.add_task(stage, total=total, rate=""), time.monotonic())
            task, begin = started[stage]
            if done >= total:
                ended.add(stage)
            bars.update(task, completed=done, total=total, rate=rate(done, time.monotonic() - begin, unit))

        yield show


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Mapping[str, str]], *, total: bool = False
) -> None:
    """Print a table on standard output; with ``total``, the last row is set apart."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=True)
    for index, row in enumerate(rows):
        last = total and index == len(rows) - 1
        if last:
            table.add_section()
        table.add_row(*(row.get(column, "") for column in columns), style="bold" if last else None)
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)


def print_json(result: Mapping[str, Any]) -> None:
    """Print one JSON object; never NaN."""
    sys.stdout.write(json.dumps(result, ensure_ascii=False, allow_nan=False, default=str) + "\n")


def print_notes(result: Mapping[str, Any]) -> None:
    """Print what a run noted, on standard error."""
    for note in result.get("run", {}).get("notes", ()):
        sys.stderr.write(f"Note: {note}\n")


def number(value: float | None, significant: int = 4) -> str:
    """Write a figure with four significant digits, and all digits before the point."""
    if value is None:
        return "-"
    digits = significant - 1 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(digits, 0)}f}"


_COLUMNS: tuple[tuple[str, str, float], ...] = (
    ("assessed m2", "assessed_m2", 1),
    ("loss cm2", "loss_m2", 1e4),
    ("loss %", "loss_ratio", 100),
    ("losses", "loss_count", 1),
    ("cracks m", "crack_m", 1),
    ("cracks", "crack_count", 1),
    ("P21 m/m2", "p21_m_per_m2", 1),
    ("mean width mm", "width_mean_mm", 1),
)
"""Heading, quantity, and what turns its unit into the heading's."""


def _with_u95(
    row: Mapping[str, Any], terms: Mapping[str, Any], code: str, factor: float, gsd_mm: float | None
) -> str:
    """Write a figure, and behind a count or measure the half width of its 95 % interval, to two digits."""
    from segmentation_core.statistics.resolution import is_at_most

    value = row[code]
    text = f"{value:,}" if isinstance(value, int) else number(None if value is None else value * factor)
    if is_at_most(code, value, gsd_mm):
        text = f"<= {text}"
    u95 = terms.get(code, {}).get("u95")
    return text if not u95 else f"{text} ±{number(float(f'{u95 * factor:.2g}'), 2)}"


def print_statistics(title: str, result: Mapping[str, Any]) -> None:
    """Print the quantities per element with their uncertainties, and their totals."""
    uncertainty = result.get("uncertainty", {})
    of_elements = uncertainty.get("elements") or [{} for _ in result["elements"]]
    lines = [(str(r["elem_id"]), r, terms) for r, terms in zip(result["elements"], of_elements, strict=True)]
    lines.append(("all", result["totals"], uncertainty.get("totals", {})))
    run = result.get("run", {})
    gsd_mm = run.get("gsd_mm", (run.get("vectorise") or {}).get("gsd_mm"))
    rows = [
        {
            "element": name,
            **{heading: _with_u95(row, terms, code, f, gsd_mm) for heading, code, f in _COLUMNS},
        }
        for name, row, terms in lines
    ]
    columns = ["element", *(heading for heading, _, _ in _COLUMNS)]
    if "damage" in result:
        columns.append("damage")
        for shown, judgement in zip(rows[:-1], result["damage"]["elements"], strict=True):
            doubt = f" ({', '.join(judgement['could_be'])}?)" if judgement["could_be"] else ""
            shown["damage"] = f"{judgement['code'] or '-'}{doubt}"
    print_table(title, columns, rows, total=True)
    if "damage" in result:
        sys.stdout.write(f"Damage classes: {result['damage']['title']}\n")


def print_demo(result: Mapping[str, Any]) -> None:
    """Print what the demo found against what is true, its scores, and where everything is."""
    columns = ("loss_m2", "crack_m")
    scale = {"loss_m2": ("loss cm2", 1e4), "crack_m": ("cracks m", 1.0)}
    rows = []
    for element in result["elements"]:
        row = {"element": str(element["elem_id"])}
        for column in columns:
            title, factor = scale[column]
            row[f"{title} found"] = number(element[f"found_{column}"] * factor)
            row[f"{title} true"] = number(element[f"true_{column}"] * factor)
        rows.append(row)
    print_table("Found against true", list(rows[0]), rows)
    for name, score in result["scores"].items():
        if isinstance(score, (int, float)):
            sys.stdout.write(f"{name}: {score:.3f}\n")
    changes = result["changes"]
    rows = [{"element": str(row["elem_id"]), **_change_cells(row)} for row in changes["true"]]
    print_table("Changed two years later, found against true", list(rows[0]), rows)
    for name, path in result["paths"].items():
        sys.stdout.write(f"{name}: {path}\n")


_CHANGES = (
    ("new cracks m", "new_m", 1.0),
    ("grown tips m", "extended_m", 1.0),
    ("wider m", "widened_m", 1.0),
    ("loss gained cm2", "gain_m2", 1e4),
    ("retouched cm2", "not_confirmed_m2", 1e4),
)


def _change_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """Write what changed on an element as "found / true"."""
    cells = {}
    for title, code, factor in _CHANGES:
        found, true = (row[f"{side}_{code}"] for side in ("found", "true"))
        cells[title] = " / ".join(number(None if v is None else v * factor, 3) for v in (found, true))
    seen = row["found_growth_m"]
    at_least = "-" if seen is None else f"≥ {number(seen, 2)}"
    cells["growth seen m"] = f"{at_least} / {number(row['true_growth_m'], 3)}"
    return cells | {"verdict": str(row["verdict"])}
