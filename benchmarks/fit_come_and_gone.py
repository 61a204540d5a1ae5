"""Fit what a line in the difference of two pictures, and two networks' beliefs, say of a crack that came.

    python benchmarks/fit_come_and_gone.py [--model res_unet] [--pairs 10] [--folder DIR]

Facades of the seeds from 400 on, each with its second epoch (see change_on_predictions.py, which scores on
others), are surveyed and laid on each other. Every third pixel where the later network sees 0.01 of a crack
is a sample: within 2 px of a crack that truly came, or more than 5 px from any; widened cracks and changed
losses count for nothing. Printed: the weights of `segmentation_core.change.come_and_gone`, with and without
pictures, fitted on all pairs; and the precision at some recalls by pixel on odd seeds, fitted on even ones.
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
from change_on_predictions import FIRST, SECOND, surveyed
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy.ndimage import maximum_filter
from scipy.optimize import minimize

from segmentation_core.change.come_and_gone import LEAST_PROBABILITY, line_responses, witnesses
from segmentation_core.change.unexplained import noise_level
from segmentation_core.operations.compare_frames import Registered, register_surveys
from segmentation_core.operations.compare_inputs import chosen_surveys
from segmentation_core.operations.compare_pictures import laid_on
from segmentation_core.progress import silent
from segmentation_core.raster.grid import Window
from segmentation_core.survey.store import reading
from segmentation_core.survey.surveys import orthophotos_of

FIRST_SEED = 400
NEAR_PX, FAR_PX, AROUND_PX = 2, 5, 4
EVERY = 3
RECALLS = (0.5, 0.6, 0.7, 0.8)
Samples = tuple[NDArray[np.float64], NDArray[np.bool_]]


def samples(book: Path, change_shapes: Path) -> Samples:
    """Return what is weighed at the sampled pixels, shape (N, 3), and where a crack truly came."""
    with reading(book) as opened:
        surveys = chosen_surveys(opened, FIRST, SECOND)
        before, after = (orthophotos_of(opened, survey.surv_id) for survey in surveys)
    pair = register_surveys(before, after, silent)[0][0]
    with ExitStack() as stack:
        laid = laid_on(pair, stack)
        if laid is None:
            raise SystemExit(f"{book}: its surveys kept no probabilities")
        side = max(laid.grid.width, laid.grid.height)
        whole = Window(0, 0, side, side)
        cracks, lost = laid.probabilities(whole, laid.cracks), laid.lost(whole)
        left = laid.compared(whole, lost)
    if left is None:
        raise SystemExit(f"{book}: its pictures do not overlap")
    darker, _ = line_responses(np.where(lost, 0, noise_level([left]).significance(left)).astype(np.float32))
    said = witnesses(darker, cracks[1], cracks[0])
    lines = geopandas.read_file(change_shapes, layer="change_line")
    areas = geopandas.read_file(change_shapes, layer="change_polygon")
    came = lines[lines.kind.isin(["new", "extended"])].geometry.to_numpy()
    other = [*lines[lines.kind == "widened"].geometry, *areas.geometry]
    true, near = (_around(pair, came, reach, side) for reach in (NEAR_PX, FAR_PX))
    asked = left.valid & ~lost & (maximum_filter(cracks[1], 3) >= LEAST_PROBABILITY)
    asked &= ~_around(pair, np.array(other, dtype=object), AROUND_PX, side) & (true | ~near)
    chosen = np.flatnonzero(asked)[::EVERY]
    return said.reshape(3, -1)[:, chosen].T.astype(np.float64), true.ravel()[chosen]


def _around(pair: Registered, shapes: NDArray[np.object_], reach_px: float, side: int) -> NDArray[np.bool_]:
    to_pixels = ~Affine(*pair.record_a.transform)
    drawn = shapely.transform(shapes, lambda xy: np.column_stack(to_pixels * (xy[:, 0], xy[:, 1])))
    if not len(drawn):
        return np.zeros((side, side), dtype=bool)
    return np.asarray(rasterize(shapely.buffer(drawn, reach_px).tolist(), (side, side)) > 0)


def fitted(told: NDArray[np.float64], true: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the weights of a logistic regression, what is added last."""
    middle, spread = told.mean(axis=0), told.std(axis=0) + 1e-12
    design = np.column_stack(((told - middle) / spread, np.ones(len(told))))
    target = true.astype(float)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = design @ weights
        value = np.logaddexp(0, odds).sum() - target @ odds
        return float(value), design.T @ (1 / (1 + np.exp(-odds)) - target)

    weights = minimize(loss, np.zeros(design.shape[1]), jac=True).x
    scaled = weights[:-1] / spread
    return np.append(scaled, weights[-1] - scaled @ middle)


def precisions(
    weights: NDArray[np.float64], told: NDArray[np.float64], true: NDArray[np.bool_]
) -> list[float]:
    """Return the precision by pixel at `RECALLS`."""
    order = np.argsort(-(told @ weights[:-1]))
    found = np.cumsum(true[order])
    at = np.searchsorted(found / found[-1], RECALLS)
    return [float(found[i] / (i + 1)) for i in at]


def main() -> None:
    """Survey, lay on each other, fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="res_unet")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="keep facades and surveys here, and use those it holds")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = chosen.folder or Path(name)
        every = []
        for seed in range(FIRST_SEED, FIRST_SEED + chosen.pairs):
            book, _, second = surveyed(folder / str(seed), seed, chosen.model)
            every.append(samples(book, second.change_shapes))
            print(f"seed {seed}: {len(every[-1][1])} samples, {every[-1][1].mean():.1%} came", flush=True)

    def joined(some: list[Samples]) -> Samples:
        return np.concatenate([told for told, _ in some]), np.concatenate([true for _, true in some])

    even, odd = joined(every[::2]), joined(every[1::2])
    for title, without in (("with the pictures", 1.0), ("the networks alone", 0.0)):
        use = np.array([without, 1.0, 1.0])
        told = precisions(fitted(even[0] * use, even[1]), odd[0] * use, odd[1])
        weights = fitted(joined(every)[0] * use, joined(every)[1])
        at = ", ".join(f"{p:.2f} at {r}" for r, p in zip(RECALLS, told, strict=True))
        print(f"{title}: {np.round(weights, 2).tolist()}; precision {at}")


if __name__ == "__main__":
    main()
