"""What time and the camera do: brush and grain, wear, cracks, bare ground, grime, light, blur and noise.

Everything works on one band of rows with a ring around it, so that a facade of any size needs the memory
of one band; the fields behind it are continuous over the facade.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from segmentation_core.facade.noise import noise_field, white_noise
from segmentation_core.raster.grid import Window

__all__ = ["HALO_PX", "Camera", "Field", "Layers", "Weather", "weather", "weathered"]

HALO_PX = 40

FloatArray = NDArray[np.float32]

_CRACK = np.array([36, 29, 25], np.float32)
_GROUND = np.array([176, 160, 136], np.float32)
_HEMP = np.array([150, 128, 100], np.float32)
_WOOD = np.array([116, 86, 60], np.float32)
_DUST = np.array([166, 154, 136], np.float32)
_FRAYED = np.array([214, 204, 186], np.float32)
_SOOT = np.array([52, 46, 42], np.float32)


@dataclass(frozen=True)
class Layers:
    """A window of the painted facade and of its damage.

    Attributes
    ----------
    rgb : uint8 array of shape (height, width, 3)
        As painted.
    relief : uint8 array of shape (height, width)
        255 on raised gilded lines.
    crack : uint8 array of shape (height, width)
        Samples within a crack, 0 to 16.
    depth : uint8 array of shape (height, width)
        Contrast of the crack.
    lost : uint8 array of shape (height, width)
        Samples without paint, 0 to 16.
    shade : float32 array of shape (height, width)
        Light that reaches the surface, 1 in full light.
    """

    rgb: NDArray[np.uint8]
    relief: NDArray[np.uint8]
    crack: NDArray[np.uint8]
    depth: NDArray[np.uint8]
    lost: NDArray[np.uint8]
    shade: FloatArray


class Field(Protocol):
    """Smooth random values over a facade."""

    def read(self, window: Window) -> FloatArray:
        """Return the values at the pixel centres of a window."""


@dataclass(frozen=True)
class Camera:
    """Lens and colour balance.

    Attributes
    ----------
    blur_px : float
        Standard deviation of the lens's blur.
    gains : (float, float, float)
        Of red, green and blue.
    """

    blur_px: float = 0.62
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Weather:
    """The random fields of one facade."""

    warmth: Field
    mottle: Field
    brush: Field
    grain: Field
    wear: Field
    grime: Field
    drips: Field
    lip: Field
    light: Field


def weather(rng: np.random.Generator, shape: tuple[int, int]) -> Weather:
    """Draw the fields for a facade of ``shape`` (height, width)."""
    return Weather(
        warmth=noise_field(rng, shape, 420.0, octaves=3),
        mottle=noise_field(rng, shape, 26.0, octaves=3, gain=0.7),
        brush=noise_field(rng, shape, (5.0, 150.0), octaves=2, gain=0.7),
        grain=noise_field(rng, shape, (7.0, 260.0), octaves=3, gain=0.7),
        wear=noise_field(rng, shape, (60.0, 110.0), octaves=5, gain=0.65),
        grime=noise_field(rng, shape, (240.0, 420.0), octaves=5, gain=0.6),
        drips=noise_field(rng, shape, (420.0, 26.0), octaves=2, gain=0.5),
        lip=noise_field(rng, shape, 150.0),
        light=noise_field(rng, shape, 1500.0),
    )


def weathered(
    layers: Layers, window: Window, fields: Weather, rng: np.random.Generator, camera: Camera
) -> NDArray[np.uint8]:
    """Return a window of the finished photograph, its ring of ``HALO_PX`` included.

    Parameters
    ----------
    layers : Layers
        Of the window.
    window : Window
        Where it lies on the facade.
    fields : Weather
        Of the facade.
    rng : numpy Generator
        Of this window: fine grain and the camera's noise.
    camera : Camera
        That takes the picture.

    Returns
    -------
    uint8 array of shape (height, width, 3)
    """
    image = layers.rgb.astype(np.float32)
    _lay_paint(image, layers, window, fields, rng)
    _open_cracks(image, layers, window, fields)
    _bare_ground(image, layers, window, fields, rng)
    _soil(image, window, fields)
    _light_up(image, layers, window, fields)
    return _photographed(image, rng, camera)


def _blend(image: FloatArray, colour: FloatArray, amount: FloatArray) -> None:
    """Move the picture towards a colour by ``amount`` (0 to 1 per pixel), in place."""
    for band in range(3):
        image[..., band] += (colour[band] - image[..., band]) * amount


def _scale(image: FloatArray, factor: FloatArray) -> None:
    for band in range(3):
        image[..., band] *= factor


def _lit(height: FloatArray) -> FloatArray:
    """Slope towards a light from the upper left, positive where lit."""
    slope = np.zeros_like(height)
    slope[1:-1, 1:-1] = 0.6 * (height[2:, 1:-1] - height[:-2, 1:-1]) + 0.35 * (
        height[1:-1, 2:] - height[1:-1, :-2]
    )
    return slope


def _lay_paint(
    image: FloatArray, layers: Layers, window: Window, fields: Weather, rng: np.random.Generator
) -> None:
    """Give flat colour the unevenness of a brush, mineral grain, wear and gilding."""
    warmth, mottle = fields.warmth.read(window), fields.mottle.read(window)
    brush = fields.brush.read(window)
    speckle = white_noise(rng, image.shape[:2])
    _scale(image, 1.0 + 0.035 * mottle + 0.035 * brush + 0.04 * speckle)
    image[..., 0] *= 1.0 + 0.035 * warmth
    image[..., 2] *= 1.0 - 0.045 * warmth
    wear = fields.wear.read(window)
    worn = np.clip((wear - 1.1) * 0.6, 0, 0.4) * np.clip(
        0.6 + 0.45 * brush + 0.3 * mottle + 0.2 * speckle, 0, 1
    )
    _blend(image, _GROUND, worn)
    relief = layers.relief.astype(np.float32) / 255.0
    rubbed = np.clip((wear + 0.3 * mottle - 0.9) * 1.1, 0, 0.75) * relief
    _blend(image, np.array([128, 92, 56], np.float32), rubbed)
    raised = gaussian_filter(relief, 1.3)
    glint = _lit(raised)
    _scale(image, 1.0 + np.clip(glint * 1.15, -0.55, 0.9) * (0.35 + 0.65 * relief))
    image += (np.clip(glint, 0, 1) * relief * (45.0 + 15.0 * speckle))[..., None]


def _open_cracks(image: FloatArray, layers: Layers, window: Window, fields: Weather) -> None:
    """Darken cracks, light their far lips and let the islands between them cup."""
    if not layers.crack.any():
        return
    share = layers.crack.astype(np.float32) / 16.0
    depth = layers.depth.astype(np.float32) / 255.0
    cupping = _lit(gaussian_filter(share * depth, 4.5))
    lip = np.clip(0.5 + 0.5 * fields.lip.read(window), 0, 1)
    _scale(image, 1.0 - np.clip(cupping * 2.2, -0.2, 0.2) * (0.3 + 0.7 * lip))
    soft = gaussian_filter(share, 0.55)
    edge = np.zeros_like(soft)
    edge[2:, 1:] = soft[:-2, :-1]
    rim = np.clip(edge - soft, 0, 1) * depth * lip
    image += (rim * 46.0)[..., None] * np.array([1.0, 0.95, 0.85], np.float32)
    dust = np.clip(0.35 * fields.wear.read(window) - 0.2, 0, 0.35)
    amount = np.clip(soft * depth, 0, 1)
    for band in range(3):
        dirt = _CRACK[band] + (_DUST[band] - _CRACK[band]) * dust
        image[..., band] += (dirt - image[..., band]) * amount


def _bare_ground(
    image: FloatArray, layers: Layers, window: Window, fields: Weather, rng: np.random.Generator
) -> None:
    """Show ground, hemp and wood where paint is lost, below the shadow of the paint's edge."""
    part = _around(layers.lost)
    if part is None:
        return
    rows, cols = part
    image = image[rows, cols]
    window = Window(
        window.row_off + rows.start,
        window.col_off + cols.start,
        rows.stop - rows.start,
        cols.stop - cols.start,
    )
    lost = layers.lost[rows, cols].astype(np.float32) / 16.0
    mottle, grain = fields.mottle.read(window), fields.grain.read(window)
    speckle = white_noise(rng, lost.shape)
    inner = gaussian_filter(lost, 12.0, truncate=2.5) + 0.12 * fields.wear.read(window)
    to_hemp = np.clip((inner - 0.62) * 4, 0, 1)
    to_wood = np.clip((inner - 0.86) * 9, 0, 1)
    fibre = 0.06 * speckle + 0.08 * mottle + (0.05 + 0.14 * to_wood) * grain
    tone = 1.0 + fibre + 0.08 * fields.warmth.read(window)
    above = np.zeros_like(lost)
    above[3:, 2:] = lost[:-3, :-2]
    shadow = np.clip(lost - gaussian_filter(above, 0.9), 0, 1)
    far_edge = np.clip(gaussian_filter(above, 0.7) - lost, 0, 1)
    frayed = np.clip(gaussian_filter(lost, 1.3) - lost, 0, 1)
    _blend(image, _FRAYED, np.clip(0.5 * far_edge + 0.45 * frayed, 0, 0.65))
    # Some pigment stays in the pores of the ground.
    share = lost * np.clip(1.04 - 0.2 * np.clip(mottle + 0.5 * speckle - 0.6, 0, 2), 0, 1)
    for band in range(3):
        bare = _GROUND[band] + (_HEMP[band] - _GROUND[band]) * to_hemp
        bare += (_WOOD[band] - bare) * to_wood
        bare *= tone * (1.0 - 0.66 * shadow)
        image[..., band] += (bare - image[..., band]) * share


