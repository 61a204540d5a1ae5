"""The managed environment: a Python of our own beside the plugin, with the engine in it.

It lies outside the plugin's folder, so that an update of the plugin does not delete gigabytes. It is made in
steps, and each finished step is noted, so that a download cut off by a closed laptop goes on where it was.
Standard library only.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..translation import tr
from . import child
from .client import Engine
from .errors import EngineCancelled, EngineError

__all__ = [
    "Recipe",
    "base_pythons",
    "install",
    "managed_python",
    "remove",
    "torch_choice",
]

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
LOGIC = 1
"""Raised when an older environment must be made anew."""

_FOLDER, _STATE, _LOCK = "engine", "state.json", "engine.lock"
_STALE_LOCK_S = 24 * 3600.0
_POLL_S = 0.1
_OLDEST = (3, 10)

Tell = Callable[[str, float], None]
IsCancelled = Callable[[], bool]


@dataclass(frozen=True)
class Recipe:
    """How to make the environment.

    Attributes
    ----------
    base : str
        Python to make it with, 3.10 or newer.
    wheels : Path
        Folder with the engine's wheel: the plugin's own.
    offline : str
        Folder of wheels to take everything from; empty for the package index.
    torch : str
        ``cpu`` or ``cuda``.
    proxy : str
        Address of the proxy with what it takes to log in, as pip reads it; or empty.
    """

    base: str
    wheels: Path
    offline: str = ""
    torch: str = "cpu"
    proxy: str = ""


def managed_python(data: Path) -> Path | None:
    """Return the Python of a finished managed environment, None where there is none."""
    home = data / _FOLDER
    python = _python_in(home)
    state = _read_state(home)
    return python if state.get("done") and state.get("logic") == LOGIC and python.is_file() else None


def _python_in(home: Path) -> Path:
    return home / "Scripts" / "python.exe" if sys.platform == "win32" else home / "bin" / "python"


def base_pythons() -> list[str]:
    """Return Pythons that could make an environment, the likeliest first.

    ``sys.executable`` inside QGIS is QGIS itself, or any Python at all, so it is not asked.
    """
    found = [
        Path(sys.base_exec_prefix) / "python.exe",
        Path(sys.base_exec_prefix) / "python3.exe",
        Path(sys.base_exec_prefix) / "bin" / f"python3.{sys.version_info[1]}",
        Path(sys.base_exec_prefix) / "bin" / "python3",
    ]
    named = [shutil.which(f"python3.{minor}") for minor in range(13, _OLDEST[1] - 1, -1)]
    names = [str(path) for path in found if path.is_file()] + [
        n for n in (*named, shutil.which("python3")) if n
    ]
    return list(dict.fromkeys(names))


def torch_choice() -> tuple[str, str]:
    """Return ``cuda`` or ``cpu``, and why."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "cpu", tr("no NVIDIA driver was found (nvidia-smi is missing)")
    code, lines = _run(
        [program, "--query-gpu=name,driver_version", "--format=csv,noheader"], _never, _ignored
    )
    if code != 0 or not lines:
        return "cpu", tr("the NVIDIA driver does not answer")
    return "cuda", tr("an NVIDIA GPU was found: {name}", name=lines[0])


def install(data: Path, recipe: Recipe, tell: Tell, is_cancelled: IsCancelled) -> Path:
    """Make the environment, or go on making it, and return its Python.

    Parameters
    ----------
    data : Path
        Folder that outlives the plugin.
    recipe : Recipe
    tell : callable
        Gets a line and the percent done.
    is_cancelled : callable

    Raises
    ------
    EngineError
        A step failed; the message says why. What is finished stays.
    EngineCancelled
    """
    home = data / _FOLDER
    data.mkdir(parents=True, exist_ok=True)
    with _locked(data):
        state = _read_state(home)
        if state.get("logic") != LOGIC or state.get("base") != recipe.base:
            shutil.rmtree(home, ignore_errors=True)
            state = {"logic": LOGIC, "base": recipe.base, "steps": []}
        steps = _steps(home, recipe)
        for number, (name, title, command) in enumerate(steps):
            if name in state["steps"]:
                continue
            tell(title, 100.0 * number / (len(steps) + 1))
            _do(
                command,
                title,
                tell,
                100.0 * number / (len(steps) + 1),
                is_cancelled,
                _pip_environment(recipe),
            )
            state["steps"].append(name)
            _write_state(home, state)
        tell(tr("Checking the engine"), 100.0 * len(steps) / (len(steps) + 1))
        _verify(_python_in(home), is_cancelled)
        _write_state(home, {**state, "done": True})
        tell(tr("The engine is ready"), 100.0)
        return _python_in(home)


