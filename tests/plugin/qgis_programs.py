"""The real QGIS programs, with a fresh profile each: found, prepared, run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent / "scripts"
DESKTOP_S = 900
_SETTINGS = """
[app]
askToSaveMemoryLayers=false
projections\\unknownCrsBehavior=NoAction

[qgis]
checkVersion=false
askToSaveProjectChanges=false

[locale]
overrideFlag=true
userLocale={locale}

[core]
NetworkCache\\size=0
"""


def missing() -> list[str]:
    """Return the programs of the distribution's QGIS that are not here."""
    return [name for name in ("qgis", "qgis_process", "xvfb-run") if shutil.which(name) is None]


def required(why: str) -> None:
    """Skip a test that needs QGIS; fail it where QGIS was promised, as in continuous integration."""
    if os.environ.get("CRAQUELURE_REQUIRE_QGIS"):
        pytest.fail(why)
    pytest.skip(why)


def require_qgis() -> None:
    """Skip or fail where the distribution's QGIS is not complete."""
    if missing():
        required(f"no QGIS here: {', '.join(missing())} (README's test command installs it)")


def clean() -> dict[str, str]:
    """Return the environment of a person's session, not of this test."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PYTHON", "VIRTUAL_ENV", "PROJ_", "GDAL_", "QT_"))
    }
    # QGIS's own Python takes its libraries from the first python3 on the path: never a virtual environment's.
    places = [Path(p) for p in kept.get("PATH", "").split(os.pathsep)]
    path = os.pathsep.join(str(p) for p in places if not (p.parent / "pyvenv.cfg").is_file())
    return {**kept, "PATH": path, "LC_ALL": "C.UTF-8"}


class Profile:
    """A profile of QGIS with the plugin installed from its zip; without a package, as QGIS makes it."""

    def __init__(
        self, folder: Path, package: Path | None, locale: str = "en_US", python: str = sys.executable
    ) -> None:
        self.folder, self.home = folder, folder / "home"
        self.profiles = folder / "config"
        runtime = folder / "runtime"
        runtime.mkdir(parents=True, mode=0o700)
        self.home.mkdir()
        profile = self.profiles / "profiles" / "default"
        (profile / "QGIS").mkdir(parents=True)
        (profile / "QGIS" / "QGIS3.ini").write_text(_SETTINGS.format(locale=locale), encoding="utf-8")
        if package is not None:
            command = [sys.executable, "-m", "segmentation_core.cli", "plugin", "install", str(package)]
            subprocess.run(
                [*command, "--profile", str(profile)], check=True, capture_output=True, timeout=120
            )
        self.settings = profile / "QGIS" / "QGIS3.ini"
        self.use_python(python)
        self.environment = {
            **clean(),
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(runtime),
            "CRAQUELURE_HOME": str(folder / "craquelure"),
            "QGIS_CUSTOM_CONFIG_PATH": str(self.profiles),
        }

    def use_python(self, python: str) -> None:
        """Choose the engine's Python; an empty text chooses none."""
        lines = self.settings.read_text(encoding="utf-8").splitlines()
        lines = [f"engine\\python={python}" if line.startswith("engine\\python=") else line for line in lines]
        self.settings.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def process(
        self, *arguments: object, timeout: float = 300, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``qgis_process``. Debian's wrapper of 3.22 is broken; the program itself is not."""
        program = shutil.which("qgis_process.bin") or "qgis_process"
        return subprocess.run(
            [program, *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**self.environment, "QT_QPA_PLATFORM": "offscreen", **environment},
        )

    def desktop(self, journey: str, out: Path, **facts: Any) -> dict[str, Any]:
        """Run a journey in the real desktop under Xvfb; return its notes. Its screenshots lie in ``out``."""
        out.mkdir(parents=True, exist_ok=True)
        environment = {
            **self.environment,
            "CRAQUELURE_JOURNEY": journey,
            "CRAQUELURE_JOURNEY_SCRIPTS": str(SCRIPTS),
            "CRAQUELURE_JOURNEY_OUT": str(out),
            "CRAQUELURE_JOURNEY_FACTS": json.dumps(facts, default=str),
        }
        display = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]
        program = ["qgis", "--profiles-path", str(self.profiles), "--profile", "default", "--nologo"]
        command = [*display, *program, "--code", str(SCRIPTS / "desktop.py")]
        with (out / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                code = process.wait(DESKTOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        said = (out / "output.txt").read_text(encoding="utf-8", errors="replace")
        notes = out / "notes.json"
        assert notes.is_file(), f"the journey did not end (exit code {code}):\n{said[-4000:]}"
        told: dict[str, Any] = json.loads(notes.read_text(encoding="utf-8"))
        assert not told["fault"], told["fault"] + said[-3000:]
        return {**told, "exit": code, "said": said}
