"""Polygons that a person drew, read from any file OGR knows: elements, excluded areas.

Nothing is guessed and nothing dropped in silence: what cannot be used is refused by name, what was
repaired or reprojected is told in a note.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError as ProjCrsError
from pyproj.exceptions import ProjError

from segmentation_core.errors import CrsError, ElementsError
from segmentation_core.raster.georeference import same_crs

__all__ = ["Outlines", "known_crs", "named", "polygon_parts", "read_layer_crs", "read_outlines"]

_POLYGON_TYPES = (3, 6)
_NAMED_AT_MOST = 5


@dataclass(frozen=True)
class Outlines:
    """Valid polygons in the target CRS.

    Attributes
    ----------
    geometries : ndarray of shapely (Multi)Polygon
        Two-dimensional, valid, not empty.
    labels : tuple of str
        What names each one: the id field's value, or ``feature <fid>``.
    values : tuple
        Raw values of the id field; empty without one.
    notes : tuple of str
        Repairs, reprojection, the layer that was chosen.
    """

    geometries: NDArray[np.object_]
    labels: tuple[str, ...]
    values: tuple[Any, ...]
    notes: tuple[str, ...]


def read_outlines(path: Path, id_field: str | None, target_crs_wkt: str | None) -> Outlines:
    """Read the polygons of a file.

    Parameters
    ----------
    path : Path
        Any vector file that OGR reads. Of several layers the first one with polygons (and the id
        field) is taken, and noted.
    id_field : str or None
        Field that names the outlines; None where they need no names.
    target_crs_wkt : str or None
        CRS of the raster; None for one without.

    Raises
    ------
    ElementsError
        Not a vector file, no polygons, missing id field, null or empty or non-polygon geometry.
    CrsError
        The file's CRS cannot be brought to the raster's.
    """
    layer, layer_note = _choose_layer(path, id_field)
    meta, geometries, labels, values = _read(path, layer, id_field)
    _refuse_missing(path, geometries, labels)
    geometries, crs_note = _reprojected(
        path, shapely.force_2d(geometries), known_crs(meta["crs"]), target_crs_wkt
    )
    geometries, repair_notes = _repaired(path, geometries, labels)
    notes = tuple(note for note in (layer_note, crs_note, *repair_notes) if note)
    return Outlines(geometries, labels, values, notes)


def read_layer_crs(path: Path, layer: str) -> str | None:
    """Return the WKT of a layer's CRS, None where it has none ("undefined" counts as none)."""
    return known_crs(pyogrio.read_info(path, layer=layer)["crs"])


