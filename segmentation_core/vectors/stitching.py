"""From tiles to whole components, band by band.

A unit is finished as soon as none of it lies on the last row of the band just read; then it leaves. What
stays in memory is one band's tiles and the units still open: 25 bytes per corner of their outlines, 57 per
skeleton pixel, 48 per piece; beside that 16 bytes per pixel of one raster row and 16 per piece that ever was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation_core.raster.grid import Window
from segmentation_core.vectors.disjoint_sets import DisjointSets
from segmentation_core.vectors.regions import CORNER, PIECE, Regions
from segmentation_core.vectors.settings import LATTICE_PX
from segmentation_core.vectors.tile import PIXEL

__all__ = ["Stitcher", "Tables", "batches"]


@dataclass(frozen=True)
class Tables:
    """Rows of the sparse tables.

    Attributes
    ----------
    pieces : ndarray of PIECE
    corners : ndarray of CORNER
    pixels : ndarray of PIXEL
        Empty for anything but cracks.
    """

    pieces: NDArray[Any]
    corners: NDArray[Any]
    pixels: NDArray[Any]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter((self.pieces, self.corners, self.pixels))


class Stitcher:
    """Joins the tiles of one kind of region.

    Parameters
    ----------
    raster_width : int
        Pixels.
    diagonal_units : bool
        Whether units are 8-connected.
    on_lattice : bool
        Whether pieces (not units) end at the lines of the lattice.
    """

    def __init__(self, raster_width: int, *, diagonal_units: bool, on_lattice: bool) -> None:
        self._diagonal, self._on_lattice = diagonal_units, on_lattice
        self._pieces, self._units = DisjointSets(), DisjointSets()
        self._bottom = _Row(raster_width)
        self._open: dict[int, list[Tables]] = {}

    def add_band(self, tiles: Sequence[tuple[Window, Regions, NDArray[Any]]], *, is_last: bool) -> Tables:
        """Add the tiles of a band, from left to right, and return the units that are finished.

        In the result ``piece`` numbers whole pieces, ``unit`` is the flat index of the unit's first pixel
        in the raster, and rows are sorted by it.
        """
        new, top, bottom, seams = self._numbered(tiles)
        for col, left, right in seams:
            self._join(left, right, cut=col % LATTICE_PX == 0)
        self._join(self._bottom, top, cut=tiles[0][0].row_off % LATTICE_PX == 0)
        self._bottom = bottom
        still_open = (
            np.zeros(0, np.int64) if is_last else np.unique(self._units.find(bottom.units[bottom.units > 0]))
        )
        finished = self._set_aside(new, still_open)
        return self._whole(finished)

    def _numbered(
        self, tiles: Sequence[tuple[Window, Regions, NDArray[Any]]]
    ) -> tuple[Tables, _Row, _Row, list[tuple[int, _Row, _Row]]]:
        width = self._bottom.pieces.size
        top, bottom = _Row(width), _Row(width)
        seams: list[tuple[int, _Row, _Row]] = []
        tables: list[Tables] = []
        previous: _Row | None = None
        for window, regions, pixels in tiles:
            units = np.concatenate([[0], regions.pieces["unit"]])
            unit_offset = self._units.add(int(units.max()))
            piece_offset = self._pieces.add(regions.pieces.size)
            shift = (units, piece_offset, unit_offset)
            across = slice(window.col_off, window.col_end)
            top.put(across, regions.top, *shift)
            bottom.put(across, regions.bottom, *shift)
            left, right = _Row(window.height), _Row(window.height)
            left.put(slice(None), regions.left, *shift)
            right.put(slice(None), regions.right, *shift)
            if previous is not None:
                seams.append((window.col_off, previous, left))
            previous = right
            for table in (regions.pieces, regions.corners):
                table["piece"] += piece_offset
            for table in (regions.pieces, regions.corners, pixels):
                table["unit"] += unit_offset
            tables.append(Tables(regions.pieces, regions.corners, pixels))
        return _concatenated(tables), top, bottom, seams

    def _join(self, these: _Row, those: _Row, *, cut: bool) -> None:
        if not (cut and self._on_lattice):
            self._pieces.join(these.pieces, those.pieces)
        self._units.join(these.units, those.units)
        if self._diagonal:
            self._units.join(these.units[1:], those.units[:-1])
            self._units.join(these.units[:-1], those.units[1:])

    def _set_aside(self, new: Tables, still_open: NDArray[np.int64]) -> Tables:
        """Keep what is open, return what is finished; units carry their set's number from here on."""
        for table in new:
            table["unit"] = self._units.find(table["unit"])
        opened = Tables(*(table[np.isin(table["unit"], still_open)] for table in new))
        finished = [Tables(*(table[~np.isin(table["unit"], still_open)] for table in new))]
        kept: dict[int, list[Tables]] = {}
        for unit, chunks in self._open.items():
            root = int(self._units.find(np.array([unit]))[0])
            for chunk in chunks:
                for table in chunk:
                    table["unit"] = root
            if np.isin(root, still_open):
                kept.setdefault(root, []).extend(chunks)
            else:
                finished.extend(chunks)
        for chunk in batches(_sorted(opened), 1):
            kept.setdefault(int(chunk.pieces["unit"][0]), []).append(chunk)
        self._open = kept
        return _concatenated(finished)

    def _whole(self, finished: Tables) -> Tables:
        """Give finished pieces and units the numbers of their sets."""
        for table in (finished.pieces, finished.corners):
            table["piece"] = self._pieces.find(table["piece"])
        order = np.argsort(finished.pieces["unit"], kind="stable")
        units, starts = np.unique(finished.pieces["unit"][order], return_index=True)
        firsts = np.minimum.reduceat(finished.pieces["first"][order], starts) if units.size else units
        for table in finished:
            table["unit"] = firsts[np.searchsorted(units, table["unit"])]
        return _sorted(finished)


