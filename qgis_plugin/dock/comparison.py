"""The page of compared surveys: how well the pictures agree, and both of them to look at in turn."""

from __future__ import annotations

import html
from typing import Any

from qgis.core import QgsProcessingUtils, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtWidgets import QComboBox, QLabel, QPushButton, QVBoxLayout, QWidget

from ..results.book import BookFault
from ..results.comparison import PairRow, agreement, laid_on_earlier, pairs, tie_point_layer
from ..results.loading import change_layers, load_now
from ..results.local_crs import adopt
from ..translation import tr
from ..widgets import button, narrowing, row

__all__ = ["ComparisonPage"]

_TURN_MS = 700


class ComparisonPage(QWidget):
    """Choose a pair, read how far it can be trusted, look at both dates."""

    def __init__(self, panel: Any) -> None:
        super().__init__()
        self._panel = panel
        self._pairs: list[PairRow] = []
        self._later: list[str] = []
        self.pair = narrowing(QComboBox())
        self.pair.setObjectName("craquelurePair")
        self.pair.currentIndexChanged.connect(lambda *_: self._show())
        self.words = QLabel()
        self.words.setObjectName("craquelurePairWords")
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.flicker = QPushButton(tr("Flicker"))
        self.flicker.setObjectName("craquelureFlicker")
        self.flicker.setCheckable(True)
        self.flicker.setToolTip(tr("Shows the earlier and the later picture in turn, one laid on the other."))
        self.flicker.toggled.connect(self._flick)
        self._timer = QTimer(self)
        self._timer.setInterval(_TURN_MS)
        self._timer.timeout.connect(self.turn)
        column = QVBoxLayout(self)
        column.addWidget(self.pair)
        column.addWidget(self.words)
        column.addLayout(
            row(
                button("craquelurePairShow", tr("Show on the map"), self.show_on_map),
                self.flicker,
                button("craquelurePairTurn", tr("Other date"), self.turn),
            )
        )
        column.addLayout(row(button("craquelurePairNew", tr("Compare…"), panel.surveys.open_compare)))
        column.addStretch(1)

    def refresh(self) -> None:
        """Read the pairs again."""
        chosen = self.pair.currentData()
        try:
            self._pairs = pairs(self._panel.book) if self._panel.listed_surveys() else []
        except BookFault as fault:
            self._panel.tell(str(fault))
            self._pairs = []
        self.pair.blockSignals(True)
        self.pair.clear()
        for each in self._pairs:
            self.pair.addItem(f"{each.before} → {each.after}", each.pair_id)
        at = self.pair.findData(chosen)
        self.pair.setCurrentIndex(at if at >= 0 else self.pair.count() - 1)
        self.pair.blockSignals(False)
        self._show()

    def current(self) -> PairRow | None:
        """Return the chosen pair."""
        return next((p for p in self._pairs if p.pair_id == self.pair.currentData()), None)

    def _show(self) -> None:
        chosen = self.current()
        self._later = []
        self.flicker.setChecked(False)
        if chosen is None:
            self.words.setText(tr("No two surveys were compared yet."))
            return
        text, colour = agreement(chosen)
        lines = [f'<span style="color:{colour}">\u25cf</span> {html.escape(text)}']
        if chosen.eps_mm is not None:
            lines.append(
                html.escape(tr("Nothing within {mm} mm is called a change.", mm=f"{chosen.eps_mm:.2f}"))
            )
        lines += [html.escape(note) for note in chosen.run.get("notes", [])]
        self.words.setText("<br>".join(lines))

    def show_on_map(self) -> None:
        """Load the changes, where the pictures were matched, and both pictures."""
        chosen = self.current()
        if chosen is None:
            return
        project = QgsProject.instance()
        group = f"{chosen.before} - {chosen.after}"
        try:
            pictures = laid_on_earlier(self._panel.book, chosen, QgsProcessingUtils.tempFolder())
            layers = load_now(project, change_layers(self._panel.book, chosen.pair_id), group)
            points = tie_point_layer(self._panel.book, chosen, layers[0].crs()) if layers else None
        except BookFault as fault:
            self._panel.tell(str(fault))
            return
        tree = project.layerTreeRoot().findGroup(group)
        if points is not None and tree is not None:
            self._replace(tree, points)
        if not pictures:
            self._panel.tell(tr("The orthophotos are not where they were: the changes are shown alone."))
        self._later = [
            self._beneath(path, title)
            for pair in pictures
            for path, title in zip(pair[::-1], (tr("Later picture"), tr("Earlier picture")))
        ][::2]
        if layers:
            canvas = self._panel.iface.mapCanvas()
            canvas.setExtent(canvas.mapSettings().layerExtentToOutputExtent(layers[-1], layers[-1].extent()))
            canvas.refresh()

    def _replace(self, tree: Any, points: Any) -> None:
        """Put the layer of matches into the group, in place of an earlier one; off, for whoever wants it."""
        for node in tree.findLayers():
            if node.name() == points.name():
                QgsProject.instance().removeMapLayer(node.layerId())
        QgsProject.instance().addMapLayer(points, False)
        tree.addLayer(points).setItemVisibilityChecked(False)

    def _beneath(self, path: str, title: str) -> str:
        """Load a picture below everything else; return its layer's id."""
        project = QgsProject.instance()
        for known in project.mapLayers().values():
            if known.source() == path:
                return known.id()
        layer = QgsRasterLayer(path, title, "gdal")
        adopt(layer, project)
        project.addMapLayer(layer, False)
        project.layerTreeRoot().addLayer(layer)
        return layer.id()

    def turn(self) -> None:
        """Show the other date's picture."""
        root = QgsProject.instance().layerTreeRoot()
        for layer_id in self._later:
            node = root.findLayer(layer_id)
            if node is not None:
                node.setItemVisibilityChecked(not node.itemVisibilityChecked())

    def _flick(self, on: bool) -> None:
        if on and not self._later:
            self.show_on_map()
        if on and self._later:
            self._timer.start()
        else:
            self._timer.stop()
            self.flicker.setChecked(False)

    def hideEvent(self, event: Any) -> None:
        """Stop turning where nobody looks."""
        super().hideEvent(event)
        self.flicker.setChecked(False)

    def stop(self) -> None:
        """Stop turning."""
        self._timer.stop()
