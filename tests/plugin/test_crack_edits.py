"""Cut and joined cracks in the figures: the plugin changes the book, the engine measures it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from qgis_programs import clean, required
from test_inside_qgis import small_book

from segmentation_core.operations.survey import survey
from segmentation_core.survey.figures import recompute, stored_rows
from segmentation_core.survey.store import reading, writing

LEFT, TOP, PX = 500000.0, 4400000.3, 0.001

CUT = """
from craquelure.results.crack_edits import cut_crack
(fid,) = [f.GetFID() for f in lines if f.GetGeometryRef().GetEnvelope()[2] > {top} - 60 * {px}]
cut_crack(book, fid, QgsPointXY({x}, {y}), "me")
"""
JOIN = """
from craquelure.results.crack_edits import join_cracks
a, b = [f.GetFID() for f in lines if f.GetGeometryRef().GetEnvelope()[2] < {top} - 60 * {px}]
join_cracks(book, (a, QgsPointXY({x}, {y})), (b, QgsPointXY({x}, {y})), "me")
"""
SCRIPT = """
import sys
sys.path[:0] = [{plugins!r}, "/usr/share/qgis/python/plugins"]
from osgeo import gdal
from qgis.core import QgsPointXY
book = {book!r}
dataset = gdal.OpenEx(book, gdal.OF_VECTOR)
lines = list(dataset.GetLayerByName("crack_line"))
dataset = None
"""


@pytest.fixture
def book(tmp_path):
    return small_book(tmp_path)


@pytest.fixture
def in_qgis(unpacked, book, tmp_path):
    """Return a function that edits the book as the plugin does, with QGIS's own Python."""
    python = Path(os.environ.get("CRAQUELURE_QGIS_PYTHON", Path(sys.prefix) / "qgis" / "bin" / "python"))
    if not python.is_file():
        required(f"no Python of QGIS with pytest-qgis in {python} (README's test command makes it)")

    def run(code: str, column: float, row: float) -> None:
        text = SCRIPT.format(plugins=str(unpacked.parent), book=str(book))
        text += code.format(top=TOP, px=PX, x=LEFT + column * PX, y=TOP - row * PX)
        environment = {**clean(), "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)}
        done = subprocess.run(
            [str(python), "-c", text],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr

    return run


def measured(book):
    with writing(book) as opened:
        recompute(opened, "S1")
    with reading(book) as opened:
        (row,) = stored_rows(opened, "S1")
    return {name: value for name, value in row.items() if isinstance(value, int | float)}


def test_a_cut_alone_changes_no_figure(book, in_qgis):
    before = measured(book)
    in_qgis(CUT, 300, 51.5)
    assert measured(book) == pytest.approx(before, rel=1e-9)


def test_what_is_rejected_of_a_cut_crack_leaves_the_figures(book, in_qgis, tmp_path):
    before = measured(book)
    in_qgis(CUT, 400, 51.5)
    with writing(book) as opened:
        opened.connection.execute(
            "UPDATE crack_line SET status = 'rejected' WHERE fid = (SELECT max(fid) FROM crack_line)"
        )
        (part,) = opened.connection.execute(
            "SELECT len_m FROM crack_line WHERE status = 'rejected'"
        ).fetchone()
    after = measured(book)
    assert part == pytest.approx(0.16, abs=0.003)
    assert after["crack_m"] == pytest.approx(before["crack_m"] - part, rel=1e-9)
    assert after["crack_count"] == before["crack_count"]
    assert after["node_i_count"] == before["node_i_count"]  # the tip is where it was cut now
    assert after["crack_area_m2"] == pytest.approx(before["crack_area_m2"] - part * 0.003, rel=0.02)


def test_a_joined_crack_counts_once_and_a_new_run_keeps_it(book, in_qgis, tmp_path):
    before = measured(book)
    in_qgis(JOIN, 300, 160)
    after = measured(book)
    gap = after["crack_m"] - before["crack_m"]
    assert 0.07 < gap < 0.09
    assert after["crack_count"] == before["crack_count"] - 1
    assert after["node_i_count"] == before["node_i_count"] - 2
    assert after["branch_count"] == before["branch_count"] - 1
    assert after["crack_area_m2"] == pytest.approx(before["crack_area_m2"], rel=1e-9)
    survey(tmp_path / "beam.tif", book, "2026-05-01", classes=tmp_path / "classes.tif")
    again = measured(book)
    assert again["crack_m"] == pytest.approx(after["crack_m"], rel=1e-9)
    assert again["crack_count"] == after["crack_count"]
