"""Draw the picture of docs/change.md: two pictures, what is left of the later one, and what is called new.

    python benchmarks/change_pictures.py docs/change.jpg [--model res_unet] [--seed 302] [--folder DIR]

The facade is one of change_on_predictions.py; ``--folder`` takes what that has kept.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

import geopandas
import numpy as np
import shapely
from affine import Affine
from change_on_predictions import CALLED, FIRST, NEAR_PX, SECOND, surveyed
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from segmentation_core.change.unexplained import noise_level
from segmentation_core.change.window_pair import resampled
from segmentation_core.operations.compare import compare
from segmentation_core.operations.compare_frames import opened_orthophoto, register_surveys
from segmentation_core.operations.compare_inputs import chosen_surveys
from segmentation_core.operations.compare_pictures import laid_on
from segmentation_core.progress import silent
from segmentation_core.raster.grid import Window
from segmentation_core.survey.store import reading
from segmentation_core.survey.surveys import orthophotos_of

SIDE_PX = 360
FOUND, TRACED, MISSED, WIDENED, FALSE = "#0b7a3b", "#e66101", "#2166ac", "#762a83", "#b2182b"


def draw(axes: Axes, book: Path, change_shapes: Path, to_pixels: Affine) -> None:
    """Draw what is called new over what truly is."""
    truth = geopandas.read_file(change_shapes, layer="change_line")
    found = geopandas.read_file(book, layer="change_line")
    found = found[found.kind.isin(CALLED)]
    true, widened, called = (
        shapely.transform(s.geometry.to_numpy(), lambda xy: np.column_stack(to_pixels * (xy[:, 0], xy[:, 1])))
        for s in (truth[truth.kind.isin(["new", "extended"])], truth[truth.kind == "widened"], found)
    )
    near_true, near_widened, near_called = (
        shapely.union_all(shapely.buffer(lines, NEAR_PX)) for lines in (true, widened, called)
    )
    for line in shapely.get_parts(shapely.difference(true, near_called)):
        axes.plot(*shapely.get_coordinates(line).T, color=MISSED, linewidth=1.6)
    for line, sure in zip(called, found.is_sure, strict=True):
        truly = [
            shapely.intersection(line, near).length >= 0.5 * line.length for near in (near_true, near_widened)
        ]
        colour = (FOUND if sure else TRACED) if truly[0] else WIDENED if truly[1] else FALSE
        for part in shapely.get_parts(line):
            axes.plot(*shapely.get_coordinates(part).T, color=colour, linewidth=1.8)


def main() -> None:
    """Survey, compare, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="res_unet")
    parser.add_argument("--seed", type=int, default=302)
    parser.add_argument("--at", type=int, nargs=2, default=(900, 380), metavar=("COLUMN", "ROW"))
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = (chosen.folder or Path(name)) / str(chosen.seed)
        book, _, second = surveyed(folder, chosen.seed, chosen.model)
        compare(book, FIRST, SECOND)
        with reading(book) as opened:
            before, after = (
                orthophotos_of(opened, survey.surv_id) for survey in chosen_surveys(opened, FIRST, SECOND)
            )
        pair = register_surveys(before, after, silent)[0][0]
        laid = laid_on(pair, stack)
        if laid is None:
            raise SystemExit(f"{book}: its surveys kept no probabilities")
        window = Window(chosen.at[1], chosen.at[0], SIDE_PX, SIDE_PX)
        left = laid.compared(window, laid.probabilities(window, laid.losses))
        later = resampled(laid.pictures[1], window, laid.to_b, 3)
        if left is None or later is None:
            raise SystemExit("the pictures do not overlap there")
        first = stack.enter_context(opened_orthophoto(pair.record_a)).read(window)[0]
        figure, axes = plt.subplots(1, 4, figsize=(13, 3.5), layout="constrained")
        axes[0].imshow(np.moveaxis(first, 0, -1))
        axes[1].imshow(later.grey, cmap="gray", vmin=0, vmax=255)
        axes[2].imshow(noise_level([left]).significance(left), cmap="gray", vmin=-8, vmax=8)
        axes[3].imshow(np.moveaxis(first, 0, -1), alpha=0.45)
        offset = Affine.translation(-window.col_off - 0.5, -window.row_off - 0.5)
        draw(axes[3], book, second.change_shapes, offset * ~Affine(*pair.record_a.transform))
        titles = (
            "the earlier picture",
            "the later one, grey, laid on it",
            "what is left of it",
            "called new",
        )
        for each, title in zip(axes, titles, strict=True):
            each.set(xlim=(0, SIDE_PX), ylim=(SIDE_PX, 0), xticks=[], yticks=[])
            each.set_title(title, fontsize=10, loc="left", color="#333333")
        figure.savefig(chosen.out, dpi=100, pil_kwargs={"quality": 85} if chosen.out.suffix == ".jpg" else {})


if __name__ == "__main__":
    main()
