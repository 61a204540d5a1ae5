"""Worker processes for tiles and components; without them, the same work is done here.

Workers are started afresh (spawn), so that a parent with threads or a GPU is no danger. A script that
uses them must therefore guard its main part with ``if __name__ == "__main__":``, as `multiprocessing` says.

They take about a second to start, more than a small raster takes: a caller that asks again and again, such as
the slider of a threshold, has them stand by.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from multiprocessing import get_context
from types import TracebackType
from typing import Any, TypeVar

import rasterio

from segmentation_core.errors import VectorError
from segmentation_core.raster.grid import Window
from segmentation_core.vectors.array_source import ArraySource
from segmentation_core.vectors.class_source import ClassReader, ClassSource
from segmentation_core.vectors.settings import VectorSettings
from segmentation_core.vectors.tile import TileTrace, trace_tile

__all__ = ["Crew", "stand_by", "worker_count"]

_SMALL_RASTER_PX = 8_000_000
_AHEAD_PER_WORKER = 3

_BLOCK_CACHE_BYTES = 96_000_000
"""GDAL's cache of decoded blocks, in each process; by itself GDAL takes a twentieth of the machine's memory.
Of a raster stored by whole rows it holds a row of tiles up to 75,000 px wide; rows of a wider one are decoded
again and again."""

_T = TypeVar("_T")
_numbers = itertools.count(1)
_standing: tuple[ProcessPoolExecutor, int] | None = None
"""Workers that stand by in this process, and how many."""

_opened: tuple[int, ClassReader] | None = None
"""In a worker: the raster of the crew that it works for, and that crew's number."""


def stand_by() -> None:
    """Start workers that stay, one per core, for every raster of this process; nothing on a single core."""
    global _standing
    count = _cores()
    if _standing is not None or count < 2:
        return
    pool = _new_pool(count)
    for _ in range(count):  # a pool starts a worker for each task that finds none idle
        pool.submit(_cores)
    _standing = (pool, count)


def worker_count(settings: VectorSettings, pixels: int) -> int:
    """Return how many processes to use for a raster: 1 means this one alone."""
    if settings.workers is not None:
        return settings.workers
    if _standing is not None:
        return _standing[1]
    return 1 if pixels < _SMALL_RASTER_PX else _cores()


def _cores() -> int:
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
        self._source, self._number = source, next(_numbers)
        self._pool: ProcessPoolExecutor | None = None
        self._reader: ClassReader | ArraySource | None = None
        self._ahead = workers * _AHEAD_PER_WORKER
        self._asked: list[Future[Any]] = []
        self._context = ExitStack()
        if workers > 1 and isinstance(source, ClassSource):
            self._pool = _new_pool(workers) if _standing is None else _standing[0]
        else:
            self._reader = source.open()

    def __enter__(self) -> Crew:
        if self._reader is not None:
            self._context.enter_context(rasterio.Env(GDAL_CACHEMAX=_BLOCK_CACHE_BYTES))
            self._context.callback(self._reader.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None and (_standing is None or self._pool is not _standing[0]):
            self._pool.shutdown(cancel_futures=True)
        for future in self._asked:  # standing workers are not kept busy with what nobody waits for
            future.cancel()
        self._context.close()

    def traces(self, windows: Iterable[Window]) -> Iterator[TileTrace]:
        """Trace tiles, some of them ahead of time."""
        if self._reader is not None:
            for window in windows:
                yield trace_tile(self._reader, window, self._settings)
            return
        under_way: deque[Future[TileTrace]] = deque()
        for window in windows:
            under_way.append(self._submit(_trace, self._number, self._source, window, self._settings))
            if len(under_way) > self._ahead:
                yield _result(under_way.popleft())
        while under_way:
            yield _result(under_way.popleft())

    def ask(self, call: Callable[..., _T], *arguments: object) -> Callable[[], _T]:
        """Begin with a call; its result is fetched by calling what is returned."""
        if self._pool is None:
            made = call(*arguments)
            return lambda: made
        future = self._submit(call, *arguments)
        return lambda: _result(future)

    def _submit(self, call: Callable[..., _T], *arguments: object) -> Future[_T]:
        if self._pool is None:
            raise VectorError("no worker processes")
        try:
            future = self._pool.submit(call, *arguments)
        except BrokenProcessPool as exc:
            raise _dead() from exc
        # A future holds its result: those that have one are not kept.
        self._asked = [asked for asked in self._asked if not asked.done()]
        self._asked.append(future)
        return future


def _result(future: Future[_T]) -> _T:
    try:
        return future.result()
    except BrokenProcessPool as exc:
        raise _dead() from exc


def _new_pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin)


def _dead() -> VectorError:
    global _standing
    _standing = None  # the next raster does without
    return VectorError(
        "a worker process ended unexpectedly; perhaps memory ran out",
        remedy="Use fewer workers or smaller tiles",
    )


def _begin() -> None:
    os.environ["GDAL_CACHEMAX"] = str(_BLOCK_CACHE_BYTES)
    # Ctrl-C reaches the whole process group; only the parent answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _trace(crew: int, source: ClassSource, window: Window, settings: VectorSettings) -> TileTrace:
    """Trace a tile; the raster stays open for the same crew's next one."""
    global _opened
    if _opened is None or _opened[0] != crew:
        if _opened is not None:
            _opened[1].close()
        _opened = (crew, source.open())
    return trace_tile(_opened[1], window, settings)