def named(labels: list[str]) -> str:
    """Return a short list for a message.

    Examples
    --------
    >>> named(["a", "b", "c", "d", "e", "f", "g"])
    'a, b, c, d, e and 2 more'
    """
    more = len(labels) - _NAMED_AT_MOST
    return ", ".join(labels[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def polygon_parts(geometry: Any) -> Any:
    """Return the polygons of a geometry as one (Multi)Polygon; lines and points are left out."""
    if shapely.get_type_id(geometry) in _POLYGON_TYPES:
        return geometry
    parts = shapely.get_parts(shapely.get_parts(geometry))
    parts = parts[(shapely.get_type_id(parts) == _POLYGON_TYPES[0]) & ~shapely.is_empty(parts)]
    if len(parts) == 0:
        return shapely.MultiPolygon()
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def _choose_layer(path: Path, id_field: str | None) -> tuple[str, str | None]:
    if not path.exists():
        raise ElementsError("no such file", path=path, remedy="Check the path")
    layers = _layers(path)
    if len(layers) == 1:
        return str(layers[0][0]), None
    with_polygons = [name for name, kind in layers if kind is not None and "Polygon" in kind]
    for name in with_polygons:
        if id_field is None or id_field in _fields(path, name):
            return name, f"{path.name}: layer {name!r} was used, of {named([str(n) for n, _ in layers])}"
    if not with_polygons:
        raise ElementsError("no layer with polygons", path=path, remedy="Pick a file with polygons")
    fields = sorted({field for name in with_polygons for field in _fields(path, name)})
    raise ElementsError(
        f"no polygon layer has a field {id_field!r}", path=path, remedy=f"The fields are {named(fields)}"
    )


def _layers(path: Path) -> list[tuple[str, str | None]]:
    try:
        layers = [(str(name), kind) for name, kind in pyogrio.list_layers(path)]
    except (DataSourceError, DataLayerError) as exc:
        raise ElementsError(
            "not a vector file", path=path, remedy="Give a GeoPackage, shapefile or other layer of polygons"
        ) from exc
    if not layers:
        raise ElementsError("the file has no layers", path=path, remedy="Pick a file with polygons")
    return [layer for layer in layers if layer[0] != "layer_styles"] or layers


def _fields(path: Path, layer: str) -> list[str]:
    info = pyogrio.read_info(path, layer=layer)
    fid = info.get("fid_column") or ""
    return [str(field) for field in info["fields"]] + ([fid] if fid else [])


def _read(
    path: Path, layer: str, id_field: str | None
) -> tuple[dict[str, Any], NDArray[np.object_], tuple[str, ...], tuple[Any, ...]]:
    fields = _fields(path, layer)
    if id_field is not None and id_field not in fields:
        raise ElementsError(
            f"there is no field {id_field!r}", path=path, remedy=f"The fields are {named(fields) or '(none)'}"
        )
    by_fid = id_field is not None and id_field not in pyogrio.read_info(path, layer=layer)["fields"]
    columns = [id_field] if id_field is not None and not by_fid else []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # OGR's remarks on M values and ring order: we check ourselves
            meta, fids, wkb, values = pyogrio.raw.read(path, layer=layer, columns=columns, return_fids=True)
    except (DataSourceError, DataLayerError) as exc:
        raise ElementsError("the file cannot be read", path=path, remedy="Save the layer again") from exc
    if wkb is None or len(wkb) == 0:
        raise ElementsError("the layer has no features", path=path, remedy="Draw at least one polygon")
    geometries = np.asarray(shapely.from_wkb(wkb), dtype=object)
    names = list(fids) if by_fid else list(values[0]) if columns else []
    labels = [str(name) for name in names] if names else [f"feature {fid}" for fid in fids]
    return meta, geometries, tuple(labels), tuple(names)


def _refuse_missing(path: Path, geometries: NDArray[np.object_], labels: tuple[str, ...]) -> None:
    missing = shapely.is_missing(geometries) | shapely.is_empty(geometries)
    if missing.any():
        culprits = [label for label, bad in zip(labels, missing, strict=True) if bad]
        raise ElementsError(
            f"no geometry for {named(culprits)}", path=path, remedy="Draw the outline, or delete the row"
        )
    wrong = ~np.isin(shapely.get_type_id(geometries), _POLYGON_TYPES)
    if wrong.any():
        culprits = [label for label, bad in zip(labels, wrong, strict=True) if bad]
        raise ElementsError(
            f"not a polygon ({geometries[wrong][0].geom_type}): {named(culprits)}",
            path=path,
            remedy="Use a layer of polygons",
        )


def known_crs(crs: str | None) -> str | None:
    """Return WKT, or None for no CRS and for GeoPackage's and GDAL's names of "undefined"."""
    if not crs:
        return None
    parsed = CRS.from_user_input(crs)
    if parsed.name.lower().startswith(("undefined", "unknown engineering")):
        return None
    return str(parsed.to_wkt())


def _reprojected(
    path: Path, geometries: NDArray[np.object_], source: str | None, target: str | None
) -> tuple[NDArray[np.object_], str | None]:
    if same_crs(source, target):
        return geometries, None
    if source is None:
        raise CrsError(
            "the layer has no CRS, the raster has one",
            path=path,
            remedy="Assign the raster's CRS to the layer",
        )
    source_name = CRS.from_wkt(source).name
    if target is None:
        raise CrsError(
            f"the layer has a CRS ({source_name}), the raster has none",
            path=path,
            remedy="Draw the outlines over the raster in a GeoPackage layer without CRS",
        )
    target_name = CRS.from_wkt(target).name
    try:
        transformer = Transformer.from_crs(source, target, always_xy=True, allow_ballpark=False)
        moved = shapely.transform(
            geometries, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))
        )
    except (ProjError, ProjCrsError) as exc:
        raise _no_way(path, source_name, target_name) from exc
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        raise _no_way(path, source_name, target_name)
    return moved, f"{path.name}: reprojected from {source_name} to {target_name}"


def _no_way(path: Path, source_name: str, target_name: str) -> CrsError:
    return CrsError(
        f"there is no transformation from the layer's CRS ({source_name}) to the raster's ({target_name})",
        path=path,
        remedy="Save the layer in the raster's CRS, as a GeoPackage (GeoJSON cannot carry a local CRS)",
    )


def _repaired(
    path: Path, geometries: NDArray[np.object_], labels: tuple[str, ...]
) -> tuple[NDArray[np.object_], list[str]]:
    notes = []
    repaired = geometries.copy()
    for index in np.flatnonzero(~shapely.is_valid(geometries)):
        reason = shapely.is_valid_reason(geometries[index]).split("[")[0].strip().lower()
        repaired[index] = polygon_parts(shapely.make_valid(geometries[index]))
        if shapely.is_empty(repaired[index]):
            raise ElementsError(
                f"the outline of {labels[index]} is invalid ({reason}) and encloses no area",
                path=path,
                remedy="Draw it again",
            )
        notes.append(f"{path.name}: the outline of {labels[index]} was invalid ({reason}) and was repaired")
    return repaired, notes
