"""A thing that is wrong with a book, what a person can do about it, and its repair where one is safe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from segmentation_core.survey.store import Book

__all__ = ["Finding", "plural"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    check : str
        Short code of the check that found it.
    what : str
        What is wrong, with how many of what.
    remedy : str
        What a person can do.
    repair : callable or None
        Called inside a transaction (`segmentation_core.survey.store.writing`); says what it did. None where
        only a person can decide.
    of_files : bool
        Whether it is about files beside the book.
    """

    check: str
    what: str
    remedy: str
    repair: Callable[[Book], str] | None = None
    of_files: bool = False


def plural(count: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> plural(1, "row"), plural(2, "row")
    ('1 row', '2 rows')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
