from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from segmentation_core.errors import ModelError, ParameterError
from segmentation_core.models import load_model
from segmentation_core.models.adapter import LARGEST_ADAPTER_BYTES
from segmentation_core.statistics.budget import model_errors
from training.adaptation import adapt
from training.data import Tile
from training.parts import encoder_weights
from training.plain_samples import plain_sample
from training.recipe import PRESETS, Recipe, changed, load_recipe, recipe_as_toml
from training.run_state import RunState
from training.synthetic.samples import Ingredients
from training.trainer import Limits, train

TINY = Recipe(steps=2, batch=2, size_px=64, synthetic=1.0, warm_up=1, seed=5, generator="plain", loss="ours")
SMALL = ("--set", "steps=2", "--set", "batch=2", "--set", "size_px=64", "--set", "warm_up=1")


def tiles(count: int, side: int = 64, annotated: tuple[str, ...] | None = None) -> tuple[Tile, ...]:
    made = [plain_sample(np.random.default_rng((9, i)), side) for i in range(count)]
    return tuple(Tile(f"t{i}", f"g{i}", image, label, annotated) for i, (image, label) in enumerate(made))


# Recipes


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_the_way_to_toml_and_back(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_as_toml(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe


def test_the_papers_preset_is_the_papers_schedule() -> None:
    recipe = load_recipe("paper").resolved(18_900)
    per_epoch = 18_900 // 8
    assert recipe.steps == 100 * per_epoch
    assert recipe.frozen_steps == 50 * per_epoch
    rates = [recipe.rate(epoch * per_epoch) for epoch in range(100)]
    assert rates[0] == pytest.approx(1e-5)
    assert rates[1] == pytest.approx(1e-5 + 9e-5 / 9)
    assert rates[3] == max(rates) == pytest.approx(1e-4)
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[95:] == [pytest.approx(1e-6)] * 5
    assert recipe.rate(per_epoch) == recipe.rate(2 * per_epoch - 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz = 4", "keys nobody knows: stepz"),
        ("steps = 'many'", "steps in the preset is 'many'"),
        ("steps = true", "steps in the preset is True"),
        ("steps = 0", "steps is 0"),
        ("loss = 'magic'", "loss cannot be 'magic'.*mixed1"),
        ("synthetic = 1.5", "synthetic is 1.5"),
        ("steps = ", "not valid TOML"),
    ],
)
def test_presets_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=message):
        load_recipe(path)


def test_a_preset_that_is_not_there_and_changes_on_the_command_line() -> None:
    with pytest.raises(ParameterError, match="default, quick, paper, adapt"):
        load_recipe("best")
    recipe = changed(load_recipe("quick"), ["steps=7", "loss=mixed1", "class_weights=[1.0, 2.0, 3.0]"])
    assert (recipe.steps, recipe.loss, recipe.class_weights) == (7, "mixed1", (1.0, 2.0, 3.0))
    with pytest.raises(ParameterError, match="not KEY=VALUE"):
        changed(recipe, ["steps"])


# The loop


