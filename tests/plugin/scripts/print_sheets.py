"""Print: sheets per element, opened to be edited, and printed; the overview; what changed. A4, A3 and A0."""

import time

from qgis.PyQt.QtWidgets import QComboBox


def steps(desk):
    facts = desk.facts
    desk.open_panel()
    yield lambda: desk.has("craquelureRun")
    desk.type_into("craquelureBook", facts["book"])
    panel = desk.panel
    yield lambda: panel.book == facts["book"]
    panel.surveys.load_selected()
    yield desk.idle
    if desk.has("craquelureLocal"):
        desk.click("craquelureLocal")
    page = panel.printing
    panel.pages.setCurrentWidget(page)
    yield lambda: page.isVisible()

    # somebody rejected a crack: the figures are brought up to date first
    desk.click("craquelurePrintOpen")
    yield lambda: desk.iface.openLayoutDesigners()
    (designer,) = desk.iface.openLayoutDesigners()
    layout = designer.masterLayout()
    desk.notes["layout"] = layout.name()
    desk.notes["atlas"] = [layout.atlas().enabled(), layout.atlas().count()]
    for number, text in enumerate(("Pavilion", "South facade", "", "me", "", "A-01"), start=1):
        layout.itemById(f"title text {number}").setText(text)
    designer.window().move(0, 0)
    designer.window().resize(1500, 900)
    until = time.monotonic() + 5
    yield lambda: time.monotonic() > until
    desk.notes["zoom"] = designer.view().transform().m11()
    desk.shoot("1-designer")
    designer.window().close()
    yield desk.idle
    desk.shoot("2-print")

    desk.notes["printed"] = []
    for kind, paper in (
        ("elements", "A3"),
        ("elements", "A4"),
        ("elements", "A0"),
        ("overview", "A3"),
        ("changes", "A3"),
    ):
        box = desk.find("craquelurePrintKind", QComboBox)
        box.setCurrentIndex(box.findData(kind))
        desk.find("craquelurePrintPaper", QComboBox).setCurrentText(paper)
        if kind == "changes":  # the last pair was edited since
            page.of.setCurrentIndex(1)
            desk.click("craquelurePrintOpen")
            desk.notes["refused"] = desk.messages()
            page.of.setCurrentIndex(0)
        desk.heart.start()
        page.print_to(f"{facts['folder']}/{kind}-{paper}.pdf")
        desk.notes["printed"].append([kind, paper, round(desk.heart.stop(), 2)])
        desk.notes["said"] = desk.messages()
        yield desk.idle
    desk.notes["layouts"] = sorted(each.name() for each in desk.project.layoutManager().printLayouts())
    desk.notes["tree"] = [node.name() for node in desk.project.layerTreeRoot().findLayers()]
