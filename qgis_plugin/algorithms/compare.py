"""``compare``: two surveys of a book, what changed and whether it is real."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from qgis.core import (
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterString,
)

from ..results.loading import change_layers, load_later
from ..translation import tr
from . import parameters as shared
from .base import CraquelureAlgorithm, Stages, advanced

__all__ = ["CompareAlgorithm"]

_TOTALS = {
    "NEW_M": ("cracks", "new_m", "New cracks, m"),
    "EXTENDED_M": ("cracks", "extended_m", "Cracks grown at their tips, m"),
    "WIDENED_M": ("cracks", "widened_m", "Cracks that became wider, m"),
    "NOT_SEEN_M": ("cracks", "not_seen_m", "Cracks not seen again, m"),
    "GAIN_M2": ("losses", "gain_m2", "Paint loss gained, m2"),
    "NOT_CONFIRMED_M2": ("losses", "not_confirmed_m2", "Paint loss not confirmed, m2"),
}


class CompareAlgorithm(CraquelureAlgorithm):
    """Compares two surveys of a book."""

    VERB = "compare"
    BOOK, SURVEY_A, SURVEY_B, ACCEPT, VERDICT = "BOOK", "SURVEY_A", "SURVEY_B", "ACCEPT_DIFFERENT", "VERDICT"
    STAGES: ClassVar[Stages] = {"register": (0.0, 60.0), "vectorise": (60.0, 80.0)}

    def displayName(self) -> str:
        """Return the title."""
        return tr("Compare: what changed between two surveys")

    def initAlgorithm(self, config: dict[str, Any] | None = None) -> None:
        """Declare the parameters."""
        del config
        self.addParameter(
            QgsProcessingParameterFile(
                self.BOOK, tr("Survey book"), QgsProcessingParameterFile.Behavior.File, extension="gpkg"
            )
        )
        self.addParameter(
            QgsProcessingParameterString(self.SURVEY_A, tr("Earlier survey (its name or date)"))
        )
        self.addParameter(QgsProcessingParameterString(self.SURVEY_B, tr("Later survey (its name or date)")))
        self.addParameter(
            advanced(
                QgsProcessingParameterBoolean(
                    self.ACCEPT,
                    tr("Compare although models or thresholds differ (marked as not sure)"),
                    False,
                )
            )
        )
        for table in ("CHANGE_POLYGON", "CHANGE_LINE"):
            self.addOutput(QgsProcessingOutputVectorLayer(table, table.replace("_", " ").capitalize()))
        for name, (_, _, title) in _TOTALS.items():
            self.addOutput(QgsProcessingOutputNumber(name, tr(title)))
        self.addOutput(QgsProcessingOutputString(self.VERDICT, tr("Verdict")))

    def processAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> dict[str, Any]:
        """Ask the engine and announce the change layers."""
        book = self.parameterAsFile(parameters, self.BOOK, context)
        result = self.ask(
            {
                "book": book,
                "survey_a": shared.text(self, parameters, self.SURVEY_A, context),
                "survey_b": shared.text(self, parameters, self.SURVEY_B, context),
                "accept_different_models": self.parameterAsBool(parameters, self.ACCEPT, context),
            },
            feedback,
        )
        run = result["run"]
        layers = change_layers(book, run["pair_id"])
        load_later(context, layers, f"{Path(book).stem}: {run['survey_a']} - {run['survey_b']}")
        totals = result["totals"]
        return {
            **{layer.output: layer.uri for layer in layers},
            **{name: totals[part][code] for name, (part, code, _) in _TOTALS.items()},
            self.VERDICT: totals["verdict"],
        }
