"""Windows and strokes that correct a model: the file beside the book, as layers of the project."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFeature,
    QgsFeatureRequest,
    QgsFillSymbol,
    QgsGeometry,
    QgsLineSymbol,
    QgsPalLayerSettings,
    QgsPointXY,
    QgsProject,
    QgsProperty,
    QgsRendererCategory,
    QgsSingleSymbolRenderer,
    QgsSymbolLayer,
    QgsTextBufferSettings,
    QgsTextFormat,
    QgsUnitTypes,
    QgsVectorLayer,
    QgsVectorLayerSimpleLabeling,
)
from qgis.PyQt.QtCore import QDateTime
from qgis.PyQt.QtGui import QColor

from ..translation import tr
from .adding import add_feature
from .loading import LayerPlan, load_now
from .rasters import class_name, defect_classes

__all__ = [
    "BACKGROUND",
    "CorrectionLayers",
    "CorrectionWindow",
    "adapter_file",
    "adapters_of",
    "correction_layers",
    "corrections_file",
    "stroke_classes",
]

BACKGROUND = "background"
"""What a stroke says where nothing is damaged."""

_BACKGROUND_COLOUR = "#3fae49"
"""Of no defect class: background strokes must be seen on any paint."""

_OPACITY = 0.55
_FRAME = "#ffd200"
_JUDGING_FRAME = "#00c8ff"
_PREVIOUS = ".previous"


@dataclass(frozen=True)
class CorrectionWindow:
    """A window: number, element, first row and column, outline on the map, and what it is for."""

    fid: int
    number: int
    elem_id: str
    corner_px: tuple[int, int]
    outline: QgsGeometry
    held_out: bool
    strokes: int

    @property
    def title(self) -> str:
        """What the window is called: by its number and element."""
        return f"{self.number}  {self.elem_id}".rstrip()


def corrections_file(book: str) -> Path:
    """Return where the corrections of a book lie."""
    return Path(book).with_name(f"{Path(book).stem}_corrections.gpkg")


def _adapter_folder(book: str) -> Path:
    return Path(book).with_name(f"{Path(book).stem}_adapters")


def adapter_file(book: str, survey: str) -> Path:
    """Return where the adapter that is learnt from a survey's windows is kept: a file of its own."""
    name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in survey)
    if name != survey:  # "2026/05" and "2026_05" are two surveys
        name += f"-{zlib.crc32(survey.encode()):08x}"
    return _adapter_folder(book) / f"{Path(book).stem}-{name}.safetensors"


def adapters_of(book: str) -> list[Path]:
    """Return the adapters that are kept with a book."""
    found = sorted(_adapter_folder(book).glob("*.safetensors")) if book else []
    return [p for p in found if not p.stem.endswith(_PREVIOUS) and p.with_suffix(".json").exists()]


def stroke_classes() -> list[tuple[str, str, str]]:
    """Return code, name and colour of what can be painted."""
    own = [(d["code"], class_name(d), d["colour"]) for d in defect_classes()]
    return [*own, (BACKGROUND, tr("Background"), _BACKGROUND_COLOUR)]


