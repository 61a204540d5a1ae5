"""How well a comparison tells what really changed: scores against the truth of `crack_scenes`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from crack_scenes import GSD_MM, SIDE_PX, Changes, Wall

from segmentation_core.change.cracks import CrackChange
from segmentation_core.change.uncertainty import Difference

_NEAR_PX = 2.5


@dataclass(frozen=True)
class Scores:
    """Sums over a scene; ratios are for the reader of many.

    Attributes
    ----------
    new_found, new_true : int
        New cracks of which half the length or more was called new; all.
    new_right_px, new_called_px, new_found_px, new_true_px : float
        Length called new near a new crack; called new; of new cracks called new; of new cracks.
    growth_errors_px : tuple of float
        Measured less true growth, per grown tip; NaN where none was reported.
    false_growths : int
        Growth reported where no tip grew.
    widened_found, widened_true : int
    widened_right_px, widened_called_px : float
    """

    new_found: int
    new_true: int
    new_right_px: float
    new_called_px: float
    new_found_px: float
    new_true_px: float
    growth_errors_px: tuple[float, ...]
    false_growths: int
    widened_found: int
    widened_true: int
    widened_right_px: float
    widened_called_px: float


def scores(found: CrackChange, before: Wall, changes: Changes) -> Scores:
    """Compare with the truth."""
    pieces = found.pieces
    new = [shapely.LineString(path * GSD_MM) for path in changes.new]
    called = _together(pieces.lines[pieces.of("b", "new")])
    shares = [_near(path, called) / path.length for path in new]
    grown_at = pieces.of("b", "extended", "connected")
    errors, used = [], set()
    for number, growth in changes.grown.items():
        tip = shapely.Point(before.cracks[number][-1] * GSD_MM)
        at = [k for k in grown_at.tolist() if pieces.lines[k].distance(tip) < _NEAR_PX * GSD_MM]
        used.update(at)
        errors.append(pieces.values_mm[at[0]] / GSD_MM - growth if at else np.nan)
    wide = [shapely.LineString(before.cracks[k] * GSD_MM) for k in changes.widened]
    wider = _together(pieces.lines[pieces.of("b", "widened")])
    return Scores(
        sum(share >= 0.5 for share in shares),
        len(new),
        _near(called, _together(new)) / GSD_MM,
        called.length / GSD_MM,
        sum(share * path.length for share, path in zip(shares, new, strict=True)) / GSD_MM,
        sum(path.length for path in new) / GSD_MM,
        tuple(errors),
        len(set(grown_at.tolist()) - used),
        sum(_near(path, wider) >= 0.5 * path.length for path in wide),
        len(wide),
        _near(wider, _together(wide)) / GSD_MM,
        wider.length / GSD_MM,
    )


def false_change_shares(found: CrackChange) -> tuple[float, float]:
    """Return what share of the compared length is called changed, of B and of A, where nothing changed."""
    b, a = (
        sum(length for (side, kind), length in found.lengths_mm.items() if side == s and kind not in APART)
        for s in "ba"
    )
    return found.length_mm("b", "new", "extended", "connected") / b, found.length_mm("a", "not_seen") / a


APART = ("outside", "refused")
SIGHT = shapely.box(0, 0, SIDE_PX * GSD_MM, SIDE_PX * GSD_MM)


def _together(lines):
    return shapely.MultiLineString(list(lines))


def _near(line, others) -> float:
    return line.intersection(others.buffer(_NEAR_PX * GSD_MM)).length if not others.is_empty else 0.0


def covers_truth(difference: Difference, truth: float) -> bool:
    """Whether the 95 % interval of a difference holds the true one."""
    return abs(difference.difference - truth) <= difference.u95


@dataclass(frozen=True)
class Found:
    """Scores of many scenes for one kind of change."""

    recall: float
    precision: float
    count: int
    errors_px: tuple[float, ...] = ()

    def __str__(self) -> str:
        """Say it in a line."""
        text = f"recall {self.recall:.3f}, precision {self.precision:.3f} ({self.count})"
        if not self.errors_px:
            return text
        errors = np.abs(self.errors_px)
        known = errors[np.isfinite(errors)]
        within = np.mean(np.nan_to_num(errors, nan=np.inf) <= 1.5)
        return f"{text}; within 1.5 px {within:.3f}, rms {np.sqrt(np.mean(known**2)):.2f} px"


def together(rows: list[Scores]) -> tuple[Found, Found, Found]:
    """Return the scores of many scenes: new cracks by length, grown tips by number, wider cracks by both."""
    sums = {
        name: sum(getattr(row, name) for row in rows)
        for name in Scores.__dataclass_fields__
        if name != "growth_errors_px"
    }
    errors = tuple(error for row in rows for error in row.growth_errors_px)
    reported = int(np.isfinite(errors).sum())
    return (
        Found(
            sums["new_found_px"] / sums["new_true_px"],
            sums["new_right_px"] / sums["new_called_px"],
            sums["new_true"],
        ),
        Found(reported / len(errors), reported / (reported + sums["false_growths"]), len(errors), errors),
        Found(
            sums["widened_found"] / sums["widened_true"],
            sums["widened_right_px"] / sums["widened_called_px"],
            sums["widened_true"],
        ),
    )
