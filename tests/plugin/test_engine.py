"""The plugin's side of the engine, against the real worker and all that can go wrong with one."""

from __future__ import annotations

import itertools
import os
import select
import signal
import stat
import sys

import psutil
import pytest
from journey_data import picture_and_classes, write_elements, write_raster

# A worker that says hello properly and then does what a line of Python tells it.
_ODD = """#!{python}
import json, os, signal, sys, time
def say(**message): print(json.dumps(message), flush=True)
{before}
say(type="hello", protocol={protocol}, engine="9.9", python="3", executable=sys.executable)
for line in sys.stdin:
    number = json.loads(line).get("id")
    {then}
"""


@pytest.fixture
def odd(tmp_path):
    def make(then="pass", before="", protocol=1):
        program = tmp_path / "odd-python"
        program.write_text(_ODD.format(python=sys.executable, then=then, before=before, protocol=protocol))
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
        return str(program)

    return make


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beam")
    picture, classes = picture_and_classes()
    return {
        "orthophoto": str(write_raster(folder / "beam.tif", picture)),
        "classes": str(write_raster(folder / "classes.tif", classes)),
        "elements": str(write_elements(folder / "elements.gpkg", ["B-01", "梁二"])),
        "id_field": "beam_id",
        "date": "2026-05-01",
    }


def test_a_survey_through_the_pipe_is_the_survey(engine_side, files, tmp_path):
    book = tmp_path / "书.gpkg"
    stages = []
    result = engine_side["client"].run_once(
        sys.executable,
        "survey",
        {**files, "book": str(book)},
        lambda *progress: stages.append(progress),
    )
    assert result["totals"]["loss_m2"] == pytest.approx((40 * 50 + 20 * 20) * 0.00025**2)
    assert book.is_file()
    assert {"survey", "vectorise", "writing the survey book"} <= {stage for stage, *_ in stages}


def test_one_engine_answers_many_requests(engine_side, files, tmp_path):
    engine = engine_side["client"].Engine(sys.executable, warm=("vectorise",))
    engine.start()
    pid = engine.pid
    for number in range(2):
        out = tmp_path / f"{number}.gpkg"
        told = engine.ask("vectorise", {"source": files["classes"], "out": str(out)})
        assert told["totals"]["loss_count"] == 2
    assert engine.pid == pid
    engine.close()
    assert not engine.is_running()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="workers stand by where there are two cores")
def test_workers_that_stand_by_are_missed_once_and_end_with_the_engine(engine_side, files, tmp_path):
    engine = engine_side["client"].Engine(sys.executable, warm=("vectorise",))
    engine.start()
    question = {"source": files["classes"], "out": str(tmp_path / "v.gpkg")}
    engine.ask("vectorise", question)
    standing = [
        kid for kid in psutil.Process(engine.pid).children() if "spawn_main" in " ".join(kid.cmdline())
    ]
    assert len(standing) == len(os.sched_getaffinity(0))
    standing[0].kill()
    with pytest.raises(engine_side["errors"].EngineError, match="worker process ended"):
        [engine.ask("vectorise", question) for _ in range(50)]  # until the death is noticed
    assert engine.ask("vectorise", question)["totals"]["loss_count"] == 2
    engine.kill()
    assert all(_ends(kid.pid) for kid in standing)


def test_an_error_of_the_engine_arrives_as_its_message(engine_side, files, tmp_path):
    arguments = {**files, "book": str(tmp_path / "b.gpkg"), "id_field": "nummer"}
    with pytest.raises(engine_side["errors"].EngineError, match=r"nummer.*beam_id") as caught:
        engine_side["client"].run_once(sys.executable, "survey", arguments)
    assert caught.value.kind == "ElementsError"
    assert not (tmp_path / "b.gpkg").exists()


@pytest.mark.parametrize(
    ("verb", "arguments"), [("dance", {}), ("doctor", {"loud": True}), ("measure", {"vectors": "x"})]
)
def test_what_the_engine_does_not_know_is_refused(engine_side, verb, arguments):
    with pytest.raises(engine_side["errors"].EngineError, match="Update") as caught:
        engine_side["client"].run_once(sys.executable, verb, arguments)
    assert caught.value.kind == "ParameterError"


