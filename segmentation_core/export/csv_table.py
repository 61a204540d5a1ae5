"""Tables as CSV that spreadsheets read right: UTF-8 with a byte order mark, no formulas from ids."""

from __future__ import annotations

import csv
import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segmentation_core.errors import CraquelureError, DiskFullError, VectorError

__all__ = ["output_errors", "write_csv"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} if hasattr(errno, "EDQUOT") else {errno.ENOSPC, errno.EFBIG}


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table; the file appears whole or not at all.

    Text that a spreadsheet would take for a formula gets an apostrophe before it; None is empty.

    Raises
    ------
    DiskFullError, VectorError
        The file cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("w", encoding="utf-8-sig", newline="") as stream:
                writer = csv.writer(stream)
                writer.writerow(header)
                writer.writerows([_cell(value) for value in row] for row in rows)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write ``path`` into ours."""
    try:
        yield
    except OSError as exc:
        if isinstance(exc, CraquelureError):
            raise
        if exc.errno in _FULL:
            raise DiskFullError(
                "the disk is full", path=path, remedy="Free some space and run again"
            ) from exc
        raise VectorError(
            f"cannot be written ({exc.strerror or exc})",
            path=path,
            remedy="Choose another place, or close the file",
        ) from exc


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
