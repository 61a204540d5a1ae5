"""What needs QGIS but no desktop."""

import math

import pytest
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsDistanceArea,
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingAlgorithm,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import Qt

ENGINEERING = (
    'ENGCRS["Facade",EDATUM["Marks"],CS[Cartesian,2],AXIS["u",east,ORDER[1]],AXIS["v",north,ORDER[2]],'
    'LENGTHUNIT["metre",1]]'
)


def test_the_provider_offers_one_algorithm_per_verb(plugin):
    assert sorted(a.name() for a in plugin.algorithms()) == [
        "compare", "doctor", "export", "measure", "segment", "survey", "vectorise",
    ]  # fmt: skip


def test_algorithms_run_in_the_background_and_explain_themselves(plugin):
    for algorithm in plugin.algorithms():
        assert not algorithm.flags() & QgsProcessingAlgorithm.Flag.FlagNoThreading
        assert len(algorithm.shortHelpString()) > 200
        assert algorithm.displayName()
        assert algorithm.create().name() == algorithm.name()


@pytest.mark.parametrize(
    "stem", ["loss_polygon", "crack_area", "crack_line", "element", "change_line", "change_polygon"]
)
def test_styles_load_and_measure_in_millimetres(plugin, styles, stem):
    kind = "LineString" if stem.endswith("_line") else "Polygon"
    layer = QgsVectorLayer(f"{kind}?field=wid_m:double&field=elem_id:string", stem, "memory")
    message, loaded = layer.loadNamedStyle(str(styles / f"{stem}.qml"))
    assert loaded, message
    assert "MapUnit" not in (styles / f"{stem}.qml").read_text(encoding="utf-8")
    if stem != "element":
        assert layer.renderer().type() == "RuleRenderer"


def test_cracks_are_graded_by_width_and_rejected_ones_are_hidden(plugin, styles):
    layer = QgsVectorLayer("LineString?field=wid_m:double&field=status:string", "cracks", "memory")
    for width, status in (
        (0.0002, "auto"),
        (0.0004, "auto"),
        (0.0007, "edited"),
        (0.002, "drawn"),
        (0.002, "rejected"),
    ):
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromWkt("LineString (0 0, 1 1)"))
        feature.setAttributes([width, status])
        layer.dataProvider().addFeatures([feature])
    layer.loadNamedStyle(str(styles / "crack_line.qml"))
    from qgis.core import QgsRenderContext

    renderer, context = layer.renderer().clone(), QgsRenderContext()
    renderer.startRender(context, layer.fields())
    widths = []
    for feature in layer.getFeatures():
        context.expressionContext().setFeature(feature)
        symbols = renderer.symbolsForFeature(feature, context)
        widths.append(symbols[0].width() if symbols else None)
    renderer.stopRender(context)
    assert widths[4] is None
    assert widths[:4] == sorted(set(widths[:4]))


def test_a_local_system_gets_a_stand_in_in_which_qgis_measures_right(plugin):
    from craquelure.results.local_crs import adopt, is_local, is_stand_in, use_stand_in

    project = QgsProject.instance()
    layer = QgsVectorLayer("Polygon", "patch", "memory")
    layer.setCrs(QgsCoordinateReferenceSystem.fromWkt(ENGINEERING))
    project.addMapLayer(layer)
    project.setCrs(layer.crs())
    assert is_local(project.crs())
    use_stand_in(project)
    assert is_stand_in(project.crs())
    assert is_stand_in(layer.crs())
    area = QgsDistanceArea()
    area.setSourceCrs(layer.crs(), project.transformContext())
    area.setEllipsoid("EPSG:7030")
    patch = QgsGeometry.fromWkt("Polygon ((10 5, 10.05 5, 10.05 5.04, 10 5.04, 10 5))")
    assert area.measureArea(patch) == pytest.approx(0.002, rel=1e-3)
    plain = QgsVectorLayer("Polygon", "plain", "memory")
    adopt(plain, project)
    assert not is_stand_in(plain.crs())
    project.clear()


