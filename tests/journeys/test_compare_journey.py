"""Two surveys of one wall, compared by the command a user types."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import two_dates
from two_dates import Camera

from segmentation_core.survey.geopackage import register_functions

FIRST, SECOND = "2026-05-01", "2028-05-01"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, craquelure) -> Path:
    """Two photographs, their classes, and a book with both surveys."""
    folder = tmp_path_factory.mktemp("wall")
    two_dates.photograph(folder, "a", two_dates.before())
    two_dates.photograph(folder, "b", two_dates.after(), Camera())
    two_dates.write_elements(folder / "elements.gpkg")
    survey(craquelure, folder, "a", FIRST, "--elements", folder / "elements.gpkg", "--id-field", "id")
    survey(craquelure, folder, "b", SECOND)
    return folder


def survey(
    craquelure, folder: Path, name: str, date: str, *extra: object, book: str = "book.gpkg", classes=None
):
    done = craquelure(
        "survey", folder / f"{name}.tif", "--book", folder / book, "--date", date,
        "--classes", classes or folder / f"{name}_classes.tif", *extra,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture
def book(folder, tmp_path) -> Path:
    """A copy of the book, beside copies of nothing: the orthophotos stay where they are."""
    copy = tmp_path / "book.gpkg"
    with (
        closing(sqlite3.connect(folder / "book.gpkg")) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        for name in ("a", "b"):
            target.execute(
                "UPDATE orthophoto SET path = ? WHERE path LIKE ?",
                (str(folder / f"{name}.tif"), f"%{name}.tif"),
            )
        target.commit()
    return copy


def rows(book: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(book)) as connection:
        return connection.execute(query).fetchall()


def change(book: Path, *statements: str) -> None:
    with closing(sqlite3.connect(book)) as connection:
        register_functions(connection)
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def compared(craquelure, book: Path, *surveys: str) -> dict:
    done = craquelure("compare", book, *(surveys or (FIRST, SECOND)), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def result(folder, craquelure) -> dict:
    return compared(craquelure, folder / "book.gpkg")


def test_known_change_is_found(result):
    left, right = result["elements"]
    assert (left["elem_id"], right["elem_id"]) == two_dates.ELEMENTS
    assert right["cracks"]["new_m"] == pytest.approx(two_dates.NEW_M, rel=0.05)
    assert left["cracks"]["new_m"] < two_dates.GSD_M
    assert left["cracks"]["extended_m"] == pytest.approx(two_dates.GROWN_M, abs=1.5 * two_dates.GSD_M)
    assert left["losses"]["gain_m2"] > 0
    assert left["difference"]["loss_m2"]["value"] == pytest.approx(two_dates.GAIN_M2, rel=0.02)
    assert right["losses"]["not_confirmed_m2"] == pytest.approx(two_dates.RETOUCHED_M2, rel=0.1)
    assert right["losses"]["gain_m2"] == 0
    for row in (left, right):
        assert row["cracks"]["not_seen_m"] == 0
        assert row["cracks"]["stable_m"] > 0.2
    assert left["verdict"] == "worse"


def test_the_registration_is_reported(result):
    registration = result["registration"]
    assert registration["rotation_deg"] == pytest.approx(0.3, abs=0.02)
    assert registration["scale"] == pytest.approx(1.002, abs=2e-4)
    assert 0.95 < registration["overlap"] <= 1
    assert 0 < registration["sigma_x_mm"] < 0.15 * 1e3 * two_dates.GSD_M


def test_a_difference_has_its_uncertainty_and_a_rate(folder, result):
    found = rows(
        folder / "book.gpkg",
        "SELECT value_a, value_b, diff, per_year, u95_diff, terms, verdict FROM change_stats "
        "WHERE elem_id = 'R' AND stat = 'crack_m'",
    )
    ((value_a, value_b, diff, per_year, u95, terms, verdict),) = found
    assert diff == pytest.approx(value_b - value_a)
    assert diff == pytest.approx(two_dates.NEW_M, abs=u95)
    assert per_year == pytest.approx(diff / 2, rel=1e-3)
    assert verdict == "worse"
    parts = json.loads(terms)
    assert set(parts) >= {"scale", "vectoriser_a", "vectoriser_b", "registration"}
    assert u95 == pytest.approx(1.96 * np.sqrt(sum(part**2 for part in parts.values())))


def test_layers_of_change_open_in_gdal_and_lie_on_the_first_picture(folder, result):
    lines = geopandas.read_file(folder / "book.gpkg", layer="change_line")
    assert set(lines["kind"]) >= {"stable", "new", "extended"}
    new = lines[lines["kind"] == "new"]
    x, y = two_dates.ORIGIN
    ends = np.array([(840, 640), (980, 700)]) * two_dates.GSD_M * (1, -1) + (x, y)
    for end in ends:
        assert new.distance(geopandas.points_from_xy(*end[:, None])[0]).min() < 3 * two_dates.GSD_M
    assert set(lines["t_start"].astype(str).str[:10]) == {FIRST}
    assert set(lines["t_end"].astype(str).str[:10]) == {SECOND}
    assert lines["uid"].is_unique
    polygons = geopandas.read_file(folder / "book.gpkg", layer="change_polygon")
    assert set(polygons["kind"]) == {"stable", "gain", "not_confirmed"}
    assert polygons.is_valid.all()


def test_pieces_add_up_to_the_later_survey(folder, result):
    total = sum(
        value for name, value in result["totals"]["cracks"].items() if name not in ("not_seen_m", "to_loss_m")
    )
    stored = rows(folder / "book.gpkg", "SELECT sum(len_m) FROM crack_line WHERE surv_id = 'S2'")[0][0]
    assert total == pytest.approx(stored, rel=0.01)  # less what lies within eps of the border


def test_comparing_again_changes_nothing(craquelure, book):
    query = "SELECT uid, kind, elem_id, len_m FROM change_line ORDER BY uid"
    first, before = compared(craquelure, book), rows(book, query)
    assert before
    second, again = compared(craquelure, book), rows(book, query)
    assert first == second
    assert before == again
    assert rows(book, "SELECT count(*) FROM change_pair") == [(1,)]


def test_an_edit_makes_a_comparison_stale_and_the_next_takes_it_up(craquelure, book):
    compared(craquelure, book)
    assert rows(book, "SELECT max(stale) FROM change_stats") == [(0,)]
    new = rows(book, "SELECT DISTINCT uid_b FROM change_line WHERE kind = 'new'")
    assert new
    change(book, *(f"UPDATE crack_line SET status = 'rejected' WHERE uid = '{uid}'" for (uid,) in new))
    assert rows(book, "SELECT min(stale) FROM change_stats") == [(1,)]
    result = compared(craquelure, book)
    assert result["totals"]["cracks"]["new_m"] == 0
    assert rows(book, "SELECT max(stale) FROM change_stats") == [(0,)]
    assert {row[0] for row in rows(book, "SELECT status FROM crack_line")} == {"auto", "rejected"}


def test_a_survey_run_again_makes_it_stale(craquelure, folder, book):
    compared(craquelure, book)
    done = craquelure(
        "survey", folder / "b.tif", "--book", book, "--date", SECOND, "--classes", folder / "b_classes.tif"
    )
    assert done.returncode == 0, done.stderr
    assert rows(book, "SELECT min(stale) FROM change_stats") == [(1,)]


def test_every_pair(craquelure, folder, book, tmp_path):
    copy = shutil.copy(folder / "b.tif", tmp_path / "c.tif")
    done = craquelure(
        "survey", copy, "--book", book, "--date", "2029-05-01", "--classes", folder / "b_classes.tif"
    )
    assert done.returncode == 0, done.stderr
    done = craquelure("compare", book, "--all", "--json")
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)["pairs"]
    assert (first["run"]["survey_a"], second["run"]["survey_b"]) == (FIRST, "2029-05-01")
    assert second["totals"]["cracks"]["new_m"] == 0
    assert second["totals"]["verdict"] == "no change that can be shown"


def test_the_finer_survey_is_averaged_first(craquelure, folder, tmp_path):
    """The second picture has pixels of 0.9: found as if it had the first one's, and said so."""
    two_dates.photograph(tmp_path, "a", two_dates.before())
    two_dates.photograph(tmp_path, "b", two_dates.after(), Camera(), gsd_m=0.9 * two_dates.GSD_M)
    for name, date in (("a", FIRST), ("b", SECOND)):
        survey(craquelure, tmp_path, name, date, classes=tmp_path / name / "probability.tif")
    book = tmp_path / "book.gpkg"
    features = rows(book, "SELECT uid FROM crack_line ORDER BY uid")
    result = compared(craquelure, book)
    assert any("averaged from 0.225 to 0.25 mm" in note for note in result["run"]["notes"])
    assert result["totals"]["cracks"]["new_m"] == pytest.approx(two_dates.NEW_M, rel=0.05)
    assert result["totals"]["cracks"]["not_seen_m"] == 0
    assert result["elements"][0]["elem_id"] == "image"
    assert rows(book, "SELECT uid FROM crack_line ORDER BY uid") == features
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def refused(craquelure, book: Path, *arguments: object) -> str:
    before = book.read_bytes() if book.is_file() else None
    done = craquelure("compare", book, *arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert before == (book.read_bytes() if book.is_file() else None)
    return done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((FIRST, FIRST), "are the same survey"),
        ((SECOND, FIRST), "Give the earlier survey first"),
        ((FIRST, "2031-01-01"), "there is no survey '2031-01-01'"),
        ((FIRST,), "give either two surveys or --all"),
        ((), "give either two surveys or --all"),
    ],
)
def test_surveys_that_cannot_be_compared(craquelure, book, arguments, said):
    assert said in refused(craquelure, book, *arguments)


