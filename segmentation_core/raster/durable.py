"""Files that exist whole or not at all, and disks that are full."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segmentation_core.errors import CraquelureError, DiskFullError, RasterError

__all__ = ["disk_full_as_error", "flush_to_disk", "publish", "write_durably"]

_FULL = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))
_FULL_TEXTS = ("no space left", "file too large", "quota", "not enough space", "disk full")
_PARTIAL = ".partial"


@contextmanager
def disk_full_as_error(path: Path, *also: type[Exception]) -> Iterator[None]:
    """Turn the operating system's "disk full" inside the block into `DiskFullError`.

    GDAL loses the system's error number, so its message is read, and where that does not tell, a byte
    more is tried beside the file.

    Parameters
    ----------
    path : Path
        What is being written.
    *also : exception types
        Errors of GDAL that may hide it.
    """
    caught: tuple[type[Exception], ...] = (OSError, *also)
    try:
        yield
    except CraquelureError:
        raise
    except caught as exc:
        number = getattr(exc, "errno", None)
        if not isinstance(number, int):
            number = None
        if number in _FULL or _mentions_full_disk(exc) or (number is None and _cannot_grow(path)):
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


def _cannot_grow(path: Path) -> bool:
    """Say whether the file, or a new one in its place or folder, cannot take one more block."""
    if path.is_dir():
        probe = path / _PARTIAL
    else:
        probe = path if path.exists() else path.with_name(path.name + _PARTIAL)
    existed = probe.exists()
    size = probe.stat().st_size if existed else 0
    try:
        with probe.open("ab") as stream:
            stream.write(bytes(1 << 16))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as exc:
        return exc.errno in _FULL
    finally:
        if probe.exists():
            if existed:
                os.truncate(probe, size)
            else:
                probe.unlink()
    return False