def _around(damage: NDArray[np.uint8]) -> tuple[slice, slice] | None:
    """Return the rows and columns within reach of any damage, None without damage."""
    rows, cols = np.flatnonzero(damage.any(axis=1)), np.flatnonzero(damage.any(axis=0))
    if not len(rows):
        return None
    return (
        slice(max(rows[0] - HALO_PX, 0), min(rows[-1] + HALO_PX, damage.shape[0])),
        slice(max(cols[0] - HALO_PX, 0), min(cols[-1] + HALO_PX, damage.shape[1])),
    )


def _soil(image: FloatArray, window: Window, fields: Weather) -> None:
    """Add dust, soot and the streaks of running water."""
    grime = fields.grime.read(window)
    _blend(image, _DUST, np.clip(0.14 + 0.075 * grime, 0.04, 0.38))
    _blend(image, _SOOT, np.clip(-0.1 * grime - 0.06, 0, 0.3))
    drips = fields.drips.read(window)
    _blend(image, _SOOT, np.clip((drips - 1.2) * 0.16, 0, 0.24))
    _blend(image, _DUST * 1.1, np.clip((-drips - 1.7) * 0.2, 0, 0.22))


def _light_up(image: FloatArray, layers: Layers, window: Window, fields: Weather) -> None:
    _scale(image, layers.shade * (1.0 + 0.05 * fields.light.read(window)))


def _photographed(image: FloatArray, rng: np.random.Generator, camera: Camera) -> NDArray[np.uint8]:
    """Blur by the lens and add the sensor's noise, greater in luminance than in colour."""
    for band in range(3):
        image[..., band] = gaussian_filter(image[..., band] * np.float32(camera.gains[band]), camera.blur_px)
    luminance = white_noise(rng, image.shape[:2]) * 2.0
    for band in range(3):
        image[..., band] += luminance + 1.2 * white_noise(rng, image.shape[:2])
    return np.asarray(np.clip(image + 0.5, 0, 255), np.uint8)
