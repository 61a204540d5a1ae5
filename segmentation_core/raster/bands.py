"""Which bands of a raster make the picture, which pixels are valid, and how values become 8 bit.

A picture is grey, grey + alpha, palette, RGB or RGB + a fourth band, stored as uint8 or uint16. Wider
values are scaled to 8 bit by a rule that depends on the file alone, so that two runs agree: the declared
number of bits, else the smallest of 8, 10, 12, 14, 16 bits that holds the largest valid value.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterioWindow

from segmentation_core.errors import RasterError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

    from segmentation_core.raster.grid import Window

__all__ = ["BandLayout", "read_layout", "read_pixels"]

MaskSource = Literal["mask", "alpha", "nodata", "none"]

_SAMPLE_PX = 1024
_VALUE_BITS = (8, 10, 12, 14, 16)
_VALID_FROM = 128
_NOT_A_PICTURE = "Export the orthophoto as grey, RGB or RGBA with 8 or 16 bits per band"


@dataclass(frozen=True, eq=False)
class BandLayout:
    """How to read a raster as a picture.

    Attributes
    ----------
    colour : tuple of int
        Band numbers: one (grey, palette) or three (red, green, blue).
    mask_source : str
        Where validity comes from, in GDAL's order: the file's mask, alpha, nodata, none.
    alpha : int or None
        Number of the alpha band.
    bits : int
        Bits per value that the picture uses.
    alpha_valid_from : int
        Smallest alpha of a valid pixel: half of its range.
    lookup : ndarray of uint8, shape (V,) or (V, 3) or None
        Stored value to 8 bit grey, or through the palette to RGB; None for plain 8 bit.
    opaque : ndarray of bool, shape (V,) or None
        For a palette: which entries are opaque.
    """

    colour: tuple[int, ...]
    mask_source: MaskSource
    alpha: int | None = None
    bits: int = 8
    alpha_valid_from: int = _VALID_FROM
    lookup: NDArray[np.uint8] | None = None
    opaque: NDArray[np.bool_] | None = None


def read_layout(dataset: DatasetReader, path: Path) -> tuple[BandLayout, tuple[str, ...]]:
    """Return the layout of an open raster, and what the user should know about it.

    Parameters
    ----------
    dataset : rasterio dataset
        Open for reading.
    path : Path
        For messages.

    Raises
    ------
    RasterError
        The raster is not a picture that we can read: other data types, five bands, CMYK.
    """
    dtype = _value_type(dataset, path)
    interpretation = list(dataset.colorinterp)
    alphas = [i for i, c in enumerate(interpretation, start=1) if c is ColorInterp.alpha]
    alpha = alphas[0] if alphas else None
    colour, notes = _colour_bands(dataset.count, interpretation, alpha, path)
    mask_source = _mask_source(dataset, colour, alpha)
    if interpretation[colour[0] - 1] is ColorInterp.palette:
        lookup, opaque = _palette(dataset, colour[0], dtype)
        return BandLayout(colour, mask_source, alpha, lookup=lookup, opaque=opaque), notes
    declared = dataset.tags(colour[0], ns="IMAGE_STRUCTURE").get("NBITS")
    plain = BandLayout(colour, mask_source, alpha)
    if dtype == np.uint8 and declared is None:
        return plain, notes
    alpha_valid_from = _VALID_FROM
    if dtype == np.uint16 and alpha is not None:
        alpha_valid_from = 1 << (_bits_holding(_largest_value(dataset, plain, (alpha,), path)) - 1)
    if declared is not None:
        bits = int(declared)
    else:
        sampled = BandLayout(colour, mask_source, alpha, alpha_valid_from=alpha_valid_from)
        bits = _bits_holding(_largest_value(dataset, sampled, colour, path))
    if bits != 8:
        notes = (*notes, f"pixel values are read as {bits} bit and scaled to 8 bit")
    layout = BandLayout(
        colour, mask_source, alpha, bits, alpha_valid_from, lookup=_scale_to_8_bit(dtype, bits)
    )
    return layout, notes


def read_pixels(
    dataset: DatasetReader, layout: BandLayout, window: Window, shape: tuple[int, int] | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Read a window as 8-bit RGB (3, h, w) and validity (h, w); with ``shape``, averaged down to (h, w).

    Raises
    ------
    rasterio.errors.RasterioError
        The pixels cannot be read.
    """
    where = RasterioWindow(window.col_off, window.row_off, window.width, window.height)
    size = shape or (window.height, window.width)
    # The mean of two palette entries is no entry between them.
    resampling = Resampling.average if layout.opaque is None else Resampling.nearest
    values = dataset.read(
        list(layout.colour), window=where, out_shape=(len(layout.colour), *size), resampling=resampling
    )
    valid = _valid(dataset, layout, where, shape)
    if layout.opaque is not None:
        valid &= layout.opaque[values[0]]
    if layout.lookup is not None:
        values = layout.lookup[values]
        if values.ndim == 4:  # through a palette: (1, h, w, 3)
            return np.ascontiguousarray(values[0].transpose(2, 0, 1)), valid
    if values.shape[0] == 1:
        values = np.repeat(values, 3, axis=0)
    return values, valid


