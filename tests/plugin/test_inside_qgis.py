"""Starts the tests in ``inside`` with QGIS's own Python, offscreen (pytest-qgis)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from qgis_programs import clean, required

from segmentation_core.operations.survey import survey
from segmentation_core.raster.grid import Window
from segmentation_core.survey.corrections import CorrectionWindow, put_windows
from segmentation_core.survey.store import reading
from segmentation_core.survey.surveys import orthophotos_of

INSIDE = Path(__file__).parent / "inside"


def small_book(folder: Path) -> Path:
    """A survey of a picture with three cracks and two losses, from a class raster."""
    profile = {"driver": "GTiff", "dtype": "uint8", "width": 600, "height": 300, "crs": "EPSG:32650"}
    place = Affine(0.001, 0, 500000, 0, -0.001, 4400000.3)
    classes = np.zeros((300, 600), np.uint8)
    classes[50:53, 40:560] = classes[120:125, 60:300] = classes[200:202, 300:580] = 1
    classes[220:280, 40:140] = classes[150:170, 400:450] = 2
    with rasterio.open(folder / "beam.tif", "w", count=3, transform=place, **profile) as dataset:
        dataset.write(np.repeat(np.where(classes == 1, 40, 170).astype(np.uint8)[None], 3, axis=0))
    with rasterio.open(folder / "classes.tif", "w", count=1, transform=place, **profile) as dataset:
        dataset.write(classes, 1)
    book = folder / "small.gpkg"
    survey(folder / "beam.tif", book, "2026-05-01", classes=folder / "classes.tif")
    with reading(book) as opened:
        windows = [
            CorrectionWindow("O1", Window(0, 200 * n, 300, 200), "left" if n == 0 else "", n == 1)
            for n in range(3)
        ]
        put_windows(opened, "S1", dict(orthophotos_of(opened, "S1")), windows)
    return book


def test_the_tests_inside_qgis_pass(unpacked, tmp_path):
    python = Path(os.environ.get("CRAQUELURE_QGIS_PYTHON", Path(sys.prefix) / "qgis" / "bin" / "python"))
    if not python.is_file():
        required(f"no Python of QGIS with pytest-qgis in {python} (README's test command makes it)")
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    environment = {
        **clean(),
        "CRAQUELURE_PLUGINS": str(unpacked.parent),
        "CRAQUELURE_BOOK": str(small_book(tmp_path)),
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
