"""``python -m training``: the verbs of training through argparse alone, without typer and rich."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from segmentation_core.commands import run_command
from segmentation_core.errors import CraquelureError, Interrupted
from segmentation_core.progress import Progress, silent, told_in_lines
from training.commands import COMMANDS
from training.publish_command import PUBLISH, RESCORE

__all__ = ["main"]

_PROGRAM = "python -m training"


@contextmanager
def _shown(quiet: bool) -> Iterator[Progress]:
    yield silent if quiet else told_in_lines()


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; return the exit code."""
    # Threads of torch that spin while they wait slow each other down many times over on a shared machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = sys.argv[1:] if arguments is None else arguments
    commands = {command.name: command for command in (*COMMANDS, PUBLISH, RESCORE)}
    if not arguments or arguments[0] not in commands:
        known = "\n".join(f"  {c.name:<12}{c.help}" for c in commands.values())
        sys.stderr.write(f"usage: {_PROGRAM} VERB ...\n{known}\n")
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    try:
        run_command(commands[arguments[0]], arguments[1:], _shown, _PROGRAM)
    except Interrupted as error:
        sys.stderr.write(f"{error}\n")
        return 130
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. What is finished is kept: add --resume to continue.\n")
        return 130
    except CraquelureError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
