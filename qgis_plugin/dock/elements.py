"""The page of elements: a table that sorts, and is tied to the map both ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from qgis.core import QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from ..results.book import BookFault, element_rows
from ..translation import tr
from ..widgets import button, row
from .survey_box import SurveyBox

__all__ = ["ElementsModel", "ElementsPage"]

_FLASHES = 3


@dataclass(frozen=True)
class _Column:
    """A column: its title, the statistic, the factor into the unit shown, its decimals, and what it means."""

    title: str
    stat: str
    factor: float = 1.0
    decimals: int = 0
    meaning: str = ""


def _columns() -> list[_Column]:
    return [
        _Column(tr("Element"), "elem_id"),
        _Column(tr("Loss cm2"), "loss_m2", 1e4, 1, tr("Area of the paint losses.")),
        _Column(tr("Loss %"), "loss_ratio", 100.0, 2, tr("Paint loss in the area that was assessed.")),
        _Column(tr("Losses"), "loss_count", meaning=tr("Number of paint losses.")),
        _Column(tr("Cracks m"), "crack_m", 1.0, 2, tr("Length of all crack lines together.")),
        _Column(
            tr("Cracks"), "crack_count", meaning=tr("Number of cracks; what is connected counts as one.")
        ),
        _Column(
            tr("Density m/m2"), "p21_m_per_m2", 1.0, 1, tr("Crack length per assessed area (P21 in geology).")
        ),
        _Column(
            tr("Width mm"),
            "width_mean_mm",
            1.0,
            2,
            tr("Mean crack width; ≤ where the picture shows no less."),
        ),
        _Column(tr("Assessed m2"), "assessed_m2", 1.0, 3, tr("Area of the element that the picture shows.")),
        _Column(tr("Cracks: change m"), "change_crack_m", 1.0, 2),
        _Column(
            tr("Cracks: growth m"),
            "change_crack_growth_m",
            decimals=2,
            meaning=tr(
                "At least so much crack length is new or has grown, beyond what may be misread. "
                "What the model misses comes on top."
            ),
        ),
        _Column(tr("Loss: change cm2"), "change_loss_m2", 1e4, 1),
        _Column(tr("Verdict"), "change_verdict"),
    ]


class ElementsModel(QAbstractTableModel):
    """Statistics of one survey, one row per element."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._columns = _columns()
        self._rows: list[dict[str, Any]] = []

    def show(self, rows: list[dict[str, Any]]) -> None:
        """Take other rows."""
        self.beginResetModel()
        self._rows = list(rows)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of elements."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a column's title, or what it means."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section].title
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            return self._columns[section].meaning
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a cell's text, or where it is aligned."""
        column = self._columns[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if index.column() == 0 else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = self._rows[index.row()].get(column.stat)
        if value is None:
            return "-"
        if isinstance(value, str):
            return tr(value) if column.stat == "change_verdict" else value
        if column.stat == "change_crack_growth_m":
            return f"≥ {value:.{column.decimals}f}" if value > 0 else "-"
        sign = "+" if column.stat.startswith("change_") else ""
        text = f"{value * column.factor:{sign},.{column.decimals}f}"
        is_bound = column.stat == "width_mean_mm" and self._rows[index.row()].get("width_is_bound")
        return f"≤ {text}" if is_bound else text

    def sort(self, column: int, order: Any = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; what has no value comes last."""
        stat, backwards = self._columns[column].stat, order == Qt.SortOrder.DescendingOrder
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        kept = [(index, self._rows[index.row()]["elem_id"]) for index in before]
        known = [row for row in self._rows if row.get(stat) is not None]
        unknown = [row for row in self._rows if row.get(stat) is None]
        known.sort(key=_natural if stat == "elem_id" else lambda row: row[stat], reverse=backwards)
        self._rows = known + unknown
        place = {row["elem_id"]: number for number, row in enumerate(self._rows)} if kept else {}
        after = [self.index(place[name], index.column()) for index, name in kept]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def element_at(self, row: int) -> str:
        """Return the id of a row's element."""
        return self._rows[row]["elem_id"]

    def elements(self) -> list[str]:
        """Return the ids of all elements, as they are sorted."""
        return [row["elem_id"] for row in self._rows]

    def row_of(self, elem_id: str) -> int:
        """Return an element's row, -1 where there is none."""
        return next((n for n, row in enumerate(self._rows) if row["elem_id"] == elem_id), -1)


def _natural(row: dict[str, Any]) -> tuple[tuple[bool, int, str], ...]:
    """Sort B-2 before B-10."""
    parts, text = [], ""
    for letter in str(row["elem_id"]) + "\0":
        if text and letter.isdecimal() != text[-1].isdecimal():
            parts.append((False, int(text), "") if text[0].isdecimal() else (True, 0, text))
            text = ""
        text += letter
    return tuple(parts)


class ElementsPage(QWidget):
    """The table of one survey's elements."""

    shown = pyqtSignal()
    """Other rows are shown, or the same ones anew."""

    def __init__(self, panel: Any) -> None:
        super().__init__()
        self._panel = panel
        self._layer_id = ""
        self._busy = False
        self._disconnect: Callable[[], None] = lambda: None
        self.survey = SurveyBox("craquelureElementsSurvey")
        self.survey.currentIndexChanged.connect(lambda *_: self._show())
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setObjectName("craquelureElementsNote")
        self.model = ElementsModel(self)
        self.table = QTableView()
        self.table.setObjectName("craquelureElementsTable")
        self.table.setModel(self.model)
        self.table.setSortingEnabled(True)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.table.selectionModel().selectionChanged.connect(self._select_on_map)
        self.table.doubleClicked.connect(lambda *_: self._open())
        self.table.clicked.connect(lambda index: self.go_to(self.model.element_at(index.row())))
        column = QVBoxLayout(self)
        column.addWidget(self.survey)
        column.addWidget(self.note)
        column.addWidget(self.table, 1)
        column.addLayout(row(button("craquelureElementPictures", tr("Pictures of this element"), self._open)))

    def refresh(self) -> None:
        """Read surveys and figures again."""
        self.survey.read(self._panel.listed_surveys())
        self._show()

    def survey_name(self) -> str:
        """Return the name of the survey whose elements are shown; empty without one."""
        return self.survey.survey_name()

    def _show(self) -> None:
        surv_id, rows, stale = self.survey.currentData(), [], False
        if surv_id:
            try:
                rows, stale = element_rows(self._panel.book, surv_id)
            except BookFault as fault:
                self._panel.tell(str(fault))
        self.model.show(rows)
        header = self.table.horizontalHeader()
        self.model.sort(header.sortIndicatorSection(), header.sortIndicatorOrder())
        self.table.resizeColumnsToContents() if len(rows) < 200 else None
        self.note.setText(
            tr("Features were edited since: these figures are of before. Export computes them anew.")
            if stale
            else ""
        )
        self.note.setVisible(stale)
        self._follow_layer()
        self.shown.emit()

    def _follow_layer(self) -> None:
        """Listen to the layer of elements of this book, wherever it is in the project."""
        self._disconnect()
        self._layer_id, self._disconnect = "", lambda: None
        wanted = f"{self._panel.book}|layername=element"
        for layer in QgsProject.instance().mapLayers().values():
            if self._panel.book and layer.source().startswith(wanted):
                self._layer_id = layer.id()
                layer.selectionChanged.connect(self._select_in_table)
                self._disconnect = partial(self._let_go, layer.id())
                return

    def _let_go(self, layer_id: str) -> None:
        layer = QgsProject.instance().mapLayer(layer_id)
        if layer is not None:
            layer.selectionChanged.disconnect(self._select_in_table)

    def _layer(self) -> QgsVectorLayer | None:
        layer = QgsProject.instance().mapLayer(self._layer_id) if self._layer_id else None
        if layer is None:
            self._follow_layer()
            layer = QgsProject.instance().mapLayer(self._layer_id) if self._layer_id else None
        return layer

    def _open(self) -> None:
        """Show the page of the selected element."""
        self._panel.pages.setCurrentWidget(self._panel.element)

    def go_to(self, elem_id: str) -> None:
        """Show an element on the map and flash it."""
        layer = self._layer()
        if layer is None:
            self._panel.tell(tr("The survey's layers are not in the map. Press 'Load layers' first."))
            return
        ids = self._feature_ids(layer, [elem_id])
        canvas = self._panel.iface.mapCanvas()
        if not ids:  # the whole picture, measured as one element
            return
        canvas.zoomToFeatureIds(layer, ids)
        canvas.flashFeatureIds(layer, ids, flashes=_FLASHES)

    def _feature_ids(self, layer: QgsVectorLayer, elements: list[str]) -> list[int]:
        wanted = set(elements)
        index = layer.fields().lookupField("elem_id")
        return [f.id() for f in layer.getFeatures() if f.attributes()[index] in wanted]

    def _select_on_map(self, *_: object) -> None:
        layer = None if self._busy else self._layer()
        if layer is None:
            return
        rows = self.table.selectionModel().selectedRows()
        self._busy = True
        layer.selectByIds(self._feature_ids(layer, [self.model.element_at(row.row()) for row in rows]))
        self._busy = False

    def _select_in_table(self, *_: object) -> None:
        layer = None if self._busy else self._layer()
        if layer is None:
            return
        self._busy = True
        selection = self.table.selectionModel()
        selection.clearSelection()
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for feature in layer.selectedFeatures():
            row = self.model.row_of(feature["elem_id"])
            if row >= 0:
                selection.select(self.model.index(row, 0), flags)
                self.table.scrollTo(self.model.index(row, 0))
        self._busy = False

    def stop(self) -> None:
        """Let the layer go."""
        self._disconnect()
