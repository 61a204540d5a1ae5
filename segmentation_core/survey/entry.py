"""One orthophoto's results into a book: the whole transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import shapely

from segmentation_core.progress import Progress
from segmentation_core.statistics.elements import Elements
from segmentation_core.statistics.outlines import polygon_parts
from segmentation_core.statistics.vectorfile import VectorFile, open_vectors
from segmentation_core.survey.features import Counts, Target, write_features
from segmentation_core.survey.figures import SurveyFigures, recompute
from segmentation_core.survey.outlines import enter_assessed, enter_elements, require_same_outlines
from segmentation_core.survey.pairs import mark_stale
from segmentation_core.survey.schema import DEFECT_LAYERS
from segmentation_core.survey.store import Book, require_crs, writing
from segmentation_core.survey.surveys import OrthophotoRecord, enter_orthophoto, enter_survey, update_validity

__all__ = ["Entered", "Entry", "enter"]


@dataclass(frozen=True)
class Entry:
    """What goes into a book.

    Attributes
    ----------
    name, date : str
        Of the survey; the date as ``YYYY-MM-DD``.
    orthophoto : OrthophotoRecord
    crs_wkt : str or None
        Of the orthophoto.
    vectors : Path
        What `vectorise` made of it.
    elements : Elements or None
        New elements, in the orthophoto's coordinates.
    elements_path : Path or None
        Where they came from, for messages.
    excluded : shapely geometry or None
        Area to leave out of the assessed area.
    """

    name: str
    date: str
    orthophoto: OrthophotoRecord
    crs_wkt: str | None
    vectors: Path
    elements: Elements | None = None
    elements_path: Path | None = None
    excluded: Any = None


@dataclass(frozen=True)
class Entered:
    """What was written.

    Attributes
    ----------
    surv_id, orth_id : str
        Ids in the book.
    is_repeat : bool
        The survey held this orthophoto already.
    counts : Counts
        Features added, replaced, kept and dropped.
    figures : SurveyFigures
        Statistics of the whole survey.
    vectorise_run : dict
        Record of the vectors.
    notes : tuple of str
    """

    surv_id: str
    orth_id: str
    is_repeat: bool
    counts: Counts
    figures: SurveyFigures
    vectorise_run: dict[str, Any]
    notes: tuple[str, ...]


def enter(path: Path, entry: Entry, progress: Progress) -> Entered:
    """Write an orthophoto's results into a book, all or nothing.

    Parameters
    ----------
    path : Path
        The book; made if there is none.
    entry : Entry
        The results.
    progress : Progress
        Told the features written; may raise, which leaves the book as it was.

    Raises
    ------
    BookError, BookLockedError, DiskFullError, CrsError, ElementsError, ParameterError
        See `segmentation_core.survey.store.writing`; or the entry does not fit the book.
    """
    with open_vectors(entry.vectors) as vectors, writing(path, entry.crs_wkt) as book:
        record = replace(entry.orthophoto, run={**(entry.orthophoto.run or {}), "vectorise": vectors.run})
        require_crs(book, entry.crs_wkt, Path(record.path))
        survey = enter_survey(book, entry.name, entry.date)
        orth_id, is_repeat = enter_orthophoto(book, survey, record)
        notes = _enter_elements(book, entry)
        notes += _enter_ground(book, entry, vectors, survey.surv_id, orth_id)
        scope = f"{survey.uid}/{record.sha256}"
        target = Target(survey.surv_id, orth_id, scope, record.pixel_side, survey.date)
        counts = write_features(book, target, vectors, progress)
        figures = recompute(book, survey.surv_id)
        mark_stale(book, survey.surv_id)
        update_validity(book.connection, ["assessed", *(layer.name for layer in DEFECT_LAYERS)])
        run, all_notes = vectors.run, (*notes, *figures.notes)
    return Entered(survey.surv_id, orth_id, is_repeat, counts, figures, run, all_notes)


def _enter_elements(book: Book, entry: Entry) -> tuple[str, ...]:
    """Store elements that are new to the book; what was measured without them is then stale."""
    if entry.elements is None:
        return ()
    require_same_outlines(book, entry.elements, entry.elements_path)
    added = enter_elements(book, entry.elements)
    others = book.connection.execute("SELECT 1 FROM element_stats LIMIT 1").fetchone() is not None
    if not added or not others:
        return ()
    for table in ("element_stats", "change_stats"):
        book.connection.execute(f"UPDATE {table} SET stale = 1")
    return (
        f"{added} elements are new to the book: its other surveys are measured for them when they are "
        "next compared or exported",
    )


def _enter_ground(
    book: Book, entry: Entry, vectors: VectorFile, surv_id: str, orth_id: str
) -> tuple[str, ...]:
    assessed = vectors.assessed()
    if entry.excluded is not None:
        assessed = polygon_parts(shapely.difference(assessed, entry.excluded))
    enter_assessed(book, surv_id, orth_id, assessed, entry.orthophoto.metres_per_unit)
    if assessed.area > 0:
        return ()
    return ("no pixel was assessed: the raster is empty there, or excluded",)
