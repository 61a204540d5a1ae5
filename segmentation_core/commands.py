"""Verbs that other packages add, found by the entry-point group ``craquelure.commands``.

The engine never imports `training`; a package that offers a verb declares an entry point whose object is a
`Command`. The command line and the worker find it there. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from segmentation_core.errors import ParameterError
from segmentation_core.progress import Progress

__all__ = ["GROUP", "Command", "find_command", "installed_commands", "parsed", "run_command"]

GROUP = "craquelure.commands"

ShowProgress = Callable[[bool], Any]
"""Called with ``quiet``; a context manager that gives the `Progress` to tell."""


@dataclass(frozen=True)
class Command:
    """A verb.

    Attributes
    ----------
    name : str
        As it is typed after ``craquelure``.
    help : str
        One line.
    add_arguments : callable
        Adds the arguments to a parser.
    run : callable
        Arguments and progress to a result that JSON can hold; the worker may call it with a namespace of
        its own, see `parsed`. An empty result is not printed: of several processes that train together
        the first alone tells.
    lines : callable
        A result to the lines that a person reads.
    """

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], object]
    run: Callable[[argparse.Namespace, Progress], dict[str, Any]]
    lines: Callable[[dict[str, Any]], Iterable[str]]


def installed_commands() -> dict[str, EntryPoint]:
    """Return the entry points of the group by name, unloaded."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)}


def find_command(point: EntryPoint) -> Command:
    """Load a verb.

    Raises
    ------
    ParameterError
        Its package is damaged or lacks something.
    """
    try:
        command = point.load()
    except (ImportError, AttributeError) as exc:
        raise ParameterError(
            f"the command {point.name!r} cannot be loaded ({exc})", remedy="Install Craquelure again"
        ) from exc
    if not isinstance(command, Command):
        raise ParameterError(f"the command {point.name!r} is none", remedy="Install Craquelure again")
    return command


def parsed(command: Command, arguments: Sequence[str], program: str = "craquelure") -> argparse.Namespace:
    """Parse the arguments of a verb; argparse prints usage and exits where they are wrong."""
    parser = argparse.ArgumentParser(prog=f"{program} {command.name}", description=command.help)
    command.add_arguments(parser)
    return parser.parse_args(arguments)


def run_command(
    command: Command, arguments: Sequence[str], show: ShowProgress, program: str = "craquelure"
) -> None:
    """Run a verb and print its result: lines for people, or with ``--json`` one JSON object.

    Raises
    ------
    CraquelureError
        What the verb raises; turning it into an exit code is the caller's.
    """
    arguments = list(arguments)
    as_json = "--json" in arguments
    options = parsed(command, [a for a in arguments if a != "--json"], program)
    with show(as_json) as progress:
        result = command.run(options, progress)
    if not result:
        return
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False, allow_nan=False, default=str) + "\n")
        return
    for line in command.lines(result):
        sys.stdout.write(line + "\n")
