"""A facade's own system, which QGIS cannot turn into degrees, and the stand-in that it can.

QGIS complains about engineering systems wherever it wants degrees; without any system it takes metres for
degrees and prints at a wrong scale. A transverse Mercator at the origin has the same coordinates and, over a
building, the same lengths and areas (measured: 0.002 m2 stays 0.002 m2).
"""

from __future__ import annotations

from osgeo import osr
from qgis.core import QgsCoordinateReferenceSystem, QgsMapLayer, QgsProject

__all__ = ["adopt", "is_local", "is_stand_in", "use_stand_in"]

_LOCAL = ("ENGCRS", "LOCAL_CS", "ENGINEERINGCRS")
_MERCATOR = "+proj=tmerc +lat_0=0 +lon_0=0 +k=1 +x_0=0 +y_0=0"


def is_local(crs: QgsCoordinateReferenceSystem) -> bool:
    """Return whether a system is a building's own."""
    return crs.isValid() and crs.toWkt().startswith(_LOCAL)


def is_stand_in(crs: QgsCoordinateReferenceSystem) -> bool:
    """Return whether a system only stands in for a local one."""
    return crs.isValid() and crs.toProj().startswith(_MERCATOR)


def _stand_in(crs: QgsCoordinateReferenceSystem) -> QgsCoordinateReferenceSystem:
    spatial = osr.SpatialReference()
    spatial.ImportFromWkt(crs.toWkt())
    metres = spatial.GetLinearUnits()
    unit = "+units=m" if metres == 1.0 else f"+to_meter={metres:.12g}"
    return QgsCoordinateReferenceSystem.fromProj(f"{_MERCATOR} +ellps=WGS84 {unit} +no_defs +type=crs")


def adopt(layer: QgsMapLayer, project: QgsProject) -> None:
    """Give a layer in a local system the project's stand-in, where it has one."""
    if is_local(layer.crs()) and is_stand_in(project.crs()):
        layer.setCrs(_stand_in(layer.crs()))


def use_stand_in(project: QgsProject) -> None:
    """Give the project, and all its layers in local systems, the stand-in; measures become planar."""
    chosen = _stand_in(project.crs())
    # By way of no system at all: any step from the local one to another is a transformation that fails.
    project.setCrs(QgsCoordinateReferenceSystem())
    for layer in project.mapLayers().values():
        if is_local(layer.crs()):
            layer.setCrs(_stand_in(layer.crs()))
    project.setCrs(chosen)
    project.setEllipsoid("NONE")
