"""Names of files and folders made from what a user typed."""

from __future__ import annotations

import hashlib
import re

__all__ = ["safe_name"]

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST_BYTES = 80


def safe_name(text: str) -> str:
    """Return a file name for any text: the text itself where that is safe on every system.

    Otherwise forbidden characters become ``_`` and a hash of the text is added, so that two texts never
    share a name.

    Examples
    --------
    >>> safe_name("2026 春")
    '2026 春'
    >>> safe_name("../x")
    '_x-d6b96a97'
    """
    name = _FORBIDDEN.sub("_", text).strip(" .")
    name = name.encode()[:_LONGEST_BYTES].decode(errors="ignore").rstrip(" .")
    if name == text and name and not _RESERVED.fullmatch(name):
        return name
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