def test_time_runs_out_and_the_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    data, ingredients = tiles(3), Ingredients()
    recipe = Recipe(**{**vars(TINY), "synthetic": 0.5, "foreground": 0.5, "augmentation": "mild"})
    whole = train(recipe, data, ingredients, tmp_path / "whole", limits=Limits(every=100))
    told: list[str] = []
    for _ in range(recipe.steps):  # one step each time: no budget is too small
        parts = train(
            recipe, data, ingredients, tmp_path / "parts", limits=Limits(max_seconds=0), report=told.append
        )
    assert sum("--resume continues" in line for line in told) == recipe.steps
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name
    one, two = (load_file(tmp_path / n / "state.safetensors") for n in ("whole", "parts"))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(**{**vars(TINY), "synthetic": 0.0, "augmentation": "none"})
    good = RunState.loss

    def poisoned(run: RunState, batch: Any, network: torch.nn.Module) -> torch.Tensor:
        return good(run, batch, network) * (float("nan") if run.step == 1 else 1.0)

    monkeypatch.setattr(RunState, "loss", poisoned)
    with pytest.raises(ModelError, match=r"not a number at step 1 \(batch of t\d, t\d\).*--resume"):
        train(recipe, tiles(3), Ingredients(), tmp_path / "bad", limits=Limits(every=1))
    monkeypatch.undo()
    state = load_file(tmp_path / "bad" / "state.safetensors")
    assert all(torch.isfinite(v.float()).all() for v in state.values())
    resumed = train(recipe, tiles(3), Ingredients(), tmp_path / "bad", limits=Limits(every=1))
    straight = train(recipe, tiles(3), Ingredients(), tmp_path / "straight", limits=Limits(every=1))
    assert all(torch.equal(v, straight.state_dict()[k]) for k, v in resumed.state_dict().items())


def test_a_finished_run_is_not_overwritten_and_a_damaged_state_is_named(tmp_path: Path) -> None:
    recipe = Recipe(**{**vars(TINY), "steps": 1})
    train(recipe, (), Ingredients(), tmp_path)
    with pytest.raises(ParameterError, match=r"a run in this folder already.*--resume"):
        train(recipe, (), Ingredients(), tmp_path, limits=Limits(resume=False))
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(ParameterError, match="cannot be read"):
        train(recipe, (), Ingredients(), tmp_path)


def test_a_run_that_memory_or_disk_cannot_hold_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ParameterError, match=r"needs about [0-9.]+ GB of memory.*smaller batch"):
        train(Recipe(**{**vars(TINY), "batch": 512, "size_px": 4096}), (), Ingredients(), tmp_path)
    monkeypatch.setattr("training.trainer.shutil.disk_usage", lambda _: os.statvfs_result and _Full())
    with pytest.raises(OSError, match="MB on disk, 1 MB are free"):
        train(TINY, (), Ingredients(), tmp_path)
    assert not list(tmp_path.glob("state*"))


class _Full:
    free = 1_000_000


def test_the_frozen_half_moves_the_decoder_alone_and_legacy_statistics_go_on(tmp_path: Path) -> None:
    recipe = Recipe(**{**vars(TINY), "steps": 1, "frozen_share": 1.0, "ema": 0.0, "loss": "ce"})
    fresh = RunState(recipe).network.state_dict()
    for legacy in (False, True):
        run = Recipe(**{**vars(recipe), "legacy_bn": legacy})
        done = train(run, (), Ingredients(), tmp_path / str(legacy)).state_dict()
        moved = {k for k, v in done.items() if not torch.equal(v, fresh[k])}
        weights = {k for k in moved if not k.endswith(("running_mean", "running_var", "num_batches_tracked"))}
        assert weights
        assert all(k.startswith(("stem.", "decoder.")) for k in weights)
        assert any(k.startswith("features.") and k.endswith("running_mean") for k in moved) == legacy


def test_partial_labels_teach_nothing_about_what_was_not_looked_for(tmp_path: Path) -> None:
    """Pictures in which nobody looked for paint loss do not pull a network away from it."""
    run = RunState(Recipe(**{**vars(TINY), "loss": "ce", "augmentation": "none", "synthetic": 0.0}))
    blank = np.zeros((64, 64), np.uint8)
    image = np.zeros((64, 64, 3), np.uint8)
    from training.data import SampleStream

    batch = SampleStream.of_tile(Tile("a", "g", image, blank, ("craquelure",)), run.recipe)
    run.loss(batch, run.network).backward()
    head = run.network.decoder.head
    background, craquelure, paint_loss = head.bias.grad.tolist()
    assert craquelure > 0.01
    # Both are pulled up together: either may be what was called background.
    assert background < 0
    assert paint_loss < 0


# As a user


