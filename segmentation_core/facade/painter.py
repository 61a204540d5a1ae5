"""A brush: fills, graded bands, ink and raised gold lines on a canvas drawn at twice its size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from segmentation_core.facade.curves import Points
from segmentation_core.facade.palette import GOLD, INK, WHITE, Colour, Ramp
from segmentation_core.facade.view import Sheet

__all__ = ["Painter", "union_of_circles"]

_SUPERSAMPLING = 2
_HAND_TREMOR_PX = 1.1
_LONGEST_SIDE_PX = 24.0
_FINEST_BAND_PX = 0.3


class Painter:
    """Paints a picture and, beside it, the relief of its raised gilded lines (沥粉贴金).

    Coordinates are pixels of the finished picture. Every point passes through one smooth seeded
    displacement, the unsteadiness of a hand, so that no two repeats of a motif are copies.

    Parameters
    ----------
    width_px, height_px : int
        Size of the finished picture.
    ground : Colour
        What the canvas is covered with.
    rng : numpy Generator
        Draws the displacement.
    sheet : Sheet or None
        What to paint on, if the finished picture's pixels are to be others.
    """

    def __init__(
        self,
        width_px: int,
        height_px: int,
        ground: Colour,
        rng: np.random.Generator,
        sheet: Sheet | None = None,
    ) -> None:
        self.width_px, self.height_px = width_px, height_px
        self._sheet = sheet
        sides = (width_px, height_px) if sheet is None else (sheet.width_px, sheet.height_px)
        size = (sides[0] * _SUPERSAMPLING, sides[1] * _SUPERSAMPLING)
        self._use(Image.new("RGB", size, ground), Image.new("L", size, 0), np.zeros(2))
        self._phase = rng.uniform(0, 2 * np.pi, 4)
        self._frequency = 2 * np.pi / rng.uniform(130, 700, (2, 4)) * rng.choice([-1, 1], (2, 4))
        self.mirrored = False

    def fill(self, shape: Points | BaseGeometry, colour: Colour, relief: int = 0) -> None:
        """Cover a shape with one colour; ``relief`` above 0 (to 255) raises it."""
        if isinstance(shape, np.ndarray):
            shape = Polygon(shape)
            if not shape.is_valid:
                shape = shape.buffer(0)
        for part in getattr(shape, "geoms", [shape]):
            if isinstance(part, Polygon) and not part.is_empty:
                # A long straight side must be able to bend with the hand.
                self._fill_polygon(shapely.segmentize(part, _LONGEST_SIDE_PX), colour, relief)

    def stroke(self, line: Points, width_px: float, colour: Colour, relief: int = 0) -> None:
        """Draw a line with round ends."""
        self.fill(LineString(line).buffer(width_px / 2, quad_segs=4), colour, relief)

    def ink(self, line: Points, width_px: float) -> None:
        """Draw a black contour."""
        self.stroke(line, width_px, INK)

    def gold(self, line: Points, width_px: float) -> None:
        """Draw a raised gold line between two thin ink lines."""
        self.stroke(line, width_px * 1.45, INK)
        self.stroke(line, width_px, GOLD, relief=255)

    def graded(
        self,
        shape: Points | BaseGeometry,
        ramp: Ramp,
        step_px: float,
        *,
        outline: str = "ink",
        steps: int = 4,
    ) -> None:
        """Fill a shape with bands parallel to its outline: contour, white line, then light to dark.

        Parameters
        ----------
        shape : points or polygon
            What to fill.
        ramp : Ramp
            Hue.
        step_px : float
            Width of one band.
        outline : {"ink", "gold", "none"}
            The contour.
        steps : int
            Bands after the white line; 3 leaves out the deep one.
        """
        outer = Polygon(shape) if isinstance(shape, np.ndarray) else shape
        outer = outer.buffer(0)
        contour_px = 0.42 * step_px
        match outline:
            case "ink":
                self.fill(outer, INK)
            case "gold":
                self.fill(outer, INK)
                outer = outer.buffer(-0.35 * contour_px)
                self.fill(outer, GOLD, relief=255)
            case "none":
                contour_px = 0.0
            case _:
                raise ValueError(f"no outline of kind {outline!r}")
        depth = contour_px
        for colour, width_px in self._bands(ramp, step_px, steps):
            if width_px >= _FINEST_BAND_PX:
                inner = outer.buffer(-depth, quad_segs=5)
                if inner.is_empty:
                    return
                self.fill(inner, colour)
            depth += width_px

    @contextmanager
    def inside(self, shape: Points) -> Iterator[None]:
        """Keep what is painted within the ``with`` block inside a shape."""
        left, top, right, bottom = Polygon(self._moved(np.asarray(shape))).bounds
        box = (
            max(int(left) - 1, 0),
            max(int(top) - 1, 0),
            min(int(right) + 2, self._rgb.width),
            min(int(bottom) + 2, self._rgb.height),
        )
        whole = self._rgb, self._relief, self._origin
        self._use(self._rgb.crop(box), self._relief.crop(box), self._origin + np.array(box[:2]))
        yield
        mask = Image.new("L", self._rgb.size, 0)
        ImageDraw.Draw(mask).polygon(self._moved(np.asarray(shape)).ravel().tolist(), fill=255)
        for image, part in zip(whole[:2], (self._rgb, self._relief), strict=True):
            image.paste(part, box[:2], mask)
        self._use(*whole)

    def finished(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the picture (height, width, 3) and the relief (height, width), both uint8."""
        return (
            np.asarray(self._rgb.reduce(_SUPERSAMPLING)),
            np.asarray(self._relief.reduce(_SUPERSAMPLING)),
        )

    def _use(self, rgb: Image.Image, relief: Image.Image, origin: Points) -> None:
        self._rgb, self._relief, self._origin = rgb, relief, origin
        self._brushes = (ImageDraw.Draw(rgb), ImageDraw.Draw(relief))

    def _bands(self, ramp: Ramp, step_px: float, steps: int) -> Sequence[tuple[Colour, float]]:
        bands = [
            (WHITE, 0.45 * step_px),
            (ramp.light, 0.8 * step_px),
            (ramp.mid, step_px),
            (ramp.dark, step_px),
        ]
        return [*bands, (ramp.deep, step_px)][: steps + 1]

    def _moved(self, points: Points) -> Points:
        x, y = points[:, 0], points[:, 1]
        if self.mirrored:
            x = self.width_px - x
        place = np.empty((len(x), 2))
        place[:, 0], place[:, 1] = x, y
        # Two waves across each other for either direction.
        shake = np.sin(place @ self._frequency + self._phase)
        tremor = _HAND_TREMOR_PX * min(self.height_px / 1000, 1.0)
        place += tremor * (shake[:, :2] + shake[:, 2:])
        if self._sheet is not None:
            place = self._sheet.place(place)
        return np.asarray(place * _SUPERSAMPLING - self._origin)

    def _fill_polygon(self, polygon: Polygon, colour: Colour, relief: int) -> None:
        shell = self._moved(np.asarray(polygon.exterior.coords))
        if not polygon.interiors:
            flat = shell.ravel().tolist()
            self._brushes[0].polygon(flat, fill=colour)
            self._brushes[1].polygon(flat, fill=relief)
            return
        left, top = np.floor(shell.min(axis=0)).astype(int)
        right, bottom = np.ceil(shell.max(axis=0)).astype(int) + 1
        mask = Image.new("1", (right - left, bottom - top), 0)
        brush = ImageDraw.Draw(mask)
        brush.polygon((shell - (left, top)).ravel().tolist(), fill=1)
        for ring in polygon.interiors:
            hole = self._moved(np.asarray(ring.coords)) - (left, top)
            brush.polygon(hole.ravel().tolist(), fill=0)
        self._rgb.paste(colour, (left, top), mask)
        self._relief.paste(relief, (left, top), mask)


def union_of_circles(circles: Sequence[tuple[float, float, float]]) -> BaseGeometry:
    """Return the outline of overlapping circles, each (x, y, radius)."""
    points = shapely.points([(x, y) for x, y, _ in circles])
    return shapely.union_all(shapely.buffer(points, [r for _, _, r in circles], quad_segs=10))
