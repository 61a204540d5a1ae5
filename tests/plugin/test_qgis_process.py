"""The algorithms through the real ``qgis_process``, from the built zip in a fresh profile."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import sys
import zipfile

import pytest
import two_dates
from journey_data import picture_and_classes, write_elements, write_raster
from qgis_programs import Profile, require_qgis

from segmentation_core.operations.survey import survey


@pytest.fixture
def beam(tmp_path):
    folder = tmp_path / "立面"
    folder.mkdir()
    picture, classes = picture_and_classes()
    return {
        "ORTHOPHOTO": write_raster(folder / "beam.tif", picture),
        "CLASSES": write_raster(folder / "classes.tif", classes),
        "ELEMENTS": write_elements(folder / "elements.gpkg", ["B-01", "梁二"]),
        "BOOK": folder / "book.gpkg",
    }


def options(**parameters: object) -> list[str]:
    return [f"--{name}={value}" for name, value in parameters.items()]


def results(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z0-9_]+):\t(.*)$", text.partition("Results")[2], re.MULTILINE))


def test_survey_writes_the_book_and_its_figures(profile, beam):
    done = profile.process(
        "run", "craquelure:survey", *options(**beam, DATE="2026-05-01", ID_FIELD="beam_id")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = results(done.stdout)
    assert float(told["LOSS_M2"]) == pytest.approx((40 * 50 + 20 * 20) * 0.00025**2)
    assert int(told["LOSS_COUNT"]) == 2
    book = sqlite3.connect(beam["BOOK"])
    assert book.execute("SELECT name, date FROM survey").fetchall() == [("2026-05-01", "2026-05-01")]
    assert [row[0] for row in book.execute("SELECT elem_id FROM element ORDER BY fid")] == ["B-01", "梁二"]
    book.close()


def test_the_steps_one_by_one(profile, beam, tmp_path):
    vectors, table, out = tmp_path / "v.gpkg", tmp_path / "t.csv", tmp_path / "shp"
    done = profile.process("run", "craquelure:vectorise", *options(SOURCE=beam["CLASSES"], OUTPUT=vectors))
    assert int(results(done.stdout)["LOSS_COUNT"]) == 2, done.stdout + done.stderr
    arguments = options(VECTORS=vectors, ELEMENTS=beam["ELEMENTS"], ID_FIELD="beam_id", OUTPUT=table)
    done = profile.process("run", "craquelure:measure", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "梁二" in table.read_text(encoding="utf-8-sig")
    profile.process("run", "craquelure:survey", *options(**beam, DATE="2026-05-01", ID_FIELD="beam_id"))
    done = profile.process(
        "run", "craquelure:export", *options(BOOK=beam["BOOK"], FORMAT="shapefile", OUTPUT=out)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(out.glob("*.shp"))


def test_options_of_the_engine_reach_it(profile, beam, tmp_path):
    """The scale's uncertainty, the widest crack with a line, thresholds that damage classes are judged by."""
    vectors, table, rules = tmp_path / "v.gpkg", tmp_path / "t.csv", tmp_path / "rules.toml"
    rules.write_text(
        'title = "ours"\n[[class]]\ncode = "worn"\nname_en = "worn"\nname_zh = "磨损"\n'
        'at_least = { loss_ratio = 0.01 }\n[[class]]\ncode = "sound"\nname_en = "sound"\nname_zh = "完好"\n',
        encoding="utf-8",
    )
    scale = {"GSD_UNCERTAINTY_PERCENT": 5}
    done = profile.process(
        "run",
        "craquelure:survey",
        *options(**beam, **scale, DATE="2026-05-01", ID_FIELD="beam_id", MAX_CRACK_WIDTH_PX=2),
    )
    told = results(done.stdout)
    assert float(told["CRACK_M"]) == 0, done.stdout + done.stderr  # the only crack is 3 px wide
    with sqlite3.connect(beam["BOOK"]) as book:
        run = json.loads(book.execute("SELECT run FROM orthophoto").fetchone()[0])
    assert run["scale_percent"] == 5
    given = options(SOURCE=beam["CLASSES"], OUTPUT=vectors, MAX_CRACK_WIDTH_PX=2)
    done = profile.process("run", "craquelure:vectorise", *given)
    assert float(results(done.stdout)["CRACK_M"]) == 0, done.stdout + done.stderr
    given = options(VECTORS=vectors, ELEMENTS=beam["ELEMENTS"], ID_FIELD="beam_id", OUTPUT=table, **scale)
    done = profile.process("run", "craquelure:measure", *given, *options(DAMAGE_RULES=rules))
    assert done.returncode == 0, done.stdout + done.stderr
    with table.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["damage_class"] for row in rows] == ["worn", "sound"]
    # Twice the scale's 5 per cent, squared in areas: at least a fifth of the loss.
    assert float(rows[0]["loss_m2_u95"]) > 0.19 * float(rows[0]["loss_m2"])