def test_quick_learns_a_synthetic_set(quick_run: dict[str, Any], tmp_path: Path, verb: Any) -> None:
    """The bar of the issue: craquelure F1 within 2 px of 0.9 on samples nobody has seen."""
    verb("dataset", "synth", "-n", 8, "--seed", 2, "--size", 128, "--kind", "plain", "-o", tmp_path / "new")
    verb("dataset", "split", tmp_path / "new", "--shares", "0.5,0,0.5")
    model = quick_run["model"]
    told = verb("evaluate", "--model", model, "--data", tmp_path / "new", "--split", "test")
    assert told["figures"]["craquelure.tolerance_f1"] >= 0.9
    assert told["intervals"]["craquelure.tolerance_f1"][0] > 0.8
    assert told["pictures_per_second"] > 0
    assert [row["model"] for row in told["table"]] == ["run"]
    assert "Only 4 groups" in told["run"]["notes"][0]


def test_a_run_folder_holds_what_the_run_can_be_repeated_from(quick_run: dict[str, Any], easy: Path) -> None:
    folder = Path(quick_run["run"])
    record = json.loads((folder / "run.json").read_text())
    assert load_recipe(folder / "recipe.toml") == Recipe(
        **{**record["recipe"], "class_weights": (), "frozen": ()}
    )
    assert record["data"]["path"] == str(easy)
    assert len(record["data"]["fingerprint"]) == 64
    assert {"torch", "craquelure", "python"} <= record["versions"].keys()
    figures = json.loads((folder / "figures.json").read_text())
    assert figures["figures"] == quick_run["figures"]
    card = load_model(folder / "model.safetensors").card
    assert card.thresholds == quick_run["thresholds"]
    assert list(card.temperature) == quick_run["temperature"]
    assert (folder / "log.csv").read_text().startswith("step,loss,validation_loss,seconds_per_step")


def test_a_run_repeated_from_its_folder_gives_the_same_weights_and_figures(
    easy: Path, tmp_path: Path, verb: Any
) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    one = verb("train", "--preset", "quick", "--data", easy, "-o", first, *SMALL)
    two = verb("train", "--preset", first / "recipe.toml", "--data", easy, "-o", again)
    assert two["figures"] == one["figures"]
    assert two["thresholds"] == one["thresholds"]
    assert two["temperature"] == one["temperature"]
    ours, theirs = (load_file(Path(told["model"])) for told in (one, two))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_the_engine_predicts_with_the_temperatures_of_the_card(quick_run: dict[str, Any]) -> None:
    from segmentation_core.inference.device import choose_device
    from segmentation_core.inference.network import Predictor
    from training.prediction import Scaling, class_probabilities

    loaded = load_model(quick_run["model"])
    image, _ = plain_sample(np.random.default_rng(3), 64)
    predictor = Predictor(loaded.network, loaded.card, choose_device("cpu"), batch=1, use_bfloat16=False)
    there = predictor.launch(np.ascontiguousarray(image.transpose(2, 0, 1))[None]).wait()[0]
    card = loaded.card
    here = class_probabilities(loaded.network, image, Scaling(card.mean, card.std), card.temperature)
    assert np.abs(there - here).max() < 1e-4


