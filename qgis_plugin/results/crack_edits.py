"""Joining and cutting crack lines of a book: one transaction each, by the book's own triggers, to be undone.

A cut alone changes no figure: both parts end at one node, which is none for the statistics until a part of it
is rejected. Of two lines that are joined the longer one stays, with its uid, and the other one goes: called
rejected it would take its part of the crack area out of the totals, where the crack still is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osgeo import gdal, ogr
from qgis.core import QgsGeometry, QgsPointXY

from ..translation import tr
from .book import BookFault

__all__ = ["CrackEdit", "cut_crack", "join_cracks", "undo_edit"]

_LINES, _NODES, _AREAS = "crack_line", "crack_node", "crack_area"
_EDITED, _DRAWN, _REJECTED = "edited", "drawn", "rejected"
_WEIGHED = ("conf", "wid_m", "wid50_m", "wid95_m", "widp_m")
"""Of a joined line: the mean of its parts, by length."""

_LEAST_PX = 2.0
"""Shorter parts are no cracks."""

_NEW_NODES = -2
"""Numbers of nodes that are made here go down from this one: -1 stands for none."""


@dataclass(frozen=True)
class CrackEdit:
    """What was joined or cut, and how it was before.

    Attributes
    ----------
    before : list of dict
        Features that were changed or went, with ``fid``, ``geom`` (WKB) and every column.
    made : list of (table, fid)
        Features that came.
    relabelled : dict
        Table to the fids whose connected crack became another; ``crack`` is what it was.
    """

    before: list[dict[str, Any]]
    made: list[tuple[str, int]]
    crack: int | None = None
    relabelled: dict[str, list[int]] = field(default_factory=dict)

    @property
    def to_judge(self) -> int:
        """The line to look at next: the part that was cut off, or what two became."""
        return next((fid for table, fid in self.made if table == _LINES), self.before[0]["fid"])


def cut_crack(book: str, fid: int, point: QgsPointXY, editor: str) -> CrackEdit:
    """Cut a crack line where it passes nearest to a point of the layer's coordinates.

    Raises
    ------
    BookFault
        The line is gone, the cut would leave nothing, or the book cannot be written now.
    """
    with _writing(book) as dataset:
        line = _line(dataset, fid)
        shape = _shape(line)
        at = shape.lineLocatePoint(QgsGeometry.fromPointXY(point))
        metre, pixel = _scale(dataset, line)
        if min(at, shape.length() - at) < _LEAST_PX * pixel:
            raise BookFault(tr("Here it ends already: click where two parts would be left."))
        curve = shape.constGet()
        parts = [curve.curveSubstring(0, at), curve.curveSubstring(at, shape.length())]
        first, second = (QgsGeometry(part.clone()) for part in parts)
        nodes, made = _ends_of(dataset, line, shape)
        middle = _new_node(dataset, line, parts[1].startPoint(), made)
        state = {"status": _after(line), "editor": editor}
        ends = {"len_m": first.length() * metre, "node_a": nodes[0], "node_b": middle}
        _store(dataset, line, first, {**state, **ends})
        ends = {"len_m": second.length() * metre, "node_a": middle, "node_b": nodes[1]}
        made.append((_LINES, _add(dataset, _LINES, {**line, **state, **ends, "uid": None}, second)))
    return CrackEdit([line], made)


def join_cracks(
    book: str, first: tuple[int, QgsPointXY], second: tuple[int, QgsPointXY], editor: str
) -> CrackEdit:
    """Join two crack lines over the gap between the ends nearest to where they were clicked, straight.

    Parameters
    ----------
    book : str
    first, second : (fid, point)
        Points are in the layer's coordinates.
    editor : str

    Raises
    ------
    BookFault
        They are one line, of two surveys or orthophotos, gone; other cracks end there too; or the book
        cannot be written now.
    """
    with _writing(book) as dataset:
        lines = [_line(dataset, fid) for fid, _ in (first, second)]
        if lines[0]["fid"] == lines[1]["fid"]:
            raise BookFault(tr("These are one line already: click two."))
        if any(lines[0][name] != lines[1][name] for name in ("surv_id", "orth_id")):
            raise BookFault(tr("These lines are of two surveys or orthophotos, and stay apart."))
        shapes = [_shape(line) for line in lines]
        points = [shape.asPolyline() for shape in shapes]
        ends = [_nearer_end(line, clicked) for line, (_, clicked) in zip(points, (first, second))]
        nodes = [line["node_b" if end else "node_a"] for line, end in zip(lines, ends)]
        fids = [line["fid"] for line in lines]
        if any(_others_end(dataset, lines[0], node, fids) for node in nodes):
            raise BookFault(tr("Other cracks end here too: joined, it would be no junction any more."))
        # so that the first runs towards the gap, and the second away from it
        course = [
            *(points[0] if ends[0] else points[0][::-1]),
            *(points[1][::-1] if ends[1] else points[1]),
        ]
        outer = [line["node_a" if end else "node_b"] for line, end in zip(lines, ends)]
        if shapes[1].length() > shapes[0].length():
            lines.reverse()
        kept, gone = lines
        joined = QgsGeometry.fromPolylineXY(course)
        metre, _ = _scale(dataset, kept)
        columns = {
            **_weighed(lines, [shape.length() for shape in sorted(shapes, key=lambda s: -s.length())]),
            "status": _after(kept),
            "editor": editor,
            "len_m": joined.length() * metre,
            "node_a": outer[0],
            "node_b": outer[1],
            "at_limit": max((line["at_limit"] or 0 for line in lines), default=0),
        }
        _store(dataset, kept, joined, columns)
        _remove(dataset, _LINES, gone["fid"])
        relabelled = _relabel(dataset, gone, kept)
    return CrackEdit(lines, [], gone["comp_id"], relabelled)


def undo_edit(book: str, edit: CrackEdit) -> None:
    """Put everything back as it was before an edit, with its uid and its status.

    Raises
    ------
    BookFault
        The book cannot be written now, or a later run has taken the lines away.
    """
    with _writing(book) as dataset:
        for table, fid in edit.made:
            _remove(dataset, table, fid)
        for line in edit.before:
            shape = _shape(line)
            if _found(dataset, line["fid"]) is None:
                _add(dataset, _LINES, line, shape, fid=line["fid"])
            else:
                _store(dataset, line, shape, {})
        for table, fids in edit.relabelled.items():
            listed = ", ".join(map(str, fids))
            # A constant name and whole numbers.
            dataset.ExecuteSQL(f"UPDATE {table} SET comp_id = {edit.crack} WHERE fid IN ({listed})")  # nosec B608


@contextmanager
def _writing(book: str) -> Iterator[Any]:
    """Open a book in a transaction: it is as before, or as after, whatever happens meanwhile."""
    gdal.ErrorReset()
    dataset = gdal.OpenEx(book, gdal.OF_VECTOR | gdal.OF_UPDATE)
    if dataset is None or not _locked(dataset):
        raise BookFault(
            tr("{name} cannot be written now. Is it open elsewhere? Try again.", name=Path(book).name)
        )
    try:
        yield dataset
        text = gdal.GetLastErrorMsg() if gdal.GetLastErrorType() >= gdal.CE_Failure else ""
        if text or dataset.CommitTransaction() != ogr.OGRERR_NONE:
            raise BookFault(
                tr(
                    "{name} cannot be written now ({text}). Nothing was changed; try again.",
                    name=Path(book).name,
                    text=text or gdal.GetLastErrorMsg(),
                )
            )
    except BaseException:
        dataset.RollbackTransaction()
        raise


def _locked(dataset: Any) -> bool:
    """Begin a transaction that writes, so that nobody else changes what is read; say whether it could."""
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        begun = dataset.StartTransaction() == ogr.OGRERR_NONE
        dataset.ExecuteSQL("UPDATE book_info SET value = value WHERE key = 'schema_version'")
        return begun and gdal.GetLastErrorType() < gdal.CE_Failure
    finally:
        gdal.PopErrorHandler()
        gdal.ErrorReset()


def _found(dataset: Any, fid: int) -> Any:
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        return dataset.GetLayerByName(_LINES).GetFeature(fid)
    finally:
        gdal.PopErrorHandler()
        gdal.ErrorReset()


def _line(dataset: Any, fid: int) -> dict[str, Any]:
    """Return a crack line's columns, ``fid`` and ``geom``."""
    feature = _found(dataset, fid)
    if feature is None or feature.GetGeometryRef() is None or feature["status"] == _REJECTED:
        raise BookFault(tr("This feature is not in the book any more."))
    return {**feature.items(), "fid": fid, "geom": bytes(feature.GetGeometryRef().ExportToWkb())}


