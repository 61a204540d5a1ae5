"""Books with everything a hand-over can meet, and the real programs that open it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from segmentation_core.statistics.elements import Elements
from segmentation_core.survey.geopackage import encode

PLACE = (0.01, 0.0, 0.0, 0.0, -0.01, 4.0)


@pytest.fixture
def run_program():
    """Return a function that runs a program and gives its output; skips where the program is not."""

    def run(name: str, *arguments: object, timeout: float = 240) -> str:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not here; test.sh installs it")
        command = [found, *map(str, arguments)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def orthophoto(tmp_path, beam_crs) -> Path:
    """A picture of 10 x 4 m at 10 mm a pixel: a grey ramp with a red square at x 1-2 m, y 1-2 m."""
    path = tmp_path / "南立面.tif"
    rgb = np.repeat(np.linspace(60, 200, 1000)[None, None], 400, axis=1).repeat(3, axis=0).astype(np.uint8)
    rgb[:, 200:300, 100:200] = np.array([255, 0, 0], np.uint8)[:, None, None]
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "width": 1000, "height": 400}
    with rasterio.open(path, "w", crs=beam_crs, transform=Affine(*PLACE), **profile) as dataset:
        dataset.write(rgb)
    return path


@pytest.fixture
def rich_book(enter_beam, book, orthophoto) -> Path:
    """Elements with Chinese and dangerous names, one without damage and one not surveyed; local CRS."""
    outlines = [
        shapely.box(0, 0, 5, 4),
        shapely.box(5, 0, 9.6, 4).difference(shapely.box(6, 2, 6.5, 2.5)),
        shapely.box(9.7, 0, 10, 4),
        shapely.box(20, 0, 25, 4),
    ]
    names = ("南立面额枋", "=SUM(A1:A9)", "@无病害", "elsewhere")
    elements = Elements(names, np.array(outlines, dtype=object))
    enter_beam(elements=elements, name="春", path=str(orthophoto))
    return book


@pytest.fixture
def changed_book(rich_book, enter_beam, orthophoto, tmp_path, write_vectors, beam_crs, sql) -> Path:
    """A second survey without any damage, and changes as `compare` would write them."""
    nothing = write_vectors(tmp_path / "none.gpkg", assessed=shapely.box(0, 0, 10, 4), crs=beam_crs)
    enter_beam(name="秋", date="2025-10-01", vectors=nothing, path=str(orthophoto), sha256="b" * 64)
    sql(
        "INSERT INTO change_pair (pair_id, surv_a, surv_b, reg_sig_mm, eps_mm, method_v) "
        "VALUES ('P1', 'S1', 'S2', 0.5, 2.5, '1')"
    )
    lines = [shapely.MultiLineString([[(1, 1), (2, 1)]]), shapely.MultiLineString([[(6, 1), (6.5, 1)]])]
    srs_id = sql("SELECT srs_id FROM gpkg_geometry_columns WHERE table_name = 'change_line'")[0][0]
    blobs = encode(np.array(lines, dtype=object), srs_id)
    rows = zip(blobs, ("new", "extended"), ("南立面额枋", "=SUM(A1:A9)"), (1.0, 0.5), strict=True)
    for n, (blob, kind, elem_id, length) in enumerate(rows):
        sql(
            "INSERT INTO change_line (geom, uid, elem_id, pair_id, class_cd, kind, len_m) "
            "VALUES (?, ?, ?, 'P1', 'craquelure', ?, ?)",
            *(blob, f"l{n}", elem_id, kind, length),
        )
    hole = shapely.box(3, 2, 4, 3).difference(shapely.box(3.2, 2.2, 3.4, 2.4))
    (blob,) = encode(np.array([shapely.MultiPolygon([hole])], dtype=object), srs_id)
    sql(
        "INSERT INTO change_polygon (geom, uid, elem_id, pair_id, class_cd, kind, area_m2) "
        "VALUES (?, 'p0', '南立面额枋', 'P1', 'paint_loss', 'gain', 0.96)",
        blob,
    )
    for stat, unit, values, said in (
        ("crack_m", "m", (10.0, 9.5, -0.5, 2.0, -0.25), "no change that can be shown"),
        ("crack_growth_m", "m", (None, None, 1.5, 0.4, 0.75), "worse"),
        ("loss_m2", "m2", (0.5, 1.46, 0.96, 0.2, 0.48), "worse"),
        ("branch_count", "1", (4, 5, 1, None, 0.5), ""),
        ("width_mean_mm", "mm", (None, None, None, None, None), ""),
    ):
        sql(
            "INSERT INTO change_stats (pair_id, elem_id, stat, unit, value_a, value_b, diff, u95_diff, "
            "per_year, verdict) VALUES ('P1', '南立面额枋', ?, ?, ?, ?, ?, ?, ?, ?)",
            *(stat, unit, *values, said),
        )
    return rich_book


_DATES = ("2024-05-01", "2025-05-01", "2026-05-01", "2028-05-01")
_ELEMENTS = Elements(
    ("快", "slow", "steady"),
    np.array([shapely.box(0, 0, 3, 4), shapely.box(3, 0, 6, 4), shapely.box(6, 0, 10, 4)], dtype=object),
)


@pytest.fixture
def dated_book(enter_beam, book, write_vectors, tmp_path, beam_crs):
    """A loss that grows fast, one that grows slowly, and one that stays and was not looked at in 2026."""
    for number, day in enumerate(_DATES):
        year = int(day[:4]) - 2024
        losses = [
            shapely.box(0.5, 1, 1 + 0.4 * year, 2),
            shapely.box(3.5, 1, 4 + 0.1 * year, 2),
            shapely.box(7, 1, 8, 2),
        ]
        seen = shapely.box(0, 0, 6 if year == 2 else 10, 4)
        vectors = write_vectors(
            tmp_path / f"v{number}.gpkg",
            assessed=seen,
            losses=[loss for loss in losses if shapely.covers(seen, loss)],
            lines=[(shapely.LineString([(0.5, 3), (2.5 + 0.1 * year, 3)]), 1)],
            crs=beam_crs,
        )
        elements = _ELEMENTS if number == 0 else None
        enter_beam(name=day, date=day, vectors=vectors, sha256=f"{number}" * 64, elements=elements)
    return book
