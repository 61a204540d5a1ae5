"""What the format cannot hold (long texts, 2 GB, big integers, NULL), and output that is never half there."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from segmentation_core.errors import ParameterError, VectorError
from segmentation_core.export import shapefile
from segmentation_core.export.fields import STATISTICS_TABLE
from segmentation_core.operations.export import export
from segmentation_core.statistics.elements import Elements


def read(path):
    meta, _, geometries, columns = pyogrio.raw.read(path)
    shapes = None if geometries is None else shapely.from_wkb(geometries)
    return shapes, dict(zip(meta["fields"].tolist(), columns, strict=True))


def test_every_statistic_of_the_book_is_there(enter_beam, book, halves, sql, tmp_path):
    enter_beam(elements=halves)
    sql(
        "INSERT INTO element_stats (elem_id, surv_id, stat, value, unit, u95, n, method_v) "
        "VALUES ('A', 'S1', 'rose_r_bar', 0.25, '1', 0.02, 7, '3')"
    )
    sql("UPDATE element_stats SET u95 = 0.1 WHERE stat = 'crack_m'")
    export(book, "shapefile", tmp_path / "out")
    _, columns = read(tmp_path / "out" / "first_stats.dbf")
    assert list(columns) == [f.name for f in STATISTICS_TABLE.fields]
    stored = sql("SELECT elem_id, stat, value, unit, u95 FROM element_stats ORDER BY fid")
    assert len(columns["stat"]) == len(stored) > 18
    for i, (elem_id, stat, value, unit, u95) in enumerate(stored):
        assert (columns["elem_id"][i], columns["stat"][i], columns["unit"][i]) == (elem_id, stat, unit)
        for name, expected in (("value", value), ("u95", u95)):
            got = columns[name][i]
            assert np.isnan(got) if expected is None else got == pytest.approx(expected)
            assert (name in (columns["no_value"][i] or "").split(", ")) == (expected is None)


def test_files_that_exist_are_kept_without_overwrite(enter_beam, book, tmp_path):
    enter_beam()
    out = tmp_path / "out"
    export(book, "shapefile", out)
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir()}
    with pytest.raises(ParameterError, match=r"exist already.*--overwrite"):
        export(book, "shapefile", out)
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir()} == before


def test_a_move_that_fails_puts_everything_back(enter_beam, book, tmp_path, monkeypatch):
    enter_beam()
    out = tmp_path / "out"
    export(book, "shapefile", out)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    real, refused = os.replace, []

    def held(source, target):
        if Path(target) == out / "first_loss.dbf" and not refused:
            refused.append(target)
            raise PermissionError(13, "the file is open elsewhere", str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", held)
    with pytest.raises(VectorError, match=r"cannot be written.*close the file"):
        export(book, "shapefile", out, overwrite=True)
    assert refused
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_long_texts_are_kept_in_a_table(enter_beam, book, tmp_path):
    name = "南立面额枋" * 60  # 300 characters, 900 bytes
    elements = Elements((name, "B"), np.array([shapely.box(0, 0, 5, 4), shapely.box(5, 0, 10, 4)], object))
    enter_beam(elements=elements)
    result = export(book, "shapefile", tmp_path / "out")
    assert any("254 bytes" in note for note in result["run"]["notes"])
    columns = read(tmp_path / "out" / "first_element.shp")[1]
    assert columns["elem_id"][0] == name[:84]
    text = (tmp_path / "out" / shapefile.LONG_TEXTS).read_text("utf-8-sig")
    rows = list(csv.reader(text.splitlines()))
    assert ["first_element.shp", "0", "elem_id", name] in rows
    assert len({tuple(r[:3]) for r in rows}) == len(rows)


def test_a_layer_above_the_limit_is_split(enter_beam, book, tmp_path, monkeypatch):
    enter_beam()
    monkeypatch.setattr(shapefile, "_LARGEST_FILE_BYTES", 4000)
    result = export(book, "shapefile", tmp_path / "out")
    parts = [name for name in result["files"] if name.startswith("first_crack") and "area" not in name]
    assert len(parts) > 1
    assert parts[:2] == ["first_crack.shp", "first_crack_part2.shp"]
    assert sum(result["files"][name] for name in parts) == 3
    lengths = [length for name in parts for length in read(tmp_path / "out" / name)[1]["len_mm"]]
    assert lengths == pytest.approx([4500, 4500, 2000])
    assert any("2 GB" in note for note in result["run"]["notes"])


def test_big_and_missing_numbers(enter_beam, book, sql, tmp_path):
    enter_beam()
    sql("UPDATE crack_line SET comp_id = 5000000000 WHERE fid = 1")
    sql("UPDATE crack_line SET node_a = NULL, wid_m = NULL WHERE fid = 2")
    # the edit asks for new statistics; they are computed first
    export(book, "shapefile", tmp_path / "out")
    path = tmp_path / "out" / "first_crack.shp"
    _, columns = read(path)
    assert columns["crack_no"][0] == 5_000_000_000
    assert np.isnan(columns["node_a"][1])
    assert np.isnan(columns["width_mm"][1])
    assert columns["no_value"].tolist() == [None, "width_mm, node_a", None]
    info = pyogrio.read_info(path)
    types = dict(zip(info["fields"].tolist(), info["dtypes"].tolist(), strict=True))
    assert types["at_limit"] == "int32"
    assert types["crack_no"] == "int64"
    raw = path.with_suffix(".dbf").read_bytes()
    assert b"nan" not in raw.lower()


def test_holes_and_parts_survive(enter_beam, book, tmp_path, write_vectors, beam_crs):
    ring = shapely.box(1, 1, 3, 3).difference(shapely.box(1.5, 1.5, 2, 2))
    holed = shapely.box(6, 1, 7, 2).difference(shapely.box(6.2, 1.2, 6.4, 1.4))
    two = shapely.MultiPolygon([shapely.box(4, 1, 5, 2), holed])
    vectors = write_vectors(
        tmp_path / "r.gpkg", assessed=shapely.box(0, 0, 10, 4), losses=[ring], areas=[(two, 3)], crs=beam_crs
    )
    enter_beam(vectors=vectors)
    export(book, "shapefile", tmp_path / "out")
    (loss,) = read(tmp_path / "out" / "first_loss.shp")[0]
    (area,) = read(tmp_path / "out" / "first_crack_area.shp")[0]
    assert loss.equals(ring)
    assert area.equals(two)


def test_changes_of_a_pair(changed_book, tmp_path):
    result = export(changed_book, "shapefile", tmp_path / "out", pair=("春", "秋"))
    assert result["files"] == {"春_秋_chg_area.shp": 1, "春_秋_chg_line.shp": 2}
    geometries, columns = read(tmp_path / "out" / "春_秋_chg_line.shp")
    assert columns["kind"].tolist() == ["new", "extended"]
    assert columns["len_mm"].tolist() == pytest.approx([1000, 500])
    assert shapely.length(geometries).tolist() == pytest.approx([1, 0.5])
    assert columns["date_a"][0] == np.datetime64("2024-05-01").item()
    assert columns["date_b"][0] == np.datetime64("2025-10-01").item()


def test_names_that_are_not_there(changed_book, tmp_path):
    with pytest.raises(ParameterError, match=r"no survey '冬'.*春, 秋"):
        export(changed_book, "shapefile", tmp_path / "out", pair=("春", "冬"))
    with pytest.raises(
        ParameterError, match=r"no element 'B7'.*=SUM\(A1:A9\), @无病害, elsewhere, 南立面额枋"
    ):
        export(changed_book, "shapefile", tmp_path / "out", elements=["B7", "elsewhere"])
    with pytest.raises(ParameterError, match="exclude each other"):
        export(changed_book, "shapefile", tmp_path / "out", survey="春", pair=("春", "秋"))
    for choice in ({"language": "de"}, {"unit": "ft"}, {"paper": "A7"}):
        with pytest.raises(ParameterError, match=r"unknown .* Use "):
            export(changed_book, "shapefile", tmp_path / "out", **choice)
    with pytest.raises(ParameterError, match="1:0 is impossible"):
        export(changed_book, "pdf", tmp_path / "out.pdf", scale=0)
    assert not (tmp_path / "out").exists()


def test_surveys_that_were_not_compared(enter_beam, book, tmp_path):
    enter_beam()
    enter_beam(name="second", date="2025-01-01")
    with pytest.raises(ParameterError, match=r"were not compared.*pairs are: none"):
        export(book, "shapefile", tmp_path / "out", pair=("first", "second"))


def test_a_folder_that_cannot_be_written(enter_beam, book, tmp_path):
    enter_beam()
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(VectorError, match="cannot be written"):
        export(book, "shapefile", tmp_path / "file" / "out")
    with pytest.raises(VectorError, match="cannot be written"):
        export(book, "xlsx", tmp_path / "file" / "out.xlsx")
    assert (tmp_path / "file").read_text() == "no folder"


def test_chosen_elements_only(rich_book, tmp_path):
    export(rich_book, "shapefile", tmp_path / "out", elements=["@无病害", "=SUM(A1:A9)"])
    columns = read(tmp_path / "out" / "春_element.shp")[1]
    assert set(columns["elem_id"]) == {"@无病害", "=SUM(A1:A9)"}
    assert set(read(tmp_path / "out" / "春_crack.shp")[1]["elem_id"]) == {"=SUM(A1:A9)"}
    assert set(read(tmp_path / "out" / "春_stats.dbf")[1]["elem_id"]) == {"@无病害", "=SUM(A1:A9)"}
