"""``doctor``: what would run here, on which device, and why not the other."""

from __future__ import annotations

from typing import Any, ClassVar

from qgis.core import QgsProcessingOutputBoolean, QgsProcessingOutputString

from ..translation import tr
from .base import CraquelureAlgorithm, Stages

__all__ = ["DoctorAlgorithm", "report_lines"]


class DoctorAlgorithm(CraquelureAlgorithm):
    """Checks the engine."""

    VERB = "doctor"
    STAGES: ClassVar[Stages] = {}

    def displayName(self) -> str:
        """Return the title."""
        return tr("Doctor: can Craquelure run here?")

    def initAlgorithm(self, config: dict[str, Any] | None = None) -> None:
        """Declare the outputs; there is nothing to choose."""
        del config
        self.addOutput(QgsProcessingOutputBoolean("OK", tr("Everything needed is there")))
        self.addOutput(QgsProcessingOutputString("REPORT", tr("Report")))

    def processAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> dict[str, Any]:
        """Ask the engine and tell what it found."""
        del parameters, context
        result = self.ask({}, feedback)
        lines = report_lines(result)
        for line in lines:
            feedback.pushInfo(line)
        return {"OK": result["ok"], "REPORT": "\n".join(lines)}


def report_lines(result: dict[str, Any]) -> list[str]:
    """Return what the doctor found, a line per check."""
    lines = []
    for check in result["checks"]:
        lines.append(f"{'ok ' if check['ok'] else 'NO '} {check['name']}: {check['found']}")
        if check["remedy"]:
            lines.append(f"    {check['remedy']}")
    return lines
