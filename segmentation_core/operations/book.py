"""``book``: what can be done to a survey book besides filling it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from segmentation_core.errors import ParameterError
from segmentation_core.progress import Progress, silent
from segmentation_core.survey.check.files import raster_bytes, remove_rasters
from segmentation_core.survey.check.findings import Finding, plural
from segmentation_core.survey.check.inspection import findings_of, repaired
from segmentation_core.survey.copies import Copies, compare_copies
from segmentation_core.survey.figures import is_stale
from segmentation_core.survey.labels import checked_date, checked_name
from segmentation_core.survey.schema import DEFECT_LAYERS, UNTOUCHED
from segmentation_core.survey.store import Book, existing, reading, writing
from segmentation_core.survey.surveys import Survey, orthophotos_of, survey_named, surveys_of, update_validity

__all__ = ["book_check", "book_list", "book_redate", "book_remove", "book_rename"]

_FEATURES = tuple(layer.name for layer in DEFECT_LAYERS)
_OTHER_TABLES = ("assessed", "orthophoto", "element_stats", "survey")


def book_list(book: str | Path) -> dict[str, Any]:
    """List the surveys of a book, oldest first.

    Returns
    -------
    dict
        ``surveys``: name, date, surv_id, orthophotos (path, gsd_mm), models, counts per layer without
        rejected features, rejected, touched (not ``auto``), stale, raster_bytes. ``run``: book.

    Raises
    ------
    BookError, BookLockedError
        See `segmentation_core.survey.store.reading`.
    """
    with reading(book) as opened:
        rows = [_listed(opened, survey) for survey in surveys_of(opened.connection)]
    return {"surveys": rows, "run": {"book": str(book)}}


def book_rename(book: str | Path, survey: str, name: str) -> dict[str, Any]:
    """Give a survey another name; its features, uids and kept rasters stay as and where they are.

    Raises
    ------
    ParameterError
        No such survey, or the name cannot be used or is taken.
    BookError, BookLockedError, DiskFullError
        See `segmentation_core.survey.store.writing`.
    """
    name = checked_name(name)
    with writing(existing(book)) as opened:
        found = survey_named(opened, survey)
        if any(other.name == name and other != found for other in surveys_of(opened.connection)):
            raise ParameterError(
                f"the book has a survey {name!r} already", path=book, remedy="Choose another name"
            )
        opened.connection.execute("UPDATE survey SET name = ? WHERE surv_id = ?", (name, found.surv_id))
    return {"name": name, "date": found.date, "run": {"book": str(book), "survey": survey}}


def book_redate(book: str | Path, survey: str, date: str) -> dict[str, Any]:
    """Give a survey another date, ``YYYY-MM-DD``; the time that its features and others are shown follows.

    Raises
    ------
    ParameterError
        No such survey, or an impossible date.
    BookError, BookLockedError, DiskFullError
        See `segmentation_core.survey.store.writing`.
    """
    date = checked_date(date)
    notes = []
    with writing(existing(book)) as opened:
        found = survey_named(opened, survey)
        opened.connection.execute("UPDATE survey SET date = ? WHERE surv_id = ?", (date, found.surv_id))
        for layer in ("assessed", *_FEATURES):
            opened.connection.execute(
                f"UPDATE {layer} SET t_start = ? WHERE surv_id = ?", (date, found.surv_id)
            )
        update_validity(opened.connection, ["assessed", *_FEATURES])
        pairs = _pairs_of(opened, found)
    if pairs:
        notes.append(f"{len(pairs)} comparisons were made with the date {found.date}: compare again")
    if found.name == found.date != date:
        notes.append(
            f"the survey is still called {found.name!r}: craquelure book rename gives it another name"
        )
    run = {"book": str(book), "survey": survey, "notes": notes}
    return {"name": found.name, "date": date, "date_before": found.date, "run": run}


def book_remove(
    book: str | Path, survey: str, *, edited: bool = False, rasters: bool = False
) -> dict[str, Any]:
    """Remove a survey from a book, with its features, orthophotos, figures and comparisons, all or nothing.

    Elements and other surveys stay.

    Parameters
    ----------
    book : path-like
        The survey book.
    survey : str
        Name of the survey.
    edited : bool
        Remove it even where a person edited, drew, verified or rejected features of it.
    rasters : bool
        Remove its kept rasters too, once it is out of the book.

    Returns
    -------
    dict
        ``removed``: rows per table. ``touched``: how many of them a person had touched. ``freed_bytes``.
        ``run``: book, survey, notes.

    Raises
    ------
    ParameterError
        The book has no such survey; or a person touched features of it.
    BookError, BookLockedError, DiskFullError
        See `segmentation_core.survey.store.writing`.
    """
    book = existing(book)
    with writing(book) as opened:
        found = survey_named(opened, survey)
        touched = _touched(opened, found)
        if touched and not edited:
            raise ParameterError(
                f"{touched} features of the survey {survey!r} were edited, drawn, verified or rejected by a "
                "person and would be lost",
                path=book,
                remedy="Give --edited to remove them too",
            )
        folders = _rasters_of(opened, found)
        removed = _delete(opened, found)
        update_validity(opened.connection, ["assessed", *_FEATURES])
    freed, notes = _remove_folders(folders, book) if rasters else (0, [])
    run = {"book": str(book), "survey": survey, "notes": notes}
    return {"removed": removed, "touched": touched, "freed_bytes": freed, "run": run}


def book_check(
    book: str | Path,
    *,
    copy: str | Path | None = None,
    repair: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Look for anything that is wrong with a book, and repair on request what can be repaired safely.

    Parameters
    ----------
    book : path-like
        The survey book.
    copy : path-like or None
        A copy of it that somebody else went on with: what each holds that the other does not is told.
    repair : bool
        Repair, in one transaction, after a copy ``NAME.backup-N.gpkg`` was made beside the book.
    progress : Progress
        Told of orthophotos read.

    Returns
    -------
    dict
        ``ok``: nothing is wrong, or left. ``findings``: check, what, remedy, repairable, for all that was
        found; ``repaired``: what was done; ``left``: findings that remain; both copies edited is one.
        ``copies``: None, or verdict, here, there, both, surveys_here, surveys_there, as
        `segmentation_core.survey.copies.Copies`. ``run``: book, backup, copy.

    Raises
    ------
    BookError, BookLockedError, DiskFullError
        Not a survey book, of a newer version, or in use; or there is no room for the backup; or ``copy``
        is no copy of the book.
    """
    book = existing(book)
    copies = None if copy is None else _compared(book, existing(copy))
    found = left = findings_of(book, progress)
    done: list[str] = []
    backup = None
    if repair and any(finding.repair is not None for finding in found):
        backup, done, left = repaired(book, found)
    if copies is not None and copies.verdict == "both_hold_more":
        parted = _parted(copies, book, Path(str(copy)))
        found, left = [*found, parted], [*left, parted]
    return {
        "ok": not left,
        "findings": [_told(f) for f in found],
        "repaired": done,
        "left": [_told(f) for f in left],
        "copies": None if copies is None else {"verdict": copies.verdict, **asdict(copies)},
        "run": {
            "book": str(book),
            "backup": None if backup is None else str(backup),
            "copy": None if copy is None else str(copy),
        },
    }


