"""GeoPackage 1.2 (OGC 12-128r14) written with SQLite alone, so that one transaction holds everything.

GDAL cannot put several layers, tables and triggers into one transaction together with our own SQL;
SQLite can. What is written here is what GDAL 3.6 and QGIS 3.22 read without remarks.
"""

from __future__ import annotations

import math
import sqlite3
import struct
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError as ProjError

from segmentation_core.statistics.features import wkb_of

__all__ = [
    "APPLICATION_ID",
    "UNDEFINED_SRS",
    "add_crs",
    "add_features_table",
    "add_plain_table",
    "create_container",
    "crs_of",
    "encode",
    "refresh_contents",
    "register_functions",
    "run_statements",
]

APPLICATION_ID = 0x47504B47
"""``GPKG``."""

_VERSION = 10200
UNDEFINED_SRS = -1
"""srs_id of "undefined Cartesian", for a book without CRS."""

_FIRST_OWN_SRS = 100_000
_POINT = 0

_CONTAINER = """
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY,
  organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL,
  description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL,
  identifier TEXT UNIQUE, description TEXT DEFAULT '',
  last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
  CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
  geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
  CONSTRAINT uk_gc_table_name UNIQUE (table_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL,
  definition TEXT NOT NULL, scope TEXT NOT NULL,
  CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));
"""

_WGS84 = CRS.from_epsg(4326).to_wkt("WKT1_GDAL")

_REQUIRED_SRS = (
    (
        "Undefined Cartesian SRS",
        -1,
        "NONE",
        -1,
        "undefined",
        "undefined Cartesian coordinate reference system",
    ),
    (
        "Undefined geographic SRS",
        0,
        "NONE",
        0,
        "undefined",
        "undefined geographic coordinate reference system",
    ),
    ("WGS 84 geodetic", 4326, "EPSG", 4326, _WGS84, "longitude/latitude on the WGS 84 spheroid"),
)

_RTREE_TRIGGERS = """
CREATE TRIGGER rtree_{t}_geom_insert AFTER INSERT ON {t}
  WHEN (new.geom NOT NULL AND NOT ST_IsEmpty(NEW.geom))
  BEGIN INSERT OR REPLACE INTO rtree_{t}_geom VALUES
    (NEW.fid, ST_MinX(NEW.geom), ST_MaxX(NEW.geom), ST_MinY(NEW.geom), ST_MaxY(NEW.geom)); END;
CREATE TRIGGER rtree_{t}_geom_update1 AFTER UPDATE OF geom ON {t}
  WHEN OLD.fid = NEW.fid AND (NEW.geom NOTNULL AND NOT ST_IsEmpty(NEW.geom))
  BEGIN INSERT OR REPLACE INTO rtree_{t}_geom VALUES
    (NEW.fid, ST_MinX(NEW.geom), ST_MaxX(NEW.geom), ST_MinY(NEW.geom), ST_MaxY(NEW.geom)); END;
CREATE TRIGGER rtree_{t}_geom_update2 AFTER UPDATE OF geom ON {t}
  WHEN OLD.fid = NEW.fid AND (NEW.geom ISNULL OR ST_IsEmpty(NEW.geom))
  BEGIN DELETE FROM rtree_{t}_geom WHERE id = OLD.fid; END;
CREATE TRIGGER rtree_{t}_geom_update3 AFTER UPDATE ON {t}
  WHEN OLD.fid != NEW.fid AND (NEW.geom NOTNULL AND NOT ST_IsEmpty(NEW.geom))
  BEGIN DELETE FROM rtree_{t}_geom WHERE id = OLD.fid;
    INSERT OR REPLACE INTO rtree_{t}_geom VALUES
    (NEW.fid, ST_MinX(NEW.geom), ST_MaxX(NEW.geom), ST_MinY(NEW.geom), ST_MaxY(NEW.geom)); END;
CREATE TRIGGER rtree_{t}_geom_update4 AFTER UPDATE ON {t}
  WHEN OLD.fid != NEW.fid AND (NEW.geom ISNULL OR ST_IsEmpty(NEW.geom))
  BEGIN DELETE FROM rtree_{t}_geom WHERE id IN (OLD.fid, NEW.fid); END;
CREATE TRIGGER rtree_{t}_geom_delete AFTER DELETE ON {t} WHEN old.geom NOT NULL
  BEGIN DELETE FROM rtree_{t}_geom WHERE id = OLD.fid; END;
"""


def create_container(connection: sqlite3.Connection) -> None:
    """Make an empty database an empty GeoPackage."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {_VERSION}")
    run_statements(connection, _CONTAINER)
    connection.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?,?,?,?,?,?)", _REQUIRED_SRS)


def add_crs(connection: sqlite3.Connection, crs_wkt: str | None) -> int:
    """Register a CRS and return its srs_id; None is "undefined Cartesian"."""
    if crs_wkt is None:
        return UNDEFINED_SRS
    crs = CRS.from_wkt(crs_wkt)
    epsg = crs.to_epsg(min_confidence=100)
    srs_id, organization = (_FIRST_OWN_SRS, "NONE") if epsg is None else (epsg, "EPSG")
    try:
        definition = crs.to_wkt("WKT1_GDAL")
    except ProjError:  # a CRS that WKT 1 cannot say; GDAL reads WKT 2 in its place
        definition = crs.to_wkt("WKT2_2019")
    connection.execute(
        "INSERT OR REPLACE INTO gpkg_spatial_ref_sys VALUES (?,?,?,?,?,NULL)",
        (crs.name, srs_id, organization, srs_id, definition),
    )
    return srs_id


def crs_of(connection: sqlite3.Connection, table: str) -> tuple[int, str | None]:
    """Return a layer's srs_id and its CRS as WKT (None: undefined)."""
    srs_id, definition = connection.execute(
        "SELECT srs_id, definition FROM gpkg_geometry_columns JOIN gpkg_spatial_ref_sys USING (srs_id) "
        "WHERE table_name = ?",
        (table,),
    ).fetchone()
    return int(srs_id), None if definition == "undefined" else str(definition)


