"""The page of checking: step through what was found, the doubtful first, and decide with one key."""

from __future__ import annotations

import getpass
import html
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from qgis.core import QgsFeatureRequest, QgsGeometry, QgsProject, QgsRectangle, QgsVectorLayer
from qgis.gui import QgsRubberBand
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtGui import QColor, QKeySequence
from qgis.PyQt.QtWidgets import (
    QAction,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from ..results.book import BookFault, orthophotos, width_bound_mm
from ..results.crack_edits import CrackEdit, cut_crack, join_cracks, undo_edit
from ..results.loading import load_beneath, load_now, survey_layers
from ..results.review import (
    Checked,
    Decision,
    Doubtful,
    accept_above,
    decide,
    extent_of,
    review_queue,
    take_back,
)
from ..translation import tr
from ..widgets import button, narrowing, row
from .doubtful import order_titles, told
from .linework import Clicked, CutTool, JoinTool
from .survey_box import SurveyBox
from .tracing import TraceTool

__all__ = ["ReviewPage"]

_HIGHLIGHT = QColor(255, 210, 0, 210)
_SETTLED_MS = 800
"""After the last decision, before other pages read the book again."""


@dataclass(frozen=True)
class Traced:
    """A crack that was traced, for undoing."""

    fid: int


class ReviewPage(QWidget):
    """Step, look, decide."""

    def __init__(self, panel: Any) -> None:
        super().__init__()
        self._panel = panel
        self._items: list[Doubtful] = []
        self._bound_mm = 0.0
        self._checked = Checked([])
        self._pictured, self._of_book = "", ""
        self._at, self._is_read = -1, False
        self._undo: list[list[Decision] | CrackEdit | Traced] = []
        self._band: QgsRubberBand | None = None
        self.survey, self.order = SurveyBox("craquelureReviewSurvey"), narrowing(QComboBox())
        self.order.setObjectName("craquelureReviewOrder")
        for name, title in order_titles().items():
            self.order.addItem(title, name)
        self.survey.currentIndexChanged.connect(lambda *_: self._reordered())
        self.order.currentIndexChanged.connect(lambda *_: self._reordered())
        self.feature = QLabel()
        self.feature.setObjectName("craquelureReviewFeature")
        self.feature.setWordWrap(True)
        self.feature.setTextFormat(Qt.TextFormat.RichText)
        self.counter, self.of_element = QProgressBar(), QLabel()
        self.counter.setObjectName("craquelureReviewCounter")
        self.counter.setTextVisible(False)  # the label below says it, in dark themes too
        self.of_element.setObjectName("craquelureReviewElement")
        self.of_element.setWordWrap(True)
        self.least = QDoubleSpinBox()
        self.least.setObjectName("craquelureReviewLeast")
        self.least.setRange(0.5, 1.0)
        self.least.setSingleStep(0.05)
        self.least.setValue(0.9)
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(_SETTLED_MS)
        self._settled.timeout.connect(self._tell_others)
        self.tracing = TraceTool(panel.iface.mapCanvas(), self._traced_into, panel.tell, self._line_added)
        canvas = panel.iface.mapCanvas()
        self.cutting = CutTool(canvas, self._free_layer, panel.tell, self._cut_at)
        self.joining = JoinTool(canvas, self._free_layer, panel.tell, self._join)
        self._by_key = self._keys()
        self._lay_out()

    def _actions(self) -> tuple[tuple[str, str, str, Any], ...]:
        """Return name, title, key and action of what one can do."""
        return (
            ("Accept", tr("Accept"), "A", self.accept),
            ("Reject", tr("Reject"), "R", self.reject),
            ("Skip", tr("Skip"), "N", self.skip),
            ("Back", tr("Back"), "B", self.back),
            ("Undo", tr("Undo"), "U", self.undo),
            ("Redraw", tr("Redraw"), "E", self.redraw),
            ("Trace", tr("Trace a crack"), "T", self.trace),
            ("Cut", tr("Cut"), "C", self.cut),
            ("Join", tr("Join"), "J", self.join),
        )

    def _keys(self) -> list[QAction]:
        """Return the keys: of the whole window, since looking around gives the map the focus."""
        made, window = [], self._panel.iface.mainWindow()
        for _, title, key, action in self._actions():
            of_key = QAction(title, window)
            of_key.setShortcut(QKeySequence(key))
            of_key.setEnabled(False)
            of_key.triggered.connect(lambda *_, action=action: action())
            window.addAction(of_key)
            made.append(of_key)
        return made

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow(tr("Survey"), self.survey)
        form.addRow(tr("Order"), self.order)
        buttons = [
            button(f"craquelureReview{name}", f"{title} ({key})", action)
            for name, title, key, action in self._actions()
        ]
        bulk = button("craquelureReviewBulk", tr("Accept all of at least"), self.accept_sure)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.feature)
        column.addLayout(row(*buttons[:3]))
        column.addLayout(row(*buttons[3:6]))
        column.addLayout(row(*buttons[6:]))
        column.addWidget(self.counter)
        column.addWidget(self.of_element)
        column.addLayout(row(bulk, self.least, QLabel(tr("confidence"))))
        column.addStretch(1)

    def showEvent(self, event: Any) -> None:
        """Take the keys while the page is seen; read what it shows, a second of a large survey."""
        super().showEvent(event)
        for key in self._by_key:
            key.setEnabled(True)
        if not self._is_read:
            self.read()
        self._show()  # what A and R are about is on the map, and marked

    def _reordered(self) -> None:
        """Begin again, before what comes first now."""
        self._at = -1
        self.read()
        self._show()

    def hideEvent(self, event: Any) -> None:
        """Leave the keys to QGIS, and the map without a mark."""
        super().hideEvent(event)
        for key in self._by_key:
            key.setEnabled(False)
        self._unmark()

    def refresh(self) -> None:
        """List the surveys again; what is being checked stays where it is."""
        if self._panel.book != self._of_book:
            self._of_book, self._undo = self._panel.book, []  # what was decided in another book stays there
        self.survey.read(self._panel.listed_surveys())
        self._is_read = False
        if self.isVisible():
            self.read()

    def read(self) -> None:
        """Read the survey's features, and stand before the first that nobody checked."""
        surv_id, here = self.survey.currentData(), self.current()
        self._is_read = True
        self._items, self._at = [], -1
        if surv_id:
            try:
                self._items = review_queue(self._panel.book, surv_id, self.order.currentData())
                self._bound_mm = width_bound_mm(self._panel.book, surv_id)
            except BookFault as fault:
                self._panel.tell(str(fault))
        self._checked = Checked(self._items)
        place = {(item.table, item.fid): n for n, item in enumerate(self._items)}
        if here is not None and (here.table, here.fid) in place:
            self._at = place[here.table, here.fid]
        elif self._items:
            self._at = self._next_unchecked(0)
        self._show(move=False)

    def current(self) -> Doubtful | None:
        """Return the feature that is looked at."""
        return self._items[self._at] if 0 <= self._at < len(self._items) else None

    def _next_unchecked(self, start: int) -> int:
        """Return the place of the next unchecked feature, round the end; ``start`` where there is none."""
        places = chain(range(start, len(self._items)), range(start))
        return next((n for n in places if self._checked.status_of(self._items[n]) == "auto"), start)

    def accept(self) -> None:
        """Say that what was found is there."""
        self._decide("verified")

    def reject(self) -> None:
        """Say that what was found is not there: it leaves totals and exports."""
        self._decide("rejected")

    def skip(self) -> None:
        """Go to the next unchecked feature."""
        if self._items:
            self._at = self._next_unchecked((self._at + 1) % len(self._items))
            self._show()

    def back(self) -> None:
        """Go to the feature before."""
        if self._items:
            self._at = (self._at - 1) % len(self._items)
            self._show()

    def undo(self) -> None:
        """Take the last decision, cut, join or traced crack back; stand before what was decided."""
        if not self._undo:
            return
        last = self._undo[-1]
        if isinstance(last, Traced):
            self._untrace(last)
            return
        try:
            if isinstance(last, CrackEdit):
                undo_edit(self._panel.book, last)
            else:
                take_back(self._panel.book, last)
        except BookFault as fault:
            self._panel.tell(str(fault))
            return
        self._undo.pop()
        if isinstance(last, CrackEdit):
            self._changed(last.before[0]["fid"])
            return
        for decision in last:
            self._checked.give(decision.table, decision.fid, decision.before)
        first = (last[0].table, last[0].fid)
        self._at = next(
            (n for n, item in enumerate(self._items) if (item.table, item.fid) == first), self._at
        )
        self._settled.start()
        self._show()

    def accept_sure(self) -> None:
        """Accept everything unchecked of at least the confidence set."""
        if not self.survey.currentData():
            return
        try:
            made = accept_above(
                self._panel.book, self.survey.currentData(), self.least.value(), getpass.getuser()
            )
        except BookFault as fault:
            self._panel.tell(str(fault))
            return
        self._remember(made)
        self._panel.tell(tr("{n} features accepted. Undo takes them all back.", n=len(made)))
        if self._items and self._checked.status_of(self._items[max(self._at, 0)]) != "auto":
            self._at = self._next_unchecked(max(self._at, 0))
        self._show()

    def redraw(self) -> None:
        """Hand the feature to QGIS's own tools: its layer in editing, the feature selected."""
        item = self.current()
        layer = None if item is None else self._layer_of(item.table)
        if item is None or layer is None:
            return
        self._panel.iface.setActiveLayer(layer)
        layer.startEditing()
        layer.selectByIds([item.fid])
        self._panel.iface.actionVertexToolActiveLayer().trigger()

    def trace(self) -> None:
        """Click along a crack that was missed; the engine finds the way between the clicks."""
        if self._traced_into() is not None:
            self._show_pictures()
            self._panel.iface.mapCanvas().setMapTool(self.tracing)
            self.feature.setText(
                tr("Click along the crack; the right button ends. Backspace takes a point back, Esc all.")
            )

    def cut(self) -> None:
        """Cut a crack in two where it is clicked, so that each part can be judged."""
        self._begin(self.cutting, tr("Click on the crack where it is to be cut."))

    def join(self) -> None:
        """Join two cracks over the gap between them."""
        self._begin(self.joining, tr("Click near the ends of the two cracks that are to be joined."))

    def _begin(self, tool: Any, told: str) -> None:
        if self._free_layer() is not None:
            self._show_pictures()
            self._panel.iface.mapCanvas().setMapTool(tool)
            self.feature.setText(told)

    def _crack_layer(self) -> QgsVectorLayer | None:
        return self._layer_of("crack_line") if self.survey.currentData() else None

    def _free_layer(self) -> QgsVectorLayer | None:
        """Return the layer of cracks unless somebody edits it: those edits are not in the book yet."""
        layer = self._crack_layer()
        if layer is not None and layer.isEditable():
            self._panel.tell(tr("Save or leave your edits of the layer of cracks first."))
            return None
        return layer

    def _cut_at(self, clicked: Clicked) -> None:
        self._edit(lambda: cut_crack(self._panel.book, *clicked, getpass.getuser()))

    def _join(self, first: Clicked, second: Clicked) -> None:
        self._edit(lambda: join_cracks(self._panel.book, first, second, getpass.getuser()))

    def _edit(self, work: Callable[[], CrackEdit]) -> None:
        """Change crack lines, remember it for undoing, and show the lines as they are now."""
        try:
            edit = work()
        except BookFault as fault:
            self._panel.tell(str(fault))
            return
        self._undo.append(edit)
        self._changed(edit.to_judge)

    def _changed(self, fid: int) -> None:
        """Show lines that came, went or changed, and stand before one of them; the map stays."""
        layer = self._crack_layer()
        if layer is not None:
            layer.dataProvider().reloadData()
            layer.triggerRepaint()
        self._settled.start()
        self.read()
        places = (n for n, each in enumerate(self._items) if (each.table, each.fid) == ("crack_line", fid))
        self._at = next(places, self._at)
        self._show(move=False)
        item = self.current()
        if layer is not None and item is not None:
            self._mark(layer, item)

    def _traced_into(self) -> tuple[str, str, QgsVectorLayer] | None:
        """Return book, survey and layer that a traced line belongs to."""
        name = self.survey.survey_name()
        layer = self._layer_of("crack_line") if name else None
        return None if layer is None else (self._panel.book, name, layer)

    def _line_added(self, fid: int) -> None:
        self._undo.append(Traced(fid))
        self._settled.start()
        self.read()

    def _untrace(self, traced: Traced) -> None:
        """Delete a traced crack; the book keeps it as rejected, as it does with everything deleted."""
        layer = self._free_layer()
        if layer is None:
            return
        if not layer.dataProvider().deleteFeatures([traced.fid]):
            self._panel.tell(tr("The book could not be written. Is it read-only, or in use?"))
            return
        self._undo.pop()
        layer.dataProvider().reloadData()
        layer.triggerRepaint()
        self._settled.start()
        self.read()

    def _decide(self, status: str) -> None:
        item = self.current()
        if item is None:
            return
        try:
            made = decide(self._panel.book, [item], status, getpass.getuser())
        except BookFault as fault:
            self._panel.tell(str(fault))
            return
        if made:
            self._remember(made)
        else:
            self._panel.tell(tr("This feature is not in the book any more."))
        self._at = self._next_unchecked((self._at + 1) % len(self._items))
        self._show()

    def _remember(self, made: list[Decision]) -> None:
        if made:
            self._undo.append(made)
        for decision in made:
            self._checked.give(decision.table, decision.fid, decision.after)
        self._settled.start()

    def _tell_others(self) -> None:
        """Let the other pages see that figures are stale, and the map what was rejected."""
        self._panel.elements.refresh()
        self._panel.surveys.refresh()
        for layer in QgsProject.instance().mapLayers().values():
            if layer.source().startswith(f"{self._panel.book}|"):
                layer.triggerRepaint()

    def _layer_of(self, table: str) -> QgsVectorLayer | None:
        """Return the survey's layer of a table; the survey's layers are loaded where they are missing."""
        surv_id = self.survey.currentData()
        wanted = f"{self._panel.book}|layername={table}|"

        def found() -> QgsVectorLayer | None:
            for layer in QgsProject.instance().mapLayers().values():
                if layer.source().startswith(wanted) and f"'{surv_id}'" in layer.source():
                    return layer
            return None

        if found() is None:
            load_now(
                QgsProject.instance(), survey_layers(self._panel.book, surv_id), self.survey.currentText()
            )
        return found()

    def _show(self, *, move: bool = True) -> None:
        """Tell what is looked at, and how much is checked; ``move`` also moves the map."""
        done, total = self._checked.of_all()
        self.counter.setRange(0, max(total, 1))
        self.counter.setValue(done)
        self.counter.setFormat(tr("{done} of {total} checked", done=done, total=total))
        item = self.current()
        self.of_element.setVisible(item is not None)
        if item is None:
            self.feature.setText(tr("Nothing to check yet: run a survey first."))
            self._unmark()
            return
        own = self._checked.of_element(item.elem_id)
        name = html.escape(item.elem_id) if item.elem_id else tr("outside the elements")
        of_this = tr("{name}: {done} of {total}", name=name, done=own[0], total=own[1])
        self.of_element.setText(f"{self.counter.text()} · {of_this}")
        self.feature.setText(told(item, self._checked.status_of(item), self._bound_mm))
        if move and self.isVisible():
            self._go_to(item)

    def _go_to(self, item: Doubtful) -> None:
        try:
            extent = extent_of(self._panel.book, self.survey.currentData(), item)
        except BookFault as fault:
            self._panel.tell(str(fault))
            return
        layer = self._layer_of(item.table)
        if extent is None or layer is None:
            self._unmark()
            return
        self._show_pictures()
        canvas = self._panel.iface.mapCanvas()
        shown = canvas.mapSettings().layerExtentToOutputExtent(layer, QgsRectangle(*extent))
        canvas.setExtent(shown)
        canvas.refresh()
        self._mark(layer, item)

    def _show_pictures(self) -> None:
        """Lay the survey's orthophotos beneath, once: whoever takes them away does not want them."""
        surv_id = self.survey.currentData()
        if self._pictured == surv_id:
            return
        self._pictured = surv_id
        for photo in orthophotos(self._panel.book, surv_id):
            load_beneath(QgsProject.instance(), photo.path)

    def _mark(self, layer: QgsVectorLayer, item: Doubtful) -> None:
        request = QgsFeatureRequest(item.fid)
        geometry = next((f.geometry() for f in layer.getFeatures(request)), QgsGeometry())
        self._unmark()
        if geometry.isNull():
            return
        band = QgsRubberBand(self._panel.iface.mapCanvas(), geometry.type())
        band.setToGeometry(geometry, layer)
        band.setColor(_HIGHLIGHT)
        band.setFillColor(QColor(0, 0, 0, 0))
        band.setWidth(3)
        self._band = band

    def _unmark(self) -> None:
        if self._band is not None:
            self._panel.iface.mapCanvas().scene().removeItem(self._band)
            self._band = None

    def stop(self) -> None:
        """Give the keys back."""
        self._settled.stop()
        for tool in (self.tracing, self.cutting, self.joining):
            self._panel.iface.mapCanvas().unsetMapTool(tool)
        self.tracing.stop()
        self._unmark()
        for key in self._by_key:
            self._panel.iface.mainWindow().removeAction(key)
            key.deleteLater()
