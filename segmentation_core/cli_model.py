"""The command line's ``model``: list, add or remove models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segmentation_core.cli_options import Json
from segmentation_core.terminal import print_json, print_table

__all__ = ["model_app"]

model_app = typer.Typer(help="List, add or remove models.", no_args_is_help=True, rich_markup_mode=None)


@model_app.command("list")
def model_list(as_json: Json = False) -> None:
    """List the models of the store."""
    from segmentation_core.operations.model import model_list as run

    result = run()
    if as_json:
        print_json(result)
        return
    columns = ["model", "network", "cracks px", "origin"]
    rows = []
    for entry in result["models"]:
        low, high = entry["crack_width_px"]
        origin = "shipped" if entry["shipped"] else "added"
        rows.append(
            {
                "model": entry["name"] + (" (default)" if entry["default"] else ""),
                "network": entry["architecture"],
                "cracks px": f"{low:g}-{high:g}",
                "origin": origin,
            }
        )
    print_table("Models", columns, rows)


@model_app.command("add")
def model_add(
    file: Annotated[Path, typer.Argument(help="A .safetensors file with its .json card beside it.")],
    as_json: Json = False,
) -> None:
    """Check a model and add it to the store."""
    from segmentation_core.operations.model import model_add as run

    result = run(file)
    print_json(result) if as_json else typer.echo(f"Added {result['name']}: {result['path']}")


@model_app.command("remove")
def model_remove(
    name: Annotated[str, typer.Argument(help="Name of a model that was added.")], as_json: Json = False
) -> None:
    """Remove a model that was added to the store."""
    from segmentation_core.operations.model import model_remove as run

    result = run(name)
    print_json(result) if as_json else typer.echo(f"Removed {result['name']}")
