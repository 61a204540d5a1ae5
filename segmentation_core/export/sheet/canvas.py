"""A page of a plan sheet: text in mm from the upper left, map geometry at a scale in a frame."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import shapely

from segmentation_core.export.fonts import Font

if TYPE_CHECKING:
    import numpy as np
    from fpdf import FPDF
    from numpy.typing import NDArray

__all__ = ["Canvas", "Frame", "Pen", "new_document"]

_PT_PER_MM = 72 / 25.4
_SHORTEST_MM = 0.02
_POLYGONS_AT_ONCE = 400
_JPEG_QUALITY = 85

Box = tuple[float, float, float, float]
"""x, y of the upper left corner, width, height; mm on paper."""


@dataclass(frozen=True)
class Pen:
    """A colour ``#rrggbb`` and a width in mm on paper."""

    colour: str
    width_mm: float = 0.18


@dataclass(frozen=True)
class Frame:
    """Where on the page map coordinates lie.

    Attributes
    ----------
    box : Box
        The frame on paper.
    left, bottom : float
        Map coordinates of its lower left corner.
    mm_per_unit : float
        mm on paper per unit of the map.
    """

    box: Box
    left: float
    bottom: float
    mm_per_unit: float

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Map coordinates of the frame: min x, min y, max x, max y."""
        _, _, width, height = self.box
        right, top = self.left + width / self.mm_per_unit, self.bottom + height / self.mm_per_unit
        return (self.left, self.bottom, right, top)


@contextmanager
def new_document(fonts: Sequence[Font], paper_mm: tuple[float, float], title: str) -> Iterator[FPDF]:
    """Give an empty document with its fonts; their files are closed in the end."""
    from fpdf import FPDF

    document = FPDF(unit="mm", format=(min(paper_mm), max(paper_mm)))
    document.set_auto_page_break(False)
    document.set_title(title)
    document.set_creator("Craquelure")
    try:
        for index, font in enumerate(fonts):
            document.add_font(f"F{index}", fname=font.path, collection_font_number=font.number)
        fallbacks = [f"F{index}" for index in range(1, len(fonts))]
        document.set_fallback_fonts(fallbacks, exact_match=False)
        yield document
    finally:
        for loaded in document.fonts.values():
            opened = getattr(loaded, "ttfont", None)
            if opened is not None:
                opened.close()


class Canvas:
    """One page of a document; it is added when the canvas is made."""

    def __init__(self, document: FPDF) -> None:
        self._pdf = document
        document.add_page(orientation="landscape")
        self.width, self.height = float(document.w), float(document.h)

    def text(
        self, x: float, y: float, text: str, size_mm: float = 2.5, *, width: float | None = None
    ) -> None:
        """Write one line with its baseline at ``y``; it is narrowed, then cut, to fit ``width``."""
        self._write(x, y, text, size_mm, width)

    def text_right(
        self, x: float, y: float, text: str, size_mm: float = 2.5, *, width: float | None = None
    ) -> None:
        """Write one line that ends at ``x``."""
        fitted, size = self._fitted(text, size_mm, width)
        self._write(x - self._pdf.get_string_width(fitted), y, fitted, size, None)

    def paragraph(
        self, x: float, y: float, width: float, text: str, size_mm: float = 2.2, lines: int = 3
    ) -> float:
        """Write a text over a few lines and return the y below it."""
        self._size(size_mm)
        broken = cast(list[str], self._pdf.multi_cell(width, text=text, dry_run=True, output="LINES"))
        for index, line in enumerate(broken[:lines]):
            cut = index == lines - 1 and len(broken) > lines
            self._write(x, y, f"{line} …" if cut else line, size_mm, width)
            y += size_mm * 1.5
        return y

    def line(self, points: Sequence[tuple[float, float]], pen: Pen) -> None:
        """Draw a line through points in mm."""
        self._raw(f"{_pen(pen)} {self._path(points)} S")

    def box(self, box: Box, pen: Pen | None, fill: str | None = None) -> None:
        """Draw a rectangle."""
        x, y, width, height = box
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        inside = "" if fill is None else f"{_rgb(fill)} rg "
        how = "h B" if pen and fill else "h S" if pen else "h f"
        self._raw(f"{inside}{_pen(pen) if pen else ''} {self._path(corners)} {how}")

    def triangle(self, points: Sequence[tuple[float, float]], fill: str) -> None:
        """Fill a polygon given in mm."""
        self._raw(f"{_rgb(fill)} rg {self._path(points)} h f")

    @contextmanager
    def clipped(self, box: Box) -> Iterator[None]:
        """Draw nothing outside a rectangle."""
        x, y, width, height = box
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        self._out(f"q {self._path(corners)} h W n")
        yield
        self._out("Q")

    def picture(self, rgb: NDArray[np.uint8], frame: Frame, corners: Sequence[tuple[float, float]]) -> None:
        """Place a picture (H, W, 3) by the map coordinates of its upper left, upper right, lower left corner.

        It is stored as JPEG without chroma subsampling: a plan of ten elements can be mailed, and hairlines
        stay in the picture.
        """
        (ax, ay), (bx, by), (cx, cy) = (self._point(frame, x, y) for x, y in corners)
        # unit square: (1, 0) runs along the image's rows, (0, 1) up its columns
        matrix = (bx - ax, by - ay, ax - cx, ay - cy, cx, cy)
        self._out(f"q {' '.join(f'{v:.5f}' for v in matrix)} cm")
        side = 1 / _PT_PER_MM
        from PIL import Image

        jpeg = io.BytesIO()
        Image.fromarray(rgb).save(jpeg, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        self._pdf.image(jpeg, x=0, y=self.height - side, w=side, h=side)
        self._out("Q")

    def lines(self, frame: Frame, geometries: Iterable[Any], pen: Pen) -> None:
        """Draw lines, or the outlines of polygons."""
        self._raw(f"{_pen(pen)} {' '.join(self._paths(frame, geometries))} S")

    def join(self, frame: Frame, place: float, name: str, *, upright: bool) -> None:
        """Draw a dashed line with its letter across a frame at a map coordinate: x where upright, else y."""
        x, y, width, height = frame.box
        if upright:
            at = x + (place - frame.left) * frame.mm_per_unit
            ends, letters = [(at, y), (at, y + height)], [(at + 0.8, y + 3.2), (at + 0.8, y + height - 1)]
        else:
            at = y + height - (place - frame.bottom) * frame.mm_per_unit
            ends, letters = [(x, at), (x + width, at)], [(x + 1, at - 0.8), (x + width - 3, at - 0.8)]
        self._raw(f"[9 5] 0 d {_pen(Pen('#000000'))} {self._path(ends)} S")
        for letter in letters:
            self.text(*letter, name, 2.8)

    def filled(self, frame: Frame, geometries: Iterable[Any], fill: str) -> None:
        """Fill polygons."""
        self._raw(f"{_rgb(fill)} rg {' '.join(self._paths(frame, geometries))} f*")

    def hatched(
        self, frame: Frame, polygons: Sequence[Any], pen: Pen, angle_deg: float, spacing_mm: float
    ) -> None:
        """Hatch polygons: the lines are clipped, so that their spacing on paper is exact."""
        drawn = [p for p in polygons if not p.is_empty]
        for start in range(0, len(drawn), _POLYGONS_AT_ONCE):
            some = drawn[start : start + _POLYGONS_AT_ONCE]
            paths = " ".join(self._paths(frame, some))
            if paths:
                x0, y0, x1, y1 = shapely.total_bounds(some)
                corners = [self._point(frame, x, y) for x in (x0, x1) for y in (y0, y1)]
                self._out(f"q {paths} W* n {_pen(pen)} {_hatch(corners, angle_deg, spacing_mm)} S Q")

    def hatched_box(self, box: Box, pen: Pen, angle_deg: float, spacing_mm: float) -> None:
        """Draw a rectangle with its hatch, as in a legend."""
        x, y, width, height = box
        points = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        corners = [(px * _PT_PER_MM, (self.height - py) * _PT_PER_MM) for px, py in points]
        hatch = _hatch(corners, angle_deg, spacing_mm)
        self._out(f"q {self._path(points)} h W n {_pen(pen)} {hatch} S Q")
        self.box(box, pen)

    def _paths(self, frame: Frame, geometries: Iterable[Any]) -> Iterator[str]:
        parts = shapely.get_parts(list(geometries))
        parts = shapely.simplify(parts, _SHORTEST_MM / frame.mm_per_unit, preserve_topology=True)
        for part in parts:
            rings = (part,) if part.geom_type == "LineString" else (part.exterior, *part.interiors)
            for ring in rings:
                yield self._map_path(frame, ring)

    def _map_path(self, frame: Frame, line: Any) -> str:
        x, y, _, height = frame.box
        k = frame.mm_per_unit * _PT_PER_MM
        points = shapely.get_coordinates(line)
        px = (points[:, 0] - frame.left) * k + x * _PT_PER_MM
        py = (points[:, 1] - frame.bottom) * k + (self.height - y - height) * _PT_PER_MM
        words = [f"{a:.2f} {b:.2f} l" for a, b in zip(px.tolist(), py.tolist(), strict=True)]
        return " ".join(words).replace(" l", " m", 1)

    def _point(self, frame: Frame, map_x: float, map_y: float) -> tuple[float, float]:
        x, y, _, height = frame.box
        k = frame.mm_per_unit * _PT_PER_MM
        return (
            (map_x - frame.left) * k + x * _PT_PER_MM,
            (map_y - frame.bottom) * k + (self.height - y - height) * _PT_PER_MM,
        )

    def _path(self, points: Sequence[tuple[float, float]]) -> str:
        words = [f"{x * _PT_PER_MM:.2f} {(self.height - y) * _PT_PER_MM:.2f} l" for x, y in points]
        return " ".join(words).replace(" l", " m", 1)

    def _raw(self, operators: str) -> None:
        self._out(f"q 1 J 1 j {operators} Q")

    def _out(self, operators: str) -> None:
        self._pdf._out(operators)

    def _size(self, size_mm: float) -> None:
        self._pdf.set_font("F0", size=size_mm * _PT_PER_MM)

    def _fitted(self, text: str, size_mm: float, width: float | None) -> tuple[str, float]:
        text = " ".join(text.split())
        self._size(size_mm)
        if width is None or self._pdf.get_string_width(text) <= width:
            return text, size_mm
        size_mm *= 0.85
        self._size(size_mm)
        while text and self._pdf.get_string_width(f"{text}…") > width:
            text = text[: -max(1, len(text) // 20)]
        return f"{text}…", size_mm

    def _write(self, x: float, y: float, text: str, size_mm: float, width: float | None) -> None:
        fitted, size = self._fitted(text, size_mm, width)
        self._size(size)
        if fitted:
            self._pdf.text(x, y, fitted)


def _pen(pen: Pen) -> str:
    return f"{_rgb(pen.colour)} RG {pen.width_mm * _PT_PER_MM:.3f} w"


def _rgb(colour: str) -> str:
    return " ".join(f"{int(colour[i : i + 2], 16) / 255:.3f}" for i in (1, 3, 5))


def _hatch(corners: Sequence[tuple[float, float]], angle_deg: float, spacing_mm: float) -> str:
    """Return the path of parallel lines over a box in points, in a raster fixed to the page."""
    along = (math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg)))
    across = (-along[1], along[0])
    u = [x * along[0] + y * along[1] for x, y in corners]
    v = [x * across[0] + y * across[1] for x, y in corners]
    step = spacing_mm * _PT_PER_MM
    words = []
    for k in range(math.floor(min(v) / step), math.ceil(max(v) / step) + 1):
        for end, how in ((min(u), "m"), (max(u), "l")):
            x, y = (end * along[i] + k * step * across[i] for i in (0, 1))
            words.append(f"{x:.2f} {y:.2f} {how}")
    return " ".join(words)
