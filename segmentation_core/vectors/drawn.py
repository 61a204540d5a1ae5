"""Drawn lines as a file of vectors, so that they are measured on the same path as a run's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from segmentation_core.vectors.features import feature_uids
from segmentation_core.vectors.geopackage import VectorWriter
from segmentation_core.vectors.noding import Network
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["write_network"]


def write_network(
    path: Path, network: Network, ground: Any, crs_wkt: str | None, run: Mapping[str, Any]
) -> None:
    """Write a network as `vectorise` writes its lines.

    Parameters
    ----------
    path : Path
        GeoPackage to make.
    network : Network
        Its widths and confidences are not known: NULL. What its branches enclose are islands, which
        therefore reach to the middle of the cracks.
    ground : shapely (Multi)Polygon
        The assessed area.
    crs_wkt : str or None
        Of the network and the ground.
    run : mapping
        The ``run`` table; ``metres_per_unit`` is used.

    Raises
    ------
    VectorError, DiskFullError
        See `VectorWriter`.
    """
    metres = float(run["metres_per_unit"])
    code = load_vocabulary().line_class.code
    branches, nodes = shapely.to_wkb(network.branches), shapely.to_wkb(network.nodes)
    grounds = shapely.get_parts(ground)
    unknown = np.full(len(branches), np.nan)
    crack_of_node = np.zeros(len(nodes), np.int64)
    crack_of_node[network.ends] = network.cracks[:, None] + 1
    lines = {
        "geometry": branches,
        "uid": feature_uids("crack_line", branches),
        "class_cd": np.full(len(branches), code, object),
        "len_m": shapely.length(network.branches) * metres,
        **dict.fromkeys(("wid_m", "wid50_m", "wid95_m", "widp_m"), unknown),
        "conf": unknown,
        "comp_id": network.cracks + 1,
        "node_a": network.ends[:, 0] + 1,
        "node_b": network.ends[:, 1] + 1,
        "at_limit": np.zeros(len(branches), np.int32),
        "bridged": np.zeros(len(branches), np.int32),
    }
    points = {
        "geometry": nodes,
        "uid": feature_uids("crack_node", nodes),
        "class_cd": np.full(len(nodes), code, object),
        "node_id": np.arange(1, len(nodes) + 1),
        "kind": network.kinds,
        "degree": network.degrees.astype(np.int32),
        "comp_id": crack_of_node,
    }
    faces = np.asarray(shapely.get_parts(shapely.polygonize(list(network.branches))), dtype=object)
    islands = {
        "geometry": (enclosed := shapely.to_wkb(faces)),
        "uid": feature_uids("island", enclosed),
        "class_cd": np.full(len(faces), code, object),
        "area_m2": shapely.area(faces) * metres**2,
    }
    assessed = {"geometry": shapely.to_wkb(grounds), "area_m2": shapely.area(grounds) * metres**2}
    with VectorWriter(path, crs_wkt) as writer:
        writer.add({"crack_line": lines, "crack_node": points, "island": islands, "assessed": assessed})
        writer.finish(run)
