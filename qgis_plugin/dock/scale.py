"""The scale of a picture: a line drawn along something of known length."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from qgis.core import QgsPointXY, QgsProject, QgsRasterLayer, QgsWkbTypes
from qgis.gui import QgsMapTool, QgsRubberBand
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QDoubleSpinBox, QFormLayout, QLabel

from ..translation import tr

__all__ = ["LengthDialog", "ScaleTool", "gsd_from_line"]

_SHORTEST_PX = 10
_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}


def gsd_from_line(
    layer: QgsRasterLayer, start: QgsPointXY, end: QgsPointXY, length_mm: float
) -> float | None:
    """Return mm per pixel, where a line in the layer's coordinates is so long in reality.

    None where the line is shorter than ten pixels: that measures the hand, not the picture.

    The line is counted in pixels, across and down apart, so that pixels need not be square in the layer's
    coordinates.
    """
    across = (end.x() - start.x()) / layer.rasterUnitsPerPixelX()
    down = (end.y() - start.y()) / layer.rasterUnitsPerPixelY()
    pixels = math.hypot(across, down)
    return length_mm / pixels if pixels >= _SHORTEST_PX else None


class LengthDialog(QDialog):
    """Asks how long the line is in reality."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.setObjectName("craquelureLength")
        self.setWindowTitle(tr("Set scale"))
        self.length = QDoubleSpinBox()
        self.length.setObjectName("craquelureLengthValue")
        self.length.setDecimals(3)
        self.length.setRange(0.001, 1e6)
        self.length.setValue(100.0)
        self.unit = QComboBox()
        self.unit.setObjectName("craquelureLengthUnit")
        self.unit.addItems(list(_MM))
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form = QFormLayout(self)
        form.addRow(QLabel(tr("How long is the line in reality?")))
        form.addRow(tr("Length"), self.length)
        form.addRow(tr("Unit"), self.unit)
        form.addRow(buttons)

    def length_mm(self) -> float:
        """Return the length typed, in mm."""
        return self.length.value() * _MM[self.unit.currentText()]


class ScaleTool(QgsMapTool):
    """Two clicks and a number.

    Parameters
    ----------
    canvas : QgsMapCanvas
    layer : QgsRasterLayer
    found : callable
        Called with the layer and mm per pixel, or None where the line was too short to tell.
    """

    def __init__(
        self, canvas: Any, layer: QgsRasterLayer, found: Callable[[Any, float | None], None]
    ) -> None:
        super().__init__(canvas)
        self._canvas, self._layer_id, self._found = canvas, layer.id(), found
        self._previous = canvas.mapTool()
        self._points: list[QgsPointXY] = []
        self._band = QgsRubberBand(canvas, QgsWkbTypes.GeometryType.LineGeometry)
        self._band.setColor(QColor("#d7191c"))
        self._band.setWidth(3)
        self.dialog: LengthDialog | None = None
        self.setCursor(Qt.CursorShape.CrossCursor)

    def canvasReleaseEvent(self, event: Any) -> None:
        """Take a point."""
        if self.dialog is not None:
            return
        self._points.append(event.mapPoint())
        self._band.addPoint(event.mapPoint())
        if len(self._points) == 2:
            self.dialog = LengthDialog(self._canvas)
            self.dialog.finished.connect(self._over)
            self.dialog.open()

    def canvasMoveEvent(self, event: Any) -> None:
        """Draw the line to the pointer."""
        if len(self._points) == 1:
            self._band.movePoint(event.mapPoint())

    def deactivate(self) -> None:
        """Remove the line."""
        self._band.reset(QgsWkbTypes.GeometryType.LineGeometry)
        super().deactivate()

    def _over(self, accepted: int) -> None:
        dialog, points = self.dialog, self._points
        self.dialog, self._points = None, []
        layer = QgsProject.instance().mapLayer(self._layer_id)
        if accepted and dialog is not None and layer is not None:
            settings = self._canvas.mapSettings()
            start, end = (settings.mapToLayerCoordinates(layer, point) for point in points)
            self._found(layer, gsd_from_line(layer, start, end, dialog.length_mm()))
        if self._previous is not None:
            self._canvas.setMapTool(self._previous)
        else:
            self._canvas.unsetMapTool(self)
