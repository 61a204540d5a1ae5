"""Cracks that one survey has and the other shows too, only below its threshold."""

from __future__ import annotations

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


def surveyed(folder, level, crossing=()):
    """Survey the wall twice: what is new shows at the first date with a level, an old crack at the second.

    Cracks that cross the new one are certain at the first date and gone at the second.
    """
    two_dates.photograph(folder, "a", two_dates.before())
    two_dates.photograph(folder, "b", two_dates.after(), Camera())
    near_old = gaussian_filter((drawn(OLD, Camera()) > 0.05).astype(float), 2) > 0.1
    for name, change in (
        ("a", lambda p: np.maximum.reduce([p, level * drawn(NEW), *map(drawn, crossing)])),
        ("b", lambda p: np.where(near_old, level * p, p)),
    ):
        path = folder / name / "probability.tif"
        with rasterio.open(path, "r+") as dataset:
            band = change(dataset.read(1) / 250)
            dataset.write(np.rint(250 * band).astype(np.uint8), 1)
        date = FIRST if name == "a" else SECOND
        survey(folder / f"{name}.tif", folder / "book.gpkg", date, classes=path)
    return folder / "book.gpkg"


def test_seen_below_the_threshold_is_no_change(tmp_path):
    """At 0.4 of a threshold of 0.5 what the first date shows is not new, nor what the second shows gone."""
    result = compare(surveyed(tmp_path, 0.4), FIRST, SECOND)
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
    assert growth["value"] <= growth["u95"], "a tip or two may be misread"
    with closing(sqlite3.connect(tmp_path / "book.gpkg")) as connection:
        rows = connection.execute(
            "SELECT value_a, value_b, diff, u95_diff, verdict FROM change_stats WHERE stat = 'crack_growth_m'"
        ).fetchall()
    assert rows == [(None, None, growth["value"], growth["u95"], "no change that can be shown")]


def test_hardly_seen_is_change(tmp_path):
    """At 0.1, a fifth of the threshold, nothing speaks against what each survey says."""
    result = compare(surveyed(tmp_path, 0.1), FIRST, SECOND)
    cracks = result["totals"]["cracks"]
    assert cracks["new_m"] == pytest.approx(two_dates.NEW_M, rel=0.05)
    assert cracks["not_seen_m"] == pytest.approx(OLD_M, rel=0.1)
    assert result["run"]["faint_m"] == {"a": 0, "b": 0}
    assert "difference" not in result["totals"], "nothing tells which picture shows more"


def test_what_a_person_decided_stands(tmp_path):
    """A line rejected at the first date says that no crack was there, however probable it seemed."""
    book = surveyed(tmp_path, 0.9)
    assert compare(book, FIRST, SECOND)["totals"]["cracks"]["new_m"] < 2 * GSD_M
    x0, y0 = two_dates.ORIGIN[0] + 835 * GSD_M, two_dates.ORIGIN[1] - 705 * GSD_M
    with closing(sqlite3.connect(book)) as connection:
        register_functions(connection)
        done = connection.execute(
            "UPDATE crack_line SET status = 'rejected' WHERE surv_id = 'S1' AND "
            "ST_MinX(geom) > ? AND ST_MinY(geom) > ? AND ST_MaxY(geom) < ?",
            (x0, y0, y0 + 70 * GSD_M),
        )
        assert done.rowcount > 0
        connection.commit()
    assert compare(book, FIRST, SECOND)["totals"]["cracks"]["new_m"] == pytest.approx(
        two_dates.NEW_M, rel=0.05
    )


def test_old_cracks_across_a_new_one_are_no_trace_of_it(tmp_path):
    """The first date is certain of a third of the new crack's length, where older ones cross it."""
    start, stop = np.array(NEW[1]), np.array(NEW[2])
    way = (stop - start) / np.hypot(*(stop - start))
    across = 8 * np.array([-way[1], way[0]])
    middles = [start + at * way for at in (14, 28, 42, 56, 70)]
    crossing = [[tuple(middle - across), tuple(middle + across)] for middle in middles]
    result = compare(surveyed(tmp_path, 0.0, crossing), FIRST, SECOND)
    assert result["totals"]["cracks"]["new_m"] == pytest.approx(two_dates.NEW_M, rel=0.05)


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
