"""Tracing on the map: along what is seen in the orthophoto and what the network kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from segmentation_core.errors import ParameterError, RasterError
from segmentation_core.operations.trace import trace

PLACE = Affine(0.01, 0, 0, 0, -0.01, 4.0)


def crack_row(col: np.ndarray) -> np.ndarray:
    return np.rint(200 + 40 * np.sin(col / 60)).astype(int)


@pytest.fixture
def picture(tmp_path: Path, beam_crs: str) -> Path:
    """10 x 4 m at 10 mm a pixel, one waved crack and a straight ink line."""
    cols = np.arange(1000)
    rgb = np.random.default_rng(1).normal(150, 3, (3, 400, 1000))
    for shift in (0, 1):
        rgb[:, crack_row(cols) + shift, cols] -= 50
    path = tmp_path / "beam.tif"
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "width": 1000, "height": 400}
    with rasterio.open(path, "w", crs=beam_crs, transform=PLACE, **profile) as dataset:
        dataset.write(rgb.clip(0, 255).astype(np.uint8))
    return path


def on_map(row: float, col: float) -> tuple[float, float]:
    x, y = PLACE @ (col, row)
    return x, y


def test_a_trace_follows_the_crack_on_the_map(enter_beam, book: Path, picture: Path, halves) -> None:
    enter_beam(path=str(picture), elements=halves)
    ends = [on_map(crack_row(np.array(c)) + 1, c + 0.5) for c in (20, 700)]
    told = trace(book, "first", ends)
    line = np.array(told["coordinates"])
    assert tuple(line[0]) == ends[0]
    assert tuple(line[-1]) == ends[1]
    cols = np.arange(20, 701)
    middle = np.array([on_map(row + 1, col + 0.5) for row, col in zip(crack_row(cols), cols, strict=True)])
    distance = np.sqrt(((line[:, None] - middle[None]) ** 2).sum(axis=2)).min(axis=1)
    assert distance.max() < 0.015
    smooth = np.hypot(np.diff(200 + 40 * np.sin(np.arange(20, 701) / 60)), 1).sum() / 100
    columns = told["columns"]
    assert columns.pop("len_m") == pytest.approx(smooth, rel=0.02)
    assert columns == {
        "surv_id": "S1",
        "orth_id": "O1",
        "elem_id": "A",  # columns 20 to 500 of 20 to 700
        "class_cd": "craquelure",
        "t_start": "2024-05-01",
        "t_end": None,
    }
    assert told["notes"] == [
        "no probabilities were kept with this survey: the line follows the picture alone"
    ]


def test_the_kept_probability_takes_part(
    enter_beam, book: Path, picture: Path, sql, tmp_path: Path, beam_crs: str
) -> None:
    enter_beam(path=str(picture))
    kept = tmp_path / "kept"
    kept.mkdir()
    bands = np.zeros((2, 400, 1000), np.uint8)
    bands[0, 300, 50:900] = 250  # a crack that nobody sees in the picture
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 2, "width": 1000, "height": 400, "nodata": 255}
    with rasterio.open(kept / "probability.tif", "w", crs=beam_crs, transform=PLACE, **profile) as dataset:
        dataset.write(bands)
    sql("UPDATE orthophoto SET rasters = ?", str(kept))
    told = trace(book, "first", [on_map(300.5, 60.5), on_map(300.5, 890.5)])
    assert told["notes"] == []
    rows = (4.0 - np.array(told["coordinates"])[:, 1]) / 0.01
    assert np.abs(rows - 300.5).max() < 0.6
    (kept / "probability.tif").unlink()
    (note,) = trace(book, "first", [on_map(300.5, 60.5), on_map(300.5, 890.5)])["notes"]
    assert note.endswith("the line follows the picture alone")


def test_bad_traces_are_said(enter_beam, book: Path, picture: Path) -> None:
    enter_beam(path=str(picture))
    with pytest.raises(ParameterError, match=r"no survey 'nobody'.*first"):
        trace(book, "nobody", [(1, 1), (2, 2)])
    with pytest.raises(ParameterError, match="do not lie on one orthophoto"):
        trace(book, "first", [(1, 1), (20, 2)])
    with pytest.raises(ParameterError, match="needs two points"):
        trace(book, "first", [(1, 1)])
    picture.unlink()
    with pytest.raises(RasterError, match="the orthophoto is not at"):
        trace(book, "first", [(1, 1), (2, 2)])
