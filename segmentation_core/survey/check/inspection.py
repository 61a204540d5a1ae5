"""All checks of a book in order, and the repair of what they found."""

from __future__ import annotations

from pathlib import Path

from segmentation_core.progress import Progress
from segmentation_core.survey.check.contents import check_contents
from segmentation_core.survey.check.files import check_files
from segmentation_core.survey.check.findings import Finding
from segmentation_core.survey.check.geometry import check_geometry
from segmentation_core.survey.check.structure import check_pages, check_structure
from segmentation_core.survey.store import Book, copy_book, reading, writing

__all__ = ["findings_of", "repaired"]


def findings_of(path: Path, progress: Progress) -> list[Finding]:
    """Return all that is wrong with a book; of a damaged database, only that.

    Raises
    ------
    BookError, BookLockedError
        See `segmentation_core.survey.store.reading`.
    """
    with reading(path) as book:
        found = _in_database(book)
        return found if _is_damaged(found) else [*found, *check_files(book, progress)]


def repaired(path: Path, found: list[Finding]) -> tuple[Path, list[str], list[Finding]]:
    """Repair in one transaction what can be repaired.

    Parameters
    ----------
    path : Path
        The book.
    found : list of Finding
        Of `findings_of`.

    Returns
    -------
    backup : Path
        Copy of the book as it was.
    done : list of str
        What was repaired.
    left : list of Finding
        What is still wrong; files are not read again.

    Raises
    ------
    BookError, BookLockedError, DiskFullError
        The copy or the transaction cannot be completed; the book is then as it was.
    """
    with writing(path) as book:
        backup = copy_book(path)
        done = [finding.repair(book) for finding in found if finding.repair is not None]
    with reading(path) as book:
        left = _in_database(book)
    of_files = [finding for finding in found if finding.of_files and finding.repair is None]
    return backup, done, [*left, *of_files]


def _in_database(book: Book) -> list[Finding]:
    found = list(check_pages(book))
    if _is_damaged(found):
        return found
    return [*found, *check_structure(book), *check_contents(book), *check_geometry(book)]


def _is_damaged(found: list[Finding]) -> bool:
    return any(finding.check == "sqlite" and finding.repair is None for finding in found)
