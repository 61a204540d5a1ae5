"""Starts the tests in ``inside`` with QGIS's own Python, offscreen (pytest-qgis)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from qgis_programs import clean, required

INSIDE = Path(__file__).parent / "inside"


def test_the_tests_inside_qgis_pass(unpacked, tmp_path):
    python = Path(os.environ.get("CRAQUELURE_QGIS_PYTHON", Path(sys.prefix) / "qgis" / "bin" / "python"))
    if not python.is_file():
        required(f"no Python of QGIS with pytest-qgis in {python} (README's test command makes it)")
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    environment = {
        **clean(),
        "CRAQUELURE_PLUGINS": str(unpacked.parent),
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(runtime),
        "HOME": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [
        str(python),
        "-m",
        "pytest",
        "-c",
        str(INSIDE / "pytest.ini"),
        "-p",
        "no:cacheprovider",
        str(INSIDE),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    if "passed" not in done.stdout:
        pytest.fail(done.stdout[-2000:])
