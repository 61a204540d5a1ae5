"""Turns finished blocks of probabilities into files, in a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from segmentation_core.inference.pipeline import Block
from segmentation_core.inference.unfinished import WorkFolder
from segmentation_core.raster.cog import Piece, write_piece
from segmentation_core.raster.probability import class_values, quantised

__all__ = ["CLASSES", "PROBABILITY", "PieceWriter"]

PROBABILITY = "probability"
CLASSES = "classes"

_WAITING = 1


class PieceWriter:
    """Gathers blocks into pieces and writes them while the network goes on.

    Parameters
    ----------
    work : WorkFolder
        Where the pieces go.
    thresholds : mapping
        Class code to threshold in 0..1.

    Notes
    -----
    Memory: two pieces of probabilities and one of classes, at most ``(2 K + 1) * 16 tile_px**2`` bytes,
    whatever the raster's size. An error in the thread surfaces in `add` or `close`.
    """

    def __init__(self, work: WorkFolder, thresholds: Mapping[str, float]) -> None:
        self._work = work
        self._thresholds = thresholds
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._writing: deque[Future[None]] = deque()
        self._todo: deque[tuple[Piece, Piece]] = deque()
        self._values: NDArray[np.uint8] | None = None

    def add(self, block: Block) -> None:
        """Take the next block; the piece that it completes is written.

        Raises
        ------
        DiskFullError
            No room; what was written before is kept.
        """
        if not self._todo:
            self._todo.extend(
                zip(
                    self._work.pieces(PROBABILITY, block.row),
                    self._work.pieces(CLASSES, block.row),
                    strict=True,
                )
            )
        probability, classes = self._todo[0]
        window = probability.window
        if self._values is None:
            self._values = np.empty((len(block.probabilities), window.height, window.width), dtype=np.uint8)
        columns = slice(block.window.col_off - window.col_off, block.window.col_end - window.col_off)
        self._values[:, :, columns] = quantised(block.probabilities, block.valid)
        if block.window.col_end == window.col_end:
            self._wait(_WAITING)
            self._writing.append(self._pool.submit(self._write, probability, classes, self._values))
            self._todo.popleft()
            self._values = None

    def close(self) -> None:
        """Wait until all complete pieces are on disk."""
        try:
            self._wait(0)
        finally:
            self._pool.shutdown(wait=True)

    def __enter__(self) -> PieceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:  # what is complete is kept; the error that stopped the run is the one to tell
            self._pool.shutdown(wait=True)

    def _wait(self, allowed: int) -> None:
        while len(self._writing) > allowed:
            self._writing.popleft().result()

    def _write(self, probability: Piece, classes: Piece, values: NDArray[np.uint8]) -> None:
        write_piece(classes.path, class_values(values, self._thresholds)[np.newaxis])
        write_piece(probability.path, values)
