"""Checking a survey in the real QGIS desktop, by keys and clicks; every decision outlives a re-run."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import shapely
from qgis_programs import require_qgis
from test_desktop import keep

from segmentation_core.facade.generate import ID_FIELD, generate_facade
from segmentation_core.operations.survey import survey

SMALL = (1560, 936)


@pytest.fixture(scope="module")
def checked_book(tmp_path_factory):
    """A survey of a small facade's true damage."""
    require_qgis()
    folder = tmp_path_factory.mktemp("review")
    facade = generate_facade(folder / "facade", seed=9, size_px=SMALL)
    book = folder / "pavilion.gpkg"
    told = survey(
        facade.orthophoto, book, "2026-05-01", elements=facade.elements, id_field=ID_FIELD,
        classes=facade.truth_raster,
    )  # fmt: skip
    return facade, book, told["run"]["survey"]


def test_somebody_checks_a_survey(profile, checked_book, tmp_path):
    facade, book, name = checked_book
    lines = geopandas.read_file(book, layer="crack_line").geometry
    longest = lines.iloc[int(np.argmax(shapely.length(lines)))]
    clicks = [list(longest.interpolate(share, normalized=True).coords[0]) for share in (0.1, 0.5, 0.9)]
    out = tmp_path / "shots"
    notes = profile.desktop(
        "review_survey", out, book=book, ortho=facade.orthophoto, elements=facade.elements,
        classes=facade.truth_raster, name=name, clicks=clicks,
    )  # fmt: skip
    keep(out, "review")
    assert notes["fault"] == ""
    assert notes["exit"] == 0
    total = notes["total"]
    assert notes["counter"] == f"4 of {total} checked"
    assert notes["decided"] == {"verified": 3, "rejected": 1}
    assert notes["tool"] == "TraceTool"
    assert notes["traced"] == {"verified": 3, "rejected": 1, "drawn": 1}
    assert notes["again"] == "done", notes["again_message"]
    assert notes["cut_tool"] == "CutTool"
    assert (notes["cut"], notes["uncut"], notes["joined"]) == (1, 0, 0)
    assert notes["kept"] == notes["statuses"]
    drawn = geopandas.read_file(book, layer="crack_line").query("status == 'drawn'").geometry.iloc[0]
    # How well the engine traces is its own tests' business; here the clicks arrive where they were made.
    assert max(drawn.distance(shapely.Point(click)) for click in clicks) < 0.001
    # Figures of this run, for the record; what they must reach stands in docs/performance.md.
    print({name: notes[name] for name in notes if name.endswith("_s")})
