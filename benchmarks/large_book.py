"""A book of 100,000 features in the real QGIS: how long "next" and a decision take in Review, and panning.

A facade of 20 x 10 beams is filled with crack lines and losses, entered and measured by the engine. Then the
journey ``tests/plugin/scripts/large_book.py`` steps, decides and pans in QGIS under Xvfb, from the built zip.

    python benchmarks/large_book.py --features 100000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import uuid
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine

from segmentation_core.operations.plugin import plugin_package
from segmentation_core.operations.survey import survey
from segmentation_core.survey.figures import recompute
from segmentation_core.survey.geopackage import encode
from segmentation_core.survey.store import writing
from segmentation_core.survey.triggers import own_writes

_BEAMS, _SIDE_PX, _GSD_M = (20, 10), 200, 0.001
_PLACE = Affine(_GSD_M, 0, 500000, 0, -_GSD_M, 4400000)
_LINE_POINTS = 40
_LOSSES = 0.1
"""Share of the features that are paint losses."""


def large_book(folder: Path, features: int) -> Path:
    """Write a book with one survey of so many features, and its orthophoto."""
    rng = np.random.default_rng(1)
    width, height = _BEAMS[0] * _SIDE_PX, _BEAMS[1] * _SIDE_PX
    profile = {"driver": "GTiff", "dtype": "uint8", "width": width, "height": height, "crs": "EPSG:32650"}
    classes = np.zeros((height, width), np.uint8)
    classes[50:53, 40:160], classes[100:120, 100:130] = 1, 2
    for name, bands in (("wall", np.repeat(rng.integers(120, 180, (1, height, width), np.uint8), 3, axis=0)),
                        ("classes", classes[None])):  # fmt: skip
        with rasterio.open(folder / f"{name}.tif", "w", count=len(bands), transform=_PLACE, **profile) as out:
            out.write(bands)
    cells = [(x, y) for x in range(_BEAMS[0]) for y in range(_BEAMS[1])]
    outlines = [
        shapely.box(
            *(_PLACE @ (x * _SIDE_PX, (y + 1) * _SIDE_PX)), *(_PLACE @ ((x + 1) * _SIDE_PX, y * _SIDE_PX))
        )
        for x, y in cells
    ]
    names = [f"B{x:02}-{y:02}" for x, y in cells]
    elements = folder / "elements.gpkg"
    geopandas.GeoDataFrame({"id": names}, geometry=outlines, crs="EPSG:32650").to_file(elements)
    book = folder / "large.gpkg"
    survey(
        folder / "wall.tif",
        book,
        "2026-05-01",
        elements=elements,
        id_field="id",
        classes=folder / "classes.tif",
    )
    losses = int(features * _LOSSES)
    with writing(book) as opened, own_writes(opened.connection):
        for table, shapes, size, code in (
            ("crack_line", _lines(rng, features - losses, width, height), "len_m", "craquelure"),
            ("loss_polygon", _losses(rng, losses, width, height), "area_m2", "paint_loss"),
        ):
            sizes = shapely.length(shapes) if table == "crack_line" else shapely.area(shapes)
            rows = zip(
                encode(shapes, opened.srs_id), sizes.tolist(), rng.random(len(shapes)).tolist(), strict=True
            )
            opened.connection.executemany(
                f"INSERT INTO {table} (geom, {size}, conf, uid, surv_id, orth_id, class_cd, status, t_start) "
                f"VALUES (?, ?, ?, ?, 'S1', 'O1', '{code}', 'auto', '2026-05-01')",
                ((*row, str(uuid.UUID(int=rng.integers(1 << 62).item()))) for row in rows),
            )
    with writing(book) as opened:
        recompute(opened, "S1")
    return book


def _lines(rng: np.random.Generator, count: int, width: int, height: int) -> np.ndarray:
    starts = rng.random((count, 1, 2)) * (width, height)
    turns = np.cumsum(rng.normal(0, 0.3, (count, _LINE_POINTS - 1)), axis=1) + rng.random((count, 1)) * 7
    steps = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], axis=2), axis=1)
    points = np.concatenate([starts, starts + steps], axis=1).clip(1, (width - 1, height - 1))
    x, y = _PLACE @ (points[..., 0], points[..., 1])
    return np.asarray(shapely.linestrings(np.stack([x, y], axis=2)))


def _losses(rng: np.random.Generator, count: int, width: int, height: int) -> np.ndarray:
    x, y = rng.random((2, count)) * np.array([[width - 10], [height - 10]])
    left, top = _PLACE @ (x, y)
    return np.asarray(shapely.box(left, top - 8 * _GSD_M, left + 6 * _GSD_M, top))


def main() -> None:
    """Make the book, run the journey, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="folder for book and screenshots")
    options = parser.parse_args()
    tests = Path(__file__).resolve().parents[1] / "tests" / "plugin"
    sys.path.insert(0, str(tests))
    from qgis_programs import Profile

    with tempfile.TemporaryDirectory() as work:
        folder = options.keep or Path(work)
        folder.mkdir(parents=True, exist_ok=True)
        book = folder / "large.gpkg"
        if not book.exists():
            large_book(folder, options.features)
        package = Path(plugin_package(Path(work) / "package")["zip"])
        notes = Profile(Path(work) / "qgis", package).desktop("large_book", folder / "shots", book=book)
    for name, value in notes.items():
        if name.endswith(("_s", "_ms")) or name == "features":
            print(f"{name}: {value}")


if __name__ == "__main__":
    main()
