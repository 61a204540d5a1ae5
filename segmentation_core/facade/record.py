"""Whether the files that a record tells of lie there as they were written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segmentation_core.raster.checksum import file_sha256

__all__ = ["matching_record", "write_record"]


def matching_record(path: Path, files: Sequence[Path], wanted: dict[str, Any]) -> dict[str, Any] | None:
    """Return a record that says what is wanted, if all its files have the checksums it tells; else None."""
    if not all(file.is_file() for file in (*files, path)):
        return None
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = all(record.get(key) == value for key, value in wanted.items())
        if not same or any(file_sha256(file) != record["sha256"].get(file.name) for file in files):
            return None
        return record
    except (ValueError, KeyError, TypeError, AttributeError):
        # A record that is not ours, or cut short.
        return None


def write_record(path: Path, files: Sequence[Path], told: dict[str, Any]) -> None:
    """Write a record with the checksums of its files."""
    whole = told | {"sha256": {file.name: file_sha256(file) for file in files}}
    path.write_text(json.dumps(whole, indent=2), encoding="utf-8")
