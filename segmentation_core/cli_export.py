"""``craquelure export`` and ``export-model``: what other programs take over."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from segmentation_core.cli_options import Json
from segmentation_core.terminal import print_json, print_notes

__all__ = ["export", "export_model"]


def _ids(listed: str) -> list[str]:
    return [name.strip() for row in csv.reader([listed], skipinitialspace=True) for name in row]


def export(
    book: Annotated[Path, typer.Argument(help="The survey book.")],
    file_format: Annotated[
        str,
        typer.Option(
            "--format",
            help="shapefile, dxf, xlsx, csv, pdf, html, trends, plots, labelme, masks, dataset, "
            "corrections, gpkg or geojson.",
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT", help="Folder, or file, to write.")],
    survey_name: Annotated[
        str | None, typer.Option("--survey", help="One survey, by name; all if left out.")
    ] = None,
    pair: Annotated[
        tuple[str, str] | None, typer.Option("--pair", metavar="A B", help="Changes between two surveys.")
    ] = None,
    elements: Annotated[
        str | None,
        typer.Option(
            "--elements",
            metavar="ID,...",
            help="Some elements, by id; one with a comma in quotes: '\"A,1\",B2'.",
        ),
    ] = None,
    language: Annotated[str, typer.Option("--language", help="en or zh.")] = "en",
    unit: Annotated[str, typer.Option("--unit", help="Unit of a drawing: m or mm.")] = "m",
    paper: Annotated[str, typer.Option("--paper", help="A4 to A0.")] = "A3",
    scale: Annotated[
        int | None, typer.Option("--scale", metavar="N", help="Plan scale 1:N; fitted if left out.")
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option("--template", help="Title block, size classes and billing quantities (JSON)."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    as_json: Json = False,
) -> None:
    """Write a survey book in another format: plans, tables, drawings, layers, annotations."""
    from segmentation_core.operations.export import export as run

    result = run(
        book,
        file_format,
        out,
        survey=survey_name,
        pair=pair,
        elements=None if elements is None else _ids(elements),
        language=language,
        unit=unit,
        paper=paper,
        scale=scale,
        template=template,
        overwrite=overwrite,
    )
    if as_json:
        print_json(result)
        return
    print_notes(result)
    typer.echo(f"Written: {result['run']['out']}")


def export_model(
    name: Annotated[str, typer.Argument(help="Name of a model of the store, or a .safetensors file.")],
    file_format: Annotated[str, typer.Option("--format", help="deepness")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The .onnx file to write.")],
    gsd: Annotated[
        float, typer.Option("--gsd", metavar="MM", help="mm per pixel of the orthophotos it will be used on.")
    ] = 0.25,
    tile: Annotated[int, typer.Option("--tile", metavar="PX", help="Side of a tile.")] = 512,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    as_json: Json = False,
) -> None:
    """Write a model for another program, run there against ours."""
    from segmentation_core.operations.export_model import export_model as run

    result = run(name, file_format, out, gsd_mm=gsd, tile_px=tile, overwrite=overwrite)
    if as_json:
        print_json(result)
        return
    typer.echo(f"Written: {result['path']}")
    typer.echo(f"Largest difference of a probability to ours: {result['max_difference']:.2g}")
