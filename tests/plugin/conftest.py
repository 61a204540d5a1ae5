"""The plugin as users get it: the zip, unpacked; its engine is the Python that runs the tests."""

from __future__ import annotations

import importlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from qgis_programs import Profile, require_qgis

from segmentation_core.operations.plugin import plugin_package

collect_ignore = ["scripts", "inside"]  # these run inside QGIS


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(plugin_package(tmp_path_factory.mktemp("package"))["zip"])


@pytest.fixture(scope="session")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    return folder / "craquelure"


@pytest.fixture(scope="session")
def engine_side(unpacked: Path) -> Iterator[dict[str, ModuleType]]:
    """The modules of the plugin that need no QGIS, from the zip."""
    sys.path.insert(0, str(unpacked.parent))
    names = ("child", "client", "diagnostics", "errors", "managed", "protocol")
    yield {name: importlib.import_module(f"craquelure.engine.{name}") for name in names}
    sys.path.remove(str(unpacked.parent))


@pytest.fixture
def profile(package: Path, tmp_path: Path) -> Profile:
    require_qgis()
    return Profile(tmp_path / "qgis", package)
