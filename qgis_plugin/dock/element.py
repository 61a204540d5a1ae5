"""The page of one element: pictures of how it is and how it changed, drawn by the engine."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsProcessingUtils, QgsProject, QgsRectangle
from qgis.PyQt.QtCore import QItemSelectionModel, QTimer
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFrame,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ..engine.client import Engine
from ..engine.errors import EngineError
from ..results.loading import load_now, survey_layers
from ..settings import engine_python
from ..tasks import in_background
from ..translation import language, tr
from ..widgets import button, narrowing, row
from .picture import Picture

__all__ = ["ElementPage"]

_SETTLED_MS = 300
"""Between choosing another element and asking for it: who steps through a table wants the last one."""


class _Card(QFrame):
    """A picture with what can be done with it.

    Parameters
    ----------
    path : Path
        The PNG; an SVG lies beside it.
    save : callable
        Called with the path.
    """

    def __init__(self, path: Path, save: Callable[[Path], None]) -> None:
        super().__init__()
        self.path = path
        self.setFrameShape(QFrame.Shape.StyledPanel)
        picture = Picture(path)
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 2, 2, 2)
        column.addWidget(picture)
        column.addLayout(
            row(
                button("craquelurePlotCopy", tr("Copy"), picture.copy),
                button("craquelurePlotSave", tr("Save as picture…"), lambda: save(path)),
            )
        )


class ElementPage(QWidget):
    """Pictures of the element that is chosen in the table, on the map, or here."""

    def __init__(self, panel: Any) -> None:
        super().__init__()
        self._panel = panel
        self._engine: Engine | None = None
        self._busy, self._drawn = False, ("", "", "")
        self.element = narrowing(QComboBox())
        self.element.setObjectName("craquelureElement")
        self.element.currentIndexChanged.connect(lambda *_: self._chosen_here())
        self.note = QLabel()
        self.note.setObjectName("craquelureElementNote")
        self.note.setWordWrap(True)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLED_MS)
        self._timer.timeout.connect(self._ask)
        self.pictures = QWidget()
        QVBoxLayout(self.pictures).setContentsMargins(0, 0, 0, 0)
        column = QVBoxLayout(self)
        column.addWidget(self.element)
        column.addWidget(self.note)
        column.addWidget(self.pictures)
        column.addStretch(1)
        panel.elements.shown.connect(self._list)
        panel.elements.table.selectionModel().selectionChanged.connect(lambda *_: self._follow_table())

    def _list(self) -> None:
        """List the elements of the survey that the table shows; draw again what is seen."""
        names = self._panel.elements.model.elements()
        chosen = self.element.currentText()
        self.element.blockSignals(True)
        self.element.clear()
        self.element.addItems(names)
        self.element.setCurrentIndex(max(self.element.findText(chosen), 0) if names else -1)
        self.element.blockSignals(False)
        self._drawn = ("", "", "")
        self._want()

    def showEvent(self, event: Any) -> None:
        """Draw what was chosen meanwhile."""
        super().showEvent(event)
        self._want()

    def _follow_table(self) -> None:
        """Show the element that the table, or the map through it, has selected."""
        rows = self._panel.elements.table.selectionModel().selectedRows()
        if rows:
            name = self._panel.elements.model.element_at(rows[0].row())
            if name != self.element.currentText():
                self.element.blockSignals(True)
                self.element.setCurrentIndex(self.element.findText(name))
                self.element.blockSignals(False)
                self._want()

    def _chosen_here(self) -> None:
        """Select the element in the table too, and so on the map."""
        table, at = self._panel.elements.table, self._panel.elements.model.row_of(self.element.currentText())
        if at >= 0:
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
            table.selectionModel().select(self._panel.elements.model.index(at, 0), flags)
        self._want()

    def _wanted(self) -> tuple[str, str, str]:
        return self._panel.book, self._panel.elements.survey_name(), self.element.currentText()

    def _want(self) -> None:
        if self._wanted() == self._drawn or not self.isVisible():
            return
        if not all(self._wanted()):
            self._clear()
            self._tell(tr("No element yet: run a survey first."))
            return
        self._timer.start()

    def _ask(self) -> None:
        """Have the engine draw, unless it draws already: then it is asked again afterwards."""
        wanted = self._wanted()
        if self._busy or wanted == self._drawn or not all(wanted):
            return
        try:
            if self._engine is None:
                self._engine = Engine(engine_python(), warm=("export",))
        except EngineError as error:
            self._tell(str(error))
            return
        book, survey, elem_id = wanted
        folder = QgsProcessingUtils.generateTempFilename("plots")
        arguments = {
            "book": book,
            "format": "plots",
            "out": folder,
            "survey": survey,
            "elements": [elem_id],
            "language": language(),
        }
        engine, self._busy = self._engine, True
        self._tell(tr("Drawing {element}…", element=elem_id))

        def work(is_cancelled: Any) -> Any:
            if not engine.is_running():
                engine.start(is_cancelled)
            return engine.ask("export", arguments, is_cancelled=is_cancelled)

        in_background(
            tr("Pictures of {element}", element=elem_id),
            work,
            lambda result, fault: self._show(wanted, Path(folder), result, fault),
            is_passing=True,
        )

    def _show(self, wanted: tuple[str, str, str], folder: Path, result: Any, fault: str) -> None:
        self._busy = False
        if wanted != self._wanted():
            self._ask()
            return
        if result and result["run"]["recomputed"]:
            self._panel.elements.refresh()
            self._panel.surveys.refresh()
        self._timer.stop()  # what was refreshed is what was drawn
        self._clear()
        self._drawn = wanted
        if fault:
            self._tell(fault)
            return
        self._tell("\n".join(result["run"]["notes"]))
        for name in result["files"]:  # in the order in which one looks at them
            if name.endswith(".png"):
                self.pictures.layout().addWidget(_Card(folder / name, self._ask_where))
        for number, (text, extent) in enumerate(_places(folder, result["files"]), start=1):
            go = button(f"craquelurePlace{number}", text, lambda extent=extent: self._go_to(extent))
            go.setToolTip(tr("Show this place on the map"))
            go.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            self.pictures.layout().addWidget(go)

    def _tell(self, text: str) -> None:
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def _clear(self) -> None:
        layout = self.pictures.layout()
        while layout.count():
            widget = layout.takeAt(0).widget()
            widget.setParent(None)
            widget.deleteLater()

    def cards(self) -> list[_Card]:
        """Return the pictures that are shown, from top to bottom."""
        return self.pictures.findChildren(_Card)

    def _ask_where(self, path: Path) -> None:
        start = str(Path(self._panel.book).parent / path.name)
        chosen, _ = QFileDialog.getSaveFileName(
            self, tr("Save as picture"), start, tr("Pictures (*.png *.svg)")
        )
        if chosen:
            self.save(path, chosen)

    def save(self, path: Path, target: str) -> None:
        """Save a picture: as SVG where the name ends so, else as PNG."""
        suffix = ".svg" if target.lower().endswith(".svg") else ".png"
        place = Path(target) if target.lower().endswith(suffix) else Path(f"{target}{suffix}")
        try:
            shutil.copyfile(path.with_suffix(suffix), place)
        except OSError as error:
            self._panel.tell(
                tr("{name} cannot be written: {reason}", name=place.name, reason=error.strerror or error)
            )
            return
        self._panel.tell(tr("Saved: {path}", path=place), Qgis.MessageLevel.Success)

    def _go_to(self, extent: tuple[float, ...]) -> None:
        """Show a place on the map, with the survey's layers."""
        surv_id = self._panel.elements.survey.currentData()
        project, canvas = QgsProject.instance(), self._panel.iface.mapCanvas()
        group = f"{Path(self._panel.book).stem}: {self._panel.elements.survey_name()}"
        layers = load_now(project, survey_layers(self._panel.book, surv_id), group)
        if layers:
            canvas.setExtent(
                canvas.mapSettings().layerExtentToOutputExtent(layers[-1], QgsRectangle(*extent))
            )
            canvas.refresh()

    def stop(self) -> None:
        """End the engine."""
        self._timer.stop()
        if self._engine is not None:
            self._engine.kill()
            self._engine = None


def _places(folder: Path, files: dict[str, Any]) -> list[tuple[str, tuple[float, ...]]]:
    """Return what the worst places are, and where."""
    found = []
    for name in files:
        if name.endswith("_places.csv"):
            with (folder / name).open(encoding="utf-8-sig", newline="") as stream:
                for line in csv.DictReader(stream):
                    extent = tuple(float(line[key]) for key in ("min_x", "min_y", "max_x", "max_y"))
                    found.append((line["what"], extent))
    return found