def test_compare_says_what_changed(profile, tmp_path):
    book = tmp_path / "wall.gpkg"
    two_dates.photograph(tmp_path, "a", two_dates.before())
    two_dates.photograph(tmp_path, "b", two_dates.after(), two_dates.Camera())
    for name, date in (("a", "2026-05-01"), ("b", "2028-05-01")):
        survey(tmp_path / f"{name}.tif", book, date, classes=tmp_path / f"{name}_classes.tif")
    arguments = options(BOOK=book, SURVEY_A="2026-05-01", SURVEY_B="2028-05-01")
    done = profile.process("run", "craquelure:compare", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    told = results(done.stdout)
    assert float(told["NEW_M"]) == pytest.approx(two_dates.NEW_M, rel=0.05)
    assert told["VERDICT"] == "worse"
    done = profile.process("run", "craquelure:compare", *options(BOOK=book, SURVEY_A="a", SURVEY_B="b"))
    assert done.returncode != 0
    assert "there is no survey 'a'" in done.stdout + done.stderr


def test_segment_runs_the_network(profile, beam, tmp_path):
    out = tmp_path / "rasters"
    done = profile.process("run", "craquelure:segment", *options(ORTHOPHOTO=beam["ORTHOPHOTO"], OUTPUT=out))
    assert done.returncode == 0, done.stdout + done.stderr
    assert {p.name for p in out.iterdir()} >= {"probability.tif", "classes.tif", "run.json"}


# The real engine on a computer whose driver shows a card that this torch has no kernels for.
_BROKEN_GPU = """#!{python}
import runpy, sys
import torch
from segmentation_core.inference import device
def fail(kind):
    if kind == "cuda":
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")
if __name__ == "__main__":
    torch.backends.cuda.is_built = torch.cuda.is_available = lambda: True
    torch.cuda.get_device_name = lambda: "GeForce GT 710"
    device._try_convolution = fail
    sys.argv = sys.argv[2:]
    runpy.run_module("segmentation_core.worker", run_name="__main__", alter_sys=True)
"""


def test_a_gpu_that_cannot_compute_is_passed_over_told_and_recorded(profile, beam, tmp_path):
    program = tmp_path / "python-gpu"
    program.write_text(_BROKEN_GPU.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    profile.use_python(str(program))
    del beam["CLASSES"]
    done = profile.process(
        "run",
        "craquelure:survey",
        *options(**beam, DATE="2026-05-01", ID_FIELD="beam_id", MODEL="res_unet_lite"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GeForce GT 710 is not used: CUDA error: no kernel image" in done.stdout
    with sqlite3.connect(beam["BOOK"]) as book:
        run = json.loads(book.execute("SELECT run FROM orthophoto").fetchone()[0])
    assert run["device"]["kind"] == "cpu"
    assert any("GeForce GT 710 is not used" in note for note in run["notes"])


def test_doctor_says_what_would_run(profile):
    done = profile.process("run", "craquelure:doctor")
    assert "OK:\ttrue" in done.stdout, done.stdout + done.stderr
    assert "device cpu" in done.stdout
    assert "device cuda" in done.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"DATE": "2999-01-01"}, "future"),
        ({"ID_FIELD": ""}, "elements' ids"),
        ({"BOOK": "book.txt"}, "ends in .gpkg"),
        ({"INSIDE_ELEMENTS": "true", "ELEMENTS": ""}, "only inside"),
        ({"ORTHOPHOTO": "gone.tif"}, "ORTHOPHOTO"),
        ({"ORTHOPHOTO": "/vsicurl/http://127.0.0.1:9/beam.tif"}, "ORTHOPHOTO"),
        ({"ELEMENTS": "gone.gpkg"}, "ELEMENTS"),
    ],
)
def test_parameters_are_refused_before_anything_runs(profile, beam, changes, said):
    given = {**beam, "DATE": "2026-05-01", "ID_FIELD": "beam_id", **changes}
    given = {name: value for name, value in given.items() if value != ""}
    done = profile.process("run", "craquelure:survey", *options(**given))
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    assert not beam["BOOK"].exists()


def test_a_raster_inside_an_archive_is_refused_by_name(profile, beam, tmp_path):
    with zipfile.ZipFile(tmp_path / "beam.zip", "w") as archive:
        archive.write(beam["ORTHOPHOTO"], "beam.tif")
    given = {**beam, "ORTHOPHOTO": f"/vsizip/{tmp_path}/beam.zip/beam.tif", "ID_FIELD": "beam_id"}
    done = profile.process("run", "craquelure:survey", *options(**given, DATE="2026-05-01"))
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "beam.zip/beam.tif" in said
    # Some versions of QGIS refuse it before the algorithm can.
    assert "is not a file" in said or "beam.tif not found" in said
    assert not beam["BOOK"].exists()
    assert not beam["BOOK"].exists()


def test_without_an_engine_it_says_where_to_get_one(profile, beam):
    profile.use_python("")
    done = profile.process(
        "run", "craquelure:survey", *options(**beam, DATE="2026-05-01", ID_FIELD="beam_id")
    )
    assert done.returncode != 0
    assert "no engine yet" in done.stdout + done.stderr


def test_a_fault_of_the_engine_names_the_layer_not_the_temporary_file(profile, beam, tmp_path):
    beam["ELEMENTS"] = write_elements(tmp_path / "twice.gpkg", ["B-01", "B-01"])
    done = profile.process(
        "run", "craquelure:survey", *options(**beam, DATE="2026-05-01", ID_FIELD="beam_id")
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "twice" in said
    assert "processing_" not in said.partition("more than once")[2][:200]


def test_the_plugin_speaks_chinese(package, beam, tmp_path):
    require_qgis()
    chinese = Profile(tmp_path / "中文", package, locale="zh_CN")
    done = chinese.process(
        "run", "craquelure:survey", *options(**beam, DATE="2999-01-01", ID_FIELD="beam_id")
    )
    assert "调查日期" in done.stdout + done.stderr
