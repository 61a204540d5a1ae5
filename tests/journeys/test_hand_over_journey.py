"""From a survey book to the folder that is handed over, by the commands a user types."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import ezdxf
import geopandas
import pytest
from openpyxl import load_workbook

ONE_FILE = {"xlsx": ".xlsx", "dxf": ".dxf", "pdf": ".pdf", "html": ".html", "gpkg": ".gpkg"}


@pytest.fixture(scope="module")
def book(craquelure, beam, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("book") / "pavilion.gpkg"
    done = craquelure(
        "survey", beam.ortho, "--book", path, "--date", "2026-05-01", "--elements", beam.elements,
        "--id-field", "beam_id", "--classes", beam.classes, "--name", "春季",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return path


def test_the_whole_folder(craquelure, book, beam, tmp_path):
    for format_, suffix in ONE_FILE.items():
        done = craquelure("export", book, "--format", format_, "-o", tmp_path / f"out{suffix}", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["run"]["out"].endswith(f"out{suffix}")
    for format_ in ("shapefile", "csv", "labelme", "masks"):
        done = craquelure("export", book, "--format", format_, "-o", tmp_path / format_)
        assert done.returncode == 0, done.stderr
        assert list((tmp_path / format_).iterdir())
    rows = list(load_workbook(tmp_path / "out.xlsx")["Quantities"].iter_rows(values_only=True))
    lengths = {row[0]: row[7] for row in rows[1:] if row[3] == "craquelure"}
    assert lengths["B-01"] == pytest.approx(beam.crack_m, rel=0.01)
    assert lengths["梁二"] == 0
    layers = {layer.dxf.name for layer in ezdxf.readfile(tmp_path / "out.dxf").layers}
    assert "Craquelure_春季_lines" in layers
    assert set(geopandas.read_file(tmp_path / "out.gpkg", layer="element")["elem_id"]) == {"B-01", "梁二"}
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF")
    assert "春季" in (tmp_path / "out.html").read_text("utf-8")


def test_one_element_at_a_scale_in_chinese(craquelure, book, tmp_path):
    done = craquelure(
        "export", book, "--format", "pdf", "-o", tmp_path / "p.pdf", "--elements", "梁二", "--language", "zh",
        "--paper", "A4", "--scale", 2, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == {"p.pdf": 1}


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
    for word in words:
        assert word in done.stderr


def test_what_is_refused_in_one_line(craquelure, book, tmp_path):
    (tmp_path / "there.xlsx").write_text("mine")
    done = craquelure("export", book, "--format", "xlsx", "-o", tmp_path / "there.xlsx")
    refused(done, "there.xlsx", "--overwrite")
    assert (tmp_path / "there.xlsx").read_text() == "mine"
    done = craquelure("export", book, "--format", "csv", "-o", tmp_path / "c", "--elements", 'B-01, "B,9"')
    refused(done, "'B,9'")
    refused(
        craquelure("export", book, "--format", "csv", "-o", tmp_path / "x", "--survey", "秋"), "秋", "春季"
    )
    refused(craquelure("export", book, "--format", "csv", "-o", tmp_path / "x", "--elements", "B-9"), "梁二")
    pair = craquelure("export", book, "--format", "dxf", "-o", tmp_path / "x.dxf", "--pair", "春季", "春季")
    refused(pair, "were not compared")
    refused(craquelure("export", book, "--format", "geojson", "-o", tmp_path / "x"), "EPSG", "gpkg")
    refused(craquelure("export", book, "--format", "csv", "-o", tmp_path / "there.xlsx" / "x"), "there.xlsx")
    refused(craquelure("export-model", "nobody", "--format", "deepness", "-o", tmp_path / "m.onnx"), "nobody")
    assert [p.name for p in tmp_path.iterdir()] == ["there.xlsx"]


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit")
@pytest.mark.parametrize(
    "format_", ["shapefile", "dxf", "xlsx", "pdf", "html", "csv", "gpkg", "labelme", "masks"]
)
def test_a_disk_that_fills_up_leaves_nothing(book, tmp_path, format_):
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))\n"
        "from segmentation_core.cli import main\n"
        f"sys.argv = ['craquelure', 'export', {str(book)!r}, '-o', {str(tmp_path / 'o')!r},"
        f" '--format', {format_!r}]\n"
        "sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "disk" in done.stderr
    assert list(tmp_path.iterdir()) == []
