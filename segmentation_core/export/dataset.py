"""Corrected windows as a dataset to adapt or train with.

There are two kinds of them. ``dataset``: the places where people checked features. ``corrections``: the
windows in which somebody painted strokes.

LabelMe files and masks hold a whole orthophoto, the network's own findings among them, and one picture
cannot be split. These formats hold only the places that a person went through, each as a window of its own
that belongs to one building element, so that ``craquelure dataset split`` can keep elements apart; the
windows of ``corrections`` are split already, into those to learn from and those to judge by.

What a label says (0 background, the vocabulary's values, 255 ignored):

- verified, edited and drawn features are damage; rejected ones are background;
- features nobody checked are ignored: the network shall not learn from itself;
- the pixels of another element, and what was not assessed, are ignored;
- what remains of the window is background: whoever corrected there let it stand. Among ``corrections`` it is
  ignored, and strokes count before everything else, later ones before earlier ones.

The area of a crack follows the status of the centreline next to it, since it is lines that people check.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.features import rasterize
from scipy.ndimage import distance_transform_edt

from segmentation_core.dataset_tables import MANIFEST, SPLIT_COLUMNS
from segmentation_core.errors import BookError, RasterError
from segmentation_core.export.annotations import burnt
from segmentation_core.export.request import Request, Written
from segmentation_core.export.underlay import open_recorded, why_missing
from segmentation_core.raster.grid import Window
from segmentation_core.statistics.elements import Elements
from segmentation_core.statistics.features import stream_features
from segmentation_core.survey.corrections import (
    BACKGROUND,
    Stroke,
    corrections_file,
    map_outline,
    strokes_in,
    windows_of,
)
from segmentation_core.survey.names import safe_name
from segmentation_core.survey.outlines import stored_assessed, stored_elements
from segmentation_core.survey.schema import STATUSES, UNTOUCHED
from segmentation_core.survey.surveys import OrthophotoRecord, Survey, orthophotos_of
from segmentation_core.vocabulary import load_vocabulary

if TYPE_CHECKING:
    from segmentation_core.raster.orthophoto import Orthophoto
    from segmentation_core.survey.store import Book

__all__ = ["WINDOW_PX", "owner_of", "write_corrections", "write_dataset"]

WINDOW_PX = 512

_CHECKED = tuple(status for status in STATUSES if status != UNTOUCHED)
_RIGHT = tuple(status for status in _CHECKED if status != "rejected")
_REACH_PX = 32
"""A crack's area further from every centreline than half the widest crack has only its own status."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Features:
    """Features of one layer in a window, in pixels of the window."""

    geometries: NDArray[np.object_]
    statuses: NDArray[np.str_]
    widths_px: NDArray[np.float64]

    def burnt(self, shape: tuple[int, int], *statuses: str, lines: bool = False) -> Mask:
        """Return the pixels of the features of these statuses; a line is as wide as it is known to be."""
        chosen = np.isin(self.statuses, statuses)
        shapes = self.geometries[chosen]
        if lines:
            shapes = shapely.buffer(shapes, np.maximum(self.widths_px[chosen], 1.0) / 2)
        return burnt(list(shapes), shape, Affine.identity())


def write_dataset(book: Book, request: Request, folder: Path) -> Written:
    """Write ``images/``, ``labels/`` and ``manifest.csv``: a dataset of `training.dataset`, not split yet.

    Windows of `WINDOW_PX`, side by side on the working grid of each orthophoto, at its own scale. A window
    belongs to the element that takes most of it, and its group is that element: the same element of two
    surveys is one group. Memory: one window and its features.

    Raises
    ------
    BookError
        Nobody has checked a feature yet.
    RasterError
        An orthophoto is not where it was.
    """
    elements = stored_elements(book)
    made = _Pictures(folder, safe_name(book.path.stem))
    for survey in request.surveys:
        for orth_id, record in orthophotos_of(book, survey.surv_id):
            windows = _checked_windows(book, request, survey, orth_id, record)
            sheets = [_Sheet(survey, orth_id, record, window) for window in windows]
            for sheet, ortho in _opened(sheets):
                label, owner = _label(book, sheet, elements, load_vocabulary().background_value)
                made.add(sheet, ortho, label, owner)
    if not made.rows:
        raise BookError(
            "no feature of these surveys was checked by a person, so there is nothing to learn from",
            path=book.path,
            remedy="Accept, reject, redraw or draw cracks and losses in QGIS first",
        )
    groups = sorted({row["group"] for row in made.rows})
    return made.written(f"of {len(groups)} elements; what nobody checked is ignored in them")


