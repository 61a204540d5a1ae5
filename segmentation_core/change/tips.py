"""Growth of crack tips: unmatched runs that begin where the other survey's crack ended.

The growth is the length along the path, from where the tip was to where the path ends. A tip's position is
known to half the crack's width plus a pixel, so growth is reported above
2 sqrt(2) (width / 2 + 1 px) + eps (MEASUREMENT, section 4.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from segmentation_core.change.courses import Courses, Segments
from segmentation_core.change.epoch import ChangeSettings, Epoch
from segmentation_core.change.runs import Runs

__all__ = ["Growth", "growths"]

_LARGEST_TURN_DEG = 60.0
_LOOK_AHEAD_PX = 5.0


@dataclass(frozen=True)
class Growth:
    """A path that leads on from a tip of the other survey.

    Attributes
    ----------
    tip_line : int
        Line of the other survey that ended here.
    runs : tuple of int
        The path, from the tip on.
    start, stop : float
        Chainage of the path's first piece: its run, and what of the line the tip's buffer covers.
    length_mm : float
        Along the path.
    least_mm : float
        Growth below it is within the uncertainty of the tip.
    joins : bool
        The path ends at another crack that was there before.
    """

    tip_line: int
    runs: tuple[int, ...]
    start: float
    stop: float
    length_mm: float
    least_mm: float
    joins: bool

    @property
    def is_certain(self) -> bool:
        """Whether the growth exceeds the uncertainty of the tip."""
        return self.length_mm > self.least_mm


def growths(
    courses: Courses, runs: Runs, other: Epoch, segments: Segments, settings: ChangeSettings
) -> list[Growth]:
    """Return the paths that lead on from tips of the other survey; one per tip, the longest.

    Parameters
    ----------
    courses, runs
        Of the survey in which the crack is longer.
    other : Epoch
        Whose tips they lead on from.
    segments : Segments
        Of the other's lines.
    settings : ChangeSettings
    """
    points, tip_lines = other.tips
    if not len(points) or not runs.starts.size:
        return []
    bounds = np.concatenate([runs.starts, runs.stops])
    tip_sigmas = _tip_sigma_mm(other.widths_mm[tip_lines], settings)
    apart, tip = cKDTree(points).query(courses.points(bounds))
    # The last pixels of a crack may bend, so that the run begins before the tip's buffer ends.
    near = apart <= settings.eps_mm + tip_sigmas[tip]
    walk = _Walk(courses, runs, segments, settings)
    best: dict[int, Growth] = {}
    leads_on = near & ~np.concatenate([runs.cut[:, 0], runs.cut[:, 1]])
    for bound in np.flatnonzero(leads_on).tolist():
        side, run = divmod(bound, runs.starts.size)
        number = int(tip[bound])
        line = int(tip_lines[number])
        least_mm = 2 * math.sqrt(2) * float(tip_sigmas[number]) + settings.eps_mm
        found = walk.growth(run, side, points[number], line, least_mm)
        if number not in best or found.length_mm > best[number].length_mm:
            best[number] = found
    return _one_per_path(list(best.values()))


def _one_per_path(found: list[Growth]) -> list[Growth]:
    """Return the growths without those whose runs another, longer one already holds."""
    taken: set[int] = set()
    kept = []
    for growth in sorted(found, key=lambda g: (-g.length_mm, g.tip_line, g.runs)):
        if taken.isdisjoint(growth.runs):
            taken.update(growth.runs)
            kept.append(growth)
    return kept


def _tip_sigma_mm(widths_mm: NDArray[np.float64], settings: ChangeSettings) -> NDArray[np.float64]:
    """Return how well tips are known; a crack of unknown width is taken as 2 px wide."""
    known = np.where(np.isfinite(widths_mm), widths_mm, 2 * settings.gsd_mm)
    return np.asarray(known / 2 + settings.gsd_mm, dtype=np.float64)


class _Walk:
    """Follows runs through nodes until they reach a crack that was there before."""

    def __init__(self, courses: Courses, runs: Runs, segments: Segments, settings: ChangeSettings) -> None:
        self._courses, self._runs, self._settings = courses, runs, settings
        run, side = np.nonzero(runs.nodes >= 0)
        self._at: dict[int, list[tuple[int, int]]] = {}
        for number, r, s in zip(runs.nodes[run, side].tolist(), run.tolist(), side.tolist(), strict=True):
            self._at.setdefault(number, []).append((r, s))
        ends = courses.points(np.where(side == 0, runs.starts[run], runs.stops[run]))
        near = segments.index.query(shapely.points(ends), predicate="dwithin", distance=settings.eps_mm)[0]
        self._old_nodes = set(runs.nodes[run, side][near].tolist())

    def growth(self, run: int, side: int, tip: NDArray[np.float64], tip_line: int, least_mm: float) -> Growth:
        """Return the path from a tip through the given side of a run."""
        courses, runs = self._courses, self._runs
        line = runs.lines[run]
        begin, end = courses.begins[line], courses.ends[line]
        at = begin + float(shapely.line_locate_point(courses.lines[line], shapely.Point(tip)))
        furthest = 2 * self._settings.eps_mm
        start, stop = float(runs.starts[run]), float(runs.stops[run])
        if side == 0:
            start = max(begin, start - furthest, min(start, at))
        else:
            stop = min(end, stop + furthest, max(stop, at))
        path, joins = self._path(run, 1 - side)
        onward = float(runs.lengths[path[1:]].sum())
        return Growth(tip_line, tuple(path), start, stop, stop - start + onward, least_mm, joins)

    def _path(self, run: int, out: int) -> tuple[list[int], bool]:
        """Return the runs from one on, leaving it at a side, and whether they end at an older crack."""
        path = [run]
        while True:
            node = int(self._runs.nodes[run, out])
            if node < 0:
                return path, not self._runs.cut[run, out]
            if node in self._old_nodes:
                return path, True
            ahead = [(r, s) for r, s in self._at[node] if r not in path]
            turns = [self._turn_deg(run, out, r, s) for r, s in ahead]
            if not turns or min(turns) > _LARGEST_TURN_DEG:
                return path, False
            run, entered = ahead[int(np.argmin(turns))]
            path.append(run)
            out = 1 - entered

    def _turn_deg(self, run: int, out: int, onward: int, entered: int) -> float:
        leaving, arriving = self._into(run, out), self._into(onward, entered)
        cosine = -(leaving @ arriving) / max(np.hypot(*leaving) * np.hypot(*arriving), 1e-300)
        return math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))

    def _into(self, run: int, side: int) -> NDArray[np.float64]:
        """Return the direction from an end of a run into it."""
        ahead = min(_LOOK_AHEAD_PX * self._settings.gsd_mm, float(self._runs.lengths[run]))
        at, inner = (
            (self._runs.starts[run], self._runs.starts[run] + ahead)
            if side == 0
            else (self._runs.stops[run], self._runs.stops[run] - ahead)
        )
        ends = self._courses.points(np.array([at, inner]))
        return np.asarray(ends[1] - ends[0], dtype=np.float64)