def test_from_labelme_to_an_adapter_that_helps_by_three_commands(
    quick_run: dict[str, Any], tmp_path: Path, verb: Any
) -> None:
    base, annotations = quick_run["model"], tmp_path / "annotations"
    for index in range(9):
        write_annotation(annotations / f"B{index % 3}", index)
    data, adapter = tmp_path / "data", tmp_path / "b3.safetensors"
    verb("dataset", "import-labelme", annotations, "-o", data)
    verb("dataset", "split", data)
    small = (
        "--set",
        "steps=40",
        "--set",
        "size_px=96",
        "--set",
        "rehearsal=0.0",
        "--set",
        "learning_rate=1e-2",
    )
    told = verb("adapt", "--base", base, "--data", data, "-o", adapter, *small)
    before, after = (told[when]["figures"]["craquelure.f1"] for when in ("before", "after"))
    assert told["kept"]
    assert after > before + 0.1
    assert adapter.stat().st_size == told["bytes"] < LARGEST_ADAPTER_BYTES
    found = model_errors(
        load_model(adapter).card.about["metrics"]
    )  # what it finds has a u95, from these windows
    f1 = told["after"]["figures"]["craquelure.tolerance_f1"]
    assert found is not None
    assert found.line_length == pytest.approx(2 * (1 - f1) / f1 / 3**0.5, rel=1e-3)
    again = verb("evaluate", "--model", adapter, "--data", data, "--split", "validation")
    windows = {row["picture"]: row["craquelure.f1"] for row in told["after"]["pictures"]}
    for row in again["pictures"]:
        assert row["craquelure.f1"] == pytest.approx(windows[row["picture"]], abs=0.01)
    check_other_base(adapter, tmp_path)
    assert verb("adapt", "-o", adapter, "--roll-back")["adapter"] is None
    assert not adapter.exists()


def write_annotation(folder: Path, index: int) -> None:
    """Annotate a faded sample, a quarter of the contrast, with LabelMe's masks."""
    image, label = plain_sample(np.random.default_rng((31, index)), 96)
    image = (image * 0.25 + 110).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(folder / f"w{index}.png")
    shapes = []
    for name, value in (("craquelure", 1), ("paint_loss", 2)):
        held = io.BytesIO()
        Image.fromarray(((label == value) * 255).astype(np.uint8)).save(held, "PNG")
        code = base64.b64encode(held.getvalue()).decode()
        shapes.append({"label": name, "shape_type": "mask", "points": [[0, 0], [95, 95]], "mask": code})
    told = {"version": "5.4.1", "shapes": shapes, "imagePath": f"w{index}.png", "imageData": None}
    (folder / f"w{index}.json").write_text(json.dumps(told))


def check_other_base(adapter: Path, folder: Path) -> None:
    """An adapter of another model is refused in one line, whichever way it differs."""
    card = json.loads(adapter.with_suffix(".json").read_text())
    other = folder / "other.safetensors"
    other.write_bytes(adapter.read_bytes())
    card["adapter"] |= {"base_sha256": "0" * 64}
    other.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"belongs to another model: run with checksum 000000000000"):
        load_model(other)
    with pytest.raises(ModelError, match="the base is an adapter"):
        adapt(adapter, folder / "data", folder / "x.safetensors")


def test_an_adapter_that_does_not_help_is_rolled_back(
    quick_run: dict[str, Any], easy: Path, tmp_path: Path, verb: Any
) -> None:
    small = ("--set", "steps=1", "--set", "size_px=64", "--set", "learning_rate=0.5", "--set", "warm_up=0")
    small = (*small, "--set", "rehearsal=0.0", "--set", "ema=0.0")
    out = tmp_path / "worse.safetensors"
    told = verb("adapt", "--base", quick_run["model"], "--data", easy, "-o", out, *small)
    assert not told["kept"]
    assert told["adapter"] is None
    assert not out.exists()


def test_bad_input_is_one_line(easy: Path, tmp_path: Path, verb: Any) -> None:
    for arguments, message in (
        (("train", "--data", tmp_path / "none", "-o", tmp_path / "r"), "there is no such dataset"),
        (("train", "--preset", "fast", "--data", easy, "-o", tmp_path / "r"), "no such preset"),
        (("evaluate", "--model", "nobody", "--data", easy), "no model is called 'nobody'"),
        (("adapt", "-o", tmp_path / "a.safetensors"), "no dataset is given"),
        (("adapt", "-o", tmp_path / "a.safetensors", "--roll-back"), "no adapter to roll back"),
        (("dataset", "split", easy, "--shares", "1,2"), "not three numbers"),
        (("dataset", "import-labelme", tmp_path, "-o", tmp_path / "d"), "no LabelMe annotations"),
    ):
        error = verb(*arguments, code=2)["error"]
        assert message in error
        assert len(error.splitlines()) == 1, error


