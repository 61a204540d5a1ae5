"""Cut a crack line at a click, join two over the gap between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qgis.core import (
    QgsFeatureRequest,
    QgsGeometry,
    QgsPointXY,
    QgsRectangle,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.gui import QgsMapTool, QgsRubberBand
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QColor

from ..translation import tr

__all__ = ["CutTool", "JoinTool"]

_COLOUR = QColor("#ff00c8")
"""As of tracing: of no defect class, and of no paint."""

Clicked = tuple[int, QgsPointXY]
"""A crack line's fid, and where it was clicked, in its layer's coordinates."""


class CutTool(QgsMapTool):
    """A click on a crack.

    Parameters
    ----------
    canvas : QgsMapCanvas
    layer : callable
        Returns the layer of crack lines, or None where there is none.
    tell : callable
        Shows a line of text.
    done : callable
        Called with what was clicked.
    """

    def __init__(
        self,
        canvas: Any,
        layer: Callable[[], QgsVectorLayer | None],
        tell: Callable[[str], None],
        done: Callable[..., None],
    ) -> None:
        super().__init__(canvas)
        self._canvas, self._layer, self._tell, self._done = canvas, layer, tell, done
        self.setCursor(Qt.CursorShape.CrossCursor)

    def canvasReleaseEvent(self, event: Any) -> None:
        """Take the crack that was clicked."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.click(event.mapPoint())

    def click(self, point: QgsPointXY) -> None:
        """Cut the crack at a point of the map."""
        found = self._crack_at(point)
        if found is not None:
            self._done(found)

    def _crack_at(self, point: QgsPointXY) -> Clicked | None:
        """Return the crack nearest to a point of the map, within the reach of a click; tell where none is."""
        layer = self._layer()
        if layer is None:
            return None
        settings, reach = self._canvas.mapSettings(), self.searchRadiusMU(self._canvas)
        box = QgsRectangle(point.x() - reach, point.y() - reach, point.x() + reach, point.y() + reach)
        placed = settings.mapToLayerCoordinates(layer, point)
        there = QgsGeometry.fromPointXY(placed)
        request = QgsFeatureRequest(settings.mapToLayerCoordinates(layer, box))
        cracks = [
            (feature.geometry().distance(there), feature.id())
            for feature in layer.getFeatures(request)
            if feature["status"] != "rejected"
        ]
        distance, fid = min(cracks, default=(reach, -1))
        if distance >= reach:
            self._tell(tr("There is no crack here: click on one."))
            return None
        return fid, placed


class JoinTool(CutTool):
    """Two clicks, each near the end of a crack that is to be joined; Esc or the right button begins again."""

    def __init__(self, canvas: Any, layer: Any, tell: Any, done: Any) -> None:
        super().__init__(canvas, layer, tell, done)
        self._first: Clicked | None = None
        self._band = QgsRubberBand(canvas, QgsWkbTypes.GeometryType.LineGeometry)
        self._band.setColor(_COLOUR)
        self._band.setWidth(2)

    def canvasReleaseEvent(self, event: Any) -> None:
        """Take a crack, or begin again."""
        if event.button() == Qt.MouseButton.RightButton:
            self.clear()
        else:
            self.click(event.mapPoint())

    def canvasMoveEvent(self, event: Any) -> None:
        """Show what is to be joined."""
        if self._first is not None:
            self._band.movePoint(event.mapPoint())

    def keyPressEvent(self, event: Any) -> None:
        """Begin again."""
        if event.key() == Qt.Key.Key_Escape:
            self.clear()
            event.ignore()  # as QGIS asks of tools that used the key

    def click(self, point: QgsPointXY) -> None:
        """Take the first crack, or join the second to it."""
        found = self._crack_at(point)
        if found is None:
            return
        if self._first is None:
            self._first = found
            for _ in range(2):
                self._band.addPoint(point)
            return
        first = self._first
        self.clear()
        self._done(first, found)

    def clear(self) -> None:
        """Forget the first crack."""
        self._first = None
        self._band.reset(QgsWkbTypes.GeometryType.LineGeometry)

    def deactivate(self) -> None:
        """Leave nothing on the map."""
        self.clear()
        super().deactivate()
