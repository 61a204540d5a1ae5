"""The panel itself: one survey book, and its pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsApplication, QgsProject
from qgis.gui import QgsDockWidget
from qgis.PyQt.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ..results.book import BookFault, SurveyRow, is_writable, surveys
from ..results.local_crs import is_local, use_stand_in
from ..settings import PROJECT_SCOPE
from ..translation import tr
from ..widgets import Pages
from .adapting import AdaptPage
from .comparison import ComparisonPage
from .edits import EditWatch
from .element import ElementPage
from .elements import ElementsPage
from .printing import PrintPage
from .review import ReviewPage
from .surveys import SurveysPage
from .thresholds import ThresholdsPage

__all__ = ["Panel"]

_KEY = "book"
_SECONDS = 12
_MARGIN_PX = 4


class Panel(QgsDockWidget):
    """The dock.

    Parameters
    ----------
    iface : QgisInterface
    """

    def __init__(self, iface: Any) -> None:
        super().__init__(tr("Craquelure"), iface.mainWindow())
        self.setObjectName("CraquelurePanel")
        self.iface, self.book = iface, ""
        self._line = QLineEdit()
        self._line.setObjectName("craquelureBook")
        self._line.setPlaceholderText(tr("No survey book yet"))
        self._line.setAccessibleName(tr("Survey book"))
        self._line.returnPressed.connect(lambda: self.open_book(self._line.text()))
        self._state = QLabel()
        self._state.setObjectName("craquelureBookState")
        self._state.setWordWrap(True)
        self._state.hide()
        self._local_hint = QPushButton(tr("This facade has a system of its own"))
        self._local_hint.setObjectName("craquelureLocal")
        self._local_hint.setToolTip(
            tr(
                "QGIS cannot turn a local system into degrees, and complains. This lets a transverse "
                "Mercator with the same coordinates stand in, and measures on the plane. Files are not "
                "changed."
            )
        )
        self._local_hint.clicked.connect(lambda *_: self._take_stand_in())
        self.surveys = SurveysPage(self)
        self.elements = ElementsPage(self)
        self.element = ElementPage(self)
        self.review = ReviewPage(self)
        self.comparison = ComparisonPage(self)
        self.thresholds = ThresholdsPage(self)
        self.adapting = AdaptPage(self)
        self.printing = PrintPage(self)
        self.pages = Pages("craquelurePages")
        for page, title in (
            (self.surveys, tr("Surveys")),
            (self.elements, tr("Elements")),
            (self.element, tr("One element")),
            (self.review, tr("Review")),
            (self.comparison, tr("Changes")),
            (self.thresholds, tr("Thresholds")),
            (self.adapting, tr("Adapt")),
            (self.printing, tr("Print")),
        ):
            self.pages.add(page, title)
        self.setWidget(self._laid_out())
        self._edits = EditWatch(lambda: self.book, self)
        self._edits.edited.connect(self.refresh)
        project = QgsProject.instance()
        project.readProject.connect(self._follow_project)
        project.cleared.connect(self._follow_project)
        project.crsChanged.connect(self._offer_stand_in)
        self._follow_project()
        self._offer_stand_in()

    def _laid_out(self) -> QWidget:
        body, row = QWidget(), QHBoxLayout()
        row.addWidget(self._line, 1)
        for name, icon, title, action in (
            ("craquelureOpenBook", "mActionFileOpen", tr("Open a survey book"), self._choose_book),
            ("craquelureNewBook", "mActionFileNew", tr("Make a survey book"), self._choose_new_book),
        ):
            button = QToolButton()
            button.setObjectName(name)
            button.setIcon(QgsApplication.getThemeIcon(f"/{icon}.svg"))
            button.setToolTip(title)
            button.setAccessibleName(title)
            button.clicked.connect(action)
            row.addWidget(button)
        column = QVBoxLayout(body)
        column.setContentsMargins(*[_MARGIN_PX] * 4)
        column.addLayout(row)
        column.addWidget(self._state)
        column.addWidget(self._local_hint)
        column.addWidget(self.pages, 1)
        return body

    def _choose_book(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, tr("Open a survey book"), self._folder(), tr("Survey book (*.gpkg)")
        )
        if path:
            self.open_book(path)

    def _choose_new_book(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, tr("Make a survey book"), self._folder(), tr("Survey book (*.gpkg)")
        )
        if path and Path(path).exists():
            self.tell(tr("{name} exists already. Open it, or choose another name.", name=Path(path).name))
        elif path:
            self.open_book(path if path.lower().endswith(".gpkg") else f"{path}.gpkg")

    def _folder(self) -> str:
        return str(Path(self.book).parent) if self.book else QgsProject.instance().homePath()

    def open_book(self, path: str) -> None:
        """Work with this book; one that is not there yet is made by the first run."""
        path = path.strip()
        if path and Path(path).exists():
            try:
                surveys(path)
            except BookFault as fault:
                self.tell(str(fault))
                self._line.setText(self.book)
                return
        self.book = path
        self._line.setText(path)
        self._line.setToolTip(path)
        project = QgsProject.instance()
        if path != project.readEntry(PROJECT_SCOPE, _KEY)[0]:
            project.writeEntry(PROJECT_SCOPE, _KEY, path)
        self.refresh()

    def _follow_project(self, *_: object) -> None:
        path, _found = QgsProject.instance().readEntry(PROJECT_SCOPE, _KEY)
        if path and not Path(path).exists():
            self.tell(tr("The survey book of this project is not there any more: {path}", path=path))
            path = ""
        self.open_book(path)

    def refresh(self) -> None:
        """Read the book again."""
        text = ""
        if self.book and not Path(self.book).exists():
            text = tr("A new book: the first run makes it.")
        elif self.book and not self.can_write():
            text = tr("This book is read-only: look at it, or copy it to a place where you may write.")
        self._state.setText(text)
        self._state.setVisible(bool(text))
        for page in (
            self.surveys,
            self.elements,
            self.review,
            self.comparison,
            self.thresholds,
            self.adapting,
            self.printing,
        ):
            page.refresh()

    def listed_surveys(self) -> list[SurveyRow]:
        """Return the surveys of the book; none where there is no book, or none that can be read."""
        try:
            return surveys(self.book) if self.book else []
        except BookFault:
            return []  # not made yet, and the state line says so; or `open_book` has told

    def _offer_stand_in(self) -> None:
        crs = QgsProject.instance().crs()
        self._local_hint.setVisible(is_local(crs))

    def _take_stand_in(self) -> None:
        use_stand_in(QgsProject.instance())
        told = tr("Scale bar and measuring are right now, on the plane and in the facade's own units.")
        self.tell(told, Qgis.MessageLevel.Success)

    def can_write(self) -> bool:
        """Whether runs can write the book."""
        return bool(self.book) and (not Path(self.book).exists() or is_writable(self.book))

    def tell(self, text: str, level: Any = Qgis.MessageLevel.Warning) -> None:
        """Show a line in QGIS's message bar."""
        self.iface.messageBar().pushMessage("Craquelure", text, level, _SECONDS)

    def stop(self) -> None:
        """End what runs, and the engine behind the thresholds."""
        project = QgsProject.instance()
        project.readProject.disconnect(self._follow_project)
        project.cleared.disconnect(self._follow_project)
        project.crsChanged.disconnect(self._offer_stand_in)
        self._edits.stop()
        self.surveys.stop()
        self.elements.stop()
        self.element.stop()
        self.review.stop()
        self.comparison.stop()
        self.thresholds.stop()
        self.adapting.stop()
