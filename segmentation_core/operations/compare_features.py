"""What a comparison found, as features of the book, each in the element that holds most of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.change.cracks import CrackChange
from segmentation_core.change.losses import LossChange
from segmentation_core.statistics.regions import Regions
from segmentation_core.survey.pairs import ChangeFeature
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["crack_features", "loss_features", "regions_of", "without_needles"]

_THINNEST_MM = 1e-4

_KIND_OF = {("b", "refused"): "not_compared"}
_KIND_OF |= {("a", kind): kind for kind in ("not_seen", "crack_to_loss")}
_KIND_OF |= {("b", kind): kind for kind in ("stable", "widened", "new", "extended", "connected")}
"""Side and kind of a piece to the kind that is stored; other pieces repeat what these say."""


def regions_of(elements: Mapping[str, Any]) -> Regions:
    """Return elements as regions, in their order."""
    outlines = np.empty(len(elements), dtype=object)
    outlines[:] = list(elements.values())
    return Regions(outlines)


def crack_features(
    cracks: CrackChange, elements: Mapping[str, Any], mm_per_unit: float, *, sure: bool
) -> list[ChangeFeature]:
    """Return the pieces of crack that are stored: not those without length, where a cut met a line's end.

    Parameters
    ----------
    cracks : CrackChange
    elements : mapping of id to (Multi)Polygon
        mm.
    mm_per_unit : float
        Of the book's coordinates.
    sure : bool
        False where the surveys were made differently.
    """
    pieces, traced = cracks.pieces, cracks.pieces.is_traced
    kinds = [_KIND_OF.get(key) for key in zip(pieces.sides.tolist(), pieces.kinds.tolist(), strict=True)]
    long = pieces.lengths_mm > _THINNEST_MM
    kept = np.array([i for i, kind in enumerate(kinds) if kind is not None and long[i]], dtype=np.int64)
    homes = _homes(regions_of(elements).lengths_of(pieces.lines[kept]).largest(len(kept)), elements)
    shapes = _in_units(pieces.lines[kept], mm_per_unit)
    code = load_vocabulary().line_class.code
    features = []
    for index, shape, home in zip(kept.tolist(), shapes, homes, strict=True):
        kind, value_m = str(kinds[index]), float(pieces.values_mm[index]) / 1e3
        features.append(
            ChangeFeature(
                shape,
                kind,
                code,
                home,
                float(pieces.lengths_mm[index]) / 1e3,
                grow_m=value_m if kind in {"extended", "connected"} else None,
                wider_m=value_m if kind == "widened" else None,
                uid_a=pieces.uids_a[index] or None,
                uid_b=pieces.uids_b[index] or None,
                is_sure=sure and kind != "not_compared" and not traced[index],
            )
        )
    return features


def _homes(indices: NDArray[np.int64], elements: Mapping[str, Any]) -> list[str | None]:
    names = [*elements, None]
    return [names[index] for index in indices.tolist()]


def _in_units(geometries: NDArray[np.object_], mm_per_unit: float) -> NDArray[np.object_]:
    return np.asarray(shapely.transform(geometries, lambda xy: xy / mm_per_unit), dtype=object)


def loss_features(
    losses: LossChange, elements: Mapping[str, Any], mm_per_unit: float, *, sure: bool
) -> list[ChangeFeature]:
    """Return the parts of losses that are stored; see `crack_features`.

    Cutting one date's outlines with the other's, moved by fractions of a pixel, leaves needles without area,
    which formats disagree about: they are left out.
    """
    pieces = losses.pieces
    # In the book's unit: rounding to it lets outlines that touch themselves cross.
    shapes = [without_needles(shape, mm_per_unit) for shape in _in_units(pieces.polygons, mm_per_unit)]
    homes = _homes(regions_of(elements).areas_of(pieces.polygons).largest(len(pieces.polygons)), elements)
    code = load_vocabulary().polygon_class.code
    return [
        ChangeFeature(shape, kind, code, home, area / 1e6, uid_a=a or None, uid_b=b or None, is_sure=sure)
        for shape, kind, home, area, a, b in zip(
            shapes,
            pieces.kinds.tolist(),
            homes,
            pieces.areas_mm2.tolist(),
            pieces.uids_a.tolist(),
            pieces.uids_b.tolist(),
            strict=True,
        )
        if not shape.is_empty
    ]


def without_needles(shape: Any, mm_per_unit: float = 1.0) -> Any:
    """Return a (Multi)Polygon made valid and without parts thinner than a ten-thousandth of a mm."""
    parts = shapely.get_parts(shape if shapely.is_valid(shape) else shapely.make_valid(shape))
    parts = shapely.get_parts(parts[shapely.get_dimensions(parts) == 2])
    thick = 2 * shapely.area(parts) > _THINNEST_MM / mm_per_unit * shapely.length(parts)
    kept = parts[thick]
    return kept[0] if len(kept) == 1 else shapely.MultiPolygon(list(kept))
