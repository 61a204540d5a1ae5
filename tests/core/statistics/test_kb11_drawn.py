"""A published network drawn as pixels and vectorised again: what resolution costs, and that u95 covers it."""

from __future__ import annotations

import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.features import rasterize

from segmentation_core.operations.measure import measure
from segmentation_core.operations.vectorise import vectorise


@pytest.mark.parametrize(("pixel_mm", "short", "connections"), [(20, 0.025, 0.04), (10, 0.01, 0.02)])
def test_a_real_network_drawn_and_vectorised_lies_within_its_uncertainty(
    tmp_path, shared_data, pixel_mm, short, connections
):
    """KB11, cracks 3 px wide, branches of 38 and 77 px: the published figures come back within their u95."""
    folder, pixel = shared_data / "fracture_networks" / "KB11", pixel_mm / 1000
    traces, area = (
        shapely.union_all(shapely.from_wkb(pyogrio.raw.read(folder / f"{name}.geojson")[2]))
        for name in ("traces", "area")
    )
    left, bottom, right, top = area.bounds
    shape = (int((top - bottom) / pixel) + 20, int((right - left) / pixel) + 20)
    affine = Affine(pixel, 0, left - 10 * pixel, 0, -pixel, top + 10 * pixel)
    classes = rasterize([(shapely.buffer(traces, 1.5 * pixel), 1)], shape, transform=affine, dtype="uint8")
    classes[rasterize([(area, 1)], shape, transform=affine, dtype="uint8") == 0] = 255
    with rasterio.open(
        tmp_path / "c.tif",
        "w",
        driver="GTiff",
        width=shape[1],
        height=shape[0],
        count=1,
        dtype="uint8",
        transform=affine,
        crs='LOCAL_CS["wall",UNIT["metre",1]]',
    ) as raster:
        raster.write(classes, 1)
    vectorise(tmp_path / "c.tif", tmp_path / "v.gpkg")
    result = measure(tmp_path / "v.gpkg", None, None, tmp_path / "s.csv", gsd_u_percent=0)
    true = measure(
        folder / "traces.geojson", folder / "area.geojson", "Shape_Area", tmp_path / "s.csv", snap_m=0.001
    )["totals"]
    found, terms = result["totals"], result["uncertainty"]["totals"]
    for code in ("crack_m", "node_i_count", "node_y_count", "branch_count", "connections_per_branch"):
        assert abs(found[code] - true[code]) <= terms[code]["u95"], code
    assert -short <= found["crack_m"] / true["crack_m"] - 1 <= 0.005
    assert found["connections_per_branch"] == pytest.approx(true["connections_per_branch"], abs=connections)
