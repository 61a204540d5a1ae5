"""The page of thresholds: look at another threshold on the kept probabilities, without the network.

While a slider moves, the probability raster itself is shown above the threshold. When it is let go, an engine
that is kept ready vectorises the visible part.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from osgeo import gdal
from qgis.core import (
    QgsCoordinateTransform,
    QgsCsException,
    QgsProcessingUtils,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QDate, Qt, QTimer
from qgis.PyQt.QtWidgets import QComboBox, QGridLayout, QLabel, QPushButton, QSlider, QVBoxLayout, QWidget

from ..algorithms.parameters import threshold_parameter
from ..engine.client import Engine
from ..engine.errors import EngineError
from ..results.book import BookFault, OrthophotoRow, SurveyRow, orthophotos, surveys
from ..results.loading import drawn_tables, load_now, vector_layers
from ..results.local_crs import adopt
from ..results.rasters import PROBABILITY_SCALE, class_name, defect_classes, show_above
from ..settings import default_device, engine_python
from ..tasks import in_background
from ..translation import tr
from ..widgets import narrowing

__all__ = ["ThresholdsPage"]

_COALESCE_MS = 30
_LARGEST_VIEW_PX = 16_000_000
_PREVIEW = "Craquelure preview"


class ThresholdsPage(QWidget):
    """A slider per class."""

    def __init__(self, panel: Any) -> None:
        super().__init__()
        self._panel = panel
        self._photos: list[tuple[SurveyRow, OrthophotoRow]] = []
        self._rasters: dict[str, str] = {}
        self._covered: list[str] = []
        self._engine: Engine | None = None
        self._busy = self._again = False
        self._number = 0
        self.source = narrowing(QComboBox())
        self.source.setObjectName("craquelureThresholdSource")
        self.source.currentIndexChanged.connect(lambda *_: self._show_source())
        self.sliders: dict[str, QSlider] = {}
        self._shown: dict[str, QLabel] = {}
        grid = QGridLayout()
        for row, defect in enumerate(defect_classes()):
            self._add_slider(grid, row, defect)
        self.note = QLabel()
        self.note.setObjectName("craquelureThresholdNote")
        self.note.setWordWrap(True)
        self.apply_button = QPushButton(tr("Keep for the whole survey"))
        self.apply_button.setObjectName("craquelureThresholdApply")
        self.apply_button.clicked.connect(lambda *_: self._apply())
        self.close_button = QPushButton(tr("Close the preview"))
        self.close_button.setObjectName("craquelureThresholdClose")
        self.close_button.clicked.connect(lambda *_: self.close_preview())
        column = QVBoxLayout(self)
        column.addWidget(self.source)
        column.addLayout(grid)
        column.addWidget(self.note)
        column.addWidget(self.apply_button)
        column.addWidget(self.close_button)
        column.addStretch(1)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_COALESCE_MS)
        self._timer.timeout.connect(self._preview)

    def _add_slider(self, grid: QGridLayout, row: int, defect: dict[str, Any]) -> None:
        code = defect["code"]
        slider, shown = QSlider(Qt.Orientation.Horizontal), QLabel()
        slider.setObjectName(f"craquelureThreshold_{code}")
        slider.setRange(1, PROBABILITY_SCALE - 1)
        slider.valueChanged.connect(lambda *_: self._moved())
        slider.sliderReleased.connect(self._vectorise)
        self.sliders[code], self._shown[code] = slider, shown
        grid.addWidget(QLabel(class_name(defect)), row, 0)
        grid.addWidget(slider, row, 1)
        grid.addWidget(shown, row, 2)

    def refresh(self) -> None:
        """Read again which probability rasters the book keeps."""
        chosen = self.source.currentText()
        self._photos = []
        book = self._panel.book
        if book:
            try:
                self._photos = [
                    (survey, photo)
                    for survey in surveys(book)
                    for photo in orthophotos(book, survey.surv_id)
                    if photo.probability
                ]
            except BookFault:
                self._photos = []  # not made yet; the panel says so
        self.source.blockSignals(True)
        self.source.clear()
        for survey, photo in self._photos:
            self.source.addItem(f"{survey.name}: {Path(photo.path).name}")
        at = self.source.findText(chosen)
        self.source.setCurrentIndex(at if at >= 0 else self.source.count() - 1)
        self.source.blockSignals(False)
        self._show_source()

    def _current(self) -> tuple[SurveyRow, OrthophotoRow] | None:
        at = self.source.currentIndex()
        return self._photos[at] if 0 <= at < len(self._photos) else None

    def _show_source(self) -> None:
        current = self._current()
        for widget in (*self.sliders.values(), self.apply_button, self.close_button):
            widget.setEnabled(current is not None)
        self.apply_button.setEnabled(current is not None and self._panel.can_write())
        self.note.setText("" if current else tr("This book keeps no probability raster."))
        if current is None:
            return
        kept = current[1].run.get("model", {}).get("thresholds", {})
        for code, slider in self.sliders.items():
            slider.blockSignals(True)
            slider.setValue(round(kept.get(code, 0.5) * PROBABILITY_SCALE))
            slider.blockSignals(False)
        self._show_values()

    def thresholds(self) -> dict[str, float]:
        """Return the sliders' thresholds by class."""
        return {code: slider.value() / PROBABILITY_SCALE for code, slider in self.sliders.items()}

    def _show_values(self) -> None:
        for code, value in self.thresholds().items():
            self._shown[code].setText(f"{value:.2f}")

    def _moved(self) -> None:
        self._show_values()
        self._warm_up()
        self._timer.start()
        # Keys and clicks beside the handle move a slider without a release.
        if not any(slider.isSliderDown() for slider in self.sliders.values()):
            QTimer.singleShot(_COALESCE_MS, self._vectorise)

    def _preview(self) -> None:
        current = self._current()
        if current is None or current[1].probability is None:
            return
        self._uncover()
        for band, defect in enumerate(defect_classes(), start=1):
            layer = self._raster(current[1].probability, defect)
            if layer is None:
                self._panel.tell(
                    tr("The kept probabilities cannot be read: {path}", path=current[1].probability)
                )
                return
            show_above(layer, band, self.thresholds()[defect["code"]], defect["colour"])
            layer.triggerRepaint()

    def _raster(self, path: str, defect: dict[str, Any]) -> QgsRasterLayer | None:
        """Return the preview layer of a class, made where it is not in the project."""
        project, code = QgsProject.instance(), defect["code"]
        layer = project.mapLayer(self._rasters.get(code, ""))
        if layer is not None and layer.source() == path:
            return layer
        if layer is not None:
            project.removeMapLayer(layer.id())
        layer = QgsRasterLayer(path, tr("{name} above the threshold", name=class_name(defect)), "gdal")
        if not layer.isValid():
            return None
        adopt(layer, project)
        project.addMapLayer(layer, False)
        self._preview_group().addLayer(layer)
        self._rasters[code] = layer.id()
        return layer

    def _uncover(self) -> None:
        """Hide the damage that the book holds: under a preview, what falls away would still be seen."""
        project = QgsProject.instance()
        if any(project.mapLayer(layer_id) is not None for layer_id in self._rasters.values()):
            return
        for node in project.layerTreeRoot().findLayers():
            layer = node.layer()
            is_damage = layer is not None and any(
                layer.source().startswith(f"{self._panel.book}|layername={table}") for table in drawn_tables()
            )
            if is_damage and node.itemVisibilityChecked():
                node.setItemVisibilityChecked(False)
                self._covered.append(layer.id())

    def _show_covered(self) -> None:
        for layer_id in self._covered:
            node = QgsProject.instance().layerTreeRoot().findLayer(layer_id)
            if node is not None:
                node.setItemVisibilityChecked(True)
        self._covered = []

    def _preview_group(self) -> Any:
        root = QgsProject.instance().layerTreeRoot()
        return root.findGroup(tr(_PREVIEW)) or root.insertGroup(0, tr(_PREVIEW))

    def _warm_up(self) -> None:
        """Start the engine while the slider still moves, so that it is ready when it is let go."""
        if self._engine is not None and self._engine.is_running():
            return
        try:
            self._engine = Engine(engine_python(), warm=("vectorise",))
        except EngineError as error:
            self._panel.tell(str(error))
            return
        in_background(tr("Starting the engine"), self._engine.start, self._warm, is_passing=True)
        self._busy = True

    def _warm(self, result: Any, fault: str) -> None:
        del result
        self._busy = False
        if fault:
            self._panel.tell(fault)
            self._engine, self._again = None, False
        elif self._again:
            self._again = False
            self._vectorise()
        else:
            self._rehearse()

    def _rehearse(self) -> None:
        """Let the engine draw a few pixels, so that the first real answer is not slowed by first times."""
        current = self._current()
        if current is None or self._engine is None:
            return
        path = QgsProcessingUtils.generateTempFilename("rehearsal.tif")
        gdal.Translate(path, gdal.Open(current[1].probability), srcWin=(0, 0, 64, 64), format="GTiff")
        arguments = {"source": path, "out": str(Path(path).with_suffix(".gpkg"))}
        if not _has_crs(path):
            arguments["gsd_mm"] = current[1].gsd_mm
        engine, self._busy = self._engine, True
        in_background(
            tr("Starting the engine"),
            lambda is_cancelled: engine.ask("vectorise", arguments, is_cancelled=is_cancelled),
            self._rehearsed,
            is_passing=True,
        )

    def _rehearsed(self, result: Any, fault: str) -> None:
        del result
        self._busy = False
        if fault:
            self._panel.tell(fault)
        elif self._again:
            self._again = False
            self._vectorise()

    def _vectorise(self) -> None:
        current = self._current()
        if current is None or self._engine is None:
            return
        if self._busy:
            self._again = True
            return
        probability, window = current[1].probability, self._window_in_view(current[1])
        if window is None:
            return
        engine, self._busy = self._engine, True
        self._number += 1
        source = QgsProcessingUtils.generateTempFilename(f"view-{self._number}.tif")
        out = str(Path(source).with_suffix(".gpkg"))
        arguments = {
            "source": source,
            "out": out,
            "thresholds": self.thresholds(),
            "gsd_mm": None if _has_crs(probability) else current[1].gsd_mm,
        }

        def cut_and_ask(is_cancelled: Any) -> Any:
            gdal.Translate(source, gdal.Open(probability), srcWin=window, format="GTiff")
            return engine.ask("vectorise", arguments, is_cancelled=is_cancelled)

        self.note.setText(tr("Drawing lines and polygons of the view…"))
        in_background(
            tr("Vectors at another threshold"),
            cut_and_ask,
            lambda result, fault: self._show_vectors(out, result, fault),
            is_passing=True,
        )

    def _window_in_view(self, photo: OrthophotoRow) -> tuple[int, int, int, int] | None:
        """Return the visible pixels of the probabilities; None where there are none, or too many."""
        layer = QgsProject.instance().mapLayer(next(iter(self._rasters.values()), ""))
        if layer is None or photo.probability is None:
            return None
        dataset = gdal.Open(photo.probability)
        window = None if dataset is None else _pixel_window(dataset, self._view(layer))
        if window is None:
            self.note.setText(tr("Nothing of this orthophoto is in view."))
            return None
        if window[2] * window[3] > _LARGEST_VIEW_PX:
            self.note.setText(
                tr(
                    "Zoom in to see lines and polygons: the view holds {mpx} megapixels; 16 can be shown.",
                    mpx=round(window[2] * window[3] / 1e6),
                )
            )
            return None
        return window

    def _view(self, layer: QgsRasterLayer) -> QgsRectangle:
        canvas = self._panel.iface.mapCanvas()
        if not layer.crs().isValid():
            return canvas.extent()
        settings = canvas.mapSettings()
        transform = QgsCoordinateTransform(settings.destinationCrs(), layer.crs(), QgsProject.instance())
        try:
            return transform.transformBoundingBox(canvas.extent())
        except QgsCsException:
            return layer.extent()

    def _show_vectors(self, path: str, result: Any, fault: str) -> None:
        self._busy = False
        if fault:
            self.note.setText("")
            self._panel.tell(fault)
            return
        if self._again:
            self._again = False
            self._vectorise()
            return
        group = self._preview_group()
        for node in group.findLayers():
            if node.layerId() not in self._rasters.values():
                QgsProject.instance().removeMapLayer(node.layerId())
        shown = [plan for plan in vector_layers(path) if plan.is_shown]
        load_now(QgsProject.instance(), shown, tr(_PREVIEW))
        totals = result["totals"]
        self.note.setText(
            tr(
                "In view: {cracks} m of cracks, {losses} losses of {loss} cm2 together.",
                cracks=f"{totals['crack_m']:.2f}",
                losses=totals["loss_count"],
                loss=f"{totals['loss_m2'] * 1e4:.1f}",
            )
        )

    def _apply(self) -> None:
        current = self._current()
        if current is None:
            return
        survey, photo = current
        parameters: dict[str, Any] = {
            "ORTHOPHOTO": photo.path,
            "BOOK": self._panel.book,
            "DATE": QDate.fromString(survey.date, "yyyy-MM-dd"),
            "NAME": survey.name,
            "CLASSES": photo.probability,
            "DEVICE": default_device(),
        }
        for code, threshold in self.thresholds().items():
            parameters[threshold_parameter(code)] = threshold
        if not _has_crs(photo.path):
            parameters["GSD_MM"] = photo.gsd_mm
        self.close_preview()
        self._panel.surveys.queue_run(parameters)
        self._panel.pages.setCurrentWidget(self._panel.surveys)

    def close_preview(self) -> None:
        """Take the preview's layers out of the project."""
        project = QgsProject.instance()
        group = project.layerTreeRoot().findGroup(tr(_PREVIEW))
        if group is not None:
            project.removeMapLayers([node.layerId() for node in group.findLayers()])
            project.layerTreeRoot().removeChildNode(group)
        self._rasters = {}
        self._show_covered()
        self._show_source()

    def hideEvent(self, event: Any) -> None:
        """Close the preview: other pages are about what the book holds."""
        super().hideEvent(event)
        if self._rasters:
            self.close_preview()

    def stop(self) -> None:
        """End the engine, and the preview."""
        self.close_preview()
        if self._engine is not None:
            self._engine.kill()
            self._engine = None


def _has_crs(path: str) -> bool:
    dataset = gdal.Open(path)
    return dataset is not None and dataset.GetSpatialRef() is not None


def _pixel_window(dataset: Any, extent: QgsRectangle) -> tuple[int, int, int, int] | None:
    """Return left, top, width and height of the pixels that an extent covers, None where there are none."""
    forward = dataset.GetGeoTransform()
    if forward == (0.0, 1.0, 0.0, 0.0, 0.0, 1.0):
        forward = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)  # QGIS draws a picture without georeference downwards
    inverse = gdal.InvGeoTransform(forward)
    corners = [
        gdal.ApplyGeoTransform(inverse, x, y)
        for x in (extent.xMinimum(), extent.xMaximum())
        for y in (extent.yMinimum(), extent.yMaximum())
    ]
    left = max(math.floor(min(c[0] for c in corners)), 0)
    top = max(math.floor(min(c[1] for c in corners)), 0)
    right = min(math.ceil(max(c[0] for c in corners)), dataset.RasterXSize)
    bottom = min(math.ceil(max(c[1] for c in corners)), dataset.RasterYSize)
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None
