"""Layers of QGIS as the files that the engine reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from osgeo import gdal, osr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsFeatureRequest,
    QgsFields,
    QgsProcessingException,
    QgsProcessingUtils,
    QgsRasterLayer,
    QgsVectorFileWriter,
)

from ..results.local_crs import is_stand_in
from ..translation import tr

__all__ = ["GSD_PROPERTY", "raster_fault", "raster_file", "write_outlines"]

GSD_PROPERTY = "craquelure/gsd_mm"
"""Custom property of a raster layer: what "Set scale" found, mm per pixel."""

_UNIT_TAG = "CRAQUELURE_METRES_PER_UNIT"
_FID = "craquelure_fid"
_GEOMETRY = "geom"


def raster_file(layer: QgsRasterLayer) -> str:
    """Return the path of a raster layer's file.

    Raises
    ------
    QgsProcessingException
        The layer is no file: a web service, a database.
    """
    path = layer.dataProvider().dataSourceUri().split("|")[0] if layer.dataProvider() else layer.source()
    if layer.providerType() != "gdal" or not os.path.isfile(path):
        raise QgsProcessingException(
            tr(
                "The raster '{name}' is not a file on this computer or its network. Save it as a GeoTIFF "
                "and take that.",
                name=layer.name(),
            )
        )
    return path


def raster_fault(path: str, gsd_mm: float | None) -> str | None:
    """Return why a raster cannot be measured as it is, and what to do; None where nothing speaks against it.

    Only what must stop the dialog at once; the engine checks the rest.
    """
    dataset = gdal.Open(path)
    name = os.path.basename(path)
    if dataset is None:
        return tr("'{name}' cannot be read as a raster. Open the original file again.", name=name)
    crs = dataset.GetSpatialRef()
    if crs is None:
        if gsd_mm is None and dataset.GetMetadataItem(_UNIT_TAG) is None:
            return tr(
                "'{name}' has no coordinate reference system, so the size of a pixel is unknown. Give the "
                "ground sampling distance, or use 'Set scale' in the Craquelure panel.",
                name=name,
            )
    elif osr.SpatialReference.IsGeographic(crs):
        return tr(
            "'{name}' is in degrees ({crs}), in which nothing can be measured. Export the orthophoto in a "
            "local or projected system in metres.",
            name=name,
            crs=crs.GetName(),
        )
    return None


def write_outlines(source: Any, field: str | None, stem: str, beside: str) -> str:
    """Write the polygons of a source, as they are now, for the engine; return the file.

    Unsaved edits, filters and layers in memory or in a database are thereby what the user sees.

    Parameters
    ----------
    source : QgsProcessingFeatureSource
    field : str or None
        The one field to keep.
    stem : str
        Name of the file.
    beside : str
        The file that they were drawn on; a system that stands in for its local one becomes that one.

    Raises
    ------
    QgsProcessingException
        The file cannot be written.
    """
    fields = QgsFields()
    index = -1 if field is None else source.fields().lookupField(field)
    if field is not None and index < 0:
        raise QgsProcessingException(
            tr("The layer '{name}' has no field '{field}'.", name=source.sourceName(), field=field)
        )
    if index >= 0:
        fields.append(source.fields().at(index))
    path = Path(QgsProcessingUtils.generateTempFilename(f"{stem}.gpkg"))
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.layerName = "GPKG", stem
    options.datasourceOptions = ["VERSION=1.2"]
    options.layerOptions = [f"FID={_FID}", f"GEOMETRY_NAME={_GEOMETRY}"]
    writer = QgsVectorFileWriter.create(
        str(path),
        fields,
        source.wkbType(),
        _own_crs(source.sourceCrs(), beside),
        QgsCoordinateTransformContext(),
        options,
    )
    if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
        raise QgsProcessingException(
            tr(
                "The layer '{name}' could not be copied for the engine: {reason}. Make room on the disk.",
                name=source.sourceName(),
                reason=writer.errorMessage(),
            )
        )
    # Invalid outlines go through: the engine repairs them and says which.
    request = QgsFeatureRequest().setInvalidGeometryCheck(
        QgsFeatureRequest.InvalidGeometryCheck.GeometryNoCheck
    )
    for feature in source.getFeatures(request):
        written = QgsFeature(fields)
        written.setGeometry(feature.geometry())
        if index >= 0:
            written.setAttributes([feature.attributes()[index]])
        writer.addFeature(written)
    fault = writer.errorMessage()
    del writer
    if fault:
        raise QgsProcessingException(
            tr(
                "The layer '{name}' could not be copied for the engine: {reason}. Make room on the disk.",
                name=source.sourceName(),
                reason=fault,
            )
        )
    return str(path)


def _own_crs(crs: QgsCoordinateReferenceSystem, beside: str) -> QgsCoordinateReferenceSystem:
    if not is_stand_in(crs):
        return crs
    dataset = gdal.OpenEx(beside)
    spatial = None if dataset is None else dataset.GetSpatialRef()
    if spatial is None and dataset is not None and dataset.GetLayerCount():
        spatial = dataset.GetLayer(0).GetSpatialRef()
    return crs if spatial is None else QgsCoordinateReferenceSystem.fromWkt(spatial.ExportToWkt())
