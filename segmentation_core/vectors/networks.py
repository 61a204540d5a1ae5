"""The lines of crack networks, band by band: each is made as soon as it is final."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation_core.errors import VectorError
from segmentation_core.vectors.crew import Crew
from segmentation_core.vectors.features import Features, Place, component_figures, line_features
from segmentation_core.vectors.ordering import distinct
from segmentation_core.vectors.regions import PIECE
from segmentation_core.vectors.skeleton import PIXEL
from segmentation_core.vectors.stitching import Band

__all__ = ["Networks"]

_LEAST_GROWTH = 0.5


class Networks:
    """Networks that are being read.

    Memory: one band's skeleton pixels and what `frontier` carries on of those before, 59 bytes each; half as
    many again where bands are narrow.

    Parameters
    ----------
    crew : Crew
    place : Place
    pixels_per_task : int
        Networks are worked on together up to about so many skeleton pixels, and never divided.
    """

    def __init__(self, crew: Crew, place: Place, pixels_per_task: int) -> None:
        self._crew, self._place, self._pixels_per_task = crew, place, pixels_per_task
        self._under_way: list[Callable[[], tuple[Features, NDArray[Any]]]] = []
        self._carried = self._waiting = np.zeros(0, PIXEL)
        self._finished = np.zeros(0, PIECE)
        self._lined: set[int] = set()
        self._renamed: dict[int, int] = {}

    def add_band(self, band: Band, edge_row: int | None) -> list[Features]:
        """Begin with the lines of a band; return those of the band before.

        ``edge_row`` is the band's last row, None after the last band.
        """
        features = self._collected()
        carried = self._carried
        carried["unit"] = band.now[np.searchsorted(band.was, carried["unit"])]
        changed = band.was != band.now
        for was, now in zip(band.was[changed].tolist(), band.now[changed].tolist(), strict=True):
            self._renamed[was] = now
            if was in self._lined:
                self._lined.add(now)
        self._finished = band.pieces
        pixels = np.concatenate([carried, band.pixels])
        waits = np.isin(pixels["unit"], _growing_slowly(carried["unit"], band))
        self._waiting, pixels = pixels[waits], pixels[~waits]
        pixels = pixels[np.argsort(pixels["unit"], kind="stable")]
        for part in _parts(pixels, self._pixels_per_task):
            self._under_way.append(self._crew.ask(line_features, part, edge_row, self._place))
        return features

    def rest(self) -> list[Features]:
        """Return the lines of the last band, and which components turned out to be parts of others."""
        features = self._collected()
        if self._carried.size:
            raise VectorError(
                "some cracks could not be finished; this is a fault of the program",
                remedy="Please report it, with the raster",
            )
        for was in sorted(self._renamed):  # a component is only ever renamed to one that begins earlier
            now = self._renamed[was]
            self._renamed[was] = self._renamed.get(now, now)
        return [*features, Features({}, {}, self._renamed)]

    def _collected(self) -> list[Features]:
        """Wait for the lines of the band before, and count the components that it has finished."""
        made = [fetch() for fetch in self._under_way]
        self._under_way = []
        self._carried = np.concatenate([self._waiting, *(carried for _, carried in made)])
        self._waiting = self._waiting[:0]
        features = [part for part, _ in made]
        for part in features:
            self._lined.update(distinct(part.layers["crack_line"]["comp_id"]).tolist())
        if self._finished.size:
            firsts = distinct(self._finished["unit"])
            lined = [first for first in firsts.tolist() if first in self._lined]
            self._lined.difference_update(lined)
            features.append(Features({}, component_figures(self._finished, np.array(lined, np.int64))))
            self._finished = self._finished[:0]
        return features


def _growing_slowly(carried: NDArray[np.int64], band: Band) -> NDArray[np.int64]:
    """Return the open units that carry more pixels than are worth looking at again for the new ones.

    So the work grows with the pixels alone, even where nothing of a network becomes final: in noise.
    """
    units, number = np.unique(np.concatenate([carried, band.pixels["unit"]]), return_inverse=True)
    old = np.bincount(number[: carried.size], minlength=units.size)
    new = np.bincount(number[carried.size :], minlength=units.size)
    slow: NDArray[np.int64] = units[(_LEAST_GROWTH * old > new) & ~np.isin(units, band.pieces["unit"])]
    return slow


def _parts(pixels: NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    """Yield pixels that are sorted by unit, between units, in parts of about ``size``."""
    ends = np.flatnonzero(np.diff(pixels["unit"])) + 1
    ends = np.append(ends, pixels.size)
    bounds = [0]
    while bounds[-1] < pixels.size:
        bounds.append(int(ends[np.searchsorted(ends, min(bounds[-1] + size, pixels.size))]))
    for start, stop in pairwise(bounds):
        yield pixels[start:stop]
