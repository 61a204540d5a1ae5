"""``survey``: the main job, an orthophoto and elements into a survey book."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingException,
    QgsProcessingOutputNumber,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtCore import QDate

from ..results.loading import load_later, survey_layers
from ..translation import tr
from . import parameters as shared
from .base import CraquelureAlgorithm, advanced
from .inputs import raster_file, write_outlines
from .parameters import ELEMENTS, EXCLUDE, ID_FIELD, INSIDE, ORTHOPHOTO

__all__ = ["TOTALS", "SurveyAlgorithm"]

TOTALS = {
    "ASSESSED_M2": ("assessed_m2", "Assessed area, m2"),
    "LOSS_M2": ("loss_m2", "Paint loss, m2"),
    "LOSS_COUNT": ("loss_count", "Paint losses"),
    "CRACK_M": ("crack_m", "Cracks, m"),
    "CRACK_COUNT": ("crack_count", "Connected cracks"),
    "P21_M_PER_M2": ("p21_m_per_m2", "Crack density P21, m per m2"),
}
"""Numeric outputs: the engine's code and the label."""


class SurveyAlgorithm(CraquelureAlgorithm):
    """Maps and measures one orthophoto."""

    VERB = "survey"
    BOOK, DATE, NAME, CLASSES, DISCARD = "BOOK", "DATE", "NAME", "CLASSES", "DISCARD_RASTERS"

    def displayName(self) -> str:
        """Return the title."""
        return tr("Survey: map and measure an orthophoto")

    def tags(self) -> list[str]:
        """Return words to find it by."""
        return tr("crack,craquelure,paint loss,damage,conservation,segmentation,orthophoto").split(",")

    def initAlgorithm(self, config: dict[str, Any] | None = None) -> None:
        """Declare the parameters."""
        del config
        shared.add_orthophoto(self)
        book = QgsProcessingParameterFileDestination(
            self.BOOK, tr("Survey book (new, or one to add to)"), tr("Survey book (*.gpkg)")
        )
        book.setCreateByDefault(False)
        self.addParameter(book)
        self.addParameter(
            QgsProcessingParameterDateTime(
                self.DATE, tr("Date of the survey"), QgsProcessingParameterDateTime.Type.Date
            )
        )
        self.addParameter(
            QgsProcessingParameterString(self.NAME, tr("Name of the survey (empty: its date)"), optional=True)
        )
        shared.add_elements(self, optional=True)
        shared.add_model(self)
        shared.add_inside(self)
        self.addParameter(
            advanced(
                QgsProcessingParameterRasterLayer(
                    self.CLASSES, tr("Class raster to measure instead of running the network"), optional=True
                )
            )
        )
        shared.add_thresholds(self)
        shared.add_gsd_uncertainty(self)
        shared.add_crack_width(self)
        self.addParameter(
            advanced(
                QgsProcessingParameterBoolean(
                    self.DISCARD, tr("Do not keep the probability rasters"), defaultValue=False
                )
            )
        )
        for name, title in (
            ("LOSS_POLYGON", tr("Paint loss")),
            ("CRACK_LINE", tr("Cracks")),
            ("CRACK_AREA", tr("Crack areas")),
            ("ISLAND", tr("Islands")),
            ("ELEMENT", tr("Building elements")),
        ):
            self.addOutput(QgsProcessingOutputVectorLayer(name, title))
        for name, (_, title) in TOTALS.items():
            self.addOutput(QgsProcessingOutputNumber(name, tr(title)))

    def checkParameterValues(self, parameters: dict[str, Any], context: Any) -> tuple[bool, str]:
        """Refuse early what cannot work."""
        ok, why = super().checkParameterValues(parameters, context)
        if not ok:
            return ok, why
        try:
            fault = shared.orthophoto_fault(self, parameters, context) or self._fault(parameters, context)
        except QgsProcessingException as error:
            fault = str(error)
        return (False, fault) if fault else (True, "")

    def _fault(self, parameters: dict[str, Any], context: Any) -> str | None:
        book = self.parameterAsFileOutput(parameters, self.BOOK, context)
        if not book or str(parameters.get(self.BOOK)) == "TEMPORARY_OUTPUT":
            return tr("Choose where the survey book lies, or shall lie.")
        if not book.lower().endswith(".gpkg"):
            return tr("A survey book's name ends in .gpkg.")
        elements = self.parameterAsSource(parameters, ELEMENTS, context)
        field = shared.text(self, parameters, ID_FIELD, context)
        if elements is not None and field is None:
            return tr("Choose the field that holds the elements' ids.")
        if elements is None and self.parameterAsBool(parameters, INSIDE, context):
            return tr("To look only inside the elements, choose the layer of building elements.")
        day = self.parameterAsDateTime(parameters, self.DATE, context).date()
        if not day.isValid() or day > QDate.currentDate().addDays(1):
            return tr("The date of the survey is missing, impossible or in the future.")
        return None

    def prepareAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> bool:
        """Read everything that belongs to layers, on the main thread."""
        del feedback
        ortho = self.parameterAsRasterLayer(parameters, ORTHOPHOTO, context)
        classes = self.parameterAsRasterLayer(parameters, self.CLASSES, context)
        elements = self.parameterAsSource(parameters, ELEMENTS, context)
        exclude = self.parameterAsSource(parameters, EXCLUDE, context)
        field = shared.text(self, parameters, ID_FIELD, context)
        self._names: dict[str, str] = {}
        self._arguments = {
            "orthophoto": raster_file(ortho),
            "book": self.parameterAsFileOutput(parameters, self.BOOK, context),
            "date": self.parameterAsDateTime(parameters, self.DATE, context).date().toString("yyyy-MM-dd"),
            "name": shared.text(self, parameters, self.NAME, context),
            "elements": self._outlines(elements, field, "elements", raster_file(ortho)),
            "id_field": field if elements is not None else None,
            "exclude": self._outlines(exclude, None, "exclude", raster_file(ortho)),
            **shared.model_arguments(self, parameters, context),
            "inside_elements": self.parameterAsBool(parameters, INSIDE, context),
            "discard_rasters": self.parameterAsBool(parameters, self.DISCARD, context),
            "gsd_u_percent": shared.gsd_u_percent(self, parameters, context),
            "max_crack_width_px": shared.crack_width_px(self, parameters, context),
        }
        if classes is not None:
            self._arguments["classes"] = raster_file(classes)
            self.STAGES = {"vectorise": (0.0, 92.0), "writing the survey book": (92.0, 100.0)}
        thresholds = shared.threshold_arguments(self, parameters, context)
        if thresholds is not None:
            self._arguments["thresholds"] = thresholds
        return True

    def _outlines(self, source: Any, field: str | None, stem: str, beside: str) -> str | None:
        if source is None:
            return None
        path = write_outlines(source, field, stem, beside)
        self._names[path] = source.sourceName()
        return path

    def processAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> dict[str, Any]:
        """Ask the engine and announce the layers of the survey."""
        del parameters
        result = self.ask(self._arguments, feedback, self._names)
        book, run = self._arguments["book"], result["run"]
        layers = survey_layers(book, run["surv_id"])
        load_later(context, layers, f"{Path(book).stem}: {run['survey']}")
        totals = result["totals"]
        return {
            self.BOOK: book,
            **{layer.output: layer.uri for layer in layers if layer.output},
            **{name: totals.get(code) for name, (code, _) in TOTALS.items()},
        }
