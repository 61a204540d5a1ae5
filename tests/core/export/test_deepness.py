"""A model for Deepness: its metadata as Deepness reads them, its numbers as torch gives them."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pytest
import torch

from segmentation_core.errors import ModelError, ParameterError
from segmentation_core.export.deepness import LARGEST_DIFFERENCE
from segmentation_core.models.store import load_model
from segmentation_core.operations.export_model import export_model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("deepness") / "lite.onnx"
    return path, export_model("res_unet_lite", "deepness", path, gsd_mm=0.2, tile_px=64)


def test_metadata_as_deepness_reads_them(exported):
    path, result = exported
    assert result["max_difference"] <= LARGEST_DIFFERENCE
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    stored = session.get_modelmeta().custom_metadata_map
    read = {key: json.loads(value) for key, value in stored.items()}
    assert read["model_type"] == "Segmentor"
    names = sorted(read["class_names"].items(), key=lambda item: int(item[0]))
    assert [int(key) for key, _ in names] == [0, 1, 2]
    assert read["resolution"] == pytest.approx(0.02)  # cm per pixel
    assert read["tile_size"] == 64
    assert read["seg_small_segment"] == 1
    assert (read["standardization_mean"], read["standardization_std"]) == ([0, 0, 0], [1, 1, 1])
    assert session.get_inputs()[0].shape == [1, 3, 64, 64]
    assert session.get_outputs()[0].shape == [1, 3, 64, 64]


def test_probabilities_equal_torch(exported):
    path, _ = exported
    picture = np.random.default_rng(5).random((1, 3, 64, 64), dtype=np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: picture})
    model = load_model("res_unet_lite")
    with torch.inference_mode():
        # the whole way, from bytes: what Deepness divides by 255 we normalise ourselves
        logits = model.network(model.card.normalise(torch.from_numpy(picture) * 255))
        expected = torch.softmax(logits / model.card.temperature, dim=1).numpy()
    assert np.abs(found - expected).max() <= LARGEST_DIFFERENCE
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_what_is_refused(exported, tmp_path):
    path, _ = exported
    with pytest.raises(ParameterError, match=r"exists already.*--overwrite"):
        export_model("res_unet_lite", "deepness", path)
    with pytest.raises(ParameterError, match="unknown format 'tflite'"):
        export_model("res_unet_lite", "tflite", tmp_path / "m.tflite")
    with pytest.raises(ModelError, match="no model is called 'nobody'"):
        export_model("nobody", "deepness", tmp_path / "m.onnx")
    with pytest.raises(ParameterError, match="tile of 100 px"):
        export_model("res_unet_lite", "deepness", tmp_path / "m.onnx", tile_px=100)
    with pytest.raises(ParameterError, match="GSD"):
        export_model("res_unet_lite", "deepness", tmp_path / "m.onnx", gsd_mm=0)
    assert list(tmp_path.iterdir()) == []
