"""The crack areas of a survey that count: without what a person rejected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import shapely

from segmentation_core.statistics.features import FeatureChunk, stream_features
from segmentation_core.survey.rejections import RejectedLines
from segmentation_core.survey.store import Book
from segmentation_core.survey.surveys import orthophotos_of

__all__ = ["counting_areas"]


def counting_areas(
    book: Book, surv_id: str, columns: Sequence[str], where: str, parameters: Sequence[Any]
) -> Iterator[FeatureChunk]:
    """Yield crack areas as they count in totals and exports.

    What lies nearer to a rejected line is cut off, ``area_m2`` follows, and areas of which nothing is left
    are passed over.

    Parameters
    ----------
    book : Book
    surv_id : str
        The survey that ``where`` is about.
    columns : sequence of str
        Columns wanted; only ``area_m2`` is changed.
    where : str
        SQL condition; ``parameters`` fill its placeholders.
    """
    records = dict(orthophotos_of(book, surv_id))
    rejected: dict[str, RejectedLines] = {}
    asked = (*columns, "orth_id", "comp_id")
    for chunk in stream_features(book.connection, "crack_area", asked, where, parameters):
        shapes = chunk.geometries.copy()
        rows = [list(row[: len(columns)]) for row in chunk.rows]
        orth_ids = np.array([row[-2] for row in chunk.rows], dtype=object)
        cracks = chunk.column(len(asked) - 1)
        for orth_id in {o for o in orth_ids.tolist() if o in records}:
            if orth_id not in rejected:
                side = records[orth_id].pixel_side
                rejected[orth_id] = RejectedLines(book.connection, surv_id, orth_id, side)
            own = np.flatnonzero(orth_ids == orth_id)
            whole = shapes[own]
            left = rejected[orth_id].left_of(whole, cracks[own])
            for index, before, after in zip(own.tolist(), whole, left, strict=True):
                if after is not before:
                    shapes[index] = after
                    if "area_m2" in columns:
                        metres = records[orth_id].metres_per_unit
                        rows[index][list(columns).index("area_m2")] = float(after.area) * metres**2
        kept = np.flatnonzero(~shapely.is_empty(shapes))
        if len(kept):
            yield replace(
                chunk,
                fids=chunk.fids[kept],
                geometries=shapes[kept],
                rows=[tuple(rows[index]) for index in kept.tolist()],
            )
