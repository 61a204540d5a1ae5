"""Paint a stroke on the map with the mouse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qgis.core import QgsGeometry, QgsPointXY, QgsVectorLayer, QgsWkbTypes
from qgis.gui import QgsMapTool, QgsRubberBand
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QColor

__all__ = ["StrokeTool"]

_LEAST_PX = 2
"""Points of a stroke lie at least so far apart on the screen."""


class StrokeTool(QgsMapTool):
    """Press, draw, let go. Esc or the right button throws the stroke away.

    Parameters
    ----------
    canvas : QgsMapCanvas
    layer : callable
        Returns the layer that strokes go into, or None where there is none yet.
    brush : callable
        Returns colour and width of the brush, the width in the layer's units.
    drawn : callable
        Called with a stroke's points in the layer's coordinates.
    """

    def __init__(
        self,
        canvas: Any,
        layer: Callable[[], QgsVectorLayer | None],
        brush: Callable[[], tuple[str, float]],
        drawn: Callable[[list[QgsPointXY]], None],
    ) -> None:
        super().__init__(canvas)
        self._canvas, self._layer, self._brush, self._drawn = canvas, layer, brush, drawn
        self._points: list[QgsPointXY] = []
        self._last: Any = None
        self._band = QgsRubberBand(canvas, QgsWkbTypes.GeometryType.LineGeometry)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def canvasPressEvent(self, event: Any) -> None:
        """Begin."""
        layer = self._layer()
        if event.button() != Qt.MouseButton.LeftButton or layer is None:
            self.clear()
            return
        colour, width = self._brush()
        shade = QColor(colour)
        shade.setAlphaF(0.6)
        self._band.setColor(shade)
        self._band.setWidth(max(round(width / self._units_per_px(layer)), 2))
        self._points = [self._canvas.mapSettings().mapToLayerCoordinates(layer, event.mapPoint())]
        self._last = event.pos()

    def canvasMoveEvent(self, event: Any) -> None:
        """Draw on."""
        layer = self._layer()
        if not self._points or layer is None:
            return
        if (event.pos() - self._last).manhattanLength() < _LEAST_PX:
            return
        self._last = event.pos()
        self._points.append(self._canvas.mapSettings().mapToLayerCoordinates(layer, event.mapPoint()))
        self._band.setToGeometry(QgsGeometry.fromPolylineXY(self._points), layer)

    def canvasReleaseEvent(self, event: Any) -> None:
        """End: a click without a movement is a dot."""
        if event.button() != Qt.MouseButton.LeftButton:
            self.clear()
            return
        points = self._points
        self.clear()
        if points:
            self._drawn(points if len(points) > 1 else points * 2)

    def keyPressEvent(self, event: Any) -> None:
        """Throw the stroke away."""
        if event.key() == Qt.Key.Key_Escape:
            self.clear()
            event.ignore()  # as QGIS asks of tools that used the key

    def _units_per_px(self, layer: QgsVectorLayer) -> float:
        settings = self._canvas.mapSettings()
        across = settings.mapToLayerCoordinates(layer, settings.visibleExtent()).width()
        return max(across / max(self._canvas.width(), 1), 1e-12)

    def clear(self) -> None:
        """Throw away what was not finished."""
        self._points = []
        self._band.reset(QgsWkbTypes.GeometryType.LineGeometry)

    def deactivate(self) -> None:
        """Leave nothing on the map."""
        self.clear()
        super().deactivate()
