import numpy as np
import pytest
from PIL import Image

from segmentation_core.errors import Interrupted, ParameterError, RasterError
from segmentation_core.operations.predict import predict
from segmentation_core.operations.segment import segment
from segmentation_core.raster.opening import open_raster
from segmentation_core.vocabulary import load_vocabulary


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "labels"


def save(array, path, orientation=None):
    image = Image.fromarray(array.transpose(1, 2, 0))
    exif = image.getexif()
    if orientation is not None:
        exif[274] = orientation
    image.save(path, exif=exif)


def labels_of(path):
    return np.asarray(Image.open(path))


def test_labels_have_the_stem_and_size_of_their_photo(photos, out, painting, checkpoint):
    save(painting(70, 90), photos / "a.jpg")
    save(painting(50, 40, seed=1), photos / "b.PNG")
    save(painting(64, 64, seed=2), photos / "c.tif")
    (photos / "notes.txt").write_text("not a photo")
    found = predict(photos, out, model=checkpoint, device="cpu")
    assert sorted(p.name for p in out.iterdir()) == ["a.png", "b.png", "c.png"]
    assert labels_of(out / "a.png").shape == (70, 90)
    assert labels_of(out / "b.png").shape == (50, 40)
    values = {0} | {c.value for c in load_vocabulary().classes}
    for entry in found["images"]:
        labels = labels_of(entry["label"])
        assert labels.dtype == np.uint8
        assert set(np.unique(labels)) <= values
        for defect in load_vocabulary().classes:
            assert entry["pixels"][defect.code] == (labels == defect.value).sum()
    assert found["run"]["model"]["name"] == "test_net"


def test_is_the_engine_of_segment(photos, out, painting, checkpoint, tmp_path):
    save(painting(90, 120), photos / "a.png")
    predict(photos, out, model=checkpoint, device="cpu")
    result = segment(photos / "a.png", tmp_path / "seg", model=checkpoint, device="cpu", gsd_mm=1.0)
    with open_raster(result.classes) as dataset:
        expected = dataset.read(1)
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(labels_of(out / "a.png"), expected)


def test_exif_orientation_is_applied(photos, out, painting, checkpoint):
    upright = painting(64, 96)
    save(upright, photos / "upright.png")
    save(np.rot90(upright, axes=(1, 2)), photos / "turned.png", orientation=6)
    predict(photos, out, model=checkpoint, device="cpu")
    upright_labels = labels_of(out / "upright.png")
    assert upright_labels.shape == (64, 96)
    np.testing.assert_array_equal(labels_of(out / "turned.png"), upright_labels)


def test_grey_16_bit_and_palette_photos(photos, out, painting, checkpoint):
    grey = painting(40, 50)[0]
    Image.fromarray(grey).save(photos / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(photos / "deep.png")
    Image.fromarray(grey).convert("P").save(photos / "palette.png")
    predict(photos, out, model=checkpoint, device="cpu")
    np.testing.assert_array_equal(labels_of(out / "grey.png"), labels_of(out / "deep.png"))
    np.testing.assert_array_equal(labels_of(out / "grey.png"), labels_of(out / "palette.png"))


def test_two_photos_of_one_stem(photos, out, painting, checkpoint):
    save(painting(32, 32), photos / "a.jpg")
    save(painting(32, 32), photos / "a.png")
    with pytest.raises(ParameterError, match=r"a\.jpg and a\.png"):
        predict(photos, out, model=checkpoint, device="cpu")
    assert not out.exists()


@pytest.mark.parametrize("damage", ["not a photo", "cut short"])
def test_a_photo_that_cannot_be_read_is_named_and_nothing_is_written(
    photos, out, painting, checkpoint, damage
):
    save(painting(200, 200), photos / "a.png")
    save(painting(200, 200), photos / "b.png")
    stored = (photos / "b.png").read_bytes()
    (photos / "b.png").write_bytes(b"a letter" if damage == "not a photo" else stored[: len(stored) // 2])
    with pytest.raises(RasterError, match=r"cannot be read: .*b\.png"):
        predict(photos, out, model=checkpoint, device="cpu")
    assert not out.exists()


def test_an_interrupted_run_leaves_what_was_there(photos, out, painting, checkpoint):
    save(painting(32, 32), photos / "a.png")
    save(painting(32, 32), photos / "b.png")
    out.mkdir()
    (out / "a.png").write_bytes(b"older")

    def stop(stage, done, *_):
        if stage == "predict" and done == 1:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        predict(photos, out, model=checkpoint, device="cpu", progress=stop)
    assert [p.name for p in out.iterdir()] == ["a.png"]
    assert (out / "a.png").read_bytes() == b"older"


def test_folders_that_cannot_be(photos, out, tmp_path, painting, checkpoint):
    with pytest.raises(ParameterError, match="no such folder"):
        predict(tmp_path / "nowhere", out, model=checkpoint)
    with pytest.raises(ParameterError, match="holds no"):
        predict(photos, out, model=checkpoint)
    save(painting(32, 32), photos / "a.png")
    with pytest.raises(ParameterError, match="among the photos"):
        predict(photos, photos, model=checkpoint)


def test_values_that_are_no_photo(photos, out, checkpoint):
    Image.fromarray(np.zeros((8, 8), dtype=np.float32)).save(photos / "heights.tif")
    with pytest.raises(RasterError, match=r"neither 8 nor 16 bit: .*heights\.tif"):
        predict(photos, out, model=checkpoint, device="cpu")
