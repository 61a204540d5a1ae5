"""What the user chose, in QGIS's own settings under ``craquelure/``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QLocale

from .engine.errors import EngineError, options_page
from .translation import tr

__all__ = [
    "PROJECT_SCOPE",
    "chosen_python",
    "data_folder",
    "default_device",
    "engine_python",
    "set_chosen_python",
    "set_default_device",
    "user_locale",
]

DEVICES = ("auto", "cpu", "cuda", "mps")
PROJECT_SCOPE = "craquelure"
"""Under this name a project keeps what belongs to it: its survey book, its building elements."""

_PYTHON = "craquelure/engine/python"
_DEVICE = "craquelure/engine/device"


def chosen_python() -> str:
    """Return the Python that the user chose, or an empty text."""
    return str(QgsSettings().value(_PYTHON, "") or "")


def set_chosen_python(path: str) -> None:
    """Remember the Python to use; an empty text means the managed environment."""
    QgsSettings().setValue(_PYTHON, path)


def default_device() -> str:
    """Return the device that runs use unless told otherwise."""
    device = str(QgsSettings().value(_DEVICE, DEVICES[0]) or DEVICES[0])
    return device if device in DEVICES else DEVICES[0]


def set_default_device(device: str) -> None:
    """Remember the device."""
    QgsSettings().setValue(_DEVICE, device)


def user_locale() -> str:
    """Return the locale that QGIS shows itself in."""
    settings = QgsSettings()
    override = settings.value("locale/overrideFlag", False, type=bool)
    chosen = settings.value("locale/userLocale", "") if override else ""
    return str(chosen or QLocale.system().name())


def data_folder() -> Path:
    """Return the folder of what outlives the plugin: the managed environment and its logs."""
    home = os.environ.get("CRAQUELURE_HOME")
    if home:
        return Path(home)
    if sys.platform == "win32":
        # Local, not roaming: gigabytes must not travel through a company's network at each login.
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "craquelure"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "craquelure"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "craquelure"


def engine_python() -> str:
    """Return the Python that runs the engine: the chosen one, else the managed environment's.

    Raises
    ------
    EngineError
        There is neither.
    """
    from .engine.managed import managed_python  # here, because QGIS waits for this module when it starts

    chosen = chosen_python()
    if chosen:
        if not Path(chosen).is_file():
            raise EngineError(
                tr(
                    "The engine's Python is not there any more: {path}. Choose another under {where}.",
                    path=chosen,
                    where=options_page(),
                ),
                "Missing",
            )
        return chosen
    managed = managed_python(data_folder())
    if managed is None:
        raise EngineError(
            tr(
                "Craquelure has no engine yet. Choose a Python that has it, or install one, under {where}.",
                where=options_page(),
            ),
            "Missing",
        )
    return str(managed)
