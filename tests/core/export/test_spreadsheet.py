"""Tables: the numbers are the book's, text stays text, and LibreOffice opens them clean."""

from __future__ import annotations

import csv
import json
import zipfile
from contextlib import closing

import numpy as np
import pytest
import shapely
from openpyxl import load_workbook

from segmentation_core.export.request import Request
from segmentation_core.export.tables import dictionary, tables
from segmentation_core.export.template import load_template
from segmentation_core.operations.export import export
from segmentation_core.statistics.elements import Elements
from segmentation_core.survey.store import reading
from segmentation_core.survey.surveys import surveys_of


def sheet_rows(path, title):
    sheet = load_workbook(path)[title]
    header, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def csv_rows(path):
    return list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))


def test_quantities_per_element_class_and_survey(rich_book, sql, tmp_path):
    export(rich_book, "xlsx", tmp_path / "q.xlsx")
    rows = sheet_rows(tmp_path / "q.xlsx", "Quantities")
    assert [(r["Element"], r["Class code"]) for r in rows] == [
        (element, code)
        for element in ("南立面额枋", "=SUM(A1:A9)", "@无病害")
        for code in ("craquelure", "paint_loss")
    ]
    stored = {
        (elem_id, stat): value
        for elem_id, stat, value in sql("SELECT elem_id, stat, value FROM element_stats")
    }
    for row in rows:
        element = row["Element"]
        assert row["Assessed area [m2]"] == pytest.approx(stored[element, "assessed_m2"], rel=1e-12)
        if row["Class code"] == "craquelure":
            width = stored[element, "width_mean_mm"]
            assert row["Length [m]"] == pytest.approx(stored[element, "crack_m"], rel=1e-12)
            assert row["Area [cm2]"] == pytest.approx(stored[element, "crack_area_m2"] * 1e4)
            assert row["Mean width [mm]"] == (width and pytest.approx(width, rel=1e-12))
        else:
            assert row["Area [cm2]"] == pytest.approx(stored[element, "loss_m2"] * 1e4)
            assert row["Share of assessed area [%]"] == pytest.approx(stored[element, "loss_ratio"] * 100)
    untouched = next(r for r in rows if r["Element"] == "@无病害" and r["Class code"] == "craquelure")
    assert (untouched["Count [1]"], untouched["Length [m]"], untouched["Mean width [mm]"]) == (0, 0, None)


def test_size_classes_and_billing_follow_the_template(rich_book, tmp_path):
    template = tmp_path / "mine.json"
    shared = {"hatch_angle_deg": 45, "hatch_spacing_mm": 2, "pen_mm": [0.1, 0.2]}
    classes = {
        "craquelure": {"size_limits": [0.5], "billing_minimum": 3} | shared,
        "paint_loss": {"size_limits": [15000], "billing_minimum": 12000} | shared,
    }
    template.write_text(json.dumps({"title_block": [], "classes": classes}), encoding="utf-8")
    export(rich_book, "csv", tmp_path / "out", template=template)
    sizes = csv_rows(tmp_path / "out" / "B_size_classes.csv")
    found = {(r["Element"], r["Class code"], r["Size class"]): r for r in sizes}
    # losses of 1 and 2 m2, lines of 4.5, 4.5 and 2 m with 1 mm of width
    assert float(found["南立面额枋", "paint_loss", "up to 15000 cm2"]["Area [cm2]"]) == pytest.approx(1e4)
    over = [r for r in sizes if r["Size class"] == "over 15000 cm2"]
    assert [float(r["Area [cm2]"]) for r in over] == [pytest.approx(2e4)]
    assert sum(
        float(r["Length [m]"] or 0) for r in sizes if r["Size class"] == "over 0.5 mm"
    ) == pytest.approx(11)
    billed = {(r["Element"], r["Class code"]): r for r in csv_rows(tmp_path / "out" / "B_billing.csv")}
    left = billed["南立面额枋", "craquelure"]
    assert (int(left["Features [1]"]), float(left["Quantity"])) == (2, pytest.approx(6.5))
    assert float(left["Billed quantity"]) == pytest.approx(4.5 + 3)  # the crack of 2 m is billed as 3
    loss = next(r for (e, c), r in billed.items() if c == "paint_loss" and e == "南立面额枋")
    assert float(loss["Billed quantity"]) == pytest.approx(12000 + 20000)


def test_text_never_becomes_a_formula(rich_book, sql, tmp_path, run_program):
    sql("UPDATE survey SET name = '+1+1' WHERE name = '春'")
    sql("UPDATE orthophoto SET model = '-2+3'")
    export(rich_book, "xlsx", tmp_path / "f.xlsx")
    with zipfile.ZipFile(tmp_path / "f.xlsx") as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/sheet"):
                assert b"<f" not in archive.read(name).replace(b"<fo", b"").replace(b"<fi", b"")
    book = load_workbook(tmp_path / "f.xlsx")
    cells = [c for sheet in book for row in sheet.iter_rows() for c in row if isinstance(c.value, str)]
    dangerous = [c for c in cells if c.value.startswith(("=", "+", "-", "@"))]
    assert {c.value for c in dangerous} >= {"=SUM(A1:A9)", "+1+1", "-2+3", "@无病害"}
    assert all(c.data_type == "s" and c.quotePrefix for c in dangerous)
    # LibreOffice shows the texts themselves, no result and no error
    run_program("soffice", "--headless", f"-env:UserInstallation=file://{tmp_path}/lo",
                "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76", "--outdir", tmp_path / "lo_out",
                tmp_path / "f.xlsx")  # fmt: skip
    shown = (tmp_path / "lo_out" / "f.csv").read_text("utf-8")
    assert "=SUM(A1:A9),+1+1," in shown
    assert "#" not in shown
    export(rich_book, "csv", tmp_path / "csv")
    rows = csv.reader((tmp_path / "csv" / "B_quantities.csv").read_text("utf-8-sig").splitlines())
    first = {row[0] for row in rows}
    assert {"'=SUM(A1:A9)", "'@无病害"} <= first


