"""The demo as a whole, and the engine's accuracy on a facade whose truth is known."""

from __future__ import annotations

import csv
import shutil

import pytest
import rasterio
import torch
from PIL import Image

from segmentation_core.facade.generate import ID_FIELD
from segmentation_core.models import build, save_checkpoint
from segmentation_core.operations.demo import COMPARED, DEMO_DATE, compared, demo, report
from segmentation_core.operations.hand_over import CONTENTS
from segmentation_core.operations.survey import survey
from segmentation_core.vocabulary import load_vocabulary


@pytest.fixture
def untrained_model(tmp_path):
    """A lite network with fresh weights: its answers are arbitrary, the path is the real one."""
    torch.manual_seed(1)
    network = build("res_unet_lite").eval()
    codes = load_vocabulary().codes
    classes = [{"name": name, "value": value} for value, name in enumerate(("background", *codes))]
    path = tmp_path / "untrained.safetensors"
    card = {
        "mlm:name": "untrained",
        "mlm:architecture": "res_unet_lite",
        "mlm:input": [{"statistics": {"mean": [0.485, 0.456, 0.406], "stddev": [0.229, 0.224, 0.225]}}],
        "mlm:output": [{"classification:classes": classes}],
        "crack_width_px": [1, 6],
        "thresholds": {codes[0]: 0.6, codes[1]: 0.6},
        "temperature": 1.0,
    }
    save_checkpoint(path, network, card)
    return path


@pytest.fixture(scope="module")
def perfect(small_facade, tmp_path_factory):
    """The report of a survey whose class raster is the truth."""
    out = tmp_path_factory.mktemp("perfect")
    result = survey(
        small_facade.orthophoto,
        out / "book.gpkg",
        DEMO_DATE,
        elements=small_facade.elements,
        id_field=ID_FIELD,
        classes=small_facade.truth_raster,
    )
    return out, report(out, small_facade, small_facade.truth_raster, result)


def test_with_perfect_classes_the_engine_measures_what_is_true(perfect):
    _, told = perfect
    assert set(told["scores"].values()) == {1.0}
    for row in told["elements"]:
        assert row["found_assessed_m2"] == pytest.approx(row["true_assessed_m2"], rel=1e-9)
        assert row["found_crack_area_m2"] == pytest.approx(row["true_crack_area_m2"], rel=0.01)
        # Losses below the minimum mapping unit are left out.
        assert row["found_loss_m2"] == pytest.approx(row["true_loss_m2"], rel=0.02)
        assert row["found_crack_m"] == pytest.approx(row["true_crack_m"], rel=0.05)


def test_the_table_is_the_report(perfect):
    out, told = perfect
    with (out / "found_against_true.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["elem_id"] for row in rows] == [row["elem_id"] for row in told["elements"]]
    for written, row in zip(rows, told["elements"], strict=True):
        for column in COMPARED:
            assert float(written[f"found_{column}"]) == pytest.approx(row[f"found_{column}"])
            assert float(written[f"true_{column}"]) == pytest.approx(row[f"true_{column}"])


def test_a_beam_that_the_survey_lacks_is_none_not_zero(small_facade):
    rows = compared([{"elem_id": "B2", "loss_m2": 0.5}], small_facade)
    assert [row["found_loss_m2"] for row in rows] == [None, 0.5, None]
    assert all(row["true_loss_m2"] > 0 for row in rows)


def test_the_demo_goes_from_a_facade_to_a_picture(tmp_path, tiny_facade, tiny_size, untrained_model):
    out = tmp_path / "demo"
    shutil.copytree(tiny_facade.orthophoto.parent, out / "facade")
    written = (out / "facade" / "facade.tif").stat().st_mtime_ns
    stages = []

    def note(stage, done, total, unit=""):
        stages.append(stage)

    told = demo(out, seed=1, size=tiny_size, model=untrained_model, device="cpu", progress=note)
    assert (out / "facade" / "facade.tif").stat().st_mtime_ns == written
    assert stages
    assert [row["elem_id"] for row in told["elements"]] == ["B1", "B2", "B3"]
    for row, beam in zip(told["elements"], tiny_facade.beams, strict=True):
        assert row["true_crack_m"] == beam.crack_m
        assert row["found_assessed_m2"] == pytest.approx(row["true_assessed_m2"], rel=1e-9)
    assert 0 <= told["scores"]["paint_loss_iou"] <= 1
    assert [row["elem_id"] for row in told["changes"]["true"]] == ["B1", "B2", "B3"]
    for row in told["changes"]["true"]:
        assert row["true_gain_m2"] > 0
        assert row["found_gain_m2"] >= 0
        assert row["true_growth_m"] == row["true_new_m"] + row["true_extended_m"]
        assert row["found_growth_m"] is None or row["found_growth_m"] > 0
    with rasterio.open(told["paths"]["classes"]) as classes:
        assert (classes.width, classes.height) == tiny_size
    with Image.open(told["paths"]["overview"]) as image:
        assert image.width == 2400
    written = {name for name, _, _ in CONTENTS}
    assert written - {p.name for p in (out / "hand-over").iterdir()} <= {
        "sheets-zh.pdf"
    }  # where no font has it
    assert list((out / "hand-over" / "shapefiles").glob("*.shp"))
