"""Pictures of one element: what is drawn is what was counted, and what is not drawn is said."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image

from segmentation_core.errors import ParameterError
from segmentation_core.export.distribution_plot import rose, width_picture
from segmentation_core.export.fonts import FONT_VARIABLE
from segmentation_core.export.picture import blank_figure, saved, styled
from segmentation_core.facade.generate import ID_FIELD, generate_facade
from segmentation_core.operations.export import export
from segmentation_core.operations.survey import survey
from segmentation_core.survey.figures import stored_rows
from segmentation_core.survey.populations import populations_of
from segmentation_core.survey.store import reading
from segmentation_core.survey.surveys import surveys_of


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory):
    """A survey of a small facade's true damage."""
    folder = tmp_path_factory.mktemp("plots")
    facade = generate_facade(folder / "facade", seed=9, size_px=(1560, 936))
    book = folder / "pavilion.gpkg"
    survey(
        facade.orthophoto, book, "2026-05-01", elements=facade.elements, id_field=ID_FIELD,
        classes=facade.truth_raster,
    )  # fmt: skip
    return book


def test_what_is_drawn_is_what_the_figures_count(surveyed):
    with reading(surveyed) as opened:
        (only,) = surveys_of(opened.connection)
        for row in stored_rows(opened, only.surv_id):
            found = populations_of(opened, only, row["elem_id"])
            assert found.lengths_m.sum() == pytest.approx(row["crack_m"], rel=1e-9)
            assert len(found.islands_m2) == row["island_count"]
            half = found.lengths_m.sum() / 2
            order = np.argsort(found.widths_mm)
            middle = found.widths_mm[order][np.searchsorted(np.cumsum(found.lengths_m[order]), half)]
            assert middle == pytest.approx(row["width_p50_mm"], rel=0.05)


def test_each_element_gets_its_pictures_and_where_its_worst_places_are(surveyed, tmp_path):
    told = export(surveyed, "plots", tmp_path / "p", elements=["B1"])
    kinds = ("directions", "widths", "islands", "place_1")
    for kind in kinds:
        picture = Image.open(tmp_path / "p" / f"pavilion_B1_{kind}.png").convert("L")
        assert picture.getextrema()[0] < 100
        assert (tmp_path / "p" / f"pavilion_B1_{kind}.svg").read_text("utf-8").startswith("<?xml")
    assert not [name for name in told["files"] if "B2" in name or "over_time" in name]
    assert told["run"]["notes"] == ["One survey only: there is nothing to plot over time yet."]
    with (tmp_path / "p" / "pavilion_B1_places.csv").open(encoding="utf-8-sig", newline="") as stream:
        places = list(csv.DictReader(stream))
    assert len(places) == len([n for n in told["files"] if "_place_" in n and n.endswith(".png")])
    with reading(surveyed) as opened:
        query = (
            "SELECT minx, miny, maxx, maxy FROM rtree_loss_polygon_geom JOIN loss_polygon ON fid = id "
            "WHERE elem_id = 'B1' ORDER BY area_m2 DESC"
        )
        largest = shapely.box(*opened.connection.execute(query).fetchone())
    first = shapely.box(*(float(places[0][k]) for k in ("min_x", "min_y", "max_x", "max_y")))
    assert shapely.covers(first, largest)


def test_petals_have_the_area_of_their_share_on_both_sides():
    shares = [0.5, 0.3, *[0.0] * 15, 0.2]
    figure = rose(shares, 5.0, "B", "en")
    petals = figure.axes[0].patches
    assert len(petals) == 36
    assert [p.get_height() ** 2 for p in petals] == pytest.approx(shares * 2)


def test_bars_of_widths_add_up_to_the_length():
    widths, lengths = np.array([0.1, 0.31, 0.31, 2.0]), np.array([1.0, 2.0, 0.5, 0.25])
    figure = width_picture(widths, lengths, 0.25, "B", "en")
    (bars,) = figure.axes[0].containers
    assert sum(bar.get_height() for bar in bars) == pytest.approx(lengths.sum())
    tallest = max(bars, key=lambda bar: bar.get_height())
    assert tallest.get_x() <= 0.31 <= tallest.get_x() + tallest.get_width() / 0.92


def test_what_people_rejected_is_not_drawn(enter_beam, book, sql):
    enter_beam()
    with reading(book) as opened:
        (only,) = surveys_of(opened.connection)
        before = populations_of(opened, only, "image").lengths_m.sum()
    sql("UPDATE crack_line SET status = 'rejected'")
    with reading(book) as opened:
        after = populations_of(opened, only, "image").lengths_m.sum()
    assert (before > 0, after) == (True, 0.0)


