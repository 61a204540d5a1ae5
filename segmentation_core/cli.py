"""The command line: a thin face over ``operations``.

Every command prints a table for people, or with ``--json`` one JSON object with every figure. The exit
code is 0 only on success, 2 for what a user can mend, 130 where the user stopped the run, 1 for a fault
of Craquelure's own. Heavy imports happen inside the commands.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from segmentation_core import __version__
from segmentation_core.cli_book import book_app
from segmentation_core.cli_compare import compare
from segmentation_core.cli_export import export, export_model
from segmentation_core.cli_model import model_app
from segmentation_core.cli_options import (
    Device,
    DeviceOption,
    Gsd,
    GsdU,
    Json,
    MaxCrackWidth,
    ModelOption,
    WorkingGsd,
)
from segmentation_core.cli_plugin import plugin_app
from segmentation_core.errors import CraquelureError, Interrupted
from segmentation_core.terminal import (
    print_demo,
    print_json,
    print_notes,
    print_statistics,
    progress_shown,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="craquelure",
    help="Map craquelure and paint loss on orthophotos of painted building elements, and measure them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(book_app, name="book")
app.add_typer(model_app, name="model")
app.add_typer(plugin_app, name="plugin")


@app.command()
def survey(
    ortho: Annotated[Path, typer.Argument(help="The orthophoto.")],
    book: Annotated[
        Path, typer.Option("--book", help="The survey book (GeoPackage); made if it is not there.")
    ],
    date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Date of the survey.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the survey; the date if left out.")
    ] = None,
    elements: Annotated[
        Path | None, typer.Option("--elements", help="Layer of building elements (polygons).")
    ] = None,
    id_field: Annotated[
        str | None, typer.Option("--id-field", help="Field that holds the elements' ids.")
    ] = None,
    exclude: Annotated[
        Path | None, typer.Option("--exclude", help="Layer of areas that are not assessed.")
    ] = None,
    model: ModelOption = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            "--classes", help="A ready class raster on the orthophoto's grid, instead of the network."
        ),
    ] = None,
    device: DeviceOption = Device.auto,
    gsd: Gsd = None,
    working_gsd: WorkingGsd = None,
    gsd_u: GsdU = None,
    max_crack_width: MaxCrackWidth = None,
    inside_elements: Annotated[
        bool, typer.Option("--inside-elements", help="Look only inside the elements.")
    ] = False,
    discard_rasters: Annotated[
        bool, typer.Option("--discard-rasters", help="Do not keep the probability rasters beside the book.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Map and measure one orthophoto into a survey book: the main job."""
    from segmentation_core.operations.survey import survey as run

    with progress_shown(quiet=as_json) as progress:
        result = run(
            ortho,
            book,
            date,
            name=name,
            elements=elements,
            id_field=id_field,
            exclude=exclude,
            model=model,
            classes=classes,
            device=device.value,
            gsd_mm=gsd,
            working_gsd_mm=working_gsd,
            inside_elements=inside_elements,
            discard_rasters=discard_rasters,
            gsd_u_percent=gsd_u,
            max_crack_width_px=max_crack_width,
            progress=progress,
        )
    if as_json:
        print_json(result)
        return
    print_notes(result)
    print_statistics(f"Survey {name or date} of {ortho.name}", result)
    typer.echo(f"Survey book: {book}")


@app.command()
def segment(
    ortho: Annotated[Path, typer.Argument(help="The orthophoto.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the rasters.")],
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    gsd: Gsd = None,
    working_gsd: WorkingGsd = None,
    as_json: Json = False,
) -> None:
    """Run the network: orthophoto to probability raster, class raster and run record."""
    from segmentation_core.operations.segment import segment as run

    with progress_shown(quiet=as_json) as progress:
        result = run(
            ortho,
            out,
            model=model,
            device=device.value,
            gsd_mm=gsd,
            working_gsd_mm=working_gsd,
            progress=progress,
        )
    if as_json:
        print_json(
            {"probability": str(result.probability), "classes": str(result.classes), "run": result.run}
        )
        return
    print_notes({"run": result.run})
    typer.echo(f"Probabilities: {result.probability}\nClasses: {result.classes}")


