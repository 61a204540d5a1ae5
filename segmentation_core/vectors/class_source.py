"""Classes and probabilities, window by window, from whatever raster there is.

A source is a folder written by `segment`, a probability raster (one band per class, 0-250 and 255 for
nodata) or a class raster (one band with the vocabulary's values; a drawing by hand, or another tool's).
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.windows import Window as RasterioWindow

from segmentation_core.errors import CrsError, ParameterError, RasterError
from segmentation_core.raster.georeference import read_grid, same_crs
from segmentation_core.raster.grid import Grid, Window
from segmentation_core.raster.probability import PROBABILITY_SCALE, class_values, smallest_passing
from segmentation_core.vocabulary import load_vocabulary

if TYPE_CHECKING:
    from segmentation_core.raster.orthophoto import Orthophoto

__all__ = ["ClassReader", "ClassSource", "ClassWindow", "open_class_source"]

_NODATA = 255
_DEFAULT_THRESHOLD = 0.5
_RASTERS = ("probability.tif", "classes.tif")
"""What `segment` writes beside its record, the better one first."""


@dataclass(frozen=True)
class ClassWindow:
    """What a source says about one window.

    Attributes
    ----------
    classes : ndarray of uint8, shape (M, N)
        Vocabulary values; its nodata value where there is no data.
    probabilities : dict of str to ndarray of uint8, shape (M, N)
        Class code to probability times `PROBABILITY_SCALE`. Empty for class rasters.
    """

    classes: NDArray[np.uint8]
    probabilities: dict[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class ClassSource:
    """A checked source; `open` it once in each process that reads it.

    Attributes
    ----------
    path : Path
        The raster.
    grid : Grid
    thresholds : dict of str to float
        Class code to the probability from which it counts; empty for class rasters.
    valid_mask_of : Orthophoto or None
        Its invalid pixels count as nodata.
    model : dict or None
        The model that made the raster, as the record beside it says; None where there is none.
    """

    path: Path
    grid: Grid
    thresholds: dict[str, float]
    valid_mask_of: Orthophoto | None
    model: dict[str, Any] | None = None

    @property
    def has_probabilities(self) -> bool:
        """Whether this is a probability raster."""
        return bool(self.thresholds)

    def open(self) -> ClassReader:
        """Open the raster; the reader belongs to one thread."""
        return ClassReader(self)


class ClassReader:
    """An open source."""

    def __init__(self, source: ClassSource) -> None:
        self.source = source
        self._dataset = _open(source.path)
        vocabulary = load_vocabulary()
        self._legal = np.zeros(256, bool)
        self._legal[[vocabulary.background_value, *(c.value for c in vocabulary.classes), _NODATA]] = True

    def __enter__(self) -> ClassReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the raster."""
        self._dataset.close()

    def read(self, window: Window) -> ClassWindow:
        """Read a window, which may reach beyond the raster; there is no data there.

        Raises
        ------
        RasterError
            The file is cut short there, or holds a value that is not a class or a probability.
        """
        inner = window.clipped(self._dataset.height, self._dataset.width)
        if inner.height == 0 or inner.width == 0:
            return ClassWindow(np.full((window.height, window.width), _NODATA, np.uint8), {})
        bands = self._read_bands(inner)
        if self.source.has_probabilities:
            classes, probabilities = self._classify(bands, inner)
        else:
            classes, probabilities = self._class_values(bands[0], inner), {}
        if self.source.valid_mask_of is not None:
            classes[~self.source.valid_mask_of.read(inner)[1]] = load_vocabulary().nodata_value
        pad = (
            (inner.row_off - window.row_off, window.row_end - inner.row_end),
            (inner.col_off - window.col_off, window.col_end - inner.col_end),
        )
        if any(n for side in pad for n in side):
            classes = np.pad(classes, pad, constant_values=load_vocabulary().nodata_value)
            probabilities = {code: np.pad(p, pad) for code, p in probabilities.items()}
        return ClassWindow(classes, probabilities)

    def _read_bands(self, window: Window) -> NDArray[Any]:
        area = RasterioWindow(window.col_off, window.row_off, window.width, window.height)
        try:
            bands: NDArray[Any] = self._dataset.read(window=area)
        except RasterioError as exc:
            raise RasterError(
                f"rows {window.row_off}-{window.row_end - 1}, columns {window.col_off}-{window.col_end - 1}"
                " cannot be read; the file is damaged or cut short",
                path=self.source.path,
                remedy="Copy or write the raster again",
            ) from exc
        return bands

    def _class_values(self, values: NDArray[Any], window: Window) -> NDArray[np.uint8]:
        nodata = self._dataset.nodata
        if values.dtype != np.uint8:
            whole = (values >= 0) & (values <= 255) & (values == np.floor(values))
            if nodata is not None:
                gone = np.isnan(values) if math.isnan(nodata) else values == nodata
                values = np.where(gone, _NODATA if nodata != 0 else 0, values)
                whole |= gone
            if not whole.all():
                self._refuse(values, whole, window, "a class")
            values = values.astype(np.uint8)
        legal = self._legal[values]
        if not legal.all():
            self._refuse(values, legal, window, "a class")
        return values

    def _classify(
        self, bands: NDArray[np.uint8], window: Window
    ) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.uint8]]]:
        missing = bands == _NODATA
        legal = (bands <= PROBABILITY_SCALE) | missing
        if not legal.all():
            band = int(np.argmin(legal.all(axis=(1, 2))))
            self._refuse(bands[band], legal[band], window, "a probability (0-250, or 255 for nodata)")
        classes = class_values(bands, self.source.thresholds)
        classes[missing.any(axis=0)] = load_vocabulary().nodata_value
        return classes, dict(zip(load_vocabulary().codes, bands, strict=True))

    def _refuse(self, values: NDArray[Any], legal: NDArray[np.bool_], window: Window, noun: str) -> None:
        row, col = np.unravel_index(int(np.argmin(legal)), legal.shape)
        raise RasterError(
            f"the value {values[row, col]} at row {window.row_off + row}, column {window.col_off + col}"
            f" is not {noun}",
            path=self.source.path,
            remedy="Give a class raster with the values 0, 1, 2 and 255, or a probability raster",
        )


