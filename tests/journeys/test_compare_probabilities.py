"""What two surveys' pictures and probabilities say of cracks and losses that only one of them found."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest
import rasterio
import two_dates
from scipy.ndimage import gaussian_filter, map_coordinates
from two_dates import GSD_M, MARGIN, Camera

from segmentation_core.operations.compare import compare
from segmentation_core.operations.survey import survey
from segmentation_core.survey.geopackage import register_functions

FIRST, SECOND = "2026-05-01", "2028-05-01"
NEW = [(840, 640), (900, 690), (980, 700)]
OLD = [(180, 270), (230, 330), (250, 400)]
OLD_M = (np.hypot(50, 60) + np.hypot(20, 70)) * GSD_M


def drawn(points, camera=None):
    """Return where a crack lies on a picture of the wall, 0 to 1."""
    canvas = np.zeros((two_dates.HEIGHT + 2 * MARGIN, two_dates.WIDTH + 2 * MARGIN), np.uint8)
    two_dates.crack(canvas, points)
    y, x = np.mgrid[: two_dates.HEIGHT, : two_dates.WIDTH] + 0.5
    if camera is not None:
        x, y = camera.to_a(x, y)
    return map_coordinates((canvas > 0).astype(float), [y + MARGIN - 0.5, x + MARGIN - 0.5], order=1)


def surveyed(folder, *, pictured=True, told=(0.0, 1.0), old=1.0):
    """Survey the wall twice: what is new, or an old crack, is told by the networks at other levels.

    Parameters
    ----------
    folder : Path
    pictured : bool
        The first picture shows what is new at the second date as well.
    told : (float, float)
        Probability of what is new at the first and at the second date; the threshold is 0.5.
    old : float
        Probability of an old crack, which both pictures show, at the second date.
    """
    wall = two_dates.before()
    if pictured:
        two_dates.crack(wall.classes, NEW)
    two_dates.photograph(folder, "a", wall)
    two_dates.photograph(folder, "b", two_dates.after(), Camera())
    for name, date, camera, level in (("a", FIRST, None, told[0]), ("b", SECOND, Camera(), told[1])):
        path = folder / name / "probability.tif"
        with rasterio.open(path, "r+") as dataset:
            band = dataset.read(1) / 250
            for points, at in ((NEW, level), *([(OLD, old)] if name == "b" else [])):
                around = gaussian_filter((drawn(points, camera) > 0.05).astype(float), 2) > 0.1
                band = np.where(around, at * band, band)
            if name == "a" and not pictured:
                band = np.maximum(band, level * drawn(NEW))
            dataset.write(np.rint(250 * band).astype(np.uint8), 1)
        survey(folder / f"{name}.tif", folder / "book.gpkg", date, classes=path)
    return folder / "book.gpkg"


def rejected(book, surv_id):
    """Say of what a survey found where the new crack is that it is no crack."""
    x0, y0 = two_dates.ORIGIN[0] + 835 * GSD_M, two_dates.ORIGIN[1] - 705 * GSD_M
    with closing(sqlite3.connect(book)) as connection:
        register_functions(connection)
        done = connection.execute(
            "UPDATE crack_line SET status = 'rejected' WHERE surv_id = ? AND "
            "ST_MinX(geom) > ? AND ST_MinY(geom) > ? AND ST_MaxY(geom) < ?",
            (surv_id, x0, y0, y0 + 70 * GSD_M),
        )
        assert done.rowcount > 0
        connection.commit()


def in_doubt(book, stat):
    """What a difference is uncertain by because one survey alone has what is no change; and the verdict."""
    with closing(sqlite3.connect(book)) as connection:
        ((terms, u95, verdict),) = connection.execute(
            "SELECT terms, u95_diff, verdict FROM change_stats WHERE stat = ?", (stat,)
        ).fetchall()
    told = json.loads(terms)["in_doubt"]
    assert u95 > 1.9 * told
    return told, verdict


def test_what_both_pictures_show_is_no_change(tmp_path):
    """A crack of which the first network had no idea, and one that the second one lost: both were there."""
    result = compare(surveyed(tmp_path, told=(0.02, 1.0), old=0.02), FIRST, SECOND)
    cracks = result["totals"]["cracks"]
    assert cracks["new_m"] < 2 * GSD_M
    assert cracks["not_seen_m"] < 2 * GSD_M
    assert cracks["extended_m"] > 0.7 * two_dates.GROWN_M
    faint = result["run"]["faint_m"]
    assert (faint["b"], faint["a"]) == (
        pytest.approx(two_dates.NEW_M, rel=0.05),
        pytest.approx(OLD_M, rel=0.1),
    )
    growth = result["totals"]["difference"]["crack_growth_m"]
    assert growth["value"] == pytest.approx(cracks["new_m"] + cracks["extended_m"], rel=0.1)
    with closing(sqlite3.connect(tmp_path / "book.gpkg")) as connection:
        rows = connection.execute(
            "SELECT value_a, value_b, diff, u95_diff FROM change_stats WHERE stat = 'crack_growth_m'"
        ).fetchall()
    assert rows == [(None, None, growth["value"], growth["u95"])]
    told, _ = in_doubt(tmp_path / "book.gpkg", "crack_m")
    assert told == pytest.approx(abs(faint["b"] - faint["a"]))


def test_what_one_picture_shows_is_new_whatever_the_first_network_dreamt(tmp_path):
    result = compare(surveyed(tmp_path, pictured=False, told=(0.4, 1.0)), FIRST, SECOND)
    assert result["totals"]["cracks"]["new_m"] == pytest.approx(two_dates.NEW_M, rel=0.05)
    assert result["run"]["faint_m"]["b"] < 2 * GSD_M


def test_what_the_second_network_half_saw_is_traced_on_the_pictures(tmp_path):
    """No survey holds it: it has no uid, and no sum of lengths counts it."""
    book = surveyed(tmp_path, pictured=False, told=(0.0, 0.2))
    result = compare(book, FIRST, SECOND)
    cracks = result["totals"]["cracks"]
    assert cracks["new_m"] == pytest.approx(two_dates.NEW_M, rel=0.08)
    assert cracks["not_seen_m"] < 2 * GSD_M
    assert cracks["traced_m"] == pytest.approx(cracks["new_m"], rel=0.02)
    assert any("in no survey" in note for note in result["run"]["notes"])
    with closing(sqlite3.connect(book)) as connection:
        traced = connection.execute(
            "SELECT DISTINCT uid_a, uid_b FROM change_line WHERE kind = 'new' AND len_m > 0.001"
        ).fetchall()
        sure = connection.execute(
            "SELECT DISTINCT is_sure FROM change_line WHERE uid_b IS NULL AND uid_a IS NULL"
        )
        assert sure.fetchall() == [(0,)]
        (difference,) = connection.execute("SELECT diff FROM change_stats WHERE stat = 'crack_m'").fetchone()
    assert traced == [(None, None)]
    assert difference < 0.6 * two_dates.NEW_M


def test_what_both_pictures_show_is_not_traced(tmp_path):
    cracks = compare(surveyed(tmp_path, told=(0.0, 0.2)), FIRST, SECOND)["totals"]["cracks"]
    assert cracks["new_m"] < 2 * GSD_M


def test_what_is_dark_and_no_network_took_for_a_crack_is_not_traced(tmp_path):
    """A cable across the second picture is new, and no crack."""
    cracks = compare(surveyed(tmp_path, pictured=False, told=(0.0, 0.0)), FIRST, SECOND)["totals"]["cracks"]
    assert cracks["new_m"] < 2 * GSD_M


def test_what_a_person_rejected_at_the_first_date_is_no_evidence(tmp_path):
    """However probable the crack seemed, none was there: the second survey's is new."""
    book = surveyed(tmp_path, told=(0.9, 1.0))
    assert compare(book, FIRST, SECOND)["totals"]["cracks"]["new_m"] < 2 * GSD_M
    rejected(book, "S1")
    found = compare(book, FIRST, SECOND)["totals"]["cracks"]["new_m"]
    assert found == pytest.approx(two_dates.NEW_M, rel=0.05)