def test_two_processes_train_together(easy: Path, tmp_path: Path, verb: Any) -> None:
    told = verb("train", "--preset", "quick", "--data", easy, "-o", tmp_path / "run", *SMALL, ranks=2)
    assert told["finished"]
    assert load_model(told["model"]).card.architecture == "res_unet_lite"


def test_another_run_or_an_encoder_can_be_the_start(tmp_path: Path) -> None:
    from segmentation_core.checksum import file_sha256
    from segmentation_core.models import build

    train(TINY, (), Ingredients(), tmp_path / "first")
    state = tmp_path / "first" / "state.safetensors"
    recipe = Recipe(**{**vars(TINY), "start_sha256": file_sha256(state)})
    run = RunState(recipe)
    run.start_from(state)
    average = {k.removeprefix("average."): v for k, v in load_file(state).items() if k.startswith("average.")}
    assert all(torch.equal(v, average[k]) for k, v in run.network.state_dict().items())
    network = build("res_unet")
    donor = {k: torch.full_like(v, 2) for k, v in network.state_dict().items()}
    path = tmp_path / "resnet.safetensors"
    stages = encoder_weights(network, donor, path)
    assert all(k.startswith(("conv1.", "bn1.", "layer1.", "layer2.", "layer3.")) for k in stages)
    assert "layer3.5.conv3.weight" in stages
    with pytest.raises(ParameterError, match="do not fit the encoder"):
        encoder_weights(build("res_unet_lite"), donor, path)


def test_a_model_can_be_the_start_by_name(easy: Path, tmp_path: Path, verb: Any) -> None:
    """Steps at a learning rate of nothing leave the shipped weights, whose checksum the card tells."""
    unmoved = (*SMALL, "--set", "learning_rate=1e-12")
    run = tmp_path / "run"
    told = verb("train", "--preset", "quick", "--data", easy, "-o", run, *unmoved, "--start", "res_unet_lite")
    shipped, learnt = load_model("res_unet_lite"), load_model(told["model"])
    assert learnt.card.about["training"]["recipe"]["start_sha256"] == shipped.sha256
    for key, value in shipped.network.named_parameters():
        assert torch.allclose(learnt.network.get_parameter(key), value, atol=1e-3), key


def test_training_needs_none_of_the_engines_heavy_packages(tmp_path: Path) -> None:
    code = f"""
import sys
banned = {{"rasterio", "pyogrio", "geopandas", "shapely", "pyproj", "affine"}}
banned |= {{"typer", "rich", "matplotlib", "psutil"}}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in banned:
            raise ImportError(name + " is not to be imported here")
sys.meta_path.insert(0, Refuse())
from training.__main__ import main
out = {str(tmp_path)!r}
assert main(["dataset", "synth", "-n", "6", "--seed", "1", "--size", "64", "-o", out + "/d"]) == 0
assert main(["dataset", "split", out + "/d"]) == 0
assert main(["dataset", "pack", out + "/d", "-o", out + "/d.zip"]) == 0
small = {list(SMALL)!r}
assert main(["train", "--preset", "quick", "--data", out + "/d.zip", "-o", out + "/r", *small]) == 0
assert main(["evaluate", "--model", out + "/r/model.safetensors", "--data", out + "/d.zip"]) == 0
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_engine_does_not_load_training_but_its_command_line_finds_the_verbs() -> None:
    code = "import sys, segmentation_core.cli; sys.exit('training' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    from segmentation_core.commands import find_command, installed_commands

    points = installed_commands()
    assert {"train", "adapt", "evaluate", "benchmark", "dataset"} <= points.keys()
    assert all(find_command(point).name == name for name, point in points.items())