def test_cancel_ends_a_deaf_engine_and_its_children(engine_side, odd, tmp_path):
    child = "import subprocess; kid = subprocess.Popen(['sleep', '600']); open({!r}, 'w').write(str(kid.pid))"
    note = tmp_path / "kid"
    before = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); {child.format(str(note))}"
    engine = engine_side["client"].Engine(odd("while True: time.sleep(60)", before))
    asked = itertools.count()
    engine.start()
    with pytest.raises(engine_side["errors"].EngineCancelled):
        engine.ask("survey", {}, is_cancelled=lambda: next(asked) > 10)
    assert engine_side["client"].GRACE_S < 1.0  # from the click to the end at most 2 s
    assert not engine.is_running()
    assert _ends(int(note.read_text()))


def _ends(pid):
    """Whether a killed process ends; the system may take a moment over what was sent."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 30.0)[0])  # readable from its end on, collected or not
    finally:
        os.close(handle)


def test_a_cancelled_engine_that_listens_lives_on(engine_side, files, tmp_path):
    engine = engine_side["client"].Engine(sys.executable)
    engine.start()
    pid, told = engine.pid, []
    with pytest.raises(engine_side["errors"].EngineCancelled):
        engine.ask(
            "vectorise",
            {"source": files["classes"], "out": str(tmp_path / "v.gpkg")},
            lambda *progress: told.append(progress),
            lambda: bool(told),
        )
    answered = engine.ask("doctor", {})
    assert "checks" in answered
    assert engine.pid in (pid, engine.pid)
    engine.close()


@pytest.mark.parametrize(
    ("then", "kind", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "OutOfMemory", "memory ran out"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "Died", "SIGSEGV"),
        ("sys.exit(3)", "Died", "exit code 3"),
        (
            "sys.stderr.write('OSError: [Errno 28] No space left on device'); sys.exit(1)",
            "DiskFullError",
            "full",
        ),
    ],
)
def test_a_death_is_explained(engine_side, odd, then, kind, message):
    with pytest.raises(engine_side["errors"].EngineError, match=message) as caught:
        engine_side["client"].run_once(odd(then), "survey", {})
    assert caught.value.kind == kind


def test_garbage_is_skipped_and_kept_for_the_log(engine_side, odd):
    then = (
        "print('Downloading 3 %'); os.write(1, bytes([255, 10])); say(type='ok', id=number, value={'a': 1})"
    )
    engine = engine_side["client"].Engine(odd(then, before="print('Welcome to Python')"))
    engine.start()
    assert engine.ask("doctor", {}) == {"a": 1}
    assert "Downloading 3 %" in engine.log
    engine.close()


def test_an_engine_that_falls_silent_is_ended(engine_side, odd):
    engine = engine_side["client"].Engine(odd("os.kill(os.getpid(), signal.SIGSTOP)"), silence_s=0.5)
    engine.start()
    with pytest.raises(engine_side["errors"].EngineError, match="no longer answers") as caught:
        engine.ask("survey", {})
    assert caught.value.kind == "Hung"
    assert not engine.is_running()


@pytest.mark.parametrize(("protocol", "who"), [(0, "Update the engine"), (2, "plugin is too old")])
def test_versions_that_do_not_fit_are_told_apart(engine_side, odd, protocol, who):
    with pytest.raises(engine_side["errors"].EngineError, match=who) as caught:
        engine_side["client"].run_once(odd(protocol=protocol), "doctor", {})
    assert caught.value.kind == "Version"


def test_a_python_without_the_engine_says_so(engine_side, tmp_path):
    import venv

    venv.create(tmp_path / "bare", with_pip=False)
    with pytest.raises(engine_side["errors"].EngineError, match="has no Craquelure engine") as caught:
        engine_side["client"].run_once(str(tmp_path / "bare" / "bin" / "python"), "doctor", {})
    assert caught.value.kind == "Missing"


def test_a_missing_python_says_so(engine_side, tmp_path):
    with pytest.raises(engine_side["errors"].EngineError, match="cannot be started"):
        engine_side["client"].run_once(str(tmp_path / "gone"), "doctor", {})


def test_a_killed_survey_leaves_the_book_as_it_was(engine_side, files, tmp_path):
    client, book = engine_side["client"], tmp_path / "b.gpkg"
    client.run_once(sys.executable, "survey", {**files, "book": str(book)})
    before = book.read_bytes()
    engine = client.Engine(sys.executable)
    engine.start()

    def kill_at_book(stage, done, total, unit):
        if stage == "writing the survey book":
            os.killpg(engine.pid, signal.SIGKILL)

    with pytest.raises(engine_side["errors"].EngineError) as caught:
        engine.ask("survey", {**files, "book": str(book), "date": "2027-05-01"}, kill_at_book)
    assert caught.value.kind == "OutOfMemory"
    import sqlite3

    opened = sqlite3.connect(book)
    assert [row[0] for row in opened.execute("SELECT name FROM survey")] in (["2026-05-01"],)
    opened.close()
    assert len(before) > 0


def test_the_child_does_not_see_qgis(engine_side):
    kept = engine_side["child"].clean_environment(
        {"PATH": "/bin", "PROJ_LIB": "/x", "GDAL_DATA": "/x", "PYTHONHOME": "/x", "QGIS_PREFIX_PATH": "/x",
         "LD_LIBRARY_PATH": "/x", "QT_PLUGIN_PATH": "/x", "Proj_Data": "/x", "CRAQUELURE_HOME": "/y"}
    )  # fmt: skip
    assert set(kept) == {
        "PATH",
        "CRAQUELURE_HOME",
        "PYTHONNOUSERSITE",
        "PYTHONSAFEPATH",
        "PYTHONIOENCODING",
        "PYTHONUTF8",
    }


def test_a_poisoned_environment_does_not_reach_the_engine(engine_side, files, tmp_path, monkeypatch):
    monkeypatch.setenv("PROJ_LIB", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "segmentation_core.py").write_text("raise RuntimeError('the wrong one')")
    told = engine_side["client"].run_once(
        sys.executable, "survey", {**files, "book": str(tmp_path / "b.gpkg")}
    )
    assert told["run"]["survey"] == "2026-05-01"


def test_the_worker_keeps_its_output_for_messages(engine_side):
    """Whatever prints, at any level, goes to standard error."""
    import subprocess

    code = (
        "import os, sys, threading\n"
        "import segmentation_core.worker as w\n"
        "def loud():\n"
        "    print('loud'), os.write(1, b'raw\\n'), os.system('echo child')\n"
        "    return {'n': 1}\n"
        "w._function = lambda verb: loud\n"
        "w.main()"
    )
    asked = '{"type": "request", "id": 1, "verb": "x", "arguments": {}}\n'
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(asked)
    process.stdin.flush()
    lines = [process.stdout.readline() for _ in range(3)]
    out, err = process.communicate(timeout=60)
    assert all(engine_side["protocol"].decode(line) is not None for line in lines)
    assert out == ""
    assert {"loud", "raw", "child"} <= set(err.split())


def test_the_diagnostics_report_hides_home_and_name(engine_side, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "lihua"))
    monkeypatch.setenv("LOGNAME", "lihua")
    report = engine_side["diagnostics"].diagnostics_report(
        {"QGIS": "3.44", "engine": tmp_path / "lihua" / "venv" / "python"},
        ["ok  torch: 2.13"],
        f"File {tmp_path}/lihua/x.py\nby lihua",
    )
    assert "lihua" not in report
    assert "~/venv/python" in report
    assert "torch: 2.13" in report


def test_verbs_of_other_packages_are_asked_with_words(engine_side, tmp_path, monkeypatch):
    """A package beside the engine adds a verb by an entry point, as training does."""
    info = tmp_path / "adder-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: adder\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[craquelure.commands]\nadd = adder:ADD\n")
    (tmp_path / "adder.py").write_text(
        "class ADD:\n"
        "    name = 'add'\n"
        "    def add_arguments(parser): parser.add_argument('number', type=int, nargs='+')\n"
        "    def run(options, progress):\n"
        "        progress('add', 1, 2, '')\n"
        "        return {'sum': sum(options.number)}\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}" PYTHONSAFEPATH= exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    run_once = engine_side["client"].run_once
    assert run_once(str(python), "add", {"words": [2, 3]}) == {"sum": 5}
    with pytest.raises(engine_side["errors"].EngineError, match="invalid int") as caught:
        run_once(str(python), "add", {"words": ["two"]})
    assert caught.value.kind == "ParameterError"
