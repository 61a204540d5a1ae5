"""How a long operation tells how far it is, and how it is told to stop.

An operation calls ``progress(stage, done, total, unit)`` now and then, from the thread that runs it.
To cancel, the receiver raises `segmentation_core.errors.Interrupted` from the call: everything
finished stays on disk and the next run continues from it.
"""

from __future__ import annotations

import sys
import time
from typing import Protocol

__all__ = ["Progress", "rate", "silent", "told_in_lines"]

_SECONDS_BETWEEN_LINES = 15.0


class Progress(Protocol):
    """Receives progress: the stage's name, the amount done and the total in ``unit``."""

    def __call__(self, stage: str, done: float, total: float, unit: str = "") -> None:
        """Note that ``done`` of ``total`` is finished."""


def silent(stage: str, done: float, total: float, unit: str = "") -> None:
    """Ignore progress."""


def told_in_lines() -> Progress:
    """Return a progress that writes a line to standard error now and then, with the time left."""
    last: dict[str, float] = {}
    began: dict[str, float] = {}

    def show(stage: str, done: float, total: float, unit: str = "") -> None:
        now = time.monotonic()
        if last.get(stage) == float("inf") and done < total:  # the stage begins anew, for another raster
            del last[stage], began[stage]
        began.setdefault(stage, now)
        if stage in last and done < total and now - last[stage] < _SECONDS_BETWEEN_LINES:
            return
        if done >= total and last.get(stage) == float("inf"):
            return
        last[stage] = float("inf") if done >= total else now
        share = 100 * done / total if total else 100.0
        left = (now - began[stage]) * (total - done) / done if done else 0.0
        rest = f"about {left:.0f} s left" if done < total and left >= 1 else ""
        told = [f"{stage}: {share:.0f} %", rate(done, now - began[stage], unit), rest]
        sys.stderr.write(", ".join(part for part in told if part) + "\n")
        sys.stderr.flush()

    return show


def rate(done: float, seconds: float, unit: str) -> str:
    """Return a rate to read, or nothing while it is too early to tell."""
    if not unit or seconds < 0.5 or not done:
        return ""
    return f"{done / seconds:.3g} {unit}/s"
