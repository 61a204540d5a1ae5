"""From tiles to whole components, band by band.

A unit is finished as soon as none of it lies on the last row of the band just read; then it leaves. What
stays in memory is one band's tiles and the outlines of the units still open: 17 bytes per corner, 48 per
piece; beside that 16 bytes per pixel of one raster row and 16 per open piece that ever was. Skeletons do not
stay here: see `networks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation_core.raster.grid import Window
from segmentation_core.vectors.disjoint_sets import DisjointSets
from segmentation_core.vectors.ordering import distinct
from segmentation_core.vectors.regions import CORNER, PIECE, Regions
from segmentation_core.vectors.settings import LATTICE_PX
from segmentation_core.vectors.skeleton import PIXEL

__all__ = ["Band", "Stitcher", "Tables", "batches", "parted"]


_SLIM_FIELDS = [name for name in CORNER.names or () if name != "unit"]
_SLIM_CORNER = np.dtype([(name, CORNER[name]) for name in _SLIM_FIELDS])
"""A corner of an open unit, of which it need not say which one it is."""


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


@dataclass(frozen=True)
class Band:
    """What a band has brought. Units are known by the flat index of their first pixel in the raster, so far.

    Attributes
    ----------
    finished : iterator of Tables
        Units that are complete, sorted by unit; where pieces end at the lattice, one table for each of its
        rows. ``piece`` numbers whole pieces. To be used up before the next band is added.
    pieces : ndarray of PIECE
        All of their pieces.
    pixels : ndarray of PIXEL
        The band's own skeleton pixels, of open units too.
    was, now : ndarray of int64
        The units that were open before, sorted, and how they are known from now on.
    """

    finished: Iterator[Tables]
    pieces: NDArray[Any]
    pixels: NDArray[Any]
    was: NDArray[np.int64]
    now: NDArray[np.int64]


def parted(
    regions: Regions, pixels: NDArray[Any], goes_on: tuple[bool, bool, bool, bool]
) -> tuple[Tables, Regions, NDArray[Any]]:
    """Part the units of a tile that are complete, as finished tables, from those that may go on.

    Parameters
    ----------
    regions : Regions
    pixels : ndarray of PIXEL
    goes_on : tuple of bool
        Whether another tile lies at the top, at the bottom, to the left and to the right.
    """
    pieces = regions.pieces
    edges = (regions.top, regions.bottom, regions.left, regions.right)
    units = pieces["unit"]
    count = int(units.max(initial=0)) + 1
    is_open = np.zeros(count, bool)
    for edge, there in zip(edges, goes_on, strict=True):
        if there:
            is_open[units[edge[edge > 0] - 1]] = True
    stays = is_open[units]
    firsts = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(firsts, units, pieces["first"])
    complete = Tables(*(table[~is_open[table["unit"]]] for table in (pieces, regions.corners, pixels)))
    for table in complete:
        table["unit"] = firsts[table["unit"]]
    if not stays.any():
        nothing = (np.zeros_like(edge) for edge in edges)
        return complete, Regions(pieces[:0], regions.corners[:0], *nothing), pixels[:0]
    if not stays.all():
        new_piece = np.append(0, np.where(stays, np.cumsum(stays), 0)).astype(np.int32)
        new_unit = np.where(is_open, np.cumsum(is_open), 0)
        tables = [table[is_open[table["unit"]]] for table in (pieces, regions.corners, pixels)]
        for table in tables:
            table["unit"] = new_unit[table["unit"]]
        for table in tables[:2]:
            table["piece"] = new_piece[table["piece"]]
        pieces, corners, pixels = tables
        regions = Regions(pieces, corners, *(new_piece[edge] for edge in edges))
    return complete, regions, pixels


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
        self._open: dict[int, list[tuple[int, Tables]]] = {}
        """Sets of units that go on; their tables with the row of the lattice."""
        self._firsts: dict[int, int] = {}
        """Their first pixels."""

    def add_band(self, tiles: Sequence[tuple[Window, Regions, NDArray[Any]]], *, is_last: bool) -> Band:
        """Add the tiles of a band, from left to right."""
        new, top, bottom, seams = self._numbered(tiles)
        first_row = tiles[0][0].row_off
        for col, left, right in seams:
            self._join(left, right, cut=col % LATTICE_PX == 0)
        self._join(self._bottom, top, cut=first_row % LATTICE_PX == 0)
        self._bottom = bottom
        still_open = (
            np.zeros(0, np.int64) if is_last else distinct(self._units.find(bottom.units[bottom.units > 0]))
        )
        for table in new:
            table["unit"] = self._units.find(table["unit"])
        before = sorted((first, unit) for unit, first in self._firsts.items())
        was = np.array([first for first, _ in before], np.int64)
        own = self._units.find(np.array([unit for _, unit in before], np.int64))
        units, number = np.unique(np.concatenate([new.pieces["unit"], own]), return_inverse=True)
        firsts = np.full(units.size, np.iinfo(np.int64).max)
        np.minimum.at(firsts, number, np.concatenate([new.pieces["first"], was]))
        going_on = np.isin(units, still_open)
        self._firsts = dict(zip(units[going_on].tolist(), firsts[going_on].tolist(), strict=True))
        pixels = new.pixels
        pixels["unit"] = firsts[np.searchsorted(units, pixels["unit"])]
        by_row = self._set_aside(
            replace(new, pixels=pixels[:0]), still_open, first_row // LATTICE_PX if self._on_lattice else 0
        )
        pieces = np.concatenate(
            [np.zeros(0, PIECE), *(part.pieces for parts in by_row.values() for part in parts)]
        )
        pieces["unit"] = firsts[np.searchsorted(units, pieces["unit"])]
        return Band(
            self._whole(by_row, units, firsts), pieces, pixels, was, firsts[np.searchsorted(units, own)]
        )

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

    def _set_aside(
        self, new: Tables, still_open: NDArray[np.int64], lattice_row: int
    ) -> dict[int, list[Tables]]:
        """Keep what is open, return what is finished, by the row of the lattice."""
        goes_on = [np.isin(table["unit"], still_open) for table in new]
        opened = Tables(*(table[on] for table, on in zip(new, goes_on, strict=True)))
        finished = {lattice_row: [Tables(*(table[~on] for table, on in zip(new, goes_on, strict=True)))]}
        kept: dict[int, list[tuple[int, Tables]]] = {}
        is_open = set(still_open.tolist())
        for unit, chunks in self._open.items():
            root = int(self._units.find(np.array([unit]))[0])
            if root in is_open:
                kept.setdefault(root, []).extend(chunks)
                continue
            for row, chunk in chunks:
                chunk.pieces["unit"] = root
                finished.setdefault(row, []).append(replace(chunk, corners=_of_unit(chunk.corners, root)))
        for chunk in batches(_sorted(opened), 1):
            slim = replace(chunk, corners=chunk.corners[_SLIM_FIELDS].astype(_SLIM_CORNER))
            kept.setdefault(int(chunk.pieces["unit"][0]), []).append((lattice_row, slim))
        self._open = kept
        return finished

    def _whole(
        self, by_row: dict[int, list[Tables]], units: NDArray[np.int64], firsts: NDArray[np.int64]
    ) -> Iterator[Tables]:
        """Give finished pieces the numbers of their sets, and units their first pixels; one row at a time."""
        for row in sorted(by_row):
            finished = _concatenated(by_row.pop(row))
            for table in (finished.pieces, finished.corners):
                table["piece"] = self._pieces.find(table["piece"])
                table["unit"] = firsts[np.searchsorted(units, table["unit"])]
            yield _sorted(finished)


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


def _of_unit(slim: NDArray[Any], unit: int) -> NDArray[Any]:
    corners = np.zeros(slim.size, CORNER)
    for name in _SLIM_FIELDS:
        corners[name] = slim[name]
    corners["unit"] = unit
    return corners


def batches(tables: Tables, rows: int) -> Iterator[Tables]:
    """Split tables that are sorted by unit, between units, into parts of about ``rows`` rows."""
    units = distinct(tables.pieces["unit"])
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
