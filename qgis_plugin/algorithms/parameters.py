"""Parameters that several algorithms share, so that each is named and explained once."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ..results.rasters import class_name, defect_classes
from ..settings import DEVICES, default_device
from ..translation import tr
from .base import advanced
from .inputs import GSD_PROPERTY, raster_fault, raster_file

__all__ = [
    "add_crack_width",
    "add_elements",
    "add_gsd",
    "add_gsd_uncertainty",
    "add_inside",
    "add_model",
    "add_orthophoto",
    "add_thresholds",
    "crack_width_px",
    "gsd_mm",
    "gsd_u_percent",
    "model_arguments",
    "number",
    "orthophoto_fault",
    "text",
    "threshold_arguments",
    "threshold_parameter",
]

ORTHOPHOTO = "ORTHOPHOTO"
ELEMENTS = "ELEMENTS"
ID_FIELD = "ID_FIELD"
EXCLUDE = "EXCLUDE"
MODEL = "MODEL"
DEVICE = "DEVICE"
GSD = "GSD_MM"
WORKING_GSD = "WORKING_GSD_MM"
INSIDE = "INSIDE_ELEMENTS"
GSD_UNCERTAINTY = "GSD_UNCERTAINTY_PERCENT"
CRACK_WIDTH = "MAX_CRACK_WIDTH_PX"


def add_orthophoto(algorithm: QgsProcessingAlgorithm) -> None:
    """Add the orthophoto."""
    algorithm.addParameter(QgsProcessingParameterRasterLayer(ORTHOPHOTO, tr("Orthophoto")))


def add_gsd(algorithm: QgsProcessingAlgorithm) -> None:
    """Add the ground sampling distance, for a picture whose file does not tell it."""
    algorithm.addParameter(
        _millimetres(GSD, tr("Ground sampling distance (mm per pixel; only for a picture without CRS)"))
    )


def _millimetres(name: str, title: str) -> QgsProcessingParameterNumber:
    kind = QgsProcessingParameterNumber.Type.Double
    return QgsProcessingParameterNumber(name, title, kind, optional=True, minValue=1e-6)


def add_gsd_uncertainty(algorithm: QgsProcessingAlgorithm) -> None:
    """Add how sure the scale is."""
    algorithm.addParameter(
        advanced(
            QgsProcessingParameterNumber(
                GSD_UNCERTAINTY,
                tr("Standard uncertainty of the scale (per cent; empty: not known)"),
                QgsProcessingParameterNumber.Type.Double,
                optional=True,
                minValue=0.0,
                maxValue=100.0,
            )
        )
    )


def add_crack_width(algorithm: QgsProcessingAlgorithm) -> None:
    """Add from which width on a crack gets no centreline."""
    algorithm.addParameter(
        advanced(
            QgsProcessingParameterNumber(
                CRACK_WIDTH,
                tr("Widest crack that gets a line (pixels; empty: 64)"),
                QgsProcessingParameterNumber.Type.Integer,
                optional=True,
                minValue=2,
                maxValue=1024,
            )
        )
    )


def add_model(algorithm: QgsProcessingAlgorithm) -> None:
    """Add scale, model and device."""
    add_gsd(algorithm)
    algorithm.addParameter(
        advanced(_millimetres(WORKING_GSD, tr("Working GSD (mm per pixel; averages a finer picture down)")))
    )
    algorithm.addParameter(
        advanced(
            QgsProcessingParameterString(
                MODEL, tr("Model (name or file; empty for the best there is)"), optional=True
            )
        )
    )
    algorithm.addParameter(
        advanced(
            QgsProcessingParameterEnum(
                DEVICE,
                tr("Device"),
                options=list(DEVICES),
                defaultValue=default_device(),
                usesStaticStrings=True,
            )
        )
    )


def add_elements(algorithm: QgsProcessingAlgorithm, *, optional: bool) -> None:
    """Add the building elements, their id field and areas to leave out."""
    polygons = [QgsProcessing.SourceType.TypeVectorPolygon]
    algorithm.addParameter(
        QgsProcessingParameterFeatureSource(ELEMENTS, tr("Building elements"), polygons, optional=optional)
    )
    algorithm.addParameter(
        QgsProcessingParameterField(
            ID_FIELD, tr("Field with the elements' ids"), parentLayerParameterName=ELEMENTS, optional=optional
        )
    )
    algorithm.addParameter(
        advanced(
            QgsProcessingParameterFeatureSource(EXCLUDE, tr("Areas to leave out"), polygons, optional=True)
        )
    )


def add_inside(algorithm: QgsProcessingAlgorithm) -> None:
    """Add the choice to look inside the elements only."""
    algorithm.addParameter(
        advanced(
            QgsProcessingParameterBoolean(INSIDE, tr("Look only inside the elements"), defaultValue=False)
        )
    )


def add_thresholds(algorithm: QgsProcessingAlgorithm) -> None:
    """Add a threshold per class; empty ones stay the model's."""
    for defect in defect_classes():
        title = tr("Threshold for {name} (0-1; empty for the model's own)", name=class_name(defect))
        kind = QgsProcessingParameterNumber.Type.Double
        algorithm.addParameter(
            advanced(
                QgsProcessingParameterNumber(
                    threshold_parameter(defect["code"]),
                    title,
                    kind,
                    optional=True,
                    minValue=0.0,
                    maxValue=1.0,
                )
            )
        )