def remove(data: Path) -> None:
    """Remove the environment.

    Raises
    ------
    EngineError
        Some of it is in use.
    """
    home = data / _FOLDER
    if not home.exists():
        return
    with _locked(data):
        (home / _STATE).unlink(missing_ok=True)  # half removed, it must not count as finished
        try:
            shutil.rmtree(home)
        except OSError as exc:
            raise EngineError(
                tr("Part of {path} is in use. Close QGIS, then delete that folder.", path=home)
            ) from exc


def _steps(home: Path, recipe: Recipe) -> list[tuple[str, str, list[str]]]:
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    pip = [str(_python_in(home)), "-m", "pip", "install", *options]
    if recipe.proxy and not recipe.offline:
        pip += ["--proxy", recipe.proxy]
    wheel = str(recipe.wheels / _wheel_name(recipe.wheels))
    torch, needs = [*pip, "torch", "torchvision"], [*pip, wheel]
    if recipe.offline:
        local = ["--no-index", "--find-links", recipe.offline]
        torch, needs = [*torch, *local], [*needs, *local]
    elif recipe.torch == "cpu":
        torch += ["--index-url", CPU_INDEX]
    size = tr("about 2.7 GB") if recipe.torch == "cuda" else tr("about 200 MB")
    torch_title = tr("Installing torch for {device} ({size})", device=recipe.torch.upper(), size=size)
    # The engine once more by itself: the environment of an older plugin may hold another build of it.
    engine = [*pip, "--force-reinstall", "--no-deps", "--no-index", wheel]
    version = _wheel_name(recipe.wheels)
    return [
        ("environment", tr("Making the environment"), [recipe.base, "-m", "venv", "--clear", str(home)]),
        (f"torch-{recipe.torch}", torch_title, torch),
        (f"needs-{version}", tr("Installing what the engine needs (about 150 MB)"), needs),
        (f"engine-{version}", tr("Installing the engine"), engine),
    ]


def _wheel_name(wheels: Path) -> str:
    return next((path.name for path in sorted(wheels.glob("craquelure-*.whl"))), "missing")


def _pip_environment(recipe: Recipe) -> dict[str, str]:
    """Return pip's environment: the user's own settings, and none at all for a folder of wheels."""
    environment = child.clean_environment()
    if recipe.offline:
        environment = {name: value for name, value in environment.items() if not name.startswith("PIP_")}
        environment["PIP_CONFIG_FILE"] = os.devnull
    return environment


def _do(
    command: list[str],
    title: str,
    tell: Tell,
    percent: float,
    is_cancelled: IsCancelled,
    environment: dict[str, str],
) -> None:
    try:
        code, lines = _run(command, is_cancelled, lambda line: tell(line, percent), environment)
    except OSError as exc:
        told = tr("{program} cannot be started ({reason}).", program=command[0], reason=exc.strerror or exc)
        raise EngineError(told, "Missing") from exc
    if code:
        raise EngineError(
            tr("{step} failed.", step=title) + f" {_reason(lines)}", "Install", "\n".join(lines)
        )


def _reason(lines: list[str]) -> str:
    text = "\n".join(lines).lower()
    for signs, told in _known_reasons():
        if any(sign in text for sign in signs):
            return told
    last = next((line for line in reversed(lines) if line.strip()), tr("no message"))
    return tr("The last line was: {line}", line=last)