def _shape(line: dict[str, Any]) -> QgsGeometry:
    shape = QgsGeometry()
    shape.fromWkb(line["geom"])
    return shape


def _after(line: dict[str, Any]) -> str:
    """Return the status of a line whose course a person changed."""
    return _DRAWN if line["status"] == _DRAWN else _EDITED


def _scale(dataset: Any, line: dict[str, Any]) -> tuple[float, float]:
    """Return metres per unit, and the side of a pixel in units."""
    photos = dataset.GetLayerByName("orthophoto")
    for photo in photos:
        if photo["orth_id"] == line["orth_id"] or (
            line["orth_id"] is None and photo["surv_id"] == line["surv_id"]
        ):
            a, b, _, d, e, _ = json.loads(photo["transform"])
            return float(photo["m_per_unit"]), abs(a * e - b * d) ** 0.5
    return 1.0, 0.0


def _set(feature: Any, columns: dict[str, Any]) -> None:
    for name, value in columns.items():
        if name not in ("fid", "geom"):
            feature.SetFieldNull(name) if value is None else feature.SetField(name, value)


def _store(dataset: Any, line: dict[str, Any], shape: QgsGeometry, columns: dict[str, Any]) -> None:
    """Give a line another shape, and columns."""
    layer = dataset.GetLayerByName(_LINES)
    feature = layer.GetFeature(line["fid"])
    _set(feature, {**line, **columns})
    feature.SetGeometry(ogr.CreateGeometryFromWkb(bytes(shape.asWkb())))
    layer.SetFeature(feature)


