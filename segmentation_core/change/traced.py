"""Cracks that the pictures show to have come, and that the later survey has not found, added to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from segmentation_core.change.courses import courses_of
from segmentation_core.change.epoch import ChangeSettings, Epoch
from segmentation_core.change.matching import matched
from segmentation_core.change.stretches import Stretches, without

__all__ = ["with_traced"]

_SHORTEST_PX = 3.0


def with_traced(
    epoch: Epoch, lines: NDArray[np.object_], settings: ChangeSettings, rejected: NDArray[np.object_]
) -> Epoch:
    """Return a survey with the parts of traced lines that lie along none of its own.

    They have no uid and no width: the survey does not hold them, and nothing but their length is told.

    Parameters
    ----------
    epoch : Epoch
    lines : ndarray of shapely LineString
        mm, in the common frame.
    settings : ChangeSettings
    rejected : ndarray of shapely LineString
        What a person looked at in this survey and said is no crack.
    """
    told, traced = courses_of(np.concatenate([epoch.crack_lines, rejected])), courses_of(lines)
    along = matched(told, traced, settings.eps_mm, settings.gsd_mm)[1].stretches
    rest = without(traced.whole, along)
    long = rest.lengths >= _SHORTEST_PX * settings.gsd_mm
    added: NDArray[np.object_] = traced.cut(Stretches(rest.starts[long], rest.stops[long]))
    return replace(
        epoch,
        lines=[*epoch.crack_lines, *added],
        uids=[*epoch.uids, *[""] * len(added)],
        widths_mm=np.concatenate([epoch.widths_mm, np.full(len(added), np.nan)]),
        node_kinds=[*epoch.node_kinds, *[("I", "I")] * len(added)],
    )