def test_over_time_each_statistic_has_its_picture(dated_book, tmp_path):
    told = export(dated_book, "plots", tmp_path / "p", elements=["slow"])
    drawn = [n for n in told["files"] if "over_time" in n and n.endswith(".png")]
    assert "B_slow_over_time_loss_m2.png" in drawn
    assert len(drawn) == 4
    assert "slow: cracks enclose no island here." in told["run"]["notes"]


def test_what_one_survey_did_not_see_is_said(dated_book, tmp_path):
    told = export(dated_book, "plots", tmp_path / "p", elements=["steady"], survey="2026-05-01")
    assert "steady was not seen in survey 2026-05-01." in told["run"]["notes"]
    assert [n for n in told["files"] if "over_time" in n]
    assert not [n for n in told["files"] if "directions" in n]


def test_an_element_that_was_deleted_meanwhile_is_said(dated_book, tmp_path, sql):
    sql("DELETE FROM element WHERE elem_id = 'slow'")
    told = export(dated_book, "plots", tmp_path / "p", elements=["slow"], survey="2028-05-01")
    assert "slow was not seen in survey 2028-05-01." in told["run"]["notes"]
    assert not [name for name in told["files"] if "directions" in name or "place" in name]


def test_other_surveys_that_were_edited_are_named(dated_book, tmp_path, sql):
    sql("UPDATE loss_polygon SET status = 'rejected' WHERE surv_id = 'S1' AND elem_id = 'slow'")
    told = export(dated_book, "plots", tmp_path / "p", elements=["slow"], survey="2028-05-01", language="zh")
    assert "调查 2024-05-01 之后有编辑：其历次数值为编辑前的。" in told["run"]["notes"]


def test_places_are_where_they_are_in_a_national_grid(tmp_path):
    """Northings of seven digits before the point, of which a spatial index keeps seven in all."""
    place = Affine(0.001, 0, 500000, 0, -0.001, 4400000.3)
    classes = np.zeros((300, 600), np.uint8)
    classes[220:280, 40:140] = 2
    profile = {"driver": "GTiff", "dtype": "uint8", "width": 600, "height": 300, "crs": "EPSG:32650"}
    for name, bands in (("beam", np.full((3, 300, 600), 150, np.uint8)), ("classes", classes[None])):
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", count=len(bands), transform=place, **profile
        ) as out:
            out.write(bands)
    survey(tmp_path / "beam.tif", tmp_path / "far.gpkg", "2026-05-01", classes=tmp_path / "classes.tif")
    export(tmp_path / "far.gpkg", "plots", tmp_path / "p")
    with (tmp_path / "p" / "far_image_places.csv").open(encoding="utf-8-sig", newline="") as stream:
        (largest,) = csv.DictReader(stream)
    x0, y0, x1, y1 = (float(largest[key]) for key in ("min_x", "min_y", "max_x", "max_y"))
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    assert middle == pytest.approx((500000.09, 4400000.05), abs=1e-6)


def test_an_element_without_cracks_has_no_rose(rich_book, tmp_path):
    told = export(rich_book, "plots", tmp_path / "p", elements=["@无病害"])
    assert (
        "@无病害: no crack was found: there are no directions and no widths to draw." in told["run"]["notes"]
    )
    assert not [name for name in told["files"] if "directions" in name or "widths" in name]


def test_a_font_without_the_letters_is_said_and_nothing_is_left(rich_book, tmp_path, monkeypatch):
    import matplotlib

    latin = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
    monkeypatch.setenv(FONT_VARIABLE, latin)
    with pytest.raises(ParameterError, match="does not hold the characters"):
        export(rich_book, "plots", tmp_path / "p", elements=["南立面额枋"])
    assert not list((tmp_path / "p").glob("*")) if (tmp_path / "p").exists() else True


def test_an_orthophoto_that_is_gone_is_named(dated_book, tmp_path):
    told = export(dated_book, "plots", tmp_path / "p", elements=["slow"])
    assert any(note.startswith("Orthophoto not found") for note in told["run"]["notes"])
    assert "B_slow_place_1.png" in told["files"]


def test_a_chinese_font_without_a_bold_cut_is_no_news(tmp_path, caplog):
    with styled(["裂缝"]):
        figure = blank_figure(2, 1)
        figure.text(0.1, 0.5, "裂缝", fontweight="bold")
        saved(figure, tmp_path / "p.png")
    assert not caplog.records
