"""Look at one element: chosen in the table, then on the map; its pictures copied and saved, a place shown."""

import time

from qgis.core import QgsProject
from qgis.PyQt.QtGui import QPixmap
from qgis.PyQt.QtWidgets import QApplication, QPushButton


def steps(desk):
    facts = desk.facts
    desk.open_panel()
    yield lambda: desk.has("craquelureRun")
    desk.type_into("craquelureBook", facts["book"])
    panel = desk.panel
    yield lambda: panel.book == facts["book"]
    panel.surveys.load_selected()
    yield lambda: desk.has("craquelureLocal")
    desk.click("craquelureLocal")
    yield desk.idle
    desk.iface.messageBar().clearWidgets()
    layer = QgsProject.instance().mapLayersByName("Building elements")[0]
    desk.canvas.setExtent(desk.canvas.mapSettings().layerExtentToOutputExtent(layer, layer.extent()))
    desk.canvas.refresh()
    yield desk.idle
    panel.pages.setCurrentWidget(panel.elements)
    yield lambda: panel.elements.table.isVisible()
    desk.click_cell(panel.elements.table, panel.elements.model.row_of("B2"), 0)
    desk.click("craquelureElementPictures")
    page = panel.element
    desk.heart.start()
    began = time.perf_counter()
    yield lambda: page._drawn[2] == "B2"
    desk.notes["first_s"] = time.perf_counter() - began
    desk.notes["longest_gap_s"] = desk.heart.stop()
    yield desk.idle
    desk.notes["drawn"] = drawn(page)
    desk.notes["note"] = page.note.text()
    desk.window.resizeDocks([panel], [430], desk.horizontal)
    yield desk.idle
    desk.shoot("1-element")

    # the third one, selected on the map
    (other,) = [f.id() for f in layer.getFeatures() if f["elem_id"] == "B3"]
    layer.selectByIds([other])
    began = time.perf_counter()
    yield lambda: page._drawn[2] == "B3"
    desk.notes["next_s"] = time.perf_counter() - began
    desk.notes["drawn_next"] = drawn(page)

    QApplication.clipboard().setPixmap(QPixmap())
    desk.notes["note_next"] = page.note.text()
    card = next(c for c in page.cards() if "directions" in c.path.name)
    card.findChild(QPushButton, "craquelurePlotCopy").click()
    desk.notes["copied"] = QApplication.clipboard().pixmap().width()
    png = next(path for path in files(page) if "widths" in path.name)
    page.save(png, facts["saved"])
    page.save(png, facts["nowhere"])
    desk.notes["messages"] = desk.messages()
    before = desk.canvas.extent().width()
    desk.find("craquelurePlace1").click()
    yield desk.idle
    shown = desk.canvas.mapSettings().mapToLayerCoordinates(layer, desk.canvas.extent())
    desk.notes["place"] = [shown.xMinimum(), shown.yMinimum(), shown.xMaximum(), shown.yMaximum()]
    desk.notes["of_element"] = layer.getFeature(other).geometry().intersects(shown)
    desk.notes["places"] = page.pictures.findChild(QPushButton, "craquelurePlace1").text()
    desk.notes["zoomed"] = desk.canvas.extent().width() / before
    yield desk.idle
    desk.shoot("2-place")


def drawn(page):
    return [path.name.partition("_B")[2][2:] for path in files(page)]


def files(page):
    return [card.path for card in page.cards()]
