"""The words of the hand-over in English and Chinese, read from ``words.json``."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

__all__ = ["word"]


def word(key: str, language: str, **values: object) -> str:
    """Return a text in a language, with ``{name}`` places filled in.

    Raises
    ------
    KeyError
        The key or language is not in ``words.json``: a fault of ours, caught by the tests.

    Examples
    --------
    >>> word("element", "en"), word("element", "zh")
    ('Element', '构件')
    """
    text = _words()[key][language]
    return text.format(**values) if values else text


@cache
def _words() -> dict[str, dict[str, str]]:
    text = files(__package__).joinpath("words.json").read_text(encoding="utf-8")
    words: dict[str, dict[str, str]] = json.loads(text)
    return words
