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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

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

# For each corner of a pixel: where it lies (row, col), the steps to the neighbours above/below and
# left/right of it, its flags where the pixel sticks out there, and where the pixel is the inside of a bend.
_CORNERS = (
    ((0, 0), (-1, -1), LEADS_RIGHT | LEADS_DOWN | LEAVES_ALONG_ROW, 0),
    ((0, 1), (-1, 1), LEADS_DOWN, LEADS_RIGHT | LEAVES_ALONG_ROW),
    ((1, 1), (1, 1), LEAVES_ALONG_ROW, LEADS_RIGHT | LEADS_DOWN),
    ((1, 0), (1, -1), LEADS_RIGHT, LEADS_DOWN | LEAVES_ALONG_ROW),
)


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
    units : ndarray of int32, shape (M, N), or None
        Unit of each pixel, 0 outside; None where there is no piece.
    """
    inside = framed[1:-1, 1:-1]
    starts, lengths = _runs(inside)
    if not starts.size:
        return _nothing(*inside.shape), None
    pixel_count = int(lengths.sum())
    numbers, count = _labelled(inside, pixel_count, diagonal=False)
    units = _labelled(inside, pixel_count, diagonal=True)[0] if diagonal_units and count > 1 else numbers
    piece_of_run = numbers.ravel()[starts]
    first = np.empty(count + 1, np.int64)
    first[piece_of_run[::-1]] = starts[::-1]
    first = first[1:]
    row, col = np.divmod(first, inside.shape[1])
    pieces = np.zeros(count, PIECE)
    pieces["unit"] = units.ravel()[first]
    pieces["piece"] = np.arange(1, count + 1)
    pieces["area_px"] = np.bincount(piece_of_run, lengths, minlength=count + 1)[1:]
    pieces["first"] = (row + origin[0]) * raster_width + col + origin[1]
    for field, values in (("sum", weights), ("wide_px", wide)):
        if values is not None:
            told = np.flatnonzero(inside & (values != 0))
            pieces[field] = np.bincount(numbers.ravel()[told], values.ravel()[told], minlength=count + 1)[1:]
    corners = _corners(framed, numbers, origin)
    corners["unit"] = pieces["unit"][corners["piece"] - 1]
    edges = (numbers[0].copy(), numbers[-1].copy(), numbers[:, 0].copy(), numbers[:, -1].copy())
    return Regions(pieces, corners, *edges), units


def _runs(inside: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the flat index of the first pixel of each run along a row, and how long it is."""
    begins, ends = inside.copy(), inside.copy()
    begins[:, 1:] &= ~inside[:, :-1]
    ends[:, :-1] &= ~inside[:, 1:]
    starts = np.flatnonzero(begins)
    return starts, np.flatnonzero(ends) + 1 - starts


def _labelled(
    inside: NDArray[np.bool_], pixel_count: int, *, diagonal: bool
) -> tuple[NDArray[np.int32], int]:
    if pixel_count == inside.size:
        return np.ones(inside.shape, np.int32), 1
    structure = np.ones((3, 3), int) if diagonal else None
    numbers, count = label(inside, structure)
    return numbers, int(count)


def _corners(framed: NDArray[np.bool_], numbers: NDArray[np.int32], origin: tuple[int, int]) -> NDArray[Any]:
    if framed.all():
        return np.zeros(0, CORNER)
    rows, cols = numbers.shape
    found: list[NDArray[Any]] = []
    inside = framed[1:-1, 1:-1]
    for (down, right), (step_row, step_col), out_flags, bend_flags in _CORNERS:
        above = framed[1 + step_row : 1 + step_row + rows, 1:-1]
        aside = framed[1:-1, 1 + step_col : 1 + step_col + cols]
        across = framed[1 + step_row : 1 + step_row + rows, 1 + step_col : 1 + step_col + cols]
        for turns, flags in (
            (inside & ~(above | aside), out_flags),
            (inside & above & aside & ~across, bend_flags),
        ):
            at = np.flatnonzero(turns)
            row, col = np.divmod(at, cols)
            corners = np.zeros(at.size, CORNER)
            corners["piece"] = numbers.ravel()[at]
            corners["row"], corners["col"] = row + (origin[0] + down), col + (origin[1] + right)
            corners["flags"] = flags
            found.append(corners)
    return np.concatenate(found)


def _nothing(rows: int, cols: int) -> Regions:
    across, down = np.zeros(cols, np.int32), np.zeros(rows, np.int32)
    return Regions(np.zeros(0, PIECE), np.zeros(0, CORNER), across, across, down, down)
