"""Checking a survey: order, decisions with one key, undo, counts; every decision in the book's own log."""

import sqlite3
from contextlib import closing

import pytest
from bench import doubt, rows
from qgis.core import QgsProject


def test_features_come_in_the_order_asked_for(plugin, book):
    from craquelure.results.review import review_queue

    doubt(book)
    by_doubt = review_queue(str(book), "S1")
    assert [i.conf for i in by_doubt] == sorted(i.conf for i in by_doubt)
    assert {i.table for i in by_doubt} == {"crack_line", "loss_polygon"}
    assert len(by_doubt) == 5
    sizes = [i.size for i in review_queue(str(book), "S1", "size") if i.table == "loss_polygon"]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == pytest.approx(0.06 * 0.1)
    assert next(i.class_cd for i in review_queue(str(book), "S1", "class")) == "craquelure"


def test_deciding_steps_on_and_the_book_keeps_who_and_what(page, book):
    first = page.current()
    page.accept()
    second = page.current()
    assert (second.table, second.fid) != (first.table, first.fid)
    page.reject()
    assert rows(book, f"SELECT status FROM {first.table} WHERE fid = {first.fid}") == [("verified",)]
    ((status, editor),) = rows(book, f"SELECT status, editor FROM {second.table} WHERE fid = {second.fid}")
    assert status == "rejected"
    assert editor
    log = rows(book, "SELECT layer, old_status, new_status FROM edit_log ORDER BY fid")
    assert log == [(first.table, "auto", "verified"), (second.table, "auto", "rejected")]
    assert rows(book, "SELECT DISTINCT stale FROM element_stats") == [(1,)]
    assert page.counter.value() == 2
    assert page.counter.text() == "2 of 5 checked"


def test_undo_takes_back_one_by_one(page, book):
    first = page.current()
    page.accept()
    page.accept()
    page.undo()
    page.undo()
    page.undo()  # there is nothing left to undo
    assert (page.current().table, page.current().fid) == (first.table, first.fid)
    assert set(rows(book, "SELECT status FROM crack_line UNION ALL SELECT status FROM loss_polygon")) == {
        ("auto",)
    }
    assert page.counter.value() == 0


def test_skipping_goes_round_and_leaves_out_what_is_checked(page):
    page.accept()
    seen = set()
    for _ in range(4):
        seen.add((page.current().table, page.current().fid))
        page.skip()
    assert len(seen) == 4
    assert (page.current().table, page.current().fid) in seen
    here = page.current()
    page.back()
    assert page.current() != here


def test_all_that_is_sure_is_accepted_at_once_and_taken_back_at_once(page, book):
    doubt(book)
    page.read()
    page.least.setValue(0.75)
    page.accept_sure()
    accepted = "SELECT count(*) FROM {} WHERE status = 'verified' AND conf >= 0.75"
    counts = [rows(book, accepted.format(t))[0][0] for t in ("crack_line", "loss_polygon")]
    assert counts == [1, 2]
    assert page.counter.value() == 3
    assert page._checked.status_of(page.current()) == "auto"
    page.undo()
    assert page.counter.value() == 0
    assert rows(book, "SELECT count(*) FROM crack_line WHERE status != 'auto'") == [(0,)]


def test_the_map_shows_the_feature_and_what_is_around_it(page, qgis_iface):
    page.skip()
    item = page.current()
    canvas = qgis_iface.mapCanvas()
    layer = page._layer_of(item.table)
    assert layer is not None
    box = layer.getFeature(item.fid).geometry().boundingBox()
    shown = canvas.mapSettings().mapToLayerCoordinates(layer, canvas.extent())
    assert shown.contains(box)
    # at least 256 px of the orthophoto, 1 mm each
    assert min(shown.width(), shown.height()) >= 0.255
    assert page._band is not None
    # the orthophoto lies beneath
    tree = QgsProject.instance().layerTreeRoot().findLayers()
    assert tree[-1].name() == "beam"
    page.hide()
    assert page._band is None


def test_the_map_is_as_near_in_large_coordinates(plugin, book):
    """In a national grid, where the spatial index of a GeoPackage is right to half a metre."""
    from craquelure.results.review import extent_of, review_queue

    smallest = min(
        (i for i in review_queue(str(book), "S1") if i.table == "loss_polygon"), key=lambda i: i.size
    )
    x0, y0, x1, y1 = extent_of(str(book), "S1", smallest)
    assert (x1 - x0, y1 - y0) == pytest.approx((0.256, 0.256), abs=1e-6)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((500000.425, 4400000.14), abs=1e-6)


def test_keys_work_while_the_page_is_seen_and_only_then(page):
    keys = {s.shortcut().toString(): s for s in page._by_key}
    assert sorted(keys) == ["A", "B", "C", "E", "J", "N", "R", "T", "U"]
    assert all(s.isEnabled() for s in keys.values())
    keys["A"].trigger()
    assert page.counter.value() == 1
    page.hide()
    assert not any(s.isEnabled() for s in keys.values())