def test_the_scale_of_a_picture(plugin, tmp_path):
    from craquelure.dock.scale import gsd_from_line
    from osgeo import gdal

    path = str(tmp_path / "p.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 400, 300, 1)
    dataset.SetGeoTransform((0, 2.0, 0, 0, 0, -1.0))  # pixels are not square in the layer's coordinates
    dataset = None
    layer = QgsRasterLayer(path, "p")
    along = gsd_from_line(layer, QgsPointXY(0, 0), QgsPointXY(200, 0), 50.0)
    down = gsd_from_line(layer, QgsPointXY(0, 0), QgsPointXY(0, -100), 50.0)
    slant = gsd_from_line(layer, QgsPointXY(0, 0), QgsPointXY(200, -100), 50.0)
    assert (along, down) == (0.5, 0.5)
    assert slant == pytest.approx(50 / math.hypot(100, 100))
    assert gsd_from_line(layer, QgsPointXY(0, 0), QgsPointXY(10, 0), 50.0) is None


def test_edits_made_with_qgis_tools_are_noticed_in_the_book_alone(plugin, tmp_path):
    from craquelure.dock.edits import EditWatch
    from osgeo import ogr
    from qgis.core import QgsFeature
    from qgis.PyQt.QtCore import QObject
    from qgis.PyQt.QtTest import QSignalSpy

    layers = []
    for name in ("book", "other"):
        path = str(tmp_path / f"{name}.gpkg")
        made = ogr.GetDriverByName("GPKG").CreateDataSource(path)
        made.CreateLayer("crack_line", geom_type=ogr.wkbLineString)
        made = None
        layers.append(QgsVectorLayer(f"{path}|layername=crack_line", name, "ogr"))
    parent = QObject()
    QgsProject.instance().addMapLayer(layers[0])  # before
    watch = EditWatch(lambda: str(tmp_path / "book.gpkg"), parent)
    QgsProject.instance().addMapLayer(layers[1])  # and after watching began
    spy, counts = QSignalSpy(watch.edited), []
    for layer in layers:
        layer.startEditing()
        layer.addFeature(QgsFeature(layer.fields()))
        assert layer.commitChanges()
        counts.append(len(spy))
    watch.stop()
    QgsProject.instance().removeMapLayers([layer.id() for layer in layers])
    assert counts == [1, 1]


def test_the_table_sorts_numbers_as_numbers_and_keeps_the_selection(plugin):
    from craquelure.dock.elements import ElementsModel
    from qgis.PyQt.QtCore import QPersistentModelIndex

    model = ElementsModel()
    model.show(
        [{"elem_id": e, "loss_m2": v} for e, v in (("B10", 0.02), ("B2", 0.1), ("B1", None), ("A", 0.003))]
    )
    kept = QPersistentModelIndex(model.index(1, 0))

    def column(number):
        return [model.index(row, number).data() for row in range(model.rowCount())]

    model.sort(0)
    assert column(0) == ["A", "B1", "B2", "B10"]
    model.sort(1, Qt.SortOrder.DescendingOrder)
    assert column(0) == ["B2", "B10", "A", "B1"]
    assert column(1) == ["1,000.0", "200.0", "30.0", "-"]
    assert kept.data() == "B2"
    told = model.headerData(6, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole)
    assert "Crack length per assessed area" in told


def test_the_bar_never_moves_back(plugin):
    from craquelure.algorithms.base import STAGES, StageProgress

    feedback, seen = QgsProcessingFeedback(False), []
    feedback.progressChanged.connect(seen.append)
    progress = StageProgress(feedback, STAGES)
    for stage, done in (
        ("segment", 5),
        ("segment", 10),
        ("write", 1),
        ("unknown", 3),
        ("vectorise", 0),
        ("vectorise", 10),
    ):
        progress(stage, done, 10, "x")
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(97.0)


def test_options_of_the_command_line_become_labels(plugin):
    from craquelure.algorithms.base import said_plainly

    told = said_plainly(
        "no scale: /tmp/x/elements.gpkg. Give it with --gsd MM, not --odd.", {"/tmp/x/elements.gpkg": "beams"}
    )
    assert told == "no scale: beams. Give it with 'Ground sampling distance', not --odd."


def test_a_wrong_book_is_told_apart_from_a_missing_one(plugin, tmp_path):
    from craquelure.results.book import BookFault, surveys

    with pytest.raises(BookFault, match="no survey book"):
        surveys(tmp_path / "gone.gpkg")
    (tmp_path / "text.gpkg").write_text("hello" * 100)
    with pytest.raises(BookFault, match="is no survey book"):
        surveys(tmp_path / "text.gpkg")


def test_classes_and_colours_come_from_the_vocabulary(plugin):
    from craquelure.results.rasters import defect_classes

    codes = {f"THRESHOLD_{d['code'].upper()}" for d in defect_classes()}
    survey = plugin.algorithm("survey").create()
    assert codes <= {p.name() for p in survey.parameterDefinitions()}
