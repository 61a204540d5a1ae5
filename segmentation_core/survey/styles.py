"""QGIS styles stored in the book, so that its layers open drawn as damage and not in random colours."""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from string import Template

from segmentation_core.vocabulary import load_vocabulary

__all__ = ["add_styles", "layer_qml"]

_TABLE = """
CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256),
  f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30),
  styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
  update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))
"""

_DRAWN = {"loss_polygon": "polygon", "crack_area": "line", "crack_line": "line", "element": None}
"""Layers with a style, and the geometry of the class whose colour they take."""


def add_styles(connection: sqlite3.Connection) -> None:
    """Create QGIS's table of styles with one default style per drawn layer."""
    connection.execute(_TABLE)
    connection.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles')"
    )
    for table in _DRAWN:
        connection.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, "
            "styleName, styleQML, useAsDefault) VALUES ('', '', ?, 'geom', ?, ?, 1)",
            (table, table, layer_qml(table)),
        )


def layer_qml(table: str) -> str | None:
    """Return the QGIS style of a layer of the book; None for one that has none."""
    if table not in _DRAWN:
        return None
    template = files(__package__).joinpath("styles").joinpath(f"{table}.qml").read_text(encoding="utf-8")
    vocabulary = load_vocabulary()
    match _DRAWN[table]:
        case None:
            return template
        case "line":
            defect = vocabulary.line_class
        case _:
            defect = vocabulary.polygon_class
    return Template(template).substitute(rgb=_rgb(defect.colour), label=f"{defect.name_en} {defect.name_zh}")


def _rgb(colour: str) -> str:
    """Return QGIS's spelling of ``#rrggbb``, without alpha."""
    return ",".join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
