"""Check a survey: step by keys, reject, undo, trace a crack by clicks, re-run, find every decision kept."""

import sqlite3
import time
from contextlib import closing

from qgis.core import QgsGeometry, QgsPointXY
from qgis.PyQt.QtCore import QDate, Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication


def steps(desk):
    facts = desk.facts
    desk.open_panel()
    yield lambda: desk.has("craquelureRun")
    desk.type_into("craquelureBook", facts["book"])
    panel = desk.panel
    yield lambda: panel.book == facts["book"]
    panel.surveys.table.setCurrentItem(panel.surveys.table.topLevelItem(0))
    panel.surveys.load_selected()
    yield desk.idle
    page = panel.review
    panel.pages.setCurrentWidget(page)
    desk.notes["total"] = page.counter.maximum()
    QApplication.setActiveWindow(desk.window)  # no window manager does it here
    waits = []
    for key in "NNAARAAU":
        began = time.perf_counter()
        QTest.keyClick(desk.window, getattr(Qt.Key, f"Key_{key}"))
        waits.append(time.perf_counter() - began)
        yield desk.idle
    desk.notes["longest_step_s"] = max(waits)
    desk.notes["counter"] = page.counter.text()
    desk.notes["decided"] = decided(facts["book"])
    desk.shoot("1-review")

    # a crack that was missed: three clicks along it, the right button ends
    QTest.keyClick(desk.window, Qt.Key.Key_T)
    tool = desk.canvas.mapTool()
    desk.notes["tool"] = type(tool).__name__
    clicks = [QgsPointXY(*point) for point in facts["clicks"]]
    box_of(desk, clicks)
    yield desk.idle
    for point in clicks:
        at = desk.canvas.getCoordinateTransform().transform(point)
        QTest.mouseClick(
            desk.canvas.viewport(),
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
            at.toQPointF().toPoint(),
        )
    yield lambda: len(tool._parts) == len(clicks) - 1
    desk.shoot("2-trace")
    began = time.perf_counter()
    tool.take_back()
    tool.add_point(clicks[-1])  # the engine is warm now
    yield lambda: len(tool._parts) == len(clicks) - 1
    desk.notes["trace_s"] = time.perf_counter() - began
    at = desk.canvas.getCoordinateTransform().transform(clicks[-1]).toQPointF().toPoint()
    QTest.mouseClick(desk.canvas.viewport(), Qt.MouseButton.RightButton, Qt.KeyboardModifier.NoModifier, at)
    yield lambda: "drawn" in decided(facts["book"])
    yield desk.idle
    desk.notes["traced"] = decided(facts["book"])
    desk.shoot("3-traced")

    # that crack is cut by a click, taken back, cut again; both parts are joined by two clicks
    before = lines(facts["book"])
    middle = desk.canvas.getCoordinateTransform().transform(clicks[1])
    QTest.keyClick(desk.window, Qt.Key.Key_C)
    desk.notes["cut_tool"] = type(desk.canvas.mapTool()).__name__
    click_at(desk, middle)
    yield desk.idle
    desk.notes["cut"] = lines(facts["book"]) - before
    desk.shoot("4-cut")
    QTest.keyClick(desk.window, Qt.Key.Key_U)
    yield desk.idle
    desk.notes["uncut"] = lines(facts["book"]) - before
    QTest.keyClick(desk.window, Qt.Key.Key_C)
    click_at(desk, middle)
    yield desk.idle
    QTest.keyClick(desk.window, Qt.Key.Key_J)
    for shift in (-6, 6):
        click_at(desk, along(desk, page, middle, shift))
    yield desk.idle
    desk.notes["joined"] = lines(facts["book"]) - before
    desk.notes["statuses"] = decided(facts["book"])

    # the same survey again: what a person decided stays
    panel.surveys.queue_run(
        {
            "ORTHOPHOTO": facts["ortho"],
            "BOOK": facts["book"],
            "DATE": QDate(2026, 5, 1),
            "NAME": facts["name"],
            "CLASSES": facts["classes"],
            "ELEMENTS": facts["elements"],
            "ID_FIELD": "beam_id",
        }
    )
    yield lambda: panel.surveys.queue.runs and panel.surveys.queue.runs[-1].is_over
    run = panel.surveys.queue.runs[-1]
    desk.notes["again"], desk.notes["again_message"] = run.state.value, run.message
    desk.notes["kept"] = decided(facts["book"])
    panel.pages.setCurrentWidget(panel.review)
    yield desk.idle
    desk.notes["counter_after"] = panel.review.counter.text()
    desk.shoot("5-kept")


def decided(book):
    """Return how many features have each status a person gave."""
    with closing(sqlite3.connect(book)) as connection:
        rows = connection.execute(
            "SELECT status, count(*) FROM "
            "(SELECT status FROM crack_line UNION ALL SELECT status FROM loss_polygon) "
            "WHERE status != 'auto' GROUP BY status"
        ).fetchall()
    return dict(rows)


def lines(book):
    """Return how many crack lines there are."""
    with closing(sqlite3.connect(book)) as connection:
        return connection.execute("SELECT count(*) FROM crack_line").fetchone()[0]


def click_at(desk, at):
    point = at.toQPointF().toPoint()
    QTest.mouseClick(desk.canvas.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point)


def along(desk, page, middle, shift):
    """Return the place on a crack that is so many pixels of the screen beside a place on it."""
    layer, settings = page._crack_layer(), desk.canvas.mapSettings()
    place = settings.mapToLayerCoordinates(
        layer, desk.canvas.getCoordinateTransform().toMapCoordinates(middle.toQPointF().toPoint())
    )
    there = QgsGeometry.fromPointXY(place)
    near = sorted(layer.getFeatures(), key=lambda f: f.geometry().distance(there))[:2]
    reach = abs(shift) * settings.mapUnitsPerPixel()
    line = near[shift > 0].geometry()
    at = line.lineLocatePoint(there)
    point = line.interpolate(at + reach if at < line.length() / 2 else at - reach).asPoint()
    return desk.canvas.getCoordinateTransform().transform(settings.layerToMapCoordinates(layer, point))


def box_of(desk, points):
    from qgis.core import QgsRectangle

    box = QgsRectangle(points[0], points[0])
    for point in points:
        box.combineExtentWith(point.x(), point.y())
    box.grow(max(box.width(), box.height()) * 0.4)
    desk.canvas.setExtent(box)
    desk.canvas.refresh()
