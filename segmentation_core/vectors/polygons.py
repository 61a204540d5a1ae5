"""From the corners of outlines to polygons, exact in pixels.

Regions are 4-connected, so every polygon is valid. Where two pixels of one piece meet only at their
corners, their outline is taken apart there into rings that touch in that point; where they belong to two
pieces, it is not. Rings start at their first corner in row-major order, and hold corners only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from segmentation_core.vectors.ordering import cycles, lexical_order
from segmentation_core.vectors.regions import LEADS_DOWN, LEADS_RIGHT, LEAVES_ALONG_ROW

__all__ = ["Rings", "closed_rings", "multipolygons", "polygons"]


@dataclass(frozen=True)
class Rings:
    """Closed rings, grouped by piece; the first ring of each piece is its outer one.

    Attributes
    ----------
    rows, cols : ndarray of int64
        Vertices in pixels; each ring ends where it began.
    ring_starts : ndarray of int64, shape (R + 1,)
        Where each ring begins, and the end.
    piece_starts : ndarray of int64, shape (P + 1,)
        The first ring of each piece, and the end.
    pieces : ndarray of int64, shape (P,)
        Sorted.
    """

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    ring_starts: NDArray[np.int64]
    piece_starts: NDArray[np.int64]
    pieces: NDArray[np.int64]


def closed_rings(corners: NDArray[Any]) -> Rings:
    """Connect the corners of whole pieces.

    Parameters
    ----------
    corners : ndarray of CORNER
        All corners of each piece, in any order.
    """
    piece = corners["piece"].astype(np.int64)
    row, col = corners["row"].astype(np.int64), corners["col"].astype(np.int64)
    flags = corners["flags"]
    order = lexical_order(piece, row, col, flags & LEADS_RIGHT)
    piece, row, col, flags = piece[order], row[order], col[order], flags[order]
    begins = np.append(True, piece[1:] != piece[:-1])[: piece.size]
    pieces, piece = piece[begins], np.cumsum(begins) - 1
    down = _untouched(piece, row, col, (flags & LEADS_DOWN).astype(bool))
    following = _following(piece, row, col, down, (flags & LEAVES_ALONG_ROW).astype(bool))
    walk, starts = cycles(following)
    ends = np.append(starts[1:], walk.size)
    closed = np.insert(walk, ends, walk[starts])
    ring_starts = np.append(starts, walk.size) + np.arange(starts.size + 1)
    piece_of_ring = piece[walk[starts]]
    piece_starts = np.searchsorted(piece_of_ring, np.arange(pieces.size + 1))
    return Rings(row[closed], col[closed], ring_starts, piece_starts, pieces)


def _untouched(
    piece: NDArray[np.int64], row: NDArray[np.int64], col: NDArray[np.int64], down: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Let the two corners of a piece at one point turn the other way, so that no ring touches itself."""
    same = (piece[1:] == piece[:-1]) & (row[1:] == row[:-1]) & (col[1:] == col[:-1])
    first = np.flatnonzero(same)
    turned: NDArray[np.bool_] = down.copy()
    turned[first], turned[first + 1] = down[first + 1], down[first]
    return turned


def _following(
    piece: NDArray[np.int64],
    row: NDArray[np.int64],
    col: NDArray[np.int64],
    down: NDArray[np.bool_],
    along_row: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return the next corner of the outline; corners are sorted by piece, row, column, left before right."""
    here = np.arange(piece.size)
    by_col = lexical_order(piece, col, row, down.astype(np.int64))
    vertical = np.empty_like(here)
    vertical[by_col] = by_col[here ^ 1]
    following: NDArray[np.int64] = np.where(along_row, here ^ 1, vertical)
    return following


def polygons(rings: Rings, affine: Affine) -> NDArray[Any]:
    """Return one polygon per piece, in the raster's own coordinates.

    Parameters
    ----------
    rings : Rings
    affine : Affine
        (col, row) to (x, y).

    Returns
    -------
    ndarray of shapely Polygon, shape (P,)
    """
    offsets = (rings.ring_starts, rings.piece_starts)
    made: NDArray[Any] = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, _coordinates(rings, affine), offsets
    )
    return made


def multipolygons(rings: Rings, group_starts: NDArray[np.int64], affine: Affine) -> NDArray[Any]:
    """Return one multipolygon per group of consecutive pieces.

    Parameters
    ----------
    rings : Rings
    group_starts : ndarray of int64, shape (G + 1,)
        The first piece of each group, and the end.
    affine : Affine

    Returns
    -------
    ndarray of shapely MultiPolygon, shape (G,)
    """
    offsets = (rings.ring_starts, rings.piece_starts, group_starts)
    made: NDArray[Any] = shapely.from_ragged_array(
        shapely.GeometryType.MULTIPOLYGON, _coordinates(rings, affine), offsets
    )
    return made


def _coordinates(rings: Rings, affine: Affine) -> NDArray[np.float64]:
    x = affine.a * rings.cols + affine.b * rings.rows + affine.c
    y = affine.d * rings.cols + affine.e * rings.rows + affine.f
    return np.column_stack([x, y])
