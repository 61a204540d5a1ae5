"""Adapting the lite model in the real QGIS desktop: eight windows, strokes, kept and rolled back."""

from __future__ import annotations

import pytest
from qgis_programs import require_qgis
from test_desktop import keep

from segmentation_core.facade.generate import ID_FIELD, generate_facade
from segmentation_core.operations.survey import survey

SIZE = (3072, 1536)
UNSEEN = 77
"""A facade that no training saw."""


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory):
    """A survey of a facade with the lite model, and a book of its true damage."""
    require_qgis()
    folder = tmp_path_factory.mktemp("adapt")
    facade = generate_facade(folder / "facade", seed=UNSEEN, size_px=SIZE)
    outlines = {"elements": facade.elements, "id_field": ID_FIELD}
    book, truth = folder / "pavilion.gpkg", folder / "truth.gpkg"
    survey(facade.orthophoto, book, "2026-05-01", model="res_unet_lite", **outlines)
    survey(facade.orthophoto, truth, "2026-05-01", classes=facade.truth_raster, **outlines)
    return facade, book, truth


def test_somebody_teaches_the_model_a_beam(profile, surveyed, tmp_path):
    facade, book, truth = surveyed
    out = tmp_path / "shots"
    notes = profile.desktop(
        "adapt_model", out, book=book, truth=truth, classes=facade.truth_raster, ortho=facade.orthophoto
    )
    keep(out, "adapt")
    assert notes["exit"] == 0
    assert notes["base"] == "res_unet_lite"
    assert not notes["too_early"]
    assert notes["for"] == [("learning", "judging", "learning")[number % 3] for number in range(8)]
    assert any("lies in no window" in text for text in notes["outside"])
    assert notes["mouse"] == [pytest.approx(0.25, abs=0.01)]
    assert min(notes["strokes"]) > 0
    assert "It is kept with the book" in notes["verdict"]
    assert notes["chosen"] == "pavilion-2026-05-01 (adapted)"
    assert notes["surveys"] == ["2026-05-01", "adapted"]
    assert any("Rolled back" in text for text in notes["rolled_back"])
    assert not any("adapted" in name for name in notes["models"])
    assert not list(book.with_name("pavilion_adapters").glob("*.safetensors"))
    print({"pause_s": notes["pause_s"]})
