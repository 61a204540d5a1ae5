"""Sheets as layouts: one per element, from the template, for the chosen survey; and what can go wrong."""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bench import rows
from qgis.core import QgsFeedback, QgsProject

KILLED = """
import os, signal, sys
sys.path[:0] = {path!r}
from qgis.core import QgsApplication, QgsFeedback, QgsProject
app = QgsApplication([], False)
app.initQgis()
from craquelure.results import sheets
layout = sheets.overview(QgsProject.instance(), {book!r}, "S1", "2026-05-01", "A4")
sheets.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
sheets.print_sheets(layout, {target!r})
"""


@pytest.fixture
def project(plugin):
    yield QgsProject.instance()
    QgsProject.instance().clear()


@pytest.fixture
def with_elements(book):
    """The small book with three elements that have figures of their own."""
    from osgeo import gdal, ogr

    dataset = gdal.OpenEx(str(book), gdal.OF_VECTOR | gdal.OF_UPDATE)
    layer = dataset.GetLayerByName("element")
    for number, name in enumerate(("B-10", "B-2", "梁'3")):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature["elem_id"] = name
        x = 500000 + 0.2 * number
        box = (
            f"MULTIPOLYGON ((({x} 4400000,{x + 0.2} 4400000,{x + 0.2} 4400000.3,{x} 4400000.3,{x} 4400000)))"
        )
        feature.SetGeometry(ogr.CreateGeometryFromWkt(box))
        layer.CreateFeature(feature)
        quoted = name.replace("'", "''")
        dataset.ExecuteSQL(
            "INSERT INTO element_stats (elem_id, surv_id, stat, value, unit, u95) "
            f"VALUES ('{quoted}', 'S1', 'crack_m', {number + 1}.25, 'm', 0.04)"
        )
        dataset.ExecuteSQL(
            "INSERT INTO element_stats (elem_id, surv_id, stat, value, unit) "
            f"VALUES ('{quoted}', 'S1', 'width_mean_mm', {number + 1}.5, 'mm')"
        )
    dataset.ExecuteSQL("DELETE FROM element_stats WHERE elem_id = 'image'")
    dataset.ExecuteSQL("UPDATE element_stats SET stale = 0")
    return str(book)


def texts(layout, *names):
    return [layout.itemById(name).currentText() for name in names]


@pytest.mark.parametrize("paper", ["A4", "A3", "A0"])
def test_every_item_of_a_sheet_lies_on_its_paper_and_none_on_another(project, with_elements, paper):
    from craquelure.results.sheets import PAPERS_MM, element_sheets

    layout = element_sheets(project, with_elements, "S1", "2026-05-01", paper)
    width, height = PAPERS_MM[paper]
    page = layout.pageCollection().page(0).sizeWithUnits()
    assert (page.width(), page.height()) == (width, height)
    column = [
        layout.itemById(name)
        for name in (
            *("legend", "quantities title", "quantities", *(f"title {n}" for n in range(1, 7))),
            *("element", "scale", "page"),
        )
    ]
    boxes = [(item.y(), item.y() + item.rect().height()) for item in column]
    assert boxes == sorted(boxes)
    assert all(low <= high + 0.01 for (_, low), (high, _) in itertools.pairwise(boxes))
    for item in (*column, layout.itemById("map"), layout.itemById("column")):
        assert 0 <= item.x() <= item.x() + item.rect().width() <= width - 9.9
        assert 0 <= item.y() <= item.y() + item.rect().height() <= height - 9.9
    assert layout.itemById("map").x() + layout.itemById("map").rect().width() <= column[0].x() + 0.01


def test_one_sheet_per_element_with_its_own_figures(project, with_elements, tmp_path):
    from craquelure.results.sheets import element_sheets, print_sheets

    layout = element_sheets(project, with_elements, "S1", "2026-05-01", "A3")
    atlas = layout.atlas()
    assert atlas.count() == 3
    found = {}
    for number in range(3):
        atlas.seekTo(number)
        layout.refresh()
        name, values = texts(layout, "element", "quantities values")
        found[name] = values.replace("\u3000", "").splitlines()
        assert texts(layout, "quantities title") == ["Quantities 工程量 2026-05-01"]
    # 1 mm a pixel: what is narrower than two of them is an upper bound
    assert found == {
        "B-10": ["1.250 ± 0.040", "≤ 1.500"],
        "B-2": ["2.250 ± 0.040", "2.500"],
        "梁'3": ["3.250 ± 0.040", "3.500"],
    }
    assert print_sheets(layout, str(tmp_path / "out.pdf")) == 3
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF")
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_a_sheet_that_somebody_edited_is_opened_again(project, with_elements):
    from craquelure.results.sheets import element_sheets

    layout = element_sheets(project, with_elements, "S1", "2026-05-01", "A3")
    layout.itemById("title text 1").setText("Pavilion of a Thousand Autumns")
    again = element_sheets(project, with_elements, "S1", "2026-05-01", "A3")
    assert again.itemById("title text 1").text() == "Pavilion of a Thousand Autumns"
    assert len(project.layoutManager().printLayouts()) == 1


