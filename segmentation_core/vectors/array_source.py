"""Classes or probabilities that already lie in memory, read like a raster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from segmentation_core.errors import ParameterError, RasterError
from segmentation_core.raster.grid import Grid, Window
from segmentation_core.raster.probability import class_values, quantised, smallest_passing
from segmentation_core.vectors.class_source import ClassWindow
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["ArraySource", "array_source"]

_NODATA = 255


@dataclass(frozen=True)
class ArraySource:
    """A checked array; read it with `read`.

    Attributes
    ----------
    grid : Grid
    classes : ndarray of uint8, shape (M, N)
        The vocabulary's values.
    probabilities : dict of str to ndarray of uint8, shape (M, N)
        Class code to quantised probability; empty for classes.
    """

    grid: Grid
    classes: NDArray[np.uint8]
    probabilities: dict[str, NDArray[np.uint8]]

    @property
    def has_probabilities(self) -> bool:
        """Whether there are probabilities."""
        return bool(self.probabilities)

    @property
    def source(self) -> ArraySource:
        """Itself: a reader knows its source."""
        return self

    def open(self) -> ArraySource:
        """Return itself: there is nothing to open."""
        return self

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def __enter__(self) -> ArraySource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, window: Window) -> ClassWindow:
        """Read a window, which may reach beyond the array; there is no data there."""
        inner = window.clipped(self.grid.height, self.grid.width)
        if inner.height == 0 or inner.width == 0:
            return ClassWindow(np.full((window.height, window.width), _NODATA, np.uint8), {})
        part = np.s_[inner.row_off : inner.row_end, inner.col_off : inner.col_end]
        pad = (
            (inner.row_off - window.row_off, window.row_end - inner.row_end),
            (inner.col_off - window.col_off, window.col_end - inner.col_end),
        )
        return ClassWindow(
            np.pad(self.classes[part], pad, constant_values=_NODATA),
            {code: np.pad(band[part], pad) for code, band in self.probabilities.items()},
        )


def array_source(
    mask_or_probability: NDArray[Any],
    affine: Affine,
    *,
    metres_per_unit: float = 1.0,
    crs_wkt: str | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> ArraySource:
    """Check an array.

    Parameters
    ----------
    mask_or_probability : ndarray, shape (M, N) or (K, M, N)
        Two dimensions: a mask of cracks (bool), classes (whole numbers 0, 1, 2, 255) or the probability of
        craquelure (floating point, 0-1). Three: one probability per class of the vocabulary, 0-1 or, as
        uint8, 0-250. NaN, or 255 in uint8, is nodata.
    affine : Affine
        (col, row) to (x, y).
    metres_per_unit : float
        Metres per unit of (x, y).
    crs_wkt : str or None
        Of (x, y).
    thresholds : mapping of class code to probability, or None
        Classes left out pass from 0.5.

    Raises
    ------
    RasterError
        The shape or a value is neither classes nor probabilities.
    ParameterError
        The affine has no area, or a threshold is impossible.
    """
    if not (np.isfinite(list(affine)).all() and affine.determinant and metres_per_unit > 0):
        raise ParameterError("the affine gives pixels no area", remedy="Give the raster's transform")
    array = np.asarray(mask_or_probability)
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise RasterError(f"an array of shape {array.shape} is not a raster", remedy="Give rows x columns")
    is_probability = array.ndim == 3 or array.dtype.kind == "f"
    if thresholds is not None and not is_probability:
        raise ParameterError("classes have no probabilities to put a threshold to")
    rows, cols = array.shape[-2:]
    grid = Grid(cols, rows, affine, crs_wkt, metres_per_unit)
    if not is_probability:
        return ArraySource(grid, _classes(array), {})
    codes = load_vocabulary().codes
    bands = _bands(array, len(codes))
    chosen = {code: 0.5 for code in codes} | dict(thresholds or {})
    if set(chosen) != set(codes):
        raise ParameterError("unknown class among the thresholds", remedy=f"Use {', '.join(codes)}")
    for value in chosen.values():
        smallest_passing(value)
    return ArraySource(grid, class_values(bands, chosen), dict(zip(codes, bands, strict=True)))


def _classes(array: NDArray[Any]) -> NDArray[np.uint8]:
    vocabulary = load_vocabulary()
    if array.dtype == np.bool_:
        return np.where(array, vocabulary.line_class.value, vocabulary.background_value).astype(np.uint8)
    legal = [vocabulary.background_value, *(c.value for c in vocabulary.classes), vocabulary.nodata_value]
    wrong = ~np.isin(array, legal)
    if wrong.any():
        raise _illegal(array, wrong, f"a class ({', '.join(map(str, legal))})")
    return array.astype(np.uint8)


def _bands(array: NDArray[Any], count: int) -> NDArray[np.uint8]:
    if array.ndim == 2:
        # The line class comes with its place in the vocabulary; the others are absent.
        full = np.zeros((count, *array.shape), array.dtype)
        full[load_vocabulary().codes.index(load_vocabulary().line_class.code)] = array
        full[:, np.isnan(array)] = np.nan
        array = full
    if array.shape[0] != count:
        raise RasterError(f"{array.shape[0]} bands, but there are {count} classes")
    if array.dtype == np.uint8:
        wrong = (array > 250) & (array != _NODATA)
        missing = (array == _NODATA).any(axis=0)
    else:
        missing = np.isnan(array).any(axis=0)
        wrong = ~((array >= 0) & (array <= 1)) & ~missing
    if wrong.any():
        band = int(np.argmax(wrong.any(axis=(1, 2))))
        raise _illegal(array[band], wrong[band], "a probability")
    if array.dtype == np.uint8:
        return np.where(missing, np.uint8(_NODATA), array)
    return quantised(np.nan_to_num(array).astype(np.float32), ~missing)


def _illegal(values: NDArray[Any], wrong: NDArray[np.bool_], noun: str) -> RasterError:
    row, col = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    return RasterError(f"the value {values[row, col]} at row {row}, column {col} is not {noun}")
