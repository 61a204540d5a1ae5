"""Worker processes for tiles and components; without them, the same work is done here.

Workers are started afresh (spawn), so that a parent with threads or a GPU is no danger. A script that
uses them must therefore guard its main part with ``if __name__ == "__main__":``, as `multiprocessing` says.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType
from typing import TypeVar

from segmentation_core.errors import VectorError
from segmentation_core.raster.grid import Window
from segmentation_core.vectors.array_source import ArraySource
from segmentation_core.vectors.class_source import ClassReader, ClassSource
from segmentation_core.vectors.features import Features, Place
from segmentation_core.vectors.settings import VectorSettings
from segmentation_core.vectors.stitching import Tables
from segmentation_core.vectors.tile import TileTrace, trace_tile

__all__ = ["Crew", "worker_count"]

_SMALL_RASTER_PX = 8_000_000
_AHEAD_PER_WORKER = 3

_T = TypeVar("_T")
_reader: ClassReader | None = None


def worker_count(settings: VectorSettings, pixels: int) -> int:
    """Return how many processes to use for a raster: 1 means this one alone."""
    if settings.workers is not None:
        return settings.workers
    if pixels < _SMALL_RASTER_PX:
        return 1
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available is not None else os.cpu_count() or 1


class Crew:
    """Does the heavy work, in order; a context manager.

    Parameters
    ----------
    source : ClassSource or ArraySource
        An array is not sent to other processes.
    settings : VectorSettings
    workers : int
        1 starts no process.
    """

    def __init__(self, source: ClassSource | ArraySource, settings: VectorSettings, workers: int) -> None:
        self.source = source
        self._settings = settings
        self._pool: ProcessPoolExecutor | None = None
        self._reader: ClassReader | ArraySource | None = None
        self._ahead = workers * _AHEAD_PER_WORKER
        if workers > 1 and isinstance(source, ClassSource):
            self._pool = ProcessPoolExecutor(
                workers, mp_context=get_context("spawn"), initializer=_open, initargs=(source,)
            )
        else:
            self._reader = source.open()

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._reader is not None:
            self._reader.close()

    def traces(self, windows: Iterable[Window]) -> Iterator[TileTrace]:
        """Trace tiles, some of them ahead of time."""
        if self._reader is not None:
            for window in windows:
                yield trace_tile(self._reader, window, self._settings)
            return
        under_way: deque[Future[TileTrace]] = deque()
        for window in windows:
            under_way.append(self._submit(_trace, window, self._settings))
            if len(under_way) > self._ahead:
                yield _result(under_way.popleft())
        while under_way:
            yield _result(under_way.popleft())

    def features(
        self, make: Callable[[Tables, Place], Features], tables: Tables, place: Place
    ) -> Callable[[], Features]:
        """Begin to make features; the result is fetched by calling what is returned."""
        if self._pool is None:
            made = make(tables, place)
            return lambda: made
        future = self._submit(make, tables, place)
        return lambda: _result(future)

    def _submit(self, call: Callable[..., _T], *arguments: object) -> Future[_T]:
        if self._pool is None:
            raise VectorError("no worker processes")
        try:
            return self._pool.submit(call, *arguments)
        except BrokenProcessPool as exc:
            raise _dead() from exc


def _result(future: Future[_T]) -> _T:
    try:
        return future.result()
    except BrokenProcessPool as exc:
        raise _dead() from exc


def _dead() -> VectorError:
    return VectorError(
        "a worker process ended unexpectedly; perhaps memory ran out",
        remedy="Use fewer workers or smaller tiles",
    )


def _open(source: ClassSource) -> None:
    global _reader
    # Ctrl-C reaches the whole process group; only the parent answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _reader = source.open()


def _trace(window: Window, settings: VectorSettings) -> TileTrace:
    if _reader is None:
        raise VectorError("the worker has no raster open")
    return trace_tile(_reader, window, settings)