def test_sheets_show_their_survey_whatever_else_is_in_the_map(project, with_elements):
    from craquelure.results.sheets import element_sheets
    from qgis.core import QgsVectorLayer

    other = QgsVectorLayer("Polygon?crs=EPSG:32650", "another", "memory")
    project.addMapLayer(other)
    layout = element_sheets(project, with_elements, "S1", "2026-05-01", "A3")
    shown = [layer.name() for layer in layout.itemById("map").layers()]
    assert shown == ["Building elements", "Cracks", "Paint loss", "Crack areas", "beam"]
    assert not [
        layer
        for layer in project.mapLayers().values()
        if "element_stats" in layer.name() and not layer.flags() & layer.LayerFlag.Private
    ]


def test_without_elements_there_is_the_overview(project, book, tmp_path):
    from craquelure.results.sheets import SheetFault, element_sheets, overview, print_sheets

    with pytest.raises(SheetFault, match="overview"):
        element_sheets(project, str(book), "S1", "2026-05-01", "A4")
    layout = overview(project, str(book), "S1", "2026-05-01", "A4")
    assert texts(layout, "element") == ["book, 2026-05-01"]
    assert layout.itemById("map").scale() == pytest.approx(4, rel=1e-6)
    length = rows(book, "SELECT value FROM element_stats WHERE stat = 'crack_m'")[0][0]
    assert f"{length:.3f}" in texts(layout, "quantities values")[0]
    assert print_sheets(layout, str(tmp_path / "out.pdf")) == 1


def test_an_element_that_was_deleted_meanwhile_has_no_sheet(project, with_elements):
    from craquelure.results.sheets import element_sheets
    from osgeo import gdal

    gdal.OpenEx(with_elements, gdal.OF_VECTOR | gdal.OF_UPDATE).ExecuteSQL(
        "DELETE FROM element WHERE elem_id = 'B-2'"
    )
    layout = element_sheets(project, with_elements, "S1", "2026-05-01", "A3")
    assert layout.atlas().count() == 2


@pytest.mark.parametrize(
    ("content", "told"), [(None, "missing"), ("<Layout/>", "not the one of this version")]
)
def test_a_template_that_is_missing_or_another_is_told(
    project, with_elements, monkeypatch, tmp_path, content, told
):
    from craquelure.results import sheets

    path = tmp_path / "gone.qpt"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(sheets, "_TEMPLATE", path)
    with pytest.raises(sheets.SheetFault, match=told):
        sheets.element_sheets(project, with_elements, "S1", "2026-05-01", "A3")
    assert project.layoutManager().printLayouts() == []


def test_printing_that_was_cancelled_or_cannot_be_written_leaves_what_was_there(
    project, with_elements, tmp_path
):
    from craquelure.results.sheets import SheetFault, element_sheets, print_sheets

    layout = element_sheets(project, with_elements, "S1", "2026-05-01", "A4")
    target = tmp_path / "out.pdf"
    target.write_text("as before")
    feedback = QgsFeedback()
    feedback.cancel()
    with pytest.raises(SheetFault, match="Stopped"):
        print_sheets(layout, str(target), feedback)
    (tmp_path / "taken.pdf").mkdir()
    with pytest.raises(SheetFault, match="cannot be written"):
        print_sheets(layout, str(tmp_path / "taken.pdf"))
    assert target.read_text() == "as before"
    assert sorted(path.name for path in tmp_path.iterdir() if ".pdf" in path.name) == ["out.pdf", "taken.pdf"]


def test_a_computer_without_chinese_letters_is_noticed(plugin, tmp_path):
    """Fontconfig of a computer that has the fonts of matplotlib's kind, and none with Chinese."""
    from craquelure.results.sheets import has_chinese

    if shutil.which("fc-list") is None:
        pytest.skip("fc-list is not here; test.sh installs it")
    listed = subprocess.run(["fc-list", ":lang=zh-cn"], check=True, capture_output=True, text=True).stdout
    assert has_chinese() is bool(listed.strip())
    latin = next(Path("/usr/share/fonts").rglob("DejaVuSans.ttf")).parent
    config = tmp_path / "fonts.conf"
    config.write_text(f"<fontconfig><dir>{latin}</dir><cachedir>{tmp_path}</cachedir></fontconfig>")
    code = f"import sys; sys.path[:0] = {sys.path!r}\n" + (
        "from qgis.PyQt.QtGui import QGuiApplication\napp = QGuiApplication([])\n"
        "from craquelure.results.sheets import has_chinese\nprint(has_chinese())"
    )
    environment = {**os.environ, "FONTCONFIG_FILE": str(config)}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.stdout.strip() == "False", done.stderr


def test_qgis_killed_while_printing_leaves_the_sheet_that_was_there(book, tmp_path):
    target = tmp_path / "out.pdf"
    target.write_text("as before")
    code = KILLED.format(path=sys.path, book=str(book), target=str(target))
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=120)
    assert done.returncode == -9, done.stderr
    assert target.read_text() == "as before"
    assert rows(book, "PRAGMA integrity_check") == [("ok",)]
