"""Surveys of several orthophotos compared, and elements that came into the book with a later survey."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import two_dates
from two_dates import GSD_M, ORIGIN, Camera

from segmentation_core.errors import ElementsError
from segmentation_core.operations.compare import compare
from segmentation_core.operations.export import export
from segmentation_core.operations.survey import survey
from segmentation_core.survey.figures import is_stale
from segmentation_core.survey.store import reading
from segmentation_core.survey.surveys import surveys_of

FIRST, SECOND = "2026-05-01", "2028-05-01"
WHOLE, LEFT, RIGHT = (0, 1100), (0, 640), (500, 1100)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """The wall at both dates, whole."""
    folder = tmp_path_factory.mktemp("photographs")
    two_dates.photograph(folder, "a", two_dates.before())
    two_dates.photograph(folder, "b", two_dates.after(), Camera())
    return folder


def cut(photographs, folder, name, columns):
    """Write columns of a photograph and of its classes, as photographs of their own; return both paths."""
    paths = []
    for suffix in ("", "_classes"):
        with rasterio.open(photographs / f"{name}{suffix}.tif") as source:
            bands, affine = source.read()[:, :, slice(*columns)], source.transform
        path = folder / f"{name}{columns[0]}{suffix}.tif"
        two_dates.write(path, np.ascontiguousarray(bands), affine @ affine.translation(columns[0], 0))
        paths.append(path)
    return paths


def elements(path, **boxes):
    """Write elements, from and to a share of the wall's width."""
    left, top = ORIGIN
    wide, high = two_dates.WIDTH * GSD_M, two_dates.HEIGHT * GSD_M
    shapes = [shapely.box(left + x0 * wide, top - high, left + x1 * wide, top) for x0, x1 in boxes.values()]
    geopandas.GeoDataFrame({"id": list(boxes)}, geometry=shapes, crs=two_dates.CRS).to_file(path)
    return {"elements": path, "id_field": "id"}


def book_of(photographs, folder, before, after, **own):
    """Survey columns of the first photograph, then of the second."""
    book = folder / "book.gpkg"
    for name, date, pieces in (("a", FIRST, before), ("b", SECOND, after)):
        for columns in pieces:
            picture, classes = cut(photographs, folder, name, columns)
            survey(picture, book, date, classes=classes, **(own if name == "a" else {}))
    return book


def require_known_change(totals):
    """All that changed on the wall is found, and nothing else, whatever pictures it was seen on."""
    cracks, losses = totals["cracks"], totals["losses"]
    assert cracks["new_m"] + cracks["extended_m"] == pytest.approx(
        two_dates.NEW_M + two_dates.GROWN_M, rel=0.03
    )
    assert cracks["new_m"] > 0.95 * two_dates.NEW_M
    assert cracks["not_seen_m"] == 0
    assert losses["not_confirmed_m2"] == pytest.approx(two_dates.RETOUCHED_M2, rel=0.1)


@pytest.mark.parametrize(
    ("before", "after", "registrations"),
    [((WHOLE,), (LEFT, RIGHT), 2), ((LEFT, RIGHT), (RIGHT, LEFT), 4)],
    ids=["one then two", "two then two"],
)
def test_the_same_change_on_several_pictures(photographs, tmp_path, before, after, registrations):
    book = book_of(
        photographs, tmp_path, before, after, **elements(tmp_path / "e.gpkg", L=(0, 0.5), R=(0.5, 1))
    )
    result = compare(book, FIRST, SECOND)
    assert len(result["run"]["registrations"]) <= registrations
    assert len(result["run"]["registrations"]) >= 2
    require_known_change(result["totals"])
    left, right = result["elements"]
    assert left["difference"]["loss_m2"]["value"] == pytest.approx(two_dates.GAIN_M2, rel=0.02)
    assert right["cracks"]["stable_m"] > 0.2
    lines = geopandas.read_file(book, layer="change_line")
    pieces = lines[lines.kind.isin(["stable", "widened"])].geometry.to_numpy()
    assert shapely.union_all(pieces).length == pytest.approx(shapely.length(pieces).sum(), rel=1e-3)


