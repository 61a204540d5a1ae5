"""What came of adapting: figures and windows before and after, to be used or rolled back."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtWidgets import QGroupBox, QLabel, QScrollArea, QVBoxLayout, QWidget

from ..results.rasters import class_name, defect_classes
from ..translation import tr
from ..widgets import button, row
from .picture import Picture

__all__ = ["AdaptedBox"]


class AdaptedBox(QGroupBox):
    """Hidden until there is a result.

    Parameters
    ----------
    use, roll_back : callable
        Called when the adapter is to be used, or to go.
    """

    def __init__(self, use: Callable[[], None], roll_back: Callable[[], None]) -> None:
        super().__init__(tr("4. Before and after"))
        self.verdict = QLabel()
        self.verdict.setObjectName("craquelureAdaptVerdict")
        self.verdict.setWordWrap(True)
        self.verdict.setTextFormat(Qt.TextFormat.RichText)
        self._buttons = (
            button("craquelureAdaptUse", tr("Use it for surveys"), use),
            button("craquelureAdaptRollBack", tr("Roll back"), roll_back),
        )
        self._pictures = QWidget()
        QVBoxLayout(self._pictures).setContentsMargins(0, 0, 0, 0)
        column = QVBoxLayout(self)
        column.addWidget(self.verdict)
        column.addLayout(row(*self._buttons))
        column.addWidget(self._pictures)
        self.hide()

    def tell(self, result: dict[str, Any]) -> None:
        """Show what the engine's ``adapt`` gave, and scroll to it."""
        self.verdict.setText(_verdict(result))
        for each in self._buttons:
            each.setVisible(bool(result["kept"]))
        layout = self._pictures.layout()
        while layout.count():
            layout.takeAt(0).widget().deleteLater()
        for window in result["windows"]:
            titles = {"picture": window["name"], "before": tr("Before"), "after": tr("After")}
            for key, title in titles.items():
                layout.addWidget(QLabel(title))
                layout.addWidget(Picture(Path(window[key])))
        self.show()
        QTimer.singleShot(0, self._scroll_here)

    def _scroll_here(self) -> None:
        """Bring the top of the result up; the page may be lower than what it holds."""
        above = self.parentWidget()
        while above is not None and not isinstance(above, QScrollArea):
            above = above.parentWidget()
        if above is not None:
            above.verticalScrollBar().setValue(self.mapTo(above.widget(), self.rect().topLeft()).y())


def _verdict(result: dict[str, Any]) -> str:
    """Return what came of it as rich text: the figures of the windows for judging, before and after."""
    titles = {}
    for defect in defect_classes():
        code, name = defect["code"], class_name(defect)
        if defect["geometry"] == "line":
            titles[f"{code}.tolerance_f1"] = tr("{name} within 2 px, F1", name=name)
        titles[f"{code}.f1"] = tr("{name}, F1", name=name)
    rows = [f"<tr><td></td><td>{html.escape(tr('Before'))}</td><td>{html.escape(tr('After'))}</td></tr>"]
    for key, title in titles.items():
        pair = [result[when]["figures"].get(key) for when in ("before", "after")]
        if None not in pair:
            cells = "".join(f"<td>&nbsp;{value:.2f}</td>" for value in pair)
            rows.append(f"<tr><td>{html.escape(title)}</td>{cells}</tr>")
    if result["kept"]:
        verdict = tr("Better on the windows for judging. It is kept with the book.")
    elif result["wild"]:
        verdict = tr(
            "Right on your strokes, but it now calls far more damage everywhere else, so nothing was kept. "
            "Paint more, background too."
        )
    else:
        verdict = tr(
            "Not better on the windows for judging, so nothing was kept. Paint more, or other places."
        )
    figures = tr("F1: 1 where all is found and nothing else. Only what you painted is judged.")
    return f"<p><b>{html.escape(verdict)}</b></p><table>{''.join(rows)}</table><p>{html.escape(figures)}</p>"
