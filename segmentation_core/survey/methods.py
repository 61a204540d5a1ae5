"""How the surveys of a book were made: by which model, at which thresholds, with which method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import OrthophotoRecord, Survey, orthophotos_of

__all__ = ["differences_of_method"]


def differences_of_method(book: Book, a: Survey, b: Survey) -> list[str]:
    """Return how two surveys were made differently: models, thresholds, versions of the method."""
    before, after = (orthophotos_of(book, survey.surv_id) for survey in (a, b))
    found = []
    for noun, ask in _ASKED:
        values = [sorted({ask(record) for _, record in side} - {None}) for side in (before, after)]
        if values[0] and values[1] and values[0] != values[1]:
            found.append(f"{noun}: {', '.join(values[0])} against {', '.join(values[1])}")
    return found


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