@dataclass(frozen=True)
class CorrectionLayers:
    """The two layers of a survey's corrections, and metres per unit of their coordinates."""

    windows: QgsVectorLayer
    strokes: QgsVectorLayer
    surv_id: str
    metres_per_unit: float

    def rows(self) -> list[CorrectionWindow]:
        """Return the windows in the order they were proposed, with the number of strokes in each."""
        features = sorted(self.windows.getFeatures(), key=lambda feature: feature.id())
        return [
            CorrectionWindow(
                feature.id(),
                number,
                feature["elem_id"] or "",
                (feature["row_off"], feature["col_off"]),
                QgsGeometry(feature.geometry()),
                bool(feature["held_out"]),
                self._strokes_in(feature.geometry()),
            )
            for number, feature in enumerate(features, start=1)
        ]

    def _strokes_in(self, outline: QgsGeometry) -> int:
        near = self.strokes.getFeatures(outline.boundingBox())
        return sum(stroke.geometry().intersects(outline) for stroke in near)

    def add_stroke(self, points: list[QgsPointXY], class_code: str, width_m: float) -> bool:
        """Put a stroke into the file, at once; say whether it was taken."""
        columns = {
            "surv_id": self.surv_id,
            "class_cd": class_code,
            "wid_m": width_m,
            "made_at": QDateTime.currentDateTimeUtc(),
        }
        return add_feature(self.strokes, QgsGeometry.fromPolylineXY(points), columns) is not None

    def take_back(self) -> bool:
        """Remove the last stroke; say whether there was one."""
        last = max((feature.id() for feature in self._bare_strokes()), default=None)
        if last is None:
            return False
        done: bool = self.strokes.dataProvider().deleteFeatures([last])
        self.strokes.triggerRepaint()
        return done

    def _bare_strokes(self) -> Iterator[QgsFeature]:
        yield from self.strokes.getFeatures(
            QgsFeatureRequest().setFlags(QgsFeatureRequest.Flag.NoGeometry).setNoAttributes()
        )


def correction_layers(
    project: QgsProject, book: str, surv_id: str, metres_per_unit: float
) -> CorrectionLayers | None:
    """Return the layers of a survey's corrections, loaded where they are not; None where there are none."""
    path = corrections_file(book)
    if not path.is_file():
        return None
    subset = f"subset=\"surv_id\" = '{surv_id}'"
    plans = [
        LayerPlan(f"{path}|layername={table}|{subset}", "ogr", title)
        for table, title in (
            ("correction_window", tr("Windows to correct")),
            ("correction_stroke", tr("Strokes")),
        )
    ]
    loaded = load_now(project, plans, tr("Corrections"))
    if len(loaded) < len(plans):
        return None
    windows, strokes = loaded
    _style_windows(windows)
    _style_strokes(strokes, metres_per_unit)
    return CorrectionLayers(windows, strokes, surv_id, metres_per_unit)


def _style_windows(layer: QgsVectorLayer) -> None:
    symbol = QgsFillSymbol.createSimple(
        {"style": "no", "outline_color": _FRAME, "outline_width": "0.7", "outline_style": "solid"}
    )
    colour = f"if(\"held_out\", '{_JUDGING_FRAME}', '{_FRAME}')"
    symbol.symbolLayer(0).setDataDefinedProperty(
        QgsSymbolLayer.Property.PropertyStrokeColor, QgsProperty.fromExpression(colour)
    )
    layer.setRenderer(QgsSingleSymbolRenderer(symbol))
    text, halo = QgsTextFormat(), QgsTextBufferSettings()
    halo.setEnabled(True)
    halo.setSize(1.0)
    text.setBuffer(halo)
    settings = QgsPalLayerSettings()
    settings.setFormat(text)
    settings.isExpression = True
    settings.fieldName = "array_find(array_sort(array_agg($id)), $id) + 1"
    layer.setLabeling(QgsVectorLayerSimpleLabeling(settings))
    layer.setLabelsEnabled(True)
    layer.triggerRepaint()


def _style_strokes(layer: QgsVectorLayer, metres_per_unit: float) -> None:
    categories = []
    for code, name, colour in stroke_classes():
        shade = QColor(colour)
        symbol = QgsLineSymbol.createSimple({"capstyle": "round", "joinstyle": "round"})
        symbol.setColor(shade)
        symbol.setOpacity(_OPACITY)
        line = symbol.symbolLayer(0)
        line.setWidthUnit(QgsUnitTypes.RenderUnit.RenderMapUnits)
        line.setDataDefinedProperty(
            QgsSymbolLayer.Property.PropertyStrokeWidth,
            QgsProperty.fromExpression(f'"wid_m" / {metres_per_unit!r}'),
        )
        categories.append(QgsRendererCategory(code, symbol, name))
    layer.setRenderer(QgsCategorizedSymbolRenderer("class_cd", categories))
    layer.triggerRepaint()
