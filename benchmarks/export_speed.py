"""How long a hand-over of 100,000 features takes, and the sheet of a 100 Mpx orthophoto: memory and seconds.

    python benchmarks/export_speed.py [FEATURES]

Prints one line per format: seconds, and the process's largest memory, each in a process of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import rasterio
import shapely
from affine import Affine

from segmentation_core.operations.export import export
from segmentation_core.survey.geopackage import encode
from segmentation_core.survey.store import writing
from segmentation_core.survey.surveys import OrthophotoRecord, enter_orthophoto, enter_survey

CRS = 'LOCAL_CS["South facade",UNIT["metre",1],AXIS["u",EAST],AXIS["v",NORTH]]'
GSD_M = 0.0005
SIZE_PX = (12_500, 8_000)
PROJECTED = "EPSG:32650"
"""For GeoJSON, which knows no local system."""

FORMATS = ("dxf", "shapefile", "gpkg", "masks", "pdf")


def make_book(folder: Path, features: int, crs: str = CRS) -> Path:
    """Write a book with half lines and half polygons over ten elements, and its orthophoto of 100 Mpx."""
    rng = np.random.default_rng(1)
    width, height = SIZE_PX[0] * GSD_M, SIZE_PX[1] * GSD_M
    place = Affine(GSD_M, 0, 0, 0, -GSD_M, height)
    orthophoto = folder / "orthophoto.tif"
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "tiled": True, "compress": "jpeg"}
    with rasterio.open(
        orthophoto, "w", width=SIZE_PX[0], height=SIZE_PX[1], crs=crs, transform=place, **profile
    ) as dataset:
        for row in range(0, SIZE_PX[1], 1000):
            noise = rng.integers(60, 200, (3, 100, SIZE_PX[0] // 10), dtype=np.uint8)
            band = noise.repeat(10, axis=1).repeat(10, axis=2)
            dataset.write(band, window=rasterio.windows.Window(0, row, SIZE_PX[0], 1000))
    book = folder / "book.gpkg"
    half = features // 2
    corners = rng.random((half, 1, 2)) * (width - 0.1, height - 0.1)
    steps = rng.normal(0, 0.002, (half, 12, 2)).cumsum(axis=1) + (np.arange(12) * 0.002)[None, :, None]
    lines = shapely.linestrings(corners + steps)
    squares = shapely.box(
        corners[:, 0, 0], corners[:, 0, 1], corners[:, 0, 0] + 0.004, corners[:, 0, 1] + 0.003
    )
    owners = [f"E{int(x / width * 10)}" for x in corners[:, 0, 0]]
    with writing(book, rasterio.crs.CRS.from_user_input(crs).to_wkt()) as opened:
        survey = enter_survey(opened, "first", "2026-05-01")
        record = OrthophotoRecord(
            str(orthophoto), "0" * 64, *SIZE_PX, GSD_M * 1e3, tuple(place)[:6], 1.0, run={}
        )
        enter_orthophoto(opened, survey, record)
        ground = np.array([shapely.MultiPolygon([shapely.box(0, 0, width, height)])], dtype=object)
        opened.connection.execute(
            "INSERT INTO assessed (geom, surv_id, orth_id, area_m2) VALUES (?, 'S1', 'O1', ?)",
            (encode(ground, opened.srs_id)[0], width * height),
        )
        strips = [shapely.box(i * width / 10, 0, (i + 1) * width / 10, height) for i in range(10)]
        outlines = encode(np.array([shapely.MultiPolygon([s]) for s in strips], dtype=object), opened.srs_id)
        for i, blob in enumerate(outlines):
            opened.connection.execute("INSERT INTO element (geom, elem_id) VALUES (?, ?)", (blob, f"E{i}"))
        uids = [str(uuid.UUID(int=i)) for i in range(features)]
        opened.connection.executemany(
            "INSERT INTO crack_line (geom, uid, elem_id, surv_id, orth_id, class_cd, len_m, wid_m, comp_id, "
            "conf, status) VALUES (?, ?, ?, 'S1', 'O1', 'craquelure', ?, 0.0004, ?, 0.9, 'auto')",
            zip(encode(lines, opened.srs_id), uids, owners, shapely.length(lines), range(half), strict=False),
        )
        opened.connection.executemany(
            "INSERT INTO loss_polygon (geom, uid, elem_id, surv_id, orth_id, class_cd, area_m2, conf, "
            "status) VALUES (?, ?, ?, 'S1', 'O1', 'paint_loss', 1.2e-5, 0.9, 'auto')",
            zip(encode(squares, opened.srs_id), uids[half:], owners, strict=False),
        )
        opened.connection.executemany(
            "INSERT INTO element_stats (elem_id, surv_id, stat, value, unit, method_v) "
            "VALUES (?, 'S1', 'assessed_m2', ?, 'm2', '1')",
            [(f"E{i}", width * height / 10) for i in range(10)],
        )
    return book


def main() -> None:
    """Run every format in its own process."""
    if len(sys.argv) == 4:
        book, format_, out = sys.argv[1:]
        start = time.perf_counter()
        only = {"elements": ["E4"]} if format_ == "pdf" else {}
        result = export(book, format_, out, **only)
        told = {
            "seconds": time.perf_counter() - start,
            "processor": time.process_time(),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "features": sum(result["files"].values()),
        }
        print(json.dumps(told))
        return
    features = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        books = dict.fromkeys(FORMATS, make_book(folder, features))
        (folder / "projected").mkdir()
        books["geojson"] = make_book(folder / "projected", features, PROJECTED)
        print(f"{features:,} features, half lines of 12 vertices, half polygons; 100 Mpx")
        for format_, book in books.items():
            command = [sys.executable, __file__, str(book), format_, str(folder / "out" / format_)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            told = json.loads(done.stdout)
            print(
                f"{format_:10s} {told['seconds']:6.1f} s, {told['processor']:6.1f} s of one processor, "
                f"{told['peak_mb']:5.0f} MB"
            )


if __name__ == "__main__":
    main()
