"""What a survey may be called, and which days it can be of."""

from __future__ import annotations

import re
from datetime import date as calendar_date

from segmentation_core.errors import ParameterError

__all__ = ["checked_date", "checked_name"]

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_YEARS = range(1826, 2201)
"""From the oldest photograph; later years are slips of the keyboard."""

_LONGEST_NAME = 100


def checked_date(date: str) -> str:
    """Return a survey's date, ``YYYY-MM-DD``.

    Raises
    ------
    ParameterError
        It has another form, is in no calendar, or lies before photography.
    """
    if not _ISO_DATE.fullmatch(date):
        raise ParameterError(
            f"the date {date!r} is not of the form YYYY-MM-DD", remedy="Give the day, as 2026-05-01"
        )
    try:
        day = calendar_date.fromisoformat(date)
    except ValueError as exc:
        raise ParameterError(f"the date {date} does not exist", remedy="Check month and day") from exc
    if day.year not in _YEARS:
        raise ParameterError(f"a survey in the year {day.year} is impossible", remedy="Check the year")
    return date


def checked_name(name: str) -> str:
    """Return a survey's name without blanks around it.

    Raises
    ------
    ParameterError
        It is empty, longer than 100 characters, or not printable.
    """
    stripped = name.strip()
    if not stripped or len(stripped) > _LONGEST_NAME or not stripped.isprintable():
        raise ParameterError(
            f"the survey name {stripped!r} is empty, too long or not printable",
            remedy=f"Give 1 to {_LONGEST_NAME} printable characters",
        )
    return stripped
