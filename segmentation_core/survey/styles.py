"""QGIS styles stored in the book, so that its layers open drawn as damage and not in random colours."""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from string import Template

from segmentation_core.survey.change_styles import CHANGE_GEOMETRY, change_style, qgis_colour
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["STYLED", "add_styles", "layer_style"]

STYLED = ("loss_polygon", "crack_area", "crack_line", "island", "element", *CHANGE_GEOMETRY)
"""Layers with a style of their own."""

_TABLE = """
CREATE TABLE IF NOT EXISTS layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256),
  styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN,
  description TEXT, owner TEXT(30), ui TEXT(30),
  update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))
"""


def add_styles(connection: sqlite3.Connection) -> None:
    """Give every drawn layer that has no style in QGIS's table of styles its default one."""
    connection.execute(_TABLE)
    connection.execute(
        "INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles')"
    )
    styled = {row[0] for row in connection.execute("SELECT f_table_name FROM layer_styles")}
    connection.executemany(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, "
        "styleName, styleQML, useAsDefault) VALUES ('', '', ?, 'geom', ?, ?, 1)",
        [(table, table, layer_style(table)) for table in STYLED if table not in styled],
    )


def layer_style(table: str) -> str:
    """Return the style of one of `STYLED` as QML, with the vocabulary's colours and names.

    Widths and hatches are in mm on paper or screen, so that they print the same at every scale.
    """
    if table in CHANGE_GEOMETRY:
        return change_style(table)
    vocabulary = load_vocabulary()
    defect = {
        "loss_polygon": vocabulary.polygon_class,
        "crack_area": vocabulary.line_class,
        "crack_line": vocabulary.line_class,
        "island": vocabulary.line_class,
    }.get(table)
    template = files(__package__).joinpath("styles").joinpath(f"{table}.qml").read_text(encoding="utf-8")
    if defect is None:
        return template
    label = f"{defect.name_en} {defect.name_zh}"
    return Template(template).substitute(rgb=qgis_colour(defect.colour), label=label)