def write_corrections(book: Book, request: Request, folder: Path) -> Written:
    """Write the windows in which somebody painted strokes as a dataset, split: learnt from, or held out.

    Each window is a group of its own: an adapter is for the beams that it is learnt from.

    Raises
    ------
    BookError
        Nobody has painted in a window yet, or only in such as are held out, or in none of these; or a stroke
        is of a class that nobody knows.
    RasterError
        An orthophoto is not where it was.
    """
    elements = stored_elements(book)
    made = _Pictures(folder, safe_name(book.path.stem))
    splits: list[dict[str, str]] = []
    for survey in request.surveys:
        records = dict(orthophotos_of(book, survey.surv_id))
        for known in windows_of(book.path, survey.surv_id):
            if known.orth_id not in records:
                continue  # the survey was run again on another picture
            sheet = _Sheet(survey, known.orth_id, records[known.orth_id], known.window)
            strokes = strokes_in(book.path, survey.surv_id, sheet.frame)
            if not strokes or (request.elements is not None and known.elem_id not in request.elements):
                continue
            for _, ortho in _opened([sheet]):
                label, owner = _label(book, sheet, elements, load_vocabulary().nodata_value)
                _paint(label, sheet, strokes, book.path)
                row = made.add(sheet, ortho, label, owner)
            row["group"] = row["name"]
            split = "validation" if known.held_out else "train"
            splits.append(
                {**{k: row[k] for k in SPLIT_COLUMNS if k in row}, "image": row["name"], "split": split}
            )
    for split, what in (("train", "to learn from"), ("validation", "to judge by")):
        if not any(row["split"] == split for row in splits):
            raise BookError(
                f"no stroke was painted in a window {what}",
                path=book.path,
                remedy="Paint in more of the windows; a third of them is kept to judge by",
            )
    _write_table(folder / "split.csv", SPLIT_COLUMNS, splits)
    written = made.written(f"of which {sum(r['split'] == 'validation' for r in splits)} are kept to judge by")
    return Written({**written.files, "split.csv": len(splits)}, written.notes)


@dataclass
class _Pictures:
    """The pictures and labels of a dataset while they are written."""

    folder: Path
    site: str
    rows: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("images", "labels"):
            (self.folder / name).mkdir()

    def add(self, sheet: _Sheet, ortho: Orthophoto, label: NDArray[np.uint8], owner: str) -> dict[str, str]:
        """Write the picture of a window with its label; return its row of the manifest."""
        rgb, valid = ortho.read(sheet.window)
        label[~valid] = load_vocabulary().nodata_value
        name = f"{safe_name(sheet.survey.name)}_{sheet.orth_id}_{sheet.window.row_off}_{sheet.window.col_off}"
        picture = np.ascontiguousarray(rgb.transpose(1, 2, 0))
        Image.fromarray(picture).save(self.folder / "images" / f"{name}.png")
        Image.fromarray(label).save(self.folder / "labels" / f"{name}.png")
        row = {
            "name": name,
            "site": self.site,
            "element": owner,
            "group": f"{self.site}/{owner or 'outside the elements'}",
            "gsd_mm": f"{sheet.record.gsd_mm:g}",
            "annotated": " ".join(load_vocabulary().codes),
            "origin": str(sheet.record.path),
        }
        self.rows.append(row)
        return row

    def written(self, note: str) -> Written:
        """Write the manifest; return what was written."""
        _write_table(self.folder / "manifest.csv", MANIFEST, self.rows)
        count = len(self.rows)
        return Written(
            {"images": count, "labels": count, "manifest.csv": count}, (f"{count} windows {note}",)
        )


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        writer.writerows(rows)


