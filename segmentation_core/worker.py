"""The worker: the engine behind a pipe, for a program that must not load it into its own process.

It reads requests from standard input and answers on standard output (see `protocol`), one request at a
time. Everything else that writes to standard output, libraries and child processes included, is sent to
standard error, which the caller keeps for its log. When standard input ends the worker ends, at once and
with all its children if it is at work: its caller is gone. Nothing is lost by that: a run interrupted at
any point continues, and a book is as it was.
"""

from __future__ import annotations

import argparse
import inspect
import os
import platform
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import PurePath
from typing import Any, TextIO

from segmentation_core import __version__
from segmentation_core.errors import CraquelureError, Interrupted, ParameterError
from segmentation_core.protocol import (
    PROTOCOL_VERSION,
    Alive,
    Cancel,
    Failure,
    Hello,
    Message,
    Progress,
    Request,
    Result,
    decode,
    encode,
)

__all__ = ["COMMANDS", "STANDING_BY", "VERBS", "main", "serve"]

VERBS: dict[str, str] = {
    "survey": "survey:survey",
    "segment": "segment:segment",
    "vectorise": "vectorise:vectorise",
    "measure": "measure:measure",
    "compare": "compare:compare",
    "export": "export:export",
    "doctor": "doctor:doctor",
    "trace": "trace:trace",
    "propose": "propose:propose",
    "model_list": "model:model_list",
    "model_add": "model:model_add",
    "model_remove": "model:model_remove",
    "book_list": "book:book_list",
    "book_rename": "book:book_rename",
    "book_redate": "book:book_redate",
    "book_remove": "book:book_remove",
    "book_check": "book:book_check",
}
"""Verb to module and function of `segmentation_core.operations`."""

STANDING_BY: dict[str, str] = {"vectorise": "segmentation_core.vectors.crew:stand_by"}
"""What makes the first answer of a verb that is asked again and again as quick as the later ones."""

COMMANDS = "craquelure.commands"
"""Entry points of verbs that other packages add, such as training; asked with ``{"words": [...]}``."""

_ALIVE_EVERY_S = 5.0
_PROGRESS_EVERY_S = 0.1


class _Line:
    """The way out: whole lines, from any thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def send(self, message: Message) -> None:
        text = encode(message)
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()


class _Task:
    """The request at work: tells progress, and stops when it was cancelled."""

    def __init__(self, request: Request, line: _Line) -> None:
        self.request, self._line = request, line
        self.cancelled, self._over = threading.Event(), threading.Event()
        self._told: tuple[str, float] = ("", 0.0)

    def progress(self, stage: str, done: float, total: float, unit: str = "") -> None:
        if self.cancelled.is_set():
            raise Interrupted("stopped", remedy="Run it again to continue from what is finished")
        now = time.monotonic()
        if stage == self._told[0] and done < total and now - self._told[1] < _PROGRESS_EVERY_S:
            return
        self._told = (stage, now)
        self._line.send(Progress(self.request.id, stage, float(done), float(total), unit))

    def keep_alive(self) -> None:
        while not self._over.wait(_ALIVE_EVERY_S):
            self._line.send(Alive(self.request.id))

    def run(self) -> Message:
        threading.Thread(target=self.keep_alive, daemon=True).start()
        try:
            answer = Result(self.request.id, _plain(_call(self.request, self.progress)))
            encode(answer)
            return answer
        except CraquelureError as error:
            return Failure(self.request.id, type(error).__name__, str(error))
        except MemoryError:
            return Failure(
                self.request.id,
                "OutOfMemory",
                "The computer's memory ran out. Close other programs, then run again: it continues.",
            )
        except Exception as error:  # a fault of our own: one line for the user, the traceback for the log
            traceback.print_exc(file=sys.stderr)
            told = f"The engine met a fault of its own ({type(error).__name__}); the log has the details."
            return Failure(self.request.id, "Fault", told)
        finally:
            self._over.set()


def serve(requests: TextIO, answers: TextIO, warm: tuple[str, ...] = ()) -> None:
    """Answer requests until the input ends.

    Parameters
    ----------
    requests, answers : text streams
        Lines of `protocol`.
    warm : tuple of str
        Verbs that are made ready before the first request, to answer that one sooner.
    """
    line = _Line(answers)
    line.send(Hello(PROTOCOL_VERSION, __version__, platform.python_version(), sys.executable))
    waiting: queue.Queue[_Task | None] = queue.Queue()
    busy = threading.Event()
    threading.Thread(target=_listen, args=(requests, waiting, line, busy), daemon=True).start()
    for verb in warm:
        _function(verb)
        if verb in STANDING_BY:
            module, name = STANDING_BY[verb].split(":")
            getattr(import_module(module), name)()
    while (task := waiting.get()) is not None:
        busy.set()
        answer = task.run()
        busy.clear()
        line.send(answer)


def _listen(requests: TextIO, waiting: queue.Queue[_Task | None], line: _Line, busy: threading.Event) -> None:
    tasks: dict[int, _Task] = {}
    for text in requests:
        match decode(text):
            case Request() as request:
                tasks[request.id] = _Task(request, line)
                waiting.put(tasks[request.id])
            case Cancel(id=wanted) if wanted in tasks:
                tasks[wanted].cancelled.set()
            case _:
                sys.stderr.write(f"Not a request, skipped: {text[:200]!r}\n")
    if busy.is_set():
        _end_with_children()
    waiting.put(None)


def _end_with_children() -> None:
    """End this process and, where it leads a process group, every process that it started."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _function(verb: str) -> Callable[..., Any]:
    if verb in VERBS:
        module, name = VERBS[verb].split(":")
        return getattr(import_module(f"segmentation_core.operations.{module}"), name)  # type: ignore[no-any-return]
    for entry in entry_points(group=COMMANDS, name=verb):
        return _by_words(entry.load())
    raise ParameterError(f"this engine cannot {verb!r}", remedy="Update the engine, or the plugin")


def _by_words(command: Any) -> Callable[..., Any]:
    """Return a function that takes a command's arguments as the words of its command line."""

    def run(words: list[str], progress: Callable[..., None]) -> Any:
        parser = argparse.ArgumentParser(prog=command.name, exit_on_error=False)
        command.add_arguments(parser)
        try:
            options = parser.parse_args([str(word) for word in words])
        except (argparse.ArgumentError, SystemExit) as exc:
            raise ParameterError(f"{command.name}: {exc}", remedy="Check its arguments") from exc
        return command.run(options, progress)

    return run


def _call(request: Request, progress: Callable[..., None]) -> Any:
    function = _function(request.verb)
    known = inspect.signature(function).parameters
    arguments = dict(request.arguments)
    if "progress" in known:
        arguments["progress"] = progress
    progress(request.verb, 0, 1)  # a request cancelled while it waited never begins
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as exc:
        raise ParameterError(f"{request.verb}: {exc}", remedy="Update the engine, or the plugin") from exc
    return function(**arguments)


def _plain(value: Any) -> Any:
    """Return a result as JSON knows it; paths become text."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    return value.item() if hasattr(value, "item") else value


def main() -> None:
    """Serve standard input and output."""
    import warnings

    parser = argparse.ArgumentParser(prog="python -m segmentation_core.worker", description=__doc__)
    parser.add_argument("--warm", action="append", default=[], metavar="VERB", help="import it at the start")
    warm = tuple(parser.parse_args().warm)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # The pipe is ours alone: what others print, in any language, goes to standard error.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    try:
        serve(sys.stdin, answers, warm)
    except BrokenPipeError:  # nobody reads any more
        _end_with_children()


if __name__ == "__main__":
    main()
