"""Layers of results: what there is to load, and how it is put into a project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgis.core import (
    Qgis,
    QgsLayerTreeGroup,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingLayerPostProcessorInterface,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QTimer

from ..translation import tr
from .local_crs import adopt
from .provenance import metadata_of_survey
from .rasters import style_classes, style_probability

__all__ = [
    "LayerPlan",
    "change_layers",
    "drawn_tables",
    "load_beneath",
    "load_later",
    "load_now",
    "raster_layers",
    "survey_layers",
    "table_layer",
    "vector_layers",
]

_STYLES = Path(__file__).parent.parent / "styles"
_HIDDEN = ("island",)
"""Loaded for their figures; drawn over everything, they would hide it."""


@dataclass(frozen=True)
class LayerPlan:
    """A layer to load.

    Attributes
    ----------
    uri, provider, title : str
    output : str
        Name of the algorithm's output; empty for none.
    style : str
        Stem of a QML file, ``probability`` or ``classes``; empty for none.
    book, surv_id : str
        Where its provenance stands; empty outside books.
    is_temporal : bool
        Its features have the fields ``t_start`` and ``t_end``.
    is_shown : bool
        Its box in the tree is ticked.
    """

    uri: str
    provider: str
    title: str
    output: str = ""
    style: str = ""
    book: str = ""
    surv_id: str = ""
    is_temporal: bool = False
    is_shown: bool = True


def _defect_titles() -> dict[str, str]:
    """Return the drawn layers, lowest first."""
    return {
        "island": tr("Islands"),
        "crack_area": tr("Crack areas"),
        "loss_polygon": tr("Paint loss"),
        "crack_line": tr("Cracks"),
    }


def drawn_tables() -> list[str]:
    """Return the tables of the damage that is drawn, lowest first."""
    return list(_defect_titles())


def survey_layers(book: str, surv_id: str) -> list[LayerPlan]:
    """Return the layers of one survey of a book, lowest first."""
    plans = [
        LayerPlan(
            f"{book}|layername={table}|subset=\"surv_id\" = '{surv_id}'",
            "ogr",
            title,
            table.upper(),
            table,
            book,
            surv_id,
            is_temporal=True,
            is_shown=table not in _HIDDEN,
        )
        for table, title in _defect_titles().items()
    ]
    element = LayerPlan(
        f"{book}|layername=element", "ogr", tr("Building elements"), "ELEMENT", "element", book
    )
    return [*plans, element]


def change_layers(book: str, pair_id: str) -> list[LayerPlan]:
    """Return the layers of a compared pair of a book, lowest first."""
    titles = {"change_polygon": tr("Changes of paint loss"), "change_line": tr("Changes of cracks")}
    return [
        LayerPlan(
            f"{book}|layername={table}|subset=\"pair_id\" = '{pair_id}'",
            "ogr",
            title,
            table.upper(),
            table,
            book,
            is_temporal=True,
        )
        for table, title in titles.items()
    ]


def vector_layers(path: str) -> list[LayerPlan]:
    """Return the layers of a file that ``vectorise`` wrote, lowest first."""
    return [
        LayerPlan(
            f"{path}|layername={table}", "ogr", title, table.upper(), table, is_shown=table not in _HIDDEN
        )
        for table, title in _defect_titles().items()
    ]


def raster_layers(probability: str, classes: str) -> list[LayerPlan]:
    """Return the two rasters of a ``segment`` run."""
    return [
        LayerPlan(probability, "gdal", tr("Probabilities"), style="probability"),
        LayerPlan(classes, "gdal", tr("Classes"), style="classes"),
    ]


def table_layer(path: str) -> LayerPlan:
    """Return a CSV table."""
    return LayerPlan(path, "ogr", Path(path).stem)


def load_now(project: QgsProject, plans: list[LayerPlan], group_name: str) -> list[QgsMapLayer]:
    """Load layers into a group of a project, in place of those of the same source there; return them."""
    loaded = []
    for plan in plans:
        kind = QgsVectorLayer if plan.provider == "ogr" else QgsRasterLayer
        layer = kind(plan.uri, plan.title, plan.provider)
        if not layer.isValid():
            continue
        known = _same_source(project, layer)
        if known is not None:
            known.dataProvider().reloadData()
            known.triggerRepaint()
            loaded.append(known)
            continue
        _dress(layer, plan)
        project.addMapLayer(layer, False)
        node = _group(project, group_name).insertLayer(0, layer)
        node.setItemVisibilityChecked(plan.is_shown)
        loaded.append(layer)
    return loaded


def load_beneath(project: QgsProject, path: str) -> None:
    """Load a picture below everything else, unless it is in the project or not on the disk."""
    if not Path(path).is_file() or any(
        Path(known.source()) == Path(path) for known in project.mapLayers().values()
    ):
        return
    layer = QgsRasterLayer(path, Path(path).stem, "gdal")
    if layer.isValid():
        adopt(layer, project)
        project.addMapLayer(layer, False)
        project.layerTreeRoot().addLayer(layer)


def _same_source(project: QgsProject, layer: QgsMapLayer) -> QgsMapLayer | None:
    for known in project.mapLayers().values():
        if known.isValid() and known.source() == layer.source():
            return known
    return None


def _group(project: QgsProject, name: str) -> QgsLayerTreeGroup:
    root = project.layerTreeRoot()
    if not name:
        return root
    return root.findGroup(name) or root.insertGroup(0, name)


def _dress(layer: QgsMapLayer, plan: LayerPlan) -> None:
    """Give a layer its name, style, temporal properties and provenance."""
    layer.setName(plan.title)
    adopt(layer, QgsProject.instance())
    if plan.style == "probability":
        style_probability(layer)
    elif plan.style == "classes":
        style_classes(layer)
    elif plan.style:
        _, has_own = layer.loadDefaultStyle() if plan.book else ("", False)
        if not has_own:
            layer.loadNamedStyle(str(_STYLES / f"{plan.style}.qml"))
    if plan.is_temporal:
        _make_temporal(layer)
    if plan.surv_id:
        layer.setMetadata(metadata_of_survey(layer, plan.book, plan.surv_id))


def _make_temporal(layer: QgsVectorLayer) -> None:
    temporal = layer.temporalProperties()
    temporal.setMode(Qgis.VectorTemporalMode.FeatureDateTimeStartAndEndFromFields)
    temporal.setStartField("t_start")
    temporal.setEndField("t_end")
    temporal.setIsActive(True)


class _Dresser(QgsProcessingLayerPostProcessorInterface):
    """Dresses one layer when Processing has loaded it."""

    kept: list[_Dresser] = []  # noqa: RUF012 - Processing holds no reference of its own

    def __init__(self, plan: LayerPlan, group: str) -> None:
        super().__init__()
        self._plan, self._group = plan, group
        _Dresser.kept.append(self)

    def postProcessLayer(self, layer: QgsMapLayer, context: Any, feedback: Any) -> None:
        """Dress the loaded layer; Processing calls this on the main thread."""
        del feedback
        _dress(layer, self._plan)
        project, identity, plan = context.project(), layer.id(), self._plan
        # Newer versions put the layer into the tree after this call: group it when they have.
        QTimer.singleShot(0, lambda: _into_group(project, identity, self._group, is_shown=plan.is_shown))
        _Dresser.kept.remove(self)


def _into_group(project: QgsProject, layer_id: str, name: str, *, is_shown: bool) -> None:
    node = project.layerTreeRoot().findLayer(layer_id)
    layer = project.mapLayer(layer_id)
    if node is None or layer is None:
        return
    node.setItemVisibilityChecked(is_shown)
    if not name:
        return
    group = _group(project, name)
    if node.parent() is group:
        return
    stale = [
        other for other in group.findLayers() if other.layer() and other.layer().source() == layer.source()
    ]
    group.insertLayer(0, layer).setItemVisibilityChecked(is_shown)
    node.parent().removeChildNode(node)
    for other in stale:
        project.removeMapLayer(other.layerId())


def load_later(context: QgsProcessingContext, plans: list[LayerPlan], group_name: str) -> None:
    """Have Processing load layers when the algorithm is done; does nothing where there is no project."""
    project = context.project()
    if project is None:
        return
    for plan in plans:
        details = QgsProcessingContext.LayerDetails(plan.title, project, plan.output)
        context.addLayerToLoadOnCompletion(plan.uri, details)
        context.layerToLoadOnCompletionDetails(plan.uri).setPostProcessor(_Dresser(plan, group_name))
