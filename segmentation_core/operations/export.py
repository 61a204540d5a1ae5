"""A survey book to the formats that others work with."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from segmentation_core.errors import ParameterError
from segmentation_core.export.csv_table import output_errors
from segmentation_core.export.shapefile import write_shapefiles
from segmentation_core.survey.figures import is_stale, recompute
from segmentation_core.survey.store import Book, reading, writing
from segmentation_core.survey.surveys import Survey, surveys_of

__all__ = ["FORMATS", "export"]

Writer = Callable[[Book, Sequence[Survey], Path], dict[str, int]]

FORMATS: dict[str, Writer] = {"shapefile": write_shapefiles}
"""Each writes the given surveys into an empty folder and returns its files with their feature counts."""

_STALE_INDEXES = (".qix", ".sbn", ".sbx", ".shp.xml")


def export(book: str | Path, format: str, out: str | Path, *, survey: str | None = None) -> dict[str, Any]:
    """Write a survey book in another format.

    Rejected features are left out. Statistics that edits made stale are computed anew first. Files of
    the same names in ``out`` are replaced, only once everything is written and checked.

    Parameters
    ----------
    book : path-like
        The survey book.
    format : str
        One of `FORMATS`.
    out : path-like
        Folder; made if there is none.
    survey : str or None
        Name of one survey; None exports all.

    Returns
    -------
    dict
        ``files`` (name to feature count), ``run`` (book, format, folder, surveys, those recomputed).

    Raises
    ------
    ParameterError
        Unknown format or survey.
    BookError, VectorError, DiskFullError
        See `segmentation_core.errors`.
    """
    if format not in FORMATS:
        raise ParameterError(f"unknown format {format!r}", remedy=f"Use {', '.join(sorted(FORMATS))}")
    book, out = Path(book), Path(out)
    with reading(book) as opened:
        surveys = _chosen(opened, survey)
        stale = [s for s in surveys if is_stale(opened, s.surv_id)]
    if stale:
        with writing(book) as opened:
            for each in stale:
                recompute(opened, each.surv_id)
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".export-", dir=out))
    try:
        with reading(book) as opened:
            files = FORMATS[format](opened, surveys, staging)
        _move(staging, out)
    finally:
        shutil.rmtree(staging)
    run = {
        "book": str(book),
        "format": format,
        "out": str(out),
        "surveys": [s.name for s in surveys],
        "recomputed": [s.name for s in stale],
        "notes": [f"survey {s.name}: statistics were computed anew after edits" for s in stale],
    }
    return {"files": files, "run": run}


def _chosen(book: Book, name: str | None) -> list[Survey]:
    surveys = surveys_of(book.connection)
    if name is None:
        return surveys
    chosen = [s for s in surveys if s.name == name]
    if not chosen:
        known = ", ".join(s.name for s in surveys) or "none"
        raise ParameterError(
            f"there is no survey {name!r}", path=book.path, remedy=f"The book's surveys are: {known}"
        )
    return chosen


def _move(staging: Path, out: Path) -> None:
    with output_errors(out):
        for path in sorted(staging.iterdir()):
            os.replace(path, out / path.name)
            if path.suffix == ".shp":
                for suffix in _STALE_INDEXES:
                    (out / f"{path.stem}{suffix}").unlink(missing_ok=True)
