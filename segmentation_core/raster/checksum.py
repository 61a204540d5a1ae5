"""Checksums of rasters: a file that cannot be read is an error that a user can act on."""

from __future__ import annotations

from pathlib import Path

from segmentation_core import checksum
from segmentation_core.errors import RasterError

__all__ = ["file_sha256"]


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits, reading it in chunks.

    Parameters
    ----------
    path : path-like
        Any file.

    Raises
    ------
    RasterError
        The file cannot be read.
    """
    try:
        return checksum.file_sha256(path)
    except OSError as exc:
        raise RasterError(
            f"the file cannot be read ({exc.strerror})",
            path=path,
            remedy="Check the path and its permissions",
        ) from exc