def _known_reasons() -> list[tuple[tuple[str, ...], str]]:
    """Return what pip and venv say, and what that means to the user."""
    return [
        (
            ("no space left", "errno 28", "not enough space", "disk quota"),
            tr("The disk is full. Free about 3 GB, then go on."),
        ),
        (
            ("proxy authentication", "407 "),
            tr("The proxy asks for a password. Enter it under Settings > Options > Network, then go on."),
        ),
        (
            ("certificate verify failed", "sslerror"),
            tr(
                "Python does not trust the network's certificate. Use a folder of wheels, or ask who runs it."
            ),
        ),
        (
            ("no matching distribution", "could not find a version", "resolutionimpossible"),
            tr("A package is missing: from the folder of wheels, or for this version of Python."),
        ),
        (
            ("connection", "timed out", "name or service not known", "getaddrinfo", "unreachable"),
            tr("The package index cannot be reached. Check network and proxy, or use a folder of wheels."),
        ),
        (
            ("access is denied", "permission denied", "errno 13"),
            tr("A file could not be written: a virus scanner or the folder's permissions are in the way."),
        ),
        (
            ("ensurepip", "python3-venv"),
            tr("This Python cannot make environments. Install python3-venv, or choose another Python."),
        ),
    ]


def _run(
    command: list[str],
    is_cancelled: IsCancelled,
    on_line: Callable[[str], None],
    environment: dict[str, str] | None = None,
) -> tuple[int, list[str]]:
    """Run a program; return its exit code and last lines."""
    environment = child.clean_environment() if environment is None else environment
    process = child.start(command, stderr=-2, env=environment)  # -2: standard error into standard output
    lines: deque[str] = deque(maxlen=200)

    def listen() -> None:
        for raw in process.stdout or ():
            lines.append(raw.decode("utf-8", "replace").rstrip())

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    told = ""
    try:
        while process.poll() is None:
            if is_cancelled():
                raise EngineCancelled
            if lines and lines[-1] != told:
                told = lines[-1]
                on_line(told[:160])
            time.sleep(_POLL_S)
    finally:
        child.end(process)
        reader.join(5.0)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
    return process.returncode, list(lines)


def _verify(python: Path, is_cancelled: IsCancelled) -> None:
    """Have the new engine examine itself: that what was installed can also be imported."""
    engine = Engine(str(python))
    try:
        engine.start(is_cancelled)
        report = engine.ask("doctor", {}, is_cancelled=is_cancelled)
    finally:
        engine.close()
    missing = [f"{check['name']}: {check['found']}" for check in report["checks"] if not check["ok"]]
    if missing:
        raise EngineError(
            tr("The engine was installed but does not work here: {faults}.", faults="; ".join(missing)),
            "Install",
        )


def _read_state(home: Path) -> dict[str, object]:
    try:
        state = json.loads((home / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _write_state(home: Path, state: dict[str, object]) -> None:
    partial = home / f"{_STATE}.partial"
    partial.write_text(json.dumps(state), encoding="utf-8")
    os.replace(partial, home / _STATE)


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Let one process at a time change the environment; a lock older than a day is a crash's."""
    lock = data / _LOCK
    if lock.exists() and time.time() - lock.stat().st_mtime > _STALE_LOCK_S:
        lock.unlink()
    try:
        handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        holder = lock.read_text(encoding="utf-8").strip()
        if holder.isdecimal() and not _is_alive(int(holder)):
            lock.unlink()
            handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        else:
            raise EngineError(
                tr(
                    "Another QGIS is at work on the engine. Wait for it; if there is none, delete {path}.",
                    path=lock,
                )
            ) from None
    try:
        os.write(handle, str(os.getpid()).encode())
        os.close(handle)
        yield
    finally:
        lock.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # asking would end it; the age of the lock decides
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _never() -> bool:
    return False


def _ignored(line: str) -> None:
    del line
