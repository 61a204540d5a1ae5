"""Read, predict, blend: threads read ahead while the network runs.

Reader threads decode tiles and keep a bounded number ready; the calling thread runs the network, adds the
tiles up in a fixed order, and hands out finished blocks of probabilities. Nothing here writes. An exception
in any thread surfaces in the caller, and closing the generator stops the threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segmentation_core.inference.blending import Blender
from segmentation_core.inference.network import Launched, Predictor
from segmentation_core.raster.grid import Window
from segmentation_core.raster.tiles import TileGrid

__all__ = ["Block", "Picture", "probability_blocks"]

_NEUTRAL_GREY = 118
"""What the network sees instead of invalid pixels: about the mean of photographs."""


@dataclass(frozen=True)
class Picture:
    """Where tiles come from.

    Attributes
    ----------
    read : callable
        Window inside the raster to RGB uint8 (3, h, w) and validity (h, w); called from several threads.
    wanted : callable or None
        Window to a mask (h, w) of the pixels that a result is wanted for, or None for nothing in it.
        Without it, all valid pixels.
    """

    read: Callable[[Window], tuple[NDArray[np.uint8], NDArray[np.bool_]]]
    wanted: Callable[[Window], NDArray[np.bool_] | None] | None = None


@dataclass(frozen=True)
class Block:
    """A finished part of the raster.

    Attributes
    ----------
    row : int
        Row of tiles.
    window : Window
        Where it lies; blocks come row by row, left to right.
    probabilities : ndarray of float32, shape (K, h, w)
        Before quantisation.
    valid : ndarray of bool, shape (h, w)
        Where a result is wanted and the picture is valid.
    """

    row: int
    window: Window
    probabilities: NDArray[np.float32]
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class _Tile:
    row: int
    col: int
    picture: NDArray[np.uint8] | None
    core_valid: NDArray[np.bool_]


def probability_blocks(
    picture: Picture,
    tiles: TileGrid,
    predictor: Predictor,
    *,
    classes: int,
    first_row: int = 0,
    readers: int = 1,
    folder: Path | None = None,
) -> Generator[Block, None, None]:
    """Compute probabilities block by block, before quantisation.

    Parameters
    ----------
    picture : Picture
        The raster.
    tiles : TileGrid
        How to cut it up.
    predictor : Predictor
        The network.
    classes : int
        Bands K: classes without the background.
    first_row : int
        Row of tiles to continue from.
    readers : int
        Reader threads; the result does not depend on it.
    folder : Path or None
        Where what overlaps waits (see `Blender`).

    Yields
    ------
    Block
        The cores of all tiles from ``first_row`` on, in order.

    Notes
    -----
    Memory: `Blender`'s, plus ``3 tile_px**2`` bytes for each of ``2 batch + readers`` tiles read ahead,
    plus what the network takes for one batch.
    """
    start = tiles.first_row_reaching(first_row)
    waiting: tuple[list[_Tile], Launched | None] = ([], None)
    with (
        Blender(tiles, classes, folder) as blender,
        ThreadPoolExecutor(readers, thread_name_prefix="reader") as pool,
    ):
        try:
            for group in _groups(
                _read_ahead(pool, picture, tiles, start, predictor, readers), predictor, tiles
            ):
                launched = _launch(predictor, group)
                yield from _finish(blender, tiles, *waiting, first_row)
                waiting = (group, launched)
            yield from _finish(blender, tiles, *waiting, first_row)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _read_ahead(
    pool: ThreadPoolExecutor,
    picture: Picture,
    tiles: TileGrid,
    start: int,
    predictor: Predictor,
    readers: int,
) -> Iterator[_Tile]:
    """Yield tiles in order, keeping a bounded number of reads going."""
    reading: deque[Future[_Tile]] = deque()
    for row in range(start, tiles.rows):
        for col in range(tiles.cols):
            reading.append(pool.submit(_read_tile, picture, tiles, row, col))
            if len(reading) > 2 * predictor.batch + readers:
                yield reading.popleft().result()
    while reading:
        yield reading.popleft().result()


def _read_tile(picture: Picture, tiles: TileGrid, row: int, col: int) -> _Tile:
    window = tiles.tile(row, col)
    inside = window.clipped(tiles.height, tiles.width)
    core = tiles.core(row, col)
    wanted = None if picture.wanted is None else picture.wanted(inside)
    if picture.wanted is not None and wanted is None:
        return _Tile(row, col, None, np.zeros((core.height, core.width), dtype=np.bool_))
    rgb, valid = picture.read(inside)
    if not valid.all():
        rgb = np.where(valid, rgb, np.uint8(_NEUTRAL_GREY))
    result = valid if wanted is None else valid & wanted
    core_valid = result[: core.height, : core.width].copy()
    if not result.any():
        return _Tile(row, col, None, core_valid)
    # As the networks pad pictures themselves, so that the edge comes out as in a whole picture.
    below, beside = window.height - inside.height, window.width - inside.width
    if below or beside:
        rgb = np.pad(rgb, ((0, 0), (0, below), (0, beside)), mode="edge")
    return _Tile(row, col, rgb, core_valid)


def _groups(read: Iterator[_Tile], predictor: Predictor, tiles: TileGrid) -> Iterator[list[_Tile]]:
    """Gather tiles until a batch is full or the row ends.

    So a row has the same batches whether a run began above it or continues with it.
    """
    group: list[_Tile] = []
    live = 0
    for tile in read:
        group.append(tile)
        live += tile.picture is not None
        if live >= predictor.batch or tile.col == tiles.cols - 1:
            yield group
            group, live = [], 0


def _launch(predictor: Predictor, group: list[_Tile]) -> Launched | None:
    pictures = [tile.picture for tile in group if tile.picture is not None]
    return predictor.launch(np.stack(pictures)) if pictures else None


def _finish(
    blender: Blender, tiles: TileGrid, group: list[_Tile], launched: Launched | None, first_row: int
) -> Iterator[Block]:
    if not group:
        return
    probabilities = iter(()) if launched is None else iter(launched.wait())
    for tile in group:
        done = blender.add(tile.row, tile.col, None if tile.picture is None else next(probabilities))
        if tile.row >= first_row:
            yield Block(tile.row, tiles.core(tile.row, tile.col), done, tile.core_valid)
