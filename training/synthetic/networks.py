"""Craquelure networks: cells of a warped jittered grid, and single wandering cracks.

Widths are exact: the distance to a cell's border is divided by the local stretch of the warp, because
the warp would otherwise swell cracks where it compresses (RECOGNITION, section 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from training.synthetic.noise import Field, smooth_field

__all__ = ["CellNetwork", "cell_network", "wandering_cracks"]

_SUPERSAMPLING = 4


@dataclass(frozen=True)
class CellNetwork:
    """A tiling of the picture into cells.

    Attributes
    ----------
    border_px : float array (H, W)
        Distance to the nearest cell border, px.
    width_px : float array (H, W)
        Width of the crack along that border, px; 0 where the border did not crack.
    cell : int array (H, W)
        A number per cell.
    """

    border_px: Field
    width_px: Field
    cell: NDArray[np.int64]

    @property
    def coverage(self) -> Field:
        """Share of each pixel that lies in a crack, 0-1."""
        coverage = np.minimum(self.width_px / 2 - self.border_px + 0.5, self.width_px)
        clipped: Field = np.clip(coverage, 0, 1).astype(np.float32)
        return clipped


def _hash01(a: NDArray[np.int64], b: NDArray[np.int64], salt: int) -> Field:
    """Map a pair of cell numbers to [0, 1), the same from both sides."""
    low, high = np.minimum(a, b).astype(np.uint64), np.maximum(a, b).astype(np.uint64)
    x = low * np.uint64(0x9E3779B97F4A7C15) + high * np.uint64(0xC2B2AE3D27D4EB4F) + np.uint64(salt)
    x ^= x >> np.uint64(29)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(32)
    fraction: Field = (x >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
    return fraction


def cell_network(
    rng: np.random.Generator, size_px: int, cell_px: float, width_px: tuple[float, float], kept: float
) -> CellNetwork:
    """Make a network of cells.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    size_px : int
        Side of the square picture.
    cell_px : float
        Typical cell size.
    width_px : (float, float)
        Range of crack widths.
    kept : float
        Share of the cell borders that cracked, 0-1.
    """
    rows, cols = np.mgrid[:size_px, :size_px].astype(np.float32)
    amplitude = cell_px * rng.uniform(0.05, 0.45)
    feature = max(cell_px * rng.uniform(0.35, 1.6), 6.0)
    wobble = ndimage.gaussian_filter(
        rng.standard_normal((2, size_px, size_px)).astype(np.float32), (0, 1.5, 1.5)
    )
    warp_row = amplitude * (smooth_field(rng, size_px, feature) * 2 - 1) + rng.uniform(0, 2.5) * wobble[0]
    warp_col = amplitude * (smooth_field(rng, size_px, feature) * 2 - 1) + rng.uniform(0, 2.5) * wobble[1]
    angle, stretch = rng.uniform(0, np.pi), np.exp(rng.uniform(0, 0.9))
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u = ((cols + warp_col) * cos + (rows + warp_row) * sin) / np.float32(cell_px * stretch)
    v = (-(cols + warp_col) * sin + (rows + warp_row) * cos) / np.float32(cell_px / stretch)
    nearest, second, first_id, second_id, gap = _two_nearest(rng, u, v)
    border = (second - nearest) / (2 * np.maximum(gap, 1e-6))
    # |grad border| in px^-1 turns the distance in warped cells into px.
    slope = np.hypot(_steepest(border, 0), _steepest(border, 1))
    slope = np.maximum(ndimage.gaussian_filter(slope, 1.0), 0.25 / (cell_px * stretch))
    salt = int(rng.integers(1 << 31))
    low, high = width_px
    width = low + (high - low) * _hash01(first_id, second_id, salt) ** 1.5
    width = width * (0.65 + 0.7 * smooth_field(rng, size_px, max(cell_px / 2, 8)))
    width[_hash01(first_id, second_id, salt + 1) > kept] = 0
    return CellNetwork(border / slope, width.astype(np.float32), first_id)


def _steepest(field: Field, axis: int) -> Field:
    """Return the larger of the two one-sided slopes: a central one vanishes in the valley along a border."""
    step = np.abs(np.diff(field, axis=axis))
    edge = [(0, 0), (0, 0)]
    edge[axis] = (1, 1)
    padded = np.pad(step, edge, mode="edge")
    forward, backward = (padded[1:], padded[:-1]) if axis == 0 else (padded[:, 1:], padded[:, :-1])
    steepest: Field = np.maximum(forward, backward)
    return steepest


def _two_nearest(
    rng: np.random.Generator, u: Field, v: Field
) -> tuple[Field, Field, NDArray[np.int64], NDArray[np.int64], Field]:
    """Return squared distances to the two nearest seeds, the seeds' numbers, and the seeds' distance."""
    col, row = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    col_min, row_min = int(col.min()) - 2, int(row.min()) - 2
    cols, rows = int(col.max()) - col_min + 3, int(row.max()) - row_min + 3
    jitter = rng.uniform(0.05, 0.95, size=(2, rows, cols)).astype(np.float32)
    seed_u = np.arange(col_min, col_min + cols, dtype=np.float32)[None, :] + jitter[0]
    seed_v = np.arange(row_min, row_min + rows, dtype=np.float32)[:, None] + jitter[1]
    best = np.full((2, *u.shape), np.inf, np.float32)
    number = np.zeros((2, *u.shape), np.int64)
    base = (row - row_min) * cols + (col - col_min)
    flat_u, flat_v = seed_u.ravel(), seed_v.ravel()
    for d_row in (-2, -1, 0, 1, 2):
        for d_col in (-2, -1, 0, 1, 2):
            if abs(d_row) == 2 and abs(d_col) == 2:
                continue
            index = base + d_row * cols + d_col
            distance = (flat_u[index] - u) ** 2 + (flat_v[index] - v) ** 2
            closer = distance < best[0]
            runner_up = ~closer & (distance < best[1])
            best[1] = np.where(closer, best[0], np.where(runner_up, distance, best[1]))
            number[1] = np.where(closer, number[0], np.where(runner_up, index, number[1]))
            best[0] = np.where(closer, distance, best[0])
            number[0] = np.where(closer, index, number[0])
    gap = np.hypot(flat_u[number[0]] - flat_u[number[1]], flat_v[number[0]] - flat_v[number[1]])
    return best[0], best[1], number[0], number[1], gap


def wandering_cracks(
    rng: np.random.Generator, size_px: int, count: int, width_px: tuple[float, float]
) -> Field:
    """Draw single cracks with bends, branches and tapering tips.

    Returns
    -------
    float array (H, W)
        Share of each pixel that lies in a crack, 0-1.
    """
    s = _SUPERSAMPLING
    canvas = Image.new("L", (size_px * s, size_px * s))
    draw = ImageDraw.Draw(canvas)
    pending = []
    for _ in range(count):
        start = rng.uniform(-10, size_px + 10, size=2)
        pending.append(
            (start, rng.uniform(0, 2 * np.pi), rng.uniform(*width_px), rng.uniform(25, 1.3 * size_px))
        )
    straightness = rng.uniform(0.04, 0.35)
    while pending:
        point, heading, width, length = pending.pop()
        walked = 0.0
        bend = rng.normal(0, 0.012)
        while walked < length:
            step = rng.uniform(3, 9)
            local = heading + rng.normal(0, straightness * 2)
            heading += bend * step / 4 + rng.normal(0, straightness * 0.4)
            end = point + step * np.array([np.cos(local), np.sin(local)])
            taper = min(1.0, (length - walked) / 30, (walked + 6) / 18)
            local_width = max(width * taper * rng.uniform(0.75, 1.25), 0.5)
            draw.line([*(point * s), *(end * s)], fill=255, width=max(round(local_width * s), 1))
            point, walked = end, walked + step
            if len(pending) < 6 and width > 1 and rng.random() < 0.02:
                side = heading + rng.choice([-1, 1]) * rng.uniform(0.5, 1.4)
                pending.append((point, side, width * 0.7, length * rng.uniform(0.2, 0.6)))
    small = canvas.reduce(s)
    return np.asarray(small, np.float32) / 255
