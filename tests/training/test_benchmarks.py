from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.morphology import skeletonize

from segmentation_core.checksum import file_sha256
from segmentation_core.errors import Interrupted, ParameterError
from segmentation_core.models import build, load_checkpoint, model_file, save_checkpoint
from segmentation_core.progress import silent
from training.benchmark.ablations import VARIANTS, Variant, benchmark_ablations
from training.benchmark.deepcrack import benchmark_deepcrack
from training.benchmark.difficulty import SETS, difficulty_set
from training.benchmark.folds import benchmark_folds, folds_of
from training.benchmark.paper import Study, benchmark_paper
from training.benchmark.reliability import reliability
from training.benchmark.ridge import RidgeFilter, ridge_scored, tuned_filter
from training.benchmark.shipped import Evidence, benchmark_shipped
from training.benchmark.trial import Budget
from training.checkpoint_card import checkpoint_card
from training.data import Tile
from training.plain_samples import plain_sample
from training.prediction import SCALINGS
from training.recipe import load_recipe
from training.synthetic.samples import Ingredients
from training.trainer import Limits

SMALL = Study(("ce", "mixed1"), "res_unet_lite", (), (1.0,), "res_unet_lite", 2, 2, 3)
TINY = Limits(every=1)
HALF = {"craquelure": 0.5, "paint_loss": 0.5}


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
    assert [row["pictures"] for row in told["figures"]["rows"]] == [30, 20, 20]
    assert any("cannot be compared" in line for line in told["lines"])
    assert any("never ship" in line for line in told["lines"])
    assert any(file_sha256(out / "deepcrack.safetensors") in line for line in told["lines"])


def test_deepcrack_scores_the_official_test_part_where_it_is_given(tmp_path: Path) -> None:
    write_pairs(tmp_path / "deepcrack_train", {f"{100 + i}-1": "" for i in range(52)}, 32)
    official = write_pairs(tmp_path / "official", {"1": "", "IMG_6536-2": "", "3": ""}, 32)
    start = model_file("res_unet_lite")
    told = benchmark_deepcrack(
        tmp_path, tmp_path / "out", Budget(1, 32, 2, TINY), "res_unet_lite", silent,
        official_test=official, start=start,
    )  # fmt: skip
    assert told["figures"]["official"]
    assert [row["pictures"] for row in told["figures"]["rows"]] == [30, 3, 3, 2]
    assert any("started from res_unet_lite" in line for line in told["lines"])
    with pytest.raises(ParameterError, match="nowhere"):
        benchmark_deepcrack(
            tmp_path, tmp_path / "out", Budget(1, 32, 2, TINY), "res_unet_lite", silent,
            official_test=tmp_path / "nowhere",
        )  # fmt: skip


def test_ablations_change_one_thing_and_score_on_the_same_pictures(tmp_path: Path) -> None:
    groups = {f"t{i}": f"nl{g}" for i, g in enumerate(("02", "02", "03", "08", "01"))}
    write_pairs(tmp_path / "data" / "craquelure_oil", groups)
    chosen = {
        "as shipped": VARIANTS["as shipped"],
        "real pictures alone": VARIANTS["real pictures alone"],
        "no hair, dust and scratches": VARIANTS["no hair, dust and scratches"],
        "another network": Variant({"architecture": "mc_dm"}),
        "from ImageNet": Variant({"architecture": "res_unet"}, pretrained=True),
    }
    out, budget = tmp_path / "out", Budget(1, 64, 2, TINY)
    told = benchmark_ablations(tmp_path / "data", out, budget, "res_unet_lite", silent, chosen, 1)
    assert [row["recipe"] for row in told["figures"]["rows"]] == list(chosen)[:4]
    assert load_recipe(str(out / "runs" / "another-network" / "recipe.toml")).architecture == "mc_dm"
    assert told["figures"]["left_out"] == ["from ImageNet"]
    assert load_recipe(str(out / "runs" / "real-pictures-alone" / "recipe.toml")).synthetic == 0.0
    base = load_recipe(str(out / "runs" / "as-shipped" / "recipe.toml"))
    assert base == load_recipe(str(out / "runs" / "no-hair-dust-and-scratches" / "recipe.toml"))
    for row in told["figures"]["rows"]:
        assert row["undamaged paintings"] == "-"  # there are no paintings in this folder
        assert len(row["undamaged ornament"].split(" / ")) == 2
    again = benchmark_ablations(tmp_path / "data", out, budget, "res_unet_lite", silent, chosen, 1)
    assert again["figures"] == told["figures"]


@given(st.lists(st.sampled_from([f"g{i}" for i in range(12)]), min_size=1, max_size=200))
def test_folds_take_whole_groups_and_are_about_as_large(groups: list[str]) -> None:
    if len(set(groups)) < 5:
        with pytest.raises(ParameterError, match="cannot be 5 folds"):
            folds_of(groups)
        return
    found = folds_of(groups)
    sizes = [sum(found[g] == fold for g in groups) for fold in range(5)]
    assert found.keys() == set(groups)
    assert min(sizes) > 0
    assert max(sizes) - min(sizes) <= max(groups.count(g) for g in set(groups))


