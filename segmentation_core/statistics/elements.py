"""Building elements: named outlines that the statistics are given for; and areas left out of them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.errors import ElementsError
from segmentation_core.statistics.outlines import named, read_outlines

__all__ = ["WHOLE_IMAGE", "Elements", "load_elements", "load_exclusions", "require_contact"]

WHOLE_IMAGE = "image"
"""Id of the one element measured where no elements are given: the assessed pixels."""


@dataclass(frozen=True)
class Elements:
    """Building elements in the raster's coordinates.

    Attributes
    ----------
    ids : tuple of str
        Unique, not empty.
    geometries : ndarray of shapely (Multi)Polygon
        Valid outlines, same order.
    notes : tuple of str
        What was repaired, reprojected or chosen while reading.
    """

    ids: tuple[str, ...]
    geometries: NDArray[np.object_]
    notes: tuple[str, ...] = ()


def load_elements(path: str | Path, id_field: str, target_crs_wkt: str | None) -> Elements:
    """Read building elements.

    Parameters
    ----------
    path : path-like
        Any polygon layer that OGR reads.
    id_field : str
        Field with the element's id; numbers become text.
    target_crs_wkt : str or None
        CRS of the raster.

    Raises
    ------
    ElementsError
        See `segmentation_core.statistics.outlines.read_outlines`; and empty or duplicate ids.
    CrsError
        The layer's CRS cannot be brought to the raster's.
    """
    path = Path(path)
    outlines = read_outlines(path, id_field, target_crs_wkt)
    ids = [_id_text(value) for value in outlines.values]
    if "" in ids:
        raise ElementsError(
            f"{ids.count('')} of {len(ids)} elements have no id in field {id_field!r}",
            path=path,
            remedy="Fill in the field",
        )
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise ElementsError(
            f"ids that occur more than once in field {id_field!r}: {named(twice)}",
            path=path,
            remedy="Give every element its own id",
        )
    return Elements(tuple(ids), outlines.geometries, outlines.notes)


def load_exclusions(path: str | Path, target_crs_wkt: str | None) -> tuple[Any, tuple[str, ...]]:
    """Read areas to leave out (occlusions, retouching), as one geometry, and the notes on them.

    Raises
    ------
    ElementsError, CrsError
        As `load_elements`.
    """
    outlines = read_outlines(Path(path), None, target_crs_wkt)
    return shapely.union_all(outlines.geometries), outlines.notes


def require_contact(elements: Elements, footprint: Any, path: str | Path) -> None:
    """Refuse elements none of which touches the raster.

    Parameters
    ----------
    elements : Elements
        The elements.
    footprint : shapely geometry
        Outline of the raster, or its assessed area.
    path : path-like
        The elements' file, for the message.

    Raises
    ------
    ElementsError
        None touches.
    """
    if shapely.intersects(footprint, elements.geometries).any():
        return
    theirs = ", ".join(f"{v:g}" for v in shapely.total_bounds(elements.geometries))
    ours = ", ".join(f"{v:g}" for v in shapely.bounds(footprint))
    raise ElementsError(
        f"no element touches the raster (elements lie in {theirs}; the raster in {ours})",
        path=path,
        remedy="Check that the elements were drawn on this orthophoto, in its CRS",
    )


def _id_text(value: Any) -> str:
    if value is None or (isinstance(value, float | np.floating) and math.isnan(value)):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()
