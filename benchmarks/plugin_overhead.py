"""What the plugin adds to the same work on the command line, and how long the engine takes to be there.

    python benchmarks/plugin_overhead.py

A survey of a class raster runs three times by ``craquelure survey``, and three times through the pipe as the
plugin does it. Printed are the best times and their ratio.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

_SIDE = 4000
_ROUNDS = 3


def _write(path: Path, bands: np.ndarray) -> str:
    local = 'LOCAL_CS["facade",UNIT["metre",1]]'
    profile = {"driver": "GTiff", "dtype": "uint8", "count": len(bands), "crs": local}
    affine = Affine(0.00025, 0, 0, 0, -0.00025, 0)
    with rasterio.open(path, "w", width=_SIDE, height=_SIDE, transform=affine, **profile) as dataset:
        dataset.write(bands)
    return str(path)


def _classes() -> np.ndarray:
    rng = np.random.default_rng(1)
    classes = np.zeros((1, _SIDE, _SIDE), np.uint8)
    for row, col in rng.integers(0, _SIDE - 200, (4000, 2)):
        classes[0, row : row + 2, col : col + 150] = 1
    for row, col in rng.integers(0, _SIDE - 60, (400, 2)):
        classes[0, row : row + 50, col : col + 40] = 2
    return classes


def _best(call: object, folder: Path) -> float:
    times = []
    for number in range(_ROUNDS):
        book = folder / f"{id(call)}-{number}.gpkg"
        began = time.perf_counter()
        call(book)  # type: ignore[operator]
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    """Measure and print."""
    root = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        side = folder / "craquelure"
        shutil.copytree(root / "qgis_plugin" / "engine", side / "engine")
        shutil.copy(root / "qgis_plugin" / "translation.py", side / "translation.py")
        shutil.copy(root / "segmentation_core" / "protocol.py", side / "engine" / "protocol.py")
        (side / "__init__.py").touch()
        sys.path.insert(0, str(folder))
        client = importlib.import_module("craquelure.engine.client")
        ortho = _write(folder / "ortho.tif", np.full((3, _SIDE, _SIDE), 90, np.uint8))
        classes = _write(folder / "classes.tif", _classes())

        def by_command(book: Path) -> None:
            command = [sys.executable, "-m", "segmentation_core.cli", "survey", ortho, "--book", str(book)]
            subprocess.run(
                [*command, "--date", "2026-05-01", "--classes", classes, "--json"],
                check=True,
                stdout=subprocess.DEVNULL,
            )

        def by_pipe(book: Path) -> None:
            given = {"orthophoto": ortho, "classes": classes, "book": str(book), "date": "2026-05-01"}
            client.run_once(sys.executable, "survey", given)

        began = time.perf_counter()
        engine = client.Engine(sys.executable, warm=("vectorise",))
        engine.start()
        hello = time.perf_counter() - began
        engine.close()
        command, pipe = _best(by_command, folder), _best(by_pipe, folder)
        print(f"engine says hello after {hello:.2f} s")
        print(f"survey of {_SIDE**2 / 1e6:.0f} Mpx of classes: command {command:.2f} s, pipe {pipe:.2f} s")
        print(f"ratio {pipe / command:.3f}")


if __name__ == "__main__":
    main()
