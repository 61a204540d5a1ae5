"""One engine process and the conversation with it."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from subprocess import Popen, TimeoutExpired
from typing import Any

from ..translation import tr
from . import child
from .errors import EngineCancelled, EngineError, exit_reason, options_page
from .protocol import (
    PROTOCOL_VERSION,
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

__all__ = ["Engine", "run_once"]

START_S = 60.0
"""How long a Python may take to say hello; a cold disk and a virus scanner make it slow."""

SILENCE_S = 60.0
"""A living engine says so every five seconds."""

GRACE_S = 0.4
"""How long a cancelled engine may take to stop by itself before it is ended."""

_POLL_S = 0.05
_LOG_LINES = 400

OnProgress = Callable[[str, float, float, str], None]
IsCancelled = Callable[[], bool]


def _never() -> bool:
    return False


def _ignored(stage: str, done: float, total: float, unit: str) -> None:
    del stage, done, total, unit


class Engine:
    """A worker process; start it once and ask as often as you like. One request at a time.

    Parameters
    ----------
    python : str
        Interpreter of the engine's environment.
    warm : tuple of str
        Verbs to make ready at the start.
    silence_s : float
        Without a sign of life for so long, the engine counts as hung.
    """

    def __init__(self, python: str, warm: tuple[str, ...] = (), silence_s: float = SILENCE_S) -> None:
        self.python, self._warm, self._silence_s = python, warm, silence_s
        self.hello: Hello | None = None
        self._process: Popen[bytes] | None = None
        self._said: queue.Queue[Message | None] = queue.Queue()
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._readers: list[threading.Thread] = []
        self._number = 0

    @property
    def log(self) -> str:
        """Last lines that the engine wrote to standard error, and stray ones from standard output."""
        return "\n".join(self._log)

    @property
    def pid(self) -> int | None:
        """Process id, once started."""
        return None if self._process is None else self._process.pid

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, is_cancelled: IsCancelled = _never) -> Hello:
        """Start the process and wait for its hello.

        Raises
        ------
        EngineError
            The Python is missing, has no engine, or one of another version.
        EngineCancelled
        """
        command = [self.python, "-m", "segmentation_core.worker"]
        for verb in self._warm:
            command += ["--warm", verb]
        self.hello, self._said = None, queue.Queue()
        try:
            self._process = child.start(command)
        except OSError as exc:
            raise EngineError(
                tr(
                    "The engine's Python cannot be started ({reason}): {path}. Choose another under {where}.",
                    reason=exc.strerror or exc,
                    path=self.python,
                    where=options_page(),
                ),
                "Missing",
            ) from exc
        self._readers = [
            threading.Thread(target=self._listen, args=(self._process,), daemon=True),
            threading.Thread(target=self._keep_log, args=(self._process,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        until = time.monotonic() + START_S
        while True:
            message = self._next(until, is_cancelled)
            if isinstance(message, Hello):
                break
        if message.protocol != PROTOCOL_VERSION:
            self.kill()
            told = (
                tr(
                    "The engine ({version}) is too old for this plugin. Update the engine.",
                    version=message.engine,
                )
                if message.protocol < PROTOCOL_VERSION
                else tr(
                    "This plugin is too old for the engine ({version}). Update it.", version=message.engine
                )
            )
            raise EngineError(told, "Version")
        self.hello = message
        return message

    def ask(
        self,
        verb: str,
        arguments: dict[str, Any],
        on_progress: OnProgress = _ignored,
        is_cancelled: IsCancelled = _never,
    ) -> dict[str, Any]:
        """Have a verb done and return its result.

        Raises
        ------
        EngineError
            The engine refused, failed, died or hung.
        EngineCancelled
            ``is_cancelled`` said so; the engine has stopped, with every process it started.
        """
        if not self.is_running():
            self.start(is_cancelled)
        self._number += 1
        self._send(Request(self._number, verb, arguments))
        until = time.monotonic() + self._silence_s
        while True:
            try:
                message = self._next(until, is_cancelled)
            except EngineCancelled:
                self._stop_request()
                raise
            until = time.monotonic() + self._silence_s
            if getattr(message, "id", None) != self._number:
                continue
            if isinstance(message, Progress):
                on_progress(message.stage, message.done, message.total, message.unit)
            elif isinstance(message, Result):
                return message.value
            elif isinstance(message, Failure):
                raise EngineError(message.message, message.kind, self.log)

    def close(self, wait_s: float = 2.0) -> None:
        """End an idle engine; one that does not end by itself is killed."""
        process = self._process
        if process is None:
            return
        try:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(wait_s)
        except (OSError, TimeoutExpired):
            self.kill()
        self._forget()

    def kill(self) -> None:
        """End the engine and all that it started, now."""
        if self._process is not None:
            child.end(self._process)
            self._forget()

    def _forget(self) -> None:
        process, self._process = self._process, None
        for reader in self._readers:
            reader.join(1.0)
        for stream in () if process is None else (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                _close(stream)

    def _stop_request(self) -> None:
        """Ask the engine to stop; end it where it does not within the grace."""
        self._send(Cancel(self._number))
        until = time.monotonic() + GRACE_S
        while time.monotonic() < until:
            try:
                message = self._said.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if message is None:
                break
            if isinstance(message, (Result, Failure)) and message.id == self._number:
                return
        self.kill()

    def _send(self, message: Message) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        try:
            process.stdin.write((encode(message) + "\n").encode())
            process.stdin.flush()
        except (BrokenPipeError, OSError):
            return  # it has died; the next look at its answers says why

    def _next(self, until: float, is_cancelled: IsCancelled) -> Message:
        """Return the next message; a dead or silent engine is an error."""
        while True:
            if is_cancelled():
                if self.hello is None:
                    self.kill()
                raise EngineCancelled
            try:
                message = self._said.get(timeout=_POLL_S)
            except queue.Empty:
                if time.monotonic() > until:
                    self.kill()
                    raise EngineError(
                        tr("The engine no longer answers and was ended.")
                        + " "
                        + tr("What is finished is kept: run it again to continue."),
                        "Hung",
                        self.log,
                    ) from None
                continue
            if message is None:
                raise self._died()
            return message

    def _died(self) -> EngineError:
        code = None
        if self._process is not None:
            try:
                code = self._process.wait(2.0)
            except TimeoutExpired:
                code = None  # it closed its output but lives; it is ended below
        self.kill()
        kind, message = exit_reason(code, self._log)
        return EngineError(message, kind, self.log)

    def _listen(self, process: Popen[bytes]) -> None:
        said = self._said
        for line in process.stdout or ():
            message = decode(line.decode("utf-8", "replace"))
            if message is None:
                self._log.append(line.decode("utf-8", "replace").rstrip())
            else:
                said.put(message)
        said.put(None)

    def _keep_log(self, process: Popen[bytes]) -> None:
        for line in process.stderr or ():
            self._log.append(line.decode("utf-8", "replace").rstrip())


def _close(stream: Any) -> None:
    try:
        stream.close()
    except OSError:
        return  # what was still to be flushed has nobody to read it


def run_once(
    python: str,
    verb: str,
    arguments: dict[str, Any],
    on_progress: OnProgress = _ignored,
    is_cancelled: IsCancelled = _never,
) -> dict[str, Any]:
    """Start an engine, have one verb done, and end it.

    Raises
    ------
    EngineError, EngineCancelled
        See `Engine.ask`.
    """
    engine = Engine(python)
    try:
        engine.start(is_cancelled)
        return engine.ask(verb, arguments, on_progress, is_cancelled)
    finally:
        engine.close()
