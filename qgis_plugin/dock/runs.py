"""Runs of the ``survey`` algorithm, one after the other, in the background."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
)
from qgis.PyQt.QtCore import QCoreApplication, QEventLoop, QObject, pyqtSignal

from ..translation import tr

__all__ = ["Run", "RunQueue", "RunState"]

_END_S = 10.0
ALGORITHM = "craquelure:survey"


class RunState(Enum):
    """Where a run is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(eq=False)
class Run:
    """One run: its parameters as the algorithm takes them, and how it stands."""

    parameters: dict[str, Any]
    state: RunState = RunState.WAITING
    percent: float = 0.0
    message: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The orthophoto's name."""
        return Path(str(self.parameters["ORTHOPHOTO"])).name

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state not in (RunState.WAITING, RunState.RUNNING)


class _Feedback(QgsProcessingFeedback):
    """Keeps what the algorithm says, for the message bar."""

    def __init__(self) -> None:
        super().__init__(False)
        self.errors: list[str] = []
        self.notes: list[str] = []

    def reportError(self, error: str, fatalError: bool = False) -> None:
        """Keep an error."""
        self.errors.append(error)
        super().reportError(error, fatalError)

    def pushInfo(self, info: str) -> None:
        """Keep a note."""
        self.notes.append(info)
        super().pushInfo(info)


class RunQueue(QObject):
    """Starts the next run when the one before is over.

    Signals
    -------
    changed()
        Some run's state or progress.
    finished(Run, dict)
        A run is over; the results are empty unless it is done.
    """

    changed = pyqtSignal()
    finished = pyqtSignal(object, dict)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.runs: list[Run] = []
        self._current: Run | None = None
        self._task: Any = None
        self._feedback: _Feedback | None = None
        self._context: QgsProcessingContext | None = None

    @property
    def current(self) -> Run | None:
        """The run at work."""
        return self._current

    def add(self, parameters: dict[str, Any]) -> str:
        """Queue a run; return what is wrong with its parameters, or an empty text."""
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(ALGORITHM)
        context = self._new_context()
        runnable, why = algorithm.canExecute()
        if not runnable:
            return why
        fine, why = algorithm.checkParameterValues(parameters, context)
        if not fine:
            return why
        self.runs.append(Run(parameters))
        self.changed.emit()
        self._start_next()
        return ""

    def cancel(self, run: Run) -> None:
        """Stop a run, or take a waiting one out."""
        if run is self._current and self._feedback is not None:
            self._feedback.cancel()
        elif run.state is RunState.WAITING:
            run.state = RunState.CANCELLED
            self.changed.emit()

    def cancel_all(self) -> None:
        """Stop everything."""
        for run in list(self.runs):
            self.cancel(run)

    def stop(self) -> None:
        """Stop everything and let the run at work come to its end, before its provider goes."""
        self.cancel_all()
        until = time.monotonic() + _END_S
        while self._current is not None and time.monotonic() < until:
            QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 50)

    def forget_finished(self) -> None:
        """Take runs that are over off the list."""
        self.runs = [run for run in self.runs if not run.is_over]
        self.changed.emit()

    def _new_context(self) -> QgsProcessingContext:
        context = QgsProcessingContext()
        context.setProject(QgsProject.instance())
        return context

    def _start_next(self) -> None:
        waiting = next((run for run in self.runs if run.state is RunState.WAITING), None)
        if self._current is not None or waiting is None:
            return
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(ALGORITHM)
        self._context, self._feedback = self._new_context(), _Feedback()
        self._feedback.progressChanged.connect(self._note_progress)
        self._current, waiting.state = waiting, RunState.RUNNING
        self._task = QgsProcessingAlgRunnerTask(algorithm, waiting.parameters, self._context, self._feedback)
        self._task.setDescription(tr("Survey of {name}", name=waiting.title))
        self._task.executed.connect(self._over)
        QgsApplication.taskManager().addTask(self._task)
        self.changed.emit()

    def _note_progress(self, percent: float) -> None:
        if self._current is not None:
            self._current.percent = percent
            self.changed.emit()

    def _over(self, succeeded: bool, results: dict[str, Any]) -> None:
        run, feedback = self._current, self._feedback
        if run is None or feedback is None:
            return
        run.notes = feedback.notes
        if succeeded:
            run.state, run.percent = RunState.DONE, 100.0
        elif feedback.isCanceled():
            run.state, run.message = RunState.CANCELLED, tr("Stopped. Run it again to continue where it was.")
        else:
            run.state = RunState.FAILED
            run.message = (
                feedback.errors[0] if feedback.errors else tr("The run failed; see the log messages.")
            )
        self._current = self._feedback = self._task = None
        self.changed.emit()
        self.finished.emit(run, results if succeeded else {})
        self._start_next()
