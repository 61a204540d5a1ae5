"""Every page of the panel in a dock of 320 px: chosen by keys, as wide as the dock, nothing cut off."""

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLabel, QLineEdit, QScrollArea

WIDTH_PX = 320


def steps(desk):
    desk.open_panel()
    yield lambda: desk.has("craquelureRun")
    desk.type_into("craquelureBook", desk.facts["book"])
    panel = desk.panel
    yield lambda: panel.book == desk.facts["book"]
    panel.surveys.load_selected()
    yield desk.idle
    desk.window.resizeDocks([panel], [WIDTH_PX], Qt.Orientation.Horizontal)
    yield lambda: True
    chosen = desk.find("craquelurePages", QComboBox)
    chosen.setFocus()
    chosen.setCurrentIndex(0)
    seen, widths, cut, needed = [], [], {}, {}
    for number in range(chosen.count()):
        yield desk.idle
        seen.append(chosen.currentText())
        widths.append(panel.width())
        page = panel.pages.currentWidget()
        needed[seen[-1]] = page.minimumSizeHint().width()
        cut[seen[-1]] = list(cut_off(page))
        desk.shoot(f"{desk.facts['look']}-{number}")
        QTest.keyClick(chosen, Qt.Key.Key_Down)
    desk.notes.update(pages=seen, widths=widths, cut=cut, needed=needed, ratio=panel.devicePixelRatioF())
    areas = [area for area in panel.findChildren(QScrollArea) if area.widgetResizable()]
    desk.notes["sideways"] = max(area.horizontalScrollBar().maximum() for area in areas)
    desk.notes["dark"] = panel.palette().window().color().lightness() < 128


def cut_off(page):
    """Yield what is smaller than it needs to be: buttons and labels narrower than their text, any too low."""
    for widget in page.findChildren((QAbstractButton, QLabel, QComboBox, QAbstractSpinBox, QLineEdit)):
        is_wrapped = isinstance(widget, QLabel) and widget.wordWrap()
        has_text = isinstance(widget, (QAbstractButton, QLabel)) and widget.text() and not is_wrapped
        if widget.isVisible() and widget.sizeHint().isValid():
            is_narrow = has_text and widget.width() < widget.sizeHint().width() - 1
            if is_narrow or widget.height() < widget.minimumSizeHint().height() - 1:
                yield widget.objectName() or widget.text()
