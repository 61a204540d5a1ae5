from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest

from segmentation_core.errors import DiskFullError, ModelError
from segmentation_core.models.store import add_model, default_name, list_models, load_model, remove_model


def test_add_load_and_remove(home: Path, checkpoint: Path) -> None:
    added = add_model(checkpoint)
    assert added.path.parent == home / "models"
    assert "little" in {m.name for m in list_models()}
    assert load_model("little").sha256 == added.card.weights_sha256
    remove_model("little")
    assert "little" not in {m.name for m in list_models()}
    assert list((home / "models").iterdir()) == []


def test_a_model_file_can_be_used_without_adding_it(home: Path, checkpoint: Path) -> None:
    assert load_model(checkpoint).path == checkpoint
    assert load_model(str(checkpoint)).name == "little"
    assert not home.exists()


def test_a_name_is_added_once(home: Path, checkpoint: Path) -> None:
    assert add_model(checkpoint).path.parent == home / "models"
    with pytest.raises(ModelError, match="is there already"):
        add_model(checkpoint)


@pytest.mark.parametrize("name", ["../../evil", "", ".hidden", "a/b", "x" * 65, "C:evil"])
def test_a_name_that_would_leave_the_store_is_refused(home: Path, checkpoint: Path, name: str) -> None:
    card = checkpoint.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), "mlm:name": name}))
    with pytest.raises(ModelError, match="cannot be a model's name"):
        add_model(checkpoint)
    assert not home.exists()


def test_unknown_names_are_refused_with_the_known_ones(home: Path) -> None:
    with pytest.raises(ModelError, match="res_unet_lite"):
        load_model("res_unet_gigantic")
    with pytest.raises(ModelError, match="no model is called"):
        remove_model("res_unet_gigantic")


def test_a_shipped_model_stays(home: Path) -> None:
    with pytest.raises(ModelError, match="ships with Craquelure"):
        remove_model("res_unet_lite")
    assert load_model("res_unet_lite").card.architecture == "res_unet_lite"


def test_the_default_is_res_unet_where_its_weights_are(
    home: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = checkpoint.with_suffix(".json")

    def rename(name: str) -> None:
        card.write_text(json.dumps({**json.loads(card.read_text()), "mlm:name": name}))

    shipped = checkpoint.parent.parent / "shipped"
    monkeypatch.setattr("segmentation_core.models.store._SHIPPED", shipped)
    rename("res_unet_lite")
    shutil.copytree(checkpoint.parent, shipped)
    for file in shipped.iterdir():
        file.rename(shipped / f"res_unet_lite{file.suffix}")
    assert default_name(list_models()) == load_model(None).name == "res_unet_lite"
    rename("res_unet")
    add_model(checkpoint)
    assert default_name(list_models()) == load_model(None).name == "res_unet"


def test_weights_in_parts_are_added_and_removed_whole(home: Path, in_parts: Path) -> None:
    before = len(list_models())
    added = add_model(in_parts)
    assert len(list_models()) == before + 1
    assert len(list((home / "models").glob("little*.safetensors"))) == added.card.weights_parts > 2
    assert load_model("little").sha256 == added.card.weights_sha256
    remove_model("little")
    assert list((home / "models").iterdir()) == []


def test_a_broken_model_is_in_nobodys_way_and_can_be_removed(home: Path, checkpoint: Path) -> None:
    broken = add_model(checkpoint).path
    broken.with_suffix(".json").unlink()
    assert load_model(None).name == "res_unet"
    with pytest.raises(ModelError, match=r"card is missing: .*little\.json"):
        list_models()
    assert remove_model("little") == broken
    assert "little" not in {m.name for m in list_models()}


def test_a_store_that_cannot_be_written_to(home: Path, checkpoint: Path) -> None:
    home.write_text("in the way")
    with pytest.raises(ModelError, match=r"cannot be copied .*CRAQUELURE_HOME"):
        add_model(checkpoint)


def test_a_disk_that_is_full(home: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(DiskFullError, match="full"):
        add_model(checkpoint)
    assert list((home / "models").iterdir()) == []
