"""``export``: a survey book to the formats that others work with."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)

from ..translation import language, tr
from . import parameters as shared
from .base import CraquelureAlgorithm, advanced

__all__ = ["ExportAlgorithm"]

_CHOICES = Path(__file__).parent.parent / "export.json"
_ENUMS = {"language": ("en", "zh"), "unit": ("m", "mm"), "paper": ("A4", "A3", "A2", "A1", "A0")}


@lru_cache(maxsize=1)
def _choices() -> dict[str, list[str]]:
    """Return the formats and options of the engine that came with this plugin."""
    return json.loads(_CHOICES.read_text(encoding="utf-8"))


class ExportAlgorithm(CraquelureAlgorithm):
    """Writes a survey book in another format."""

    VERB = "export"
    BOOK, FORMAT, SURVEY, OUTPUT = "BOOK", "FORMAT", "SURVEY", "OUTPUT"
    SCALE, OVERWRITE = "SCALE", "OVERWRITE"

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
        formats = _choices()["formats"]
        self._add_enum(self.FORMAT, tr("Format"), formats, formats[0])
        self.addParameter(QgsProcessingParameterString(self.SURVEY, tr("Survey (empty: all)"), optional=True))
        defaults = {"language": language(), "unit": "m", "paper": "A3"}
        titles = {
            "language": tr("Language"),
            "unit": tr("Unit of drawings"),
            "paper": tr("Paper of plan sheets"),
        }
        for option, values in _ENUMS.items():
            if option in _choices()["options"]:
                default = defaults[option] if defaults[option] in values else values[0]
                self._add_enum(option.upper(), titles[option], list(values), default)
        if "scale" in _choices()["options"]:
            kind = QgsProcessingParameterNumber.Type.Integer
            scale = QgsProcessingParameterNumber(
                self.SCALE, tr("Plan scale 1 to (empty: what fits)"), kind, optional=True, minValue=1
            )
            self.addParameter(advanced(scale))
        if "overwrite" in _choices()["options"]:
            self.addParameter(
                QgsProcessingParameterBoolean(self.OVERWRITE, tr("Replace files of the same names"), False)
            )
        self.addParameter(QgsProcessingParameterFolderDestination(self.OUTPUT, tr("Folder to write")))

    def _add_enum(self, name: str, title: str, values: list[str], default: str) -> None:
        self.addParameter(
            QgsProcessingParameterEnum(name, title, values, defaultValue=default, usesStaticStrings=True)
        )

    def processAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> dict[str, Any]:
        """Ask the engine and list the files."""
        out = self.parameterAsString(parameters, self.OUTPUT, context)
        Path(out).mkdir(parents=True, exist_ok=True)
        options = _choices()["options"]
        arguments: dict[str, Any] = {
            "book": self.parameterAsFile(parameters, self.BOOK, context),
            "format": self.parameterAsEnumString(parameters, self.FORMAT, context),
            "out": out,
            "survey": shared.text(self, parameters, self.SURVEY, context),
        }
        for option in _ENUMS:
            if option in options:
                arguments[option] = self.parameterAsEnumString(parameters, option.upper(), context)
        scale = shared.number(self, parameters, self.SCALE, context) if "scale" in options else None
        arguments["scale"] = None if scale is None else int(scale)
        if "overwrite" in options:
            arguments["overwrite"] = self.parameterAsBool(parameters, self.OVERWRITE, context)
        result = self.ask(arguments, feedback)
        for name, count in result["files"].items():
            feedback.pushInfo(f"{name}: {count}")
        return {self.OUTPUT: out}
