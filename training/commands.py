"""The verbs of training, as the command line, the worker and ``python -m training`` find them.

Arguments and what a person reads are here; the work is in the modules each verb names. Heavy imports happen
inside the verbs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation_core.commands import Command
from segmentation_core.errors import ParameterError
from segmentation_core.progress import Progress
from training.dataset_commands import DATASET

if TYPE_CHECKING:
    from training.data import Tile

__all__ = ["ADAPT", "BENCHMARK", "COMMANDS", "DATASET", "EVALUATE", "TRAIN"]

_DEVICES = ("auto", "cpu", "cuda", "mps")


def _limits(options: argparse.Namespace, *, resume: bool, every: int = 250) -> Any:
    import torch

    from segmentation_core.inference.device import choose_device, default_threads
    from training.trainer import Limits

    torch.set_num_threads(default_threads())
    device = choose_device(options.device)
    return Limits(device.kind, device.has_bfloat16, options.max_seconds, every, resume)


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    from training.recipe import PRESETS

    parser.add_argument("--preset", default="default", help=f"{', '.join(PRESETS)}, or a TOML file")
    parser.add_argument(
        "--data", type=Path, help="dataset, or packed file; left out for synthetic samples alone"
    )
    parser.add_argument("--ingredients", type=Path, help="folder with paintings/ and overlays/")
    parser.add_argument("--synthetic", type=float, help="share of synthetic samples, 0 to 1")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    parser.add_argument("--max-seconds", type=float, help="stop after this time; --resume continues")
    parser.add_argument("--resume", action="store_true", help="continue the run in this folder")
    parser.add_argument("--device", choices=_DEVICES, default="auto")
    parser.add_argument("--every", type=int, default=250, help="steps between two states on disk")
    parser.add_argument(
        "--start",
        metavar="MODEL",
        help="model by name or file, state of an earlier run, or ResNet-50 weights, to start from",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help="change a key of the preset; may be repeated",
    )


def _train(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    from dataclasses import replace

    from segmentation_core.checksum import file_sha256
    from segmentation_core.models import model_file
    from training.data import load_ingredients
    from training.dataset.folder import open_dataset
    from training.finish import finish, write_run_record
    from training.recipe import changed, load_recipe
    from training.run_state import STATE, state_step
    from training.trainer import place, train

    limits = _limits(options, resume=options.resume, every=options.every)
    recipe = changed(load_recipe(options.preset), options.changes)
    if options.synthetic is not None:
        recipe = replace(recipe, synthetic=options.synthetic)
    start = None if options.start is None else model_file(options.start)
    if start is not None:
        recipe = replace(recipe, start_sha256=file_sha256(start))
    dataset = None if options.data is None else open_dataset(options.data)
    tiles = () if dataset is None else dataset.tiles("train")
    validation: tuple[Tile, ...] = ()
    if dataset is not None and any(record.split == "validation" for record in dataset.records):
        validation = dataset.tiles("validation")
    if options.ingredients is not None:
        ingredients = load_ingredients(options.ingredients)
    else:
        ingredients = dataset.ingredients if dataset is not None else load_ingredients(Path())
    recipe = recipe.resolved(len(tiles))
    if (options.out / STATE).exists() and not options.resume:
        raise ParameterError(
            "there is a run in this folder already",
            path=options.out,
            remedy="Add --resume, or use another folder",
        )
    record = write_run_record(options.out, recipe, dataset, device=limits.device)
    told: list[str] = []
    network = train(
        recipe,
        tiles,
        ingredients,
        options.out,
        validation=validation,
        start=start,
        limits=limits,
        report=told.append,
        progress=progress,
    )
    rank, _ = place()
    if rank > 0:  # the first process writes and tells
        return {}
    step = state_step(options.out / STATE)
    result: dict[str, Any] = {"run": str(options.out), "step": step, "steps": recipe.steps, "log": told}
    if step < recipe.steps:
        return {**result, "finished": False, "model": None}
    done = finish(network, recipe, options.out, validation, record)
    if dataset is not None and dataset.leaky:
        done["notes"].append("the dataset was split after its augmentation; these figures are worthless")
    return {**result, "finished": True, **done}


def _train_lines(result: dict[str, Any]) -> Iterable[str]:
    yield from result["log"]
    if not result["finished"]:
        yield f"Not finished: step {result['step']} of {result['steps']}. Add --resume to continue."
        return
    yield from _figure_lines(result)
    yield from (f"Note: {note}" for note in result["notes"])
    yield f"Model: {result['model']}"


_SHOWN = (
    ("craquelure.f1", "craquelure F1"),
    ("craquelure.tolerance_f1", "craquelure F1 within 2 px"),
    ("craquelure.iou", "craquelure IoU"),
    ("paint_loss.f1", "paint loss F1"),
    ("paint_loss.iou", "paint loss IoU"),
    ("macro.iou", "mean IoU of the damage"),
    ("macro_with_background.iou", "mean IoU with background (the paper's)"),
    ("accuracy", "accuracy"),
    ("completeness", "crack length found, share"),
    ("correctness", "crack length right, share"),
    ("length_error", "crack length error"),
    ("paint_loss.area_error", "paint loss area error"),
    ("cldice", "clDice"),
    ("betti0_error", "pieces too many or few, per tile"),
    ("betti1_error", "loops too many or few, per tile"),
    ("calibration_error", "calibration error"),
)


def _figure_lines(result: dict[str, Any]) -> Iterable[str]:
    for key, name in _SHOWN:
        value = result["figures"].get(key)
        if value is None:
            continue
        low, high = result["intervals"].get(key, (None, None))
        yield f"{name:<42}{value:8.3f}" + ("" if low is None else f"   95 % {low:.3f} to {high:.3f}")


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="name in the store, or a .safetensors file; adapters too")
    parser.add_argument("--data", type=Path, required=True, help="dataset, or packed file")
    parser.add_argument("--split", default="test", help="train, validation or test")
    parser.add_argument("--device", choices=_DEVICES, default="auto")


def _evaluate(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    import torch

    from segmentation_core.inference.device import choose_device, default_threads
    from training.evaluation import evaluate

    torch.set_num_threads(default_threads())
    device = choose_device(options.device).kind
    return evaluate(options.model, options.data, split=options.split, device=device, progress=progress)


def _evaluate_lines(result: dict[str, Any]) -> Iterable[str]:
    run = result["run"]
    yield f"{run['model']['name']} on {len(result['pictures'])} pictures of {run['data']['path']}"
    yield from _figure_lines(result)
    yield f"{'pictures of 512 px per second, one by one':<42}{result['pictures_per_second']:8.3f}"
    yield from (f"Note: {note}" for note in run["notes"])


def _adapt_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base", help="name in the store, or a .safetensors file; the default model if left out"
    )
    parser.add_argument("--data", type=Path, help="dataset of corrected windows, split")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="ADAPTER")
    parser.add_argument("--preset", default="adapt", help="adapt, or a TOML file")
    parser.add_argument(
        "--ingredients", type=Path, help="folder with paintings/ and overlays/, for rehearsal"
    )
    parser.add_argument("--max-seconds", type=float, help="take no more steps than fit into this time")
    parser.add_argument("--device", choices=_DEVICES, default="auto")
    parser.add_argument("--roll-back", action="store_true", help="undo the last adapt of this file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")


def _adapt(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    from training.adaptation import adapt, roll_back
    from training.data import load_ingredients
    from training.recipe import changed, load_recipe

    if options.roll_back:
        return roll_back(options.out)
    if options.data is None:
        raise ParameterError("no dataset is given", remedy="Name the corrected windows with --data DATASET")
    return adapt(
        options.base,
        options.data,
        options.out,
        recipe=changed(load_recipe(options.preset), options.changes),
        limits=_limits(options, resume=False),
        ingredients=None if options.ingredients is None else load_ingredients(options.ingredients),
        progress=progress,
    )


def _adapt_lines(result: dict[str, Any]) -> Iterable[str]:
    if "rolled_back" in result:
        yield f"Rolled back: {result['adapter'] or 'no adapter is left'}"
        return
    yield f"{'held-out windows':<42}{'before':>10}{'after':>10}"
    for key, name in _SHOWN:
        pair = [result[when]["figures"].get(key) for when in ("before", "after")]
        if None not in pair:
            yield f"{name:<42}{pair[0]:10.3f}{pair[1]:10.3f}"
    for before, after in zip(result["before"]["pictures"], result["after"]["pictures"], strict=True):
        pair = [row["craquelure.f1"] for row in (before, after)]
        if None not in pair:
            yield f"  {before['picture']:<40}{pair[0]:10.3f}{pair[1]:10.3f}"
    if result["kept"]:
        yield f"Kept: {result['adapter']} ({result['bytes'] / 1000:.0f} kB). Use it with --model."
    elif result["wild"]:
        yield (
            "Right where it was corrected, but it now calls far more damage everywhere else: nothing was "
            "written. Correct more, background too."
        )
    else:
        yield "Not better: rolled back, nothing was written. Correct more windows, or keep the base."


def _benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("which", choices=("paper", "deepcrack", "ablations", "folds", "shipped"))
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with the data sets (craquelure_oil, ...)"
    )
    parser.add_argument("--steps", type=int, help="steps of each training; by default what the device can do")
    parser.add_argument("--size", type=int, help="side of a sample, px")
    parser.add_argument("--batch", type=int, help="samples per step")
    parser.add_argument("--max-seconds", type=float, help="stop after this time; the same command continues")
    parser.add_argument("--device", choices=_DEVICES, default="auto")
    parser.add_argument(
        "--architecture", default="res_unet", help="deepcrack, ablations, folds: the network to train"
    )
    parser.add_argument("--start", metavar="MODEL", help="deepcrack: model by name or file to start from")
    parser.add_argument(
        "--test", type=Path, metavar="DIR", help="deepcrack: the official test part (images and labels)"
    )


def _benchmark(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    from training.benchmark import run_benchmark

    return run_benchmark(options, _limits(options, resume=True), progress)


def _benchmark_lines(result: dict[str, Any]) -> Iterable[str]:
    yield from result["lines"]
    yield f"Written: {result['path']}"


TRAIN = Command("train", "Train a network, or continue a training.", _train_arguments, _train, _train_lines)
EVALUATE = Command(
    "evaluate",
    "Score a model on a dataset, per class, with intervals.",
    _evaluate_arguments,
    _evaluate,
    _evaluate_lines,
)
ADAPT = Command(
    "adapt", "Fit a model to one beam from corrected windows.", _adapt_arguments, _adapt, _adapt_lines
)
BENCHMARK = Command(
    "benchmark",
    "Compare losses, models and recipes as the source paper did, and score the models that ship.",
    _benchmark_arguments,
    _benchmark,
    _benchmark_lines,
)
COMMANDS: Sequence[Command] = (ADAPT, BENCHMARK, DATASET, EVALUATE, TRAIN)
