"""Sheets of a survey as QGIS layouts: one per element by an atlas, the whole facade, or what changed.

They start from the template that the engine's hand-over ships too, filled for one survey, and are the user's
from then on.
"""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

from qgis.core import (
    QgsExpression,
    QgsFeedback,
    QgsLayoutExporter,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsMapLayer,
    QgsPrintLayout,
    QgsProject,
    QgsReadWriteContext,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QT_VERSION_STR
from qgis.PyQt.QtGui import QFontDatabase
from qgis.PyQt.QtXml import QDomDocument

from ..translation import tr
from .book import BookFault, element_rows, orthophotos, width_bound_mm
from .comparison import PairRow, is_stale
from .loading import change_layers, load_beneath, load_now, survey_layers

__all__ = [
    "PAPERS_MM",
    "SheetFault",
    "change_sheets",
    "element_sheets",
    "has_chinese",
    "overview",
    "print_sheets",
]

PAPERS_MM = {"A4": (297, 210), "A3": (420, 297), "A2": (594, 420), "A1": (841, 594), "A0": (1189, 841)}

_TEMPLATE = Path(__file__).parent.parent / "layouts" / "plan_sheet.qpt"
_DRAWN_FOR_MM = PAPERS_MM["A3"]
_MARGIN, _BINDING = 10.0, 20.0
_COLUMN_LEFT, _COLUMN = 318.0, 92.0

_LATEST = "array_last(aggregate('survey', 'array_agg', &quot;{}&quot;, order_by:=&quot;date&quot;))"
_STATS, _OF_SURVEY = "aggregate('element_stats'", "&quot;surv_id&quot; = @last"
_BEFORE_VALUE = "'　' || coalesce(format_number("
_FITTING = "max(bounds_width(@atlas_geometry) / 0.286, bounds_height(@atlas_geometry) / 0.265)"

_SCALES = re.compile(r"array_filter\(array\(([0-9, ]+)\)")
"""Where the template lists the scales it chooses from."""
_ROOM_MM = 12.0
"""Kept free around an element, of the map's width and height together."""


class SheetFault(Exception):
    """A sheet cannot be made or printed; the message says why and what to do."""


def element_sheets(project: QgsProject, book: str, surv_id: str, name: str, paper: str) -> QgsPrintLayout:
    """Return the layout with one sheet per element; the one of this name, if the project has it.

    Parameters
    ----------
    project : QgsProject
        Gets the survey's layers and orthophotos where it lacks them.
    book, surv_id, name : str
        The survey.
    paper : str
        One of `PAPERS_MM`.

    Raises
    ------
    SheetFault, BookFault
        The template is missing, the survey has no elements, or the book cannot be read.
    """
    title = tr("{book} {survey}: sheets {paper}", book=Path(book).stem, survey=name, paper=paper)
    known = _known(project, title)
    if known is not None:
        return known
    layers = _survey_layers(project, book, surv_id, name)
    elements = next((layer for layer in layers if "layername=element" in layer.source()), None)
    measured = [row["elem_id"] for row in element_rows(book, surv_id)[0]]
    there = set() if elements is None else {feature["elem_id"] for feature in elements.getFeatures()}
    wanted = [elem_id for elem_id in measured if elem_id in there]
    if not wanted:
        raise SheetFault(tr("This survey has no building elements: take the overview."))
    return _with_atlas(
        project, title, paper, _filled(project, book, surv_id, name, paper), layers, elements, wanted
    )


def overview(project: QgsProject, book: str, surv_id: str, name: str, paper: str) -> QgsPrintLayout:
    """Return the layout with the whole survey on one sheet; see `element_sheets`."""
    title = tr("{book} {survey}: overview {paper}", book=Path(book).stem, survey=name, paper=paper)
    known = _known(project, title)
    if known is not None:
        return known
    layers = _survey_layers(project, book, surv_id, name)
    layout = _laid_out(project, title, paper, _filled(project, book, surv_id, name, paper), layers)
    layout.atlas().setEnabled(False)
    measured = [row["elem_id"] for row in element_rows(book, surv_id)[0]]
    if measured != ["image"]:  # figures of the whole picture are the survey's; of elements there are many
        for item in ("quantities", "quantities values", "quantities units", "quantities title"):
            layout.itemById(item).setVisibility(False)
    layout.itemById("element").setText(f"{Path(book).stem}, {name}")
    layout.itemById("page").setText("")
    _show(layout, layers, paper)
    return layout


def change_sheets(project: QgsProject, book: str, pair: PairRow, paper: str) -> QgsPrintLayout:
    """Return the layout with the changes between two surveys, one sheet per element; see `element_sheets`."""
    name = f"{pair.before} → {pair.after}"
    title = tr("{book} {survey}: changes {paper}", book=Path(book).stem, survey=name, paper=paper)
    if is_stale(book, pair.pair_id):
        raise SheetFault(
            tr("Features were edited since these surveys were compared: compare them again first.")
        )
    known = _known(project, title)
    if known is not None:
        return known
    changes = load_now(project, change_layers(book, pair.pair_id), f"{pair.before} - {pair.after}")
    elements = next(iter(load_now(project, survey_layers(book, "")[-1:], "")), None)
    if elements is None or len(changes) < 2:
        raise SheetFault(tr("These surveys have no changes to print: compare them first."))
    wanted = [feature["elem_id"] for feature in elements.getFeatures()]
    if not wanted:
        raise SheetFault(tr("This survey has no building elements: take the overview."))
    stats = _private_table(project, book, "change_stats")
    text = _template_text(paper)
    for old, new in (
        (_LATEST.format("surv_id"), _quoted(pair.pair_id)),
        (_LATEST.format("name"), _quoted(name)),
        (_STATS, f"aggregate({_quoted(stats.id())}"),
        (_OF_SURVEY, "&quot;pair_id&quot; = @last"),
        ("&quot;value&quot;", "&quot;diff&quot;"),
        ("&quot;u95&quot;", "&quot;u95_diff&quot;"),
        (
            _BEFORE_VALUE,
            f"'　' || if(&quot;diff&quot; &gt; 0, '+', '') || {_BEFORE_VALUE.partition(' || ')[2]}",
        ),
        ("Quantities 工程量", "Change 变化"),
    ):
        text = _replaced(text, old, new)
    return _with_atlas(project, title, paper, text, [*changes, elements], elements, wanted)


def print_sheets(layout: QgsPrintLayout, path: str, feedback: QgsFeedback | None = None) -> int:
    """Print a layout, or its atlas, into one PDF; return the number of sheets.

    The file appears whole or not at all.

    Raises
    ------
    SheetFault
        It was cancelled, or cannot be written.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    atlas, settings = layout.atlas(), QgsLayoutExporter.PdfExportSettings()
    try:
        if atlas.enabled():
            result, _ = QgsLayoutExporter.exportToPdf(atlas, str(part), settings, feedback)
            count = atlas.count()
        else:
            result, count = QgsLayoutExporter(layout).exportToPdf(str(part), settings), 1
        if result == QgsLayoutExporter.ExportResult.Canceled:
            raise SheetFault(tr("Stopped. No sheet was written."))
        if result != QgsLayoutExporter.ExportResult.Success or not part.is_file():
            raise SheetFault(
                tr("{name} cannot be written. Is the disk full, or the folder read-only?", name=target.name)
            )
        try:
            os.replace(part, target)
        except OSError as error:
            raise SheetFault(
                tr("{name} cannot be written: {reason}", name=target.name, reason=error.strerror or error)
            ) from error
    finally:
        part.unlink(missing_ok=True)
    return count


def has_chinese() -> bool:
    """Say whether a font here holds Chinese, in which half of every sheet's words are."""
    fonts = QFontDatabase if QT_VERSION_STR.startswith("6") else QFontDatabase()  # nothing to make in Qt 6
    return bool(fonts.families(QFontDatabase.WritingSystem.SimplifiedChinese))


def _known(project: QgsProject, title: str) -> QgsPrintLayout | None:
    layout = project.layoutManager().layoutByName(title)
    return layout if isinstance(layout, QgsPrintLayout) else None


def _survey_layers(project: QgsProject, book: str, surv_id: str, name: str) -> list[QgsMapLayer]:
    """Return a survey's layers, lowest first, loaded where they are not in the project."""
    layers = load_now(project, survey_layers(book, surv_id), f"{Path(book).stem}: {name}")
    pictures = []
    for photo in orthophotos(book, surv_id):
        load_beneath(project, photo.path)
        pictures += [each for each in project.mapLayers().values() if Path(each.source()) == Path(photo.path)]
    root = project.layerTreeRoot()
    shown = [each for each in layers if (node := root.findLayer(each.id())) and node.itemVisibilityChecked()]
    return [*pictures, *shown]


def _private_table(project: QgsProject, book: str, table: str) -> QgsVectorLayer:
    """Return a table of the book, loaded where nobody sees it."""
    source = f"{book}|layername={table}"
    for known in project.mapLayers().values():
        if known.source() == source:
            known.dataProvider().reloadData()
            return known
    layer = QgsVectorLayer(source, f"{Path(book).stem}: {table}", "ogr")
    if not layer.isValid():
        raise BookFault(
            tr("{name} is no survey book. Choose one that Craquelure made.", name=Path(book).name)
        )
    layer.setFlags(QgsMapLayer.LayerFlag.Private)
    project.addMapLayer(layer, False)
    return layer


def _template_text(paper: str) -> str:
    """Return the template, fitted to a paper."""
    try:
        text = _TEMPLATE.read_text(encoding="utf-8")
    except OSError as error:
        raise SheetFault(
            tr("The sheet's template is missing: {path}. Install the plugin again.", path=_TEMPLATE)
        ) from error
    width, height = _map_mm(paper)
    fitting = _FITTING.replace("0.286", f"{(width - _ROOM_MM) / 1e3}").replace(
        "0.265", f"{(height - _ROOM_MM) / 1e3}"
    )
    return _replaced(_replaced(text, _FITTING, fitting), "(A3)", f"({paper})")


def _filled(project: QgsProject, book: str, surv_id: str, name: str, paper: str) -> str:
    """Return the template with the figures of one survey."""
    stats = _private_table(project, book, "element_stats")
    bound_mm = width_bound_mm(book, surv_id)
    at_most = f"if(&quot;stat&quot; = 'width_mean_mm' AND &quot;value&quot; &lt; {bound_mm}, '≤ ', '')"
    text = _template_text(paper)
    for old, new in (
        (_LATEST.format("surv_id"), _quoted(surv_id)),
        (_LATEST.format("name"), _quoted(name)),
        (_STATS, f"aggregate({_quoted(stats.id())}"),
        (_BEFORE_VALUE, f"'　' || {at_most} || {_BEFORE_VALUE.partition(' || ')[2]}"),
    ):
        text = _replaced(text, old, new)
    return text


def _replaced(text: str, old: str, new: str) -> str:
    if old not in text:
        raise SheetFault(tr("The sheet's template is not the one of this version. Install the plugin again."))
    return text.replace(old, new)


def _quoted(text: str) -> str:
    """Return a text as an expression has it inside the template."""
    return html.escape(QgsExpression.quotedString(text), quote=True).replace("&#x27;", "'")


def _laid_out(
    project: QgsProject, title: str, paper: str, text: str, layers: list[QgsMapLayer]
) -> QgsPrintLayout:
    """Add a layout to the project: the template's, on its paper, with these layers."""
    layout = QgsPrintLayout(project)
    document = QDomDocument()
    document.setContent(text)
    _, loaded = layout.loadFromTemplate(document, QgsReadWriteContext())
    if not loaded:
        raise SheetFault(tr("The sheet's template is not the one of this version. Install the plugin again."))
    layout.setName(title)
    _arrange(layout, paper)
    drawing, legend = layout.itemById("map"), layout.itemById("legend")
    drawing.setCrs(layers[-1].crs())
    drawing.setKeepLayerSet(True)
    drawing.setLayers(layers[::-1])  # uppermost first
    legend.setAutoUpdateModel(False)
    group = legend.model().rootGroup()
    group.clear()
    for layer in layers[::-1]:
        if isinstance(layer, QgsVectorLayer):
            group.addLayer(layer)
    legend.setLegendFilterByMapEnabled(True)
    project.layoutManager().addLayout(layout)
    return layout


def _with_atlas(
    project: QgsProject,
    title: str,
    paper: str,
    text: str,
    layers: list[QgsMapLayer],
    elements: QgsVectorLayer,
    wanted: list[str],
) -> QgsPrintLayout:
    layout = _laid_out(project, title, paper, text, layers)
    atlas = layout.atlas()
    atlas.setCoverageLayer(elements)
    listed = ", ".join(QgsExpression.quotedString(elem_id) for elem_id in wanted)
    atlas.setFilterFeatures(True)
    atlas.setFilterExpression(f'"elem_id" IN ({listed})')
    atlas.setSortFeatures(True)
    atlas.setSortExpression('"elem_id"')
    atlas.setPageNameExpression('"elem_id"')
    atlas.setEnabled(True)
    atlas.updateFeatures()
    atlas.first()
    return layout


def _show(layout: QgsPrintLayout, layers: list[QgsMapLayer], paper: str) -> None:
    """Show all layers on the sheet, at a round scale."""
    drawing, (width, height) = layout.itemById("map"), _map_mm(paper)
    extent = layers[-1].extent()
    for layer in layers:
        if not layer.extent().isEmpty():
            extent.combineExtentWith(layer.extent())
    needed = max(extent.width() * 1e3 / (width - _ROOM_MM), extent.height() * 1e3 / (height - _ROOM_MM))
    drawing.zoomToExtent(extent)
    drawing.setScale(next((scale for scale in _scales(paper) if scale >= needed), needed))


def _scales(paper: str) -> list[int]:
    """Return the scales that the template chooses from, largest first, so that all sheets choose alike."""
    listed = _SCALES.search(_template_text(paper))
    if listed is None:
        raise SheetFault(tr("The sheet's template is not the one of this version. Install the plugin again."))
    return [int(scale) for scale in listed[1].split(",")]


def _map_mm(paper: str) -> tuple[float, float]:
    """Return width and height of the drawing on a paper."""
    width, height = PAPERS_MM[paper]
    return width - _MARGIN - _BINDING - _COLUMN, height - 2 * _MARGIN


def _arrange(layout: QgsPrintLayout, paper: str) -> None:
    """Move the template's items to where they belong on a paper."""
    width, height = PAPERS_MM[paper]
    layout.pageCollection().page(0).setPageSize(QgsLayoutSize(width, height))
    low, left = height - _MARGIN, width - _MARGIN - _COLUMN
    is_low = height < _DRAWN_FOR_MM[1]

    def place(name: str, top: float, high: float | None = None) -> None:
        item = layout.itemById(name)
        now, size = item.positionWithUnits(), item.sizeWithUnits()
        item.attemptResize(QgsLayoutSize(size.width(), size.height() if high is None else high))
        item.attemptMove(QgsLayoutPoint(left + now.x() - _COLUMN_LEFT, top))

    drawing = layout.itemById("map")
    drawing.attemptResize(QgsLayoutSize(*_map_mm(paper)))
    layout.itemById("scale bar").attemptMove(QgsLayoutPoint(_BINDING + 5, low - 15))
    layout.itemById("up mark").attemptMove(QgsLayoutPoint(left - 13, _MARGIN + 2))
    place("column", _MARGIN, low - _MARGIN)
    titles, row, figures = (low - 57, 5.5, 40.0) if is_low else (low - 81, 7.0, 66.0)
    place("page", low - (7 if is_low else 11))
    place("scale", low - (14 if is_low else 27))
    place("element", low - (23 if is_low else 37))
    for number in range(1, 7):
        place(f"title {number}", titles + row * (number - 1), row - 1)
        place(f"title text {number}", titles + row * (number - 1), row - 1)
    top = titles - figures - 6
    for name in ("quantities", "quantities values", "quantities units"):
        place(name, top, figures)
    place("quantities title", top - 6)
    place("legend", _MARGIN + 2, top - 8 - _MARGIN)
