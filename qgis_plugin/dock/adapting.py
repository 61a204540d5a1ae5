"""The page of adapting: correct a few windows by strokes, and have the model learn from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsGeometry, QgsPointXY, QgsProcessingUtils, QgsProject, QgsVectorLayer
from qgis.gui import QgsMapToolEmitPoint
from qgis.PyQt.QtCore import QObject, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QLabel,
    QProgressBar,
    QSpinBox,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..engine.client import run_once
from ..engine.errors import EngineError
from ..results.book import BookFault, OrthophotoRow, orthophotos
from ..results.corrections import (
    CorrectionLayers,
    CorrectionWindow,
    adapter_file,
    correction_layers,
)
from ..results.loading import load_beneath, load_now, survey_layers
from ..settings import default_device, engine_python
from ..tasks import in_background
from ..translation import tr
from ..widgets import button, row, tree
from .adapted import AdaptedBox
from .brushes import BrushBox
from .models import ModelBox
from .strokes import StrokeTool
from .survey_box import SurveyBox

__all__ = ["AdaptPage"]

_KEY = Qt.ItemDataRole.UserRole
_MINUTES = 8


class _Progress(QObject):
    """Carries an engine's progress from the thread that hears it to the window."""

    progress = pyqtSignal(str, float, float)

    def hear(self, stage: str, done: float, total: float, unit: str) -> None:
        """Take what an engine tells."""
        del unit
        self.progress.emit(stage, done, total)


