"""The command line as a user runs it, and a beam with exactly known damage."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from journey_data import Beam, picture_and_classes, write_elements, write_raster

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def craquelure() -> Run:
    def run(*arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "segmentation_core.cli", *map(str, arguments)]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout)

    return run


@pytest.fixture(scope="module")
def beam(tmp_path_factory: pytest.TempPathFactory) -> Beam:
    folder = tmp_path_factory.mktemp("beam")
    picture, classes = picture_and_classes()
    return Beam(
        folder,
        write_raster(folder / "beam.tif", picture),
        write_raster(folder / "classes.tif", classes),
        write_elements(folder / "elements.gpkg", ["B-01", "梁二"]),
    )
