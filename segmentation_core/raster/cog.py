"""Results as small pieces while they grow, and as one cloud-optimised GeoTIFF when they are whole.

A piece is a small complete GeoTIFF. `assemble` lays the pieces side by side in a virtual raster (VRT) and
lets GDAL copy that into a COG.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray

# GDAL's own errors, which rasterio.shutil lets through; they have no public name.
from rasterio._err import CPLE_BaseError
from rasterio.enums import Compression, Interleaving
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.windows import Window as RasterioWindow

from segmentation_core.errors import DiskFullError, RasterError
from segmentation_core.raster.durable import disk_full_as_error, flush_to_disk, write_durably
from segmentation_core.raster.georeference import METRES_PER_UNIT_TAG
from segmentation_core.raster.grid import Grid, Window
from segmentation_core.raster.opening import open_raster
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["Piece", "ResultBands", "assemble", "is_whole", "write_piece"]

_BLOCK_PX = 512
_ON_THE_IMAGE = Affine(1, 0, 0, 0, -1, 0)
# Any but the identity, about which rasterio warns; the virtual raster has the true one.
_OF_A_PIECE = Affine(2, 0, 0, 0, -2, 0)


@dataclass(frozen=True)
class ResultBands:
    """What a result raster holds.

    Attributes
    ----------
    descriptions : tuple of str
        One per band.
    overviews : str
        GDAL's resampling of the overviews: "AVERAGE" for quantities, "NEAREST" for labels.
    tags : tuple of (str, str)
        Metadata of the file.
    """

    descriptions: tuple[str, ...]
    overviews: str
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Piece:
    """A part of a result: its file, and the window of the raster that it fills."""

    path: Path
    window: Window


def write_piece(path: Path, values: NDArray[np.uint8]) -> None:
    """Write values (K, h, w) as a small GeoTIFF that is there whole or not at all.

    Raises
    ------
    DiskFullError
        No room.
    """
    count, height, width = values.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype="uint8",
            transform=_OF_A_PIECE,
            compress=Compression.deflate,
            zlevel=1,
            interleave=Interleaving.band,
            tiled=True,
            blockxsize=_BLOCK_PX,
            blockysize=_BLOCK_PX // 4,
        ) as dataset:
            dataset.write(values)
        write_durably(path, bytes(memory.getbuffer()))


def is_whole(piece: Piece, count: int) -> bool:
    """Say whether a piece is there, with ``count`` bands of the right size."""
    if not piece.path.exists():
        return False
    try:
        with open_raster(piece.path) as dataset:
            shape = (dataset.count, dataset.height, dataset.width)
    except RasterError:
        return False
    return bool(shape == (count, piece.window.height, piece.window.width))


def assemble(pieces: Sequence[Piece], grid: Grid, bands: ResultBands, path: Path) -> None:
    """Write pieces as one COG.

    Parameters
    ----------
    pieces : sequence of Piece
        They cover the grid and lie in the folder of ``path`` or below it.
    grid : Grid
        Size and georeference. An image without georeference gets none, only the tag that states its unit.
    bands : ResultBands
        What they hold.
    path : Path
        The COG; a virtual raster of the same stem is left beside it.

    Raises
    ------
    DiskFullError
        No room.
    RasterError
        The file cannot be written for another reason.
    """
    virtual = path.with_suffix(".vrt")
    write_durably(virtual, _virtual_raster(pieces, grid, bands, path.parent))
    try:
        # The file with its overviews, and GDAL's temporary copy of these.
        needed = 2 * sum(piece.path.stat().st_size for piece in pieces)
        with disk_full_as_error(path, CPLE_BaseError, needed_bytes=needed):
            rasterio.shutil.copy(
                virtual,
                path,
                driver="COG",
                COMPRESS="DEFLATE",
                LEVEL=6,
                PREDICTOR="NO",
                BLOCKSIZE=_BLOCK_PX,
                OVERVIEW_RESAMPLING=bands.overviews,
                NUM_THREADS="ALL_CPUS",
                BIGTIFF="IF_SAFER",
            )
            _check_whole(path, grid)
    except DiskFullError:
        raise
    except (OSError, CPLE_BaseError) as exc:
        raise RasterError(
            f"the result cannot be written ({exc})",
            path=path,
            remedy="Check the folder's permissions and the disk",
        ) from exc
    flush_to_disk(path)


def _check_whole(path: Path, grid: Grid) -> None:
    """Read every block once: GDAL loses write errors when the disk is full."""
    try:
        with open_raster(path) as dataset:
            for row in range(0, grid.height, _BLOCK_PX):
                for col in range(0, grid.width, 16 * _BLOCK_PX):
                    height, width = min(_BLOCK_PX, grid.height - row), min(16 * _BLOCK_PX, grid.width - col)
                    dataset.read(window=RasterioWindow(col, row, width, height))
    except (RasterError, RasterioError) as exc:
        raise OSError("the file is not whole") from exc


def _virtual_raster(pieces: Sequence[Piece], grid: Grid, bands: ResultBands, folder: Path) -> bytes:
    root = ElementTree.Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    if grid.crs_wkt is not None:
        _child(root, "SRS", grid.crs_wkt)
    if grid.crs_wkt is not None or grid.affine != _ON_THE_IMAGE:
        _child(root, "GeoTransform", ", ".join(repr(float(v)) for v in grid.affine.to_gdal()))
    metadata = _child(root, "Metadata")
    for key, value in (*bands.tags, (METRES_PER_UNIT_TAG, repr(grid.metres_per_unit))):
        _child(metadata, "MDI", value, key=key)
    for number, description in enumerate(bands.descriptions, start=1):
        band = _child(root, "VRTRasterBand", dataType="Byte", band=str(number))
        _child(band, "Description", description)
        _child(band, "NoDataValue", str(load_vocabulary().nodata_value))
        for piece in pieces:
            source = _child(band, "SimpleSource")
            _child(source, "SourceFilename", piece.path.relative_to(folder).as_posix(), relativeToVRT="1")
            _child(source, "SourceBand", str(number))
            size = {"xSize": str(piece.window.width), "ySize": str(piece.window.height)}
            offset = {"xOff": str(piece.window.col_off), "yOff": str(piece.window.row_off)}
            _child(source, "SrcRect", xOff="0", yOff="0", **size)
            _child(source, "DstRect", **offset, **size)
    return bytes(ElementTree.tostring(root, encoding="utf-8"))


def _child(
    parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str
) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text
    return element