def _compared(book: Path, copy: Path) -> Copies:
    if copy.resolve() == book.resolve():
        raise ParameterError("the copy is the book itself", path=copy, remedy="Give another file")
    with reading(book) as opened, reading(copy) as other:
        return compare_copies(opened, other)


def _parted(copies: Copies, book: Path, copy: Path) -> Finding:
    """Return why two copies cannot be one again."""
    counts = [
        f"{plural(len(copies.here), 'edit')} in {book.name} alone",
        f"{len(copies.there)} in {copy.name} alone",
        f"{len(copies.both)} in both and not alike",
    ]
    for name, surveys in ((book.name, copies.surveys_here), (copy.name, copies.surveys_there)):
        if surveys:
            counts.append(f"only {name} holds, as they are, the surveys {', '.join(surveys)}")
    return Finding(
        "copies",
        f"two copies were gone on with: {', '.join(counts)}",
        "Books are not merged. Go on with one, and make the other's edits there again; --json lists them",
    )


def _listed(opened: Book, survey: Survey) -> dict[str, Any]:
    orthophotos = [record for _, record in orthophotos_of(opened, survey.surv_id)]
    counts = dict.fromkeys(_FEATURES, 0)
    rejected = 0
    for layer in _FEATURES:
        query = f"SELECT status IS 'rejected', count(*) FROM {layer} WHERE surv_id = ? GROUP BY 1"
        by_rejection = dict(opened.connection.execute(query, (survey.surv_id,)).fetchall())
        counts[layer] = by_rejection.get(0, 0)
        rejected += by_rejection.get(1, 0)
    return {
        "name": survey.name,
        "date": survey.date,
        "surv_id": survey.surv_id,
        "orthophotos": [{"path": o.path, "gsd_mm": o.gsd_mm} for o in orthophotos],
        "models": sorted({o.model for o in orthophotos if o.model is not None}),
        "counts": counts,
        "rejected": rejected,
        "touched": _touched(opened, survey),
        "stale": is_stale(opened, survey.surv_id),
        "raster_bytes": sum(raster_bytes(folder) for folder in {o.rasters for o in orthophotos}),
    }


