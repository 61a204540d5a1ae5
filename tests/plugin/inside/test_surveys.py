"""The form of the page of surveys."""

from bench import Bench
from qgis.core import QgsProject, QgsRasterLayer, QgsVectorLayer


def test_a_project_opened_again_knows_its_elements(plugin, qgis_iface, book, tmp_path, monkeypatch):
    from craquelure.dock.surveys import SurveysPage

    project = QgsProject.instance()
    project.addMapLayer(QgsRasterLayer(str(tmp_path / "beam.tif"), "beam"))
    for name in ("others", "elements"):
        project.addMapLayer(QgsVectorLayer(f"{book}|layername=element", name))
    page = SurveysPage(Bench(qgis_iface, str(book)))
    queued = []
    monkeypatch.setattr(page, "queue_run", queued.append)
    page.element_layer.setLayer(project.mapLayersByName("elements")[0])
    page.id_field.setField("elem_id")
    page.add_run()
    page.stop()
    assert project.write(str(tmp_path / "facade.qgz"))
    project.clear()

    page = SurveysPage(Bench(qgis_iface, str(book)))
    assert page.element_layer.currentLayer() is None
    assert project.read(str(tmp_path / "facade.qgz"))
    assert page.element_layer.currentLayer().name() == "elements"
    assert page.id_field.currentField() == "elem_id"
    monkeypatch.setattr(page, "queue_run", queued.append)
    page.add_run()
    page.stop()
    assert queued[0]["ELEMENTS"] == queued[1]["ELEMENTS"]
    project.clear()