def _add(
    dataset: Any, table: str, columns: dict[str, Any], shape: QgsGeometry, fid: int | None = None
) -> int:
    """Add a feature; return its fid."""
    layer = dataset.GetLayerByName(table)
    feature = ogr.Feature(layer.GetLayerDefn())
    _set(feature, columns)
    feature.SetGeometry(ogr.CreateGeometryFromWkb(bytes(shape.asWkb())))
    if fid is not None:
        feature.SetFID(fid)
    layer.CreateFeature(feature)
    return int(feature.GetFID())


def _remove(dataset: Any, table: str, fid: int) -> None:
    """Take a feature away: the book keeps what is deleted as rejected, and forgets what was rejected."""
    # A constant name and a whole number.
    dataset.ExecuteSQL(f"UPDATE {table} SET status = '{_REJECTED}' WHERE fid = {fid}")  # nosec B608
    dataset.ExecuteSQL(f"DELETE FROM {table} WHERE fid = {fid}")  # nosec B608


def _ends_of(
    dataset: Any, line: dict[str, Any], shape: QgsGeometry
) -> tuple[list[int], list[tuple[str, int]]]:
    """Return the nodes at a line's ends, made where a drawn line has none, and those that were made."""
    made: list[tuple[str, int]] = []
    points = shape.constGet().startPoint(), shape.constGet().endPoint()
    if line["node_a"] is not None and line["node_b"] is not None:
        return [line["node_a"], line["node_b"]], made
    return [_new_node(dataset, line, point, made) for point in points], made


def _new_node(dataset: Any, line: dict[str, Any], point: Any, made: list[tuple[str, int]]) -> int:
    """Add a node; return its number within the orthophoto."""
    lowest = dataset.ExecuteSQL("SELECT min(node_id) AS n FROM crack_node")
    number = min(int(lowest.GetNextFeature()["n"] or 0) - 1, _NEW_NODES)
    dataset.ReleaseResultSet(lowest)
    whose = ("surv_id", "orth_id", "elem_id", "class_cd", "comp_id", "t_start", "t_end")
    columns = {name: line[name] for name in whose}
    shape = QgsGeometry.fromPointXY(QgsPointXY(point))
    made.append((_NODES, _add(dataset, _NODES, {**columns, "node_id": number, "kind": "I"}, shape)))
    return number


def _nearer_end(points: list[QgsPointXY], clicked: QgsPointXY) -> int:
    """Return 0 for a line's beginning, 1 for its end."""
    return int(points[-1].sqrDist(clicked) < points[0].sqrDist(clicked))


def _others_end(dataset: Any, line: dict[str, Any], node: int | None, fids: list[int]) -> bool:
    """Say whether other lines than these end at a node."""
    if node is None:
        return False
    layer = dataset.GetLayerByName(_LINES)
    layer.SetAttributeFilter(f"node_a = {node} OR node_b = {node}")
    found = [
        feature.GetFID()
        for feature in layer
        if (feature["surv_id"], feature["orth_id"]) == (line["surv_id"], line["orth_id"])
        and feature["status"] != _REJECTED
    ]
    layer.SetAttributeFilter(None)
    return bool(set(found) - set(fids))


def _weighed(lines: list[dict[str, Any]], lengths: list[float]) -> dict[str, float | None]:
    means = {}
    for name in _WEIGHED:
        known = [(line[name], size) for line, size in zip(lines, lengths) if line[name] is not None]
        total = sum(size for _, size in known)
        means[name] = sum(value * size for value, size in known) / total if total else None
    return means


def _relabel(dataset: Any, gone: dict[str, Any], kept: dict[str, Any]) -> dict[str, list[int]]:
    """Make what was connected to a line part of the crack of another; return the features by table."""
    if gone["comp_id"] is None or kept["comp_id"] is None or gone["comp_id"] == kept["comp_id"]:
        return {}
    relabelled = {}
    for table in (_LINES, _AREAS, _NODES):
        layer = dataset.GetLayerByName(table)
        layer.SetAttributeFilter(f"comp_id = {gone['comp_id']}")
        fids = [
            feature.GetFID()
            for feature in layer
            if (feature["surv_id"], feature["orth_id"]) == (gone["surv_id"], gone["orth_id"])
        ]
        layer.SetAttributeFilter(None)
        if fids:
            listed = ", ".join(map(str, fids))
            # A constant name and whole numbers; the triggers do not take it for an edit.
            dataset.ExecuteSQL(f"UPDATE {table} SET comp_id = {kept['comp_id']} WHERE fid IN ({listed})")  # nosec B608
            relabelled[table] = fids
    return relabelled
