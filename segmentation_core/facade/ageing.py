"""Two years of a beam: cracks that appear, grow and open, losses that grow, one that is retouched.

Nothing else changes: what is neither new, grown, opened nor retouched keeps every point of its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from segmentation_core.facade.breaking import BrokenBeam
from segmentation_core.facade.crack_growth import along_grain, grown_tips, points_on, split_cells
from segmentation_core.facade.cracking import GREATEST_WIDTH_PX, POINT_SPACING_PX, CrackNetwork, joined
from segmentation_core.facade.flaking import SIDE, Flake, loss_coverage, rough

__all__ = ["AgedBeam", "age_beam", "unchanged_beam"]

_HALF = SIDE**2 // 2

_OPENED_SHARE, _OPENED_FROM_PX, _OPENED_TO_PX = 0.1, 40.0, 3.5
_GROWN_SHARE, _GROWTH_PX, _MOST_GROWTH_PX = 0.3, 4.0, 9.0
_RETOUCHED_PX = (150.0, 6000.0)


@dataclass(frozen=True)
class AgedBeam:
    """A beam's damage at the second survey, in pixels of the beam.

    Attributes
    ----------
    kept : CrackNetwork
        The cracks of the first survey, less those under the retouched loss, with their new widths.
    wider_px : float64 array, one value per point of ``kept``
        How much wider the crack is than it was; 0 where it did not open.
    extended, new : CrackNetwork
        What was added at tips, and the cracks that were not there.
    flakes : list of Flake
        All losses, the retouched one left out.
    """

    kept: CrackNetwork
    wider_px: NDArray[np.float64]
    extended: CrackNetwork
    new: CrackNetwork
    flakes: list[Flake]

    @property
    def network(self) -> CrackNetwork:
        """All cracks."""
        return joined(joined(self.kept, self.extended), self.new)


def age_beam(
    rng: np.random.Generator, broken: BrokenBeam, shape: tuple[int, int], *, retouched: bool
) -> AgedBeam:
    """Age a beam.

    Parameters
    ----------
    rng : numpy Generator
        Consumed.
    broken : BrokenBeam
        Its damage at the first survey.
    shape : (height, width)
        Of the beam, pixels.
    retouched : bool
        Whether one of its losses is filled and painted again, cracks under it included.
    """
    flakes = _grown(rng, _without_one(broken.flakes) if retouched else broken.flakes, shape)
    before, after = loss_coverage(broken.flakes, shape) >= _HALF, loss_coverage(flakes, shape) >= _HALF
    old = broken.network
    old = old.cut_to(~_middles_in(old, before & ~after))
    kept, wider_px = _opened(rng, old)
    extended = grown_tips(rng, old, shape, after)
    new = joined(
        split_cells(rng, broken.cells, broken.bend, shape, after), along_grain(rng, old, shape, after)
    )
    return AgedBeam(kept, wider_px, extended, new, flakes)


def unchanged_beam(broken: BrokenBeam) -> AgedBeam:
    """Return a beam that no time has passed for."""
    old = broken.network
    nothing = old.cut_to(np.zeros(len(old.segments()), dtype=bool))
    return AgedBeam(old, np.zeros(len(old.points)), nothing, nothing, broken.flakes)


def _middles_in(network: CrackNetwork, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    first = network.segments()
    return points_on(mask, (network.points[first] + network.points[first + 1]) / 2)


def _without_one(flakes: list[Flake]) -> list[Flake]:
    """Leave out the largest loss of a common size that touches no other; else the loneliest one."""
    if not flakes:
        return []
    boxes = np.array([flake.box_px for flake in flakes], float).reshape(-1, 4)
    areas = np.array([flake.lost.sum() / SIDE**2 for flake in flakes])
    left, top, right, bottom = boxes.T
    meet = (
        (left[:, None] < right) & (right[:, None] > left) & (top[:, None] < bottom) & (bottom[:, None] > top)
    )
    neighbours = meet.sum(axis=1) - 1
    common = (areas >= _RETOUCHED_PX[0]) & (areas <= _RETOUCHED_PX[1])
    retouched = int(np.lexsort((-areas, neighbours, ~common))[0])
    return [flake for k, flake in enumerate(flakes) if k != retouched]


def _grown(rng: np.random.Generator, flakes: list[Flake], shape: tuple[int, int]) -> list[Flake]:
    if not flakes:
        return []
    count = max(1, round(_GROWN_SHARE * len(flakes)))
    chosen = set(rng.choice(len(flakes), count, replace=False).tolist())
    return [_grow(rng, flake, shape) if k in chosen else flake for k, flake in enumerate(flakes)]


def _grow(rng: np.random.Generator, flake: Flake, shape: tuple[int, int]) -> Flake:
    """Let a loss grow outwards by some pixels, more here than there."""
    x0, y0, x1, y1 = flake.box_px
    room = int(np.ceil(_MOST_GROWTH_PX)) + 1
    left, top = max(x0 - room, 0), max(y0 - room, 0)
    right, bottom = min(x1 + room, shape[1]), min(y1 + room, shape[0])
    lost = np.zeros(((bottom - top) * SIDE, (right - left) * SIDE), bool)
    row, col = (y0 - top) * SIDE, (x0 - left) * SIDE
    lost[row : row + flake.lost.shape[0], col : col + flake.lost.shape[1]] = flake.lost
    reach = _GROWTH_PX * (1.0 + 0.7 * rough(rng, lost.shape, 14.0 * SIDE))
    reach += 0.5 * rough(rng, lost.shape, 3.0 * SIDE)
    distance = distance_transform_edt(~lost) / SIDE
    return Flake(left, top, lost | (distance <= np.clip(reach, 0, _MOST_GROWTH_PX)))


def _opened(rng: np.random.Generator, old: CrackNetwork) -> tuple[CrackNetwork, NDArray[np.float64]]:
    """Widen some cracks along their whole length."""
    size = np.bincount(old.line)
    mean = np.bincount(old.line, old.width_px) / np.maximum(size, 1)
    fit = np.flatnonzero((size * POINT_SPACING_PX >= _OPENED_FROM_PX) & (mean < _OPENED_TO_PX))
    lines = rng.permutation(fit)
    lines = lines[np.cumsum(size[lines]) <= _OPENED_SHARE * size.sum()]
    factor = np.ones(len(size))
    factor[lines] = rng.uniform(1.5, 1.9, len(lines))
    added = np.where(factor > 1, 0.4, 0.0)
    width = np.clip(old.width_px * factor[old.line] + added[old.line], None, GREATEST_WIDTH_PX)
    width = np.maximum(width, old.width_px)
    return CrackNetwork(old.points, width, old.depth, old.line), width - old.width_px
