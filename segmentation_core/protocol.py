"""The messages between the QGIS plugin and the engine's worker: JSON, one object on a line.

Standard library only, and readable by Python 3.9: packaging copies this file into the plugin, so that both
sides speak from one text. The worker keeps its standard output for these lines; whatever else turns up
there is no message and is skipped.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Union

__all__ = [
    "PROTOCOL_VERSION",
    "Alive",
    "Cancel",
    "Failure",
    "Hello",
    "Message",
    "Progress",
    "Request",
    "Result",
    "decode",
    "encode",
]

PROTOCOL_VERSION = 1
"""Raised when an older plugin or an older engine would not understand the other any more."""


@dataclass(frozen=True)
class Hello:
    """First line of a worker: who is there."""

    protocol: int
    engine: str
    python: str
    executable: str


@dataclass(frozen=True)
class Request:
    """Do ``verb`` (a module of `segmentation_core.operations`) with these arguments."""

    id: int
    verb: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cancel:
    """Stop the request of this id where it next can; what is finished is kept."""

    id: int


@dataclass(frozen=True)
class Alive:
    """The worker is at work on the request of this id, even if nothing else can be told."""

    id: int


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` ``unit`` of a stage is finished."""

    id: int
    stage: str
    done: float
    total: float
    unit: str = ""


@dataclass(frozen=True)
class Result:
    """The request succeeded."""

    id: int
    value: dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """The request failed; ``kind`` is the error's class, ``message`` one line for the user."""

    id: int
    kind: str
    message: str


Message = Union[Hello, Request, Cancel, Alive, Progress, Result, Failure]  # noqa: UP007 - read by Python 3.9

_TYPES: dict[str, Any] = {
    "hello": Hello,
    "request": Request,
    "cancel": Cancel,
    "alive": Alive,
    "progress": Progress,
    "ok": Result,
    "error": Failure,
}
_NAMES = {kind: name for name, kind in _TYPES.items()}


def encode(message: Message) -> str:
    """Write a message as one line, without its line break.

    Raises
    ------
    ValueError, TypeError
        The message holds NaN, infinity, or something that JSON cannot say.

    Examples
    --------
    >>> encode(Cancel(3))
    '{"type": "cancel", "id": 3}'
    """
    return json.dumps({"type": _NAMES[type(message)], **asdict(message)}, allow_nan=False)


def decode(line: str) -> Message | None:
    """Read a line; None where it is no message.

    Examples
    --------
    >>> decode('{"type": "cancel", "id": 3}')
    Cancel(id=3)
    >>> decode("Downloading ...") is None
    True
    """
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kind = _TYPES.get(data.pop("type", "")) if isinstance(data, dict) and _is_text(data.get("type")) else None
    if kind is None or not {f.name for f in fields(kind)}.issuperset(data):
        return None
    try:
        message: Message = kind(**data)
    except TypeError:  # a field is missing
        return None
    return message if isinstance(getattr(message, "id", 0), int) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str)
