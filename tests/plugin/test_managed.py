"""The managed environment, made for real from a folder of wheels without a network."""

from __future__ import annotations

import os
import shutil
import site
import sys
from pathlib import Path

import pytest


@pytest.fixture
def tools(engine_side):
    return engine_side["managed"], engine_side["errors"]


def recipe(managed, unpacked: Path, folder: Path, **changes):
    given = {"base": sys.executable, "wheels": unpacked / "wheels", "offline": str(folder)}
    return managed.Recipe(**{**given, **changes})


def never() -> bool:
    return False


def test_it_says_what_is_missing_then_goes_on_and_works(tools, unpacked, tmp_path):
    """An empty folder of wheels; then torch and the rest turn up, and the same command finishes."""
    managed, errors = tools
    data, offline, told = tmp_path / "data", tmp_path / "wheels", []
    offline.mkdir()
    plan = recipe(managed, unpacked, offline)
    with pytest.raises(errors.EngineError, match="package is missing"):
        managed.install(data, plan, lambda line, percent: told.append((line, percent)), never)
    assert managed.managed_python(data) is None
    assert told[0][0] == "Making the environment"
    # What the folder of wheels would have brought: the packages of this test's own environment.
    (place,) = (data / "engine" / "lib").glob("python*/site-packages")
    for old in place.glob("setuptools*"):  # a newer one is among what is brought
        shutil.rmtree(old)
    known = [p for p in (*site.getsitepackages(), *sys.path) if p.endswith("site-packages")]
    (place / "brought.pth").write_text("\n".join(dict.fromkeys(known)), encoding="utf-8")
    told.clear()
    python = managed.install(data, plan, lambda line, percent: told.append((line, percent)), never)
    assert "Making the environment" not in [line for line, _ in told]  # that step was finished
    assert told[-1] == ("The engine is ready", 100.0)
    assert managed.managed_python(data) == python
    managed.remove(data)
    assert managed.managed_python(data) is None
    assert not (data / "engine").exists()


def test_stop_stops_and_leaves_no_lock(tools, unpacked, tmp_path):
    managed, errors = tools
    asked = []
    with pytest.raises(errors.EngineCancelled):
        managed.install(
            tmp_path,
            recipe(managed, unpacked, tmp_path),
            lambda *_: None,
            lambda: bool(asked.append(1)) or len(asked) > 2,
        )
    assert not (tmp_path / "engine.lock").exists()
    assert managed.managed_python(tmp_path) is None


def test_two_at_once_are_refused_but_a_dead_one_is_not_waited_for(tools, unpacked, tmp_path):
    managed, errors = tools
    lock = tmp_path / "engine.lock"
    lock.write_text(str(os.getpid()))
    with pytest.raises(errors.EngineError, match="Another QGIS"):
        managed.install(tmp_path, recipe(managed, unpacked, tmp_path), lambda *_: None, never)
    assert lock.exists()
    lock.write_text("999999999")
    with pytest.raises(errors.EngineError, match="cannot be started"):
        managed.install(
            tmp_path, recipe(managed, unpacked, tmp_path, base=str(tmp_path / "gone")), lambda *_: None, never
        )
    assert not lock.exists()


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "disk is full"),
        ("ProxyError: 407 Proxy Authentication Required", "proxy asks"),
        ("SSLError: certificate verify failed", "certificate"),
        ("ERROR: No matching distribution found for torch", "package is missing"),
        ("NewConnectionError: Name or service not known", "cannot be reached"),
        ("PermissionError: [Errno 13] Permission denied", "virus scanner"),
        ("something else", "something else"),
    ],
)
def test_what_pip_says_is_explained(tools, said, meaning):
    assert meaning in tools[0]._reason(["Collecting torch", said])


def test_the_proxy_reaches_pip_and_an_offline_folder_does_without(tools, unpacked, tmp_path):
    managed, _ = tools
    online = recipe(managed, unpacked, tmp_path, offline="", proxy="http://proxy:8080")
    commands = [command for _, _, command in managed._steps(tmp_path, online)]
    assert all("http://proxy:8080" in command for command in commands[1:3])
    assert managed.CPU_INDEX in commands[1]
    cuda = managed._steps(tmp_path, recipe(managed, unpacked, tmp_path, offline="", torch="cuda"))
    assert managed.CPU_INDEX not in cuda[1][2]
    offline = managed._steps(tmp_path, recipe(managed, unpacked, tmp_path, proxy="http://proxy:8080"))
    assert all(
        "--no-index" in command and "http://proxy:8080" not in command for _, _, command in offline[1:]
    )


def test_the_choice_of_torch_is_explained(tools):
    choice, why = tools[0].torch_choice()
    assert choice in ("cpu", "cuda")
    assert why


def test_a_state_of_another_logic_does_not_count(tools, tmp_path):
    managed, _ = tools
    home = tmp_path / "engine"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").touch()
    (home / "state.json").write_text('{"logic": 0, "done": true}')
    assert managed.managed_python(tmp_path) is None
    (home / "state.json").write_text("{broken")
    assert managed.managed_python(tmp_path) is None
