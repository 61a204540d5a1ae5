"""The plots and panels of the benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segmentation_core.vocabulary import load_vocabulary
from training.data import Tile
from training.prediction import SCALINGS, class_logits, labels_from, softened

if TYPE_CHECKING:
    from training.benchmark.reliability import Reliability
    from training.benchmark.trial import Trial

__all__ = ["coloured", "curves", "errors", "grey", "lambdas", "over", "panels", "reliability", "sheet"]

_GAP, _HEADING = 6, 18
_IGNORED_GREY = 128
_OVER = 0.8
_RIGHT, _MISSED, _FALSE = (40, 40, 40), (0, 114, 178), (213, 94, 0)
"""Black, blue and vermilion: told apart by colour-blind readers (Okabe and Ito)."""


def _figure(**size: Any) -> tuple[Any, Any]:
    """Return a figure that needs no display, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(**size)


def curves(path: Path, logs: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Draw training and validation loss by step (the paper's figure 6)."""
    figure, (left, right) = _figure(ncols=2)
    for name, log in logs.items():
        steps = [row["step"] for row in log]
        left.plot(steps, [row["loss"] for row in log], label=name)
        right.plot(steps, [row["validation_loss"] for row in log], label=name)
    for axes, title in ((left, "training loss"), (right, "validation loss")):
        axes.set(title=title, xlabel="step")
    right.legend()
    figure.savefig(path, dpi=120)


def lambdas(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Draw MIoU and validation loss by lambda (the paper's figure 5)."""
    figure, pair = _figure(ncols=2)
    for axes, column in zip(pair, ("MIoU", "validation loss"), strict=True):
        axes.plot([row["lambda"] for row in rows], [row[column] for row in rows], "o-")
        axes.set(title=column, xlabel="lambda", xscale="log")
    figure.savefig(path, dpi=120)


def coloured(label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a label (H, W) in the vocabulary's colours on white; ignored pixels grey."""
    picture = np.full((*label.shape, 3), 255, np.uint8)
    for defect in load_vocabulary().classes:
        picture[label == defect.value] = [int(defect.colour[i : i + 2], 16) for i in (1, 3, 5)]
    picture[label == load_vocabulary().nodata_value] = _IGNORED_GREY
    return picture


def over(picture: NDArray[np.uint8], label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) with the damage of a label (H, W) over it, in the vocabulary's colours."""
    damaged = (label != load_vocabulary().background_value) & (label != load_vocabulary().nodata_value)
    return np.where(damaged[..., None], (picture * (1 - _OVER) + coloured(label) * _OVER), picture).astype(
        np.uint8
    )


def errors(found: NDArray[np.uint8], label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a prediction (H, W) against its label: right black, missed blue, false vermilion."""
    vocabulary = load_vocabulary()
    picture = np.full((*label.shape, 3), 255, np.uint8)
    background = vocabulary.background_value
    picture[(found == label) & (label != background)] = _RIGHT
    picture[(found != label) & (label != background)] = _MISSED
    picture[(found != label) & (label == background)] = _FALSE
    picture[label == vocabulary.nodata_value] = _IGNORED_GREY
    return picture


def grey(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Return values (H, W), 0 to 1, as a picture, dark where they are high."""
    level = (255 * (1 - np.clip(values, 0, 1))).astype(np.uint8)
    return np.repeat(level[..., None], 3, axis=2)


def reliability(path: Path, models: Mapping[str, Reliability]) -> None:
    """Draw, for each model, the share of craquelure among pixels by the probability they were given."""
    figure, (left, right) = _figure(ncols=2)
    left.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name, counts in models.items():
        bins = len(counts.pixels)
        middles = (np.arange(bins) + 0.5) / bins
        filled = counts.pixels > 0
        left.plot(
            middles[filled], counts.right[filled] / counts.pixels[filled], "o-", label=name, markersize=3
        )
        right.step(middles, counts.pixels, where="mid", label=name)
    left.set(title="share that is craquelure", xlabel="probability given", aspect="equal")
    right.set(title="pixels", xlabel="probability given", yscale="log")
    left.legend()
    figure.savefig(path, dpi=120)


def panels(path: Path, tiles: Sequence[Tile], trials: Mapping[str, Trial]) -> None:
    """Draw pictures, labels and predictions side by side (the paper's figures 7 and 8)."""
    columns: dict[str, list[NDArray[np.uint8]]] = {
        "original": [tile.image for tile in tiles],
        "label": [coloured(tile.label) for tile in tiles],
    }
    for name, done in trials.items():
        scaling = SCALINGS[done.recipe.normalisation]
        columns[name] = [
            coloured(
                labels_from(
                    softened(class_logits(done.network, t.image, scaling), done.calibration.temperature)[1:],
                    done.calibration.thresholds,
                )
            )
            for t in tiles
        ]
    sheet(path, columns)


def sheet(path: Path, columns: Mapping[str, Sequence[NDArray[np.uint8]]], side_px: int = 192) -> None:
    """Write a sheet of pictures, one column per name, each picture fitted into a square."""
    rows = max(len(pictures) for pictures in columns.values())
    step = side_px + _GAP
    canvas = Image.new("RGB", (len(columns) * step, rows * step + _HEADING), "white")
    draw = ImageDraw.Draw(canvas)
    for col, (name, pictures) in enumerate(columns.items()):
        draw.text((col * step + 2, 3), name, fill="black")
        for row, picture in enumerate(pictures):
            shown = Image.fromarray(picture)
            shown.thumbnail((side_px, side_px))
            canvas.paste(shown, (col * step, row * step + _HEADING))
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path)