def test_what_a_person_rejected_at_the_second_date_is_not_traced(tmp_path):
    book = surveyed(tmp_path, pictured=False, told=(0.0, 1.0))
    rejected(book, "S2")
    assert compare(book, FIRST, SECOND)["totals"]["cracks"]["new_m"] < 2 * GSD_M


@pytest.mark.parametrize("factor", [0.5, 1.6])
def test_a_finer_and_a_coarser_second_picture_tell_the_same(tmp_path, factor):
    """Of each pair the finer picture is softened before they are compared."""
    two_dates.photograph(tmp_path, "a", two_dates.before())
    two_dates.photograph(tmp_path, "b", two_dates.after(), Camera(), gsd_m=factor * GSD_M)
    for name, date in (("a", FIRST), ("b", SECOND)):
        survey(
            tmp_path / f"{name}.tif",
            tmp_path / "book.gpkg",
            date,
            classes=tmp_path / name / "probability.tif",
        )
    cracks = compare(tmp_path / "book.gpkg", FIRST, SECOND)["totals"]["cracks"]
    assert cracks["new_m"] == pytest.approx(two_dates.NEW_M, rel=0.08)
    assert cracks["extended_m"] > 0.7 * two_dates.GROWN_M
    assert cracks["not_seen_m"] < 4 * GSD_M


