"""The files that a book refers to: orthophotos, and the rasters kept beside it."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from segmentation_core.checksum import file_sha256
from segmentation_core.progress import Progress
from segmentation_core.survey.check.findings import Finding
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import OrthophotoRecord, orthophotos_of, stored_path, surveys_of

__all__ = ["check_files", "raster_bytes", "remove_rasters"]

_PROBABILITY, _RECORD = "probability.tif", "run.json"
_RASTERS = (_PROBABILITY, "classes.tif", _RECORD)
"""What `segment` leaves in a folder; only these are ever removed."""


def check_files(book: Book, progress: Progress) -> Iterator[Finding]:
    """Yield orthophotos and kept rasters that moved or are no longer the same; reads every orthophoto."""
    known = [
        (survey.name, orth_id, record)
        for survey in surveys_of(book.connection)
        for orth_id, record in orthophotos_of(book, survey.surv_id)
    ]
    for done, (survey, orth_id, record) in enumerate(known):
        progress("checking orthophotos", done, len(known), "files")
        yield from _orthophoto(book, survey, orth_id, record)
        if record.rasters is not None:
            yield from _rasters(book, survey, orth_id, record)
    progress("checking orthophotos", len(known), len(known), "files")


def raster_bytes(folder: str | None) -> int:
    """Return the size on disk of a folder of kept rasters, 0 where there is none."""
    return 0 if folder is None else sum(f.stat().st_size for f in _kept_in(Path(folder)))


def remove_rasters(folder: Path, book: Path) -> int:
    """Remove kept rasters, and folders left empty up to the book's; return the bytes freed."""
    files = _kept_in(folder)
    freed = sum(f.stat().st_size for f in files)
    for file in files:
        file.unlink()
    home = book.resolve().parent
    for parent in (folder, *folder.parents):
        if not parent.is_relative_to(home) or parent == home or not parent.is_dir() or any(parent.iterdir()):
            break
        parent.rmdir()
    return freed


def _kept_in(folder: Path) -> list[Path]:
    return [path for name in _RASTERS if (path := folder / name).is_file()]


def _orthophoto(book: Book, survey: str, orth_id: str, record: OrthophotoRecord) -> Iterator[Finding]:
    path = Path(record.path)
    if path.is_file():
        if _sha256(path) != record.sha256:
            yield Finding(
                "orthophoto",
                f"survey {survey!r}: the orthophoto {path} is not the one surveyed (SHA-256 differs)",
                "Put the original back, or survey the new one",
                of_files=True,
            )
        return
    found = [p for p in _nearby(book.path, path.name) if _sha256(p) == record.sha256]
    what = f"survey {survey!r}: the orthophoto {path} is not there"
    if found:
        yield Finding(
            "orthophoto",
            f"{what}; the same picture lies at {found[0]}",
            "Repair it, or move it back",
            partial(_point_to, "path", orth_id, found[0]),
            of_files=True,
        )
    else:
        remedy = f"Put it back, or into the book's folder under the name {path.name}, then repair"
        yield Finding("orthophoto", what, remedy, of_files=True)


def _rasters(book: Book, survey: str, orth_id: str, record: OrthophotoRecord) -> Iterator[Finding]:
    folder = Path(str(record.rasters))
    if (folder / _PROBABILITY).is_file():
        if not _are_of(folder, record):
            yield Finding(
                "rasters",
                f"survey {survey!r}: the rasters in {folder} were made from another picture",
                "Survey the orthophoto again",
                of_files=True,
            )
        return
    home = book.path.resolve().parent
    pattern = f"*_rasters/*/{glob.escape(folder.name)}/{_PROBABILITY}"
    found = [p.parent for p in sorted(home.glob(pattern)) if _are_of(p.parent, record)]
    what = f"survey {survey!r}: the kept rasters {folder} are not there"
    if found:
        yield Finding(
            "rasters",
            f"{what}; they lie in {found[0]}",
            "Repair it, or move them back",
            partial(_point_to, "rasters", orth_id, found[0]),
            of_files=True,
        )
    else:
        remedy = "Put them back; or survey the orthophoto again, which keeps what a person touched"
        yield Finding("rasters", what, remedy, of_files=True)


def _are_of(folder: Path, record: OrthophotoRecord) -> bool:
    """Say whether the record of a run names this orthophoto; without a record, nothing speaks against it."""
    try:
        run = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        inputs = [entry["sha256"] for entry in run.get("inputs", ())]
    except FileNotFoundError:
        return True
    except (ValueError, KeyError, TypeError, AttributeError):
        return False  # cut short, or not a record
    return not inputs or record.sha256 in inputs


def _sha256(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except OSError:
        return None  # a file that cannot be read is not the one that was surveyed


def _nearby(book: Path, name: str) -> list[Path]:
    """Return files of a name in the book's folder and the folders in it."""
    home, escaped = book.resolve().parent, glob.escape(name)
    return [p for p in (home / name, *sorted(home.glob(f"*/{escaped}"))) if p.is_file()]


def _point_to(column: str, orth_id: str, path: Path, book: Book) -> str:
    book.connection.execute(
        f"UPDATE orthophoto SET {column} = ? WHERE orth_id = ?",
        (stored_path(book.path, os.fspath(path)), orth_id),
    )
    return f"the book now refers to {path}"
