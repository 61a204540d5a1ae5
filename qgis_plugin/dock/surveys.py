"""The page of surveys: what the book holds, what is running, and what to run next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsMapLayerProxyModel, QgsProject
from qgis.gui import QgsFieldComboBox, QgsMapLayerComboBox
from qgis.PyQt.QtCore import QDate, Qt
from qgis.PyQt.QtWidgets import (
    QDateEdit,
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QLineEdit,
    QMessageBox,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..algorithms.inputs import GSD_PROPERTY
from ..engine.client import run_once
from ..results.book import surveys
from ..results.loading import load_now, survey_layers
from ..settings import PROJECT_SCOPE, default_device, engine_python
from ..tasks import in_background
from ..translation import tr
from ..widgets import button, narrowing, row, tree
from .models import ModelBox
from .run_list import RunList
from .runs import Run, RunQueue, RunState
from .scale import ScaleTool

__all__ = ["SurveysPage"]

_KEY = Qt.ItemDataRole.UserRole
_ELEMENTS, _ID_FIELD = "elements", "id_field"
"""What a project keeps of its layer of building elements."""


class SurveysPage(QWidget):
    """Surveys of the book and the queue of runs."""

    def __init__(self, panel: Any) -> None:
        super().__init__()
        self._panel = panel
        self._project_closed = False
        self._scale_tool: ScaleTool | None = None
        self.queue = RunQueue(self)
        self.queue.finished.connect(self._finish)
        QgsProject.instance().cleared.connect(self._note_closed)
        QgsProject.instance().readProject.connect(self._take_kept_elements)
        self._make_book_list()
        self._make_form()
        column = QVBoxLayout(self)
        column.addWidget(self.table, 2)
        column.addLayout(row(self.load_button, self.compare_button, self.remove_button))
        column.addWidget(self._form)
        column.addWidget(RunList(self.queue), 1)
        self._take_kept_elements()
        self.refresh()

    def _make_book_list(self) -> None:
        self.table = tree("craquelureSurveys", [tr("Survey"), tr("Date"), tr("Orthophotos"), tr("State")])
        self.table.itemDoubleClicked.connect(lambda *_: self.load_selected())
        self.load_button = button("craquelureLoad", tr("Load layers"), self.load_selected)
        self.remove_button = button("craquelureRemove", tr("Remove survey…"), self._ask_to_remove)
        self.compare_button = button("craquelureCompare", tr("Compare…"), self.open_compare)
        self.compare_button.setToolTip(tr("What changed since the survey before the selected one."))

    def _make_form(self) -> None:
        self.ortho = narrowing(QgsMapLayerComboBox())
        self.ortho.setObjectName("craquelureOrthophoto")
        self.ortho.setFilters(QgsMapLayerProxyModel.Filter.RasterLayer)
        self.ortho.layerChanged.connect(self._show_scale)
        self.date = QDateEdit(QDate.currentDate())
        self.date.setObjectName("craquelureDate")
        self.date.setCalendarPopup(True)
        self.date.setDisplayFormat("yyyy-MM-dd")
        self.name = QLineEdit()
        self.name.setObjectName("craquelureName")
        self.name.setPlaceholderText(tr("the date"))
        self.element_layer = _optional_layer(
            "craquelureElements",
            QgsMapLayerProxyModel.Filter.PolygonLayer,
            tr("none: measure the whole picture"),
        )
        self.id_field = narrowing(QgsFieldComboBox())
        self.id_field.setObjectName("craquelureIdField")
        self.element_layer.layerChanged.connect(self.id_field.setLayer)
        self.model = ModelBox("craquelureModel", with_adapters=True)
        self.classes = _optional_layer(
            "craquelureClasses", QgsMapLayerProxyModel.Filter.RasterLayer, tr("none: run the network")
        )
        self.gsd = QDoubleSpinBox()
        self.gsd.setObjectName("craquelureGsd")
        self.gsd.setDecimals(4)
        self.gsd.setRange(0.0, 1000.0)
        self.gsd.setSuffix(" mm")
        self.gsd.setSpecialValueText(tr("from the file"))
        self.scale_button = button("craquelureScale", tr("Set scale…"), self._start_scale)
        self.scale_button.setToolTip(
            tr("For a picture without coordinates: draw a line along its scale bar and type the length.")
        )
        self.run_button = button("craquelureRun", tr("Run"), self.add_run)
        self._form = QGroupBox(tr("Map an orthophoto"))
        form = QFormLayout(self._form)
        form.addRow(tr("Orthophoto"), self.ortho)
        form.addRow(tr("Pixel size"), self.gsd)
        form.addRow("", self.scale_button)
        form.addRow(tr("Date of survey"), self.date)
        form.addRow(tr("Name"), self.name)
        form.addRow(tr("Elements"), self.element_layer)
        form.addRow(tr("Id field"), self.id_field)
        form.addRow(tr("Model"), self.model)
        form.addRow(tr("Class raster"), self.classes)
        form.addRow(self.run_button)

    def refresh(self) -> None:
        """Show the surveys of the book."""
        self.table.clear()
        self.model.show_book(self._panel.book)
        listed = self._panel.listed_surveys()
        for survey in listed:
            state = tr("edited: figures are stale") if survey.stale else ""
            item = QTreeWidgetItem([survey.name, survey.date, str(survey.orthophotos), state])
            item.setData(0, _KEY, survey.surv_id)
            self.table.addTopLevelItem(item)
        if listed:
            self.table.setCurrentItem(self.table.topLevelItem(len(listed) - 1))
        self.load_button.setEnabled(bool(listed))
        self.compare_button.setEnabled(len(listed) > 1)
        self.remove_button.setEnabled(bool(listed) and self._panel.can_write())
        self.run_button.setEnabled(self._panel.can_write())

    def selected_survey(self) -> tuple[str, str] | None:
        """Return id and name of the selected survey."""
        item = self.table.currentItem()
        return None if item is None else (item.data(0, _KEY), item.text(0))

    def load_selected(self) -> None:
        """Load the selected survey's layers."""
        chosen = self.selected_survey()
        if chosen is not None:
            self._load(*chosen)

    def _load(self, surv_id: str, name: str) -> None:
        plans = survey_layers(self._panel.book, surv_id)
        loaded = load_now(QgsProject.instance(), plans, f"{Path(self._panel.book).stem}: {name}")
        if len(loaded) < len(plans):
            self._panel.tell(tr("Some layers of the survey could not be loaded; the book may be damaged."))
        self._panel.elements.refresh()

    def add_run(self) -> None:
        """Queue a run with what the form says."""
        layer = self.ortho.currentLayer()
        if layer is None:
            self._panel.tell(tr("Open an orthophoto first: Layer > Add Layer > Add Raster Layer."))
            return
        elements, classes = self.element_layer.currentLayer(), self.classes.currentLayer()
        parameters: dict[str, Any] = {
            "ORTHOPHOTO": layer.source(),
            "BOOK": self._panel.book,
            "DATE": self.date.date(),
            "NAME": self.name.text(),
            "DEVICE": default_device(),
        }
        if elements is not None:
            parameters.update(ELEMENTS=elements.id(), ID_FIELD=self.id_field.currentField())
        self._keep_elements(parameters.get("ELEMENTS", ""), parameters.get("ID_FIELD", ""))
        if classes is not None:
            parameters["CLASSES"] = classes.source()
        elif self.model.currentData():
            parameters["MODEL"] = self.model.currentData()
        gsd = self.gsd.value() or layer.customProperty(GSD_PROPERTY)
        if gsd:
            parameters["GSD_MM"] = float(gsd)
        self.queue_run(parameters)

    def _keep_elements(self, layer_id: str, id_field: str) -> None:
        """Keep in the project what the next run, maybe years later, is to be measured by, too."""
        project = QgsProject.instance()
        for key, value in ((_ELEMENTS, layer_id), (_ID_FIELD, id_field)):
            if value != project.readEntry(PROJECT_SCOPE, key)[0]:
                project.writeEntry(PROJECT_SCOPE, key, value)

    def _take_kept_elements(self, *_: object) -> None:
        project = QgsProject.instance()
        layer = project.mapLayer(project.readEntry(PROJECT_SCOPE, _ELEMENTS)[0])
        if layer is not None:
            self.element_layer.setLayer(layer)
            self.id_field.setField(project.readEntry(PROJECT_SCOPE, _ID_FIELD)[0])

    def queue_run(self, parameters: dict[str, Any]) -> None:
        """Queue a run of the ``survey`` algorithm; say what is wrong with it."""
        self._project_closed = False
        fault = self.queue.add(parameters)
        if fault:
            self._panel.tell(fault)

    def _finish(self, run: Run, results: dict[str, Any]) -> None:
        if run.state is RunState.FAILED:
            self._panel.tell(run.message, Qgis.MessageLevel.Critical)
        elif run.state is RunState.CANCELLED:
            self._panel.tell(run.message, Qgis.MessageLevel.Info)
        else:
            self._tell_done(run, results)
        if run.parameters["BOOK"] == self._panel.book:
            self._panel.refresh()

    def _tell_done(self, run: Run, results: dict[str, Any]) -> None:
        same_book = run.parameters["BOOK"] == self._panel.book
        if self._project_closed or not same_book:
            self._panel.tell(
                tr(
                    "{name} is surveyed. Open the book {book} to see it.",
                    name=run.title,
                    book=results["BOOK"],
                ),
                Qgis.MessageLevel.Success,
            )
            return
        self._panel.refresh()
        wanted = run.parameters["NAME"].strip() or run.parameters["DATE"].toString("yyyy-MM-dd")
        found = next((s for s in surveys(self._panel.book) if s.name == wanted), None)
        if found is not None:
            self._load(found.surv_id, found.name)
        self._panel.tell(
            tr(
                "{name}: {cracks} m of cracks, {losses} losses of {loss} cm2 together.",
                name=run.title,
                cracks=f"{results['CRACK_M']:.2f}",
                losses=int(results["LOSS_COUNT"]),
                loss=f"{results['LOSS_M2'] * 1e4:.1f}",
            ),
            Qgis.MessageLevel.Success,
        )

    def open_compare(self) -> None:
        """Open the dialog of ``compare``, for the selected survey and the one before it."""
        from qgis import processing

        known = surveys(self._panel.book) if self._panel.book else []
        if len(known) < 2:
            self._panel.tell(tr("To compare takes two surveys in this book."))
            return
        chosen = self.selected_survey()
        at = next((n for n, s in enumerate(known) if chosen and s.surv_id == chosen[0]), len(known) - 1)
        before, after = known[max(at, 1) - 1], known[max(at, 1)]
        parameters = {"BOOK": self._panel.book, "SURVEY_A": before.name, "SURVEY_B": after.name}
        dialog = processing.createAlgorithmDialog("craquelure:compare", parameters)
        if hasattr(dialog, "algorithmFinished"):
            dialog.algorithmFinished.connect(lambda *_: self._panel.refresh())
        dialog.show()

    def _note_closed(self) -> None:
        self._project_closed = True

    def _ask_to_remove(self) -> None:
        chosen = self.selected_survey()
        if chosen is None:
            return
        question = QMessageBox(self)
        question.setObjectName("craquelureRemoveQuestion")
        question.setIcon(QMessageBox.Icon.Warning)
        question.setText(
            tr("Remove the survey '{name}' from the book, with everything drawn in it?", name=chosen[1])
        )
        question.setStandardButtons(QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.Cancel)
        question.buttonClicked.connect(
            lambda button: (
                self._remove(chosen[1])
                if question.standardButton(button) == QMessageBox.StandardButton.Yes
                else None
            )
        )
        question.open()

    def _remove(self, name: str) -> None:
        arguments = {"book": self._panel.book, "survey": name, "edited": True}  # the question said so
        in_background(
            tr("Removing the survey {name}", name=name),
            lambda is_cancelled: run_once(
                engine_python(), "book_remove", arguments, is_cancelled=is_cancelled
            ),
            self._removed,
        )

    def _removed(self, result: Any, fault: str) -> None:
        del result
        if fault:
            self._panel.tell(fault, Qgis.MessageLevel.Critical)
        for layer in QgsProject.instance().mapLayers().values():
            if layer.source().startswith(self._panel.book):
                layer.dataProvider().reloadData()
                layer.triggerRepaint()
        self._panel.refresh()

    def _show_scale(self, layer: Any) -> None:
        stored = None if layer is None else layer.customProperty(GSD_PROPERTY)
        self.gsd.setValue(float(stored) if stored else 0.0)

    def _start_scale(self) -> None:
        layer = self.ortho.currentLayer()
        if layer is None:
            self._panel.tell(tr("Open an orthophoto first: Layer > Add Layer > Add Raster Layer."))
            return
        canvas = self._panel.iface.mapCanvas()
        self._scale_tool = ScaleTool(canvas, layer, self._set_scale)
        canvas.setMapTool(self._scale_tool)
        self._panel.tell(tr("Click both ends of a known length in the picture."), Qgis.MessageLevel.Info)

    def _set_scale(self, layer: Any, gsd_mm: float | None) -> None:
        if gsd_mm is None:
            self._panel.tell(
                tr("The line is too short. Take a longer one: at least ten pixels, better a thousand.")
            )
            return
        layer.setCustomProperty(GSD_PROPERTY, gsd_mm)
        if layer is self.ortho.currentLayer():
            self.gsd.setValue(gsd_mm)
        self._panel.tell(
            tr("{name}: {gsd} mm per pixel.", name=layer.name(), gsd=f"{gsd_mm:.4g}"),
            Qgis.MessageLevel.Success,
        )

    def stop(self) -> None:
        """End all runs."""
        QgsProject.instance().cleared.disconnect(self._note_closed)
        QgsProject.instance().readProject.disconnect(self._take_kept_elements)
        self.queue.stop()


def _optional_layer(name: str, kind: Any, empty: str) -> QgsMapLayerComboBox:
    box = narrowing(QgsMapLayerComboBox())
    box.setObjectName(name)
    box.setFilters(kind)
    box.setAllowEmptyLayer(True, empty)
    box.setCurrentIndex(0)
    return box
