"""Widgets that the dock and the options page are made of."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QScrollArea,
    QTreeWidget,
    QVBoxLayout,
    QWidget,
)

__all__ = ["button", "row", "scrolling", "tree"]


def button(name: str, title: str, action: Any) -> QPushButton:
    """Return a button that tests find by ``name``; ``action`` is called without arguments."""
    made = QPushButton(title)
    made.setObjectName(name)
    made.clicked.connect(lambda *_: action())
    return made


def row(*widgets: QWidget) -> QHBoxLayout:
    """Return widgets in a row, to the left."""
    made = QHBoxLayout()
    for widget in widgets:
        made.addWidget(widget)
    made.addStretch(1)
    return made


class _Column(QVBoxLayout):
    """A column that may be as low as what it holds can be.

    Wrapped text would make a scrolling frame ask for the preferred height in place of the least one.
    """

    def hasHeightForWidth(self) -> bool:
        """Return False."""
        return False


class _Scrolling(QScrollArea):
    """As wide as what it holds; only its height may be less."""

    def minimumSizeHint(self) -> QSize:
        """Return the width of what it holds, and its own height."""
        held, bar = self.widget().minimumSizeHint(), self.verticalScrollBar().sizeHint()
        return QSize(held.width() + bar.width(), super().minimumSizeHint().height())

    def sizeHint(self) -> QSize:
        """Return the size of what it holds."""
        held, bar = self.widget().sizeHint(), self.verticalScrollBar().sizeHint()
        return QSize(held.width() + bar.width(), held.height())


def scrolling(widget: QWidget) -> QScrollArea:
    """Return a widget in a frame that scrolls where the screen is too low, or its text enlarged."""
    made, holder = _Scrolling(), QWidget()
    column = _Column(holder)
    column.setContentsMargins(0, 0, 0, 0)
    column.addWidget(widget)
    made.setFrameShape(QFrame.Shape.NoFrame)
    made.setWidgetResizable(True)
    made.setWidget(holder)
    return made


def tree(name: str, titles: list[str]) -> QTreeWidget:
    """Return a list with columns; the first takes what room is left."""
    made = QTreeWidget()
    made.setObjectName(name)
    made.setHeaderLabels(titles)
    made.setRootIsDecorated(False)
    made.setUniformRowHeights(True)
    made.header().setStretchLastSection(False)
    made.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    made.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return made
