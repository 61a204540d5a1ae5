"""The report: one file, nothing from outside, and Chromium shows and prints it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from segmentation_core.operations.export import export


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.outside, self.pictures, self.tags = [], 0, []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "srcset", "data", "action"}:
                if (value or "").startswith("data:image/jpeg;base64,"):
                    self.pictures += 1
                else:
                    self.outside.append(value)


def parsed(path):
    text = path.read_text("utf-8")
    links = Links()
    links.feed(text)
    return text, links


def test_one_file_that_needs_nothing(changed_book, tmp_path):
    export(changed_book, "html", tmp_path / "r.html")
    text, links = parsed(tmp_path / "r.html")
    assert links.outside == []
    assert links.pictures == 1  # the map; the later survey has no worst places
    assert not {"script", "link", "iframe"} & set(links.tags)
    assert "url(" not in text
    assert "http://" not in text
    assert "https://" not in text
    for word in (
        "南立面额枋",
        "New crack",
        "Ranking of elements",
        "Glossary",
        "P21",
        "2025-10-01",
        'class="plots"',
    ):
        assert word in text, word


def test_worst_places_are_pictured(rich_book, tmp_path):
    export(rich_book, "html", tmp_path / "r.html")
    text, links = parsed(tmp_path / "r.html")
    assert links.pictures == 5  # the map, two losses and two cells of cracks
    assert text.index("loss of 20,000 cm²") < text.index("loss of 10,000 cm²")
    assert "Place 4" in text


def test_names_are_text_and_never_markup(rich_book, sql, tmp_path):
    sql("UPDATE survey SET name = '<script>alert(1)</script>'")
    export(rich_book, "html", tmp_path / "r.html")
    text, links = parsed(tmp_path / "r.html")
    assert "script" not in links.tags
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(("width", "language"), [(390, "zh"), (1200, "en")])
def test_chromium_shows_it(changed_book, tmp_path, run_program, width, language):
    export(changed_book, "html", tmp_path / "r.html", language=language)
    shot = tmp_path / "shot.png"
    run_program(
        *("chromium-headless-shell", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"),
        *(f"--screenshot={shot}", f"--window-size={width},4000", (tmp_path / "r.html").as_uri()),
    )
    page = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    assert page.shape[1] == width
    assert (page.max(axis=2) < 80).mean() > 0.001  # letters
    red = (page[..., 0] > 200) & (abs(page[..., 1] - 68) < 12) & (abs(page[..., 2] - 72) < 12)
    assert red.sum() > 1000  # the orthophoto's square, lightened
    assert (page[:, -2:] > 200).all()  # nothing is cut off at the right edge


def test_chromium_prints_it(changed_book, tmp_path, run_program):
    export(changed_book, "html", tmp_path / "r.html", language="zh")
    run_program(
        *("chromium-headless-shell", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"),
        *(f"--print-to-pdf={tmp_path / 'r.pdf'}", (tmp_path / "r.html").as_uri()),
    )
    text = run_program("pdftotext", tmp_path / "r.pdf", "-")
    for word in ("病害调查报告", "构件排序", "南立面额枋", "术语"):
        assert word in re.sub(r"\s", "", text), word


def test_without_its_orthophoto(rich_book, orthophoto, tmp_path):
    orthophoto.unlink()
    result = export(rich_book, "html", tmp_path / "r.html")
    assert any("without pictures" in note for note in result["run"]["notes"])
    text, links = parsed(tmp_path / "r.html")
    assert links.pictures == 0
    assert "Orthophoto not found" in text


def test_one_survey_has_no_plot_and_says_so(rich_book, tmp_path):
    export(rich_book, "html", tmp_path / "r.html")
    text, _ = parsed(tmp_path / "r.html")
    assert 'class="plots"' not in text
    assert "nothing to plot over time" in text


def test_changes_of_an_element_stand_together(changed_book, sql, tmp_path):
    sql("UPDATE change_line SET elem_id = NULL WHERE kind = 'extended'")
    export(changed_book, "html", tmp_path / "r.html", language="en")
    text, _ = parsed(tmp_path / "r.html")
    section = text[text.index("<h2>Changes") : text.index("<h2>Maps")]
    told = re.sub(r"<[^>]+>", " ", section)
    assert "春 (2024-05-01)" in told or "2024-05-01 (春)" in told
    assert "to 0.50 mm" in told
    assert "less than 2.5 mm" in told
    rows = [re.sub(r"<[^>]+>", "|", row) for row in re.findall(r"<tr[^>]*><td>.*?</tr>", section)]
    told_rows = [[cell for cell in row.split("|") if cell] for row in rows]
    assert told_rows == [
        ["南立面额枋", "-0.5 ± 2.0", "+9,600 ± 2,000", "≥ 1.1", "worse"],
        ["南立面额枋", "New crack", "1", "1 m"],
        ["Loss gained", "1", "9,600 cm²"],
        ["(no element)", "Crack grown at its tip", "1", "0.500 m"],
    ]


def test_an_element_has_one_colour_in_all_plots():
    from segmentation_core.export.report import one_colour_each

    known: dict[str, str] = {}
    assert one_colour_each(["B3", "B2", "B1"], known, "rgbk") == ["r", "g", "b"]
    assert one_colour_each(["B1", "B2", "B3"], known, "rgbk") == ["b", "g", "r"]
    assert one_colour_each(["C", "D", "B1", "E"], known, "rgbk") == ["k", "r", "b", "g"]
    # two that have one colour meet: no two lines of a plot look alike
    assert len(set(one_colour_each(["B3", "D", "B2", "E"], known, "rgbk"))) == 4
