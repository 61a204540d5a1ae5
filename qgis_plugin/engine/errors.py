"""What can go wrong between the plugin and the engine, in words for the user."""

from __future__ import annotations

import signal
from collections.abc import Iterable

from ..translation import tr

__all__ = ["EngineCancelled", "EngineError", "exit_reason", "options_page", "scrubbed"]

_NO_ROOM = ("no space left", "disk quota", "errno 28")


class EngineError(Exception):
    """The engine could not do what was asked.

    Parameters
    ----------
    message : str
        What happened and what to do: one line for the user.
    kind : str
        Class of the engine's error, or one of ours: ``Missing``, ``Version``, ``Died``, ``Hung``,
        ``OutOfMemory``.
    log : str
        Last lines of the engine's standard error, for a report.
    """

    def __init__(self, message: str, kind: str = "Fault", log: str = "") -> None:
        self.kind, self.log = kind, log
        super().__init__(message)


class EngineCancelled(Exception):
    """The user stopped it; what is finished is kept."""


def exit_reason(code: int | None, log: Iterable[str]) -> tuple[str, str]:
    """Return kind and message for an engine that ended without an answer.

    Examples
    --------
    >>> exit_reason(-9, [])[0]
    'OutOfMemory'
    >>> exit_reason(1, ["No module named segmentation_core"])[0]
    'Missing'
    """
    text = "\n".join(log).lower()
    again = tr("What is finished is kept: run it again to continue.")
    if "no module named" in text and "segmentation_core" in text:
        told = tr(
            "The chosen Python has no Craquelure engine. Choose another under {where}.", where=options_page()
        )
        return "Missing", told
    if any(sign in text for sign in _NO_ROOM):
        return "DiskFullError", tr("The disk is full. Free some space.") + f" {again}"
    if code in (-9, 137) or "out of memory" in text or "memoryerror" in text:
        told = tr(
            "The engine was ended from outside, most likely because the computer's memory ran out. "
            "Close other programs, or set a coarser working GSD."
        )
        return "OutOfMemory", f"{told} {again}"
    if code is not None and code < 0:
        told = tr("The engine crashed ({reason}).", reason=_signal_name(-code))
    else:
        told = tr("The engine ended without an answer (exit code {code}).", code=code)
    return "Died", f"{told} {again} " + tr("If it happens again, send the diagnostics report.")


def options_page() -> str:
    """Return where in QGIS the engine is chosen."""
    return tr("Settings > Options > Craquelure")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def scrubbed(text: str, home: str, user: str = "") -> str:
    """Return a text without the user's home folder and name.

    Examples
    --------
    >>> scrubbed("/home/li/a.tif of li", "/home/li", "")
    '~/a.tif of li'
    """
    for spelled in {home, home.replace("\\", "/"), home.replace("\\", "\\\\")}:
        if len(spelled) > 1:
            text = text.replace(spelled, "~")
    return text.replace(user, "USER") if len(user) > 3 else text
