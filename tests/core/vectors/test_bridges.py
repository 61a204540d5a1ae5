"""Gaps between cracks that continue each other: marked, and in no other figure."""

import numpy as np
import pytest
import shapely

from segmentation_core.operations.measure import measure
from segmentation_core.operations.vectorise import vectorise
from segmentation_core.vectors.settings import VectorSettings

BRIDGED = VectorSettings(workers=1, bridge_gap_px=12)


@pytest.fixture
def broken(drawing):
    """Two lines 40 px long in one course with a gap of 8 px, and one beside them that runs elsewhere."""
    sheet = drawing(90, 130)
    mask = sheet.stroke((20, 30), (60, 30), 3, flat=True) | sheet.stroke((68, 30), (108, 30), 3, flat=True)
    return (mask | sheet.stroke((64, 38), (64, 80), 3, flat=True)).astype(np.uint8)


def test_a_gap_is_bridged_marked_and_counted_apart(tmp_path, broken, vectors_of, read_vectors):
    plain = vectors_of(broken)
    found = vectors_of(broken, bridge_gap_px=12)
    bridge = found.crack_line.bridged == 1
    assert bridge.sum() == 1
    assert plain.crack_line.bridged.sum() == 0
    assert sorted(found.crack_line.uid[~bridge]) == sorted(plain.crack_line.uid)
    assert shapely.length(found.crack_line.geometry[bridge]) == pytest.approx(0.008, abs=0.001)
    assert found.totals["bridged_m"] == pytest.approx(0.008, abs=0.001)
    assert {k: v for k, v in found.totals.items() if k != "bridged_m"} == {
        k: v for k, v in plain.totals.items() if k != "bridged_m"
    }
    assert any("gaps bridged: 1" in note for note in found.run["notes"])
    assert found.run["parameters"]["bridge_gap_px"] == 12
    assert "bridge_gap_px" not in plain.run["parameters"]


def test_statistics_count_bridges_only_where_asked(tmp_path, broken, write_raster):
    out = tmp_path / "v.gpkg"
    vectorise(write_raster(broken), out, settings=BRIDGED)
    apart = measure(out, None, None, tmp_path / "s.csv")["totals"]
    within = measure(out, None, None, tmp_path / "s.csv", with_bridges=True)["totals"]
    assert apart["bridged_m"] == within["bridged_m"] == pytest.approx(0.008, abs=0.001)
    assert within["crack_m"] - apart["crack_m"] == pytest.approx(apart["bridged_m"])
    assert (apart["node_i_count"], within["node_i_count"]) == (6, 4)


@pytest.mark.parametrize(
    ("change", "options"),
    [
        (None, {"bridge_gap_px": 6}),
        ("turned", {"bridge_gap_px": 12}),
        ("loss", {"bridge_gap_px": 12}),
        ("nodata", {"bridge_gap_px": 12}),
    ],
)
def test_what_is_no_gap_is_not_bridged(drawing, vectors_of, change, options):
    sheet = drawing(90, 130)
    classes = sheet.stroke((20, 30), (60, 30), 3, flat=True).astype(np.uint8)
    end = (95, 70) if change == "turned" else (108, 30)
    classes[sheet.stroke((68, 30), end, 3, flat=True)] = 1
    if change in ("loss", "nodata"):
        classes[25:36, 63:66] = {"loss": 2, "nodata": 255}[change]
    assert vectors_of(classes, **options).totals["bridged_m"] == 0


@pytest.mark.parametrize(("between", "count"), [(60, 0), (80, 1)])
def test_probability_along_the_gap(tmp_path, broken, write_raster, read_vectors, between, count):
    bands = np.zeros((2, *broken.shape), np.uint8)
    bands[0][broken == 1] = 220
    bands[0, 28:33, 60:68] = between
    source = write_raster(bands, "probability.tif")
    vectorise(source, tmp_path / "v.gpkg", settings=BRIDGED)
    lines = read_vectors(tmp_path / "v.gpkg").crack_line
    assert lines.bridged.sum() == count
    if count:
        assert lines.conf[lines.bridged == 1] == pytest.approx(80 / 250, rel=0.15)


def test_tiles_do_not_matter(vectors_of, broken):
    whole = vectors_of(broken, bridge_gap_px=12)
    tiled = vectors_of(broken, bridge_gap_px=12, tile_size_px=30)
    assert sorted(whole.crack_line.uid) == sorted(tiled.crack_line.uid)
