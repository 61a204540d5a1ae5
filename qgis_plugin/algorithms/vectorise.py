"""``vectorise``: probabilities or classes to polygons and lines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from qgis.core import (
    QgsProcessingOutputNumber,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterLayer,
)

from ..results.loading import load_later, vector_layers
from ..translation import tr
from . import parameters as shared
from .base import CraquelureAlgorithm, Stages
from .inputs import raster_fault, raster_file
from .survey import TOTALS

__all__ = ["VectoriseAlgorithm"]


class VectoriseAlgorithm(CraquelureAlgorithm):
    """Turns a raster into vectors, at any threshold, without the network."""

    VERB = "vectorise"
    STAGES: ClassVar[Stages] = {"vectorise": (0.0, 100.0)}
    SOURCE, OUTPUT = "SOURCE", "OUTPUT"

    def displayName(self) -> str:
        """Return the title."""
        return tr("Vectorise: raster to lines and polygons")

    def initAlgorithm(self, config: dict[str, Any] | None = None) -> None:
        """Declare the parameters."""
        del config
        self.addParameter(
            QgsProcessingParameterRasterLayer(self.SOURCE, tr("Probability raster or class raster"))
        )
        shared.add_thresholds(self)
        shared.add_gsd(self)
        shared.add_crack_width(self)
        self.addParameter(
            QgsProcessingParameterFileDestination(self.OUTPUT, tr("Vectors"), tr("GeoPackage (*.gpkg)"))
        )
        for name, title in (
            ("LOSS_POLYGON", tr("Paint loss")),
            ("CRACK_LINE", tr("Cracks")),
            ("CRACK_AREA", tr("Crack areas")),
            ("ISLAND", tr("Islands")),
        ):
            self.addOutput(QgsProcessingOutputVectorLayer(name, title))
        for name, (_, title) in TOTALS.items():
            self.addOutput(QgsProcessingOutputNumber(name, tr(title)))

    def checkParameterValues(self, parameters: dict[str, Any], context: Any) -> tuple[bool, str]:
        """Refuse early what cannot work."""
        ok, why = super().checkParameterValues(parameters, context)
        layer = self.parameterAsRasterLayer(parameters, self.SOURCE, context) if ok else None
        if layer is None:
            return ok, why
        if not os.path.isfile(layer.source()):
            return False, tr(
                "The raster '{name}' is not a file on this computer or its network. Save it as a GeoTIFF "
                "and take that.",
                name=layer.name(),
            )
        fault = raster_fault(layer.source(), shared.number(self, parameters, shared.GSD, context))
        return (False, fault) if fault else (True, "")

    def prepareAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> bool:
        """Read what belongs to layers, on the main thread."""
        del feedback
        layer = self.parameterAsRasterLayer(parameters, self.SOURCE, context)
        self._arguments = {
            "source": raster_file(layer),
            "out": self.parameterAsFileOutput(parameters, self.OUTPUT, context),
            "thresholds": shared.threshold_arguments(self, parameters, context),
            "gsd_mm": shared.number(self, parameters, shared.GSD, context),
            "max_crack_width_px": shared.crack_width_px(self, parameters, context),
        }
        return True

    def processAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> dict[str, Any]:
        """Ask the engine and announce the layers."""
        del parameters
        result = self.ask(self._arguments, feedback)
        out = self._arguments["out"]
        layers = vector_layers(out)
        load_later(context, layers, Path(out).stem)
        totals = result["totals"]
        return {
            self.OUTPUT: out,
            **{layer.output: layer.uri for layer in layers if layer.output},
            **{name: totals.get(code) for name, (code, _) in TOTALS.items()},
        }
