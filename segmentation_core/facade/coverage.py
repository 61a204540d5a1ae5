"""Exact rasters of cracks: the share of each pixel that lies within a crack's true width.

Each pixel is sampled at 16 places, kept as 16 bits: a Hammersley set, no two in one row or column, so
that an edge along the pixel grid is as well resolved as any other. A crack is the union of its segments
with width changing linearly along each. A pixel belongs to a crack where at least half of its samples do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segmentation_core.facade.cracking import CrackNetwork

__all__ = ["SAMPLES", "crack_coverage"]

SAMPLES = 16
_SAMPLE_X = (np.arange(SAMPLES) + 0.5) / SAMPLES
_SAMPLE_Y = (np.array([int(f"{k:04b}"[::-1], 2) for k in range(SAMPLES)]) + 0.5) / SAMPLES
_CHUNK_CELLS = 400_000
_BIT_COUNT = np.array([bin(k).count("1") for k in range(1 << SAMPLES)], np.uint8)


def crack_coverage(
    network: CrackNetwork, shape: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Rasterise a crack network.

    Parameters
    ----------
    network : CrackNetwork
        Centrelines with widths, pixels.
    shape : (height, width)
        Of the raster; what lies outside is cut off.

    Returns
    -------
    covered : uint8 array of shape (height, width)
        Samples of the pixel within a crack, 0 to 16.
    depth : uint8 array of shape (height, width)
        Greatest contrast of the cracks that touch the pixel, 0 to 255.
    """
    first = network.segments()
    p0, p1 = network.points[first], network.points[first + 1]
    half0, half1 = network.width_px[first] / 2, network.width_px[first + 1] / 2
    strength = (255 * np.maximum(network.depth[first], network.depth[first + 1])).astype(np.uint8)
    reach = np.hypot(*(p1 - p0).T) / 2 + np.maximum(half0, half1)
    radius = np.ceil(reach + 0.5).astype(int)
    bits = np.zeros(shape[0] * shape[1], np.uint16)
    depth = np.zeros(shape[0] * shape[1], np.uint8)
    for r in np.unique(radius):
        members = np.flatnonzero(radius == r)
        step = max(1, _CHUNK_CELLS // (2 * int(r) + 1) ** 2)
        for at in range(0, len(members), step):
            m = members[at : at + step]
            index, code = _stamped(p0[m], p1[m], half0[m], half1[m], int(r), shape)
            touched = code > 0
            np.bitwise_or.at(bits, index[touched], code[touched])
            value = np.broadcast_to(strength[m][:, None], code.shape)
            np.maximum.at(depth, index[touched], value[touched])
    return _BIT_COUNT[bits].reshape(shape), depth.reshape(shape)


def _stamped(
    p0: NDArray[np.float64],
    p1: NDArray[np.float64],
    half0: NDArray[np.float64],
    half1: NDArray[np.float64],
    radius: int,
    shape: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Return flat pixel indices and sample bits, both (segments, pixels of the stamp)."""
    offset = np.arange(-radius, radius + 1)
    dy, dx = (a.ravel() for a in np.meshgrid(offset, offset, indexing="ij"))
    middle = np.floor((p0 + p1) / 2).astype(np.int64)
    col, row = middle[:, :1] + dx, middle[:, 1:] + dy
    ax = (col - p0[:, :1]).astype(np.float32)
    ay = (row - p0[:, 1:]).astype(np.float32)
    d = (p1 - p0).astype(np.float32)
    norm = np.maximum((d**2).sum(axis=1, keepdims=True), 1e-9)
    h0 = half0.astype(np.float32)[:, None]
    slope = half1.astype(np.float32)[:, None] - h0
    code = np.zeros(col.shape, np.uint16)
    for sample in range(SAMPLES):
        sx = ax + np.float32(_SAMPLE_X[sample])
        sy = ay + np.float32(_SAMPLE_Y[sample])
        t = np.clip((sx * d[:, :1] + sy * d[:, 1:]) / norm, 0, 1)
        distance2 = (sx - t * d[:, :1]) ** 2 + (sy - t * d[:, 1:]) ** 2
        code |= (distance2 <= (h0 + t * slope) ** 2).astype(np.uint16) << sample
    outside = (col < 0) | (row < 0) | (col >= shape[1]) | (row >= shape[0])
    code[outside] = 0
    return np.where(outside, 0, row * shape[1] + col), code
