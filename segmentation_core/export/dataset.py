"""Corrected windows as a dataset to adapt or train with.

LabelMe files and masks hold a whole orthophoto, the network's own findings among them, and one picture
cannot be split. This format holds only the places that a person went through, each as a window of its own
that belongs to one building element, so that ``craquelure dataset split`` can keep elements apart.

What a label says (0 background, the vocabulary's values, 255 ignored):

- verified, edited and drawn features are damage; rejected ones are background;
- features nobody checked are ignored: the network shall not learn from itself;
- the pixels of another element, and what was not assessed, are ignored;
- what remains of the window is background: whoever corrected there let it stand.

The area of a crack follows the status of the centreline next to it, since it is lines that people check.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from rasterio.features import rasterize
from scipy.ndimage import distance_transform_edt

from segmentation_core.errors import BookError, RasterError
from segmentation_core.export.annotations import burnt
from segmentation_core.export.request import Request, Written
from segmentation_core.export.underlay import open_recorded, why_missing
from segmentation_core.raster.grid import Window
from segmentation_core.statistics.elements import Elements
from segmentation_core.statistics.features import stream_features
from segmentation_core.survey.names import safe_name
from segmentation_core.survey.outlines import stored_assessed, stored_elements
from segmentation_core.survey.schema import STATUSES, UNTOUCHED
from segmentation_core.survey.surveys import OrthophotoRecord, Survey, orthophotos_of
from segmentation_core.vocabulary import load_vocabulary

if TYPE_CHECKING:
    from segmentation_core.survey.store import Book

__all__ = ["MANIFEST", "WINDOW_PX", "write_dataset"]

MANIFEST = ("name", "site", "element", "group", "gsd_mm", "annotated", "origin")
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
    site = safe_name(book.path.stem)
    rows: list[dict[str, str]] = []
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for survey in request.surveys:
        for orth_id, record in orthophotos_of(book, survey.surv_id):
            windows = _checked_windows(book, request, survey, orth_id, record)
            if not windows:
                continue
            missing = why_missing(record)
            if missing is not None:
                raise RasterError(missing, path=record.path, remedy="Put it back, and export again")
            ground = stored_assessed(book, orth_id)
            with open_recorded(record) as ortho:
                for window in windows:
                    sheet = _Sheet(survey, orth_id, record, window)
                    label, owner = _label(book, sheet, ground, elements)
                    rgb, valid = ortho.read(window)
                    label[~valid] = load_vocabulary().nodata_value
                    stem = f"{safe_name(survey.name)}_{orth_id}_{window.row_off}_{window.col_off}"
                    Image.fromarray(np.ascontiguousarray(rgb.transpose(1, 2, 0))).save(
                        folder / "images" / f"{stem}.png"
                    )
                    Image.fromarray(label).save(folder / "labels" / f"{stem}.png")
                    rows.append(_row(stem, site, owner, sheet))
    if not rows:
        raise BookError(
            "no feature of these surveys was checked by a person, so there is nothing to learn from",
            path=book.path,
            remedy="Accept, reject, redraw or draw cracks and losses in QGIS first",
        )
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, MANIFEST)
        writer.writeheader()
        writer.writerows(rows)
    groups = sorted({row["group"] for row in rows})
    note = f"{len(rows)} windows of {len(groups)} elements; what nobody checked is ignored in them"
    return Written({"images": len(rows), "labels": len(rows), "manifest.csv": len(rows)}, (note,))


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
        return _on_map(self.record, self.window)


def _on_map(record: OrthophotoRecord, window: Window) -> shapely.Polygon:
    place = Affine(*record.transform)
    corners = (
        (window.col_off, window.row_off),
        (window.col_end, window.row_off),
        (window.col_end, window.row_end),
        (window.col_off, window.row_end),
    )
    return shapely.Polygon([place @ (col, row, 1.0) for col, row in corners])


def _checked_windows(
    book: Book, request: Request, survey: Survey, orth_id: str, record: OrthophotoRecord
) -> list[Window]:
    """Return the windows that a checked feature reaches into."""
    windows = [
        Window(row, col, WINDOW_PX, WINDOW_PX).clipped(record.height_px, record.width_px)
        for row in range(0, record.height_px, WINDOW_PX)
        for col in range(0, record.width_px, WINDOW_PX)
    ]
    tree = shapely.STRtree([_on_map(record, window) for window in windows])
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


def _label(book: Book, sheet: _Sheet, ground: Any, elements: Elements) -> tuple[NDArray[np.uint8], str]:
    """Return the label (H, W) of a window, and the element it belongs to, empty where there is none."""
    vocabulary = load_vocabulary()
    shape = (sheet.window.height, sheet.window.width)
    label = np.full(shape, vocabulary.background_value, np.uint8)
    ignored = vocabulary.nodata_value
    losses = _features(book, sheet, "loss_polygon")
    for status, value in (("rejected", vocabulary.background_value), (UNTOUCHED, ignored)):
        label[losses.burnt(shape, status)] = value
    right, unchecked = _cracks(book, sheet, shape)
    label[unchecked] = ignored
    label[right] = vocabulary.line_class.value
    label[losses.burnt(shape, *_RIGHT)] = vocabulary.polygon_class.value
    label[~burnt([_placed(sheet, ground)], shape, Affine.identity())] = ignored
    owner, inside = _owner(sheet, elements, shape)
    label[~inside] = ignored
    return label, owner


def _cracks(book: Book, sheet: _Sheet, shape: tuple[int, int]) -> tuple[Mask, Mask]:
    """Return the pixels of cracks a person found right, and of those nobody checked."""
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
    return right, found & ~right & (nearest != "rejected")


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


def _owner(sheet: _Sheet, elements: Elements, shape: tuple[int, int]) -> tuple[str, Mask]:
    """Return the element that takes most of a window, and its pixels; all of them where there is none."""
    shares = shapely.area(shapely.intersection(elements.geometries, sheet.frame))
    if not len(shares) or not shares.max() > 0:
        return "", np.ones(shape, np.bool_)
    most = int(shares.argmax())
    return elements.ids[most], burnt([_placed(sheet, elements.geometries[most])], shape, Affine.identity())


def _row(stem: str, site: str, owner: str, sheet: _Sheet) -> dict[str, str]:
    return {
        "name": stem,
        "site": site,
        "element": owner,
        "group": f"{site}/{owner or 'outside the elements'}",
        "gsd_mm": f"{sheet.record.gsd_mm:g}",
        "annotated": " ".join(load_vocabulary().codes),
        "origin": str(sheet.record.path),
    }
