"""Step, decide and pan in a book of very many features; for benchmarks/large_book.py."""

import time

from qgis.PyQt.QtCore import QPoint, Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication


def steps(desk):
    desk.open_panel()
    yield lambda: desk.has("craquelureRun")
    began = time.perf_counter()
    desk.type_into("craquelureBook", desk.facts["book"])
    panel = desk.panel
    yield lambda: panel.book == desk.facts["book"]
    desk.notes["open_s"] = time.perf_counter() - began
    panel.surveys.load_selected()
    yield desk.idle
    page = panel.review
    began = time.perf_counter()
    panel.pages.setCurrentWidget(page)
    QApplication.processEvents()
    desk.notes["page_s"] = time.perf_counter() - began
    desk.notes["features"] = page.counter.maximum()
    QApplication.setActiveWindow(desk.window)
    drawn = []
    desk.canvas.mapCanvasRefreshed.connect(lambda: drawn.append(time.perf_counter()))
    for key, name in (("N", "next"), ("A", "accept"), ("R", "reject"), ("U", "undo"), ("B", "back")):
        blocked, shown, after = [], [], []
        for _ in range(5):
            count, began = len(drawn), time.perf_counter()
            QTest.keyClick(desk.window, getattr(Qt.Key, f"Key_{key}"))
            blocked.append(time.perf_counter() - began)
            yield lambda: len(drawn) > count and desk.idle()
            shown.append(drawn[-1] - began)
            desk.heart.start()
            until = time.perf_counter() + 1.2
            yield lambda: time.perf_counter() > until
            after.append(desk.heart.stop())
        desk.notes[f"{name}_blocked_s"] = rounded(blocked)
        desk.notes[f"{name}_shown_s"] = rounded(shown)
        desk.notes[f"{name}_afterwards_s"] = rounded(after)
    desk.shoot("1-review")

    # pan by hand, at the scale of reviewing and with the whole wall in view
    desk.iface.actionPan().trigger()
    for name in ("near", "whole"):
        if name == "whole":
            desk.canvas.zoomToFullExtent()
            began = time.perf_counter()
            yield lambda: drawn[-1] > began and desk.idle()
            desk.notes["whole_drawn_s"] = round(drawn[-1] - began, 3)
        viewport = desk.canvas.viewport()
        at = QPoint(viewport.width() // 2, viewport.height() // 2)
        desk.heart.start()
        QTest.mousePress(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        for step in range(20):
            QTest.mouseMove(viewport, at + QPoint(-6 * step, 3 * step))
            moment = time.perf_counter() + 0.03
            yield lambda: time.perf_counter() > moment
        began = time.perf_counter()
        QTest.mouseRelease(
            viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at + QPoint(-114, 57)
        )
        yield lambda: drawn[-1] > began and desk.idle()
        desk.notes[f"pan_{name}_longest_gap_s"] = round(desk.heart.stop(), 3)
        desk.notes[f"pan_{name}_drawn_s"] = round(drawn[-1] - began, 3)
    desk.shoot("2-whole")


def rounded(values):
    return [round(value, 3) for value in values]
