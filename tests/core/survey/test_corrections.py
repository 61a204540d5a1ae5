"""Windows that are proposed for correction, and strokes painted in them, as a dataset to adapt with."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from segmentation_core.errors import BookError, ParameterError, RasterError
from segmentation_core.operations.export import export
from segmentation_core.operations.propose import propose
from segmentation_core.operations.survey import survey
from segmentation_core.survey.corrections import corrections_file, windows_of
from segmentation_core.survey.geopackage import encode, register_functions
from training.dataset.folder import open_dataset

PLACE = Affine(0.01, 0, 100.0, 0, -0.01, 200.0)
ROWS, COLS = 2048, 3072
DOUBTFUL = (512, 1536)
"""Row and column of a window in which the network says one half."""


def on_map(row: float, col: float) -> tuple[float, float]:
    x, y = PLACE @ (col, row)
    return x, y


@pytest.fixture
def surveyed(tmp_path: Path, beam_crs: str, write_layer) -> Path:
    """A book of one survey: 30.7 x 20.5 m at 10 mm, doubtful in one window, sure in all others."""
    profile = {"driver": "GTiff", "dtype": "uint8", "width": COLS, "height": ROWS, "tiled": True}
    picture, kept = tmp_path / "梁.tif", tmp_path / "kept"
    kept.mkdir()
    rng = np.random.default_rng(5)
    with rasterio.open(picture, "w", crs=beam_crs, transform=PLACE, count=3, **profile) as dataset:
        for band in (1, 2, 3):
            shades = np.kron(rng.integers(60, 200, (ROWS // 512, COLS // 512)), np.ones((512, 512)))
            dataset.write((shades + rng.normal(0, 4, (ROWS, COLS))).clip(0, 255).astype(np.uint8), band)
    bands = np.zeros((2, ROWS, COLS), np.uint8)
    bands[0, 1000:1010, 100:3000] = 250
    row, col = DOUBTFUL
    bands[0, row + 50 : row + 500, col + 5 : col + 500] = 110
    with rasterio.open(
        kept / "probability.tif", "w", crs=beam_crs, transform=PLACE, count=2, nodata=255, **profile
    ) as dataset:
        dataset.write(bands)
    halves = [shapely.box(100, 170, 112, 200), shapely.box(112, 170, 140, 200)]
    elements = write_layer(tmp_path / "e.gpkg", "beams", halves, "Polygon", beam_crs, name=["A", "B"])
    book = tmp_path / "book.gpkg"
    survey(picture, book, "2026-05-01", elements=elements, id_field="name", classes=kept / "probability.tif")
    return book


def paint(book: Path, class_code: str, *points: tuple[float, float], width_m: float = 0.1) -> None:
    """Add a stroke as QGIS does: through SQL on the layer."""
    with closing(sqlite3.connect(corrections_file(book))) as connection, connection:
        register_functions(connection)
        (srs_id,) = connection.execute(
            "SELECT srs_id FROM gpkg_geometry_columns WHERE table_name = 'correction_stroke'"
        ).fetchone()
        line = encode(np.array([shapely.LineString(points)], dtype=object), srs_id)[0]
        connection.execute(
            "INSERT INTO correction_stroke (geom, surv_id, class_cd, wid_m) VALUES (?, 'S1', ?, ?)",
            (line, class_code, width_m),
        )


def paint_in(book: Path, index: int, class_code: str = "craquelure") -> None:
    window = windows_of(book, "S1")[index].window
    row, col = window.row_off + 100, window.col_off + 100
    paint(book, class_code, on_map(row, col), on_map(row, col + 200))


def test_the_doubtful_window_comes_first_and_no_two_overlap(surveyed: Path) -> None:
    told = propose(surveyed, "2026-05-01", windows=8)
    assert (told["windows"], told["notes"]) == (8, [])
    windows = windows_of(surveyed, "S1")
    first = windows[0]
    assert (first.window.row_off, first.window.col_off, first.elem_id) == (*DOUBTFUL, "B")
    assert first.doubt > 0.5 > max(w.doubt for w in windows[1:])
    assert len({(w.window.row_off, w.window.col_off) for w in windows}) == 8
    assert [w.held_out for w in windows] == [False, True, False, False, True, False, False, True]
    assert {w.elem_id for w in windows} == {"A", "B"}


def test_gdal_reads_both_layers(surveyed: Path) -> None:
    import pyogrio

    propose(surveyed, "2026-05-01", windows=4)
    paint_in(surveyed, 0)
    path = corrections_file(surveyed)
    assert len(pyogrio.read_dataframe(path, layer="correction_window")) == 4
    strokes = pyogrio.read_dataframe(path, layer="correction_stroke")
    assert strokes.geometry.length.tolist() == pytest.approx([2.0])
    assert strokes["class_cd"].tolist() == ["craquelure"]


def test_painted_windows_stay_when_others_are_proposed(surveyed: Path) -> None:
    propose(surveyed, "2026-05-01", windows=6)
    before = windows_of(surveyed, "S1")
    paint_in(surveyed, 4)
    told = propose(surveyed, "2026-05-01", windows=6)
    after = windows_of(surveyed, "S1")
    assert told["windows"] == len(after) == 6
    assert before[4] in after


def test_a_window_of_ones_own(surveyed: Path) -> None:
    propose(surveyed, "2026-05-01", windows=3)
    taken = windows_of(surveyed, "S1")
    place = on_map(ROWS - 3, COLS - 3)
    assert not any(w.window.row_end == ROWS and w.window.col_end == COLS for w in taken)  # else another seed
    told = propose(surveyed, "2026-05-01", at=place)
    own = windows_of(surveyed, "S1")[-1]
    assert told["windows"] == 4
    assert (own.window.row_off, own.window.col_off) == (ROWS - 512, COLS - 512)
    with pytest.raises(ParameterError, match="overlap another"):
        propose(surveyed, "2026-05-01", at=place)
    with pytest.raises(ParameterError, match="no orthophoto"):
        propose(surveyed, "2026-05-01", at=(0.0, 0.0))


def test_without_kept_probabilities_the_picture_decides(surveyed: Path, tmp_path: Path) -> None:
    (tmp_path / "kept" / "probability.tif").unlink()
    told = propose(surveyed, "2026-05-01", windows=5)
    assert told["windows"] == 5
    assert [w.doubt for w in windows_of(surveyed, "S1")] == [None] * 5
    assert told["notes"][0].endswith("windows are chosen by what the picture shows alone")


def test_strokes_become_a_dataset_that_is_split(surveyed: Path, tmp_path: Path) -> None:
    propose(surveyed, "2026-05-01", windows=6)
    windows = windows_of(surveyed, "S1")
    row, col = windows[0].window.row_off, windows[0].window.col_off
    paint(surveyed, "paint_loss", on_map(row + 100, col + 50), on_map(row + 100, col + 450), width_m=0.4)
    paint(surveyed, "background", on_map(row + 100, col + 200), on_map(row + 100, col + 300), width_m=0.1)
    for index in (1, 4):
        paint_in(surveyed, index)
    paint(surveyed, "craquelure", (0.0, 0.0), (1.0, 1.0))  # far outside: of no window
    told = export(surveyed, "corrections", tmp_path / "d")
    assert told["files"] == {"images": 3, "labels": 3, "manifest.csv": 3, "split.csv": 3}
    assert told["run"]["notes"] == ["3 windows of which 2 are kept to judge by"]
    dataset = open_dataset(tmp_path / "d")
    assert [len(dataset.part(split)) for split in ("train", "validation")] == [1, 2]
    label = dataset.tiles("train")[0].label
    assert label.shape == (512, 512)
    assert (label[81:119, 60:190] == 2).all()
    assert (label[96:104, 205:295] == 0).all()  # the later stroke counts
    assert (label[200:] == 255).all()  # nobody said anything
    assert (label == 2).sum() + (label == 0).sum() == pytest.approx(40 * 400 + np.pi * 20**2, rel=0.01)
    for tile in dataset.tiles("validation"):
        assert (tile.label == 1).sum() == pytest.approx(10 * 200 + np.pi * 5**2, rel=0.02)


def test_what_was_reviewed_counts_beneath_the_strokes(surveyed: Path, tmp_path: Path) -> None:
    propose(surveyed, "2026-05-01", windows=24)
    windows = windows_of(surveyed, "S1")
    learnt = next(
        i
        for i, w in enumerate(windows)
        if w.window.row_off == 512 and w.window.col_off >= 2048 and not w.held_out  # crossed, in one element
    )
    judged = next(i for i, w in enumerate(windows) if w.held_out)
    with closing(sqlite3.connect(surveyed)) as connection, connection:
        register_functions(connection)
        connection.execute("UPDATE crack_line SET status = 'rejected'")
    for index in (learnt, judged):
        paint_in(surveyed, index, "paint_loss")
    export(surveyed, "corrections", tmp_path / "d")
    dataset = open_dataset(tmp_path / "d")
    (tile,) = dataset.tiles("train")
    crack = 1000 - windows[learnt].window.row_off
    assert (tile.label[crack : crack + 10, 200:300] == 0).all()
    assert (tile.label[crack - 40 : crack - 20, 200:300] == 255).all()


def test_what_of_a_stroke_lies_outside_the_picture_counts_for_nothing(surveyed: Path, tmp_path: Path) -> None:
    propose(surveyed, "2026-05-01", windows=3)
    paint_in(surveyed, 1)
    edge = propose(surveyed, "2026-05-01", at=on_map(ROWS - 3, COLS - 3))
    own = windows_of(surveyed, "S1")[-1]
    assert edge["windows"] == 4
    assert not own.held_out
    row = own.window.row_off + 100
    paint(surveyed, "craquelure", on_map(row, COLS - 50), on_map(row, COLS + 500))
    export(surveyed, "corrections", tmp_path / "d")
    (tile,) = open_dataset(tmp_path / "d").tiles("train")
    assert tile.label.shape == (512, 512)
    assert (tile.label == 1).sum() == pytest.approx(10 * 50 + np.pi * 5**2 / 2, rel=0.05)


def test_too_few_strokes_are_said(surveyed: Path, tmp_path: Path) -> None:
    with pytest.raises(BookError, match="no stroke was painted in a window to learn from"):
        export(surveyed, "corrections", tmp_path / "d")
    propose(surveyed, "2026-05-01", windows=3)
    paint_in(surveyed, 0)
    with pytest.raises(BookError, match="no stroke was painted in a window to judge by"):
        export(surveyed, "corrections", tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_a_stroke_of_no_class_is_said(surveyed: Path, tmp_path: Path) -> None:
    propose(surveyed, "2026-05-01", windows=3)
    paint_in(surveyed, 0, "rust")
    with pytest.raises(BookError, match=r"'rust', which is no class.*background, craquelure, paint_loss"):
        export(surveyed, "corrections", tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_bad_proposals_are_said(surveyed: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="Ask for 3 to 24"):
        propose(surveyed, "2026-05-01", windows=2)
    with pytest.raises(ParameterError, match="no survey 'x'"):
        propose(surveyed, "x")
    (tmp_path / "梁.tif").unlink()
    with pytest.raises(RasterError, match="the orthophoto is not at"):
        propose(surveyed, "2026-05-01")
    assert not corrections_file(surveyed).exists()
    corrections_file(surveyed).write_bytes(b"no GeoPackage at all")
    with pytest.raises(BookError):
        windows_of(surveyed, "S1")