def _touched(opened: Book, survey: Survey) -> int:
    query = "SELECT count(*) FROM {} WHERE surv_id = ? AND status IS NOT ?"
    return sum(
        opened.connection.execute(query.format(layer), (survey.surv_id, UNTOUCHED)).fetchone()[0]
        for layer in _FEATURES
    )


def _pairs_of(opened: Book, survey: Survey) -> list[str]:
    query = "SELECT pair_id FROM change_pair WHERE surv_a = ? OR surv_b = ?"
    return [row[0] for row in opened.connection.execute(query, (survey.surv_id, survey.surv_id))]


def _delete(opened: Book, survey: Survey) -> dict[str, int]:
    removed = {}
    pairs = [(pair,) for pair in _pairs_of(opened, survey)]
    for table in ("change_polygon", "change_line", "change_stats", "change_pair"):
        query = f"DELETE FROM {table} WHERE pair_id = ?"
        removed[table] = sum(opened.connection.execute(query, pair).rowcount for pair in pairs)
    for table in (*_FEATURES, *_OTHER_TABLES):
        query = f"DELETE FROM {table} WHERE surv_id = ?"
        removed[table] = opened.connection.execute(query, (survey.surv_id,)).rowcount
    return removed


def _rasters_of(opened: Book, survey: Survey) -> list[Path]:
    """Return the folders of rasters that this survey alone keeps."""
    by_survey = {
        s.surv_id: {o.rasters for _, o in orthophotos_of(opened, s.surv_id) if o.rasters is not None}
        for s in surveys_of(opened.connection)
    }
    own = by_survey.pop(survey.surv_id)
    return [Path(folder) for folder in sorted(own.difference(*by_survey.values()))]


def _remove_folders(folders: list[Path], book: Path) -> tuple[int, list[str]]:
    freed, notes = 0, []
    for folder in folders:
        try:
            freed += remove_rasters(folder, book)
        except OSError as exc:
            notes.append(f"rasters in {folder} could not be removed ({exc.strerror}): remove them by hand")
    return freed, notes


def _told(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "what": finding.what,
        "remedy": finding.remedy,
        "repairable": finding.repair is not None,
    }
