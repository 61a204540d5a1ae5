"""``book``: what can be done to a survey book besides filling it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segmentation_core.errors import ParameterError
from segmentation_core.survey.schema import DEFECT_LAYERS
from segmentation_core.survey.store import writing
from segmentation_core.survey.surveys import surveys_of, update_validity

__all__ = ["book_remove"]

_OTHER_TABLES = ("assessed", "orthophoto", "element_stats", "survey")


def book_remove(book: str | Path, survey: str) -> dict[str, Any]:
    """Remove a survey from a book, with its features, orthophotos and figures, all or nothing.

    Elements and other surveys stay; rasters beside the book are left where they are.

    Parameters
    ----------
    book : path-like
        The survey book.
    survey : str
        Name of the survey.

    Returns
    -------
    dict
        ``removed``: rows per table. ``run``: book and survey.

    Raises
    ------
    ParameterError
        The book has no such survey.
    BookError, BookLockedError, DiskFullError
        See `segmentation_core.survey.store.writing`.
    """
    book = Path(book)
    with writing(book) as opened:
        known = surveys_of(opened.connection)
        found = next((s for s in known if s.name == survey), None)
        if found is None:
            raise ParameterError(
                f"there is no survey {survey!r}",
                path=book,
                remedy=f"The book's surveys are: {', '.join(s.name for s in known) or 'none'}",
            )
        tables = [*(layer.name for layer in DEFECT_LAYERS), *_OTHER_TABLES]
        removed = {
            table: opened.connection.execute(
                f"DELETE FROM {table} WHERE surv_id = ?", (found.surv_id,)
            ).rowcount
            for table in tables
        }
        pairs = "SELECT pair_id FROM change_pair WHERE surv_a = ? OR surv_b = ?"
        for table in ("change_polygon", "change_line", "change_stats", "change_pair"):
            opened.connection.execute(
                f"DELETE FROM {table} WHERE pair_id IN ({pairs})", (found.surv_id, found.surv_id)
            )
        update_validity(opened.connection, ["assessed", *(layer.name for layer in DEFECT_LAYERS)])
    return {"removed": removed, "run": {"book": str(book), "survey": survey}}