def test_no_book(craquelure, tmp_path):
    assert "no such survey book" in refused(craquelure, tmp_path / "none.gpkg", FIRST, SECOND)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (
            {"model": {"name": "res_unet", "sha256": "1234567890"}},
            "model: a ready class raster against res_unet",
        ),
        (
            {"vectorise": {"thresholds": {"craquelure": 0.5}, "method_version": "0"}},
            "method of the vectoriser",
        ),
    ],
)
def test_surveys_made_differently(craquelure, book, run, said):
    change(book, f"UPDATE orthophoto SET run = '{json.dumps(run)}' WHERE surv_id = 'S2'")
    message = refused(craquelure, book, FIRST, SECOND)
    assert said in message
    assert "--accept-different-models" in message
    result = compared(craquelure, book, FIRST, SECOND, "--accept-different-models")
    assert any(said in note for note in result["run"]["notes"])
    assert rows(book, "SELECT DISTINCT is_sure FROM change_line") == [(0,)]


def test_surveys_at_other_thresholds(craquelure, book):
    for survey_id, threshold in (("S1", 0.5), ("S2", 0.3)):
        told = json.dumps({"craquelure": threshold})
        change(
            book,
            f"UPDATE orthophoto SET run = json_set(run, '$.vectorise.thresholds', json('{told}')) "
            f"WHERE surv_id = '{survey_id}'",
        )
    message = refused(craquelure, book, FIRST, SECOND)
    assert "thresholds: craquelure 0.5 against craquelure 0.3" in message
    assert "edits are kept" in message


