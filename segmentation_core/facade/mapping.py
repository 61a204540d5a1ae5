"""Where a pixel of the second survey's orthophoto truly lies in the first one: the error of its georeference.

A second orthophoto states coordinates that are never quite those of the first: the control points were
measured anew, the model bends a little between them. `EpochMapping` is that error, exactly known: stated
position, turned, scaled and shifted about the middle, plus a smooth warp of a few waves.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from segmentation_core.raster.grid import Grid

__all__ = ["EpochMapping", "epoch_mapping"]

Points = NDArray[np.float64]

GSD_RATIO = 0.9
ROTATION_DEG = 0.3
SCALE = 1.002
SHIFT_PX = (9.4, -6.3)
WARP_PX = 2.0
_WAVES = 4
_NEAR_PX, _MOST_STEPS = 1e-6, 20
"""The warp changes by less than 0.1 px per pixel: each step leaves less than a tenth of the error."""


@dataclass(frozen=True)
class EpochMapping:
    """Pixels of the second orthophoto to pixels of the first, and back.

    Pixel coordinates are (x, y) = (column, row) with whole numbers at pixel corners, centres at .5.

    Attributes
    ----------
    gsd_ratio : float
        GSD of the second orthophoto over that of the first.
    rotation_deg, scale : float
        Of the georeference, about ``centre_px``; clockwise in the picture.
    shift_px, centre_px : (float, float)
        x, y in pixels of the first.
    waves : tuple of (kx, ky, phase_x, phase_y, amplitude_x, amplitude_y)
        Local warp: a sum of sines, wave numbers in radians per pixel of the first, amplitudes in its pixels.
    """

    gsd_ratio: float
    rotation_deg: float
    scale: float
    shift_px: tuple[float, float]
    centre_px: tuple[float, float]
    waves: tuple[tuple[float, ...], ...]

    @property
    def linear(self) -> Affine:
        """The mapping without its warp, as an affine of pixel coordinates."""
        middle = Affine.translation(*self.centre_px)
        turned = Affine.rotation(self.rotation_deg) @ Affine.scale(self.scale)
        centred = Affine.translation(*self.shift_px) @ middle @ turned @ ~middle
        return Affine(*(centred @ Affine.scale(self.gsd_ratio))[:6])

    @property
    def enlargement(self) -> float:
        """Pixels of the second orthophoto per pixel of the first, warp left out."""
        return float(abs(self.linear.determinant) ** -0.5)

    def to_first(self, points: Points) -> Points:
        """Return where points (N, 2) of the second orthophoto lie in the first."""
        points = np.asarray(points, np.float64)
        turn, shift = self._similarity
        return points @ turn + shift + self._warp(points * self.gsd_ratio)

    def to_second(self, points: Points) -> Points:
        """Return where points (N, 2) of the first orthophoto lie in the second, to 1e-6 px."""
        points = np.asarray(points, np.float64)
        (_, shift), back = self._similarity, self._turned_back
        found = (points - shift) @ back
        for _ in range(_MOST_STEPS):
            before, found = found, (points - self._warp(found * self.gsd_ratio) - shift) @ back
            if np.abs(found - before).max(initial=0.0) < _NEAR_PX:
                break
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters as JSON holds them, so that they compare equal after reading."""
        told: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return told

    @staticmethod
    def from_dict(told: dict[str, Any]) -> EpochMapping:
        """Return the mapping that `as_dict` told."""
        return EpochMapping(
            told["gsd_ratio"],
            told["rotation_deg"],
            told["scale"],
            (told["shift_px"][0], told["shift_px"][1]),
            (told["centre_px"][0], told["centre_px"][1]),
            tuple(tuple(wave) for wave in told["waves"]),
        )

    @cached_property
    def _similarity(self) -> tuple[Points, Points]:
        """The mapping without its warp, as points @ (2, 2) + (2,)."""
        a, b, c, d, e, f = tuple(self.linear)[:6]
        return np.array([[a, d], [b, e]]), np.array([c, f])

    @cached_property
    def _turned_back(self) -> Points:
        return np.asarray(np.linalg.inv(self._similarity[0]))

    @cached_property
    def _sines(self) -> tuple[Points, ...]:
        """Wave numbers (2, W); phases (W,) and amplitudes (W,) for x, then for y."""
        kx, ky, phase_x, phase_y, amplitude_x, amplitude_y = np.array(self.waves).T
        return np.array([kx, ky]), phase_x, amplitude_x, phase_y, amplitude_y

    def _warp(self, stated: Points) -> Points:
        wave_numbers, phase_x, amplitude_x, phase_y, amplitude_y = self._sines
        along = stated @ wave_numbers
        total = np.empty_like(stated)
        total[:, 0] = np.sin(along + phase_x) @ amplitude_x
        total[:, 1] = np.sin(along + phase_y) @ amplitude_y
        return total


def epoch_mapping(rng: np.random.Generator, first: Grid) -> tuple[EpochMapping, Grid]:
    """Draw a second survey's georeference; return it with the grid that the orthophoto states.

    Parameters
    ----------
    rng : numpy Generator
        Draws the warp's waves, of 0.4 to 1.2 times the facade's height but at least 250 px. Rotation
        0.3 degrees, scale 1.002, shift (9.4, -6.3) px and the warp's greatest displacement of 2 px are fixed.
    first : Grid
        Of the first orthophoto. The second states the same corner and CRS, at 0.9 times its GSD.
    """
    width, height = first.width, first.height
    length = np.maximum(rng.uniform(0.4, 1.2, _WAVES) * height, 250.0)
    heading = rng.uniform(0, 2 * np.pi, _WAVES)
    phases, sizes = rng.uniform(0, 2 * np.pi, (_WAVES, 2)), rng.uniform(0.5, 1.0, (_WAVES, 2))
    k = 2 * np.pi / length

    def drawn(scale: float) -> EpochMapping:
        rows = np.column_stack((k * np.cos(heading), k * np.sin(heading), phases, sizes * scale))
        waves = tuple(tuple(float(v) for v in row) for row in rows)
        centre = (width / 2, height / 2)
        return EpochMapping(GSD_RATIO, ROTATION_DEG, SCALE, SHIFT_PX, centre, waves)

    y, x = np.mgrid[0:height:8, 0:width:8]
    displaced = drawn(1.0)._warp(np.column_stack((x.ravel(), y.ravel())).astype(float))
    mapping = drawn(WARP_PX / float(np.hypot(*displaced.T).max()))
    grid = Grid(
        round(width / GSD_RATIO),
        round(height / GSD_RATIO),
        first.affine @ Affine.scale(GSD_RATIO),
        first.crs_wkt,
        first.metres_per_unit,
    )
    return mapping, grid
