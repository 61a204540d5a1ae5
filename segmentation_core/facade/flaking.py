"""Paint loss: flakes that end at cracks, and lone chips, as exact rasters.

A flake is one cell or several neighbouring cells of the crack network, bent as the cracks were, with its
rim nibbled; part of its outline may be a fresh fracture across a cell. Rasters are drawn at 4 x 4 samples
a pixel; a pixel is lost where at least half of its samples are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from segmentation_core.facade.cracking import Bending, Cell, cell_area
from segmentation_core.facade.layout import Damage

__all__ = ["SIDE", "Flake", "flakes_fallen", "loss_coverage", "rough"]

SIDE = 4
_AREA_PX = (100.0, 60_000.0)
_AREA_PX_TRIANGLE = (_AREA_PX[0], 1500.0, _AREA_PX[1])
_LARGEST_CHIP_PX = 6000.0
_LONE_SHARE = 0.16
_MOST_FLAKES = 5000
_MARGIN_PX = 6

Outline = NDArray[np.float64]


@dataclass(frozen=True)
class Flake:
    """One loss, in samples of a quarter of a pixel.

    Attributes
    ----------
    left, top : int
        Pixel of the first sample.
    lost : bool array of shape (4 height, 4 width)
        True where paint is lost; height and width in pixels.
    """

    left: int
    top: int
    lost: NDArray[np.bool_]

    @property
    def box_px(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1."""
        height, width = self.lost.shape
        return self.left, self.top, self.left + width // SIDE, self.top + height // SIDE

    def share(self) -> NDArray[np.uint8]:
        """Return the samples lost of each of its pixels, 0 to 16."""
        height, width = self.lost.shape
        cut = self.lost.reshape(height // SIDE, SIDE, width // SIDE, SIDE)
        return np.asarray(cut.sum(axis=(1, 3), dtype=np.uint8))


def loss_coverage(flakes: Iterable[Flake], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the samples of each pixel that are lost, 0 to 16, as uint8 of ``shape`` (height, width)."""
    covered = np.zeros(shape, np.uint8)
    for flake in flakes:
        x0, y0, x1, y1 = flake.box_px
        part = covered[y0:y1, x0:x1]
        np.maximum(part, flake.share(), out=part)
    return covered


def flakes_fallen(
    rng: np.random.Generator, shape: tuple[int, int], cells: list[Cell], damage: Damage, bend: Bending
) -> list[Flake]:
    """Let paint fall off a beam.

    Parameters
    ----------
    rng : numpy Generator
        Consumed.
    shape : (height, width)
        Of the beam, pixels.
    cells : list of Cell
        From `crack_network`.
    damage : Damage
        Its ``lost`` is the share of the beam to lose, roughly.
    bend : Bending
        The same that bent the cracks.

    Returns
    -------
    list of Flake
        In the order they fell; they may overlap.
    """
    covered = np.zeros(shape, np.uint8)
    fallen = []
    film = _film(rng, cells)
    left = damage.lost * shape[0] * shape[1]
    for _ in range(_MOST_FLAKES):
        if left < _AREA_PX[0]:
            break
        area_px = min(float(np.exp(rng.triangular(*np.log(_AREA_PX_TRIANGLE)))), 1.1 * left)
        whole = [] if film is None or rng.random() < _LONE_SHARE else film.flake(rng, area_px)
        outlines = [bend.apply(_densified(cell)) for cell in whole]
        if not outlines:
            outlines = [_chip(rng, shape, min(area_px, _LARGEST_CHIP_PX))]
        flake = _drawn(rng, shape, outlines)
        if flake is not None:
            fallen.append(flake)
            left -= _add(flake, covered)
    return fallen


@dataclass(frozen=True)
class _Film:
    """The cells of a paint film, and how likely a flake starts at each."""

    cells: list[Cell]
    areas: NDArray[np.float64]
    tree: cKDTree
    likelihood: NDArray[np.float64]

    def flake(self, rng: np.random.Generator, area_px: float) -> list[Cell]:
        """Return the cells nearest to a random one that together have the area; none if all are larger."""
        likelihood = self.likelihood * (self.areas < 1.3 * area_px)
        if not likelihood.any():
            return []
        seed = rng.choice(len(self.cells), p=likelihood / likelihood.sum())
        _, near = self.tree.query(self.tree.data[seed], k=min(160, len(self.cells)))
        near = np.atleast_1d(near)
        count = int(np.searchsorted(np.cumsum(self.areas[near]), 0.75 * area_px)) + 1
        return [self.cells[k] for k in near[:count]]


def _film(rng: np.random.Generator, cells: list[Cell]) -> _Film | None:
    usable = [cell for cell in cells if cell_area(cell) < _AREA_PX[1] / 3]
    if not usable:
        return None
    centres = np.array([cell.mean(axis=0) for cell in usable])
    areas = np.array([cell_area(cell) for cell in usable])
    # Flakes are longer along the grain.
    return _Film(usable, areas, cKDTree(centres * (0.7, 1.0)), _decay(rng, centres))


def _decay(rng: np.random.Generator, centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability that a flake starts at a cell: losses gather around a few places."""
    places = centres[rng.choice(len(centres), min(14, len(centres)), replace=False)]
    distance = np.hypot(*(centres[:, None] - places[None]).transpose(2, 0, 1)).min(axis=1)
    weight = np.exp(-distance / 260.0) + 0.06
    return np.asarray(weight / weight.sum())


def _chip(rng: np.random.Generator, shape: tuple[int, int], area_px: float) -> Outline:
    angle = np.linspace(0, 2 * np.pi, 90)
    radius = np.ones(90)
    for k in range(2, 9):
        radius += rng.normal(0, 0.42 / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    radius = np.clip(radius, 0.25, 2.2) * np.sqrt(area_px / np.pi)
    x = rng.uniform(0.02, 0.98) * shape[1] + 1.25 * radius * np.cos(angle)
    y = rng.uniform(0.04, 0.96) * shape[0] + 0.8 * radius * np.sin(angle)
    return np.column_stack((x, y))


def _drawn(rng: np.random.Generator, shape: tuple[int, int], outlines: list[Outline]) -> Flake | None:
    """Draw one flake; None where it lies outside the beam."""
    every = np.vstack(outlines)
    low = np.maximum(np.floor(every.min(axis=0)).astype(int) - _MARGIN_PX, 0)
    high = np.minimum(np.ceil(every.max(axis=0)).astype(int) + _MARGIN_PX, shape[::-1])
    width, height = high - low
    if width < 2 or height < 2:
        return None
    image = Image.new("L", (int(width) * SIDE, int(height) * SIDE), 0)
    brush = ImageDraw.Draw(image)
    for outline in outlines:
        brush.polygon([tuple(p) for p in (outline - low) * SIDE], fill=255, outline=255, width=2)
    soft = gaussian_filter(np.asarray(image, np.float32) / 255.0, 3.0)
    fracture = rough(rng, soft.shape, 60.0 * SIDE) * rng.uniform(0.02, 0.3)
    rim = rough(rng, soft.shape, 3.0 * SIDE) * 0.13 + rough(rng, soft.shape, 9.0 * SIDE) * 0.1
    return Flake(int(low[0]), int(low[1]), soft + rim + np.minimum(fracture, 0.0) > 0.5)


def _add(flake: Flake, covered: NDArray[np.uint8]) -> float:
    """Add a flake to what is lost, in place; return the pixels it newly covers by half or more."""
    x0, y0, x1, y1 = flake.box_px
    part = covered[y0:y1, x0:x1]
    before = int((part >= SIDE**2 // 2).sum())
    np.maximum(part, flake.share(), out=part)
    return float((part >= SIDE**2 // 2).sum() - before)


def rough(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> NDArray[np.float32]:
    """Return smooth noise of a shape (height, width), independent at ``cell`` samples' distance."""
    grid = rng.standard_normal((int(shape[0] / cell) + 3, int(shape[1] / cell) + 3), dtype=np.float32)
    box = (0.5, 0.5, 0.5 + shape[1] / cell, 0.5 + shape[0] / cell)
    return np.asarray(Image.fromarray(grid).resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box))


def _densified(cell: Cell) -> Outline:
    """Return the closed outline with a point every 3 px, so that it bends as the cracks did.

    A cell with less outline than that keeps its corners.
    """
    closed = np.vstack((cell, cell[:1]))
    at = np.r_[0, np.cumsum(np.hypot(*np.diff(closed, axis=0).T))]
    if at[-1] <= 3.0:
        return closed
    s = np.arange(0, at[-1], 3.0)
    return np.column_stack((np.interp(s, at, closed[:, 0]), np.interp(s, at, closed[:, 1])))
