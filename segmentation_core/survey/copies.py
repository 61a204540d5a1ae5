"""Two copies of one survey book that people went on with: what each holds that the other does not.

Books are not merged: two people's opinions of the same crack are no matter for a program. What differs is
told so that a person can go on with one copy and make the other's edits there again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from segmentation_core.errors import BookError
from segmentation_core.survey.schema import DEFECT_LAYERS, UNTOUCHED
from segmentation_core.survey.store import Book

__all__ = ["Copies", "Edited", "compare_copies"]

_LOG = "SELECT at, layer, uid, elem_id, surv_id, action, old_status, new_status FROM edit_log"
_State = tuple[object, ...]


@dataclass(frozen=True)
class Edited:
    """A feature, or an element's outline, that somebody edited.

    Attributes
    ----------
    layer : str
        Table of the book.
    uid : str or None
        Of the feature; None for an element.
    elem_id : str or None
        Building element; None outside all.
    surv_id : str or None
        Survey; None for an element.
    action, status : str or None
        What was last done to it in this copy, and what it has been since.
    at : str
        When, UTC.
    """

    layer: str
    uid: str | None
    elem_id: str | None
    surv_id: str | None
    action: str
    status: str | None
    at: str


@dataclass(frozen=True)
class Copies:
    """What two copies do not share.

    Attributes
    ----------
    here, there : tuple of Edited
        Edited in this copy alone, and in the other alone, since they parted.
    both : tuple of (Edited, Edited)
        Edited in both, and not alike; this copy's edit first.
    surveys_here, surveys_there : tuple of str
        Surveys that only one of them holds, or whose unedited features differ because one was run again.
    """

    here: tuple[Edited, ...]
    there: tuple[Edited, ...]
    both: tuple[tuple[Edited, Edited], ...]
    surveys_here: tuple[str, ...]
    surveys_there: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """``same``, ``this_holds_more``, ``copy_holds_more``, or ``both_hold_more``: neither can be left."""
        if self.both or ((self.here or self.surveys_here) and (self.there or self.surveys_there)):
            return "both_hold_more"
        if self.here or self.surveys_here:
            return "this_holds_more"
        return "copy_holds_more" if self.there or self.surveys_there else "same"


def compare_copies(book: Book, copy: Book) -> Copies:
    """Compare two open copies of a book.

    Raises
    ------
    BookError
        They have no feature in common: they are not copies of one book.
    """
    features, others = _features(book), _features(copy)
    if features and others and not features.keys() & others.keys():
        raise BookError(
            f"this is no copy of {book.path.name}: no feature is in both",
            path=copy.path,
            remedy="Give a copy of the same survey book",
        )
    logged, logged_there = Counter(_entries(book)), Counter(_entries(copy))
    here, there = _last(logged - logged_there), _last(logged_there - logged)
    alike = {
        key
        for key in here.keys() & there.keys()
        if key[0] != "element" and features.get(str(key[1])) == others.get(str(key[1]))
    }
    edited = {str(key[1]) for key in here.keys() | there.keys()}
    surveys_here, surveys_there = _surveys(book), _surveys(copy)
    runs, runs_there = _unedited(features, edited), _unedited(others, edited)
    shared = surveys_here.keys() & surveys_there.keys()
    again = {s for s in shared if runs.get(s, set()) != runs_there.get(s, set())}
    return Copies(
        tuple(here[k] for k in sorted(here.keys() - there.keys(), key=str)),
        tuple(there[k] for k in sorted(there.keys() - here.keys(), key=str)),
        tuple((here[k], there[k]) for k in sorted((here.keys() & there.keys()) - alike, key=str)),
        tuple(surveys_here[s] for s in sorted((surveys_here.keys() - surveys_there.keys()) | again)),
        tuple(surveys_there[s] for s in sorted((surveys_there.keys() - surveys_here.keys()) | again)),
    )


def _entries(book: Book) -> Iterable[tuple[str | None, ...]]:
    return book.connection.execute(_LOG).fetchall()


def _last(entries: Iterable[tuple[str | None, ...]]) -> dict[tuple[str, str | None], Edited]:
    """Return the last edit of each feature, or element."""
    last: dict[tuple[str, str | None], Edited] = {}
    for at, layer, uid, elem_id, surv_id, action, _, status in sorted(
        entries, key=lambda entry: str(entry[0])
    ):
        key = (str(layer), elem_id if layer == "element" else uid)
        last[key] = Edited(str(layer), uid, elem_id, surv_id, str(action), status, str(at))
    return last


def _features(book: Book) -> dict[str, _State]:
    """Return what a person decides of each feature, and its survey, by uid."""
    found: dict[str, _State] = {}
    for layer in DEFECT_LAYERS:
        rows = book.connection.execute(f"SELECT uid, surv_id, status, class_cd, geom FROM {layer.name}")
        found.update((uid, (surv_id, status, code, hash(geom))) for uid, surv_id, status, code, geom in rows)
    return found


def _unedited(features: dict[str, _State], edited: set[str]) -> dict[object, set[str]]:
    """Return the uids of what nobody touched, by survey."""
    found: dict[object, set[str]] = {}
    for uid, (surv_id, status, *_) in features.items():
        if status == UNTOUCHED and uid not in edited:
            found.setdefault(surv_id, set()).add(uid)
    return found


def _surveys(book: Book) -> dict[str, str]:
    return dict(book.connection.execute("SELECT surv_id, name FROM survey"))
