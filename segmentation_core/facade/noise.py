"""Smooth random fields over a facade, read window by window.

A field is a coarse grid of seeded normal values, interpolated on demand: any window of it has the same
values however the facade is cut into pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates

from segmentation_core.raster.grid import Window

__all__ = ["NoiseField", "noise_field", "white_noise"]

FloatArray = NDArray[np.float32]

_MARGIN_CELLS = 2


@dataclass(frozen=True)
class NoiseField:
    """A smooth field of about unit standard deviation.

    Attributes
    ----------
    octaves : tuple of (grid, cell_height_px, cell_width_px, amplitude)
        Coarse grids; the first cell of a grid lies ``_MARGIN_CELLS`` cells outside the facade.
    """

    octaves: tuple[tuple[FloatArray, float, float, float], ...]

    def read(self, window: Window) -> FloatArray:
        """Return the values at the pixel centres of a window, float32 of shape (height, width)."""
        total = np.zeros((window.height, window.width), np.float32)
        for grid, cell_height_px, cell_width_px, amplitude in self.octaves:
            box = (
                window.col_off / cell_width_px + _MARGIN_CELLS,
                window.row_off / cell_height_px + _MARGIN_CELLS,
                window.col_end / cell_width_px + _MARGIN_CELLS,
                window.row_end / cell_height_px + _MARGIN_CELLS,
            )
            image = Image.fromarray(grid).resize(
                (window.width, window.height), Image.Resampling.BICUBIC, box=box
            )
            total += np.float32(amplitude) * np.asarray(image)
        return total

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at points in pixel coordinates (x = column, y = row)."""
        total = np.zeros(np.shape(x), np.float64)
        for grid, cell_height_px, cell_width_px, amplitude in self.octaves:
            # A grid value belongs to the centre of its cell, as in the picture that `read` resizes.
            rows = np.asarray(y) / cell_height_px + _MARGIN_CELLS - 0.5
            cols = np.asarray(x) / cell_width_px + _MARGIN_CELLS - 0.5
            total += amplitude * map_coordinates(grid, [rows, cols], order=3, mode="nearest")
        return total


def noise_field(
    rng: np.random.Generator,
    size_px: tuple[int, int],
    cell_px: float | tuple[float, float],
    *,
    octaves: int = 1,
    gain: float = 0.5,
) -> NoiseField:
    """Draw a smooth field.

    Parameters
    ----------
    rng : numpy Generator
        Consumed.
    size_px : (height, width)
        Size of the area it must cover.
    cell_px : float or (height, width)
        Distance between independent values of the first octave; different numbers give streaks.
    octaves : int
        Each further octave has cells half as large and ``gain`` times the amplitude.
    gain : float
        Amplitude ratio of one octave to the one before.
    """
    cell_height_px, cell_width_px = cell_px if isinstance(cell_px, tuple) else (cell_px, cell_px)
    norm = 1.25 / np.sqrt(sum(gain ** (2 * k) for k in range(octaves)))
    layers = []
    for k in range(octaves):
        cell_h, cell_w = cell_height_px / 2**k, cell_width_px / 2**k
        shape = (
            int(np.ceil(size_px[0] / cell_h)) + 2 * _MARGIN_CELLS + 1,
            int(np.ceil(size_px[1] / cell_w)) + 2 * _MARGIN_CELLS + 1,
        )
        grid = rng.standard_normal(shape, dtype=np.float32)
        layers.append((grid, cell_h, cell_w, float(norm * gain**k)))
    return NoiseField(tuple(layers))


def white_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Return independent normal values, float32."""
    return rng.standard_normal(shape, dtype=np.float32)
