"""Trace a crack on the map: click along it, and the engine finds the way between the clicks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qgis.core import (
    QgsCoordinateTransform,
    QgsCsException,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.gui import QgsMapTool, QgsRubberBand
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QColor

from ..engine.client import Engine
from ..engine.errors import EngineError
from ..results.adding import add_feature
from ..settings import engine_python
from ..tasks import in_background
from ..translation import tr

__all__ = ["TraceTool"]

_COLOUR = QColor("#ff00c8")
"""Of no defect class, and of no paint."""


class TraceTool(QgsMapTool):
    """Left clicks add points, the right button ends, Backspace takes a point back, Esc all.

    Parameters
    ----------
    canvas : QgsMapCanvas
    target : callable
        Returns book, survey's name and the layer of its crack lines, or None where there is none.
    tell : callable
        Shows a line of text.
    added : callable
        Called with the id of a line that was added.
    """

    def __init__(
        self,
        canvas: Any,
        target: Callable[[], tuple[str, str, QgsVectorLayer] | None],
        tell: Callable[[str], None],
        added: Callable[[int], None],
    ) -> None:
        super().__init__(canvas)
        self._canvas, self._target, self._tell, self._added = canvas, target, tell, added
        self._points: list[QgsPointXY] = []
        self._parts: list[dict[str, Any]] = []
        self._busy, self._ending = False, False
        self._engine: Engine | None = None
        self._band = QgsRubberBand(canvas, QgsWkbTypes.GeometryType.LineGeometry)
        self._band.setColor(_COLOUR)
        self._band.setWidth(3)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def canvasReleaseEvent(self, event: Any) -> None:
        """Take a point, or end."""
        if event.button() == Qt.MouseButton.RightButton:
            self.finish()
        else:
            self.add_point(event.mapPoint())

    def keyPressEvent(self, event: Any) -> None:
        """Take the last point back, or everything; end."""
        if event.key() in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete):
            self.take_back()
        elif event.key() == Qt.Key.Key_Escape:
            self.clear()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.finish()
        else:
            return
        event.ignore()  # as QGIS asks of tools that used the key

    def add_point(self, point: QgsPointXY) -> None:
        """Go on to a point in the map's coordinates."""
        target = self._target()
        if target is None:
            return
        placed = self._in_layer(point, target[2])
        if placed is None:
            self._tell(tr("This point cannot be placed in the book's coordinates."))
            return
        self._points.append(placed)
        self._draw()
        self._ask()

    def take_back(self) -> None:
        """Take the last point back."""
        self._points = self._points[:-1]
        self._parts = self._parts[: max(len(self._points) - 1, 0)]
        self._draw()

    def clear(self) -> None:
        """Take everything back."""
        self._points, self._parts, self._ending = [], [], False
        self._draw()

    def finish(self) -> None:
        """Add the line to the book, once the last part of it was found."""
        if len(self._points) < 2:
            self.clear()
            return
        self._ending = True
        self._end_if_ready()

    def _ask(self) -> None:
        """Have the engine find the next part that is missing."""
        number = len(self._parts)
        target = self._target()
        if self._busy or target is None or number + 1 >= len(self._points):
            return
        ends = [[p.x(), p.y()] for p in self._points[number : number + 2]]
        arguments = {"book": target[0], "survey": target[1], "points": ends}
        try:
            if self._engine is None:
                self._engine = Engine(engine_python(), warm=("trace",))
        except EngineError as error:
            self._tell(str(error))
            self.clear()
            return
        engine, self._busy = self._engine, True

        def work(is_cancelled: Callable[[], bool]) -> Any:
            if not engine.is_running():
                engine.start(is_cancelled)
            return engine.ask("trace", arguments, is_cancelled=is_cancelled)

        in_background(tr("Tracing a crack"), work, lambda result, fault: self._found(ends, result, fault))

    def _found(self, ends: list[list[float]], result: Any, fault: str) -> None:
        self._busy = False
        if fault:
            self._tell(fault)
            self._points = self._points[: len(self._parts) + 1]
            self._ending = False
        elif self._is_wanted(ends):
            if result["notes"] and not self._parts:
                self._tell(result["notes"][0])
            self._parts.append(result)
        self._draw()
        self._ask()
        self._end_if_ready()

    def _is_wanted(self, ends: list[list[float]]) -> bool:
        """Say whether a part is still the next one: points may have been taken back meanwhile."""
        number = len(self._parts)
        return [[p.x(), p.y()] for p in self._points[number : number + 2]] == ends

    def _end_if_ready(self) -> None:
        if not self._ending or len(self._parts) + 1 < len(self._points):
            return
        target = self._target()
        if target is not None:
            columns = dict(self._parts[0]["columns"])
            columns["len_m"] = sum(part["columns"]["len_m"] for part in self._parts)
            fid = add_feature(target[2], QgsGeometry.fromPolylineXY(self._line()), columns)
            if fid is not None:
                self._added(fid)
            else:
                self._tell(tr("The line could not be written to the book. Is it read-only, or in use?"))
        self.clear()

    def _line(self) -> list[QgsPointXY]:
        """Return what was found so far, in the layer's coordinates."""
        line: list[QgsPointXY] = []
        for part in self._parts:
            line += [QgsPointXY(x, y) for x, y in part["coordinates"]][1 if line else 0 :]
        return line

    def _draw(self) -> None:
        self._band.reset(QgsWkbTypes.GeometryType.LineGeometry)
        target = self._target() if self._points else None
        if target is None:
            return
        points = [*self._line(), *self._points[len(self._parts) + (1 if self._parts else 0) :]]
        if len(points) == 1:
            points *= 2
        self._band.setToGeometry(QgsGeometry.fromPolylineXY(points), target[2])

    def _in_layer(self, point: QgsPointXY, layer: QgsVectorLayer) -> QgsPointXY | None:
        settings = self._canvas.mapSettings()
        if not layer.crs().isValid() or not settings.destinationCrs().isValid():
            return point
        transform = QgsCoordinateTransform(settings.destinationCrs(), layer.crs(), QgsProject.instance())
        try:
            return transform.transform(point)
        except QgsCsException:
            return None

    def deactivate(self) -> None:
        """Leave nothing on the map."""
        self.clear()
        super().deactivate()

    def stop(self) -> None:
        """End the engine."""
        self._band.reset(QgsWkbTypes.GeometryType.LineGeometry)
        if self._engine is not None:
            self._engine.kill()
            self._engine = None