class AdaptPage(QWidget):
    """Propose windows, paint, adapt, look, keep or roll back."""

    def __init__(self, panel: Any) -> None:
        super().__init__()
        self._panel = panel
        self._layers: CorrectionLayers | None = None
        self._rows: list[CorrectionWindow] = []
        self._of: tuple[str, Any] = ("", None)
        self._task: Any = None
        self._heard = _Progress()
        self._heard.progress.connect(self._show_progress)
        self.survey = SurveyBox("craquelureAdaptSurvey")
        self.survey.currentIndexChanged.connect(lambda *_: self._survey_chosen())
        self.base = ModelBox("craquelureAdaptBase", with_adapters=False)
        canvas = panel.iface.mapCanvas()
        self.brush_tool = StrokeTool(canvas, self._stroke_layer, self._brush, self.add_stroke)
        self.place_tool = QgsMapToolEmitPoint(canvas)
        self.place_tool.canvasClicked.connect(lambda point, *_: self.add_window(point))
        self.brushes = BrushBox(self._take_brush, self.take_back)
        self.result = AdaptedBox(self.use, self.roll_back)
        self._make_windows()
        self._make_learning()
        form = QFormLayout()
        form.addRow(tr("Survey"), self.survey)
        form.addRow(tr("Model"), self.base)
        column = QVBoxLayout(self)
        column.addLayout(form)
        for part in (self._windows_box, self.brushes, self._learn_box, self.result):
            column.addWidget(part)
        column.addStretch(1)
        QgsProject.instance().layersWillBeRemoved.connect(self._forget_layers)
        self._show_busy(None)

    def _make_windows(self) -> None:
        self.count = QSpinBox()
        self.count.setObjectName("craquelureAdaptCount")
        self.count.setRange(3, 24)
        self.count.setValue(10)
        self.windows = tree("craquelureAdaptWindows", [tr("Window"), tr("Strokes"), tr("For")])
        self.windows.currentItemChanged.connect(lambda item, *_: self._go_to(item))
        self.windows.setMinimumHeight(self.windows.fontMetrics().lineSpacing() * 7)
        self.propose_button = button("craquelureAdaptPropose", tr("Propose windows"), self.propose)
        self.place_button = button("craquelureAdaptPlace", tr("Add one here…"), self._start_placing)
        self._windows_box = QGroupBox(tr("1. Where to correct"))
        column = QVBoxLayout(self._windows_box)
        column.addLayout(row(self.propose_button, self.count, self.place_button))
        column.addWidget(self.windows)

    def _make_learning(self) -> None:
        self.minutes = QDoubleSpinBox()
        self.minutes.setObjectName("craquelureAdaptMinutes")
        self.minutes.setDecimals(1)
        self.minutes.setRange(0.1, 120.0)
        self.minutes.setValue(_MINUTES)
        self.minutes.setSuffix(tr(" min"))
        self.adapt_button = button("craquelureAdapt", tr("Adapt"), self.adapt)
        self.cancel_button = button("craquelureAdaptCancel", tr("Cancel"), self.cancel)
        self.progress = QProgressBar()
        self.progress.setObjectName("craquelureAdaptProgress")
        self._learn_box = QGroupBox(tr("3. Learn from it"))
        column = QVBoxLayout(self._learn_box)
        column.addLayout(row(self.adapt_button, QLabel(tr("at most")), self.minutes, self.cancel_button))
        column.addWidget(self.progress)

    def refresh(self) -> None:
        """List the surveys of the book again."""
        self.survey.read(self._panel.listed_surveys())
        if (self._panel.book, self.survey.currentData()) != self._of:
            self._survey_chosen()

    def showEvent(self, event: Any) -> None:
        """Load the corrections that there are."""
        super().showEvent(event)
        if self._layers is None:
            self._load()
        self._show_layers(shown=True)

    def hideEvent(self, event: Any) -> None:
        """Take windows and strokes off the map while other pages are looked at."""
        super().hideEvent(event)
        self._show_layers(shown=False)

    def _show_layers(self, *, shown: bool) -> None:
        group = QgsProject.instance().layerTreeRoot().findGroup(tr("Corrections"))
        if group is not None:
            group.setItemVisibilityChecked(shown)

    def _survey_chosen(self) -> None:
        self._layers, self._of = None, (self._panel.book, self.survey.currentData())
        self.result.hide()
        photo = next(iter(self._photos()), None)
        if photo is not None:
            model = photo.run.get("model", {})
            self.base.choose(str(model.get("adapted_from") or model.get("name") or ""))
            self.brushes.fit(photo.gsd_mm)
        if self.isVisible():
            self._load()
        else:
            self._show_windows()

    def _photos(self) -> list[OrthophotoRow]:
        """Return the orthophotos of the survey; none where there is none, or it cannot be read."""
        if self.survey.currentData() is None:
            return []
        try:
            return orthophotos(self._panel.book, self.survey.currentData())
        except BookFault as fault:
            self._panel.tell(str(fault))
            return []

    def _load(self) -> None:
        photo = next(iter(self._photos()), None)
        if photo is not None:
            self._layers = correction_layers(
                QgsProject.instance(),
                self._panel.book,
                self.survey.currentData(),
                photo.metres_per_unit,
            )
        self._show_windows()

    def _forget_layers(self, layer_ids: list[str]) -> None:
        """Let go of layers that are taken out of the project; the next look at the page loads them again."""
        layers = self._layers
        if layers is not None and {layers.windows.id(), layers.strokes.id()} & set(layer_ids):
            self._layers = None
            self._show_windows()

    def _show_windows(self) -> None:
        at = self.windows.indexOfTopLevelItem(self.windows.currentItem())
        self._rows = [] if self._layers is None else self._layers.rows()
        self.windows.blockSignals(True)
        self.windows.clear()
        for each in self._rows:
            item = QTreeWidgetItem(
                [each.title, str(each.strokes), tr("judging") if each.held_out else tr("learning")]
            )
            item.setData(0, _KEY, each.fid)
            self.windows.addTopLevelItem(item)
        if 0 <= at < len(self._rows):
            self.windows.setCurrentItem(self.windows.topLevelItem(at))
        self.windows.blockSignals(False)
        known, there = self.survey.count() > 0, bool(self._rows)
        self.propose_button.setEnabled(known and self._panel.can_write())
        self.place_button.setEnabled(known and self._panel.can_write())
        self.brushes.setEnabled(there)
        self.adapt_button.setEnabled(self._task is None and self._lacking() == "")
        self.adapt_button.setToolTip(self._lacking())

    def _lacking(self) -> str:
        """Say what is to be painted before anything can be learnt; an empty text where it is enough."""
        if not any(each.strokes for each in self._rows if not each.held_out):
            return tr("Paint in a window for learning first.")
        if not any(each.strokes for each in self._rows if each.held_out):
            return tr("Paint in a window for judging too: it tells whether the model got better.")
        return ""

    def propose(self) -> None:
        """Have the engine propose windows."""
        self._ask_for_windows({"windows": self.count.value()})

    def _start_placing(self) -> None:
        self._panel.iface.mapCanvas().setMapTool(self.place_tool)
        self._panel.tell(tr("Click where the middle of the window shall be."), Qgis.MessageLevel.Info)

    def add_window(self, point: QgsPointXY) -> None:
        """Add a window around a point of the map."""
        layer = next(iter(self._survey_layers()), None)
        if layer is None:
            return
        placed = self._panel.iface.mapCanvas().mapSettings().mapToLayerCoordinates(layer, point)
        self._ask_for_windows({"at": [placed.x(), placed.y()]})

    def _survey_layers(self) -> list[QgsVectorLayer]:
        if self.survey.currentData() is None:
            return []
        surv_id, name = self.survey.currentData(), self.survey.survey_name()
        group = f"{Path(self._panel.book).stem}: {name}"
        return load_now(QgsProject.instance(), survey_layers(self._panel.book, surv_id), group)

    def _ask_for_windows(self, what: dict[str, Any]) -> None:
        if self.survey.currentData() is None:
            return
        arguments = {"book": self._panel.book, "survey": self.survey.survey_name(), **what}
        self._start(
            tr("Looking for windows"),
            lambda python, is_cancelled: run_once(
                python, "propose", arguments, self._heard.hear, is_cancelled
            ),
            self._proposed,
        )

    def _start(self, title: str, work: Callable[..., Any], done: Callable[[Any, str], None]) -> None:
        """Have an engine do something, with progress, one thing at a time."""
        if self._task is not None:
            return
        try:
            python = engine_python()
        except EngineError as error:
            self._panel.tell(str(error))
            return
        self._task = in_background(
            title, lambda is_cancelled: work(python, is_cancelled), lambda *told: self._ended(done, *told)
        )
        self._show_busy(title)

    def _ended(self, done: Callable[[Any, str], None], result: Any, fault: str) -> None:
        self._task = None
        self._show_busy(None)
        if fault:
            self._panel.tell(fault)
        done(result, fault)

    def _proposed(self, result: Any, fault: str) -> None:
        if fault:
            return
        for note in result["notes"]:
            self._panel.tell(note, Qgis.MessageLevel.Info)
        self._load()
        if self._rows and self.windows.currentItem() is None:
            self.windows.setCurrentItem(self.windows.topLevelItem(0))

    def _go_to(self, item: QTreeWidgetItem | None) -> None:
        """Show a window on the map, over its orthophoto, with what was found there."""
        if item is None or self._layers is None:
            return
        found = next((each for each in self._rows if each.fid == item.data(0, _KEY)), None)
        if found is None:
            return
        self._survey_layers()
        for photo in self._photos():
            load_beneath(QgsProject.instance(), photo.path)
        canvas, box = self._panel.iface.mapCanvas(), found.outline.boundingBox()
        box.scale(1.1)
        canvas.setExtent(canvas.mapSettings().layerExtentToOutputExtent(self._layers.windows, box))
        canvas.refresh()
        if self.brushes.is_taken():
            canvas.setMapTool(self.brush_tool)

    def _take_brush(self) -> None:
        self._panel.iface.mapCanvas().setMapTool(self.brush_tool)

    def _stroke_layer(self) -> QgsVectorLayer | None:
        return None if self._layers is None else self._layers.strokes

    def _brush(self) -> tuple[str, float]:
        """Return colour and width of the brush, in the layer's units."""
        metres = 1.0 if self._layers is None else self._layers.metres_per_unit
        return self.brushes.colour(), self.brushes.width_m() / metres

    def add_stroke(self, points: list[QgsPointXY]) -> None:
        """Put a stroke into the file, in the layer's coordinates."""
        if self._layers is None:
            return
        line = QgsGeometry.fromPolylineXY(points)
        if not any(line.intersects(each.outline) for each in self._rows):
            self._panel.tell(tr("This stroke lies in no window. Paint inside one, or add one here."))
            return
        if not self._layers.add_stroke(points, self.brushes.class_code(), self.brushes.width_m()):
            self._panel.tell(
                tr("The stroke could not be written. Is the folder read-only, or the disk full?")
            )
        self._show_windows()

    def take_back(self) -> None:
        """Remove the last stroke."""
        if self._layers is not None and not self._layers.take_back():
            self._panel.tell(tr("There is no stroke to take back."), Qgis.MessageLevel.Info)
        self._show_windows()

    def adapt(self) -> None:
        """Learn from the strokes, in the background."""
        if self.survey.currentData() is None or self._lacking():
            return
        book, name = self._panel.book, self.survey.survey_name()
        data, out = QgsProcessingUtils.generateTempFilename("corrections"), adapter_file(book, name)
        words = ["--data", data, "-o", str(out), "--max-seconds", str(round(self.minutes.value() * 60))]
        words += ["--device", default_device()]
        base = self.base.currentData()
        words += ["--base", base] if base else []
        dataset = {"book": book, "format": "corrections", "out": data, "survey": name}

        def work(python: str, is_cancelled: Callable[[], bool]) -> Any:
            out.parent.mkdir(exist_ok=True)
            run_once(python, "export", dataset, is_cancelled=is_cancelled)
            return run_once(python, "adapt", {"words": words}, self._heard.hear, is_cancelled)

        self.result.hide()
        self._start(tr("Adapting the model"), work, self._adapted)

    def cancel(self) -> None:
        """Stop what runs; strokes and earlier adapters stay."""
        if self._task is not None:
            self._task.cancel()

    def _adapted(self, result: Any, fault: str) -> None:
        if fault:
            return
        titles = {f"_{row}_{col}": each.title for each in self._rows for row, col in [each.corner_px]}
        for window in result["windows"]:  # the engine names them by survey, orthophoto and place
            ending = "_" + "_".join(window["name"].rsplit("_", 2)[1:])
            window["name"] = tr("Window {title}", title=titles.get(ending, window["name"]))
        self.result.tell(result)
        self._panel.surveys.model.show_book(self._panel.book)

    def use(self) -> None:
        """Choose the adapter for the next surveys."""
        path = adapter_file(self._panel.book, self.survey.survey_name())
        self._panel.surveys.model.show_book(self._panel.book)
        self._panel.surveys.model.choose(str(path))
        self._panel.pages.setCurrentWidget(self._panel.surveys)

    def roll_back(self) -> None:
        """Have the adapter before this one back, or none."""
        words = ["-o", str(adapter_file(self._panel.book, self.survey.survey_name())), "--roll-back"]
        self._start(
            tr("Rolling back"),
            lambda python, is_cancelled: run_once(
                python, "adapt", {"words": words}, is_cancelled=is_cancelled
            ),
            self._rolled_back,
        )

    def _rolled_back(self, result: Any, fault: str) -> None:
        if fault:
            return
        self.result.hide()
        self._panel.surveys.model.show_book(self._panel.book)
        told = (
            tr("Rolled back: the adapter before it is in its place.")
            if result["adapter"]
            else tr("Rolled back: surveys use the model as it was.")
        )
        self._panel.tell(told, Qgis.MessageLevel.Success)

    def _show_progress(self, stage: str, done: float, total: float) -> None:
        if self._task is not None and stage in _stages():
            self.progress.setRange(0, 100)
            self.progress.setValue(round(100 * done / total) if total else 0)
            self.progress.setFormat(f"{_stages()[stage]}: %p %")

    def _show_busy(self, title: str | None) -> None:
        self.progress.setVisible(title is not None)
        self.progress.setRange(0, 0)
        self.progress.setFormat(title or "")
        self.cancel_button.setEnabled(title is not None)
        self._show_windows()

    def stop(self) -> None:
        """End what runs."""
        self.cancel()
        QgsProject.instance().layersWillBeRemoved.disconnect(self._forget_layers)
        for tool in (self.brush_tool, self.place_tool):
            self._panel.iface.mapCanvas().unsetMapTool(tool)


def _stages() -> dict[str, str]:
    return {
        "propose": tr("Looking for doubt"),
        "look": tr("Looking at the picture"),
        "evaluate": tr("Judging"),
        "train": tr("Learning"),
    }
