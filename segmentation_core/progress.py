"""How a long operation tells how far it is, and how it is told to stop.

An operation calls ``progress(stage, done, total, unit)`` now and then, from the thread that runs it.
To cancel, the receiver raises `segmentation_core.errors.Interrupted` from the call: everything
finished stays on disk and the next run continues from it.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "silent"]


class Progress(Protocol):
    """Receives progress: the stage's name, the amount done and the total in ``unit``."""

    def __call__(self, stage: str, done: float, total: float, unit: str = "") -> None:
        """Note that ``done`` of ``total`` is finished."""


def silent(stage: str, done: float, total: float, unit: str = "") -> None:
    """Ignore progress."""
