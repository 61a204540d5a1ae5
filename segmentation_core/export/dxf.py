"""A drawing for CAD (DXF R2010): one layer per class, survey and kind, at 1:1 in metres or millimetres.

Cracks are drawn as centrelines with their width in the extended data; the pixel outlines of hairlines stay
out of the drawing. Lines and outlines are simplified within a quarter of the GSD and lines are cut at 2,000
vertices, so that CAD programs stay quick; what they measure on the drawing agrees with the book within that
bound, and the book's own figures travel in the extended data of every entity.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.export.content import layer_content, metres_per_unit
from segmentation_core.export.dxf_entities import EntityWriter, joined
from segmentation_core.export.fields import CHANGE_LAYERS, ELEMENT_LAYER, EXPORT_LAYERS, ExportLayer
from segmentation_core.export.request import Pair, Request, Written
from segmentation_core.export.tables import class_name, kind_name, size_range
from segmentation_core.export.template import ClassRules, size_class
from segmentation_core.export.words import word
from segmentation_core.survey.surveys import Survey, orthophotos_of
from segmentation_core.vocabulary import DefectClass, load_vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from ezdxf.document import Drawing
    from ezdxf.layouts.layout import Modelspace

    from segmentation_core.survey.store import Book

__all__ = ["APP_ID", "MOST_VERTICES", "SIMPLIFIED_GSD", "write_dxf"]

APP_ID = "CRAQUELURE"
"""Owner of the extended data."""

SIMPLIFIED_GSD = 0.25
"""Largest distance between a drawn and a measured line, in GSD."""

MOST_VERTICES = 2_000
_TEXT_MM = 3.5
_DEFAULT_SCALE = 10
_LINEWEIGHTS = (
    0,
    5,
    9,
    13,
    15,
    18,
    20,
    25,
    30,
    35,
    40,
    50,
    53,
    60,
    70,
    80,
    90,
    100,
    106,
    120,
    140,
    158,
    200,
    211,
)
_NOT_IN_LAYER_NAMES = re.compile(r"[<>/\\\":;?*|=`,\x00-\x1f]")
_DRAWN = ("loss_polygon", "crack_line")
_MEASURES = ("len_mm", "width_mm", "area_cm2", "conf")


@dataclass(frozen=True)
class _Pen:
    """What drawing needs: the modelspace, drawing units per book unit and per mm of paper, the tolerance."""

    space: Modelspace
    per_unit: float
    per_paper_mm: float
    tolerance: float

    def coordinates(self, line: Any) -> NDArray[np.float64]:
        """Return the vertices in drawing units."""
        return np.asarray(shapely.get_coordinates(line) * self.per_unit)


def write_dxf(book: Book, request: Request, folder: Path) -> Written:
    """Write surveys and pairs as ``out.dxf``.

    Memory: one chunk of features; see `segmentation_core.export.dxf_entities`.

    Raises
    ------
    DiskFullError, VectorError
        The file cannot be written.
    """
    from ezdxf.filemanagement import new

    drawing = new("R2010", setup=False, units=6 if request.unit == "m" else 4)
    drawing.appids.add(APP_ID)
    drawing.styles.add("CRAQUELURE", font="simsun.ttc" if request.language == "zh" else "arial.ttf")
    drawing.header["$LWDISPLAY"] = 1
    metre = metres_per_unit(book)
    unit = 1.0 if request.unit == "m" else 1e3
    gsd_mm = _finest_gsd_mm(book, request)
    pen = _Pen(
        drawing.modelspace(),
        metre * unit,
        (request.scale or _DEFAULT_SCALE) * unit / 1e3,
        SIMPLIFIED_GSD * gsd_mm / 1e3 / metre,
    )
    entities = folder / "entities.part"
    with entities.open("w", encoding="utf-8", newline="\n") as stream:
        handles = drawing.entitydb.handles
        writer = EntityWriter(stream, handles.next, pen.space.block_record_handle, APP_ID)
        drawn, whole = _draw_features(drawing, pen, writer, book, request)
    corner = _draw_elements(drawing, pen, book, request)
    bound_mm = SIMPLIFIED_GSD * gsd_mm
    _draw_legend(drawing, pen, request, bound_mm, corner)
    rest = io.StringIO()
    drawing.write(rest)
    path = folder / "out.dxf"
    with path.open("w", encoding="utf-8", newline="\n") as out, entities.open(encoding="utf-8") as stream:
        joined(rest.getvalue(), stream, out)
    entities.unlink()
    notes = [
        f"lines and outlines are simplified within {bound_mm:.3g} mm (a quarter of the GSD); the measured "
        "lengths and areas are in the extended data"
    ]
    if whole:
        notes.append(
            f"{whole} outlines have more than {MOST_VERTICES:,} vertices and stay whole, so that they close"
        )
    return Written({path.name: drawn}, tuple(notes))


def _draw_features(
    drawing: Drawing, pen: _Pen, writer: EntityWriter, book: Book, request: Request
) -> tuple[int, int]:
    """Draw all features; return how many, and how many outlines stay longer than 2,000 vertices."""
    drawn = whole = 0
    for of, layer in _sources(request):
        fields = [f.name for f in layer.fields]
        for content in layer_content(book, layer, of, request):
            shapes = shapely.simplify(content.geometries, pen.tolerance, preserve_topology=True)
            for geometry, values in zip(shapes, zip(*content.columns, strict=True), strict=True):
                row = dict(zip(fields, values, strict=True))
                names = _layer_names(drawing, layer, of, row, request)
                whole += _draw(pen, writer, layer, names, geometry, row, request)
                drawn += 1
    return drawn, whole


def _sources(request: Request) -> Iterator[tuple[Survey | Pair, ExportLayer]]:
    for survey in request.surveys:
        yield from ((survey, layer) for layer in EXPORT_LAYERS if layer.table in _DRAWN)
    for pair in request.pairs:
        yield from ((pair, layer) for layer in CHANGE_LAYERS)


def _finest_gsd_mm(book: Book, request: Request) -> float:
    surveys = {*request.surveys, *(s for p in request.pairs for s in (p.before, p.after))}
    sizes = [record.gsd_mm for s in surveys for _, record in orthophotos_of(book, s.surv_id)]
    return min(sizes, default=0.0)


@dataclass(frozen=True)
class _Names:
    """Layers of a feature: its line or outline, and its hatch."""

    line: str
    hatch: str


def _layer_names(
    drawing: Drawing, layer: ExportLayer, of: Survey | Pair, row: dict[str, Any], request: Request
) -> _Names:
    language = request.language
    defect = next((c for c in load_vocabulary().classes if c.code == row["class_cd"]), None)
    damage = row["class_cd"] or "?" if defect is None else class_name(defect, language)
    if isinstance(of, Pair):
        damage = f"{damage} {kind_name(layer.table, row['kind'], language)}"
    base = f"{damage}_{of.name}"
    is_line = layer.table in {"crack_line", "change_line"}
    names = _Names(
        layer_name(f"{base}_{word('lines' if is_line else 'outline', language)}"),
        layer_name(f"{base}_{word('hatch', language)}"),
    )
    for name in (names.line,) if is_line else (names.line, names.hatch):
        if name not in drawing.layers:
            drawing.layers.add(name, true_color=_colour(defect))
    return names


def layer_name(text: str) -> str:
    """Return a text as the name of a DXF layer: at most 255 characters, none that CAD programs refuse.

    Examples
    --------
    >>> layer_name("龟裂_2024/05_hatch")
    '龟裂_2024-05_hatch'
    """
    return _NOT_IN_LAYER_NAMES.sub("-", text)[:255]


def _colour(defect: DefectClass | None) -> int:
    return 0x808080 if defect is None else int(defect.colour[1:], 16)


def _draw(
    pen: _Pen,
    writer: EntityWriter,
    layer: ExportLayer,
    names: _Names,
    geometry: Any,
    row: dict[str, Any],
    request: Request,
) -> int:
    """Draw a feature; return how many outlines had to stay longer than 2,000 vertices."""
    rules = request.template.classes.get(row["class_cd"] or "")
    data = _extended_data(row)
    if layer.geometry_type.endswith("LineString"):
        weight = _lineweight(rules, row)
        for part in shapely.get_parts(geometry):
            for piece in _pieces(pen.coordinates(part)):
                writer.polyline(names.line, piece, data, closed=False, weight=weight)
        return 0
    rings = [pen.coordinates(ring)[:-1] for part in shapely.get_parts(geometry) for ring in _rings(part)]
    for ring in rings:
        writer.polyline(names.line, ring, data, closed=True)
    writer.hatch(names.hatch, rings, data, *_hatching(pen, rules))
    return sum(len(ring) > MOST_VERTICES for ring in rings)


def _hatching(pen: _Pen, rules: ClassRules | None) -> tuple[float, float]:
    """Return the angle of a hatch and its spacing in drawing units."""
    if rules is None:
        return 45.0, 2.0 * pen.per_paper_mm
    return rules.hatch_angle_deg, rules.hatch_spacing_mm * pen.per_paper_mm


def _rings(polygon: Any) -> tuple[Any, ...]:
    return (polygon.exterior, *polygon.interiors)


def _pieces(vertices: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Cut a long line into pieces that share their end vertices."""
    for start in range(0, max(len(vertices) - 1, 1), MOST_VERTICES - 1):
        yield vertices[start : start + MOST_VERTICES]