def test_an_orthophoto_that_is_gone_or_changed(craquelure, book, tmp_path, folder):
    moved = tmp_path / "b.tif"
    change(book, f"UPDATE orthophoto SET path = '{moved}' WHERE surv_id = 'S2'")
    assert "b.tif is not there any more" in refused(craquelure, book, FIRST, SECOND)
    shutil.copy(folder / "a.tif", moved)
    assert "b.tif was changed since the survey" in refused(craquelure, book, FIRST, SECOND)


PICTURES = {
    "mirrored": (lambda rgb: rgb[:, :, ::-1], "mirrored"),
    "on its side": (lambda rgb: np.rot90(rgb, axes=(1, 2)), "turned by"),
    "blank": (lambda rgb: np.full_like(rgb, 128), "blank"),
    "of something else": (
        lambda rgb: np.random.default_rng(1).integers(0, 255, rgb.shape, dtype=np.uint8),
        "no overlap",
    ),
}


@pytest.mark.parametrize("what", PICTURES)
def test_pictures_that_cannot_be_registered(craquelure, folder, tmp_path, what):
    turn, said = PICTURES[what]
    shutil.copy(folder / "a.tif", tmp_path / "a.tif")
    with rasterio.open(folder / "b.tif") as dataset:
        rgb, affine = turn(dataset.read()), dataset.transform
    two_dates.write(tmp_path / "b.tif", np.ascontiguousarray(rgb), affine)
    nothing = np.zeros((1, *rgb.shape[1:]), np.uint8)
    two_dates.write(tmp_path / "b_classes.tif", nothing, affine)
    survey(craquelure, tmp_path, "a", FIRST, classes=folder / "a_classes.tif")
    survey(craquelure, tmp_path, "b", SECOND)
    assert said in refused(craquelure, tmp_path / "book.gpkg", FIRST, SECOND)
