"""What an element's quantiles are taken of: the widths of its cracks and the sizes of its islands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from segmentation_core.statistics.elements import WHOLE_IMAGE
from segmentation_core.statistics.features import stream_features
from segmentation_core.statistics.regions import assessed_regions
from segmentation_core.statistics.tally import Tally
from segmentation_core.survey.figures import COUNTED, grounds_of
from segmentation_core.survey.outlines import stored_elements
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import Survey, orthophotos_of
from segmentation_core.vectors.outline_length import outline_lengths

__all__ = ["Populations", "populations_of"]


@dataclass(frozen=True)
class Populations:
    """Sizes inside one element, as its statistics count them.

    Attributes
    ----------
    widths_mm, lengths_m : ndarray of float
        Widths of cracks, and the length that is so wide.
    islands_m2 : ndarray of float
        Areas of the islands wholly inside.
    """

    widths_mm: NDArray[np.float64]
    lengths_m: NDArray[np.float64]
    islands_m2: NDArray[np.float64]


def populations_of(book: Book, survey: Survey, elem_id: str) -> Populations:
    """Measure the cracks and islands of one element of a survey; rejected ones are left out.

    Only features whose box meets the element's are read.
    """
    stored = stored_elements(book)
    outlines = stored.geometries[[name == elem_id for name in stored.ids]]
    is_whole = len(outlines) == 0 and elem_id == WHOLE_IMAGE
    photos = orthophotos_of(book, survey.surv_id)
    tally = Tally((elem_id,))
    for (orth_id, record), ground in zip(photos, grounds_of(book, photos)[0], strict=True):
        regions = assessed_regions(None if is_whole else outlines, ground)
        if not len(regions.geometries) or shapely.is_empty(regions.geometries[0]):
            continue
        x0, y0, x1, y1 = shapely.bounds(regions.geometries[0]).tolist()
        whose = (survey.surv_id, orth_id, x0, x1, y0, y1)
        metre = record.metres_per_unit
        widths = ("wid_m", "wid50_m", "wid95_m")
        for chunk in stream_features(book.connection, "crack_line", widths, _near("crack_line"), whose):
            tally.add_widths(regions.lengths_of(chunk.geometries), chunk.rows, metre)
        for chunk in stream_features(book.connection, "island", (), _near("island"), whose):
            measured = outline_lengths(chunk.geometries, Affine(*record.transform))
            tally.add_islands(chunk.geometries, regions.areas_of(chunk.geometries), measured, metre)
    return Populations(*tally.population("width_mm"), tally.population("island_m2")[0])


def _near(table: str) -> str:
    return (
        f"{COUNTED} AND fid IN (SELECT id FROM rtree_{table}_geom "
        "WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ?)"
    )
