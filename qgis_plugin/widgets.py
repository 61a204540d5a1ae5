"""Widgets that the dock and the options page are made of."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtCore import QPoint, QRect, QSize, Qt
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFrame,
    QHeaderView,
    QLayout,
    QLayoutItem,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QTreeWidget,
    QVBoxLayout,
    QWidget,
)

__all__ = ["Pages", "button", "narrowing", "row", "scrolling", "tree"]

_SPACING_PX = 6
_LEAST_LETTERS = 6


def button(name: str, title: str, action: Any) -> QPushButton:
    """Return a button that tests find by ``name``; ``action`` is called without arguments."""
    made = QPushButton(title)
    made.setObjectName(name)
    made.clicked.connect(lambda *_: action())
    return made


class _Wrapping(QLayout):
    """Widgets from left to right, on further lines where the place is too narrow for all.

    It holds for any language, size of text and width of a dock.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held: list[QLayoutItem] = []

    def addItem(self, item: QLayoutItem) -> None:
        """Add at the end."""
        self._held.append(item)

    def count(self) -> int:
        """Return how many there are."""
        return len(self._held)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """Return one, None past the end."""
        return self._held[index] if 0 <= index < len(self._held) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Remove one and return it."""
        return self._held.pop(index) if 0 <= index < len(self._held) else None

    def expandingDirections(self) -> Any:
        """Return the horizontal one: lines are as high as what they hold."""
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:
        """Return True."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height of the lines at a width."""
        return self._placed(QRect(0, 0, width, 0), move=False)

    def setGeometry(self, rectangle: QRect) -> None:
        """Place everything."""
        super().setGeometry(rectangle)
        self._placed(rectangle, move=True)

    def sizeHint(self) -> QSize:
        """Return the size of everything on one line."""
        sizes = [item.sizeHint() for item in self._shown()]
        width = sum(s.width() for s in sizes) + self.spacing() * max(len(sizes) - 1, 0)
        return QSize(width, max((s.height() for s in sizes), default=0))

    def minimumSize(self) -> QSize:
        """Return the size of the largest: then each has a line."""
        sizes = [item.minimumSize() for item in self._shown()]
        return QSize(max((s.width() for s in sizes), default=0), max((s.height() for s in sizes), default=0))

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._held if not item.isEmpty()]

    def _placed(self, rectangle: QRect, *, move: bool) -> int:
        """Place line by line, each widget in the middle of its line; return the height."""
        lines: list[list[tuple[QLayoutItem, QSize]]] = [[]]
        used = 0
        for item in self._shown():
            size = item.sizeHint()
            size.setWidth(min(size.width(), max(rectangle.width(), item.minimumSize().width())))
            if lines[-1] and used + size.width() > rectangle.width():
                lines.append([])
                used = 0
            lines[-1].append((item, size))
            used += size.width() + self.spacing()
        y = rectangle.y()
        for line in lines:
            x, high = rectangle.x(), max((size.height() for _, size in line), default=0)
            for item, size in line if move else ():
                item.setGeometry(QRect(QPoint(x, y + (high - size.height()) // 2), size))
                x += size.width() + self.spacing()
            y += high + self.spacing()
        return y - self.spacing() - rectangle.y()


def row(*widgets: QWidget) -> QLayout:
    """Return widgets in a row, to the left; on several lines where there is little room."""
    made = _Wrapping()
    made.setSpacing(_SPACING_PX)
    for widget in widgets:
        made.addWidget(widget)
    return made


def narrowing(box: QComboBox) -> QComboBox:
    """Let a list of choices be narrower than its longest entry."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(_LEAST_LETTERS)
    return box


class Pages(QWidget):
    """Pages of which one is seen; a list above them names them all, however narrow they are.

    Parameters
    ----------
    name : str
        Of the list, for tests to find it by.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.chosen, self._stack = QComboBox(), QStackedWidget()
        self._pages: list[QWidget] = []
        self.chosen.setObjectName(name)
        self.chosen.currentIndexChanged.connect(self._stack.setCurrentIndex)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.chosen)
        column.addWidget(self._stack, 1)

    def add(self, page: QWidget, title: str) -> None:
        """Add a page after the others."""
        if page.layout() is not None:
            page.layout().setContentsMargins(0, 0, 0, 0)
        self._pages.append(page)
        self._stack.addWidget(scrolling(page))
        self.chosen.addItem(title)

    def currentWidget(self) -> QWidget:
        """Return the page that is seen."""
        return self._pages[self.chosen.currentIndex()]

    def setCurrentWidget(self, page: QWidget) -> None:
        """Show a page."""
        self.chosen.setCurrentIndex(self._pages.index(page))


class _Column(QVBoxLayout):
    """A column with one widget, as low as that can be at a width, all lines of its wrapped texts counted.

    Of itself it would take its preferred height, and be scrolled where there is room enough.
    """

    def hasHeightForWidth(self) -> bool:
        """Return True."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the least height at a width."""
        held = self.itemAt(0).widget()
        return held.layout().minimumHeightForWidth(width) if held.layout() else held.minimumHeight()


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
