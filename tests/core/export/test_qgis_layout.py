"""The layout template and the styles beside shapefiles, in QGIS's own Python where it is installed."""

from __future__ import annotations

import os
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import pytest

from segmentation_core.export.sheet.figures import figures_of
from segmentation_core.export.sheet.layout import SCALES
from segmentation_core.operations.export import export
from segmentation_core.survey.store import reading

SCRIPT = """
import os, sys
from qgis.core import (QgsApplication, QgsLayoutExporter, QgsPrintLayout, QgsProject,
                       QgsReadWriteContext, QgsVectorLayer)
from qgis.PyQt.QtXml import QDomDocument
app = QgsApplication([], False)
app.initQgis()
layout = QgsPrintLayout(QgsProject.instance())
layout.initializeDefaults()
document = QDomDocument()
document.setContent(open(sys.argv[1], encoding="utf-8").read())
items, ok = layout.loadFromTemplate(document, QgsReadWriteContext())
drawn = layout.itemById("map")
print("layout", ok, round(drawn.rect().width()), round(drawn.rect().height()), layout.atlas().enabled())
for table in ("survey", "element_stats", "element"):
    QgsProject.instance().addMapLayer(QgsVectorLayer(f"{sys.argv[3]}|layername={table}", table, "ogr"))
layout.atlas().setCoverageLayer(QgsProject.instance().mapLayersByName("element")[0])
QgsLayoutExporter.exportToPdf(layout.atlas(), sys.argv[4], QgsLayoutExporter.PdfExportSettings())
layer = QgsVectorLayer(sys.argv[2], "crack", "ogr")
alias = layer.attributeAlias(layer.fields().indexOf("len_mm"))
print("layer", layer.isValid(), layer.renderer().type(), alias)
sys.stdout.flush()
os._exit(0)
"""


def template() -> Path:
    return Path(str(files("segmentation_core.export").joinpath("templates", "plan_sheet.qpt")))


def test_the_template_names_no_machine_and_holds_the_sheet():
    text = template().read_text("utf-8")
    root = ElementTree.fromstring(text)
    ids = {item.get("id") for item in root.iter("LayoutItem")}
    assert {"map", "legend", "scale bar", "up mark", "element", "scale", "page", "title 1"} <= ids
    assert "/home" not in text
    assert "/tmp" not in text


def test_the_template_chooses_among_the_scales_of_the_plan_sheets():
    (listed,) = re.findall(r"array_filter\(array\(([0-9, ]+)\)", template().read_text("utf-8"))
    scales = tuple(map(int, listed.split(",")))
    assert scales == SCALES[: len(scales)]


def test_qgis_opens_template_and_styles(rich_book, tmp_path, run_program):
    """The template's sheets, as QGIS prints them, hold the quantities of the latest survey."""
    python = Path("/usr/bin/python3")
    environment = {"QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    probe = [str(python), "-c", "import qgis.core"]
    if (
        not python.exists()
        or subprocess.run(probe, check=False, capture_output=True, env=environment).returncode
    ):
        pytest.skip("QGIS is not here (package python3-qgis)")
    export(rich_book, "shapefile", tmp_path / "out")
    shapes, sheets = tmp_path / "out" / "春_crack.shp", tmp_path / "sheets.pdf"
    command = [str(python), "-c", SCRIPT, *map(str, (template(), shapes, rich_book, sheets))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=300)
    lines = done.stdout.splitlines()
    assert "layout True 298 277 True" in lines, done.stderr
    assert "layer True RuleRenderer Length of the centreline [mm]" in lines
    pages = run_program("pdftotext", "-layout", sheets, "-").split("\f")
    first = next(page for page in pages if "南立面额枋" in page)
    assert "Quantities 工程量 春" in first
    with reading(rich_book) as opened:
        figures = figures_of(opened, "S1", "en")["南立面额枋"]
    assert len(figures) == 9
    for figure in figures:
        assert f" {figure.text} " in f"{first} ".replace("\u3000", " ").replace("\n", " "), figure
