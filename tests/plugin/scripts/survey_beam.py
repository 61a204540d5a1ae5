"""Map a facade: open a raster, run a survey, cancel one, change a threshold, sort and click the table."""

import time

from qgis.core import QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtCore import QDate, Qt
from qgis.PyQt.QtTest import QTest


def steps(desk):
    facts = desk.facts
    desk.open_panel()
    yield lambda: desk.has("craquelureRun")
    ortho = QgsRasterLayer(facts["ortho"], "facade")
    desk.project.addMapLayer(ortho)
    elements = QgsVectorLayer(facts["elements"], "beams")
    desk.project.addMapLayer(elements)
    desk.project.layerTreeRoot().findLayer(elements.id()).setItemVisibilityChecked(False)
    desk.canvas.setExtent(ortho.extent())
    yield desk.idle
    desk.type_into("craquelureBook", facts["book"])
    panel = desk.panel
    page = panel.surveys
    yield lambda: panel.book == facts["book"]
    page.date.setDate(QDate(2026, 5, 1))
    page.element_layer.setLayer(elements)
    page.id_field.setField("beam_id")

    desk.notes["local_hint"] = desk.has("craquelureLocal")
    if desk.notes["local_hint"]:
        desk.click("craquelureLocal")
    desk.notes["scale"] = desk.canvas.scale()
    desk.iface.messageBar().clearWidgets()
    yield desk.idle
    desk.shoot("1-form")

    # a run that is cancelled
    desk.click("craquelureRun")
    yield lambda: page.queue.current is not None and page.queue.current.percent > 1
    run = page.queue.current
    began = time.perf_counter()
    desk.click("craquelureCancel")
    yield lambda: run.is_over
    desk.notes["cancel_s"] = time.perf_counter() - began
    desk.notes["cancelled"] = run.state.value
    desk.notes["cancel_message"] = run.message

    # the same again, to the end; it continues. Looking for the button is no work of the plugin.
    button = desk.find("craquelureRun")
    desk.heart.start()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    yield lambda: page.queue.current is not None and page.queue.current.percent > 20
    before_picture = desk.heart.stop()
    desk.shoot("2-running")
    desk.heart.start()
    second = page.queue.runs[-1]
    over = []
    page.queue.changed.connect(lambda: second.is_over and not over and over.append(desk.heart.longest))
    yield lambda: second.is_over
    desk.notes["second"] = second.state.value
    desk.notes["second_message"] = second.message
    desk.notes["pause_running_s"] = max(before_picture, over[0])
    yield desk.idle
    desk.notes["pause_loading_s"] = desk.heart.stop()
    layers = [
        layer for layer in desk.project.mapLayers().values() if layer.source().startswith(facts["book"])
    ]
    desk.notes["layers"] = sorted(layer.name() for layer in layers)
    root = desk.project.layerTreeRoot()
    desk.notes["hidden"] = [
        layer.name() for layer in layers if not root.findLayer(layer.id()).itemVisibilityChecked()
    ]
    desk.notes["groups"] = [group.name() for group in desk.project.layerTreeRoot().findGroups()]
    desk.notes["temporal"] = [
        layer.temporalProperties().isActive() for layer in layers if layer.name() != elements
    ]
    crack = next(layer for layer in layers if "crack_line" in layer.source())
    desk.notes["cracks"] = crack.featureCount()
    desk.notes["provenance"] = crack.metadata().abstract()
    desk.notes["legend"] = [item.label() for item in crack.renderer().legendSymbolItems()]
    yield desk.idle
    desk.shoot("3-surveyed")

    # the table
    panel.pages.setCurrentWidget(panel.elements)
    table = panel.elements.table
    yield lambda: table.isVisible() and table.model().rowCount() > 0
    desk.notes["rows"] = table.model().rowCount()
    desk.click_header(table, 1)
    desk.click_header(table, 1)
    shown = [table.model().index(row, 1).data() for row in range(table.model().rowCount())]
    desk.notes["loss_sorted"] = shown
    before = desk.canvas.extent()
    desk.click_cell(table, 0, 0)
    yield lambda: desk.canvas.extent() != before
    element_layer = next(layer for layer in layers if "element" in layer.source())
    desk.notes["selected_on_map"] = [f["elem_id"] for f in element_layer.selectedFeatures()]
    desk.notes["clicked"] = table.model().index(0, 0).data()
    yield desk.idle
    began = time.perf_counter()
    yield lambda: time.perf_counter() - began > 2.0  # the flashing is over
    desk.shoot("4-element")
    other = next(f for f in element_layer.getFeatures() if f["elem_id"] != desk.notes["clicked"])
    element_layer.selectByIds([other.id()])
    picked = table.selectionModel().selectedRows()
    desk.notes["selected_in_table"] = [row.data() for row in picked]
    desk.notes["expected_in_table"] = [other["elem_id"]]
    element_layer.removeSelection()

    # thresholds
    panel.pages.setCurrentWidget(panel.thresholds)
    thresholds = panel.thresholds
    slider = desk.find("craquelureThreshold_craquelure")
    yield lambda: slider.isVisible() and slider.isEnabled()
    desk.canvas.setExtent(ortho.extent())
    yield desk.idle
    desk.notes["threshold_before"] = slider.value()
    slider.setSliderDown(True)
    slider.setValue(60)  # the first time, the engine starts and the layers are made
    yield lambda: thresholds._rasters and not thresholds._busy and desk.idle()
    drawn = []
    desk.canvas.mapCanvasRefreshed.connect(lambda: drawn.append(time.perf_counter()))
    previews = []
    for value in (100, 150, 200, 120):
        count, began = len(drawn), time.perf_counter()
        slider.setValue(value)
        yield lambda: len(drawn) > count and desk.idle()
        previews.append(drawn[-1] - began)
    desk.notes["preview_s"] = previews
    desk.shoot("5-preview")
    vectors = []
    for value in (125, 180):
        slider.setSliderDown(True)
        slider.setValue(value)
        began, before = time.perf_counter(), thresholds._number
        slider.setSliderDown(False)
        yield lambda: thresholds._number > before and not thresholds._busy
        vectors.append(time.perf_counter() - began)
    desk.notes["vectors_s"] = vectors
    desk.notes["threshold_note"] = thresholds.note.text()
    yield desk.idle
    desk.shoot("6-vectors")
    desk.notes["covered"] = not root.findLayer(crack.id()).itemVisibilityChecked()
    desk.click("craquelureThresholdClose")
    desk.notes["uncovered"] = root.findLayer(crack.id()).itemVisibilityChecked()
    desk.notes["preview_left"] = [
        each.name() for each in desk.project.mapLayers().values() if "view-" in each.source()
    ]

    # keep the threshold for the whole survey
    slider.setValue(180)
    desk.click("craquelureThresholdApply")
    yield lambda: page.queue.runs[-1] is not second and page.queue.runs[-1].is_over
    desk.notes["kept"] = page.queue.runs[-1].state.value
    desk.notes["kept_message"] = page.queue.runs[-1].message
    desk.notes["cracks_after"] = crack.featureCount()
    panel.pages.setCurrentWidget(panel.surveys)
    desk.click("craquelureThresholdClose")
    yield desk.idle
    desk.shoot("7-kept")
    QTest.keyClick(desk.window, Qt.Key.Key_Escape)
    desk.notes["messages"] = desk.messages()
