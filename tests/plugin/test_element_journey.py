"""Looking at one element in the real QGIS desktop: pictures drawn by the engine while QGIS stays usable."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from PIL import Image
from qgis_programs import require_qgis
from test_desktop import keep

from segmentation_core.facade.generate import ID_FIELD, generate_facade
from segmentation_core.operations.survey import survey

SMALL = (1560, 936)
OVER_TIME = [f"over_time_{stat}.png" for stat in ("loss_ratio", "p21_m_per_m2", "loss_m2", "crack_m")]


@pytest.fixture(scope="module")
def growing_book(tmp_path_factory):
    """Three surveys of a small facade, on which one loss grows."""
    require_qgis()
    folder = tmp_path_factory.mktemp("element")
    facade = generate_facade(folder / "facade", seed=9, size_px=SMALL)
    with rasterio.open(facade.truth_raster) as dataset:
        truth, profile = dataset.read(1), dataset.profile
    book = folder / "pavilion.gpkg"
    for number, date in enumerate(("2024-05-01", "2026-05-01", "2028-05-01")):
        classes = truth.copy()
        classes[420:480, 700 : 740 + 40 * number] = 2
        path = folder / f"classes-{number}.tif"
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.write(classes, 1)
        survey(facade.orthophoto, book, date, elements=facade.elements, id_field=ID_FIELD, classes=path)
    return book


def test_somebody_looks_at_an_element(profile, growing_book, tmp_path):
    out, saved = tmp_path / "shots", tmp_path / "widths of B3.png"
    nowhere = tmp_path / "gone" / "x.png"
    notes = profile.desktop("look_at_element", out, book=growing_book, saved=saved, nowhere=nowhere)
    keep(out, "element")
    assert notes["exit"] == 0
    assert notes["drawn"][:7] == [*OVER_TIME, "directions.png", "widths.png", "islands.png"]
    assert notes["drawn_next"][:4] == OVER_TIME
    assert notes["note"] == ""
    assert notes["copied"] > 600
    assert np.asarray(Image.open(saved)).shape[1] > 600
    assert any("cannot be written" in text for text in notes["messages"])
    assert notes["zoomed"] < 1
    # Figures of this run, for the record.
    print({name: notes[name] for name in notes if name.endswith("_s")})