class _Row:
    """Pieces and units of a row or column of pixels, 0 where there is none."""

    def __init__(self, length: int) -> None:
        self.pieces = np.zeros(length, np.int64)
        self.units = np.zeros(length, np.int64)

    def put(
        self,
        where: slice,
        edge: NDArray[np.int32],
        unit_of_piece: NDArray[np.int64],
        piece_offset: int,
        unit_offset: int,
    ) -> None:
        """Write a tile's edge with the numbers that hold for the raster."""
        there = edge > 0
        self.pieces[where] = np.where(there, edge + piece_offset, 0)
        self.units[where] = np.where(there, unit_of_piece[edge] + unit_offset, 0)


def batches(tables: Tables, rows: int) -> Iterator[Tables]:
    """Split tables that are sorted by unit, between units, into parts of about ``rows`` rows."""
    units = np.unique(tables.pieces["unit"])
    ends = [np.searchsorted(table["unit"], units, side="right") for table in tables]
    load = ends[0] + ends[1] + ends[2]
    start = 0
    while start < units.size:
        done = load[start - 1] if start else 0
        stop = max(int(np.searchsorted(load, done + rows)), start) + 1
        stop = min(stop, units.size)
        yield Tables(
            *(
                table[(end[start - 1] if start else 0) : end[stop - 1]]
                for table, end in zip(tables, ends, strict=True)
            )
        )
        start = stop


def _sorted(tables: Tables) -> Tables:
    return Tables(*(_by_unit(table) for table in tables))


def _by_unit(table: NDArray[Any]) -> NDArray[Any]:
    units = np.ascontiguousarray(table["unit"])
    if (units[1:] >= units[:-1]).all():
        return table
    return table[np.argsort(units, kind="stable")]


def _concatenated(tables: Sequence[Tables]) -> Tables:
    columns = zip(*tables, strict=True) if tables else ((), (), ())
    kinds = (PIECE, CORNER, PIXEL)
    return Tables(
        *(np.concatenate([np.zeros(0, kind), *column]) for kind, column in zip(kinds, columns, strict=True))
    )
