"""Cutting and joining crack lines: what the book holds afterwards, and that undo puts it back to the bit."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from bench import rows
from qgis.core import QgsPointXY, QgsRectangle
from qgis.PyQt.QtWidgets import QApplication

LEFT, TOP, PX = 500000.0, 4400000.3, 0.001
LONG, LOWER, LOWEST = (300, 51.5), (180, 122.5), (440, 201)
"""Column and row on each crack of the small book."""

KILLED = """
import os, signal, sys
sys.path[:0] = {path!r}
from qgis.core import QgsPointXY
from craquelure.results import crack_edits
crack_edits._relabel = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
crack_edits.join_cracks({book!r}, ({a}, QgsPointXY(*{at_a})), ({b}, QgsPointXY(*{at_b})), "me")
"""


def on_map(place):
    return QgsPointXY(LEFT + place[0] * PX, TOP - place[1] * PX)


def everything(book):
    """The book's lines, areas and nodes, but for when they were edited."""
    held = {}
    for table in ("crack_line", "crack_area", "crack_node"):
        names = [
            row[1]
            for row in rows(book, f"PRAGMA table_info({table})")
            if row[1] not in ("edited_at", "editor")
        ]
        columns = ", ".join("hex(geom)" if name == "geom" else name for name in names)
        held[table] = rows(book, f"SELECT {columns} FROM {table} ORDER BY fid")
    return held


def line_at(page, place):
    found = page.cutting._crack_at(on_map(place))
    assert found is not None
    return found[0]


@pytest.fixture
def near(page, qgis_iface):
    """The map is so near that a click reaches a few pixels of the picture."""
    layer = page._layer_of("crack_line")
    canvas = qgis_iface.mapCanvas()
    QApplication.processEvents()  # the first layers of a project set the map's extent, a moment later
    canvas.setDestinationCrs(layer.crs())
    canvas.setExtent(QgsRectangle(LEFT, TOP - 0.01, LEFT + 0.01, TOP))
    assert canvas.mapUnitsPerPixel() < PX
    return page


def test_a_cut_leaves_two_parts_of_one_crack(near, book):
    before = everything(book)
    fid = line_at(near, LONG)
    ((uid, length),) = rows(book, f"SELECT uid, len_m FROM crack_line WHERE fid = {fid}")
    near.cutting.click(on_map(LONG))
    first, second = rows(
        book,
        "SELECT uid, len_m, status, node_a, node_b FROM crack_line WHERE status = 'edited' ORDER BY fid",
    )
    assert first[0] == uid
    assert len(second[0]) == 36
    assert first[1] + second[1] == pytest.approx(length, rel=1e-9)
    assert min(first[1], second[1]) > 0.4 * length
    assert first[4] == second[3] < -1
    assert rows(book, "SELECT DISTINCT stale FROM element_stats") == [(1,)]
    assert {row[0] for row in rows(book, "SELECT new_status FROM edit_log WHERE layer = 'crack_line'")} == {
        "edited"
    }
    assert near.counter.maximum() == 6
    part = near.current()
    assert rows(book, f"SELECT uid FROM crack_line WHERE fid = {part.fid}") == [(second[0],)]
    near.undo()
    assert near.current().fid == fid
    assert everything(book) == before
    assert near.counter.maximum() == 5


def test_a_cut_at_the_end_is_refused(near, book):
    before = everything(book)
    near.cutting.click(on_map((560, 51.5)))
    assert "ends already" in near.bench.told[-1]
    near.cutting.click(on_map((20, 20)))
    assert "no crack here" in near.bench.told[-1]
    assert everything(book) == before


def test_two_cracks_become_one_over_the_gap(near, book):
    before = everything(book)
    a, b = line_at(near, LOWER), line_at(near, LOWEST)
    lengths = dict(rows(book, "SELECT fid, len_m FROM crack_line"))
    cracks = dict(rows(book, "SELECT fid, comp_id FROM crack_line"))
    near.joining.click(on_map((295, 122.5)))
    near.joining.click(on_map((305, 201)))
    longer, other = (a, b) if lengths[a] > lengths[b] else (b, a)
    ((length, status),) = rows(book, f"SELECT len_m, status FROM crack_line WHERE fid = {longer}")
    gap = length - lengths[a] - lengths[b]
    assert status == "edited"
    assert 0.07 < gap < 0.09
    assert rows(book, f"SELECT count(*) FROM crack_line WHERE fid = {other}") == [(0,)]
    assert rows(book, "SELECT count(*) FROM crack_line WHERE status = 'rejected'") == [(0,)]
    for table in ("crack_line", "crack_area", "crack_node"):
        assert (cracks[other],) not in rows(book, f"SELECT comp_id FROM {table}")
    assert rows(book, "SELECT count(*) FROM crack_area WHERE status != 'auto'") == [(0,)]
    near.undo()
    assert everything(book) == before