def _hatch(pen: _Pen, layer: str, rings: Sequence[NDArray[np.float64]], rules: ClassRules | None) -> Any:
    hatch = pen.space.add_hatch(dxfattribs={"layer": layer, "color": 256})
    angle, spacing = _hatching(pen, rules)
    step = (-spacing * float(np.sin(np.radians(angle))), spacing * float(np.cos(np.radians(angle))))
    hatch.set_pattern_fill("CRAQUELURE", color=256, definition=[[angle, (0.0, 0.0), step, []]])
    for ring in rings:  # the hatch style "nested" fills between outer rings and holes by parity
        hatch.paths.add_polyline_path(ring, is_closed=True)
    return hatch


def _lineweight(rules: ClassRules | None, row: dict[str, Any]) -> int:
    if rules is None or row.get("width_mm") is None:
        return 25
    wanted = rules.pen_mm[size_class(rules.limits, row["width_mm"])] * 100
    return min(_LINEWEIGHTS, key=lambda weight: abs(weight - wanted))


def _extended_data(row: dict[str, Any]) -> list[tuple[int, Any]]:
    data: list[tuple[int, Any]] = [(1000, f"uid={row['uid'] or ''}"), (1000, _fit("elem_id", row["elem_id"]))]
    for name in ("surv_dt", "date_a", "date_b", "class_cd", "kind", "status"):
        if row.get(name) is not None:
            data.append((1000, f"{name}={row[name]}"))
    for name in _MEASURES:
        if row.get(name) is not None:
            data += [(1000, name), (1040, float(row[name]))]
    return data


