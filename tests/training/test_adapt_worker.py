"""Adapting as QGIS asks for it: through the engine's pipe; killed in the middle, it leaves what was there."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from segmentation_core.models import build, load_model
from training.adaptation import _entries, _runs_wild
from training.data import Tile
from training.parts import set_training
from training.recipe import load_recipe

SMALL = ("--set", "size_px=64", "--set", "learning_rate=1e-3")


class Worker:
    """The engine behind a pipe, in a process group of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "segmentation_core.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def ask(self, *words: object) -> Iterator[dict[str, Any]]:
        """Ask for ``adapt``; yield what is told."""
        request = {
            "type": "request",
            "id": 1,
            "verb": "adapt",
            "arguments": {"words": [str(w) for w in words]},
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            told = json.loads(line)
            yield told
            if told["type"] in ("ok", "error"):
                return

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        with self.process:  # closes the pipes and waits
            pass


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.kill()


def test_an_engine_behind_a_pipe_learns_and_draws(
    quick_run: dict[str, Any], easy: Path, tmp_path: Path, worker: Worker
) -> None:
    out = tmp_path / "b.safetensors"
    *_, told = worker.ask("--base", quick_run["model"], "--data", easy, "-o", out, "--set", "steps=2", *SMALL)
    assert told["type"] == "ok", told
    windows = told["value"]["windows"]
    assert [w["name"] for w in windows] == [row["picture"] for row in told["value"]["after"]["pictures"]]
    for key in ("picture", "before", "after"):
        assert np.asarray(Image.open(windows[0][key])).shape == (128, 128, 3)
    left = {path.name for path in out.with_suffix(".run").iterdir()}
    assert "state.safetensors" not in left
    assert {"windows", "recipe.toml", "run.json", "log.csv"} <= left


def test_an_engine_killed_while_it_learns_leaves_the_adapter_that_was_there(
    quick_run: dict[str, Any], easy: Path, tmp_path: Path, worker: Worker
) -> None:
    out = tmp_path / "b.safetensors"
    for path in (out, out.with_suffix(".json")):
        path.write_bytes(b"as it was")
    for told in worker.ask(
        "--base", quick_run["model"], "--data", easy, "-o", out, "--set", "steps=9999", *SMALL
    ):
        if told["type"] == "progress" and told["stage"] == "train" and told["done"] > 1:
            worker.kill()
            break
    assert [path.read_bytes() for path in (out, out.with_suffix(".json"))] == [b"as it was"] * 2
    assert not list(tmp_path.glob("*.previous*"))


def test_kept_statistics_are_those_of_the_base() -> None:
    network = build("res_unet_lite", 3)
    before = {k: v.clone() for k, v in network.state_dict().items() if "running" in k}
    for statistics, same in (("kept", True), ("batch", False)):
        set_training(network, "norm_and_head", frozen=False, legacy_bn=False, statistics=statistics)
        network(torch.rand(2, 3, 64, 64))
        after = network.state_dict()
        assert all(torch.equal(after[k], v) for k, v in before.items()) is same


def test_a_network_that_runs_wild_where_nobody_painted_is_noticed() -> None:
    label = np.full((40, 40), 255, np.uint8)
    label[:4] = 0
    tile = Tile("w", "g", np.zeros((40, 40, 3), np.uint8), label)
    nothing, half, little = (np.zeros((40, 40), np.uint8) for _ in range(3))
    half[20:], little[38:] = 1, 1
    assert _runs_wild([tile], [nothing], [half])
    assert not _runs_wild([tile], [nothing], [little])
    assert not _runs_wild([tile], [half], [nothing])
    decided = Tile("w", "g", tile.image, np.zeros((40, 40), np.uint8))
    assert not _runs_wild([decided], [nothing], [half])  # the figures themselves tell


def test_it_takes_no_more_steps_than_there_is_time_for(
    quick_run: dict[str, Any], easy: Path, tmp_path: Path, verb: Any
) -> None:
    out = tmp_path / "b.safetensors"
    verb(
        "adapt", "--base", quick_run["model"], "--data", easy, "-o", out, "--max-seconds", 0.01,
        "--set", "steps=200", *SMALL,
    )  # fmt: skip
    recipe = load_recipe(out.with_suffix(".run") / "recipe.toml")
    assert (recipe.steps, recipe.warm_up) == (10, 1)
    with (out.with_suffix(".run") / "log.csv").open() as handle:
        assert [row["step"] for row in csv.DictReader(handle)] == ["10"]


def test_strokes_alone_do_not_say_how_well_an_adapter_finds(quick_run: dict[str, Any]) -> None:
    base = load_model(quick_run["model"])
    base.card.about["metrics"] = [
        {"set": "oil", "class": c, "iou": 0.5} for c in ("craquelure", "paint_loss")
    ]
    figures = {f"{c}.{k}": 0.9 for c in ("craquelure", "paint_loss") for k in ("iou", "f1", "tolerance_f1")}
    label = np.full((20, 20), 255, np.uint8)
    label[:4] = 1
    strokes = Tile("w", "g", np.zeros((20, 20, 3), np.uint8), label)
    assert [entry["iou"] for entry in _entries(figures, [strokes], base)] == [0.5, 0.5]
    whole = Tile("w", "g", strokes.image, np.where(label == 255, 0, label).astype(np.uint8))
    told = {entry["class"]: entry["iou"] for entry in _entries(figures, [whole], base)}
    assert told == {"craquelure": 0.9, "paint_loss": 0.5}