def threshold_parameter(code: str) -> str:
    """Return the name of a class's threshold.

    Examples
    --------
    >>> threshold_parameter("paint_loss")
    'THRESHOLD_PAINT_LOSS'
    """
    return f"THRESHOLD_{code.upper()}"


def number(algorithm: Any, parameters: dict[str, Any], name: str, context: Any) -> float | None:
    """Return a number, None where none was given."""
    if parameters.get(name) is None:
        return None
    return float(algorithm.parameterAsDouble(parameters, name, context))


def text(algorithm: Any, parameters: dict[str, Any], name: str, context: Any) -> str | None:
    """Return a text, None where it is empty."""
    return algorithm.parameterAsString(parameters, name, context).strip() or None


def gsd_mm(algorithm: Any, parameters: dict[str, Any], context: Any) -> float | None:
    """Return the GSD given, else the one that "Set scale" left on the layer, else None."""
    given = number(algorithm, parameters, GSD, context)
    if given is not None:
        return given
    layer = algorithm.parameterAsRasterLayer(parameters, ORTHOPHOTO, context)
    stored = None if layer is None else layer.customProperty(GSD_PROPERTY)
    return None if stored is None else float(stored)


def gsd_u_percent(algorithm: Any, parameters: dict[str, Any], context: Any) -> float | None:
    """Return the standard uncertainty of the scale in per cent, None where none was given."""
    return number(algorithm, parameters, GSD_UNCERTAINTY, context)


def crack_width_px(algorithm: Any, parameters: dict[str, Any], context: Any) -> int | None:
    """Return the widest crack that gets a line, None for the engine's own limit."""
    width = number(algorithm, parameters, CRACK_WIDTH, context)
    return None if width is None else round(width)


def orthophoto_fault(algorithm: Any, parameters: dict[str, Any], context: Any) -> str | None:
    """Return what is wrong with the orthophoto, or None."""
    layer = algorithm.parameterAsRasterLayer(parameters, ORTHOPHOTO, context)
    if layer is None:
        return None  # QGIS says so itself
    return raster_fault(raster_file(layer), gsd_mm(algorithm, parameters, context))


def model_arguments(algorithm: Any, parameters: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the engine's arguments for `add_model`."""
    return {
        "model": text(algorithm, parameters, MODEL, context),
        "device": algorithm.parameterAsEnumString(parameters, DEVICE, context) or DEVICES[0],
        "gsd_mm": gsd_mm(algorithm, parameters, context),
        "working_gsd_mm": number(algorithm, parameters, WORKING_GSD, context),
    }


def threshold_arguments(algorithm: Any, parameters: dict[str, Any], context: Any) -> dict[str, float] | None:
    """Return the thresholds given, None where none was."""
    codes = [defect["code"] for defect in defect_classes()]
    values = {code: number(algorithm, parameters, threshold_parameter(code), context) for code in codes}
    return {code: value for code, value in values.items() if value is not None} or None
