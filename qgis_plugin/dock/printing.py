"""The page of printing: sheets as QGIS layouts, ready to edit, and into a PDF by one button."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsFeedback, QgsPrintLayout, QgsProcessingUtils, QgsProject
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QProgressDialog,
    QVBoxLayout,
    QWidget,
)

from ..engine.client import run_once
from ..results.book import BookFault
from ..results.comparison import pairs
from ..results.sheets import (
    PAPERS_MM,
    SheetFault,
    change_sheets,
    element_sheets,
    has_chinese,
    overview,
    print_sheets,
)
from ..settings import engine_python
from ..tasks import in_background
from ..translation import tr
from ..widgets import button, narrowing, row
from .survey_box import survey_title

__all__ = ["PrintPage"]


class PrintPage(QWidget):
    """Choose what to print, of which survey and on which paper."""

    def __init__(self, panel: Any) -> None:
        super().__init__()
        self._panel = panel
        self.kind, self.of, self.paper = (narrowing(QComboBox()) for _ in range(3))
        for name, box in (("Kind", self.kind), ("Of", self.of), ("Paper", self.paper)):
            box.setObjectName(f"craquelurePrint{name}")
        for title, key in (
            (tr("One sheet per element"), "elements"),
            (tr("Overview"), "overview"),
            (tr("Changes, one sheet per element"), "changes"),
        ):
            self.kind.addItem(title, key)
        self.paper.addItems(list(PAPERS_MM))
        self.paper.setCurrentText("A3")
        self.kind.currentIndexChanged.connect(lambda *_: self.refresh())
        self.note = QLabel()
        self.note.setObjectName("craquelurePrintNote")
        self.note.setWordWrap(True)
        form = QFormLayout()
        form.addRow(tr("Sheets"), self.kind)
        form.addRow(tr("Survey"), self.of)
        form.addRow(tr("Paper"), self.paper)
        self._buttons = (
            button("craquelurePrintOpen", tr("Open to edit"), self.open_layout),
            button("craquelurePrintPdf", tr("Print to PDF…"), self._ask_where),
        )
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addLayout(row(*self._buttons))
        column.addWidget(self.note)
        column.addStretch(1)

    def refresh(self) -> None:
        """List the surveys, or the compared pairs, again."""
        chosen = self.of.currentData()
        self.of.clear()
        try:
            known = self._panel.listed_surveys()
            if self.kind.currentData() == "changes":
                for pair in pairs(self._panel.book) if known else []:
                    self.of.addItem(f"{pair.before} → {pair.after}", pair.pair_id)
            else:
                for each in known:
                    self.of.addItem(survey_title(each), each.surv_id)
        except BookFault as fault:
            self._panel.tell(str(fault))
        at = self.of.findData(chosen)
        self.of.setCurrentIndex(at if at >= 0 else self.of.count() - 1)
        for each in self._buttons:
            each.setEnabled(self.of.count() > 0)
        text = "" if self.of.count() else tr("Nothing to print yet.")
        if not has_chinese():
            text = tr(
                "No font here holds Chinese: half of the words on the sheets would be boxes. Install one."
            )
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def open_layout(self) -> None:
        """Open the sheets in QGIS's own editor of layouts."""
        self._when_current(lambda: self._with_layout(self._open))

    def _open(self, layout: QgsPrintLayout) -> None:
        designer = self._panel.iface.openLayoutDesigner(layout)
        if layout.atlas().enabled():
            designer.setAtlasPreviewEnabled(True)

    def _ask_where(self) -> None:
        start = str(Path(self._panel.book).with_suffix(".pdf"))
        path, _ = QFileDialog.getSaveFileName(self, tr("Print to PDF"), start, tr("PDF (*.pdf)"))
        if path:
            self.print_to(path if path.lower().endswith(".pdf") else f"{path}.pdf")

    def print_to(self, path: str) -> None:
        """Print the sheets into one PDF."""
        self._when_current(lambda: self._with_layout(lambda layout: self._print(layout, path)))

    def _print(self, layout: QgsPrintLayout, path: str) -> None:
        feedback = QgsFeedback()
        shown = QProgressDialog(tr("Printing…"), tr("Cancel"), 0, 100, self)
        shown.setWindowModality(Qt.WindowModality.ApplicationModal)
        shown.canceled.connect(feedback.cancel)
        feedback.progressChanged.connect(lambda percent: shown.setValue(int(percent)))
        try:
            count = print_sheets(layout, path, feedback)
        finally:
            shown.close()
        self._panel.tell(tr("{n} sheets: {path}", n=count, path=path), Qgis.MessageLevel.Success)

    def _with_layout(self, use: Callable[[QgsPrintLayout], Any]) -> None:
        """Make the layout, or find the one that the project has, and use it."""
        project, book, paper = QgsProject.instance(), self._panel.book, self.paper.currentText()
        chosen = self.of.currentData()
        try:
            if self.kind.currentData() == "changes":
                pair = next(each for each in pairs(book) if each.pair_id == chosen)
                use(change_sheets(project, book, pair, paper))
            else:
                name = next(s.name for s in self._panel.listed_surveys() if s.surv_id == chosen)
                make = element_sheets if self.kind.currentData() == "elements" else overview
                use(make(project, book, chosen, name, paper))
        except (BookFault, SheetFault) as fault:
            self._panel.tell(str(fault))
        except StopIteration:
            self._panel.tell(tr("This survey is not in the book any more."))
            self.refresh()

    def _when_current(self, then: Callable[[], None]) -> None:
        """Have the engine bring edited figures up to date first: a sheet shows what the book says."""
        chosen = self.of.currentData()
        survey = next((s for s in self._panel.listed_surveys() if s.surv_id == chosen and s.stale), None)
        if chosen is None:
            return
        if survey is None:
            then()
            return
        arguments = {
            "book": self._panel.book,
            "format": "csv",
            "out": QgsProcessingUtils.generateTempFilename("figures"),
            "survey": survey.name,
        }
        in_background(
            tr("Figures after edits"),
            lambda is_cancelled: run_once(engine_python(), "export", arguments, is_cancelled=is_cancelled),
            lambda _, fault: self._go_on(fault, then),
        )

    def _go_on(self, fault: str, then: Callable[[], None]) -> None:
        if fault:
            self._panel.tell(fault, Qgis.MessageLevel.Critical)
            return
        self._panel.elements.refresh()
        self._panel.surveys.refresh()
        then()