def test_five_folds_score_every_painting_once(tmp_path: Path) -> None:
    write_pairs(tmp_path / "craquelure_oil", {f"t{i}": f"nl0{i // 2 + 1}" for i in range(12)})
    out, budget = tmp_path / "out", Budget(1, 64, 2, TINY)
    told = benchmark_folds(tmp_path, out, budget, "res_unet_lite", silent)
    rows = told["figures"]["rows"]
    assert [row["fold"] for row in rows] == [1, 2, 3, 4, 5, "all"]
    scored = [painting for row in rows[:5] for painting in row["paintings"].split(", ")]
    assert sorted(scored) == [f"nl0{i}" for i in range(1, 7)]
    assert {"with synthetic samples", "real pictures alone", "ridge filter"} <= rows[-1].keys()
    assert len(told["figures"]["comparisons"]) == 3
    assert len(list((out / "runs").iterdir())) == 10


def test_sets_of_one_difficulty_hold_what_they_say() -> None:
    paintings = Ingredients((np.full((80, 80, 3), 120.0, np.float32),))
    sets = {name: difficulty_set(name, paintings, range(2), 128) for name in SETS}
    assert all(len(tiles) == 2 for tiles in sets.values())
    for width in (2, 4, 6):
        for tile in sets[f"width {width} px"]:
            mask = tile.label == 1
            # two sides of length over area: the mean width of a thin network
            skeleton = skeletonize(mask)
            assert mask.sum() / skeleton.sum() == pytest.approx(width, rel=0.3)
    assert all((tile.label == 2).any() for tile in sets["paint loss"])
    for name in ("undamaged ornament", "undamaged paintings"):
        assert not any(tile.label.any() for tile in sets[name])
    again = difficulty_set("hair", paintings, range(1, 2), 128)[0]
    assert np.array_equal(again.image, sets["hair"][1].image)
    assert difficulty_set("undamaged paintings", Ingredients(), range(2), 64) == ()


@pytest.mark.parametrize(("line", "pale"), [(90, False), (250, True)])
def test_the_ridge_filter_is_tuned_to_what_there_is(line: int, pale: bool) -> None:
    image = np.full((64, 64, 3), 180, np.uint8)
    image[:, 30:33] = line
    label = np.zeros((64, 64), np.uint8)
    label[:, 30:33] = 1
    tile = Tile("a", "a", image, label)
    ridge = tuned_filter([tile])
    assert ridge.pale == pale
    told = ridge_scored([tile], ridge).figures
    assert told["craquelure.tolerance_f1"] > 0.95
    assert RidgeFilter(pale=True).probabilities(np.full((32, 32, 3), 90, np.uint8))[1].max() == 0


def test_a_probability_is_set_against_what_was_true(tmp_path: Path) -> None:
    network = build("res_unet_lite")
    for weights in network.parameters():
        torch.nn.init.zeros_(weights)  # every class gets one third
    checkpoint = tmp_path / "even.safetensors"
    save_checkpoint(
        checkpoint, network, checkpoint_card("even", "res_unet_lite", SCALINGS["imagenet"], HALF, 1.0)
    )
    label = np.zeros((64, 64), np.uint8)
    label[:16] = 1
    label[-16:] = 255
    found = reliability(load_checkpoint(checkpoint), [Tile("a", "a", np.zeros((64, 64, 3), np.uint8), label)])
    assert found.pixels.sum() == 48 * 64
    assert found.right.sum() == 16 * 64
    assert found.pixels[int(20 / 3)] == 48 * 64
    assert found.told == {"pixels": 0, "share": None}


def test_the_evidence_for_a_shipped_model(tmp_path: Path) -> None:
    write_pairs(tmp_path / "data" / "craquelure_oil", {"a": "nl03", "b": "fl03", "c": "nl01"})
    little = Evidence(("res_unet_lite",), 2, 1, 64)
    out = tmp_path / "out"
    told = benchmark_shipped(tmp_path / "data", out, silent, little)["figures"]
    assert {row["model"] for row in told["rows"]} == {"res_unet_lite", "ridge filter"}
    assert {row["set"] for row in told["rows"]} == {"oil", "synthetic", *SETS} - {
        "undamaged ornament",
        "undamaged paintings",
    }
    assert [row["set"] for row in told["false_alarms"]] == ["undamaged ornament"] * 2
    assert all(0 <= row["craquelure, % of pixels"] <= 100 for row in told["false_alarms"])
    for name in ("reliability.png", "tiles-res_unet_lite.png"):
        with Image.open(out / name) as drawn:
            assert drawn.size[0] > 100
    again = benchmark_shipped(tmp_path / "data", tmp_path / "again", silent, little)["figures"]
    assert again == told