def _value_type(dataset: DatasetReader, path: Path) -> np.dtype[Any]:
    types = set(dataset.dtypes)
    if len(types) != 1 or not types <= {"uint8", "uint16"}:
        raise RasterError(
            f"the pixels are {', '.join(sorted(types))}, not 8 or 16 bit unsigned integers",
            path=path,
            remedy=_NOT_A_PICTURE,
        )
    stored: np.dtype[Any] = np.dtype(types.pop())
    return stored


def _colour_bands(
    count: int, interpretation: list[ColorInterp], alpha: int | None, path: Path
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    if {ColorInterp.cyan, ColorInterp.magenta} & set(interpretation):
        raise RasterError("the picture is CMYK", path=path, remedy="Convert it to RGB")
    colour = [i for i in range(1, count + 1) if i != alpha]
    rgb = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if count <= 4 and all(interpretation.count(c) == 1 for c in rgb):
        named = tuple(interpretation.index(c) + 1 for c in rgb)
        ignored = [i for i in colour if i not in named]
    elif count <= 4 and len(colour) in {1, 3, 4}:
        named = tuple(colour[:3] if len(colour) >= 3 else colour)
        ignored = [i for i in colour if i not in named]
    else:
        meaning = ", ".join(c.name for c in interpretation[:6])
        raise RasterError(
            f"{count} bands ({meaning}) are not a picture that can be read", path=path, remedy=_NOT_A_PICTURE
        )
    notes = tuple(f"band {i} ({interpretation[i - 1].name}) is not alpha and is ignored" for i in ignored)
    return named, notes


def _mask_source(dataset: DatasetReader, colour: tuple[int, ...], alpha: int | None) -> MaskSource:
    flags = [dataset.mask_flag_enums[band - 1] for band in colour]
    if any(MaskFlags.per_dataset in f and MaskFlags.alpha not in f for f in flags):
        return "mask"
    if alpha is not None:
        return "alpha"
    return "nodata" if any(MaskFlags.nodata in f for f in flags) else "none"


def _valid(
    dataset: DatasetReader, layout: BandLayout, window: RasterioWindow, shape: tuple[int, int] | None
) -> NDArray[np.bool_]:
    size = shape or (int(window.height), int(window.width))
    match layout.mask_source:
        case "mask":
            mask = dataset.read_masks(layout.colour[0], window=window, out_shape=size)
            return np.asarray(mask >= _VALID_FROM)
        case "alpha":
            alpha = dataset.read(layout.alpha, window=window, out_shape=size)
            return np.asarray(alpha >= layout.alpha_valid_from)
        case "nodata":  # as GDAL's users expect of RGB: invalid where every band is nodata
            masks = dataset.read_masks(
                list(layout.colour), window=window, out_shape=(len(layout.colour), *size)
            )
            return np.asarray((masks >= _VALID_FROM).any(axis=0))
        case "none":
            return np.ones(size, dtype=np.bool_)
        case _:
            raise AssertionError(layout.mask_source)


def _largest_value(dataset: DatasetReader, layout: BandLayout, bands: tuple[int, ...], path: Path) -> int:
    """Return the largest valid value of a decimated read."""
    factor = max(1.0, max(dataset.height, dataset.width) / _SAMPLE_PX)
    shape = (max(1, int(dataset.height / factor)), max(1, int(dataset.width / factor)))
    whole = RasterioWindow(0, 0, dataset.width, dataset.height)
    try:
        values = dataset.read(list(bands), out_shape=(len(bands), *shape))
        if bands == (layout.alpha,):
            return int(values.max())
        valid = _valid(dataset, layout, whole, shape)
    except RasterioError as exc:
        raise RasterError(
            f"the pixels cannot be read (rows 0-{dataset.height}, columns 0-{dataset.width})",
            path=path,
            remedy="The file is cut short or damaged; copy or export it again",
        ) from exc
    return int(values.max(initial=0, where=valid))


def _bits_holding(value: int) -> int:
    return next(bits for bits in _VALUE_BITS if value < 1 << bits)


def _scale_to_8_bit(dtype: np.dtype[Any], bits: int) -> NDArray[np.uint8]:
    largest = (1 << bits) - 1
    values = np.minimum(np.arange(1 << (8 * dtype.itemsize), dtype=np.int64), largest)
    return ((values * 255 + largest // 2) // largest).astype(np.uint8)


def _palette(
    dataset: DatasetReader, band: int, dtype: np.dtype[Any]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    table = np.zeros((1 << (8 * dtype.itemsize), 4), dtype=np.uint8)
    for value, rgba in dataset.colormap(band).items():
        table[value] = rgba
    return np.ascontiguousarray(table[:, :3]), table[:, 3] >= _VALID_FROM
