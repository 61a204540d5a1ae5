"""What all algorithms share: they hold parameters, ask the engine, and tell how far it is."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterDefinition,
)
from qgis.PyQt.QtGui import QIcon

from ..engine.errors import EngineCancelled, EngineError
from ..provider import ICON
from ..settings import engine_python
from ..translation import localised_file, tr

__all__ = ["CraquelureAlgorithm", "StageProgress", "Stages", "advanced", "said_plainly"]

_OPTIONS = {
    "--gsd MM": "Ground sampling distance",
    "--gsd": "Ground sampling distance",
    "--working-gsd MM": "Working GSD",
    "--working-gsd": "Working GSD",
    "--elements": "Building elements",
    "--id-field": "Field with the elements' ids",
    "--inside-elements": "Look only inside the elements",
    "--name": "Name of the survey",
    "--model": "Model",
    "--classes": "Class raster",
    "--device": "Device",
    "--exclude": "Areas to leave out",
    "--overwrite": "Overwrite",
    "--gsd-u": "Standard uncertainty of the scale",
    "--max-crack-width": "Widest crack that gets a line",
    "--damage-rules": "Damage rules",
    "--snap": "Ends meet lines within",
}
"""What the engine's messages call an option of its command line, and how the dialog labels it."""

Stages = dict[str, tuple[float, float]]

STAGES: Stages = {
    "segment": (0.0, 80.0),
    "write": (80.0, 83.0),
    "vectorise": (83.0, 97.0),
    "writing the survey book": (97.0, 100.0),
}
"""Share of a whole run, in percent; other stages fill the whole bar."""


def advanced(parameter: QgsProcessingParameterDefinition) -> QgsProcessingParameterDefinition:
    """Return the parameter, moved to the dialog's advanced part."""
    parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
    return parameter


class StageProgress:
    """Turns the stages of the engine into one bar that never moves back.

    Parameters
    ----------
    feedback : QgsProcessingFeedback
    stages : dict of str to (float, float)
        Stage to the percent where it begins and ends.
    """

    def __init__(self, feedback: QgsProcessingFeedback, stages: dict[str, tuple[float, float]]) -> None:
        self._feedback, self._stages = feedback, stages
        self._stage, self._percent = "", 0.0

    def __call__(self, stage: str, done: float, total: float, unit: str) -> None:
        """Tell the feedback."""
        del unit
        if stage != self._stage:
            self._stage = stage
            self._feedback.setProgressText(_stage_name(stage))
        begin, end = self._stages.get(stage, (self._percent, self._percent))
        share = done / total if total else 1.0
        self._percent = max(self._percent, begin + (end - begin) * min(share, 1.0))
        self._feedback.setProgress(self._percent)


def _stage_name(stage: str) -> str:
    names = {
        "segment": tr("Looking for damage"),
        "write": tr("Writing rasters"),
        "vectorise": tr("Drawing lines and polygons"),
        "writing the survey book": tr("Writing the survey book"),
        "survey": tr("Checking the inputs"),
        "register": tr("Laying one orthophoto on the other"),
    }
    return names.get(stage, stage)


class CraquelureAlgorithm(QgsProcessingAlgorithm):
    """Base of the algorithms; a subclass gives ``VERB``, the parameters and what to do with the result."""

    VERB = ""
    STAGES: ClassVar[Stages] = STAGES

    def name(self) -> str:
        """Return the id: the verb."""
        return self.VERB

    def group(self) -> str:
        """Return no group: there are few."""
        return ""

    def groupId(self) -> str:
        """Return no group."""
        return ""

    def icon(self) -> QIcon:
        """Return the icon."""
        return QIcon(str(ICON))

    def createInstance(self) -> CraquelureAlgorithm:
        """Return a new one."""
        return type(self)()

    def shortHelpString(self) -> str:
        """Return the help in the user's language."""
        return localised_file("help", self.VERB, ".html").read_text(encoding="utf-8")

    def canExecute(self) -> tuple[bool, str]:
        """Return whether there is an engine, and if not what to do."""
        try:
            engine_python()
        except EngineError as error:
            return False, str(error)
        return True, ""

    def ask(
        self,
        arguments: dict[str, Any],
        feedback: QgsProcessingFeedback,
        names: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Have the engine do the verb and tell its notes.

        Parameters
        ----------
        arguments : dict
            Of the engine's function; those that are None are left out.
        feedback : QgsProcessingFeedback
        names : dict of str to str
            Temporary files to what the user calls them, for messages.

        Raises
        ------
        QgsProcessingException
            What went wrong and what to do, or that the user stopped it.
        """
        from ..engine.client import run_once  # here, because QGIS waits for this module when it starts

        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            result = run_once(
                engine_python(), self.VERB, given, StageProgress(feedback, self.STAGES), feedback.isCanceled
            )
        except EngineCancelled:
            raise QgsProcessingException(
                tr("Stopped. What is finished is kept: run it again to continue.")
            ) from None
        except EngineError as error:
            if error.log and error.kind in ("Fault", "Died", "Hung", "OutOfMemory"):
                feedback.pushConsoleInfo(error.log[-4000:])
            raise QgsProcessingException(said_plainly(str(error), names or {})) from error
        for note in result.get("run", {}).get("notes", ()):
            feedback.pushInfo(said_plainly(note, names or {}))
        return result


def said_plainly(message: str, names: dict[str, str]) -> str:
    """Return an engine's message in the dialog's words: labels for options, layers for temporary files."""
    for path, name in names.items():
        message = message.replace(path, name)
    return re.sub(
        r"--[a-z-]+( MM)?",
        lambda found: f"'{tr(_OPTIONS[found.group()])}'" if found.group() in _OPTIONS else found.group(),
        message,
    )
