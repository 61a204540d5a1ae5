"""What the plugin adds to the same work on the command line, and how long the engine takes to be there.

    python benchmarks/plugin_overhead.py

A survey of a class raster runs five times by ``craquelure survey``, and in turn with it as often through the
pipe as the plugin does it. Printed are the best times by the clock and of the processor, and their ratios.
"""

from __future__ import annotations

import importlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

_SIDE = 4000
_ROUNDS = 5


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


def _seconds(call: Callable[[Path], None], book: Path) -> tuple[float, float]:
    """Return what a call takes by the clock, and of the processor in all its processes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    call(book)
    clock, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
        taken: dict[str, list[tuple[float, float]]] = {"command": [], "pipe": []}
        for number in range(_ROUNDS):
            taken["command"].append(_seconds(by_command, folder / f"command-{number}.gpkg"))
            taken["pipe"].append(_seconds(by_pipe, folder / f"pipe-{number}.gpkg"))
        print(f"engine says hello after {hello:.2f} s")
        print(f"survey of {_SIDE**2 / 1e6:.0f} Mpx of classes, best of {_ROUNDS}:")
        for place, name in enumerate(("clock", "processor")):
            command, pipe = (min(t[place] for t in taken[way]) for way in ("command", "pipe"))
            print(f"{name}: command {command:.2f} s, pipe {pipe:.2f} s, ratio {pipe / command:.3f}")


if __name__ == "__main__":
    main()