def add_features_table(
    connection: sqlite3.Connection, table: str, geometry_type: str, columns: str, srs_id: int
) -> None:
    """Create a feature layer with its spatial index.

    Parameters
    ----------
    columns : str
        SQL of the columns after ``fid`` and ``geom``.
    """
    connection.execute(
        f"CREATE TABLE {table} (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "
        f"geom {geometry_type}, {columns})"
    )
    connection.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES (?, 'features', ?, ?)",
        (table, table, srs_id),
    )
    connection.execute(
        "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?, ?, 0, 0)", (table, geometry_type, srs_id)
    )
    connection.execute(
        "INSERT INTO gpkg_extensions VALUES (?, 'geom', 'gpkg_rtree_index', "
        "'http://www.geopackage.org/spec120/#extension_rtree', 'write-only')",
        (table,),
    )
    connection.execute(f"CREATE VIRTUAL TABLE rtree_{table}_geom USING rtree(id, minx, maxx, miny, maxy)")
    run_statements(connection, _RTREE_TRIGGERS.format(t=table))


def add_plain_table(connection: sqlite3.Connection, table: str, columns: str) -> None:
    """Create a table without geometry; ``columns`` is the SQL of those after ``fid``."""
    connection.execute(f"CREATE TABLE {table} (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, {columns})")
    connection.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES (?, 'attributes', ?)",
        (table, table),
    )


def run_statements(connection: sqlite3.Connection, script: str) -> None:
    """Run SQL statements one by one; unlike ``executescript`` this does not end a transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def refresh_contents(connection: sqlite3.Connection) -> None:
    """Bring every layer's extent and time of last change up to date."""
    layers = connection.execute("SELECT table_name FROM gpkg_geometry_columns").fetchall()
    for (table,) in layers:
        extent = connection.execute(
            f"SELECT min(minx), min(miny), max(maxx), max(maxy) FROM rtree_{table}_geom"
        ).fetchone()
        connection.execute(
            "UPDATE gpkg_contents SET min_x=?, min_y=?, max_x=?, max_y=? WHERE table_name=?", (*extent, table)
        )
    connection.execute("UPDATE gpkg_contents SET last_change = strftime('%Y-%m-%dT%H:%M:%fZ','now')")


def encode(geometries: NDArray[np.object_], srs_id: int) -> list[bytes]:
    """Return GeoPackage geometries: little endian, with an envelope except on points."""
    bounds = shapely.bounds(geometries)
    is_point = shapely.get_type_id(geometries) == _POINT
    plain = struct.pack("<2sBBi", b"GP", 0, 1, srs_id)
    boxed = struct.pack("<2sBBi", b"GP", 0, 3, srs_id)
    return [
        plain + wkb if point else boxed + struct.pack("<4d", box[0], box[2], box[1], box[3]) + wkb
        for wkb, box, point in zip(
            shapely.to_wkb(geometries, byte_order=1), bounds.tolist(), is_point.tolist(), strict=True
        )
    ]


def register_functions(connection: sqlite3.Connection) -> None:
    """Register the functions that the triggers of spatial indexes call; GDAL registers its own."""
    connection.create_function("ST_IsEmpty", 1, _is_empty, deterministic=True)
    for index, name in enumerate(("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY")):
        connection.create_function(name, 1, _bound_function(index), deterministic=True)


def _is_empty(blob: bytes | None) -> int | None:
    return None if blob is None else int(bool(blob[3] & 0x10) or _bounds(blob) is None)


def _bound_function(index: int) -> Any:
    def bound(blob: bytes | None) -> float | None:
        bounds = None if blob is None else _bounds(blob)
        return None if bounds is None else bounds[index]

    return bound


def _bounds(blob: bytes) -> tuple[float, float, float, float] | None:
    """Return (min x, max x, min y, max y), None for an empty geometry."""
    order = "<" if blob[3] & 1 else ">"
    if blob[3] >> 1 & 7:
        min_x, max_x, min_y, max_y = struct.unpack_from(f"{order}4d", blob, 8)
        return None if math.isnan(min_x) else (min_x, max_x, min_y, max_y)
    wkb = wkb_of(blob)
    if len(wkb) == 21:  # a two-dimensional point
        x, y = struct.unpack_from("<2d" if wkb[0] else ">2d", wkb, 5)
        return None if math.isnan(x) else (x, x, y, y)
    min_x, min_y, max_x, max_y = shapely.from_wkb(wkb).bounds or (math.nan,) * 4
    return None if math.isnan(min_x) else (min_x, max_x, min_y, max_y)