def test_libreoffice_prints_every_sheet(changed_book, tmp_path, run_program):
    export(changed_book, "xlsx", tmp_path / "t.xlsx", language="zh")
    run_program("soffice", "--headless", f"-env:UserInstallation=file://{tmp_path}/lo", "--convert-to", "pdf",
                "--outdir", tmp_path, tmp_path / "t.xlsx")  # fmt: skip
    text = run_program("pdftotext", "-layout", tmp_path / "t.pdf", "-")
    for word in (
        "南立面额枋",
        "评估面积 [m2]",
        "颜料剥落",
        "字段（中文）",
        "新增裂纹",
        "2025-10-01",
        "容差 [mm]",
    ):
        assert word in text, word


def test_headers_are_frozen_filtered_and_formatted(rich_book, tmp_path):
    export(rich_book, "xlsx", tmp_path / "h.xlsx")
    for sheet in load_workbook(tmp_path / "h.xlsx"):
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref.startswith("A1:")
        assert all(cell.font.bold for cell in sheet[1])
    quantities = load_workbook(tmp_path / "h.xlsx")["Quantities"]
    formats = {cell.value: quantities.cell(2, cell.column).number_format for cell in quantities[1]}
    assert formats["Length [m]"] == "#,##0.000"
    assert formats["Date"] == "yyyy-mm-dd"
    assert quantities.cell(2, 3).is_date


def test_changes_of_a_pair(changed_book, tmp_path):
    export(changed_book, "xlsx", tmp_path / "c.xlsx", pair=("春", "秋"))
    rows = sheet_rows(tmp_path / "c.xlsx", "Changes")
    assert {
        (r["Element"], r["Class code"], r["Change"]): (r["Length [m]"], r["Area [cm2]"]) for r in rows
    } == {
        ("南立面额枋", "craquelure", "New crack"): (1.0, None),
        ("=SUM(A1:A9)", "craquelure", "Crack grown at its tip"): (0.5, None),
        ("南立面额枋", "paint_loss", "Loss gained"): (None, pytest.approx(9600)),
    }
    assert {r["Tolerance [mm]"] for r in rows} == {2.5}


def test_differences_of_a_pair(changed_book, tmp_path):
    export(changed_book, "xlsx", tmp_path / "c.xlsx", pair=("春", "秋"))
    rows = sheet_rows(tmp_path / "c.xlsx", "Differences")
    told = ("Statistic", "Value then", "Value now", "Difference", "± of the difference (95 %)", "Verdict")
    assert [tuple(row[key] for key in told) for row in rows] == [
        ("Crack length", 10, 9.5, -0.5, 2, "no change that can be shown"),
        ("Crack growth seen", None, None, 1.5, 0.4, "worse"),
        ("Paint loss area", 0.5, 1.46, 0.96, 0.2, "worse"),
        ("Branches without cut ends", 4, 5, 1, None, None),
    ]
    assert {row["Element"] for row in rows} == {"南立面额枋"}


def test_the_dictionary_names_every_column_in_both_languages(rich_book):
    with reading(rich_book) as book:
        request = Request(tuple(surveys_of(book.connection)), (), load_template())
        shown = tables(book, request)
    rows = dictionary(shown).rows
    columns = [(c.header("en"), c.header("zh")) for t in shown for c in t.columns]
    assert len(rows) >= len(columns)
    assert all(row[4] and row[5] for row in rows)
    assert len({t.key for t in shown}) == len(shown)


def test_five_thousand_elements(enter_beam, book, tmp_path):
    side = np.arange(100)
    boxes = [shapely.box(x * 0.1, y * 0.08, x * 0.1 + 0.09, y * 0.08 + 0.07) for x in side for y in side[:50]]
    names = tuple(f"构件{n:04d}" for n in range(5000))
    enter_beam(elements=Elements(names, np.array(boxes, dtype=object)))
    export(book, "xlsx", tmp_path / "m.xlsx")
    with closing(load_workbook(tmp_path / "m.xlsx", read_only=True)) as workbook:
        rows = list(workbook["Quantities"].iter_rows(min_row=2, max_col=8, values_only=True))
    assert len(rows) == 10_000
    assert {r[0] for r in rows} == set(names)


def test_a_book_without_surveys_gives_empty_tables(enter_beam, book, sql, tmp_path):
    enter_beam()
    for table in ("survey", "orthophoto", "element_stats", "loss_polygon", "crack_line", "crack_area"):
        sql(f"DELETE FROM {table}")
    files = export(book, "csv", tmp_path / "out")["files"]
    assert files["B_quantities.csv"] == 0
    assert (tmp_path / "out" / "B_quantities.csv").read_text("utf-8-sig").startswith("Element,Survey")
