"""``python -m training publish | rescore``: the project's own steps to the weights that ship."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from segmentation_core.commands import Command
from segmentation_core.progress import Progress

__all__ = ["PUBLISH", "RESCORE"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with craquelure_oil, paintings, overlays"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--device", required=True, help="what it was trained on, for the card")
    parser.add_argument("--hours", type=float, required=True, help="how long it took, for the card")
    parser.add_argument("--pretrained", help="origin and terms of the weights it started from, for the card")
    parser.add_argument("--mean-with", type=Path, help="earlier checkpoint to average the weights with")
    parser.add_argument("--share", type=float, default=0.5, help="its share in the mean, 0 to 1")
    parser.add_argument("--note", help="what the card should tell of the run besides")


def _run(options: argparse.Namespace, _progress: Progress) -> dict[str, Any]:
    from training.data import load_ingredients, load_tiles
    from training.publish import publish, synthetic_validation

    return publish(
        options.run,
        options.out,
        real=load_tiles(options.data / "craquelure_oil", validation=True),
        synthetic=synthetic_validation(load_ingredients(options.data)),
        made={"device": options.device, "hours": options.hours}
        | ({} if options.note is None else {"note": options.note}),
        pretrained=options.pretrained,
        mean_with=None if options.mean_with is None else (options.mean_with, options.share),
    )


def _lines(card: dict[str, Any]) -> Iterable[str]:
    for row in card["metrics"]:
        yield "  ".join(f"{name} {value}" for name, value in row.items() if name != "protocol")


def _rescore_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="NAME.safetensors with its card beside it")
    parser.add_argument("--data", type=Path, required=True, help="as for publish")
    parser.add_argument(
        "--slack",
        type=float,
        help="choose the highest threshold whose F1 is at most this much below the best; else they stay",
    )
    parser.add_argument("--calibrate", action="store_true", help="fold a calibration into the weights first")
    parser.add_argument("--note", help="why, for the card")


def _rescore(options: argparse.Namespace, _progress: Progress) -> dict[str, Any]:
    from training.data import load_ingredients, load_tiles
    from training.publish import rescore, synthetic_validation

    return rescore(
        options.checkpoint,
        real=load_tiles(options.data / "craquelure_oil", validation=True),
        synthetic=synthetic_validation(load_ingredients(options.data)),
        slack=options.slack,
        calibrate=options.calibrate,
        note=options.note,
    )


RESCORE = Command(
    "rescore", "Write a checkpoint's figures and thresholds anew.", _rescore_arguments, _rescore, _lines
)
PUBLISH = Command("publish", "Write checkpoint and card of a finished training.", _arguments, _run, _lines)
