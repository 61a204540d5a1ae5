"""Removing a survey from a book, and surveying kept probabilities again at another threshold."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pytest
from journey_data import GSD_M, HEIGHT, WIDTH, picture_and_classes, write_elements, write_raster

from segmentation_core.errors import BookLockedError, ParameterError
from segmentation_core.operations.book import book_remove
from segmentation_core.operations.survey import survey


@pytest.fixture
def beam(tmp_path):
    picture, classes = picture_and_classes()
    return {
        "orthophoto": write_raster(tmp_path / "beam.tif", picture),
        "classes": write_raster(tmp_path / "classes.tif", classes),
        "elements": write_elements(tmp_path / "elements.gpkg", ["B-01", "B-02"]),
        "id_field": "beam_id",
        "book": tmp_path / "book.gpkg",
    }


def rows(book, query):
    with sqlite3.connect(book) as connection:
        return connection.execute(query).fetchall()


def test_one_survey_goes_and_the_others_stay_whole(beam):
    survey(**beam, date="2026-05-01")
    kept = rows(beam["book"], "SELECT uid, t_end FROM crack_line ORDER BY uid")
    survey(**beam, date="2027-05-01", name="second")
    told = book_remove(beam["book"], "second")
    assert told["removed"]["survey"] == 1
    assert told["removed"]["loss_polygon"] == 2
    assert rows(beam["book"], "SELECT name FROM survey") == [("2026-05-01",)]
    assert (
        rows(beam["book"], "SELECT uid, t_end FROM crack_line ORDER BY uid") == kept
    )  # valid until now again
    assert rows(beam["book"], "SELECT count(*) FROM element") == [(2,)]
    assert rows(beam["book"], "SELECT DISTINCT surv_id FROM element_stats") == [("S1",)]
    assert rows(beam["book"], "SELECT count(*) FROM edit_log") == [(0,)]


def test_an_unknown_survey_is_named_with_those_there_are(beam):
    survey(**beam, date="2026-05-01")
    before = beam["book"].read_bytes()
    with pytest.raises(ParameterError, match=r"'2030'.*2026-05-01"):
        book_remove(beam["book"], "2030")
    assert beam["book"].read_bytes() == before


def test_a_book_in_use_is_left_alone(beam, monkeypatch):
    survey(**beam, date="2026-05-01")
    monkeypatch.setattr("segmentation_core.survey.store.WRITE_WAIT_S", 0.1)
    other = sqlite3.connect(beam["book"], isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(BookLockedError, match="another program"):
        book_remove(beam["book"], "2026-05-01")
    other.close()
    assert rows(beam["book"], "SELECT count(*) FROM survey") == [(1,)]


def test_kept_probabilities_are_surveyed_again_at_another_threshold(beam, tmp_path):
    folder = tmp_path / "book_rasters" / "s" / "beam"
    folder.mkdir(parents=True)
    probability = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    probability[1, 100:110, 100:110] = 240
    probability[1, 300:310, 100:110] = 120
    write_raster(folder / "probability.tif", probability)
    record = {"model": {"name": "res_unet", "thresholds": {"craquelure": 0.5, "paint_loss": 0.9}}}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    given = {**beam, "classes": folder / "probability.tif", "date": "2026-05-01"}
    one = (10 * GSD_M) ** 2
    assert survey(**given)["totals"]["loss_m2"] == pytest.approx(one)
    low = survey(**given, thresholds={"paint_loss": 0.4})
    assert low["totals"]["loss_m2"] == pytest.approx(2 * one)
    model, rasters = rows(beam["book"], "SELECT model, rasters FROM orthophoto")[0]
    assert model == "res_unet"  # the book still knows the network, and where its probabilities are
    assert rasters == "book_rasters/s/beam"


def test_a_class_raster_has_no_threshold(beam):
    with pytest.raises(ParameterError, match="no probabilities"):
        survey(**beam, date="2026-05-01", thresholds={"paint_loss": 0.4})
    assert not beam["book"].exists()
