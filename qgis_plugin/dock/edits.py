"""Edits made with QGIS's own tools: the book's triggers count them, and the panel has to show it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import QgsMapLayer, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QObject, pyqtSignal

__all__ = ["EditWatch"]


class EditWatch(QObject):
    """Says when edits of a layer of the book were saved.

    Parameters
    ----------
    book : callable
        Returns the path of the book that is open, or an empty string.
    """

    edited = pyqtSignal()

    def __init__(self, book: Callable[[], str], parent: QObject) -> None:
        super().__init__(parent)
        self._book = book
        project = QgsProject.instance()
        project.layersAdded.connect(self._watch)
        self._watch(list(project.mapLayers().values()))

    def stop(self) -> None:
        """Watch no more layers; those watched end with this object."""
        QgsProject.instance().layersAdded.disconnect(self._watch)

    def _watch(self, layers: list[QgsMapLayer]) -> None:
        for layer in layers:
            if isinstance(layer, QgsVectorLayer):
                layer.afterCommitChanges.connect(self._saved)

    def _saved(self) -> None:
        layer: Any = self.sender()
        path = layer.source().split("|")[0] if isinstance(layer, QgsVectorLayer) else ""
        if path and self._book() and Path(path) == Path(self._book()):
            self.edited.emit()
