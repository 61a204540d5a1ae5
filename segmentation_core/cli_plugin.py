"""The command line's ``plugin``: build the zip of the QGIS plugin, or put it into a profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segmentation_core.cli_options import Json
from segmentation_core.terminal import print_json

__all__ = ["plugin_app"]

plugin_app = typer.Typer(
    help="Build or install the QGIS plugin.", no_args_is_help=True, rich_markup_mode=None
)


@plugin_app.command("package")
def plugin_package(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the zip.")],
    as_json: Json = False,
) -> None:
    """Build the plugin's zip from a checkout of the repository."""
    from segmentation_core.operations.plugin import plugin_package as run

    result = run(out)
    if as_json:
        print_json(result)
        return
    typer.echo(f"{result['zip']} ({result['bytes'] / 1e6:.1f} MB)")
    if result["missing"]:
        missing = ", ".join(result["missing"])
        typer.echo(f"For plugins.qgis.org, pyproject.toml must say more (authors, urls): {missing}")


@plugin_app.command("install")
def plugin_install(
    package: Annotated[
        Path | None, typer.Argument(metavar="[ZIP]", help="The plugin; built from this checkout if left out.")
    ] = None,
    profile: Annotated[
        Path | None, typer.Option("--profile", metavar="DIR", help="Folder of a QGIS profile.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Put the plugin into a profile of QGIS; it will use this environment's engine."""
    from segmentation_core.operations.plugin import plugin_install as run

    result = run(profile, package=package)
    if as_json:
        print_json(result)
        return
    typer.echo(f"Installed in {result['plugin']}. Start QGIS again: the panel is under Raster > Craquelure.")
