"""Vectorise what already lies in memory: for notebooks and tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from segmentation_core.vectors.array_source import array_source
from segmentation_core.vectors.bands import dropped, features_by_band, summed
from segmentation_core.vectors.crew import Crew
from segmentation_core.vectors.features import Place
from segmentation_core.vectors.geopackage import LAYERS
from segmentation_core.vectors.settings import VectorSettings

__all__ = ["VectorLayers", "vectorise"]


@dataclass(frozen=True)
class VectorLayers:
    """What `vectorise` found.

    Attributes
    ----------
    layers : dict of str to dict of str to ndarray
        Layer (``loss_polygon``, ``crack_area``, ``crack_line``, ``crack_node``, ``assessed``) to column to
        values, as in the file that the command writes; ``geometry`` holds shapely geometries.
    totals : dict
        As `segmentation_core.operations.vectorise.vectorise` returns them.
    dropped : dict
        What became no feature or no line: count and area, by reason.
    """

    layers: dict[str, dict[str, NDArray[Any]]]
    totals: dict[str, Any]
    dropped: dict[str, Any]

    def __getitem__(self, layer: str) -> dict[str, NDArray[Any]]:
        """Return the columns of a layer."""
        return self.layers[layer]


def vectorise(
    mask_or_probability: NDArray[Any],
    affine: Affine,
    *,
    metres_per_unit: float = 1.0,
    thresholds: Mapping[str, float] | None = None,
    settings: VectorSettings | None = None,
) -> VectorLayers:
    """Vectorise an array.

    The same code as the command's, in this process alone; memory grows with the array.

    Parameters
    ----------
    mask_or_probability : ndarray, shape (M, N) or (K, M, N)
        A mask of cracks (bool), classes (0, 1, 2, 255), the probability of craquelure (floating point, 0-1),
        or one band of probability per class; see `array_source`. NaN, or 255 in uint8, is nodata.
    affine : Affine
        (col, row) of a pixel corner to (x, y).
    metres_per_unit : float
        Metres per unit of (x, y).
    thresholds : mapping of class code to probability, or None
        Classes left out pass from 0.5.
    settings : VectorSettings or None

    Returns
    -------
    VectorLayers

    Raises
    ------
    RasterError, ParameterError
        See `array_source`.

    Examples
    --------
    >>> mask = np.zeros((20, 60), bool)
    >>> mask[9:12, 10:50] = True
    >>> found = vectorise(mask, Affine.scale(0.001, -0.001))
    >>> round(found.totals["crack_m"], 3), found["crack_node"]["kind"].tolist()
    (0.04, ['I', 'I'])
    """
    settings = VectorSettings() if settings is None else settings
    source = array_source(mask_or_probability, affine, metres_per_unit=metres_per_unit, thresholds=thresholds)
    place = Place(source.grid, source.has_probabilities, settings)
    figures: Counter[str] = Counter()
    renamed: dict[int, int] = {}
    parts: dict[str, list[Mapping[str, NDArray[Any]]]] = {layer: [] for layer in LAYERS}
    with Crew(source, settings, 1) as crew:
        for features in features_by_band(crew, place):
            figures.update(features.figures)
            renamed.update(features.renamed)
            for layer, rows in features.layers.items():
                parts[layer].append(rows)
    layers = {layer: _together(parts[layer], LAYERS[layer][1]) for layer in LAYERS}
    for layer in ("crack_line", "crack_node"):
        names = layers[layer]["comp_id"]
        for was, now in renamed.items():
            names[names == was] = now
    return VectorLayers(layers, summed(figures, source.grid), dropped(figures, source.grid))


def _together(
    parts: list[Mapping[str, NDArray[Any]]], columns: Mapping[str, np.dtype[Any]]
) -> dict[str, NDArray[Any]]:
    wkb = np.concatenate([np.zeros(0, object), *(part["geometry"] for part in parts)])
    return {"geometry": np.asarray(shapely.from_wkb(wkb), object)} | {
        name: np.concatenate([np.zeros(0, dtype), *(part[name] for part in parts)]).astype(dtype)
        for name, dtype in columns.items()
    }
