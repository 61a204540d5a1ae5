"""The regions of one class in one tile: 4-connected pieces, the corners of their outlines, their seams.

A *piece* is a 4-connected patch of pixels in one tile; a *unit* is what is finished at once, an
8-connected patch (4-connected for the valid pixels). Outlines are kept as *corners*: the places where they
turn. Every straight stretch of an outline ends in two corners, so sorting the corners of a region by row
and by column pairs them up again, whatever tiles they came from, in exact integers.

A corner is one integer of three flags: its horizontal edge leads right (else left), its vertical edge
leads down (else up), the outline leaves along the horizontal one (else the vertical). An outline has its
region on the right hand, seen on the screen: outer rings run clockwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["CORNER", "LEADS_DOWN", "LEADS_RIGHT", "LEAVES_ALONG_ROW", "PIECE", "Regions", "trace_regions"]

PIECE = np.dtype(
    [
        ("unit", np.int64),
        ("piece", np.int64),
        ("area_px", np.int64),
        ("sum", np.int64),  # of quantised probabilities
        ("first", np.int64),  # flat index in the raster of the first pixel
        ("wide_px", np.int64),  # pixels too wide for a centreline
    ]
)
CORNER = np.dtype(
    [("unit", np.int64), ("piece", np.int64), ("row", np.int32), ("col", np.int32), ("flags", np.uint8)]
)

LEADS_RIGHT, LEADS_DOWN, LEAVES_ALONG_ROW = 1, 2, 4

# The pixels around a point of the grid, as bits of a code: the step (row, col) from the point's indices to
# the pixel's in the tile, and the flags of the pixel's corner there: where it sticks out, and where it is
# the inside of a bend.
_AROUND = (
    ((-1, -1), LEAVES_ALONG_ROW, LEADS_RIGHT | LEADS_DOWN),
    ((-1, 0), LEADS_RIGHT, LEADS_DOWN | LEAVES_ALONG_ROW),
    ((0, -1), LEADS_DOWN, LEADS_RIGHT | LEAVES_ALONG_ROW),
    ((0, 0), LEADS_RIGHT | LEADS_DOWN | LEAVES_ALONG_ROW, 0),
)
_FALLING, _RISING = 0b1001, 0b0110
"""Codes of points where two pixels meet only at their corners."""


@dataclass(frozen=True)
class Regions:
    """Pieces of one class in a tile; pieces and units are numbered from 1 in row-major order.

    Attributes
    ----------
    pieces : ndarray of PIECE
        In the order of their numbers.
    corners : ndarray of CORNER
    top, bottom, left, right : ndarray of int32
        Piece of each pixel along the edges; 0 where there is none.
    """

    pieces: NDArray[Any]
    corners: NDArray[Any]
    top: NDArray[np.int32]
    bottom: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]


def trace_regions(
    framed: NDArray[np.bool_],
    origin: tuple[int, int],
    raster_width: int,
    *,
    diagonal_units: bool,
    weights: NDArray[np.uint8] | None = None,
    wide: NDArray[np.bool_] | None = None,
) -> tuple[Regions, NDArray[np.int32] | None]:
    """Trace the pieces of a tile.

    Parameters
    ----------
    framed : ndarray of bool, shape (M + 2, N + 2)
        The class in the tile and one pixel around it. A frame of False cuts outlines off at the tile's edge.
    origin : (int, int)
        Row and column of the tile's first pixel in the raster.
    raster_width : int
        Pixels.
    diagonal_units : bool
        Whether units are 8-connected.
    weights : ndarray of uint8, shape (M, N), or None
        Quantised probabilities.
    wide : ndarray of bool, shape (M, N), or None

    Returns
    -------
    regions : Regions
    numbers : ndarray of int32, shape (M, N), or None
        Piece of each pixel, 0 outside; None where there is no piece.
    """
    inside = framed[1:-1, 1:-1]
    starts, lengths = _runs(inside)
    if not starts.size:
        return _nothing(*inside.shape), None
    numbers, count = _labelled(inside, int(lengths.sum()))
    points = _points(framed)
    piece_of_run = numbers.ravel()[starts]
    first = np.empty(count + 1, np.int64)
    first[piece_of_run[::-1]] = starts[::-1]
    first = first[1:]
    row, col = np.divmod(first, inside.shape[1])
    pieces = np.zeros(count, PIECE)
    pieces["unit"] = _units(points, numbers, count) if diagonal_units else np.arange(1, count + 1)
    pieces["piece"] = np.arange(1, count + 1)
    pieces["area_px"] = np.bincount(piece_of_run, lengths, minlength=count + 1)[1:]
    pieces["first"] = (row + origin[0]) * raster_width + col + origin[1]
    for field, values in (("sum", weights), ("wide_px", wide)):
        if values is not None:
            told = np.flatnonzero(inside & (values != 0))
            pieces[field] = np.bincount(numbers.ravel()[told], values.ravel()[told], minlength=count + 1)[1:]
    corners = _corners(points, numbers, origin)
    corners["unit"] = pieces["unit"][corners["piece"] - 1]
    edges = (numbers[0].copy(), numbers[-1].copy(), numbers[:, 0].copy(), numbers[:, -1].copy())
    return Regions(pieces, corners, *edges), numbers


def _runs(inside: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the flat index of the first pixel of each run along a row, and how long it is."""
    begins, ends = inside.copy(), inside.copy()
    begins[:, 1:] &= ~inside[:, :-1]
    ends[:, :-1] &= ~inside[:, 1:]
    starts = np.flatnonzero(begins)
    return starts, np.flatnonzero(ends) + 1 - starts


