"""``segment``: an orthophoto to a probability raster and a class raster."""

from __future__ import annotations

from typing import Any, ClassVar

from qgis.core import (
    QgsProcessingException,
    QgsProcessingOutputRasterLayer,
    QgsProcessingParameterFolderDestination,
)

from ..results.loading import load_later, raster_layers
from ..translation import tr
from . import parameters as shared
from .base import CraquelureAlgorithm, Stages
from .inputs import raster_file
from .parameters import ORTHOPHOTO

__all__ = ["SegmentAlgorithm"]


class SegmentAlgorithm(CraquelureAlgorithm):
    """Runs the network alone."""

    VERB = "segment"
    STAGES: ClassVar[Stages] = {"segment": (0.0, 96.0), "write": (96.0, 100.0)}
    OUTPUT = "OUTPUT"

    def displayName(self) -> str:
        """Return the title."""
        return tr("Segment: orthophoto to probabilities")

    def initAlgorithm(self, config: dict[str, Any] | None = None) -> None:
        """Declare the parameters."""
        del config
        shared.add_orthophoto(self)
        shared.add_model(self)
        self.addParameter(QgsProcessingParameterFolderDestination(self.OUTPUT, tr("Folder for the rasters")))
        self.addOutput(QgsProcessingOutputRasterLayer("PROBABILITY", tr("Probabilities")))
        self.addOutput(QgsProcessingOutputRasterLayer("CLASSES", tr("Classes")))

    def checkParameterValues(self, parameters: dict[str, Any], context: Any) -> tuple[bool, str]:
        """Refuse early what cannot work."""
        ok, why = super().checkParameterValues(parameters, context)
        if not ok:
            return ok, why
        try:
            fault = shared.orthophoto_fault(self, parameters, context)
        except QgsProcessingException as error:
            fault = str(error)
        return (False, fault) if fault else (True, "")

    def prepareAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> bool:
        """Read what belongs to layers, on the main thread."""
        del feedback
        ortho = self.parameterAsRasterLayer(parameters, ORTHOPHOTO, context)
        self._arguments = {
            "orthophoto": raster_file(ortho),
            "out_dir": self.parameterAsString(parameters, self.OUTPUT, context),
            **shared.model_arguments(self, parameters, context),
        }
        self._name = ortho.name()
        return True

    def processAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> dict[str, Any]:
        """Ask the engine and announce the rasters."""
        del parameters
        result = self.ask(self._arguments, feedback)
        layers = raster_layers(result["probability"], result["classes"])
        load_later(context, layers, self._name)
        return {
            self.OUTPUT: self._arguments["out_dir"],
            "PROBABILITY": result["probability"],
            "CLASSES": result["classes"],
        }
