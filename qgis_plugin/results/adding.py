"""Add features to layers of GeoPackages, outside edit sessions."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsFeature, QgsGeometry, QgsVectorLayer

__all__ = ["add_feature"]


def add_feature(layer: QgsVectorLayer, geometry: QgsGeometry, columns: dict[str, Any]) -> int | None:
    """Add a feature at once, not in an edit session; return its id, None where it was not taken.

    A book's triggers give it its uid, call it drawn and write the log.
    """
    feature = QgsFeature(layer.fields())
    feature.setGeometry(geometry)
    for name, value in columns.items():
        feature.setAttribute(name, value)
    provider = layer.dataProvider()
    for number in provider.pkAttributeIndexes():
        feature.setAttribute(number, provider.defaultValueClause(number))
    taken, added = provider.addFeatures([feature])
    layer.triggerRepaint()
    return int(added[0].id()) if taken else None
