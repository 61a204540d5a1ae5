"""Printing in the real QGIS desktop: an atlas of three elements, the overview and the changes, as PDF."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing

import pytest
from PIL import Image
from qgis_programs import require_qgis
from test_desktop import keep
from test_element_journey import growing_book  # noqa: F401 - three surveys of a facade with three beams

from segmentation_core.export.sheet.figures import figures_of
from segmentation_core.operations.compare import compare
from segmentation_core.survey.geopackage import register_functions
from segmentation_core.survey.store import reading

SIZES_PT = {"A4": (842, 595), "A3": (1191, 842), "A0": (3370, 2384)}


def pdf(program, *arguments):
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not here; test.sh installs it")
    return subprocess.run(
        [found, *map(str, arguments)], check=True, capture_output=True, text=True, timeout=120
    ).stdout


@pytest.fixture
def book(growing_book, tmp_path):  # noqa: F811
    """The book with two pairs compared, and then a crack rejected in its last survey."""
    require_qgis()
    for path in growing_book.parent.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    shutil.copytree(growing_book.parent / "facade", tmp_path / "facade")
    copied = tmp_path / growing_book.name
    compare(copied, "2024-05-01", "2026-05-01")
    compare(copied, "2026-05-01", "2028-05-01")
    with closing(sqlite3.connect(copied)) as connection:
        register_functions(connection)
        connection.execute(
            "UPDATE crack_line SET status = 'rejected' WHERE fid = (SELECT fid FROM crack_line "
            "WHERE surv_id = 'S3' AND elem_id = 'B2' ORDER BY len_m DESC LIMIT 1)"
        )
        connection.commit()
    return copied


def test_somebody_prints_sheets(profile, book, tmp_path):
    out, folder = tmp_path / "shots", tmp_path / "printed"
    folder.mkdir()
    notes = profile.desktop("print_sheets", out, book=book, folder=folder)
    keep(out, "print")
    assert notes["exit"] == 0
    assert notes["layout"] == "pavilion 2028-05-01: sheets A3"
    assert notes["atlas"] == [True, 3]
    assert len(notes["layouts"]) == 5
    assert "element_stats" not in str(notes["tree"])
    with reading(book) as opened:
        figures = figures_of(opened, "S3", "en")
    for paper in ("A3", "A4", "A0"):
        path = folder / f"elements-{paper}.pdf"
        facts = pdf("pdfinfo", path)
        assert "Pages:           3" in facts
        width, height = SIZES_PT[paper]
        assert any(f"{w} x" in facts or f"{w - 1}." in facts for w in (width, height))
        pages = pdf("pdftotext", "-layout", path, "-").split("\f")
        for number, name in enumerate(("B1", "B2", "B3")):
            flat = pages[number].replace("\u3000", " ").replace("\n", " ") + " "
            assert name in flat
            for figure in figures[name]:
                assert f" {figure.text} " in flat, (paper, name, figure)
    assert "South facade" in pdf("pdftotext", folder / "elements-A3.pdf", "-")
    assert "pavilion, 2028-05-01" in pdf("pdftotext", folder / "overview-A3.pdf", "-")
    changes = pdf("pdftotext", "-layout", folder / "changes-A3.pdf", "-").split("\f")
    assert "2024-05-01 → 2026-05-01" in changes[1]
    assert any("compare them again" in text for text in notes["refused"])
    assert "+" in changes[1]
    for name in ("elements-A3", "elements-A4", "elements-A0", "overview-A3", "changes-A3"):
        pdf("pdftoppm", "-r", "20" if "A0" in name else "60", "-png", folder / f"{name}.pdf", folder / name)
        for page in folder.glob(f"{name}-*.png"):
            assert len(Image.open(page).convert("RGB").getcolors(1 << 24)) > 200  # ornament, not paper alone
            if os.environ.get("CRAQUELURE_SCREENSHOTS"):
                shutil.copy(page, f"{os.environ['CRAQUELURE_SCREENSHOTS']}/print/{page.name}")
