"""Corrected windows: what a person decided is taught, what nobody checked is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from segmentation_core.errors import BookError, RasterError
from segmentation_core.operations.export import export
from training.dataset.folder import open_dataset
from training.dataset.split import SplitSettings, split_dataset

DECISIONS = (
    "UPDATE loss_polygon SET status = 'verified' WHERE fid = 1",
    "UPDATE loss_polygon SET status = 'rejected' WHERE fid = 2",
    "UPDATE crack_line SET status = 'verified' WHERE fid = 1",
    "UPDATE crack_line SET status = 'rejected' WHERE fid = 3",
)


@pytest.fixture
def corrected(enter_beam, book, sql, halves, orthophoto) -> Path:
    """A loss and a crack accepted, a loss and a crack rejected, one crack that nobody looked at."""
    enter_beam(elements=halves, path=str(orthophoto))
    for decision in DECISIONS:
        sql(decision)
    return book


def test_labels_hold_what_a_person_decided(corrected, orthophoto, tmp_path):
    told = export(corrected, "dataset", tmp_path / "d")
    assert told["files"] == {"images": 2, "labels": 2, "manifest.csv": 2}
    dataset = open_dataset(tmp_path / "d")
    assert [r.group for r in dataset.records] == ["B/A", "B/B"]
    assert {r.gsd_mm for r in dataset.records} == {10.0}
    left, right = (dataset.tile(record) for record in dataset.records)
    assert (left.label.shape, right.label.shape) == ((400, 512), (400, 488))
    assert (left.image[250, 150] == (255, 0, 0)).all()
    # the accepted crack, 10 px wide, up to where the element ends; the accepted loss
    assert (left.label[95:105, 50:500] == 1).all()
    assert (left.label[200:300, 100:200] == 2).all()
    # rejected: background; of the neighbouring element: ignored
    assert (left.label[345:355, 100:300] == 0).all()
    assert (left.label[200:300, 400:500] == 0).all()
    assert (left.label[:, 500:] == 255).all()
    counts = dict(zip(*np.unique(left.label, return_counts=True), strict=True))
    assert (counts[1], counts[2], counts[255]) == (4_500, 10_000, 12 * 400)
    # nobody looked at the right half's crack
    assert (right.label[95:105, :438] == 255).all()
    assert set(np.unique(right.label)) == {0, 255}


def test_a_moved_line_leaves_its_old_area_undecided(corrected, sql, tmp_path):
    sql("UPDATE crack_line SET status = 'edited', wid_m = 0.04 WHERE fid = 1")
    export(corrected, "dataset", tmp_path / "d")
    dataset = open_dataset(tmp_path / "d")
    label = dataset.tile(dataset.records[0]).label
    assert (label[98:102, 60:490] == 1).all()
    assert (label[95:98, 60:490] == 255).all()


def test_drawn_lines_teach_at_their_width(corrected, sql, tmp_path):
    sql("UPDATE crack_line SET status = 'drawn', wid_m = 0.04 WHERE fid = 3")
    sql("DELETE FROM crack_area WHERE fid = 2")
    export(corrected, "dataset", tmp_path / "d")
    dataset = open_dataset(tmp_path / "d")
    label = dataset.tile(dataset.records[0]).label
    assert (label[340:360, 150] == 1).sum() == 4


def test_elements_chosen_and_windows_untouched_stay_out(corrected, sql, tmp_path):
    sql("UPDATE loss_polygon SET status = 'auto' WHERE fid = 2")
    assert export(corrected, "dataset", tmp_path / "d")["files"]["images"] == 1


def test_a_book_becomes_a_split_dataset_by_element(corrected, orthophoto, tmp_path):
    with rasterio.open(orthophoto, "r+") as picture:  # no two windows of a beam look alike
        picture.write(np.random.default_rng(3).integers(0, 255, (3, 400, 1000), np.uint8))
    export(corrected, "dataset", tmp_path / "d")
    split_dataset(tmp_path / "d", SplitSettings(shares=(1.0, 0.0, 0.0), validation=("B/B",)))
    dataset = open_dataset(tmp_path / "d")
    assert [r.element for r in dataset.part("train")] == ["A"]
    assert [r.element for r in dataset.part("validation")] == ["B"]


def test_nothing_checked_and_a_moved_orthophoto_are_said(enter_beam, book, sql, orthophoto, tmp_path):
    enter_beam(path=str(orthophoto))
    with pytest.raises(BookError, match=r"no feature .* was checked by a person"):
        export(book, "dataset", tmp_path / "d")
    assert not (tmp_path / "d").exists()
    sql("UPDATE loss_polygon SET status = 'verified'")
    orthophoto.rename(tmp_path / "elsewhere.tif")
    with pytest.raises(RasterError, match="the orthophoto is not at"):
        export(book, "dataset", tmp_path / "d")
    assert not (tmp_path / "d").exists()
