"""The tables of the survey book, as data (DESIGN section 4, MEASUREMENT section 6).

Column names of feature layers are ASCII and at most 10 characters, so that they survive a shapefile.
Geometry is in the orthophotos' own coordinates; measures are SI.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "DEFECT_LAYERS",
    "LAYERS",
    "SCHEMA_VERSION",
    "STATUSES",
    "TABLES",
    "UNTOUCHED",
    "VERSION_KEY",
    "Layer",
    "Table",
]

SCHEMA_VERSION = 3
"""Raised with every change to tables and columns. 2: changes between surveys. 3: widths along crack lines."""

VERSION_KEY = "schema_version"
"""Where a book's version stands in ``book_info``."""

UNTOUCHED = "auto"
STATUSES = (UNTOUCHED, "edited", "verified", "drawn", "rejected")
"""``auto``: made by a run and replaced by its re-run; all others were touched by a person and stay.
``rejected`` is out of totals and exports."""


@dataclass(frozen=True)
class Table:
    """A table without geometry: its name and the SQL of its columns after ``fid``."""

    name: str
    columns: tuple[str, ...]

    @property
    def sql(self) -> str:
        """The columns, joined."""
        return ", ".join(self.columns)


@dataclass(frozen=True)
class Layer(Table):
    """A feature layer; ``fid`` and ``geom`` come first."""

    geometry_type: str


_WHOSE = ("elem_id TEXT", "surv_id TEXT", "orth_id TEXT")
_CLASS = ("class_cd TEXT",)
_STATE = (
    "conf REAL",
    "status TEXT",
    "editor TEXT",
    "edited_at DATETIME",
    "t_start DATE",
    "t_end DATE",
)
_UID = ("uid TEXT UNIQUE",)

DEFECT_LAYERS: tuple[Layer, ...] = (
    Layer("loss_polygon", (*_UID, *_WHOSE, *_CLASS, "area_m2 REAL", *_STATE), "POLYGON"),
    Layer(
        "crack_area", (*_UID, *_WHOSE, *_CLASS, "area_m2 REAL", "comp_id INTEGER", *_STATE), "MULTIPOLYGON"
    ),
    Layer(
        "crack_line",
        (
            *_UID,
            *_WHOSE,
            *_CLASS,
            "len_m REAL",
            "wid_m REAL",
            "wid50_m REAL",
            "wid95_m REAL",
            "widp_m REAL",
            "comp_id INTEGER",
            "node_a INTEGER",
            "node_b INTEGER",
            "at_limit INTEGER",
            *_STATE,
        ),
        "LINESTRING",
    ),
    Layer(
        "crack_node",
        (
            *_UID,
            *_WHOSE,
            *_CLASS,
            "node_id INTEGER",
            "kind TEXT",
            "degree INTEGER",
            "comp_id INTEGER",
            *_STATE,
        ),
        "POINT",
    ),
    Layer("island", (*_UID, *_WHOSE, *_CLASS, "area_m2 REAL", "comp_id INTEGER", *_STATE), "POLYGON"),
)
"""Layers that a run fills and a person corrects."""

LAYERS: tuple[Layer, ...] = (
    *DEFECT_LAYERS,
    Layer("element", ("elem_id TEXT NOT NULL UNIQUE",), "MULTIPOLYGON"),
    Layer(
        "assessed",
        ("surv_id TEXT", "orth_id TEXT UNIQUE", "area_m2 REAL", "t_start DATE", "t_end DATE"),
        "MULTIPOLYGON",
    ),
    Layer(
        "change_polygon",
        (
            *(*_UID, "elem_id TEXT", "pair_id TEXT", *_CLASS, "kind TEXT", "area_m2 REAL"),
            *("uid_a TEXT", "uid_b TEXT", "is_sure INTEGER", "t_start DATE", "t_end DATE"),
        ),
        "MULTIPOLYGON",
    ),
    Layer(
        "change_line",
        (
            *(*_UID, "elem_id TEXT", "pair_id TEXT", *_CLASS, "kind TEXT", "len_m REAL"),
            *("grow_m REAL", "wider_m REAL", "uid_a TEXT", "uid_b TEXT", "is_sure INTEGER"),
            *("t_start DATE", "t_end DATE"),
        ),
        "MULTILINESTRING",
    ),
)

TABLES: tuple[Table, ...] = (
    Table("book_info", ("key TEXT NOT NULL UNIQUE", "value TEXT")),
    Table(
        "survey",
        (
            "surv_id TEXT UNIQUE",
            "uid TEXT UNIQUE",
            "name TEXT NOT NULL UNIQUE",
            "date DATE NOT NULL",
            "created_at DATETIME",
        ),
    ),
    Table(
        "orthophoto",
        (
            "orth_id TEXT UNIQUE",
            "surv_id TEXT NOT NULL",
            "path TEXT NOT NULL",
            "sha256 TEXT NOT NULL",
            "width_px INTEGER",
            "height_px INTEGER",
            "gsd_mm REAL",
            "transform TEXT",
            "m_per_unit REAL",
            "model TEXT",
            "rasters TEXT",
            "run TEXT",
            "added_at DATETIME",
        ),
    ),
    Table(
        "defect_class",
        (
            "class_cd TEXT NOT NULL UNIQUE",
            "value INTEGER",
            "name_en TEXT",
            "name_zh TEXT",
            "geometry TEXT",
            "colour TEXT",
            "standard TEXT",
        ),
    ),
    Table(
        "element_stats",
        (
            "elem_id TEXT NOT NULL",
            "surv_id TEXT NOT NULL",
            "stat TEXT NOT NULL",
            "value REAL",
            "unit TEXT",
            "u95 REAL",
            "u_vec REAL",
            "u_scale REAL",
            "u_model REAL",
            "n INTEGER",
            "method_v TEXT",
            "stale INTEGER NOT NULL DEFAULT 0",
            "UNIQUE (surv_id, elem_id, stat)",
        ),
    ),
    Table(
        "change_pair",
        (
            "pair_id TEXT UNIQUE",
            "surv_a TEXT NOT NULL",
            "surv_b TEXT NOT NULL",
            "reg_sig_mm REAL",
            "eps_mm REAL",
            "method_v TEXT",
            "run TEXT",
            "created_at DATETIME",
        ),
    ),
    Table(
        "change_stats",
        (
            *("pair_id TEXT NOT NULL", "elem_id TEXT NOT NULL", "stat TEXT NOT NULL", "unit TEXT"),
            *("value_a REAL", "value_b REAL", "diff REAL", "per_year REAL"),
            *("u95_a REAL", "u95_b REAL", "u95_diff REAL", "terms TEXT", "smallest REAL", "verdict TEXT"),
            "stale INTEGER NOT NULL DEFAULT 0",
            "UNIQUE (pair_id, elem_id, stat)",
        ),
    ),
    Table(
        "edit_log",
        (
            "at DATETIME NOT NULL",
            "layer TEXT NOT NULL",
            "uid TEXT",
            "elem_id TEXT",
            "surv_id TEXT",
            "action TEXT NOT NULL",
            "old_status TEXT",
            "new_status TEXT",
        ),
    ),
)
