from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmentation_core.errors import Interrupted
from segmentation_core.progress import silent
from training.benchmark.deepcrack import benchmark_deepcrack
from training.benchmark.paper import Study, benchmark_paper
from training.benchmark.trial import Budget
from training.plain_samples import plain_sample
from training.trainer import Limits

SMALL = Study(("ce", "mixed1"), "res_unet_lite", (), (1.0,), "res_unet_lite", 2, 2, 3)
TINY = Limits(every=1)


def write_pairs(folder: Path, groups: dict[str, str], side: int = 64) -> Path:
    """Plain samples as a data set on disk: name to group."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerows([("name", "group"), *groups.items()])
    for index, name in enumerate(groups):
        image, label = plain_sample(np.random.default_rng((3, index)), side)
        Image.fromarray(image).save(folder / "images" / f"{name}.png")
        Image.fromarray(np.where(label == 1, 1, 0).astype(np.uint8)).save(folder / "labels" / f"{name}.png")
    return folder


def test_the_papers_comparison_writes_its_tables_and_figures_and_continues(tmp_path: Path) -> None:
    groups = {f"t{i}": f"nl{g}" for i, g in enumerate(("02", "02", "04", "01", "03"))}
    write_pairs(tmp_path / "data" / "craquelure_oil", groups)
    out = tmp_path / "out"
    hurried = Budget(1, 64, 1, Limits(max_seconds=0.0, every=1))
    with pytest.raises(Interrupted, match="the same command continues"):
        benchmark_paper(tmp_path / "data", out, hurried, silent, SMALL)
    told = benchmark_paper(tmp_path / "data", out, Budget(1, 64, 1, TINY), silent, SMALL)
    assert [row["loss"] for row in told["figures"]["table2"]] == ["ce", "mixed1"]
    assert told["figures"]["table2"][1]["craquelure (paper)"] == 0.71
    assert {"F1", "F1 (paper)", "F1 craquelure alone", "FPS"} <= told["figures"]["figure9"][0].keys()
    assert set(told["figures"]["leakage"]) == {"split-after", "split-before"}
    assert set(told["figures"]["comparisons"]["losses"]) == {"ce - mixed1"}
    for name in ("figure5.png", "figure6.png", "figure7.png", "figure8.png"):
        with Image.open(out / name) as drawn:
            assert drawn.size[0] > 100
    report = (out / "report.md").read_text()
    assert "1 steps of 1 samples of 64 px on cpu" in report
    assert "never published" in report
    assert json.loads((out / "figures.json").read_text()) == told["figures"]


def test_deepcrack_says_when_the_official_test_part_is_not_there(tmp_path: Path) -> None:
    write_pairs(tmp_path / "deepcrack_train", {f"{100 + i}-1": "" for i in range(52)}, 32)
    out, budget = tmp_path / "out", Budget(1, 32, 2, TINY)
    told = benchmark_deepcrack(tmp_path, out, budget, "res_unet_lite", silent)
    assert not told["figures"]["official"]
    assert [row["pictures"] for row in told["figures"]["rows"]] == [20, 20]
    assert any("cannot be compared" in line for line in told["lines"])
    assert any("never ship" in line for line in told["lines"])
