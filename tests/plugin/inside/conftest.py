"""In QGIS's own Python, offscreen: the plugin is loaded through QGIS from the unpacked zip."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from bench import Bench
from qgis.core import QgsProject

PLUGINS = os.environ["CRAQUELURE_PLUGINS"]
sys.path += [PLUGINS, "/usr/share/qgis/python/plugins"]


@pytest.fixture(scope="session")
def plugin(qgis_app, qgis_iface):
    import qgis.utils
    from qgis.core import QgsApplication

    qgis.utils.iface = None  # as in qgis_process: the algorithms alone
    qgis.utils.plugin_paths = [PLUGINS]
    qgis.utils.updateAvailablePlugins()
    assert qgis.utils.loadPlugin("craquelure")
    assert qgis.utils.startProcessingPlugin("craquelure")
    yield QgsApplication.processingRegistry().providerById("craquelure")
    qgis.utils.unloadPlugin("craquelure")
    assert QgsApplication.processingRegistry().providerById("craquelure") is None


@pytest.fixture
def styles():
    return Path(PLUGINS) / "craquelure" / "styles"


@pytest.fixture
def book(tmp_path):
    source = Path(os.environ["CRAQUELURE_BOOK"])
    shutil.copy(source.with_name("beam.tif"), tmp_path)
    return shutil.copy(source, tmp_path / "book.gpkg")


@pytest.fixture
def page(plugin, qgis_iface, book):
    from craquelure.dock.review import ReviewPage

    bench = Bench(qgis_iface, str(book))
    made = ReviewPage(bench)
    made.refresh()
    made.bench = bench
    made.show()
    yield made
    made.hide()
    made.stop()
    QgsProject.instance().clear()
