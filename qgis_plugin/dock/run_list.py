"""The list of runs: how far each is, and under it what it said."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QProgressBar, QTreeWidgetItem, QVBoxLayout, QWidget

from ..translation import tr
from ..widgets import button, row, tree
from .runs import Run, RunQueue, RunState

__all__ = ["RunList"]

_RUN = Qt.ItemDataRole.UserRole


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
        self._runs.setRootIsDecorated(True)
        self._runs.setUniformRowHeights(False)
        self._runs.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._progress)
        column.addWidget(self._runs, 1)
        column.addLayout(
            row(
                button("craquelureCancel", tr("Cancel"), self.cancel_selected),
                button("craquelureClear", tr("Clear finished"), queue.forget_finished),
            )
        )

    def cancel_selected(self) -> None:
        """Cancel the selected run, or the one at work."""
        item = self._runs.currentItem()
        run = None if item is None else (item.parent() or item).data(0, _RUN)
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
            if item.childCount() == 0 and run.is_over:
                self._add_notes(item, run)

    def _add_notes(self, item: QTreeWidgetItem, run: Run) -> None:
        """Keep what the message bar showed for some seconds, and what the engine noted."""
        for text in filter(None, (run.message, *run.notes)):
            note = QTreeWidgetItem([text])
            note.setToolTip(0, text)
            item.addChild(note)
            note.setFirstColumnSpanned(True)
        item.setExpanded(True)


def _state_text(run: Run) -> str:
    return {
        RunState.WAITING: tr("waiting"),
        RunState.RUNNING: f"{run.percent:.0f} %",
        RunState.DONE: tr("done"),
        RunState.FAILED: tr("failed"),
        RunState.CANCELLED: tr("stopped"),
    }[run.state]