def discs(points, camera=None):
    """Return where discs of (x, y, radius) lie on a picture of the wall, 0 to 1."""
    canvas = np.zeros((two_dates.HEIGHT + 2 * MARGIN, two_dates.WIDTH + 2 * MARGIN), np.uint8)
    for disc in points:
        two_dates.loss(canvas, *disc)
    y, x = np.mgrid[: two_dates.HEIGHT, : two_dates.WIDTH] + 0.5
    if camera is not None:
        x, y = camera.to_a(x, y)
    return map_coordinates((canvas > 0).astype(float), [y + MARGIN - 0.5, x + MARGIN - 0.5], order=0)


@pytest.mark.parametrize(("level", "counts"), [(0.9, True), (0.6, False)])
def test_losses_in_doubt_are_no_change(tmp_path, level, counts):
    """What is lost at one date only is so with the level given, above the threshold of 0.5 either way."""
    two_dates.photograph(tmp_path, "a", two_dates.before())
    two_dates.photograph(tmp_path, "b", two_dates.after(), Camera())
    old = discs([(350, 700, 30)], Camera()) > 0.5
    retouched = discs([(850, 120, 26)]) > 0.5
    for name, doubted, date in (("a", retouched, FIRST), ("b", ~old, SECOND)):
        path = tmp_path / name / "probability.tif"
        with rasterio.open(path, "r+") as dataset:
            band = dataset.read(2)
            dataset.write(np.where(doubted, np.rint(level * band), band).astype(np.uint8), 2)
        survey(tmp_path / f"{name}.tif", tmp_path / "book.gpkg", date, classes=path)
    result = compare(tmp_path / "book.gpkg", FIRST, SECOND)
    losses, doubtful = result["totals"]["losses"], result["run"]["doubtful_m2"]
    if counts:
        assert losses["not_confirmed_m2"] == pytest.approx(two_dates.RETOUCHED_M2, rel=0.1)
        assert 0.5 * two_dates.GAIN_M2 < losses["gain_m2"] < two_dates.GAIN_M2
        assert doubtful == {"a": 0, "b": 0}
    else:
        assert (losses["gain_m2"], losses["not_confirmed_m2"]) == (0, 0)
        assert doubtful["a"] == pytest.approx(two_dates.RETOUCHED_M2, rel=0.1)
        assert doubtful["b"] > 0
    told, verdict = in_doubt(tmp_path / "book.gpkg", "loss_m2")
    assert told == pytest.approx(abs(doubtful["b"] - doubtful["a"]))
    assert counts or verdict == "no change that can be shown"
