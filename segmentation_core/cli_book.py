"""The command line's ``book``: list, rename, redate, remove and check what a survey book holds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from segmentation_core.cli_options import Json
from segmentation_core.terminal import print_json, print_notes, print_table, progress_shown

__all__ = ["book_app"]

book_app = typer.Typer(
    help="List, rename, redate, remove or check the surveys of a book.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Book = Annotated[Path, typer.Argument(help="The survey book.")]
Survey = Annotated[str, typer.Argument(help="Name of a survey.")]


@book_app.command("list")
def book_list(book: Book, as_json: Json = False) -> None:
    """List the surveys of a book."""
    from segmentation_core.operations.book import book_list as run

    result = run(book)
    if as_json:
        print_json(result)
        return
    columns = [
        "survey",
        "date",
        "orthophotos",
        "model",
        "losses",
        "crack lines",
        "touched",
        "figures",
        "rasters",
    ]
    print_table(f"Surveys of {book.name}", columns, [_row(entry) for entry in result["surveys"]])


@book_app.command("rename")
def book_rename(
    book: Book,
    survey: Survey,
    new: Annotated[str, typer.Argument(help="Its new name.")],
    as_json: Json = False,
) -> None:
    """Give a survey another name."""
    from segmentation_core.operations.book import book_rename as run

    result = run(book, survey, new)
    print_json(result) if as_json else typer.echo(f"Renamed {survey} to {result['name']}")


@book_app.command("redate")
def book_redate(
    book: Book,
    survey: Survey,
    date: Annotated[str, typer.Argument(metavar="YYYY-MM-DD", help="Its true date.")],
    as_json: Json = False,
) -> None:
    """Correct the date of a survey."""
    from segmentation_core.operations.book import book_redate as run

    result = run(book, survey, date)
    if as_json:
        print_json(result)
        return
    print_notes(result)
    typer.echo(f"Survey {survey}: {result['date_before']} is now {result['date']}")


@book_app.command("remove")
def book_remove(
    book: Book,
    survey: Survey,
    edited: Annotated[
        bool,
        typer.Option("--edited", help="Also where a person edited, drew, verified or rejected features."),
    ] = False,
    rasters: Annotated[bool, typer.Option("--rasters", help="Its kept rasters too.")] = False,
    as_json: Json = False,
) -> None:
    """Remove a survey with everything that belongs to it."""
    from segmentation_core.operations.book import book_remove as run

    result = run(book, survey, edited=edited, rasters=rasters)
    if as_json:
        print_json(result)
        return
    print_notes(result)
    freed = f", {_size(result['freed_bytes'])} of rasters" if rasters else ""
    typer.echo(f"Removed {survey}: {sum(result['removed'].values())} rows{freed}")


@book_app.command("check")
def book_check(
    book: Book,
    copy: Annotated[
        Path | None,
        typer.Option("--copy", metavar="GPKG", help="A copy that somebody else went on with: what differs?"),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Repair what can be repaired safely; a copy is made first.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Look for anything wrong with a book.

    The exit code is 2 where something is wrong and left.
    """
    from segmentation_core.operations.book import book_check as run

    with progress_shown(quiet=as_json) as progress:
        result = run(book, copy=copy, repair=repair, progress=progress)
    if as_json:
        print_json(result)
    else:
        _tell(result)
    if not result["ok"]:
        raise typer.Exit(2)


def _tell(result: dict[str, Any]) -> None:
    if result["run"]["backup"] is not None:
        typer.echo(f"The book as it was: {result['run']['backup']}")
    for done in result["repaired"]:
        typer.echo(f"Repaired: {done}")
    for finding in result["left"]:
        typer.echo(f"{finding['check']}: {finding['what']}\n    {finding['remedy']}")
    if result["copies"] is not None:
        _tell_copies(result["copies"], result["run"])
    if result["ok"]:
        typer.echo(f"The book is in order: {result['run']['book']}")
    elif any(finding["repairable"] for finding in result["left"]):
        typer.echo("craquelure book check --repair repairs what can be repaired safely")


def _tell_copies(copies: dict[str, Any], run: dict[str, Any]) -> None:
    """Say which of two copies holds everything, and where their edits are, by element."""
    go_on = {
        "same": "Both hold the same: go on with either.",
        "this_holds_more": f"{run['book']} holds all of {run['copy']}, and more: go on with it.",
        "copy_holds_more": f"{run['copy']} holds all of {run['book']}, and more: go on with it.",
    }
    if copies["verdict"] in go_on:
        typer.echo(go_on[copies["verdict"]])
    sides = {
        f"in {run['book']} alone": copies["here"],
        f"in {run['copy']} alone": copies["there"],
        "in both": [mine for mine, _ in copies["both"]],
    }
    for where, edits in sides.items():
        counts = Counter(edit["elem_id"] or "outside the elements" for edit in edits)
        for element, count in sorted(counts.items()):
            typer.echo(f"    edited {where}: {element}, {count}")


def _row(entry: dict[str, Any]) -> dict[str, str]:
    return {
        "survey": entry["name"],
        "date": entry["date"],
        "orthophotos": str(len(entry["orthophotos"])),
        "model": ", ".join(entry["models"]) or "-",
        "losses": str(entry["counts"]["loss_polygon"]),
        "crack lines": str(entry["counts"]["crack_line"]),
        "touched": str(entry["touched"]),
        "figures": "stale" if entry["stale"] else "up to date",
        "rasters": _size(entry["raster_bytes"]),
    }


def _size(count: int) -> str:
    return "-" if count == 0 else f"{count / 1e6:,.1f} MB"
