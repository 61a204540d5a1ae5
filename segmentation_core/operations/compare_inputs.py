"""Which surveys of a book `compare` takes, and what speaks against comparing them."""

from __future__ import annotations

from pathlib import Path

from segmentation_core.errors import ParameterError
from segmentation_core.survey.methods import differences_of_method
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import OrthophotoRecord, Survey, surveys_of

__all__ = ["Orthophotos", "chosen_surveys", "consecutive", "require_same_method"]

Orthophotos = list[tuple[str, OrthophotoRecord]]


def chosen_surveys(book: Book, survey_a: str, survey_b: str) -> tuple[Survey, Survey]:
    """Return two surveys by name or date, the earlier one first.

    Raises
    ------
    ParameterError
        No such survey, several of that date, the same one twice, or the later one first.
    """
    known = surveys_of(book.connection)
    a, b = (_named(known, name, book.path) for name in (survey_a, survey_b))
    if a == b:
        raise ParameterError(
            f"{survey_a!r} and {survey_b!r} are the same survey",
            path=book.path,
            remedy=f"Give two of: {_list(known)}",
        )
    if a.date > b.date:
        raise ParameterError(
            f"{a.name!r} is of {a.date}, later than {b.name!r} of {b.date}",
            path=book.path,
            remedy="Give the earlier survey first",
        )
    return a, b


def consecutive(book: Book) -> list[tuple[Survey, Survey]]:
    """Return every two surveys that follow each other.

    Raises
    ------
    ParameterError
        There are fewer than two.
    """
    known = surveys_of(book.connection)
    if len(known) < 2:
        raise ParameterError(
            f"the book has {len(known)} surveys; to compare takes two", path=book.path, remedy="Survey again"
        )
    return [(known[n], known[n + 1]) for n in range(len(known) - 1)]


def require_same_method(book: Book, a: Survey, b: Survey, *, accepted: bool) -> list[str]:
    """Return the differences of method where they are accepted.

    Raises
    ------
    ParameterError
        They differ and that is not accepted.
    """
    found = differences_of_method(book, a, b)
    if found and not accepted:
        raise ParameterError(
            f"{a.name!r} and {b.name!r} were made differently ({'; '.join(found)}), which looks like change",
            path=book.path,
            remedy="Map one again as the other was made (craquelure survey ORTHO --book BOOK --date DATE "
            "--name NAME --model MODEL; edits are kept), or add --accept-different-models, which marks all",
        )
    return found


def _named(known: list[Survey], name: str, path: Path) -> Survey:
    found = [s for s in known if s.name == name] or [s for s in known if s.date == name]
    if len(found) == 1:
        return found[0]
    reason = f"there is no survey {name!r}" if not found else f"{len(found)} surveys are of {name}"
    raise ParameterError(reason, path=path, remedy=f"Give the name of one of: {_list(known)}")


def _list(known: list[Survey]) -> str:
    return ", ".join(f"{s.name} ({s.date})" if s.name != s.date else s.name for s in known) or "none"
