"""Child processes: a clean environment, a process group of their own, and an end that takes all of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["clean_environment", "end", "quiet_flags", "start"]

_DROPPED = (
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONEXECUTABLE",
    "PYTHONUSERBASE",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "DYLD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    "QT_PLUGIN_PATH",
    "QT_QPA_PLATFORM_PLUGIN_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "PIP_USER",
    "PIP_TARGET",
    "PIP_PREFIX",
    "VIRTUAL_ENV",
)
_DROPPED_PREFIXES = ("PROJ_", "GDAL_", "QGIS_", "GRASS", "OGR_", "OSGEO")


def clean_environment(source: dict[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a child: ours, without what points into QGIS.

    An inherited PROJ_LIB alone breaks every use of a CRS in the engine.
    """
    environment = dict(os.environ if source is None else source)
    kept = {
        name: value
        for name, value in environment.items()
        if name.upper() not in _DROPPED and not name.upper().startswith(_DROPPED_PREFIXES)
    }
    kept.update(PYTHONNOUSERSITE="1", PYTHONSAFEPATH="1", PYTHONIOENCODING="utf-8", PYTHONUTF8="1")
    return kept


def quiet_flags() -> dict[str, Any]:
    """Return what keeps a child in its own process group, and Windows from opening a console."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags}
    return {"start_new_session": True}


def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a child with pipes on all three streams; ``options`` go to `subprocess.Popen`.

    Raises
    ------
    OSError
        The program cannot be started.
    """
    settings: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "env": clean_environment(),
        "cwd": str(Path.home()),
    }
    settings.update(quiet_flags())
    settings.update(options)
    # The command is a list, so no shell reads it; its program is the Python that the user chose.
    return subprocess.Popen(command, **settings)  # nosec B603


def end(process: subprocess.Popen[bytes], wait_s: float = 5.0) -> None:
    """End a child and every process that it started, at once."""
    if sys.platform == "win32":
        system = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "taskkill.exe"
        command = [str(system), "/F", "/T", "/PID", str(process.pid)]
        # A fixed program of Windows with a number; no text of a user's.
        subprocess.run(command, check=False, capture_output=True, **quiet_flags())  # nosec B603
    else:
        _kill_group(process.pid)
    process.kill()
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        return  # held by the system, for instance on a dead network drive; it goes when that answers


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself
