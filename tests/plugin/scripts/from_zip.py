"""A newcomer: installs the zip in QGIS, is told that there is no engine, chooses one, maps a picture."""

import pyplugin_installer
import qgis.utils
from pyplugin_installer.installer_data import plugins
from qgis.core import QgsRasterLayer, QgsSettings
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QDialog, QDialogButtonBox


def steps(desk):
    facts, notes = desk.facts, desk.notes
    notes["before"] = "craquelure" in qgis.utils.plugins
    pyplugin_installer.instance().installFromZipFile(facts["zip"])
    yield lambda: "craquelure" in qgis.utils.active_plugins
    found = plugins.all()["craquelure"]
    notes["plugin"] = {name: found[name] for name in ("error", "version_installed", "name")}
    desk.open_panel()
    yield lambda: desk.has("craquelureRun")
    page, panel = desk.panel.surveys, desk.panel
    for name in ("ortho", "classes"):
        desk.project.addMapLayer(QgsRasterLayer(facts[name], name))
    page.ortho.setLayer(desk.project.mapLayersByName("ortho")[0])
    page.classes.setLayer(desk.project.mapLayersByName("classes")[0])
    desk.type_into("craquelureBook", facts["book"])
    yield lambda: panel.book == facts["book"]
    desk.iface.messageBar().clearWidgets()
    desk.click("craquelureRun")
    yield lambda: any("engine" in text for text in desk.messages())
    notes["no_engine"] = next(text for text in desk.messages() if "engine" in text)
    desk.shoot("1-no-engine")

    # the page among QGIS's own options
    QTimer.singleShot(0, lambda: desk.iface.showOptionsDialog(desk.window, "craquelureOptions"))
    yield lambda: desk.has("craquelurePython")  # the dialog holds up what opened it, not this journey
    desk.find("craquelurePython").setFilePath(facts["python"])
    desk.shoot("2-options")
    box = desk.find("QgsOptionsBase", QDialog).findChild(QDialogButtonBox)
    QTest.mouseClick(box.button(QDialogButtonBox.StandardButton.Ok), Qt.MouseButton.LeftButton)
    yield lambda: QgsSettings().value("craquelure/engine/python") == facts["python"]
    desk.iface.messageBar().clearWidgets()
    desk.click("craquelureRun")
    yield lambda: page.queue.runs and page.queue.runs[-1].is_over
    notes["run"], notes["said"] = page.queue.runs[-1].state.value, page.queue.runs[-1].message
    yield desk.idle
    desk.shoot("3-mapped")