def _opened(sheets: Sequence[_Sheet]) -> Iterator[tuple[_Sheet, Orthophoto]]:
    """Return windows of one orthophoto with the orthophoto, which is opened where there is a window.

    Raises
    ------
    RasterError
        It is not where it was.
    """
    if not sheets:
        return
    record = sheets[0].record
    missing = why_missing(record)
    if missing is not None:
        raise RasterError(missing, path=record.path, remedy="Put it back, and export again")
    with open_recorded(record) as ortho:
        yield from ((sheet, ortho) for sheet in sheets)


@dataclass(frozen=True)
class _Sheet:
    """A window of an orthophoto of a survey."""

    survey: Survey
    orth_id: str
    record: OrthophotoRecord
    window: Window

    @property
    def to_pixels(self) -> Affine:
        """Map coordinates to columns and rows of the window."""
        inverse: Affine = ~Affine(*self.record.transform)
        return Affine.translation(-self.window.col_off, -self.window.row_off) @ inverse

    @property
    def frame(self) -> shapely.Polygon:
        """The window on the map."""
        return map_outline(self.record, self.window)


def _checked_windows(
    book: Book, request: Request, survey: Survey, orth_id: str, record: OrthophotoRecord
) -> list[Window]:
    """Return the windows that a checked feature reaches into."""
    windows = [
        Window(row, col, WINDOW_PX, WINDOW_PX).clipped(record.height_px, record.width_px)
        for row in range(0, record.height_px, WINDOW_PX)
        for col in range(0, record.width_px, WINDOW_PX)
    ]
    tree = shapely.STRtree([map_outline(record, window) for window in windows])
    reached: set[int] = set()
    wanted = request.elements_json
    where = (
        f"surv_id = ? AND (orth_id = ? OR orth_id IS NULL) AND status IN ({', '.join('?' * len(_CHECKED))}) "
        "AND (? IS NULL OR elem_id IN (SELECT value FROM json_each(?)))"
    )
    for table in ("loss_polygon", "crack_line", "crack_area"):
        for chunk in stream_features(
            book.connection, table, (), where, (survey.surv_id, orth_id, *_CHECKED, wanted, wanted)
        ):
            reached.update(tree.query(chunk.geometries, predicate="intersects")[1].tolist())
    return [windows[index] for index in sorted(reached)]


def _label(book: Book, sheet: _Sheet, elements: Elements, undecided: int) -> tuple[NDArray[np.uint8], str]:
    """Return the label (H, W) of a window, and the element it belongs to, empty where there is none.

    What no feature says anything about is ``undecided``.
    """
    vocabulary = load_vocabulary()
    shape = (sheet.window.height, sheet.window.width)
    ignored, background = vocabulary.nodata_value, vocabulary.background_value
    label = np.full(shape, undecided, np.uint8)
    losses = _features(book, sheet, "loss_polygon")
    for status, value in (("rejected", background), (UNTOUCHED, ignored)):
        label[losses.burnt(shape, status)] = value
    cracks = _cracks(book, sheet, shape)
    label[cracks.wrong] = background
    label[cracks.unchecked] = ignored
    label[cracks.right] = vocabulary.line_class.value
    label[losses.burnt(shape, *_RIGHT)] = vocabulary.polygon_class.value
    ground = stored_assessed(book, sheet.orth_id)
    label[~burnt([_placed(sheet, ground)], shape, Affine.identity())] = ignored
    owner = owner_of(sheet.frame, elements)
    if owner is None:
        return label, ""
    own = elements.geometries[owner]
    label[~burnt([_placed(sheet, own)], shape, Affine.identity())] = ignored
    return label, elements.ids[owner]