def test_pictures_of_what_was_not_surveyed_before(photographs, tmp_path):
    """The later survey went further: what it shows beyond is not compared, nor called new."""
    book = book_of(photographs, tmp_path, [LEFT], [LEFT, (700, 1100)])
    result = compare(book, FIRST, SECOND)
    assert any("b700.tif shows nothing of the earlier" in note for note in result["run"]["notes"])
    cracks = result["totals"]["cracks"]
    assert cracks["new_m"] + cracks["extended_m"] == pytest.approx(two_dates.GROWN_M, abs=1.5 * GSD_M)


def test_one_picture_of_several_that_cannot_be_registered(photographs, tmp_path):
    """A picture of something else is left out, and said; what the others show is compared."""
    book = tmp_path / "book.gpkg"
    for columns in (LEFT, RIGHT):
        picture, classes = cut(photographs, tmp_path, "a", columns)
        survey(picture, book, FIRST, classes=classes)
    picture, classes = cut(photographs, tmp_path, "b", RIGHT)
    with rasterio.open(picture) as source:
        affine, shape = source.transform, (3, source.height, source.width)
    noise = np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8)
    survey(two_dates.write(picture, noise, affine), book, SECOND, classes=classes)
    picture, classes = cut(photographs, tmp_path, "b", LEFT)
    survey(picture, book, SECOND, classes=classes)
    result = compare(book, FIRST, SECOND)
    assert any("b500.tif on a500.tif could not be registered" in note for note in result["run"]["notes"])
    cracks = result["totals"]["cracks"]
    assert cracks["new_m"] + cracks["extended_m"] == pytest.approx(two_dates.GROWN_M, abs=1.5 * GSD_M)


def test_elements_that_came_with_the_later_survey(photographs, tmp_path):
    """They are measured in the earlier survey too, before anything is compared or exported."""
    book = book_of(photographs, tmp_path, [WHOLE], [], **elements(tmp_path / "e.gpkg", L=(0, 0.5)))
    picture, classes = cut(photographs, tmp_path, "b", WHOLE)
    more = elements(tmp_path / "more.gpkg", L=(0, 0.5), R=(0.5, 1), beyond=(3, 4))
    result = survey(picture, book, SECOND, classes=classes, **more)
    assert any("2 elements are new to the book" in note for note in result["run"]["notes"])
    with reading(book) as opened:
        assert [is_stale(opened, s.surv_id) for s in surveys_of(opened.connection)] == [True, False]
    found = compare(book, FIRST, SECOND)
    assert [row["elem_id"] for row in found["elements"]] == ["L", "R"]
    require_known_change(found["totals"])
    export(book, "csv", tmp_path / "tables")
    table = (tmp_path / "tables" / "book_quantities.csv").read_text("utf-8-sig")
    assert f"R,{FIRST}" in table
    assert "beyond" not in table


def test_elements_added_between_surveys_leave_earlier_figures(photographs, tmp_path):
    book = book_of(photographs, tmp_path, [WHOLE], [WHOLE], **elements(tmp_path / "e.gpkg", L=(0, 0.5)))

    def figures(day):
        with reading(book) as opened:
            one = next(s for s in surveys_of(opened.connection) if s.name == day)
            rows = opened.connection.execute(
                "SELECT elem_id, stat, value FROM element_stats WHERE surv_id = ? AND elem_id = 'L'",
                (one.surv_id,),
            )
            return {row[:2]: row[2] for row in rows}

    before = figures(FIRST)
    picture, classes = cut(photographs, tmp_path, "b", WHOLE)
    more = elements(tmp_path / "more.gpkg", M=(0.5, 0.75))
    survey(picture, book, "2029-05-01", classes=classes, **more)
    found = compare(book, every_pair=True)
    assert [[row["elem_id"] for row in pair["elements"]] for pair in found["pairs"]] == [["L", "M"]] * 2
    assert figures(FIRST) == before


def test_an_element_whose_outline_changed_is_refused(photographs, tmp_path):
    book = book_of(photographs, tmp_path, [WHOLE], [], **elements(tmp_path / "e.gpkg", L=(0, 0.5)))
    before = book.read_bytes()
    picture, classes = cut(photographs, tmp_path, "b", WHOLE)
    with pytest.raises(ElementsError, match=r"another outline in the book.*L"):
        survey(picture, book, SECOND, classes=classes, **elements(tmp_path / "other.gpkg", L=(0, 0.6)))
    assert book.read_bytes() == before