@app.command()
def vectorise(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder written by 'segment', a probability raster, or a class raster 0/1/2/255."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="VECTORS.gpkg", help="GeoPackage to write.")],
    threshold_craquelure: Annotated[
        float | None, typer.Option(metavar="P", help="Probability from which craquelure counts, 0-1.")
    ] = None,
    threshold_paint_loss: Annotated[
        float | None, typer.Option(metavar="P", help="Probability from which paint loss counts, 0-1.")
    ] = None,
    gsd: Gsd = None,
    max_crack_width: MaxCrackWidth = None,
    bridge_gap: Annotated[
        float,
        typer.Option(
            metavar="PX",
            help="Bridge gaps up to PX between cracks that continue each other; marked, not counted.",
        ),
    ] = 0.0,
    bridge_turn: Annotated[
        float, typer.Option(metavar="DEG", help="By how much a crack may turn at a bridge.")
    ] = 30.0,
    bridge_probability: Annotated[
        float, typer.Option(metavar="P", help="Least mean probability along a bridge.")
    ] = 0.25,
    as_json: Json = False,
) -> None:
    """Turn a raster into loss polygons, crack areas and crack lines."""
    from segmentation_core.operations.vectorise import vectorise as run
    from segmentation_core.vectors.settings import VectorSettings
    from segmentation_core.vocabulary import load_vocabulary

    vocabulary = load_vocabulary()
    given = {
        vocabulary.line_class.code: threshold_craquelure,
        vocabulary.polygon_class.code: threshold_paint_loss,
    }
    thresholds = {code: value for code, value in given.items() if value is not None}
    settings = VectorSettings(
        bridge_gap_px=bridge_gap, bridge_turn_deg=bridge_turn, bridge_probability=bridge_probability
    )
    if max_crack_width is not None:
        settings = replace(settings, max_crack_width_px=max_crack_width)
    with progress_shown(quiet=as_json) as progress:
        result = run(
            source, out, thresholds=thresholds or None, gsd_mm=gsd, settings=settings, progress=progress
        )
    if as_json:
        print_json(result)
        return
    print_notes(result)
    print_statistics(f"Vectors of {source.name}", {"elements": [], **result})
    typer.echo(f"Vectors: {out}")