def open_class_source(
    source: str | Path,
    *,
    thresholds: Mapping[str, float] | None = None,
    gsd_mm: float | None = None,
    valid_mask_of: Orthophoto | None = None,
) -> ClassSource:
    """Find out what a source is and check it.

    Parameters
    ----------
    source : path-like
        A folder written by `segment`, a probability raster or a class raster.
    thresholds : mapping of class code to probability, or None
        For probability rasters; classes left out keep the model's threshold as ``run.json`` beside the
        raster records it, else 0.5.
    gsd_mm : float or None
        See `read_grid`.
    valid_mask_of : Orthophoto or None
        The orthophoto that the raster belongs to: its invalid pixels become nodata and its unit is used.

    Raises
    ------
    RasterError, CrsError, ParameterError
    """
    path = _raster_in(Path(source))
    with _open(path) as dataset:
        bands, kinds = dataset.count, set(dataset.dtypes)
        is_probability = bands == len(load_vocabulary().classes) and kinds == {"uint8"}
        if not is_probability and bands != 1:
            raise RasterError(
                f"{bands} bands of {', '.join(sorted(kinds))} are neither classes nor probabilities",
                path=path,
                remedy="Give one band of classes (0, 1, 2, 255) or the probability.tif of a segment run",
            )
        if kinds & {"complex64", "complex128", "complex_int16"}:
            raise RasterError("complex numbers are not classes", path=path)
        grid = _grid(dataset, path, gsd_mm, valid_mask_of)
    if thresholds is not None and not is_probability:
        raise ParameterError(
            "a class raster has no probabilities to put a threshold to",
            path=path,
            remedy="Leave thresholds out",
        )
    model = _recorded_model(path) if is_probability or path.name in _RASTERS else None
    chosen = _thresholds(model, thresholds) if is_probability else {}
    return ClassSource(path, grid, chosen, valid_mask_of, model)


def _raster_in(source: Path) -> Path:
    if not source.is_dir():
        return source
    for name in _RASTERS:
        if (source / name).is_file():
            return source / name
    raise RasterError(
        "no probability.tif or classes.tif in the folder",
        path=source,
        remedy="Run segment first, or give a raster",
    )


def _open(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            return rasterio.open(path)
    except RasterioIOError as exc:
        reason = "no such file" if not path.exists() else "not a raster that GDAL can read"
        raise RasterError(reason, path=path, remedy="Give a class raster or a probability raster") from exc


def _grid(dataset: Any, path: Path, gsd_mm: float | None, orthophoto: Orthophoto | None) -> Grid:
    if orthophoto is None:
        return read_grid(dataset, gsd_mm)
    grid: Grid = orthophoto.grid
    if (dataset.width, dataset.height) != (grid.width, grid.height):
        raise RasterError(
            f"{dataset.width} x {dataset.height} pixels, but the orthophoto has {grid.width} x {grid.height}",
            path=path,
            remedy="Give a class raster on the orthophoto's own grid",
        )
    if dataset.transform.is_identity:
        return grid
    corners = [(0, 0), (grid.width, 0), (0, grid.height)]
    side = math.sqrt(abs(grid.affine.determinant))
    apart = max(math.dist(dataset.transform @ c, grid.affine @ c) for c in corners)
    if apart > 0.01 * side:
        raise RasterError(
            f"it lies {apart / side:.2f} pixels off the orthophoto's grid",
            path=path,
            remedy="Give a class raster on the orthophoto's own grid",
        )
    if dataset.crs is not None and not same_crs(dataset.crs.to_wkt(), grid.crs_wkt):
        raise CrsError("its CRS is not the orthophoto's", path=path, remedy="Give both the same CRS")
    return grid


def _thresholds(model: Mapping[str, Any] | None, given: Mapping[str, float] | None) -> dict[str, float]:
    codes = load_vocabulary().codes
    chosen = {code: _DEFAULT_THRESHOLD for code in codes}
    recorded = model["thresholds"] if model else {}
    chosen.update({code: value for code, value in recorded.items() if code in codes})
    for code, value in (given or {}).items():
        if code not in codes:
            raise ParameterError(f"no class is called {code}", remedy=f"Use {', '.join(codes)}")
        chosen[code] = float(value)
    for value in chosen.values():
        smallest_passing(value)
    return {code: chosen[code] for code in codes}


def _recorded_model(path: Path) -> dict[str, Any] | None:
    """Return the model that the record beside a raster of `segment` names; None without a record."""
    run_record = path.with_name("run.json")
    if not run_record.is_file():
        return None
    try:
        model: dict[str, Any] = json.loads(run_record.read_text(encoding="utf-8"))["model"]
        return {**model, "thresholds": {code: float(value) for code, value in model["thresholds"].items()}}
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise RasterError(
            "the run record cannot be read", path=run_record, remedy="Run segment again, or remove it"
        ) from exc
