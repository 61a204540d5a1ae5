"""``craquelure compare``: two surveys of a book."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from segmentation_core.cli_options import Json
from segmentation_core.terminal import number, print_json, print_notes, print_table, progress_shown

__all__ = ["compare"]


def compare(
    book: Annotated[Path, typer.Argument(help="The survey book.")],
    survey_a: Annotated[str | None, typer.Argument(help="The earlier survey, by name or date.")] = None,
    survey_b: Annotated[str | None, typer.Argument(help="The later survey.")] = None,
    every_pair: Annotated[
        bool, typer.Option("--all", help="Compare every two surveys that follow each other.")
    ] = False,
    accept_different_models: Annotated[
        bool,
        typer.Option(
            "--accept-different-models",
            help="Compare surveys made by different models or thresholds; every row is marked as not sure.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare two surveys: what changed per element, and whether it is real."""
    from segmentation_core.operations.compare import compare as run

    with progress_shown(quiet=as_json) as progress:
        result = run(
            book,
            survey_a,
            survey_b,
            every_pair=every_pair,
            accept_different_models=accept_different_models,
            progress=progress,
        )
    if as_json:
        print_json(result)
        return
    for pair in result["pairs"] if every_pair else [result]:
        _print_pair(pair)
    typer.echo(f"Survey book: {book}")


def _print_pair(pair: Mapping[str, Any]) -> None:
    print_notes(pair)
    run, registration = pair["run"], pair["registration"]
    rows = [*pair["elements"], {"elem_id": "all", **pair["totals"]}]
    for title, columns in _TABLES:
        shown = [
            {"element": str(row["elem_id"]), **{name: show(row) for name, show in columns.items()}}
            for row in rows
        ]
        heading = f"{title}, from {run['survey_a']} to {run['survey_b']}"
        print_table(heading, ["element", *columns], shown, total=True)
    typer.echo(
        f"Registered to {registration['sigma_x_mm']:.3g} x {registration['sigma_y_mm']:.3g} mm (standard "
        f"error); nothing within {run['eps_mm']:.3g} mm is called a change"
    )


def _plus_minus(row: Mapping[str, Any], stat: str, factor: float) -> str:
    figure = row.get("difference", {}).get(stat, {"value": None})
    if figure["value"] is None:
        return ""
    value = number(figure["value"] * factor)
    return value if figure["u95"] is None else f"{value} ± {number(figure['u95'] * factor)}"


def _growth(row: Mapping[str, Any]) -> str:
    """Return the lower end of the interval: what the network misses comes on top."""
    from segmentation_core.change.uncertainty import at_least
    from segmentation_core.statistics.quantities import GROWTH

    figure = row.get("difference", {}).get(GROWTH.code, {"value": None, "u95": None})
    seen = at_least(figure["value"], figure["u95"])
    return "" if seen is None else f"≥ {number(seen, 2)}"


_Show = Callable[[Mapping[str, Any]], str]
_TABLES: tuple[tuple[str, dict[str, _Show]], ...] = (
    (
        "Cracks, m",
        {
            "as before": lambda r: number(r["cracks"]["stable_m"]),
            "new": lambda r: number(r["cracks"]["new_m"]),
            "grown": lambda r: number(r["cracks"]["extended_m"]),
            "wider": lambda r: number(r["cracks"]["widened_m"]),
            "not seen": lambda r: number(r["cracks"]["not_seen_m"]),
            "to loss": lambda r: number(r["cracks"]["to_loss_m"]),
            "difference": lambda r: _plus_minus(r, "crack_m", 1.0),
            "growth seen": _growth,
            "verdict": lambda r: str(r["verdict"]),
        },
    ),
    (
        "Paint loss, cm2",
        {
            "as before": lambda r: number(r["losses"]["stable_m2"] * 1e4),
            "gained": lambda r: number(r["losses"]["gain_m2"] * 1e4),
            "not confirmed": lambda r: number(r["losses"]["not_confirmed_m2"] * 1e4),
            "difference": lambda r: _plus_minus(r, "loss_m2", 1e4),
        },
    ),
)
