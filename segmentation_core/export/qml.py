"""QGIS styles beside exported layers: the book's symbols, and the fields' meanings as aliases."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

from segmentation_core.export.fields import ExportLayer
from segmentation_core.export.request import Language
from segmentation_core.survey.styles import STYLED, layer_style

__all__ = ["write_qml"]

_PLAIN = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n<qgis version=\"3.22.0\">\n</qgis>\n"


def write_qml(path: Path, layer: ExportLayer, language: Language) -> None:
    """Write the style of an exported layer.

    QGIS applies a ``.qml`` of the same name when it opens a shapefile; the aliases give every short name
    its meaning and unit.
    """
    qml = layer_style(layer.table) if layer.table in STYLED else _PLAIN
    aliases = "".join(
        f'    <alias index="{index}" field={quoteattr(f.name)} name={quoteattr(_alias(f, language))}/>\n'
        for index, f in enumerate(layer.fields)
    )
    text = qml.replace(' styleCategories="Symbology"', "").replace(
        "</qgis>", f"  <aliases>\n{aliases}  </aliases>\n</qgis>"
    )
    path.write_text(text, encoding="utf-8")


def _alias(f: object, language: Language) -> str:
    meaning = getattr(f, f"meaning_{language}")
    unit = getattr(f, "unit", "")
    return f"{meaning} [{unit}]" if unit else str(meaning)
