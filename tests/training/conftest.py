"""A small network trained once, as a user would, for the tests that need one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def verb() -> Run:
    """Return a function that runs ``python -m training``; it gives the JSON, or fails with what was said."""

    def run(*arguments: object, code: int = 0, ranks: int = 1) -> dict[str, Any]:
        start = [sys.executable, "-m", "training"]
        if ranks > 1:
            start = [
                sys.executable,
                "-m",
                "torch.distributed.run",
                "--standalone",
                f"--nproc_per_node={ranks}",
            ]
            start += ["-m", "training"]
        done = subprocess.run(
            [*start, *map(str, arguments), "--json"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        assert done.returncode == code, done.stdout + done.stderr
        if code:
            return {"error": done.stderr.strip()}
        told = done.stdout.strip().splitlines()
        assert len(told) == 1, done.stdout  # one process alone tells
        result: dict[str, Any] = json.loads(told[0])
        return result

    return run


@pytest.fixture(scope="session")
def easy(tmp_path_factory: pytest.TempPathFactory, verb: Run) -> Path:
    """A plain synthetic dataset with a split."""
    data = tmp_path_factory.mktemp("easy") / "data"
    verb("dataset", "synth", "-n", 40, "--seed", 1, "--size", 128, "--kind", "plain", "-o", data)
    verb("dataset", "split", data)
    return data


@pytest.fixture(scope="session")
def quick_run(tmp_path_factory: pytest.TempPathFactory, verb: Run, easy: Path) -> dict[str, Any]:
    """The quick preset, trained on it; a few minutes on two idle cores."""
    return verb("train", "--preset", "quick", "--data", easy, "-o", tmp_path_factory.mktemp("quick") / "run")
