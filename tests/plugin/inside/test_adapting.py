"""The page of adapting: a stroke is in the file at once, and nothing is learnt that cannot be judged."""

import os
import shutil
from pathlib import Path

import pytest
from bench import Bench, rows
from qgis.core import QgsPointXY, QgsProject

LEFT, TOP, PX = 500000.0, 4400000.3, 0.001
INSIDE = [(100, 100), (140, 100)]
JUDGING = [(250, 100), (290, 100)]
OUTSIDE = [(700, 100), (740, 100)]


def on_map(points):
    return [QgsPointXY(LEFT + col * PX, TOP - row * PX) for col, row in points]


@pytest.fixture
def corrected(book):
    """The small book with three windows, side by side, the second for judging."""
    source = Path(os.environ["CRAQUELURE_BOOK"]).with_name("small_corrections.gpkg")
    return shutil.copy(source, Path(book).with_name("book_corrections.gpkg"))


@pytest.fixture
def page(plugin, qgis_iface, book):
    from craquelure.dock.adapting import AdaptPage

    bench = Bench(qgis_iface, str(book))
    bench.can_write = lambda: True
    made = AdaptPage(bench)
    made.refresh()
    made.bench = bench
    yield made
    made.hide()
    QgsProject.instance().clear()
    made.stop()


def strokes(corrected):
    return rows(corrected, "SELECT surv_id, class_cd, wid_m FROM correction_stroke ORDER BY fid")


def test_without_windows_there_is_nothing_to_paint(page):
    page.show()
    assert page.windows.topLevelItemCount() == 0
    assert page.propose_button.isEnabled()
    assert not page.brushes.isEnabled()
    assert not page.adapt_button.isEnabled()
    page.add_stroke(on_map(INSIDE))
    page.take_back()
    assert page.bench.told == []


def test_windows_are_listed_with_what_they_are_for(page, corrected):
    page.show()
    shown = [
        [page.windows.topLevelItem(n).text(column) for column in range(3)]
        for n in range(page.windows.topLevelItemCount())
    ]
    assert shown == [["1  left", "0", "learning"], ["2", "0", "judging"], ["3", "0", "learning"]]


def test_a_stroke_is_in_the_file_at_once(page, corrected):
    page.show()
    page.brushes.take(1)
    assert page.brushes.width_mm.value() == 12.0
    page.add_stroke(on_map(INSIDE))
    assert strokes(corrected) == [("S1", "paint_loss", pytest.approx(0.012))]
    page.brushes.width_mm.setValue(20.0)
    page.brushes.take(0)
    assert page.brushes.width_mm.value() == 3.0
    page.add_stroke(on_map(INSIDE))
    page.brushes.take(1)
    assert page.brushes.width_mm.value() == 20.0
    page.brushes.take(2)
    page.add_stroke(on_map(JUDGING))
    assert [code for _, code, _ in strokes(corrected)] == ["paint_loss", "craquelure", "background"]
    assert [each.strokes for each in page._rows] == [2, 1, 0]
    page.take_back()
    assert [code for _, code, _ in strokes(corrected)] == ["paint_loss", "craquelure"]


def test_a_stroke_outside_every_window_is_refused(page, corrected):
    page.show()
    page.brushes.take(0)
    page.add_stroke(on_map(OUTSIDE))
    assert "lies in no window" in page.bench.told[-1]
    assert strokes(corrected) == []
    page.take_back()
    assert "no stroke to take back" in page.bench.told[-1]


def test_layers_taken_out_of_the_project_come_back_with_the_page(page, corrected):
    page.show()
    page.brushes.take(0)
    page.add_stroke(on_map(INSIDE))
    QgsProject.instance().clear()
    assert page.windows.topLevelItemCount() == 0
    page.add_stroke(on_map(INSIDE))
    page.take_back()
    assert len(strokes(corrected)) == 1
    page.hide()
    page.show()
    assert [each.strokes for each in page._rows] == [1, 0, 0]


def test_it_says_what_is_lacking(page, corrected):
    page.show()
    page.brushes.take(0)
    assert "for learning first" in page.adapt_button.toolTip()
    page.add_stroke(on_map(INSIDE))
    assert "for judging too" in page.adapt_button.toolTip()
    assert not page.adapt_button.isEnabled()
    page.add_stroke(on_map(JUDGING))
    assert page.adapt_button.toolTip() == ""
    assert page.adapt_button.isEnabled()


def test_without_an_engine_it_says_so(page, corrected, monkeypatch):
    from craquelure.dock import adapting
    from craquelure.engine.errors import EngineError

    def none():
        raise EngineError("Craquelure has no engine yet.", "Missing")

    monkeypatch.setattr(adapting, "engine_python", none)
    page.show()
    page.propose()
    assert page.bench.told == ["Craquelure has no engine yet."]
    assert page._task is None


def test_another_survey_shows_no_strokes_of_this_one(page, corrected):
    page.show()
    page.brushes.take(0)
    page.add_stroke(on_map(INSIDE))
    page.survey.addItem("other", "S9")
    page.survey.setCurrentIndex(1)
    assert page.windows.topLevelItemCount() == 0


def test_adapters_of_the_book_can_be_chosen(page, book):
    from craquelure.dock.models import ModelBox
    from craquelure.results.corrections import adapter_file, adapters_of

    path = adapter_file(str(book), "2026/05 春")
    assert path.name.startswith("book-2026_05_春-")
    assert path != adapter_file(str(book), "2026_05 春")
    assert adapter_file(str(book), "2026_05_春").name == "book-2026_05_春.safetensors"
    path.parent.mkdir()
    for name in (path.name, f"{path.stem}.previous.safetensors", "no card.safetensors"):
        path.with_name(name).write_bytes(b"")
        if "card" not in name:
            path.with_name(name).with_suffix(".json").write_text("{}")
    assert adapters_of(str(book)) == [path]
    box = ModelBox("models", with_adapters=True)
    box.choose(str(path))
    box.show_book(str(book))
    assert [box.itemText(n) for n in range(box.count())] == ["the best there is", f"{path.stem} (adapted)"]
    assert box.currentData() == str(path)
    box.setCurrentIndex(0)
    box.activated.emit(0)  # somebody goes back to the best there is
    box.show_book(str(book))
    assert box.currentData() == ""
    box.choose(str(path))
    assert box.currentData() == str(path)
    path.unlink()
    box.show_book(str(book))
    assert box.currentData() == ""


def test_the_base_of_an_adapted_survey_is_chosen(page, book):
    assert page.base.currentData() == ""
    page.base._told({"models": [{"name": "res_unet"}, {"name": "res_unet_lite"}]}, "")
    page.base.choose("res_unet_lite")
    assert page.base.currentData() == "res_unet_lite"
