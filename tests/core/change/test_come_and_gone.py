"""Whether a crack has come: what the shipped network makes of a line in the difference and of the surveys."""

from __future__ import annotations

import json
from importlib.resources import as_file, files

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.torch import save_file

from segmentation_core.change.change_network import (
    CHANNELS,
    REACH_PX,
    ChangeNetwork,
    change_network,
    evidence,
    exchanged,
    read_change_network,
)
from segmentation_core.change.come_and_gone import come_and_gone
from segmentation_core.checksum import file_sha256
from segmentation_core.errors import ModelError

SIDE = 96
ROW = np.s_[48, 20:76]


def scene(depth=0.0, earlier=0.0, later=0.0, *, edge=0.0, lost=(0.0, 0.0)):
    """Noise of one unit with a line of some depth on smooth paint, and what the surveys say along it."""
    significance = np.random.default_rng(2).normal(size=(SIDE, SIDE)).astype(np.float32)
    significance[47:49, 16:80] -= depth
    significance[48:] -= edge
    cracks = [np.full((SIDE, SIDE), 0.012, dtype=np.float32) for _ in range(2)]
    for band, told in zip(cracks, (earlier, later), strict=True):
        band[47:49, 16:80] = told
    smooth = np.full((SIDE, SIDE), 8, dtype=np.float32)
    losses = [np.full((SIDE, SIDE), told, dtype=np.float32) for told in lost]
    valid = np.ones((SIDE, SIDE), dtype=bool)
    return evidence(significance, (smooth, smooth), tuple(cracks), tuple(losses), valid), tuple(cracks)


def median_along(told):
    return float(np.median(told[ROW]))


def test_a_line_that_the_later_survey_half_believes_in_has_come():
    come, gone = come_and_gone(*scene(depth=5, earlier=0.01, later=0.3))
    assert median_along(come) > 0.8
    assert median_along(gone) < 0.05
    assert come[12:36].max() < 0.1, "nothing is there"


def test_without_a_line_nothing_has_come_however_sure_the_surveys_are():
    come, _ = come_and_gone(*scene(depth=0, earlier=0.9, later=0.95))
    assert median_along(come) < 0.1


def test_the_side_of_an_edge_is_no_line():
    assert median_along(come_and_gone(*scene(later=0.02, edge=5))[0]) < 0.2


def test_what_the_earlier_survey_saw_needs_more_of_a_line():
    less, more = (median_along(come_and_gone(*scene(2.5, before, 0.5))[0]) for before in (0.6, 0.01))
    assert less < more


def test_nothing_comes_where_not_both_pictures_are_valid():
    shape = (SIDE, SIDE)
    loud = np.random.default_rng(3).normal(0, 4, shape).astype(np.float32)
    ones = np.ones(shape, dtype=np.float32)
    told = evidence(loud, (ones, ones), (ones, ones), (ones, ones), np.zeros(shape, dtype=bool))
    assert not told.any()
    come, gone = come_and_gone(told, (ones, ones))
    assert max(come.max(), gone.max()) < 0.1


@settings(max_examples=20, deadline=None)
@given(
    arrays.arrays(np.float32, (CHANNELS, 23, 26), elements=st.floats(-3, 3, width=32)),
    arrays.arrays(np.float32, (2, 23, 26), elements=st.floats(0, 1, width=32)),
)
def test_coming_is_going_backwards(seen, cracks):
    come, gone = come_and_gone(seen, (cracks[0], cracks[1]))
    back_come, back_gone = come_and_gone(exchanged(seen), (cracks[1], cracks[0]))
    assert come.shape == (23, 26)
    assert come == pytest.approx(back_gone, abs=1e-6)
    assert gone == pytest.approx(back_come, abs=1e-6)
    assert ((come >= 0) & (come <= 1)).all()


def test_what_no_survey_takes_for_a_crack_has_not_come():
    seen, (earlier, later) = scene(depth=8, later=0.3)
    assert come_and_gone(seen, (earlier, later))[0].max() > 0.8
    assert come_and_gone(seen, (earlier, np.zeros_like(later)))[0].max() == 0


def test_what_lies_beyond_its_reach_has_no_say():
    seen, cracks = scene(depth=3, later=0.2)
    other = seen.copy()
    other[:, :, 48 + REACH_PX :] = 3
    near, far = come_and_gone(seen, cracks)[0], come_and_gone(other, cracks)[0]
    assert (near[:, :48] == far[:, :48]).all()
    assert (near != far).any()


def test_weights_that_are_anothers_or_broken_are_refused(tmp_path):
    other = tmp_path / "other.safetensors"
    save_file({"joined.0.weight": torch.zeros(3, 3)}, other)
    with pytest.raises(ModelError, match="not the weights of the change network"):
        read_change_network(other)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="safetensors"):
        read_change_network(broken)
    whole = tmp_path / "whole.safetensors"
    network = ChangeNetwork()
    save_file(network.state_dict(), whole)
    assert not read_change_network(whole).training


def test_a_window_told_in_strips_is_told_as_a_whole():
    seen = np.random.default_rng(4).normal(size=(CHANNELS, 601, 40)).astype(np.float32)
    ones = np.ones((601, 40), dtype=np.float32)
    with torch.inference_mode():
        whole = change_network()(torch.from_numpy(seen)[None])[0].sigmoid().numpy()
    assert come_and_gone(seen, (ones, ones))[0] == pytest.approx(whole, abs=1e-6)


def test_the_card_is_that_of_the_weights():
    folder = files("segmentation_core.change")
    card = json.loads((folder / "change_network.json").read_text(encoding="utf-8"))
    with as_file(folder / "change_network.safetensors") as weights:
        assert file_sha256(weights) == card["sha256"]
