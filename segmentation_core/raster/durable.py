"""Files that exist whole or not at all, and disks that are full."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segmentation_core.errors import CraquelureError, DiskFullError, RasterError

__all__ = ["disk_full_as_error", "flush_to_disk", "has_no_room", "publish", "write_durably"]

_FULL = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))
_FULL_TEXTS = ("no space left", "file too large", "quota", "not enough space", "disk full")
_PARTIAL = ".partial"
_ONE_BLOCK_BYTES = 1 << 16


@contextmanager
def disk_full_as_error(
    path: Path, *also: type[Exception], needed_bytes: int = _ONE_BLOCK_BYTES
) -> Iterator[None]:
    """Turn the operating system's "disk full" inside the block into `DiskFullError`.

    GDAL loses the system's error number, so its message is read, and where that does not tell, a file of
    the needed size is tried.

    Parameters
    ----------
    path : Path
        What is being written.
    *also : exception types
        Errors of GDAL that may hide it.
    needed_bytes : int
        At most what the file takes; where there is less room after an error, the disk was full.
    """
    caught: tuple[type[Exception], ...] = (OSError, *also)
    try:
        yield
    except CraquelureError:
        raise
    except caught as exc:
        # GDAL's errors have a number of their own.
        number = exc.errno if isinstance(exc, OSError) else None
        full = number in _FULL or _mentions_full_disk(exc)
        if full or (number is None and has_no_room(path, needed_bytes)):
            raise DiskFullError(
                "the disk or the quota is full; what is finished is kept",
                path=path,
                remedy="Make room and run the same command again: it continues",
            ) from exc
        raise


def write_durably(path: Path, data: bytes) -> None:
    """Write a file so that after a crash or power cut it is there whole, or as it was before.

    Raises
    ------
    DiskFullError
        No room.
    RasterError
        The folder cannot be written to.
    """
    partial = path.with_name(path.name + _PARTIAL)
    try:
        with disk_full_as_error(path):
            with partial.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            publish(partial, path)
    except DiskFullError:
        raise
    except OSError as exc:
        raise RasterError(
            f"the file cannot be written ({exc.strerror})", path=path, remedy="Check the folder's permissions"
        ) from exc


def flush_to_disk(path: Path) -> None:
    """Make the operating system write a file out."""
    with disk_full_as_error(path), path.open("rb+") as stream:
        os.fsync(stream.fileno())


def publish(partial: Path, path: Path) -> None:
    """Give a finished file its name, replacing an older one in one step."""
    os.replace(partial, path)
    if os.name == "posix":  # the new name itself must survive a power cut
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _mentions_full_disk(error: BaseException) -> bool:
    chain: BaseException | None = error
    while chain is not None:
        if any(text in str(chain).lower() for text in _FULL_TEXTS):
            return True
        chain = chain.__cause__ or chain.__context__
    return False


def has_no_room(path: Path, needed_bytes: int) -> bool:
    """Say whether a file of this size cannot be made where ``path`` lies."""
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        return False
    if not hasattr(os, "posix_fallocate"):
        return shutil.disk_usage(folder).free < needed_bytes
    try:  # finds quotas and limits on file sizes too
        with tempfile.TemporaryFile(dir=folder) as probe:
            os.posix_fallocate(probe.fileno(), 0, needed_bytes)
    except OSError as exc:
        return exc.errno in _FULL
    return False
