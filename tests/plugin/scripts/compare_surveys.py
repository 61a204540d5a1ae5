"""Compare two surveys: open the dialog from the panel, run it, look at layers, table and period."""

from osgeo import gdal
from qgis.core import QgsDateTimeRange, QgsFeatureRequest, QgsVectorLayerTemporalContext
from qgis.PyQt.QtCore import QDate, QDateTime, QTime
from qgis.PyQt.QtWidgets import QApplication, QPushButton


def steps(desk):
    facts = desk.facts
    desk.open_panel()
    yield lambda: desk.has("craquelureRun")
    desk.type_into("craquelureBook", facts["book"])
    panel = desk.panel
    yield lambda: panel.book == facts["book"]
    page = panel.surveys
    page.table.setCurrentItem(page.table.topLevelItem(1))
    page.load_selected()
    yield desk.idle
    desk.shoot("1-surveys")

    desk.click("craquelureCompare")
    yield lambda: _dialog(desk) is not None
    dialog = _dialog(desk)
    desk.shoot("2-dialog")
    run = next(b for b in dialog.findChildren(QPushButton) if b.text().replace("&", "") == "Run")
    desk.heart.start()
    run.click()
    yield lambda: len(_changes(desk)) == 2
    desk.notes["longest_pause_s"] = desk.heart.stop()
    dialog.close()
    yield lambda: desk.idle() and _dialog(desk) is None
    layers = _changes(desk)
    desk.notes["layers"] = sorted(layer.name() for layer in layers)
    desk.notes["features"] = [layer.featureCount() for layer in layers]
    desk.notes["legend"] = [len(layer.renderer().legendSymbolItems()) for layer in layers]
    desk.notes["temporal"] = [layer.temporalProperties().isActive() for layer in layers]
    line = next(layer for layer in layers if "change_line" in layer.source())
    desk.canvas.setExtent(line.extent())
    desk.canvas.refresh()
    yield desk.idle
    panel.refresh()
    elements = panel.elements
    panel.pages.setCurrentWidget(elements)
    desk.notes["verdicts"] = [
        elements.model.data(elements.model.index(row, elements.model.columnCount() - 1))
        for row in range(elements.model.rowCount())
    ]
    yield desk.idle
    desk.shoot("3-changes")

    page = panel.comparison
    panel.pages.setCurrentWidget(page)
    desk.notes["words"] = page.words.text()
    desk.click("craquelurePairShow")
    yield desk.idle
    tree = desk.project.layerTreeRoot().findLayers()
    desk.notes["tree"] = [node.name() for node in tree]
    later = desk.project.mapLayer(page._later[0])
    desk.notes["placed"] = placed(later)
    desk.click("craquelurePairTurn")
    desk.notes["turned"] = [
        desk.project.layerTreeRoot().findLayer(i).itemVisibilityChecked() for i in page._later
    ]
    yield desk.idle
    desk.shoot("4-agreement")
    desk.click("craquelureFlicker")
    desk.notes["flickers"] = page._timer.isActive()
    panel.pages.setCurrentWidget(elements)
    desk.notes["flickers_unseen"] = page._timer.isActive()

    # the Temporal Controller: in the period between the surveys changes are shown, after it they are not
    shown = []
    for year in (2027, 2030):
        day = QDateTime(QDate(year, 1, 1), QTime(0, 0))
        context = QgsDateTimeRange(day, day.addDays(1))
        shown.append(
            line.temporalProperties().isVisibleInTemporalRange(context) and _in_period(line, context)
        )
    desk.notes["in_period"] = shown


def placed(layer):
    """Return where the middle of the later picture lies on the map."""
    c, a, b, f, d, e = gdal.Open(layer.source()).GetGeoTransform()
    return [a * 550 + b * 400 + c, d * 550 + e * 400 + f]


def _changes(desk):
    return [layer for layer in desk.project.mapLayers().values() if "layername=change_" in layer.source()]


def _dialog(desk):
    for top in QApplication.topLevelWidgets():
        if top.isVisible() and "Compare" in top.windowTitle():
            return top
    return None


def _in_period(layer, period):
    """Count the features that the layer's temporal filter lets through."""
    context = QgsVectorLayerTemporalContext()
    context.setLayer(layer)
    expression = layer.temporalProperties().createFilterString(context, period)
    return sum(1 for _ in layer.getFeatures(QgsFeatureRequest().setFilterExpression(expression)))
