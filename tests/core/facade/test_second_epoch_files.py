"""The second survey's files: one seed, one set; taken as they are while they are whole."""

from __future__ import annotations

import json
import shutil

import pytest

from segmentation_core.errors import Interrupted, ParameterError
from segmentation_core.facade.mapping import EpochMapping
from segmentation_core.facade.second_epoch import generate_second_epoch

SEED = 1


def test_one_seed_gives_one_second_survey(second_epoch, tmp_path, tiny_size):
    again = generate_second_epoch(tmp_path, seed=SEED, size_px=tiny_size)
    assert again.changes == second_epoch.changes
    assert again.mapping == second_epoch.mapping
    for name in ("orthophoto", "truth_raster", "change_shapes", "change_record"):
        assert getattr(again, name).read_bytes() == getattr(second_epoch, name).read_bytes(), name


def generates(folder, size, seed=SEED):
    def stop(stage, done, total, unit=""):
        raise Interrupted("stopped")

    try:
        generate_second_epoch(folder, seed=seed, size_px=size, progress=stop)
    except Interrupted:
        return True
    return False


def test_a_whole_one_is_taken_as_it_is(second_epoch, tmp_path, tiny_size):
    copy = tmp_path / "copy"
    shutil.copytree(second_epoch.orthophoto.parent, copy)
    assert not generates(copy, tiny_size)
    assert generate_second_epoch(copy, seed=SEED, size_px=tiny_size).changes == second_epoch.changes
    with (copy / "changes.gpkg").open("ab") as stream:
        stream.write(b"\0")
    assert generates(copy, tiny_size)
    assert not (copy / "changes.json").exists()


def test_the_record_holds_the_mapping_and_the_figures(second_epoch):
    record = json.loads(second_epoch.change_record.read_text(encoding="utf-8"))
    assert EpochMapping.from_dict(record["mapping"]) == second_epoch.mapping
    assert [e["new_crack_m"] for e in record["elements"]] == [c.new_crack_m for c in second_epoch.changes]


def test_impossible_requests_are_named(tmp_path):
    with pytest.raises(ParameterError, match="300 x 200"):
        generate_second_epoch(tmp_path, size_px=(300, 200))


def test_an_unchanged_facade_is_photographed_again(second_epoch, tiny_facade, tmp_path, tiny_size):
    """Only the photograph differs: no change in the truth, and as much damage as before."""
    still = generate_second_epoch(tmp_path, seed=SEED, size_px=tiny_size, ages=False)
    assert still.mapping == second_epoch.mapping
    assert still.orthophoto.read_bytes() != tiny_facade.orthophoto.read_bytes()
    for told in still.changes:
        assert (told.new_crack_m, told.extended_tip_m, told.widened_m, told.swallowed_m) == (0, 0, 0, 0)
        assert (told.loss_gain_m2, told.retouched_m2) == (0, 0)
        assert told.crack_m_after == pytest.approx(told.crack_m_before)
        assert told.loss_m2_after == pytest.approx(told.loss_m2_before)
    assert generates(tmp_path, tiny_size), "an aged one is another"
