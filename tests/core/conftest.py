"""Fixtures for the statistics, the survey book and the exports: vector files and a book drawn by hand."""

from __future__ import annotations

import json
import sqlite3
import uuid
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely

from segmentation_core.progress import silent
from segmentation_core.statistics.elements import Elements
from segmentation_core.survey.entry import Entered, Entry, enter
from segmentation_core.survey.geopackage import register_functions
from segmentation_core.survey.surveys import OrthophotoRecord
from segmentation_core.vocabulary import load_vocabulary

BEAM_CRS = (
    'ENGCRS["Beam B-03 south face", EDATUM["local"], CS[Cartesian,2], AXIS["along (u)",east], '
    'AXIS["height (v)",north], LENGTHUNIT["metre",1]]'
)


@pytest.fixture
def beam_crs() -> str:
    """A local CRS in metres."""
    return BEAM_CRS


@pytest.fixture
def write_layer():
    """Return a function that writes (or appends) one layer with GDAL, as GeoPackage 1.2 or by suffix."""

    def write(
        path: Path, layer: str, geometries: list, kind: str, crs: str | None = None, /, **columns: list
    ) -> Path:
        path = Path(path)
        is_gpkg = path.suffix == ".gpkg"
        wkb = np.array([None if g is None else shapely.to_wkb(g) for g in geometries], dtype=object)
        data = [np.array(values, dtype=_dtype(values)) for values in columns.values()]
        masks = [
            None if values.dtype == object else np.array([v is None for v in column], dtype=bool)
            for values, column in zip(data, columns.values(), strict=True)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pyogrio.raw.write(
                path,
                wkb if kind else None,
                data,
                np.array(list(columns), dtype=object),
                field_mask=masks,
                layer=layer if is_gpkg else None,
                driver={".gpkg": "GPKG", ".geojson": "GeoJSON", ".shp": "ESRI Shapefile"}[path.suffix],
                geometry_type=kind or None,
                crs=crs,
                append=path.exists() and is_gpkg,
                **({"VERSION": "1.2"} if is_gpkg and not path.exists() else {}),
                **({"encoding": "UTF-8"} if path.suffix == ".shp" else {}),
            )
        return path

    return write


def _dtype(values: list) -> Any:
    present = [v for v in values if v is not None]
    if present and all(isinstance(v, int) for v in present) and len(present) == len(values):
        return np.int64
    if present and all(isinstance(v, int | float) for v in present):
        return np.float64
    return object


@pytest.fixture
def write_vectors(write_layer):
    """Return a function that writes what `vectorise` would: see the layers in its docstring."""

    def write(
        path: Path,
        *,
        assessed: Any,
        losses: list = (),
        areas: list = (),
        lines: list = (),
        crs: str | None = None,
        metres_per_unit: float = 1.0,
        with_nodes: bool = True,
    ) -> Path:
        """Losses are polygons; areas and lines are (geometry, comp_id)."""
        path = Path(path)
        path.unlink(missing_ok=True)
        vocabulary = load_vocabulary()
        crack, loss = vocabulary.line_class.code, vocabulary.polygon_class.code
        m = metres_per_unit

        def uids(layer: str, geometries: list) -> list[str]:
            return [str(uuid.uuid5(uuid.NAMESPACE_OID, layer + shapely.to_wkt(g))) for g in geometries]

        write_layer(
            path,
            "loss_polygon",
            list(losses),
            "Polygon",
            crs,
            uid=uids("loss", losses),
            class_cd=[loss] * len(losses),
            area_m2=[g.area * m * m for g in losses],
            conf=[0.9] * len(losses),
        )
        shapes = [shapely.MultiPolygon([g]) if g.geom_type == "Polygon" else g for g, _ in areas]
        write_layer(
            path,
            "crack_area",
            shapes,
            "MultiPolygon",
            crs,
            uid=uids("area", shapes),
            class_cd=[crack] * len(areas),
            area_m2=[g.area * m * m for g in shapes],
            conf=[0.8] * len(areas),
            comp_id=[c for _, c in areas],
        )
        geometries = [g for g, _ in lines]
        ends = [shapely.Point(p) for g in geometries for p in (g.coords[0], g.coords[-1])]
        points = list(dict.fromkeys(shapely.to_wkt(p, rounding_precision=9) for p in ends))
        number = {p: i + 1 for i, p in enumerate(points)}
        ids = [number[shapely.to_wkt(p, rounding_precision=9)] for p in ends]
        write_layer(
            path,
            "crack_line",
            geometries,
            "LineString",
            crs,
            uid=uids("line", geometries),
            class_cd=[crack] * len(lines),
            len_m=[g.length * m for g in geometries],
            wid_m=[0.001] * len(lines),
            wid50_m=[0.001] * len(lines),
            wid95_m=[0.001] * len(lines),
            widp_m=[0.001] * len(lines),
            conf=[0.8] * len(lines),
            comp_id=[c for _, c in lines],
            node_a=ids[::2],
            node_b=ids[1::2],
            at_limit=[0] * len(lines),
        )
        shown = [shapely.from_wkt(p) for p in points] if with_nodes else []
        write_layer(
            path,
            "crack_node",
            shown,
            "Point",
            crs,
            uid=uids("node", shown),
            class_cd=[crack] * len(shown),
            node_id=[number[p] for p in points] if with_nodes else [],
            kind=["E" if shapely.touches(p, assessed) else "I" for p in shown],
            degree=[1] * len(shown),
            comp_id=[0] * len(shown),
        )
        write_layer(path, "assessed", [assessed], assessed.geom_type, crs, area_m2=[assessed.area * m * m])
        run = {"metres_per_unit": m, "gsd_mm": 10 * m, "method_version": "hand"}  # pixels of 0.01 units
        write_layer(path, "run", [], "", key=list(run), value=[json.dumps(v) for v in run.values()])
        return path

    return write


GROUND = shapely.box(0, 0, 10, 4)
LOSSES = [shapely.box(1, 1, 2, 2), shapely.box(4, 1, 6, 2)]
LINES = [
    (shapely.LineString([(0.5, 3), (5, 3)]), 7),
    (shapely.LineString([(5, 3), (9.5, 3)]), 7),
    (shapely.LineString([(1, 0.5), (3, 0.5)]), 9),
]
AREAS = [(shapely.box(0.5, 2.95, 9.5, 3.05), 7), (shapely.box(1, 0.45, 3, 0.55), 9)]


@pytest.fixture
def halves() -> Elements:
    """Two elements that part the ground."""
    return Elements(("A", "B"), np.array([shapely.box(0, 0, 5, 4), shapely.box(5, 0, 10, 4)], dtype=object))


@pytest.fixture
def beam_vectors(tmp_path, write_vectors, beam_crs) -> Path:
    """Two losses, three lines of two cracks, their areas."""
    return write_vectors(
        tmp_path / "v.gpkg", assessed=GROUND, losses=LOSSES, areas=AREAS, lines=LINES, crs=beam_crs
    )


@pytest.fixture
def enter_beam(tmp_path, beam_vectors, beam_crs) -> Callable[..., Entered]:
    """Return a function that enters vectors into the book ``tmp_path/B.gpkg``."""

    def run(
        *,
        book: Path = tmp_path / "B.gpkg",
        name: str = "first",
        date: str = "2024-05-01",
        path: str = "/photos/a.tif",
        sha256: str = "a" * 64,
        vectors: Path = beam_vectors,
        elements: Elements | None = None,
        excluded: Any = None,
        crs_wkt: str | None = beam_crs,
        metres_per_unit: float = 1.0,
        transform: tuple[float, ...] = (0.01, 0.0, 0.0, 0.0, -0.01, 4.0),
        progress: Any = silent,
    ) -> Entered:
        record = OrthophotoRecord(path, sha256, 1000, 400, 10.0, transform, metres_per_unit, run={})
        entry = Entry(name, date, record, crs_wkt, vectors, elements, Path("e.gpkg"), excluded)
        return enter(book, entry, progress)

    return run


@pytest.fixture
def book(tmp_path) -> Path:
    """Where `enter_beam` puts the book."""
    return tmp_path / "B.gpkg"


@pytest.fixture
def sql(book):
    """Return a function that runs SQL on the book as another program would, with GDAL's functions."""

    def run(statement: str, *parameters: Any) -> list[tuple]:
        with closing(sqlite3.connect(book)) as connection:
            register_functions(connection)
            rows = connection.execute(statement, parameters).fetchall()
            connection.commit()
        return rows

    return run
