"""How well a class raster agrees with the truth, pixel by pixel, read in bands of rows."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import rasterio
import rasterio.windows
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from scipy.ndimage import binary_dilation

from segmentation_core.errors import ParameterError
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["Counts", "class_scores", "pixel_counts"]

_BAND_ROWS = 512


@dataclass(frozen=True)
class Counts:
    """Pixels, summed before anything is divided.

    Attributes
    ----------
    line_preds, line_target : int
        Pixels of the line class found, and true.
    line_preds_near, line_target_near : int
        Those of them within the tolerance of a true one, and of a found one.
    polygon_both, polygon_either : int
        Intersection and union of the polygon class.
    """

    line_preds: int = 0
    line_target: int = 0
    line_preds_near: int = 0
    line_target_near: int = 0
    polygon_both: int = 0
    polygon_either: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))

    def scores(self, tolerance_px: int) -> dict[str, float | None]:
        """Return precision, recall and F1 of the line class and IoU of the polygon class, by class code.

        None where nothing was there to divide by.
        """
        vocabulary = load_vocabulary()
        line, polygon = vocabulary.line_class.code, vocabulary.polygon_class.code
        precision = _ratio(self.line_preds_near, self.line_preds)
        recall = _ratio(self.line_target_near, self.line_target)
        f1 = None
        if self.line_preds + self.line_target:
            p, r = precision or 0.0, recall or 0.0
            f1 = 2 * p * r / (p + r) if p + r else 0.0
        within = f"{tolerance_px}px"
        return {
            f"{line}_precision_{within}": precision,
            f"{line}_recall_{within}": recall,
            f"{line}_f1_{within}": f1,
            f"{polygon}_iou": _ratio(self.polygon_both, self.polygon_either),
        }


def class_scores(preds: str | Path, target: str | Path, *, tolerance_px: int = 2) -> dict[str, float | None]:
    """Compare a class raster with the true one.

    Parameters
    ----------
    preds, target : path-like
        Class rasters of the same size (vocabulary values; nodata in either is left out).
    tolerance_px : int
        A found pixel of the line class is right within this Euclidean distance of a true one, and a true
        one is found within it of a found one.

    Returns
    -------
    dict
        For example ``craquelure_precision_2px``, ``craquelure_recall_2px``, ``craquelure_f1_2px``,
        ``paint_loss_iou``.

    Raises
    ------
    ParameterError
        The rasters differ in size.
    """
    total = Counts()
    with rasterio.open(preds) as found, rasterio.open(target) as true:
        if found.shape != true.shape:
            raise ParameterError(
                f"a class raster of {found.width} x {found.height} pixels has no truth of that size "
                f"({true.width} x {true.height})",
                path=preds,
                remedy="Compare rasters of one orthophoto",
            )
        for row in range(0, found.height, _BAND_ROWS):
            rows = min(_BAND_ROWS, found.height - row)
            above = min(tolerance_px, row)
            window = rasterio.windows.Window(
                0, row - above, found.width, above + min(rows + tolerance_px, found.height - row)
            )
            core = slice(above, above + rows)
            total += pixel_counts(_band(found, window), _band(true, window), tolerance_px, core)
    return total.scores(tolerance_px)


def pixel_counts(
    preds: NDArray[np.uint8], target: NDArray[np.uint8], tolerance_px: int, core: slice = slice(None)
) -> Counts:
    """Count a window; pixels outside the rows ``core`` only serve as neighbours.

    Parameters
    ----------
    preds, target : uint8 array of shape (height, width)
        Vocabulary values.
    tolerance_px : int
        Euclidean.
    core : slice
        Rows to count.
    """
    vocabulary = load_vocabulary()
    valid = (preds != vocabulary.nodata_value) & (target != vocabulary.nodata_value)
    line_preds = (preds == vocabulary.line_class.value) & valid
    line_target = (target == vocabulary.line_class.value) & valid
    disc = _disc(tolerance_px)
    near_target, near_preds = _dilated(line_target, disc), _dilated(line_preds, disc)
    loss_preds = (preds == vocabulary.polygon_class.value) & valid
    loss_target = (target == vocabulary.polygon_class.value) & valid

    def count(mask: NDArray[np.bool_]) -> int:
        return int(np.count_nonzero(mask[core]))

    return Counts(
        count(line_preds),
        count(line_target),
        count(line_preds & near_target),
        count(line_target & near_preds),
        count(loss_preds & loss_target),
        count(loss_preds | loss_target),
    )


def _dilated(mask: NDArray[np.bool_], disc: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(binary_dilation(mask, disc))


def _disc(radius_px: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[-radius_px : radius_px + 1, -radius_px : radius_px + 1]
    return np.asarray(x**2 + y**2 <= radius_px**2)


def _band(dataset: DatasetReader, window: rasterio.windows.Window) -> NDArray[np.uint8]:
    return np.asarray(dataset.read(1, window=window), np.uint8)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
