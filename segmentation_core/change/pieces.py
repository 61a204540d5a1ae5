"""Pieces of crack with what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.change.courses import Courses
from segmentation_core.change.epoch import ChangeSettings, Epoch
from segmentation_core.change.matching import Matched
from segmentation_core.change.stretches import Stretches, split
from segmentation_core.change.widths import is_widened

__all__ = ["CrackPieces", "Surveyed", "joined_pieces", "plain_pieces", "stable_pieces"]


@dataclass(frozen=True)
class CrackPieces:
    """Pieces of crack; arrays have one entry per piece.

    Attributes
    ----------
    sides : ndarray of str objects
        Survey whose line it is: "a" or "b".
    kinds : ndarray of str objects
        See `segmentation_core.change.cracks.CrackChange`.
    lines : ndarray of shapely LineString
        mm.
    lengths_mm : ndarray of float64
    uids_a, uids_b : ndarray of str objects
        Lines of the two surveys that it belongs to; "" where there is none.
    values_mm : ndarray of float64
        Growth of the whole path for ``extended`` and ``connected``, difference of width (B minus A) for
        ``stable`` and ``widened``; NaN where there is none.
    """

    sides: NDArray[np.object_]
    kinds: NDArray[np.object_]
    lines: NDArray[np.object_]
    lengths_mm: NDArray[np.float64]
    uids_a: NDArray[np.object_]
    uids_b: NDArray[np.object_]
    values_mm: NDArray[np.float64]

    @property
    def is_traced(self) -> NDArray[np.bool_]:
        """Which pieces no survey holds: the pictures show them (`segmentation_core.change.traced`)."""
        return np.asarray(np.where(self.sides == "a", self.uids_a, self.uids_b) == "", dtype=np.bool_)

    def __len__(self) -> int:
        """Return the number of pieces."""
        return len(self.lines)

    def sums(self) -> dict[tuple[str, str], float]:
        """Return the length of each side and kind, mm."""
        keys = list(zip(self.sides.tolist(), self.kinds.tolist(), strict=True))
        codes = {key: code for code, key in enumerate(dict.fromkeys(keys))}
        lengths = np.bincount([codes[key] for key in keys], self.lengths_mm, minlength=len(codes))
        return dict(zip(codes, lengths.tolist(), strict=True))

    def chosen(self, rows: NDArray[np.int64]) -> CrackPieces:
        """Return some of them."""
        return CrackPieces(*(column[rows] for column in vars(self).values()))

    def of(self, side: str, *kinds: str) -> NDArray[np.int64]:
        """Return the indices of a survey's pieces of some kinds."""
        return np.flatnonzero((self.sides == side) & np.isin(self.kinds.astype(str), kinds))


@dataclass(frozen=True)
class Surveyed:
    """One survey's cracks: "a" or "b", what it found, its lines laid end to end."""

    side: str
    epoch: Epoch
    courses: Courses


def joined_pieces(parts: Sequence[CrackPieces]) -> CrackPieces:
    """Return all pieces in one table."""
    return CrackPieces(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("sides", "kinds", "lines", "lengths_mm", "uids_a", "uids_b", "values_mm")
        )
    )


def plain_pieces(
    kinds: str | NDArray[np.object_],
    own: Surveyed,
    stretches: Stretches,
    other: Epoch | None = None,
    partners: NDArray[np.int64] | None = None,
    values_mm: NDArray[np.float64] | None = None,
) -> CrackPieces:
    """Return stretches of one survey's lines as pieces.

    Parameters
    ----------
    kinds : str or ndarray of str objects
    own : Surveyed
    stretches : Stretches
        Of its lines.
    other, partners
        The other survey, and its line that each stretch belongs to (-1: none).
    values_mm : ndarray of float64 or None
    """
    filled = stretches.lengths > 0
    kept = Stretches(stretches.starts[filled], stretches.stops[filled])
    count = kept.starts.size
    mine = _named(own.epoch, own.courses.line_at(kept.starts))
    theirs = (
        np.full(count, "", dtype=object)
        if other is None or partners is None
        else _named(other, partners[filled])
    )
    return CrackPieces(
        np.full(count, own.side, dtype=object),
        np.full(count, kinds, dtype=object) if isinstance(kinds, str) else kinds[filled],
        own.courses.cut(kept),
        kept.lengths,
        mine if own.side == "a" else theirs,
        mine if own.side == "b" else theirs,
        np.full(count, np.nan) if values_mm is None else values_mm[filled],
    )


def stable_pieces(
    own: Surveyed,
    stretches: Stretches,
    matched: Matched,
    other: Epoch,
    settings: ChangeSettings,
) -> CrackPieces:
    """Return what is still there, in pieces of one partner each; of B, told whether it became wider."""
    firsts, partners = _partner_runs(matched, 2 * settings.eps_mm)
    parts = split(stretches, firsts)
    before = np.searchsorted(firsts, parts.starts, side="right") - 1
    partner = partners[before] if partners.size else np.full(parts.starts.size, -1, dtype=np.int64)
    line = own.courses.line_at(parts.starts)
    own_widths, their_widths = _widths(own.epoch, line), _widths(other, partner)
    difference = own_widths - their_widths if own.side == "b" else their_widths - own_widths
    kinds = np.full(parts.starts.size, "stable", dtype=object)
    if own.side == "b":
        lengths = own.courses.ends - own.courses.begins
        their_lengths = np.append(shapely.length(other.crack_lines), np.nan)
        wider = is_widened(their_widths, own_widths, their_lengths[partner], lengths[line], settings.gsd_mm)
        kinds[wider & (parts.lengths >= settings.shortest_change_mm)] = "widened"
    return plain_pieces(kinds, own, parts, other, partner, difference)


def _partner_runs(matched: Matched, shortest_mm: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return from which chainage on a line's partner is which line; brief changes of partner are left out."""
    segments = matched.segments
    partner = _filled(matched.partners, segments.line)
    changes = np.flatnonzero((np.diff(segments.line) != 0) | (np.diff(partner) != 0)) + 1
    firsts = np.concatenate([[0], changes])[: max(partner.size, 0)]
    if not partner.size:
        return np.zeros(0), partner
    lasts = np.append(changes, partner.size) - 1
    lengths = segments.stop_chainage[lasts] - segments.start_chainage[firsts]
    steady = _filled(np.where(lengths < shortest_mm, -1, partner[firsts]), segments.line[firsts])
    chosen = np.where(steady < 0, partner[firsts], steady)
    line = segments.line[firsts]
    kept = np.append(True, (np.diff(chosen) != 0) | (np.diff(line) != 0))
    return segments.start_chainage[firsts[kept]], chosen[kept]


def _filled(partner: NDArray[np.int64], line: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return partners where -1 takes the one before on the same line, or else the one after."""
    for step in (1, -1):
        own, whose = partner[::step], line[::step]
        last = np.maximum.accumulate(np.where(own >= 0, np.arange(own.size), -1))
        reachable = (last >= 0) & (whose[last] == whose) if own.size else np.zeros(0, dtype=bool)
        partner = np.where(reachable, own[last], own)[::step] if own.size else partner
    return partner


def _named(epoch: Epoch, lines: NDArray[np.int64]) -> NDArray[np.object_]:
    names = np.array([*epoch.uids, ""], dtype=object)
    return np.asarray(names[lines], dtype=object)


def _widths(epoch: Epoch, lines: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.append(np.asarray(epoch.widths_mm, dtype=np.float64), np.nan)[lines]