def _fit(name: str, value: str | None) -> str:
    """Return ``name=value`` within the 255 bytes of an extended string."""
    return f"{name}={value or ''}".encode()[:255].decode(errors="ignore")


def _draw_elements(drawing: Drawing, pen: _Pen, book: Book, request: Request) -> tuple[float, float]:
    """Draw the elements' outlines and names; return the upper right corner of everything."""
    language = request.language
    outline, names = (layer_name(word(key, language)) for key in ("elements", "element_names"))
    drawing.layers.add(outline, color=7, lineweight=35)
    drawing.layers.add(names, color=7)
    drawn: set[str] = set()
    corners = [(0.0, 0.0)]
    for survey in {*request.surveys, *(p.after for p in request.pairs)}:
        for content in layer_content(book, ELEMENT_LAYER, survey, request):
            for geometry, elem_id in zip(content.geometries, content.columns[0], strict=True):
                if elem_id in drawn:
                    continue
                drawn.add(elem_id)
                data = [(1000, _fit("elem_id", elem_id))]
                for part in shapely.get_parts(geometry):
                    for ring in _rings(part):
                        line = pen.space.add_lwpolyline(
                            pen.coordinates(ring)[:-1], close=True, dxfattribs={"layer": outline}
                        )
                        line.set_xdata(APP_ID, data)
                left, _, right, top = np.array(shapely.bounds(geometry)) * pen.per_unit
                corners.append((float(right), float(top)))
                inside = (1 + _TEXT_MM) * pen.per_paper_mm
                _text(pen, names, elem_id, left + pen.per_paper_mm, top - inside, _TEXT_MM)
    rest = corners[1:] or corners
    return max(x for x, _ in rest), max(y for _, y in rest)


def _text(pen: _Pen, layer: str, text: str, x: float, y: float, height_mm: float) -> None:
    entity = pen.space.add_text(
        " ".join(text.split()),
        height=height_mm * pen.per_paper_mm,
        dxfattribs={"layer": layer, "style": "CRAQUELURE"},
    )
    entity.set_placement((x, y))


def _draw_legend(
    drawing: Drawing, pen: _Pen, request: Request, bound_mm: float, corner: tuple[float, float]
) -> None:
    """Draw the legend to the right of the elements, at the size it has on paper."""
    language, mm = request.language, pen.per_paper_mm
    layer = layer_name(word("legend", language))
    drawing.layers.add(layer, color=7)
    x, y = corner[0] + 10 * mm, corner[1]
    _text(pen, layer, word("legend", language), x, y - _TEXT_MM * mm, _TEXT_MM * 1.4)
    y -= 12 * mm
    for defect in load_vocabulary().classes:
        rules = request.template.classes[defect.code]
        colour = _colour(defect)
        if defect.geometry == "line":
            for index, width in enumerate(rules.pen_mm):
                weight = min(_LINEWEIGHTS, key=lambda w, width=width: abs(w - width * 100))  # type: ignore[misc]
                attribs = {"layer": layer, "true_color": colour, "lineweight": weight}
                pen.space.add_lwpolyline([(x, y), (x + 15 * mm, y)], dxfattribs=attribs)
                size = size_range(rules.limits, index, "mm", language)
                _text(pen, layer, f"{class_name(defect, language)} {size}", x + 18 * mm, y - mm, _TEXT_MM)
                y -= 7 * mm
        else:
            box = np.array(
                [(x, y - 3 * mm), (x + 15 * mm, y - 3 * mm), (x + 15 * mm, y + 3 * mm), (x, y + 3 * mm)]
            )
            pen.space.add_lwpolyline(box, close=True, dxfattribs={"layer": layer, "true_color": colour})
            _hatch(pen, layer, [box], rules).dxf.true_color = colour
            _text(pen, layer, class_name(defect, language), x + 18 * mm, y - mm, _TEXT_MM)
            y -= 9 * mm
    attribs = {"layer": layer, "color": 7, "lineweight": 35}
    pen.space.add_lwpolyline([(x, y), (x + 15 * mm, y)], dxfattribs=attribs)
    _text(pen, layer, word("element_outline", language), x + 18 * mm, y - mm, _TEXT_MM)
    y -= 9 * mm
    _text(pen, layer, word("simplified", language, mm=f"{bound_mm:.3g}"), x, y, _TEXT_MM * 0.8)
