"""What can go wrong at a user's: each time a line that says what to do, QGIS alive, no data lost."""

import sqlite3
import time
from pathlib import Path

import qgis.utils
from qgis.core import QgsApplication, QgsPointXY, QgsRasterLayer, QgsSettings, QgsVectorLayer
from qgis.PyQt.QtCore import QDate, Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QDialogButtonBox, QMessageBox


def steps(desk):
    facts, notes = desk.facts, desk.notes
    desk.open_panel()
    yield lambda: desk.has("craquelureRun")
    page, panel = desk.panel.surveys, desk.panel
    notes["start_s"] = qgis.utils.plugin_times["craquelure"]
    layers = {}
    for name in ("ortho", "plain", "degrees", "chinese", "classes", "plain_classes"):
        layers[name] = QgsRasterLayer(facts[name], name)
        desk.project.addMapLayer(layers[name])
    elements = QgsVectorLayer(facts["elements"], "beams")
    desk.project.addMapLayer(elements)
    yield desk.idle
    yield lambda: desk.has("craquelureLocal")
    desk.click("craquelureLocal")
    settings = QgsSettings()

    def choose(ortho, classes="classes", with_elements=True, book="book", day=1):
        page.ortho.setLayer(layers[ortho])
        page.classes.setLayer(layers[classes])
        page.element_layer.setLayer(elements if with_elements else None)
        page.id_field.setField("beam_id")
        page.date.setDate(QDate(2026, 5, day))
        panel.open_book(facts[book])
        desk.iface.messageBar().clearWidgets()

    def engine(python):
        settings.setValue("craquelure/engine/python", python)

    def said():
        texts = [text for text in desk.messages() if not text.startswith(("Survey of", "No transform"))]
        return texts[0] if texts else ""

    # engines that are none
    for name in ("gone", "old", "killed", "garbage"):
        engine(facts[name])
        choose("ortho")
        desk.click("craquelureRun")
        yield lambda: said() and page.queue.current is None
        notes[name] = said()
        desk.shoot(f"engine-{name}")
    # an engine that hangs is stopped by Cancel
    engine(facts["hung"])
    choose("ortho")
    run = start(desk, page)
    yield lambda: page.queue.current is not None
    waited = time.perf_counter()
    yield lambda: time.perf_counter() - waited > 1.0  # it has said hello and been asked
    desk.click("craquelureCancel")
    yield lambda: run().is_over
    notes["hung"] = run().state.value

    # a full disk
    engine(facts["python"])
    if facts["full_book"]:
        choose("ortho", book="full_book")
        run = start(desk, page)
        yield lambda: run().is_over
        notes["full"], notes["full_said"] = run().state.value, run().message
        notes["full_left"] = [path.name for path in Path(facts["full_book"]).parent.iterdir()]

    # a book that may not be written
    panel.open_book(facts["read_only"])
    notes["read_only"] = desk.find("craquelureBookState").text()
    notes["read_only_can_run"] = desk.find("craquelureRun").isEnabled()
    page.load_selected()
    yield desk.idle
    archived = [i for i in desk.project.mapLayers() if "archived" in desk.project.mapLayer(i).source()]
    notes["read_only_layers"] = len(archived)
    desk.shoot("read-only")
    desk.project.removeMapLayers(archived)
    choose("ortho", book="read_only")
    run = start(desk, page, by=page.add_run)
    yield lambda: run().is_over
    notes["read_only_refused"] = run().message

    # a share: its path begins with two slashes, and one day it is not there
    for name in ("ortho", "classes"):
        layers[f"far_{name}"] = QgsRasterLayer(f"{facts['network']}/{name}.tif", f"far_{name}")
        desk.project.addMapLayer(layers[f"far_{name}"])
    choose("far_ortho", "far_classes", book="far_book")
    run = start(desk, page)
    yield lambda: run().is_over
    notes["network"], notes["network_said"] = run().state.value, run().message
    notes["notes_shown"] = desk.find("craquelureRunNotes").toPlainText()
    desk.shoot("notes")
    choose("far_ortho", "far_classes", book="far_book", day=2)
    run = start(desk, page)
    Path(facts["network"]).rename(Path(facts["network"]).with_name("gone"))
    yield lambda: run().is_over
    notes["vanished"], notes["vanished_said"] = run().state.value, run().message
    notes["vanished_book"] = [row.name for row in panel.listed_surveys()]
    desk.project.removeMapLayers([layers.pop(f"far_{name}").id() for name in ("ortho", "classes")])

    # rasters
    for name in ("degrees", "plain"):
        choose(name, "classes" if name == "degrees" else "plain_classes", with_elements=False)
        desk.click("craquelureRun")
        yield lambda: said() != ""
        notes[name] = said()

    # set scale: 300 px are 75 mm, so a pixel is 0.25 mm
    plain = layers["plain"]
    for name in ("plain_classes", "classes", "chinese", "degrees", "ortho"):
        desk.project.layerTreeRoot().findLayer(layers[name].id()).setItemVisibilityChecked(False)
    choose("plain", "plain_classes", with_elements=False, book="plain_book")
    desk.canvas.setDestinationCrs(plain.crs())
    desk.canvas.setExtent(plain.extent())
    painted = []
    desk.canvas.mapCanvasRefreshed.connect(lambda: painted.append(True))
    desk.canvas.refresh()
    yield lambda: painted and desk.idle()
    desk.click("craquelureScale")
    for x in (100, 400):
        at = desk.canvas.getCoordinateTransform().transform(QgsPointXY(x, -200)).toQPointF().toPoint()
        QTest.mouseMove(desk.canvas.viewport(), at)
        QTest.mouseClick(
            desk.canvas.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at
        )
    yield lambda: desk.has("craquelureLength")
    desk.find("craquelureLengthValue").setValue(75.0)
    desk.shoot("set-scale")
    box = desk.find("craquelureLength").findChild(QDialogButtonBox)
    QTest.mouseClick(box.button(QDialogButtonBox.StandardButton.Ok), Qt.MouseButton.LeftButton)
    yield lambda: page.gsd.value() > 0
    notes["gsd"] = page.gsd.value()
    run = start(desk, page)
    yield lambda: run().is_over
    notes["scaled"], notes["scaled_said"] = run().state.value, said()
    yield desk.idle
    notes["rows_without_elements"] = [r["elem_id"] for r in panel.elements.model._rows]

    # a name in Chinese
    choose("chinese", book="chinese_book")
    run = start(desk, page)
    yield lambda: run().is_over
    notes["chinese"], notes["chinese_said"] = run().state.value, run().message

    # the layer goes while the run goes on
    choose("ortho", book="book")
    run = start(desk, page)
    yield lambda: page.queue.current is not None
    desk.project.removeMapLayer(layers["chinese"].id())
    yield lambda: run().is_over
    notes["layer_removed"] = run().state.value

    # a queue: the second waits and is taken out
    choose("ortho", book="book", day=2)
    first = start(desk, page)
    page.date.setDate(QDate(2026, 5, 3))
    desk.click("craquelureRun")
    waiting = page.queue.runs[-1]
    notes["waiting"] = waiting.state.value
    page.queue.cancel(waiting)
    yield lambda: first().is_over
    notes["queue"] = [first().state.value, waiting.state.value]
    notes["surveys"] = page.table.topLevelItemCount()

    # another program holds the book
    other = sqlite3.connect(facts["book"], isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    page.date.setDate(QDate(2026, 5, 4))
    desk.iface.messageBar().clearWidgets()
    run = start(desk, page)
    yield lambda: run().is_over
    notes["locked"], notes["locked_said"] = run().state.value, run().message
    other.execute("ROLLBACK")
    other.close()
    panel.refresh()

    # remove a survey
    page.table.setCurrentItem(page.table.topLevelItem(1))
    desk.click("craquelureRemove")
    yield lambda: desk.has("craquelureRemoveQuestion")
    desk.shoot("remove")
    question = desk.find("craquelureRemoveQuestion")
    QTest.mouseClick(question.button(QMessageBox.StandardButton.Yes), Qt.MouseButton.LeftButton)
    yield lambda: page.table.topLevelItemCount() == notes["surveys"] - 1
    notes["after_removal"] = page.table.topLevelItemCount()

    # not a book
    desk.iface.messageBar().clearWidgets()
    panel.open_book(facts["elements"])
    notes["no_book"], notes["book_kept"] = said(), panel.book == facts["book"]

    # a table of 5,000 elements
    rows = [
        {
            "elem_id": f"B-{n % 5000}",
            "loss_m2": (n * 7919 % 5003) / 1e4,
            "crack_m": None if n % 9 == 0 else n % 977,
        }
        for n in range(5000)
    ]
    panel.pages.setCurrentWidget(panel.elements)
    panel.elements.model.show(rows)
    times = []
    for column in (0, 1, 4, 4):
        began = time.perf_counter()
        desk.click_header(panel.elements.table, column)
        times.append(time.perf_counter() - began)
    notes["sort_s"] = times
    desk.shoot("table")
    panel.pages.setCurrentWidget(panel.surveys)

    # the options page
    from craquelure.options import OptionsPage

    options = OptionsPage()
    options.resize(760, 820)
    options.show()
    options.test_button.click()
    yield lambda: "torch" in options.report.toPlainText()
    notes["report"] = options.report.toPlainText()
    options.grab().save(f"{facts['shots']}/options.png")
    options.close()

    # the dialog of the algorithm
    import processing

    dialog = processing.createAlgorithmDialog("craquelure:survey", {"ORTHOPHOTO": layers["ortho"].source()})
    dialog.resize(1000, 760)
    dialog.show()
    yield lambda: dialog.isVisible()
    dialog.grab().save(f"{facts['shots']}/dialog.png")
    dialog.close()

    # Processing loads and dresses the layers by itself
    before = set(desk.project.mapLayers())
    processing.runAndLoadResults(
        "craquelure:vectorise", {"SOURCE": layers["classes"].source(), "OUTPUT": facts["vectors"]}
    )
    yield lambda: desk.project.layerTreeRoot().findGroup("vectors") is not None
    yield lambda: len(desk.project.layerTreeRoot().findGroup("vectors").findLayers()) == 4
    made = [desk.project.mapLayer(i) for i in set(desk.project.mapLayers()) - before]
    notes["vectorised"] = sorted(layer.name() for layer in made)
    notes["vectorised_style"] = sorted(layer.renderer().type() for layer in made)

    # the project is closed while a run goes on
    choose("ortho", book="closed_book")
    run = start(desk, page)
    yield lambda: page.queue.current is not None
    desk.project.clear()
    yield lambda: run().is_over
    notes["closed"], notes["closed_said"] = run().state.value, said()
    notes["layers_after_close"] = len(desk.project.mapLayers())

    # off and on again, while a run goes on
    again = QgsRasterLayer(facts["ortho"], "again")
    desk.project.addMapLayer(again)
    page.ortho.setLayer(again)
    panel.open_book(facts["off_book"])
    run = start(desk, page)
    yield lambda: page.queue.current is not None and page.queue.current.percent > 0
    notes["unloaded"] = qgis.utils.unloadPlugin("craquelure")
    provider = QgsApplication.processingRegistry().providerById("craquelure")
    notes["provider_gone"] = provider is None
    notes["off_while_running"] = run().state.value
    began = time.perf_counter()
    notes["started"] = qgis.utils.loadPlugin("craquelure") and qgis.utils.startPlugin("craquelure")
    notes["enable_s"] = time.perf_counter() - began


def start(desk, page, by=None):
    """Press Run, or do what ``by`` does; return how to look at the run that it queued."""
    count = len(page.queue.runs)
    by() if by else desk.click("craquelureRun")

    def run():
        if len(page.queue.runs) <= count:
            raise AssertionError(f"the run was refused: {desk.messages()}")
        return page.queue.runs[count]

    run()
    return run
