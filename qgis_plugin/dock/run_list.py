"""The list of runs: how far each is, and what it said."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QPlainTextEdit, QProgressBar, QTreeWidgetItem, QVBoxLayout, QWidget

from ..translation import tr
from ..widgets import button, row, tree
from .runs import Run, RunQueue, RunState

__all__ = ["RunList"]

_RUN = Qt.ItemDataRole.UserRole
_NOTE_LINES = 6


class RunList(QWidget):
    """Progress, the runs with their notes, and what stops them.

    Parameters
    ----------
    queue : RunQueue
    """

    def __init__(self, queue: RunQueue) -> None:
        super().__init__()
        self._queue = queue
        queue.changed.connect(self._show)
        self._progress = QProgressBar()
        self._progress.setObjectName("craquelureProgress")
        self._progress.setRange(0, 100)
        self._progress.hide()
        self._runs = tree("craquelureRuns", [tr("Run"), tr("State")])
        self._runs.currentItemChanged.connect(lambda *_: self._show_notes())
        self._notes = QPlainTextEdit()
        self._notes.setObjectName("craquelureRunNotes")
        self._notes.setReadOnly(True)
        self._notes.setMaximumHeight(self._notes.fontMetrics().lineSpacing() * _NOTE_LINES)
        self._notes.hide()
        self._cancel = button("craquelureCancel", tr("Cancel"), self.cancel_selected)
        self._clear = button("craquelureClear", tr("Clear finished"), queue.forget_finished)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._progress)
        column.addWidget(self._runs, 1)
        column.addWidget(self._notes)
        column.addLayout(row(self._cancel, self._clear))
        self._show()

    def cancel_selected(self) -> None:
        """Cancel the selected run, or the one at work."""
        item = self._runs.currentItem()
        run = None if item is None else item.data(0, _RUN)
        if run is None or run.is_over:
            run = self._queue.current
        if run is not None:
            self._queue.cancel(run)

    def _show(self) -> None:
        current = self._queue.current
        self._progress.setVisible(current is not None)
        if current is not None:
            self._progress.setValue(int(current.percent))
        if self._runs.topLevelItemCount() != len(self._queue.runs):
            self._runs.clear()
            for run in self._queue.runs:
                item = QTreeWidgetItem([run.title])
                item.setData(0, _RUN, run)
                self._runs.addTopLevelItem(item)
        for number, run in enumerate(self._queue.runs):
            item = self._runs.topLevelItem(number)
            item.setText(1, _state_text(run))
        self._cancel.setEnabled(any(not run.is_over for run in self._queue.runs))
        self._clear.setEnabled(any(run.is_over for run in self._queue.runs))
        self._show_notes()

    def _show_notes(self) -> None:
        """Show what the selected run said, else the latest: the message bar forgets it after seconds."""
        item = self._runs.currentItem()
        latest = self._queue.current or (self._queue.runs[-1] if self._queue.runs else None)
        run = latest if item is None else item.data(0, _RUN)
        text = "" if run is None else "\n".join(filter(None, (run.message, *run.notes)))
        if text != self._notes.toPlainText():
            self._notes.setPlainText(text)
        self._notes.setVisible(bool(text))


def _state_text(run: Run) -> str:
    return {
        RunState.WAITING: tr("waiting"),
        RunState.RUNNING: f"{run.percent:.0f} %",
        RunState.DONE: tr("done"),
        RunState.FAILED: tr("failed"),
        RunState.CANCELLED: tr("stopped"),
    }[run.state]
