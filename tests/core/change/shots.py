"""A painted beam photographed at two dates with an exactly known mapping between the pictures.

The scene is painted once; each shot samples it through its own placement, smooth distortion, light and
camera: pictures for registration, of any crop, turn and quality. What changes in two years, with its exact
truth, is `segmentation_core.facade.second_epoch`'s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from segmentation_core.facade.beam import BeamScheme, paint_beam
from segmentation_core.facade.coverage import crack_coverage
from segmentation_core.facade.cracking import bending, crack_network
from segmentation_core.facade.layout import Damage
from segmentation_core.facade.noise import noise_field
from segmentation_core.facade.weathering import Camera as Lens
from segmentation_core.facade.weathering import Layers, weather, weathered
from segmentation_core.raster.grid import Window

__all__ = ["Shot", "cracked", "painted_scene", "photographed", "seen_mask"]

FloatArray = NDArray[np.float32]
Points = NDArray[np.float64]

_CRACK_COLOUR = np.array([36, 29, 25], np.float32)


@dataclass(frozen=True)
class Shot:
    """How a picture of the scene is taken.

    Attributes
    ----------
    width_px, height_px : int
        Of the picture.
    origin_px : (float, float)
        Where on the scene its first corner lies.
    scale : float
        Pixels of the scene in one of the picture.
    rotation_deg : float
        About that corner.
    warp_px, warp_wave_px : float
        Amplitude of the distortion in x and in y, and the length of its waves.
    gain : (float, float, float)
        Light and white balance: what red, green and blue are multiplied by.
    light_slope : float
        By how much more light falls on the right end than on the left.
    blur_px, noise_levels : float
        Standard deviations, of the lens and of the sensor.
    """

    width_px: int
    height_px: int
    origin_px: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    rotation_deg: float = 0.0
    warp_px: float = 0.0
    warp_wave_px: float = 1500.0
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    light_slope: float = 0.0
    blur_px: float = 0.6
    noise_levels: float = 2.0

    def to_scene(self, points: Points) -> Points:
        """Return where points of the picture (N, 2) lie on the scene."""
        x, y = points[:, 0], points[:, 1]
        turn, wave = math.radians(self.rotation_deg), 2 * math.pi / self.warp_wave_px
        bent_x = x + self.warp_px * np.sin(wave * y + 0.7) * np.cos(wave * x * 0.8 + 0.4)
        bent_y = y + self.warp_px * np.sin(wave * x + 1.9) * np.cos(wave * y * 0.9 + 0.2)
        return np.column_stack(
            (
                self.origin_px[0] + self.scale * (math.cos(turn) * bent_x - math.sin(turn) * bent_y),
                self.origin_px[1] + self.scale * (math.sin(turn) * bent_x + math.cos(turn) * bent_y),
            )
        )


def painted_scene(width_px: int, height_px: int, seed: int) -> FloatArray:
    """Paint and weather a beam, as it hangs there: float32 (height, width, 3), 0 to 255."""
    rng = np.random.default_rng([seed, 1])
    rgb, relief = paint_beam(width_px, height_px, BeamScheme(), rng)
    shape = (height_px, width_px)
    none = np.zeros(shape, np.uint8)
    layers = Layers(rgb, relief, none, none, none, np.ones(shape, np.float32))
    picture = weathered(layers, Window(0, 0, *shape), weather(rng, shape), rng, Lens())
    return picture.astype(np.float32)


def cracked(scene: FloatArray, seed: int, damage: Damage) -> tuple[FloatArray, FloatArray]:
    """Return the scene after it has cracked, and the share of each of its pixels that a crack covers."""
    rng, shape = np.random.default_rng([seed, 2]), (scene.shape[0], scene.shape[1])
    network, _ = crack_network(rng, shape, damage, bending(rng, shape))
    coverage: FloatArray = crack_coverage(network, shape)[0].astype(np.float32) / np.float32(16)
    broken: FloatArray = scene + (_CRACK_COLOUR - scene) * coverage[..., None]
    return broken, coverage


def photographed(scene: FloatArray, shot: Shot, seed: int) -> NDArray[np.uint8]:
    """Return a picture of the scene, uint8 (3, height, width)."""
    rng = np.random.default_rng([seed, 3])
    shape = (shot.height_px, shot.width_px)
    place = _place(shot)
    uneven = noise_field(rng, shape, 0.7 * min(shape)).read(Window(0, 0, *shape))
    slope = np.linspace(-0.5, 0.5, shot.width_px, dtype=np.float32) * shot.light_slope
    light = 1 + slope + 0.3 * abs(shot.light_slope) * uneven
    luminance = rng.standard_normal(shape, dtype=np.float32) * shot.noise_levels
    bands = []
    for band in range(3):
        seen = map_coordinates(scene[..., band], place, order=3, mode="mirror", output=np.float32)
        lit = gaussian_filter(seen, shot.blur_px) * light * np.float32(shot.gain[band])
        bands.append(lit + luminance + rng.standard_normal(shape, dtype=np.float32))
    return np.asarray(np.clip(np.stack(bands) + 0.5, 0, 255), np.uint8)


def seen_mask(coverage: FloatArray, shot: Shot) -> NDArray[np.bool_]:
    """Return which pixels of a shot a crack covers by a half or more, (height, width)."""
    seen = map_coordinates(coverage, _place(shot), order=1, mode="constant", output=np.float32)
    return np.asarray(seen >= 0.5)


def _place(shot: Shot) -> NDArray[np.float64]:
    """Return row and column on the scene of every pixel's centre."""
    cols, rows = np.meshgrid(np.arange(shot.width_px) + 0.5, np.arange(shot.height_px) + 0.5)
    points = shot.to_scene(np.column_stack((cols.ravel(), rows.ravel()))) - 0.5
    return np.asarray(points.T[::-1].reshape(2, shot.height_px, shot.width_px))
