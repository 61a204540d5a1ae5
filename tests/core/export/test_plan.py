"""Plan sheets: read with poppler, measured on the rendered page."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import shapely
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segmentation_core.errors import ParameterError
from segmentation_core.export import fonts
from segmentation_core.export.fonts import find_fonts
from segmentation_core.export.sheet.layout import sheets_for
from segmentation_core.operations.export import export


@pytest.fixture(scope="module", autouse=True)
def chinese_font():
    try:
        find_fonts(["龟裂"])
    except ParameterError:
        pytest.skip("no font with Chinese is here; test.sh installs one")


def pages(path, run_program):
    text = run_program("pdftotext", "-layout", path, "-")
    return text.split("\f")[:-1]


def rendered(path, page, dpi, tmp_path, run_program):
    run_program("pdftoppm", "-r", dpi, "-f", page, "-l", page, "-png", path, tmp_path / f"page{page}")
    (picture,) = tmp_path.glob(f"page{page}-*.png")
    return np.asarray(Image.open(picture).convert("RGB")).astype(int)


def test_every_element_has_its_sheet_in_chinese(rich_book, tmp_path, run_program):
    result = export(rich_book, "pdf", tmp_path / "p.pdf", language="zh")
    assert result["files"] == {"p.pdf": 5}  # overview, three elements, table
    texts = pages(tmp_path / "p.pdf", run_program)
    assert len(texts) == 5
    assert all(f"第 {n} 页，共 5 页" in text for n, text in enumerate(texts, start=1))
    assert "总图" in texts[0]
    for text, element in zip(texts[1:4], ("南立面额枋", "=SUM(A1:A9)", "@无病害"), strict=True):
        assert element in text
        for word in (
            "图例",
            "颜料剥落",
            "龟裂",
            "项目",
            "比例",
            "2024-05-01",
            "南立面.tif",
            "10 mm",
            "95% 置信区间，见各数值",
        ):
            assert word in text, word
    assert "未发现病害" in texts[3]
    assert "未发现病害" not in texts[1]
    assert "elsewhere" not in "".join(texts)  # not surveyed
    used = run_program("pdffonts", tmp_path / "p.pdf")
    assert all(row.split()[-5:-2] == ["yes", "yes", "yes"] for row in used.splitlines()[2:])  # embedded


def test_the_printed_scale_is_true(rich_book, tmp_path, run_program):
    export(rich_book, "pdf", tmp_path / "p.pdf", scale=50, elements=["南立面额枋"], paper="A3")
    (text,) = pages(tmp_path / "p.pdf", run_program)
    assert re.search(r"1:50 on A3", text)
    page = rendered(tmp_path / "p.pdf", 1, 254, tmp_path, run_program)  # 10 px a mm
    assert page.shape[:2] == pytest.approx((2970, 4200), abs=1)
    red, green, blue = page[:, :3000].transpose(2, 0, 1)
    square = (red > 240) & (green < 110) & (blue < 110) & (green > 70)  # the lightened square of 1 m
    rows, cols = np.flatnonzero(square.any(axis=1)), np.flatnonzero(square.any(axis=0))
    for extent in (rows[-1] - rows[0] + 1, cols[-1] - cols[0] + 1):
        # 1 m at 1:50 is 20 mm; a pen of 0.18 mm runs along its edge and hides half its width on each side
        assert extent == pytest.approx(200 - 1.8, abs=1.5)
    # the loss of 1 m2 lies on the square: its hatch and outline are drawn over it
    place = page[rows[0] : rows[-1], cols[0] : cols[-1]]
    assert ((place[..., 2] > 140) & (place[..., 0] < 90)).sum() > 1000


def test_hatch_spacing_is_true_on_paper(rich_book, tmp_path, run_program):
    export(rich_book, "pdf", tmp_path / "p.pdf", scale=20, elements=["南立面额枋"])
    page = rendered(tmp_path / "p.pdf", 1, 254, tmp_path, run_program)  # 10 px a mm
    blue = (page[..., 0] < 120) & (page[..., 2] > 150) & (page[..., 1] > 90) & (page[..., 1] < 170)
    blue[:, 3000:] = False  # not the legend
    rows, cols = np.flatnonzero(blue.any(axis=1)), np.flatnonzero(blue.any(axis=0))
    middle = blue[(rows[0] + rows[-1]) // 2, cols[0] : cols[0] + 500]
    starts = np.flatnonzero(np.diff(middle.astype(int)) == 1)
    gaps = np.diff(starts)[1:-1]
    # lines at 45 degrees, 2 mm apart: 2.83 mm along a row, 28.3 px
    assert np.mean(gaps) == pytest.approx(2 * np.sqrt(2) * 10, abs=0.8)


BOX = (20, 10, 288, 277)


def test_the_scale_is_chosen_to_fit():
    for width_m, wanted in ((1.3, 5), (2.7, 10), (5.0, 20), (5.6, 25)):
        sheets = sheets_for((0, 0, width_m, 0.4), BOX, 1000, None, strips=False)
        assert (sheets.scale, [len(frames) for frames in sheets.frames]) == (wanted, [1])
    sheets = sheets_for((0, 0, 5.0, 4.0), BOX, 1000, 10, strips=True)
    assert (sheets.scale, [len(frames) for frames in sheets.frames]) == (10, [1, 1, 1, 1])
    covered = [f.extent for frames in sheets.frames for f in frames]
    assert min(e[0] for e in covered) <= 0
    assert max(e[2] for e in covered) >= 5.0
    assert min(e[1] for e in covered) <= 0
    assert max(e[3] for e in covered) >= 4.0


@given(
    width_m=st.floats(0.05, 8),
    height_m=st.floats(0.05, 8),
    scale=st.sampled_from([None, 1, 2, 5, 10, 20]),
)
def test_sheets_show_all_of_an_element(width_m: float, height_m: float, scale: int | None):
    """Frames hold the whole extent, lie in the drawing without overlapping, and strips buy a larger scale."""
    extent = (3.0, -2.0, 3.0 + width_m, -2.0 + height_m)
    sheets = sheets_for(extent, BOX, 1000, scale, strips=True)
    seen = shapely.union_all([shapely.box(*f.extent) for frames in sheets.frames for f in frames])
    assert seen.buffer(1e-9).contains(shapely.box(*extent))
    for frames in sheets.frames:
        on_paper = [shapely.box(x, y, x + w, y + h) for x, y, w, h in (f.box for f in frames)]
        assert all(shapely.box(20, 10, 308, 287).buffer(1e-9).contains(part) for part in on_paper)
        assert sum(p.area for p in on_paper) <= shapely.union_all(on_paper).area + 1e-6
    if scale is None:
        assert len(sheets.frames) == 1
        assert sheets.scale <= sheets_for(extent, BOX, 1000, None, strips=False).scale


def test_a_long_beam_lies_in_strips():
    """A beam of 2.6 m and 0.25 m is drawn at 1:4 in three strips, not at 1:10 on a white sheet."""
    sheets = sheets_for((0, 0, 2.6, 0.25), BOX, 1000, None, strips=True)
    assert (sheets.scale, [len(frames) for frames in sheets.frames]) == (4, [3])
    upright = sheets_for((0, 0, 0.25, 2.6), BOX, 1000, None, strips=True)
    assert (upright.scale, [len(frames) for frames in upright.frames]) == (4, [3])
    assert upright.frames[0][0].bottom > upright.frames[0][1].bottom


def test_an_orthophoto_that_was_moved(rich_book, orthophoto, tmp_path, run_program):
    orthophoto.rename(tmp_path / "elsewhere.tif")
    result = export(rich_book, "pdf", tmp_path / "p.pdf")
    assert any("without underlay" in note and str(orthophoto) in note for note in result["run"]["notes"])
    assert all("Orthophoto not found" in text for text in pages(tmp_path / "p.pdf", run_program)[:4])
    Image.new("RGB", (50, 50)).save(tmp_path / "small.png")
    shutil.copy(tmp_path / "small.png", orthophoto)
    result = export(rich_book, "pdf", tmp_path / "p2.pdf")
    assert any("without underlay" in note for note in result["run"]["notes"])


def test_changes_have_sheets_of_their_own(changed_book, tmp_path, run_program):
    export(changed_book, "pdf", tmp_path / "p.pdf", pair=("春", "秋"), elements=["南立面额枋"])
    (text,) = pages(tmp_path / "p.pdf", run_program)
    for word in ("春 - 秋", "2024-05-01 / 2025-10-01", "New crack", "Loss gained", "0.5 mm", "2.5 mm"):
        assert word.replace(" ", "") in text.replace(" ", "")


def test_title_block_and_uncertainty(rich_book, sql, tmp_path, run_program):
    sql("UPDATE element_stats SET u95 = 0.12 WHERE stat = 'crack_m'")
    template = tmp_path / "t.json"
    shipped = fonts.Path(fonts.__file__).with_name("handover.json").read_text("utf-8")
    template.write_text(
        shipped.replace('"label_zh": "项目", "text": ""', '"label_zh": "项目", "text": "故宫 Pavilion"')
    )
    export(rich_book, "pdf", tmp_path / "p.pdf", template=template, elements=["南立面额枋"])
    (text,) = pages(tmp_path / "p.pdf", run_program)
    assert "故宫 Pavilion" in text
    assert "± 0.12" in text
    assert "95 % interval" in text


def test_a_template_that_cannot_be_used(rich_book, tmp_path):
    for content in ("{", "{}", '{"title_block": [], "classes": {"craquelure": {}}}'):
        (tmp_path / "t.json").write_text(content)
        with pytest.raises(ParameterError, match="template cannot be used"):
            export(rich_book, "pdf", tmp_path / "p.pdf", template=tmp_path / "t.json")
    with pytest.raises(ParameterError, match="no such template"):
        export(rich_book, "pdf", tmp_path / "p.pdf", template=tmp_path / "none.json")


def test_no_font_with_chinese(rich_book, tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "_candidates", lambda: ())
    with pytest.raises(
        ParameterError, match=r"no font .* holds the characters.*fonts-noto-cjk.*CRAQUELURE_FONT"
    ):
        export(rich_book, "pdf", tmp_path / "p.pdf", language="zh")
    assert not (tmp_path / "p.pdf").exists()


def test_the_font_that_is_named(monkeypatch, tmp_path):
    latin = fonts._latin().path
    monkeypatch.setenv(fonts.FONT_VARIABLE, str(latin))
    assert find_fonts(["crack"])[0].path == latin
    with pytest.raises(ParameterError, match="does not hold the characters 裂"):
        find_fonts(["裂"])
    monkeypatch.setenv(fonts.FONT_VARIABLE, str(tmp_path / "none.ttf"))
    with pytest.raises(ParameterError, match="does not name a font"):
        find_fonts(["crack"])


def test_latin_needs_no_system_font(monkeypatch):
    monkeypatch.setattr(fonts, "_candidates", lambda: ())
    (font,) = find_fonts(["Ångström ± 3 m²"])
    assert TTFont(font.path)["name"].getDebugName(1) == "DejaVu Sans"


def test_nothing_to_draw(rich_book, tmp_path):
    with pytest.raises(ParameterError, match="nothing to draw"):
        export(rich_book, "pdf", tmp_path / "p.pdf", elements=["elsewhere"])
