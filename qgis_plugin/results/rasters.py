"""Looks of the rasters that ``segment`` writes. Classes and colours come from the vocabulary's data."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsColorRampShader,
    QgsPalettedRasterRenderer,
    QgsRasterLayer,
    QgsRasterShader,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtGui import QColor

from ..translation import language

__all__ = [
    "PROBABILITY_SCALE",
    "class_name",
    "defect_classes",
    "show_above",
    "style_classes",
    "style_probability",
]

PROBABILITY_SCALE = 250
"""Value of certainty in a probability raster."""

_VOCABULARY = Path(__file__).parent.parent / "vocabulary.json"
_TOP = 255.0


@lru_cache(maxsize=1)
def defect_classes() -> list[dict[str, Any]]:
    """Return the vocabulary's classes, in the order of the bands of a probability raster."""
    return json.loads(_VOCABULARY.read_text(encoding="utf-8"))["classes"]


def class_name(defect: dict[str, Any]) -> str:
    """Return a class's name in the user's language."""
    return defect.get(f"name_{language()}") or defect["name_en"]


def style_classes(layer: QgsRasterLayer) -> None:
    """Colour a class raster; background and nodata stay clear."""
    entries = [
        QgsPalettedRasterRenderer.Class(d["value"], _clear(d["colour"], 150), class_name(d))
        for d in defect_classes()
    ]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, entries))


def style_probability(layer: QgsRasterLayer) -> None:
    """Show the first class's probability, from clear to its colour."""
    defect = defect_classes()[0]
    items = [
        QgsColorRampShader.ColorRampItem(0, _clear(defect["colour"], 0), "0"),
        QgsColorRampShader.ColorRampItem(PROBABILITY_SCALE, _clear(defect["colour"], 230), "1"),
    ]
    _set_ramp(layer, 1, QgsColorRampShader.Type.Interpolated, items)


def show_above(layer: QgsRasterLayer, band: int, threshold: float, colour: str) -> None:
    """Show one band where its probability reaches a threshold (0-1), in one colour; the rest stays clear."""
    least = max(threshold * PROBABILITY_SCALE, 0.5)
    items = [
        QgsColorRampShader.ColorRampItem(least - 1e-6, _clear(colour, 0), ""),
        QgsColorRampShader.ColorRampItem(PROBABILITY_SCALE, _clear(colour, 190), ""),
        QgsColorRampShader.ColorRampItem(_TOP, _clear(colour, 0), ""),
    ]
    _set_ramp(layer, band, QgsColorRampShader.Type.Discrete, items)


def _set_ramp(layer: QgsRasterLayer, band: int, kind: Any, items: list[Any]) -> None:
    ramp = QgsColorRampShader(0, PROBABILITY_SCALE)
    ramp.setColorRampType(kind)
    ramp.setColorRampItemList(items)
    shader = QgsRasterShader()
    shader.setRasterShaderFunction(ramp)
    layer.setRenderer(QgsSingleBandPseudoColorRenderer(layer.dataProvider(), band, shader))


def _clear(colour: str, alpha: int) -> QColor:
    shade = QColor(colour)
    shade.setAlpha(alpha)
    return shade
