"""Is a PNG whole? GDAL's driver returns garbage for one that is cut short, and no error."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

__all__ = ["is_whole_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LAST_CHUNK = b"IEND"
_AT_ONCE_BYTES = 1 << 20


def is_whole_png(path: Path) -> bool:
    """Say whether every chunk of a PNG is there with the checksum it states (PNG, clause 5.3)."""
    with path.open("rb") as stream:
        if stream.read(len(_SIGNATURE)) != _SIGNATURE:
            return False
        while True:
            kind = _whole_chunk(stream)
            if kind is None or kind == _LAST_CHUNK:
                return kind is not None


def _whole_chunk(stream: BinaryIO) -> bytes | None:
    """Read a chunk; return its kind, or None where it is cut short or its checksum differs."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    left, kind = struct.unpack(">I4s", head)
    checksum = zlib.crc32(kind)
    while left:
        piece = stream.read(min(left, _AT_ONCE_BYTES))
        if not piece:
            return None
        checksum = zlib.crc32(piece, checksum)
        left -= len(piece)
    return kind if stream.read(4) == checksum.to_bytes(4, "big") else None
