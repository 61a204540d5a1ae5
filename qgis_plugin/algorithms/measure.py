"""``measure``: vectors and elements to a table."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingOutputNumber,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
)

from ..results.loading import load_later, table_layer
from ..translation import tr
from . import parameters as shared
from .base import CraquelureAlgorithm, advanced
from .inputs import write_outlines
from .parameters import ELEMENTS, EXCLUDE, ID_FIELD
from .survey import TOTALS

__all__ = ["MeasureAlgorithm"]


class MeasureAlgorithm(CraquelureAlgorithm):
    """Measures vectors per building element."""

    VERB = "measure"
    VECTORS, OUTPUT, RULES, SNAP = "VECTORS", "OUTPUT", "DAMAGE_RULES", "SNAP_MM"

    def displayName(self) -> str:
        """Return the title."""
        return tr("Measure: statistics per building element")

    def initAlgorithm(self, config: dict[str, Any] | None = None) -> None:
        """Declare the parameters."""
        del config
        self.addParameter(
            QgsProcessingParameterFile(
                self.VECTORS,
                tr("Vectors (what 'vectorise' wrote; or lines drawn by hand)"),
                QgsProcessingParameterFile.Behavior.File,
                extension="gpkg",
            )
        )
        shared.add_elements(self, optional=False)
        shared.add_gsd_uncertainty(self)
        self.addParameter(
            advanced(
                QgsProcessingParameterFile(
                    self.RULES,
                    tr("Damage rules (TOML; give each element a damage class)"),
                    QgsProcessingParameterFile.Behavior.File,
                    extension="toml",
                    optional=True,
                )
            )
        )
        self.addParameter(
            advanced(
                QgsProcessingParameterNumber(
                    self.SNAP,
                    tr("For lines drawn by hand: ends that miss a line by so much meet it (mm)"),
                    QgsProcessingParameterNumber.Type.Double,
                    optional=True,
                    minValue=0.0,
                )
            )
        )
        self.addParameter(
            QgsProcessingParameterFileDestination(self.OUTPUT, tr("Table"), tr("Table (*.csv)"))
        )
        for name, (_, title) in TOTALS.items():
            self.addOutput(QgsProcessingOutputNumber(name, tr(title)))

    def prepareAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> bool:
        """Read what belongs to layers, on the main thread."""
        del feedback
        elements = self.parameterAsSource(parameters, ELEMENTS, context)
        exclude = self.parameterAsSource(parameters, EXCLUDE, context)
        field = shared.text(self, parameters, ID_FIELD, context)
        vectors = self.parameterAsFile(parameters, self.VECTORS, context)
        snap_mm = shared.number(self, parameters, self.SNAP, context)
        self._arguments = {
            "vectors": vectors,
            "elements": write_outlines(elements, field, "elements", vectors),
            "id_field": field,
            "exclude": None if exclude is None else write_outlines(exclude, None, "exclude", vectors),
            "out_csv": self.parameterAsFileOutput(parameters, self.OUTPUT, context),
            "gsd_u_percent": shared.gsd_u_percent(self, parameters, context),
            "damage_rules": self.parameterAsFile(parameters, self.RULES, context) or None,
            "snap_m": None if snap_mm is None else snap_mm / 1000,
        }
        self._names = {self._arguments["elements"]: elements.sourceName()}
        if exclude is not None:
            self._names[self._arguments["exclude"]] = exclude.sourceName()
        return True

    def processAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> dict[str, Any]:
        """Ask the engine and announce the table."""
        del parameters
        result = self.ask(self._arguments, feedback, self._names)
        out = self._arguments["out_csv"]
        load_later(context, [table_layer(out)], "")
        totals = result["totals"]
        return {self.OUTPUT: out, **{name: totals.get(code) for name, (code, _) in TOTALS.items()}}
