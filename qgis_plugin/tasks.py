"""Work that must not hold up QGIS's window."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from qgis.core import Qgis, QgsApplication, QgsMessageLog, QgsTask

from .engine.errors import EngineCancelled, EngineError
from .translation import tr

__all__ = ["in_background"]

Work = Callable[[Callable[[], bool]], Any]
Done = Callable[[Any, str], None]

_kept: set[_Background] = set()

# QGIS asks before it quits while a task runs, but not for hidden ones, which came with 3.26.
_PASSING = getattr(QgsTask.Flag, "Hidden", QgsTask.Flag.CanCancel)


class _Background(QgsTask):
    def __init__(self, title: str, work: Work, done: Done, *, is_passing: bool) -> None:
        super().__init__(title, QgsTask.Flag.CanCancel | (_PASSING if is_passing else QgsTask.Flag.CanCancel))
        self._work, self._done = work, done
        self._result: Any = None
        self._fault = ""

    def run(self) -> bool:
        """Do the work, on another thread; an exception that leaves this would crash QGIS."""
        try:
            self._result = self._work(self.isCanceled)
        except EngineCancelled:
            self._fault = tr("Stopped.")
        except EngineError as error:
            self._fault = str(error)
            self._log(error.log)
        except Exception as error:  # a fault of our own: told in one line, kept in the log
            self._fault = tr(
                "A fault of Craquelure's own ({kind}); see the log messages.", kind=type(error).__name__
            )
            self._log(traceback.format_exc())
        return not self._fault

    def _log(self, text: str) -> None:
        if text:
            QgsMessageLog.logMessage(text, "Craquelure", Qgis.MessageLevel.Warning)

    def finished(self, result: bool) -> None:
        """Hand the result over, on the main thread."""
        del result
        _kept.discard(self)
        self._done(self._result, self._fault)


def in_background(title: str, work: Work, done: Done, *, is_passing: bool = False) -> QgsTask:
    """Do ``work(is_cancelled)`` on another thread, then ``done(result, fault)`` on the main one.

    Parameters
    ----------
    title : str
        Shown among QGIS's tasks.
    work : callable
        May raise `EngineError`; must not touch layers, the project or widgets.
    done : callable
        Gets the result and an empty text, or None and what went wrong.
    is_passing : bool
        Nobody minds if it is lost: it stands in no list of tasks, and QGIS quits without a question.
    """
    task = _Background(title, work, done, is_passing=is_passing)
    _kept.add(task)  # QGIS owns the task but not its Python half
    QgsApplication.taskManager().addTask(task)
    return task
