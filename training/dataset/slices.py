"""Cutting pictures into windows at their own scale; never before the split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from training.data import Tile

__all__ = ["balanced", "sliced"]


def sliced(tiles: Iterable[Tile], size_px: int = 512, stride_px: int = 384) -> tuple[Tile, ...]:
    """Cut tiles into windows.

    Parameters
    ----------
    tiles : iterable of Tile
        Pictures of one split.
    size_px, stride_px : int
        Side of a window and step between two. The last of a row lies at the border; a picture smaller
        than a window stays whole.

    Returns
    -------
    tuple of Tile
        Named ``<picture>@<row>,<col>``, in the group of their picture.
    """
    out = []
    for tile in tiles:
        height, width = tile.label.shape
        for row in _starts(height, size_px, stride_px):
            for col in _starts(width, size_px, stride_px):
                rows, cols = slice(row, row + size_px), slice(col, col + size_px)
                name = f"{tile.name}@{row},{col}"
                out.append(
                    Tile(name, tile.group, tile.image[rows, cols], tile.label[rows, cols], tile.annotated)
                )
    return tuple(out)


def _starts(length: int, size_px: int, stride_px: int) -> list[int]:
    if length <= size_px:
        return [0]
    return sorted({*range(0, length - size_px, stride_px), length - size_px})


def balanced(tiles: Sequence[Tile], rng: np.random.Generator) -> tuple[Tile, ...]:
    """Keep as many undamaged windows as damaged ones, at most; which of them, by chance."""
    damaged = [t for t in tiles if ((t.label > 0) & (t.label < 255)).any()]
    names = {t.name for t in damaged}
    undamaged = [t for t in tiles if t.name not in names]
    if not damaged:
        return tuple(undamaged)
    kept = sorted(rng.permutation(len(undamaged))[: len(damaged)])
    return (*damaged, *(undamaged[i] for i in kept))
