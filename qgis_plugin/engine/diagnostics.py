"""A report to send with a question: what is installed, what was found, what was said last. No home paths."""

from __future__ import annotations

import getpass
import os
import platform
from pathlib import Path
from typing import Any

from .errors import scrubbed

__all__ = ["diagnostics_report"]


def diagnostics_report(facts: dict[str, Any], doctor: list[str], log: str) -> str:
    """Return the report as Markdown.

    Parameters
    ----------
    facts : dict
        Versions and choices, shown as they are.
    doctor : list of str
        What ``doctor`` found, or why it could not be asked.
    log : str
        Last lines of the engine's log.
    """
    lines = ["# Craquelure diagnostics", "", f"- system: {platform.platform()}"]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += [
        "",
        "## Doctor",
        "",
        "```",
        *doctor,
        "```",
        "",
        "## Log",
        "",
        "```",
        log or "(empty)",
        "```",
        "",
    ]
    return scrubbed("\n".join(lines), str(Path.home()), _user())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a system without user names
        return os.environ.get("USERNAME", "")
