"""``python -m training``: train a network and write its checkpoint with an honest card."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from segmentation_core.checksum import file_sha256
from segmentation_core.errors import CraquelureError

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    learn = verbs.add_parser("train", help="train, or continue a training")
    learn.add_argument(
        "--data", type=Path, required=True, help="folder with craquelure_oil, paintings, overlays"
    )
    learn.add_argument("-o", "--out", type=Path, required=True, help="run folder")
    learn.add_argument("--architecture", default="res_unet_lite")
    learn.add_argument("--steps", type=int, default=4000)
    learn.add_argument("--batch", type=int, default=8)
    learn.add_argument("--learning-rate", type=float, default=2e-3)
    learn.add_argument(
        "--start", type=Path, help="state file of an earlier run, or ResNet-50 weights, to start from"
    )
    learn.add_argument("--size", type=int, default=256, help="side of a sample, px")
    learn.add_argument(
        "--encoder-rate", type=float, default=1.0, help="learning rate of the encoder, relative"
    )
    learn.add_argument("--frozen", nargs="*", default=[], help="modules that keep their weights")
    learn.add_argument("--every", type=int, default=250, help="steps between two states on disk")
    learn.add_argument("--synthetic", type=float, default=0.6, help="share of synthetic samples, 0-1")
    ready = verbs.add_parser("publish", help="write the checkpoint and card of a finished training")
    ready.add_argument("run", type=Path, help="run folder")
    ready.add_argument("--data", type=Path, required=True, help="as for train")
    ready.add_argument("-o", "--out", type=Path, required=True, help="folder of the checkpoint")
    ready.add_argument("--device", required=True, help="what it was trained on, for the card")
    ready.add_argument("--hours", type=float, required=True, help="how long it took, for the card")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        _train(options) if options.verb == "train" else _publish(options)
    except CraquelureError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _train(options: argparse.Namespace) -> None:
    from training.data import load_ingredients, load_tiles
    from training.publish import synthetic_validation
    from training.trainer import Recipe, train

    oil, ingredients = options.data / "craquelure_oil", load_ingredients(options.data)
    recipe = Recipe(
        options.architecture,
        options.steps,
        options.batch,
        options.size,
        synthetic=options.synthetic,
        learning_rate=options.learning_rate,
        start_sha256=None if options.start is None else file_sha256(options.start),
        encoder_rate=options.encoder_rate,
        frozen=tuple(options.frozen),
    )
    train(
        recipe,
        load_tiles(oil, validation=False),
        ingredients,
        options.out,
        validation=load_tiles(oil, validation=True)[::12] + synthetic_validation(ingredients, 16),
        start=options.start,
        every=options.every,
        report=_say,
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _publish(options: argparse.Namespace) -> None:
    from training.data import load_ingredients, load_tiles
    from training.publish import publish, synthetic_validation

    card = publish(
        options.run,
        options.out,
        real=load_tiles(options.data / "craquelure_oil", validation=True),
        synthetic=synthetic_validation(load_ingredients(options.data)),
        made={"device": options.device, "hours": options.hours},
    )
    for row in card["metrics"]:
        figures = "  ".join(f"{name} {value}" for name, value in row.items() if name != "protocol")
        sys.stdout.write(figures + "\n")


if __name__ == "__main__":
    sys.exit(main())
