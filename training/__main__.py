"""``python -m training``: train a network and write its checkpoint with an honest card."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from segmentation_core.errors import CraquelureError

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    learn = verbs.add_parser("train", help="train, or continue a training")
    learn.add_argument("--data", type=Path, required=True, help="folder with craquelure_oil, paintings, overlays")
    learn.add_argument("-o", "--out", type=Path, required=True, help="run folder")
    learn.add_argument("--architecture", default="res_unet_lite")
    learn.add_argument("--steps", type=int, default=4000)
    learn.add_argument("--batch", type=int, default=8)
    learn.add_argument("--synthetic", type=float, default=0.6, help="share of synthetic samples, 0-1")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        _train(options)
    except CraquelureError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _train(options: argparse.Namespace) -> None:
    from training.data import load_ingredients, load_tiles
    from training.trainer import Recipe, train

    oil = options.data / "craquelure_oil"
    recipe = Recipe(options.architecture, options.steps, options.batch, synthetic=options.synthetic)
    train(
        recipe,
        load_tiles(oil, validation=False),
        load_ingredients(options.data),
        options.out,
        validation=load_tiles(oil, validation=True),
        report=lambda line: sys.stdout.write(line + "\n") and sys.stdout.flush() or None,
    )


if __name__ == "__main__":
    sys.exit(main())
