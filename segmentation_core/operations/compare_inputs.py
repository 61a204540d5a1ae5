"""Which surveys of a book `compare` takes, and what speaks against comparing them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from segmentation_core.errors import ParameterError
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import OrthophotoRecord, Survey, orthophotos_of, surveys_of

__all__ = ["Orthophotos", "chosen_surveys", "consecutive", "differences_of_method", "require_same_method"]

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


def differences_of_method(book: Book, a: Survey, b: Survey) -> list[str]:
    """Return how two surveys were made differently: models, thresholds, versions of the method."""
    before, after = (orthophotos_of(book, survey.surv_id) for survey in (a, b))
    found = []
    for noun, ask in _ASKED:
        values = [sorted({ask(record) for _, record in side} - {None}) for side in (before, after)]
        if values[0] and values[1] and values[0] != values[1]:
            found.append(f"{noun}: {', '.join(values[0])} against {', '.join(values[1])}")
    return found


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


def _model(record: OrthophotoRecord) -> str | None:
    model = (record.run or {}).get("model")
    if not model:
        return "a ready class raster"
    digest = str(model.get("sha256", ""))[:8]
    return f"{model.get('name')} ({digest})" if digest else str(model.get("name"))


def _thresholds(record: OrthophotoRecord) -> str | None:
    chosen = ((record.run or {}).get("vectorise") or {}).get("thresholds")
    return None if not chosen else " and ".join(f"{code} {value:g}" for code, value in sorted(chosen.items()))


def _method(record: OrthophotoRecord) -> str | None:
    version = ((record.run or {}).get("vectorise") or {}).get("method_version")
    return None if version is None else str(version)


_ASKED: tuple[tuple[str, Callable[[OrthophotoRecord], Any]], ...] = (
    ("model", _model),
    ("thresholds", _thresholds),
    ("method of the vectoriser", _method),
)
