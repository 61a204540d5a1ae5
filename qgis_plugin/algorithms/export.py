"""``export``: a survey book to the formats that others work with."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterString,
)

from ..translation import tr
from . import parameters as shared
from .base import CraquelureAlgorithm

__all__ = ["FORMATS", "ExportAlgorithm"]

FORMATS = ("shapefile",)
"""As the engine calls them."""


class ExportAlgorithm(CraquelureAlgorithm):
    """Writes a survey book in another format."""

    VERB = "export"
    BOOK, FORMAT, SURVEY, OUTPUT = "BOOK", "FORMAT", "SURVEY", "OUTPUT"

    def displayName(self) -> str:
        """Return the title."""
        return tr("Export: hand a survey book over")

    def initAlgorithm(self, config: dict[str, Any] | None = None) -> None:
        """Declare the parameters."""
        del config
        self.addParameter(
            QgsProcessingParameterFile(
                self.BOOK, tr("Survey book"), QgsProcessingParameterFile.Behavior.File, extension="gpkg"
            )
        )
        self.addParameter(
            QgsProcessingParameterEnum(
                self.FORMAT,
                tr("Format"),
                options=list(FORMATS),
                defaultValue=FORMATS[0],
                usesStaticStrings=True,
            )
        )
        self.addParameter(QgsProcessingParameterString(self.SURVEY, tr("Survey (empty: all)"), optional=True))
        self.addParameter(QgsProcessingParameterFolderDestination(self.OUTPUT, tr("Folder to write")))

    def processAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> dict[str, Any]:
        """Ask the engine and list the files."""
        out = self.parameterAsString(parameters, self.OUTPUT, context)
        arguments = {
            "book": self.parameterAsFile(parameters, self.BOOK, context),
            "format": self.parameterAsEnumString(parameters, self.FORMAT, context),
            "out": out,
            "survey": shared.text(self, parameters, self.SURVEY, context),
        }
        result = self.ask(arguments, feedback)
        for name, count in result["files"].items():
            feedback.pushInfo(f"{name}: {count}")
        return {self.OUTPUT: out}