def _labelled(inside: NDArray[np.bool_], pixel_count: int) -> tuple[NDArray[np.int32], int]:
    if pixel_count == inside.size:
        return np.ones(inside.shape, np.int32), 1
    numbers, count = label(inside)
    return numbers, int(count)


@dataclass(frozen=True)
class _Points:
    """The points of the grid where outlines turn, and the code of the pixels around each."""

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    codes: NDArray[np.uint8]


def _points(framed: NDArray[np.bool_]) -> _Points:
    across, down = framed[:, 1:] ^ framed[:, :-1], framed[1:] ^ framed[:-1]
    turns = (across[1:] | across[:-1]) & (down[:, 1:] | down[:, :-1])
    at = np.flatnonzero(turns)
    rows, cols = np.divmod(at, turns.shape[1])
    flags, place = framed.view(np.uint8).ravel(), rows * framed.shape[1] + cols
    codes = np.zeros(at.size, np.uint8)
    for bit, step in enumerate((0, 1, framed.shape[1], framed.shape[1] + 1)):
        codes |= flags[place + step] << np.uint8(bit)
    return _Points(rows, cols, codes)


@cache
def _corner_flags() -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Return, by pixel around a point and the point's code, whether the pixel has a corner there; flags."""
    has, flags = np.zeros((4, 16), bool), np.zeros((4, 16), np.uint8)
    for pixel, (_, out_flags, bend_flags) in enumerate(_AROUND):
        for code in range(16):
            there = [bool(code >> k & 1) for k in (pixel, pixel ^ 1, pixel ^ 2, pixel ^ 3)]
            sticks_out, bends = there[:3] == [True, False, False], there == [True, True, True, False]
            has[pixel, code] = sticks_out or bends
            flags[pixel, code] = out_flags if sticks_out else bend_flags
    return has, flags


def _numbers_at(
    points: _Points, numbers: NDArray[np.int32], chosen: NDArray[np.intp], pixel: int
) -> NDArray[np.int32]:
    """Return the piece of one of the pixels around each chosen point; 0 outside of the tile."""
    (down, right), _, _ = _AROUND[pixel]
    row, col = points.rows[chosen] + down, points.cols[chosen] + right
    within = (row >= 0) & (row < numbers.shape[0]) & (col >= 0) & (col < numbers.shape[1])
    found = np.zeros(chosen.size, np.int32)
    found[within] = numbers[row[within], col[within]]
    return found


def _units(points: _Points, numbers: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the unit of each piece: those that meet at corners are one."""
    pairs = [
        np.column_stack([_numbers_at(points, numbers, chosen, pixel) for pixel in meeting])
        for chosen, meeting in (
            (np.flatnonzero(points.codes == _FALLING), (0, 3)),
            (np.flatnonzero(points.codes == _RISING), (1, 2)),
        )
    ]
    linked = np.concatenate(pairs)
    linked = linked[linked.all(axis=1)] - 1
    matrix = coo_array((np.ones(len(linked), np.int8), (linked[:, 0], linked[:, 1])), shape=(count, count))
    units: NDArray[np.int64] = connected_components(matrix, directed=False)[1].astype(np.int64) + 1
    return units


def _corners(points: _Points, numbers: NDArray[np.int32], origin: tuple[int, int]) -> NDArray[Any]:
    has, flags = _corner_flags()
    found: list[NDArray[Any]] = [np.zeros(0, CORNER)]
    for pixel in range(4):
        at = np.flatnonzero(has[pixel][points.codes])
        piece = _numbers_at(points, numbers, at, pixel)
        at, piece = at[piece > 0], piece[piece > 0]
        corners = np.zeros(at.size, CORNER)
        corners["piece"] = piece
        corners["row"], corners["col"] = points.rows[at] + origin[0], points.cols[at] + origin[1]
        corners["flags"] = flags[pixel][points.codes[at]]
        found.append(corners)
    return np.concatenate(found)


def _nothing(rows: int, cols: int) -> Regions:
    across, down = np.zeros(cols, np.int32), np.zeros(rows, np.int32)
    return Regions(np.zeros(0, PIECE), np.zeros(0, CORNER), across, across, down, down)
