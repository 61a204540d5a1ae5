"""A picture from a file, in a page as narrow as it may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import QSize, Qt
from qgis.PyQt.QtGui import QPixmap
from qgis.PyQt.QtWidgets import QApplication, QLabel, QSizePolicy

__all__ = ["Picture"]


class Picture(QLabel):
    """A picture as wide as its place, but no wider than it is."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._whole = QPixmap(str(path))
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def hasHeightForWidth(self) -> bool:
        """Return True."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return how high the picture is at a width."""
        width = min(width, self._whole.width())
        return round(width * self._whole.height() / max(self._whole.width(), 1))

    def sizeHint(self) -> QSize:
        """Return its size at its width."""
        return QSize(self.width(), self.heightForWidth(self.width()))

    def minimumSizeHint(self) -> QSize:
        """Return next to nothing."""
        return QSize(1, 1)

    def resizeEvent(self, event: Any) -> None:
        """Scale the picture."""
        super().resizeEvent(event)
        if self._whole.isNull() or self.width() <= 0:
            return
        ratio = self.devicePixelRatioF()
        width = min(round(self.width() * ratio), self._whole.width())
        shown = self._whole.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)
        shown.setDevicePixelRatio(ratio)
        self.setPixmap(shown)

    def copy(self) -> None:
        """Put the whole picture on the clipboard."""
        QApplication.clipboard().setPixmap(self._whole)
