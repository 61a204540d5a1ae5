"""Widgets that the dock and the options page are made of."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtWidgets import QHBoxLayout, QPushButton, QWidget

__all__ = ["button", "row"]


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