def _paint(label: NDArray[np.uint8], sheet: _Sheet, strokes: Sequence[Stroke], book: Path) -> None:
    """Put strokes over a label, in the order in which they were drawn."""
    vocabulary = load_vocabulary()
    values = {BACKGROUND: vocabulary.background_value} | {c.code: c.value for c in vocabulary.classes}
    for stroke in strokes:
        if stroke.class_code not in values:
            raise BookError(
                f"a stroke says {stroke.class_code!r}, which is no class",
                path=corrections_file(book),
                remedy=f"Known are {', '.join(values)}; take the stroke out in QGIS",
            )
        reach = stroke.width_m / sheet.record.metres_per_unit / 2
        label[burnt([_placed(sheet, stroke.line.buffer(reach))], label.shape, Affine.identity())] = values[
            stroke.class_code
        ]


@dataclass(frozen=True)
class _Cracks:
    """Pixels of cracks that a person found right, or wrong, and of those that nobody checked."""

    right: Mask
    wrong: Mask
    unchecked: Mask


def _cracks(book: Book, sheet: _Sheet, shape: tuple[int, int]) -> _Cracks:
    areas, lines = (_features(book, sheet, table) for table in ("crack_area", "crack_line"))
    statuses, numbers = np.unique(lines.statuses, return_inverse=True)
    traced = np.zeros(shape, np.uint8)
    if len(numbers):
        pairs = list(zip(lines.geometries, (numbers + 1).tolist(), strict=True))
        traced = rasterize(pairs, out_shape=shape, all_touched=True, dtype="uint8")
    nearest = np.full(shape, "", dtype="U8")
    if traced.any():
        distance, (row, col) = distance_transform_edt(traced == 0, return_indices=True)
        nearest = np.where(distance <= _REACH_PX, statuses[traced[row, col] - 1], "")
    by_person = areas.burnt(shape, *_RIGHT)
    found = areas.burnt(shape, UNTOUCHED)
    right = by_person | (found & (nearest == "verified")) | lines.burnt(shape, "edited", "drawn", lines=True)
    # A line that was moved leaves the area it came from behind: nobody says what that is.
    wrong = found & ~right & (nearest == "rejected")
    return _Cracks(right, wrong, found & ~right & ~wrong)


def _features(book: Book, sheet: _Sheet, table: str) -> _Features:
    """Read the features of a layer that reach into a window."""
    x0, y0, x1, y1 = sheet.frame.bounds
    where = (
        "surv_id = ? AND (orth_id = ? OR orth_id IS NULL) AND fid IN "
        f"(SELECT id FROM rtree_{table}_geom WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ?)"
    )
    columns = ("status", "wid_m") if table == "crack_line" else ("status",)
    parameters = (sheet.survey.surv_id, sheet.orth_id, x0, x1, y0, y1)
    geometries: list[Any] = []
    rows: list[tuple[Any, ...]] = []
    for chunk in stream_features(book.connection, table, columns, where, parameters):
        geometries += [_placed(sheet, geometry) for geometry in chunk.geometries]
        rows += chunk.rows
    side_m = sheet.record.gsd_mm / 1e3
    widths = [(row[1] or 0.0) / side_m if len(row) > 1 else 0.0 for row in rows]
    return _Features(
        np.array([*geometries, None], dtype=object)[:-1],
        np.array([row[0] or UNTOUCHED for row in rows], dtype=str),
        np.array(widths, dtype=np.float64),
    )


def _placed(sheet: _Sheet, geometry: Any) -> Any:
    """Return a geometry in pixels of the window."""
    to_pixels = sheet.to_pixels
    matrix = np.array([[to_pixels.a, to_pixels.d], [to_pixels.b, to_pixels.e]])
    return shapely.transform(geometry, lambda points: points @ matrix + (to_pixels.c, to_pixels.f))


def owner_of(frame: shapely.Geometry, elements: Elements) -> int | None:
    """Return the index of the element that takes most of a window on the map; None where none does."""
    shares = shapely.area(shapely.intersection(elements.geometries, frame))
    return int(shares.argmax()) if len(shares) and shares.max() > 0 else None
