"""Adapt: windows proposed, strokes painted with the mouse, the model learns, is used, and rolled back."""

import random
import time

from osgeo import gdal
from qgis.core import QgsGeometry, QgsPointXY, QgsVectorLayer, QgsWkbTypes
from qgis.PyQt.QtCore import QEvent, QPoint, QPointF, Qt
from qgis.PyQt.QtGui import QMouseEvent
from qgis.PyQt.QtWidgets import QApplication


def steps(desk):
    facts = desk.facts
    raster = gdal.Open(facts["classes"])
    labels, place = raster.ReadAsArray(), raster.GetGeoTransform()
    truth = {
        table: QgsVectorLayer(f"{facts['truth']}|layername={table}", table, "ogr")
        for table in ("crack_line", "loss_polygon")
    }
    desk.open_panel()
    yield lambda: desk.has("craquelureRun")
    desk.type_into("craquelureBook", facts["book"])
    panel = desk.panel
    yield lambda: panel.book == facts["book"]
    panel.surveys.load_selected()
    yield desk.idle
    if desk.has("craquelureLocal"):
        desk.click("craquelureLocal")
    page = panel.adapting
    panel.pages.setCurrentWidget(page)
    yield lambda: page.isVisible() and page.base.count() > 1
    desk.notes["base"] = page.base.currentData()
    desk.notes["too_early"] = page.adapt_button.isEnabled()
    page.count.setValue(8)
    desk.click("craquelureAdaptPropose")
    yield lambda: page.windows.topLevelItemCount() == 8
    yield desk.idle
    desk.notes["for"] = [page.windows.topLevelItem(n).text(2) for n in range(8)]

    # the first strokes by the mouse, one of them outside every window
    page.windows.setCurrentItem(page.windows.topLevelItem(0))
    yield desk.idle
    desk.click("craquelureBrush_paint_loss")
    draw(desk, None)
    desk.notes["outside"] = desk.messages()
    window = page._rows[0].outline.boundingBox()
    centre = window.center()
    to_map = desk.canvas.mapSettings().layerToMapCoordinates
    ends = [QgsPointXY(centre.x() - window.width() / 4, centre.y()), centre]
    draw(desk, [to_map(page._layers.strokes, end) for end in ends])
    yield lambda: page._rows[0].strokes == 1
    desk.notes["mouse"] = [f.geometry().length() / window.width() for f in page._layers.strokes.getFeatures()]
    desk.click("craquelureStrokeBack")
    yield lambda: page._rows[0].strokes == 0
    desk.shoot("1-windows")

    # the rest as quickly as a hand can never be
    dice = random.Random(4)
    for number in range(8):
        paint(page, page._rows[number], truth, labels, place, dice)
    page.windows.setCurrentItem(page.windows.topLevelItem(2))
    until = time.monotonic() + 2
    yield lambda: time.monotonic() > until and desk.idle()
    desk.notes["strokes"] = [row.strokes for row in page._rows]
    desk.shoot("2-painted")

    page.minutes.setValue(3.0)
    desk.click("craquelureAdapt")
    yield lambda: page._task is None or page.progress.maximum() == 100
    desk.heart.start()
    desk.shoot("3-learning")
    yield lambda: page._task is None
    desk.notes["pause_s"] = desk.heart.stop()
    desk.notes["messages"] = desk.messages()
    desk.notes["verdict"] = page.result.verdict.text()
    until = time.monotonic() + 1
    yield lambda: time.monotonic() > until
    desk.shoot("4-before-after")
    if not desk.has("craquelureAdaptUse"):
        return
    desk.click("craquelureAdaptUse")
    yield lambda: panel.surveys.isVisible()
    desk.notes["chosen"] = panel.surveys.model.currentText()
    layer = next(each for each in desk.project.mapLayers().values() if each.source() == facts["ortho"])
    panel.surveys.ortho.setLayer(layer)
    panel.surveys.name.setText("adapted")
    desk.click("craquelureRun")
    yield lambda: any(run.is_over for run in panel.surveys.queue.runs)
    desk.notes["surveys"] = [s.name for s in panel.listed_surveys()]
    desk.shoot("5-surveyed")
    panel.pages.setCurrentWidget(page)
    page.survey.setCurrentIndex(0)
    page.result.show()
    desk.click("craquelureAdaptRollBack")
    yield lambda: page._task is not None
    yield lambda: page._task is None
    desk.notes["rolled_back"] = desk.messages()
    desk.notes["models"] = [panel.surveys.model.itemText(n) for n in range(panel.surveys.model.count())]


def draw(desk, points):
    """Press, move, let go: at points of the map, or in a corner of what is shown of it."""
    viewport = desk.canvas.viewport()
    to_pixels = desk.canvas.getCoordinateTransform()
    spots = (
        [QgsPointXY(3, 3), QgsPointXY(8, 3)] if points is None else [to_pixels.transform(p) for p in points]
    )
    press, move, release = (
        QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.MouseButtonRelease,
    )  # fmt: skip
    for kind, spot in [(press, spots[0]), *((move, spot) for spot in spots), (release, spots[-1])]:
        at = QPointF(QPoint(round(spot.x()), round(spot.y())))
        button = Qt.MouseButton.NoButton if kind == move else Qt.MouseButton.LeftButton
        event = QMouseEvent(kind, at, button, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(viewport, event)


def paint(page, row, truth, labels, place, dice):
    """Paint what is true in a window: its cracks, what fits into its losses, and where nothing is."""
    box, px = row.outline.boundingBox(), place[1]
    frame = QgsGeometry.fromRect(box)
    for line in truth["crack_line"].getFeatures(box):
        inside = line.geometry().intersection(frame)
        for part in inside.asGeometryCollection():
            if part.type() == QgsWkbTypes.GeometryType.LineGeometry and part.length() > 4 * px:
                page._layers.add_stroke(part.asPolyline(), "craquelure", line["wid_m"])
    brush = 8 * px
    for loss in truth["loss_polygon"].getFeatures(box):
        inner = loss.geometry().intersection(frame).buffer(-brush / 2, 3)
        y = inner.boundingBox().yMinimum() if not inner.isEmpty() else box.yMaximum()
        while y < inner.boundingBox().yMaximum():
            across = QgsGeometry.fromPolylineXY(
                [QgsPointXY(box.xMinimum(), y), QgsPointXY(box.xMaximum(), y)]
            )
            for part in across.intersection(inner).asGeometryCollection():
                if part.type() != QgsWkbTypes.GeometryType.LineGeometry:
                    continue
                page._layers.add_stroke(part.asPolyline(), "paint_loss", brush)
            y += brush
    col0, row0 = round((box.xMinimum() - place[0]) / px), round((box.yMaximum() - place[3]) / place[5])
    part = labels[row0 : row0 + 512, col0 : col0 + 512]
    for _ in range(300):
        r, c = dice.randrange(10, part.shape[0] - 10), dice.randrange(10, part.shape[1] - 60)
        if not part[r - 6 : r + 7, c - 6 : c + 46].any():
            ends = [(col0 + c, row0 + r), (col0 + c + 40, row0 + r)]
            line = [QgsPointXY(place[0] + x * px, place[3] + y * place[5]) for x, y in ends]
            page._layers.add_stroke(line, "background", 10 * px)
    page._show_windows()