@app.command()
def measure(
    vectors: Annotated[
        Path, typer.Argument(help="GeoPackage written by 'vectorise'; with --snap, any layer of lines.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="STATS.csv", help="Table to write.")],
    elements: Annotated[
        Path | None,
        typer.Option("--elements", help="Layer of building elements (polygons); drawn lines need it."),
    ] = None,
    id_field: Annotated[
        str | None, typer.Option("--id-field", help="Field that holds the elements' ids.")
    ] = None,
    exclude: Annotated[
        Path | None, typer.Option("--exclude", help="Layer of areas that are not assessed.")
    ] = None,
    snap: Annotated[
        float | None,
        typer.Option(
            "--snap",
            metavar="M",
            help="Measure lines drawn or edited by hand: ends that miss a line by up to M metres meet it.",
        ),
    ] = None,
    gsd: Annotated[
        float | None,
        typer.Option("--gsd", metavar="MM", help="mm per unit of drawn lines that have no CRS."),
    ] = None,
    gsd_u: GsdU = None,
    with_bridges: Annotated[
        bool, typer.Option("--with-bridges", help="Count bridged gaps as cracks.")
    ] = False,
    damage_rules: Annotated[
        str | None,
        typer.Option(
            "--damage-rules",
            metavar="FILE.toml",
            help="Rules that give each element a damage class; 'example' for the ones that ship.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure vectors, or drawn lines, per building element."""
    from segmentation_core.operations.measure import measure as run

    result = run(
        vectors,
        elements,
        id_field,
        out,
        exclude=exclude,
        snap_m=snap,
        gsd_mm=gsd,
        gsd_u_percent=gsd_u,
        with_bridges=with_bridges,
        damage_rules=damage_rules,
    )
    if as_json:
        print_json(result)
        return
    print_notes(result)
    print_statistics(f"Elements of {vectors.name}", result)
    typer.echo(f"Table: {out}")


app.command()(compare)


@app.command()
def predict(
    images: Annotated[Path, typer.Argument(metavar="IMAGES_DIR", help="Folder of plain photos.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="LABELS_DIR", help="Folder for the label PNGs.")
    ],
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    as_json: Json = False,
) -> None:
    """Label plain photos: one PNG with 0, 1, 2 per picture, same stems."""
    from segmentation_core.operations.predict import predict as run

    with progress_shown(quiet=as_json) as progress:
        result = run(images, out, model=model, device=device.value, progress=progress)
    if as_json:
        print_json(result)
        return
    print_notes(result)
    typer.echo(f"Labels: {out}")


app.command()(export)
app.command("export-model")(export_model)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what would run here, on which device, and why not the other."""
    from segmentation_core.operations.doctor import doctor as run

    result = run()
    if as_json:
        print_json(result)
    else:
        for check in result["checks"]:
            typer.echo(f"{'ok ' if check['ok'] else 'NO '} {check['name']}: {check['found']}")
            if check["remedy"]:
                typer.echo(f"    {check['remedy']}")
    if not result["ok"]:
        raise typer.Exit(1)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the demo.")] = Path(
        "craquelure-demo"
    ),
    model: ModelOption = None,
    device: DeviceOption = Device.auto,
    as_json: Json = False,
) -> None:
    """Paint a pavilion facade with known damage, survey it, and print found against true."""
    from segmentation_core.operations.demo import demo as run

    with progress_shown(quiet=as_json) as progress:
        result = run(out, model=model, device=device.value, progress=progress)
    if as_json:
        print_json(result)
        return
    print_notes(result)
    print_demo(result)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"craquelure {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


def _add_installed_commands() -> None:
    """Add the verbs of other packages; each parses its own arguments, which pass through here unread."""
    from segmentation_core.commands import find_command, installed_commands, run_command

    untouched = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

    def runner(point: Any) -> Callable[[typer.Context], None]:
        def run(context: typer.Context) -> None:
            run_command(find_command(point), context.args, lambda quiet: progress_shown(quiet=quiet))

        return run

    for name, point in installed_commands().items():
        app.command(name, help=_HELP_OF_OTHERS.get(name), context_settings=dict(untouched))(runner(point))


# Known here, so that --help need not load the packages that bring them.
_HELP_OF_OTHERS = {
    "adapt": "Fit a model to one beam from corrected windows.",
    "benchmark": "Compare losses and models as the source paper did.",
    "dataset": "Import, split, pack or synthesise training data.",
    "evaluate": "Score a model on a dataset, per class, with intervals.",
    "train": "Train a network, or continue a training.",
}


# Typer carries its own copy of click in newer versions and uses click itself in older ones.
_UsageFault: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def _fault(error: Exception) -> int:
    """Keep the traceback of a fault of our own in a file; a user gets one line."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="craquelure-fault-", suffix=".txt", delete=False, encoding="utf-8"
    ) as log:
        traceback.print_exception(error, file=log)
    sys.stderr.write(
        f"Craquelure met a fault of its own ({type(error).__name__}); nothing unfinished was kept as done. "
        f"Please report it with {log.name}\n"
    )
    return 1


def main() -> None:
    """Run the command line and exit."""
    import os
    import warnings

    # Threads of torch that spin while they wait slow each other down many times over on a shared machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    _add_installed_commands()
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except Interrupted as error:
        sys.stderr.write(f"{error}\n")
        code = 130
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("Stopped. What is finished is kept: run the same command again to continue.\n")
        code = 130
    except _UsageFault as error:
        error.show()
        code = error.exit_code
    except CraquelureError as error:
        sys.stderr.write(f"Error: {error}\n")
        code = 2
    except Exception as error:  # the last resort: a user gets one line, the traceback goes to a file
        code = _fault(error)
    sys.exit(code)


if __name__ == "__main__":
    main()