def test_what_cannot_be_joined_is_told(near, book):
    near.cutting.click(on_map(LONG))
    before = everything(book)
    near.joining.click(on_map((200, 51.5)))
    near.joining.click(on_map((100, 51.5)))
    assert "one line already" in near.bench.told[-1]
    # a third line that ends where the cut is
    from craquelure.results.adding import add_feature
    from qgis.core import QgsGeometry

    layer = near._layer_of("crack_line")
    ((node,),) = rows(book, "SELECT min(node_id) FROM crack_node")
    columns = {"surv_id": "S1", "orth_id": "O1", "class_cd": "craquelure", "node_a": node, "node_b": -99}
    gap = QgsGeometry.fromPolylineXY([on_map(LONG), on_map((300, 90))])
    add_feature(layer, gap, columns)
    near.joining.click(on_map((290, 51.5)))
    near.joining.click(on_map((310, 51.5)))
    assert "no junction any more" in near.bench.told[-1]
    assert [row for row in everything(book)["crack_line"] if row in before["crack_line"]] == before[
        "crack_line"
    ]


def test_joining_what_was_cut_gives_the_crack_back(near, book):
    ((course,),) = rows(book, f"SELECT hex(geom) FROM crack_line WHERE fid = {line_at(near, LONG)}")
    fid = line_at(near, LONG)
    near.cutting.click(on_map(LONG))
    near.joining.click(on_map((290, 51.5)))
    near.joining.click(on_map((310, 51.5)))
    ((length, status),) = rows(book, f"SELECT len_m, status FROM crack_line WHERE fid = {fid}")
    assert status == "edited"
    assert length == pytest.approx(0.5187, rel=0.01)
    assert course


def test_a_line_that_went_meanwhile_is_told(near, book):
    from craquelure.results.book import BookFault
    from craquelure.results.crack_edits import cut_crack
    from osgeo import gdal

    fid = line_at(near, LONG)
    gdal.OpenEx(str(book), gdal.OF_VECTOR | gdal.OF_UPDATE).ExecuteSQL(
        f"DELETE FROM crack_line WHERE fid = {fid}"
    )
    with pytest.raises(BookFault, match="not in the book"):
        cut_crack(str(book), fid, on_map(LONG), "me")


def test_a_book_that_is_being_written_is_told(near, book):
    before, fid = everything(book), line_at(near, LONG)
    with closing(sqlite3.connect(book, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        near._cut_at((fid, on_map(LONG)))
        other.execute("ROLLBACK")
    assert "cannot be written now" in near.bench.told[-1]
    assert everything(book) == before
    near.undo()  # nothing was done
    near._cut_at((fid, on_map(LONG)))
    assert near.counter.maximum() == 6


def test_edits_with_qgis_own_tools_come_first(near, book):
    layer = near._layer_of("crack_line")
    layer.startEditing()
    near.cutting.click(on_map(LONG))
    layer.rollBack()
    assert "Save or leave" in near.bench.told[-1]
    assert rows(book, "SELECT count(*) FROM edit_log") == [(0,)]


def test_a_program_killed_in_the_middle_leaves_the_book_as_it_was(near, book):
    before = everything(book)
    a, b = line_at(near, LOWER), line_at(near, LOWEST)
    ends = [on_map((300, 122.5)), on_map((300, 201))]
    code = KILLED.format(
        path=sys.path,
        book=str(book),
        a=a,
        b=b,
        at_a=(ends[0].x(), ends[0].y()),
        at_b=(ends[1].x(), ends[1].y()),
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=60)
    assert done.returncode == -9, done.stderr
    assert everything(book) == before
    assert rows(book, "PRAGMA integrity_check") == [("ok",)]


def test_undo_forgets_what_was_done_in_another_book(near, book, tmp_path):
    import shutil

    near.cutting.click(on_map(LONG))
    other = shutil.copy(book, tmp_path / "other.gpkg")
    near.bench.book = str(other)
    before = everything(other)
    near.refresh()
    near.undo()
    assert everything(other) == before