def test_other_pages_hear_of_decisions_once_they_settle(page):
    page.accept()
    page.reject()
    assert page.bench.elements.reads == 0
    page._settled.timeout.emit()
    assert page.bench.elements.reads == 1


def test_a_book_that_cannot_be_written_says_so_and_nothing_is_counted(page, book):
    with closing(sqlite3.connect(book, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        page.accept()
        other.execute("ROLLBACK")
    (told,) = page.bench.told
    assert "book.gpkg" in told
    assert page.counter.value() == 0
    page.accept()
    assert page.counter.value() == 1


def test_a_feature_that_is_gone_is_told(page, book):
    from osgeo import gdal

    item = page.current()
    gdal.OpenEx(str(book), gdal.OF_VECTOR | gdal.OF_UPDATE).ExecuteSQL(
        f"DELETE FROM {item.table} WHERE fid = {item.fid}"
    )
    page.accept()
    assert page.bench.told


def test_an_element_deleted_while_it_is_reviewed_stops_nothing(page, book):
    from osgeo import gdal

    gdal.OpenEx(str(book), gdal.OF_VECTOR | gdal.OF_UPDATE).ExecuteSQL("DELETE FROM element")
    page.accept()
    page.skip()
    page.refresh()
    assert page.counter.value() == 1
    assert page.bench.told == []


def test_a_book_is_read_when_the_page_is_seen(page, book):
    page.hide()
    page.refresh()
    assert not page._is_read
    page.show()
    assert page._is_read
    assert page.counter.maximum() == 5


def test_a_traced_line_enters_the_book_as_drawn(page, book):
    from craquelure.results.adding import add_feature
    from qgis.core import QgsGeometry, QgsPointXY

    layer = page._layer_of("crack_line")
    columns = {"surv_id": "S1", "orth_id": "O1", "elem_id": "image", "class_cd": "craquelure", "len_m": 0.3}
    columns |= {"t_start": "2026-05-01", "t_end": None}
    points = [QgsPointXY(500000.1 + 0.01 * k, 4400000.1) for k in range(31)]
    fid = add_feature(layer, QgsGeometry.fromPolylineXY(points), columns)
    page._line_added(fid)
    ((uid, status, start),) = rows(
        book, "SELECT uid, status, t_start FROM crack_line WHERE surv_id = 'S1' AND len_m = 0.3"
    )
    assert len(uid) == 36
    assert (status, start) == ("drawn", "2026-05-01")
    assert rows(book, "SELECT action, new_status FROM edit_log") == [("insert", "drawn")]
    assert layer.featureCount() == 4
    page.read()
    assert page.counter.text() == "1 of 6 checked"
    page.undo()
    assert rows(book, f"SELECT status FROM crack_line WHERE uid = '{uid}'") == [("rejected",)]
    assert page._undo == []


def test_another_order_begins_anew(page):
    page.skip()
    page.order.setCurrentIndex(page.order.findData("size"))
    assert page._at == 0
    first = page.current()
    assert all(item.size <= first.size for item in page._items if item.table == first.table)


def test_points_are_taken_back_and_a_single_point_draws_nothing(page, monkeypatch):
    from qgis.core import QgsPointXY

    tool = page.tracing
    monkeypatch.setattr(tool, "_ask", lambda: None)  # the engine is another test's
    for x in (500000.1, 500000.2, 500000.3):
        tool.add_point(QgsPointXY(x, 4400000.1))
    assert tool._band.numberOfVertices() >= 3
    tool.take_back()
    tool.take_back()
    tool.finish()
    assert tool._points == []
    assert rows(page.bench.book, "SELECT count(*) FROM crack_line") == [(3,)]


def test_a_width_below_two_pixels_is_told_as_a_bound(page, book):
    page.order.setCurrentIndex(page.order.findData("class"))
    page.read()
    assert page.current().table == "crack_line"
    assert "≤" not in page.feature.text()
    with closing(sqlite3.connect(book)) as connection:
        connection.execute("UPDATE orthophoto SET gsd_mm = 10")  # in place of 1; the crack is 3 mm wide
        connection.commit()
    page.read()
    assert f"≤ {page.current().width_m * 1e3:.2f} mm wide" in page.feature.text()


def test_the_table_marks_a_mean_width_that_is_a_bound(plugin):
    from craquelure.dock.elements import ElementsModel

    model = ElementsModel()
    model.show(
        [
            {"elem_id": "A", "width_mean_mm": 0.4, "width_is_bound": True},
            {"elem_id": "B", "width_mean_mm": 1.4, "width_is_bound": False},
        ]
    )
    (column,) = [n for n in range(model.columnCount()) if model._columns[n].stat == "width_mean_mm"]
    assert [model.data(model.index(row, column)) for row in (0, 1)] == ["≤ 0.40", "1.40"]
