"""Finished components to rows of the layers."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.raster.grid import Grid
from segmentation_core.raster.probability import PROBABILITY_SCALE
from segmentation_core.vectors.crack_lines import CrackLines, crack_lines
from segmentation_core.vectors.polygons import closed_rings, multipolygons, polygons
from segmentation_core.vectors.regions import PIECE
from segmentation_core.vectors.settings import LATTICE_PX, VectorSettings
from segmentation_core.vectors.stitching import Tables
from segmentation_core.vocabulary import load_vocabulary

__all__ = [
    "Features",
    "Place",
    "component_figures",
    "crack_area_features",
    "crack_features",
    "feature_uids",
    "island_features",
    "line_features",
    "loss_features",
    "valid_features",
]

_NAMESPACE = uuid.UUID("7b0d2c1e-9a54-5f0e-8f0a-5f3f2f6f8a11").bytes
_RESOLUTION_LIMIT_PX = 2.0


@dataclass(frozen=True)
class Place:
    """What all features of a run have in common."""

    grid: Grid
    has_probabilities: bool
    settings: VectorSettings


@dataclass(frozen=True)
class Features:
    """Rows of some layers, and what they add to the totals.

    Attributes
    ----------
    layers : dict of str to dict of str to ndarray
        Layer to column to values; ``geometry`` holds WKB. NaN in a column of floats is NULL.
    figures : dict of str to float
        Areas in pixels, lengths in m, and counts.
    renamed : dict of int to int
        Components that have turned out to be parts of others: the ``comp_id`` that rows of earlier features
        bear, and the one that they must.
    """

    layers: dict[str, dict[str, NDArray[Any]]]
    figures: dict[str, float]
    renamed: dict[int, int] = field(default_factory=dict)


def loss_features(tables: Tables, place: Place) -> Features:
    """Return the polygons of the polygon class, without units under the minimum mapping unit."""
    units, unit = np.unique(tables.pieces["unit"], return_inverse=True)
    sizes = np.bincount(unit, tables.pieces["area_px"], minlength=units.size)
    small = units[sizes < place.settings.min_loss_px]
    pieces, corners = _ordered(_kept(tables.pieces, small), _kept(tables.corners, small))
    shapes = polygons(closed_rings(corners), place.grid.affine)
    geometry = shapely.to_wkb(shapes)
    layer = {
        "geometry": geometry,
        "uid": feature_uids("loss_polygon", geometry),
        "class_cd": _repeated(load_vocabulary().polygon_class.code, pieces.size),
        "area_m2": pieces["area_px"] * place.grid.pixel_area_m2,
        "conf": _confidence(pieces["sum"], pieces["area_px"], place),
    }
    return Features(
        {"loss_polygon": layer},
        {
            "loss_count": pieces.size,
            "loss_px": int(pieces["area_px"].sum()),
            "loss_dropped_count": small.size,
            "loss_dropped_px": int(sizes[sizes < place.settings.min_loss_px].sum()),
        },
    )


def valid_features(tables: Tables, place: Place) -> Features:
    """Return the polygons of the valid pixels."""
    pieces, corners = _ordered(tables.pieces, tables.corners)
    shapes = polygons(closed_rings(corners), place.grid.affine)
    layer = {"geometry": shapely.to_wkb(shapes), "area_m2": pieces["area_px"] * place.grid.pixel_area_m2}
    return Features({"assessed": layer}, {"assessed_px": int(pieces["area_px"].sum())})


def island_features(tables: Tables, place: Place) -> Features:
    """Return the islands: what cracks enclose.

    One at nodata or at the raster's border is only counted. So is a speck below the minimum mapping unit:
    where cracks meet at a sharp angle, the corner between them falls apart into pixels.
    """
    units, unit = np.unique(tables.pieces["unit"], return_inverse=True)
    sizes = np.bincount(unit, tables.pieces["area_px"], minlength=units.size)
    is_cut = np.bincount(unit, tables.pieces["wide_px"], minlength=units.size) > 0
    is_speck = ~is_cut & (sizes < place.settings.min_loss_px)
    left_out = units[is_cut | is_speck]
    pieces, corners = _ordered(_kept(tables.pieces, left_out), _kept(tables.corners, left_out))
    geometry = shapely.to_wkb(polygons(closed_rings(corners), place.grid.affine))
    layer = {
        "geometry": geometry,
        "uid": feature_uids("island", geometry),
        "class_cd": _repeated(load_vocabulary().line_class.code, pieces.size),
        "area_m2": pieces["area_px"] * place.grid.pixel_area_m2,
    }
    return Features(
        {"island": layer},
        {
            "island_count": pieces.size,
            "cut_island_count": int(is_cut.sum()),
            "cut_island_px": int(sizes[is_cut].sum()),
            "island_speck_count": int(is_speck.sum()),
            "island_speck_px": int(sizes[is_speck].sum()),
        },
    )


def crack_features(tables: Tables, place: Place) -> Features:
    """Return areas, lines and nodes of complete components of the line class."""
    lines, _ = line_features(tables.pixels, None, place)
    areas = crack_area_features(tables, place)
    components = lines.layers["crack_line"]["comp_id"]
    return Features(
        {**areas.layers, **lines.layers},
        {**areas.figures, **lines.figures, **component_figures(tables.pieces, components)},
    )


def component_figures(pieces: NDArray[Any], lined: NDArray[np.int64]) -> dict[str, float]:
    """Return counts of complete components of the line class.

    Parameters
    ----------
    pieces : ndarray of PIECE
        All of theirs.
    lined : ndarray of int64
        The components that have lines, each at least once.
    """
    units, unit = np.unique(pieces["unit"], return_inverse=True)
    sizes, wide = (np.bincount(unit, pieces[name], minlength=units.size) for name in ("area_px", "wide_px"))
    has_line = np.isin(units, lined)
    lineless = ~has_line & (wide == 0)
    return {
        "crack_count": int(has_line.sum()),
        "too_wide_count": int((wide > 0).sum()),
        "lineless_count": int(lineless.sum()),
        "lineless_px": int(sizes[lineless].sum()),
    }


def line_features(pixels: NDArray[Any], edge_row: int | None, place: Place) -> tuple[Features, NDArray[Any]]:
    """Return the lines and nodes that are final, and the pixels that the others need; see `crack_lines`."""
    lines, carried = crack_lines(pixels, place.grid, place.settings, edge_row)
    layers = {"crack_line": _line_layer(lines, place), "crack_node": _node_layer(lines)}
    return Features(layers, {"crack_m": float(lines.lengths_m.sum())}), carried


def crack_area_features(tables: Tables, place: Place) -> Features:
    """Return the areas of complete components of the line class, or of those in some rows of the lattice."""
    return Features(
        {"crack_area": _crack_areas(tables, place)},
        {
            "crack_px": int(tables.pieces["area_px"].sum()),
            "too_wide_px": int(tables.pieces["wide_px"].sum()),
        },
    )


def _crack_areas(tables: Tables, place: Place) -> dict[str, NDArray[Any]]:
    pieces, corners = _ordered(tables.pieces, tables.corners, place.grid.width)
    cells = np.column_stack([pieces["unit"], *_cell(pieces["first"], place.grid.width)])
    starts = (
        np.flatnonzero(np.append(True, (cells[1:] != cells[:-1]).any(axis=1)))
        if pieces.size
        else np.zeros(0, int)
    )
    shapes = multipolygons(closed_rings(corners), np.append(starts, pieces.size), place.grid.affine)
    geometry = shapely.to_wkb(shapes)
    areas, sums = (
        np.add.reduceat(pieces[name], starts) if starts.size else np.zeros(0, np.int64)
        for name in ("area_px", "sum")
    )
    return {
        "geometry": geometry,
        "uid": feature_uids("crack_area", geometry),
        "class_cd": _repeated(load_vocabulary().line_class.code, starts.size),
        "area_m2": areas * place.grid.pixel_area_m2,
        "conf": _confidence(sums, areas, place),
        "comp_id": pieces["unit"][starts],
    }


def _line_layer(lines: CrackLines, place: Place) -> dict[str, NDArray[Any]]:
    profiles = lines.profiles
    widths_m = lines.areas_px * place.grid.pixel_area_m2 / lines.lengths_m
    # Of a line shorter than its crack is wide, area over length says nothing; the circle in the crack does.
    short = lines.lengths_m < widths_m
    widths_m[short] = np.minimum(widths_m, profiles.widest_m)[short]
    return {
        "geometry": lines.wkb,
        "uid": feature_uids("crack_line", lines.wkb),
        "class_cd": _repeated(load_vocabulary().line_class.code, lines.wkb.size),
        "len_m": lines.lengths_m,
        "wid_m": widths_m,
        # A line too short for a profile has its mean width.
        "wid50_m": np.where(np.isnan(profiles.medians_m), widths_m, profiles.medians_m),
        "wid95_m": np.where(np.isnan(profiles.wide_m), widths_m, profiles.wide_m),
        "widp_m": profiles.by_probability_m,
        "conf": _confidence(lines.sums, lines.areas_px, place),
        "comp_id": lines.components,
        "node_a": lines.node_ids[:, 0],
        "node_b": lines.node_ids[:, 1],
        "at_limit": (widths_m < _RESOLUTION_LIMIT_PX * place.grid.gsd_mm / 1000).astype(np.int32),
        "bridged": np.zeros(lines.wkb.size, np.int32),
    }


def _node_layer(lines: CrackLines) -> dict[str, NDArray[Any]]:
    nodes = lines.nodes
    return {
        "geometry": nodes.wkb,
        "uid": feature_uids("crack_node", nodes.wkb),
        "class_cd": _repeated(load_vocabulary().line_class.code, nodes.wkb.size),
        "node_id": nodes.ids,
        "kind": nodes.kinds,
        "degree": nodes.degrees.astype(np.int32),
        "comp_id": nodes.components,
    }


def _kept(table: NDArray[Any], dropped: NDArray[np.int64]) -> NDArray[Any]:
    if not dropped.size:
        return table
    return table[~np.isin(table["unit"], dropped)]


def _cell(firsts: NDArray[np.int64], raster_width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows, cols = np.divmod(firsts, raster_width)
    return rows // LATTICE_PX, cols // LATTICE_PX


def _ordered(
    parts: NDArray[Any], corners: NDArray[Any], raster_width: int | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return whole pieces, and corners with the pieces numbered from 0 in their order.

    Parameters
    ----------
    parts : ndarray of PIECE
        One row per tile and piece.
    corners : ndarray of CORNER
    raster_width : int or None
        Given, pieces are ordered by unit and lattice cell, else by unit; then by first pixel.
    """
    numbers, number = np.unique(parts["piece"], return_inverse=True)
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(numbers.size))
    whole = np.zeros(numbers.size, PIECE)
    if numbers.size:
        for name, merge in (
            ("unit", np.minimum),
            ("first", np.minimum),
            ("area_px", np.add),
            ("sum", np.add),
        ):
            whole[name] = merge.reduceat(parts[name][order], starts)
    keys: tuple[NDArray[np.int64], ...] = (whole["first"], whole["unit"])
    if raster_width is not None:
        cell_row, cell_col = _cell(whole["first"], raster_width)
        keys = (whole["first"], cell_col, cell_row, whole["unit"])
    by_place = np.lexsort(keys)
    rank = np.empty(numbers.size, np.int64)
    rank[by_place] = np.arange(numbers.size)
    renumbered = corners.copy()
    renumbered["piece"] = rank[np.searchsorted(numbers, corners["piece"])]
    return whole[by_place], renumbered


def _confidence(sums: NDArray[Any], areas: NDArray[Any], place: Place) -> NDArray[np.float64]:
    """Return mean probabilities; NaN (NULL) where there are none."""
    if not place.has_probabilities:
        return np.full(areas.size, np.nan)
    return np.asarray(sums / (areas * float(PROBABILITY_SCALE)))


def _repeated(text: str, count: int) -> NDArray[Any]:
    return np.full(count, text, object)


def feature_uids(layer: str, wkb: NDArray[Any]) -> NDArray[Any]:
    """Return names that the same geometry in the same layer always gets (UUID version 5)."""
    prefix = hashlib.sha1(_NAMESPACE + layer.encode(), usedforsecurity=False)
    uids = np.empty(wkb.size, object)
    for place, geometry in enumerate(wkb.tolist()):
        hashed = prefix.copy()
        hashed.update(geometry)
        digits = bytearray(hashed.digest()[:16])
        digits[6], digits[8] = digits[6] & 0x0F | 0x50, digits[8] & 0x3F | 0x80  # version and variant
        text = digits.hex()
        uids[place] = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    return uids
