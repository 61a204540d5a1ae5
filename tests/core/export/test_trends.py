"""Statistics over four surveys, one of which lacks an element: the table, the ranking and the plots."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest
from PIL import Image

from segmentation_core.errors import ParameterError
from segmentation_core.export.sheet.figures import scale_of
from segmentation_core.export.trend_plot import element_page
from segmentation_core.operations.export import export
from segmentation_core.operations.hand_over import hand_over
from segmentation_core.survey.series import series_of
from segmentation_core.survey.store import reading
from segmentation_core.survey.surveys import surveys_of

DATES = ("2024-05-01", "2025-05-01", "2026-05-01", "2028-05-01")


def rows_of(folder, language="en"):
    path = next(folder.glob("*_trends.csv"))
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_trend_has_its_rate_its_gap_and_its_rank(dated_book, tmp_path):
    export(dated_book, "trends", tmp_path / "t")
    rows = rows_of(tmp_path / "t")
    assert not [row for row in rows if row["Unit"] == "deg"]  # an axis turns round: it has no trend
    losses = [row for row in rows if row["Statistic code"] == "loss_m2"]
    assert [(row["Element"], row["Rank [1]"]) for row in losses] == [
        ("快", "1"),
        ("slow", "2"),
        ("steady", "3"),
    ]
    fast, slow, steady = losses
    assert float(fast["Change per year"]) == pytest.approx(0.4, rel=1e-3)
    assert float(slow["Change per year"]) == pytest.approx(0.1, rel=1e-3)
    assert float(steady["Change per year"]) == pytest.approx(0, abs=1e-9)
    assert (fast["Verdict"], steady["Verdict"]) == ("worse", "no change that can be shown")
    assert 0 < float(fast["± per year (95 %)"]) < 0.05
    assert (fast["Missing in"], steady["Missing in"]) == ("", "2026-05-01")
    assert (steady["Surveys with a value [1]"], fast["Surveys with a value [1]"]) == ("3", "4")
    assert (float(fast["First value"]), float(fast["Last value"])) == (pytest.approx(0.5), pytest.approx(2.1))


def test_every_element_has_its_page_and_all_have_a_ranking(dated_book, tmp_path):
    result = export(dated_book, "trends", tmp_path / "t")
    names = {"B_ranking", "B_trend_快", "B_trend_slow", "B_trend_steady"}
    assert set(result["files"]) == {f"{n}{s}" for n in names for s in (".svg", ".png")} | {"B_trends.csv"}
    for name in names:
        picture = np.asarray(Image.open(tmp_path / "t" / f"{name}.png").convert("RGB")).astype(int)
        red = (picture[..., 0] > 200) & (picture[..., 1] < 60) & (picture[..., 2] < 70)
        assert red.sum() > 300, name
        text = (tmp_path / "t" / f"{name}.svg").read_text("utf-8")
        assert "<text" in text
        assert "<image" not in text
    assert ">+4,000 " in re.sub(r"<text[^>]*>", ">", (tmp_path / "t" / "B_trend_快.svg").read_text("utf-8"))


def test_a_gap_is_drawn_as_a_gap(dated_book):
    """Beside a survey that lacks the element there is no band and no solid line, and a cross marks it."""
    with reading(dated_book) as opened:
        series = [s for s in series_of(opened, surveys_of(opened.connection)) if s.stat == "loss_m2"]
    crosses, bands, solid = {}, {}, {}
    for one in series:
        (axes,) = element_page(DATES, [(one, scale_of("loss_m2", "en"))], "en").axes
        lines = axes.get_lines()
        crosses[one.elem_id] = [x for line in lines if line.get_marker() == "x" for x in line.get_xdata()]
        solid[one.elem_id] = [len(line.get_xdata()) for line in lines if line.get_linestyle() == "-"]
        spans = [c.get_paths()[0].get_extents().width for c in axes.collections if c.get_alpha() == 0.22]
        bands[one.elem_id] = [round(span / 365.25) for span in spans]
    assert bands == {"快": [4], "slow": [4], "steady": [1, 0]}
    assert solid["slow"][0] == 4
    assert solid["steady"][:2] == [2, 1]
    assert [len(x) for x in crosses.values()] == [0, 0, 1]


def test_in_chinese(dated_book, tmp_path):
    export(dated_book, "trends", tmp_path / "t", language="zh", elements=["快"])
    assert "加重" in (tmp_path / "t" / "B_trends.csv").read_text("utf-8-sig")
    assert "恶化最快的构件" in (tmp_path / "t" / "B_ranking.svg").read_text("utf-8")


def test_chosen_elements_only(dated_book, tmp_path):
    result = export(dated_book, "trends", tmp_path / "t", elements=["slow"])
    assert {row["Element"] for row in rows_of(tmp_path / "t")} == {"slow"}
    assert "B_trend_快.svg" not in result["files"]


def test_surveys_of_one_date_are_refused(dated_book, tmp_path):
    with pytest.raises(ParameterError, match="no surveys of two dates"):
        export(dated_book, "trends", tmp_path / "t", survey=DATES[0])
    assert not (tmp_path / "t").exists()


def test_a_hand_over_of_one_survey_goes_without(rich_book, tmp_path):
    told = hand_over(rich_book, tmp_path / "h")
    assert "trends" not in told["files"]
    assert any("trends was left out" in note for note in told["notes"])
    assert (tmp_path / "h" / "quantities.xlsx").exists()


def test_surveys_made_differently_share_nothing(dated_book, tmp_path, sql):
    """Another model: said, and the network's whole error counts against the trend."""

    def half_width():
        with reading(dated_book) as opened:
            series = series_of(opened, surveys_of(opened.connection))
        return next(s.trend.u95 for s in series if (s.elem_id, s.stat) == ("steady", "loss_m2"))

    sql("UPDATE element_stats SET u_model = 0.1 * value WHERE stat = 'loss_m2'")
    alike = half_width()
    sql('UPDATE orthophoto SET run = json(\'{"model": {"name": "other"}}\') WHERE surv_id = \'S4\'')
    assert half_width() > 1.5 * alike
    result = export(dated_book, "trends", tmp_path / "t", elements=["slow"])
    assert any("made differently" in note for note in result["run"]["notes"])
