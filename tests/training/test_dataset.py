from __future__ import annotations

import base64
import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from segmentation_core.errors import ParameterError
from training.dataset.folder import Picture, Record, add_pictures, open_dataset
from training.dataset.labelme import LabelmeSettings, labelme_pictures
from training.dataset.made import paper_dataset, synthetic_dataset
from training.dataset.masks import mask_pictures
from training.dataset.pack import pack_dataset
from training.dataset.rasterise import disc_mask, line_mask, polygon_mask
from training.dataset.slices import balanced, sliced
from training.dataset.split import SplitSettings, near_duplicates, split_dataset

CODES = ("craquelure", "paint_loss")


def picture_of(seed: int, side: int = 48) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (6, 6, 3)).astype(np.uint8))
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))


def make(folder: Path, groups: list[str], *, side: int = 48) -> Path:
    """A dataset of pictures that differ; the first row of each is craquelure."""
    label = np.zeros((side, side), np.uint8)
    label[0] = 1
    add_pictures(
        folder,
        (
            Picture(
                Record(f"p{i}", group.split("/")[0], "", group, CODES), picture_of(i, side), label, "test"
            )
            for i, group in enumerate(groups)
        ),
    )
    return folder


# Rasterising


@pytest.mark.parametrize(("width", "bar"), [(1, 0.12), (2, 0.08), (3, 0.05)])
def test_thin_polygons_keep_their_area(width: float, bar: float) -> None:
    """LabelMe's own rasteriser adds 64, 33 and 21 % (RECOGNITION, section 0)."""
    ratios = []
    for k in range(24):
        angle = np.pi * k / 24 + 0.03
        along, across = np.array((np.cos(angle), np.sin(angle))), np.array((-np.sin(angle), np.cos(angle)))
        middle, ends = np.array((60.3, 60.7)), (-40, 40)
        corners = [
            middle + along * e + across * s * width / 2 for e, s in ((-40, -1), (40, -1), (40, 1), (-40, 1))
        ]
        ratios.append(polygon_mask(np.array(corners), (120, 120)).sum() / (width * (ends[1] - ends[0])))
    assert abs(np.mean(ratios) - 1) < bar


@settings(max_examples=40)
@given(
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(1, 20),
    st.integers(1, 20),
    st.booleans(),
    st.integers(0, 3),
)
def test_a_rectangle_on_pixel_edges_is_exact(
    left: int, top: int, width: int, height: int, backwards: bool, first: int
) -> None:
    corners = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
    corners = corners[first:] + corners[:first]
    mask = polygon_mask(np.array(corners[:: -1 if backwards else 1], float), (40, 40))
    expected = np.zeros((40, 40), bool)
    expected[top : top + height, left : left + width] = True
    assert np.array_equal(mask, expected)


def test_lines_have_their_width_and_hairlines_stay() -> None:
    points = np.array([(5.5, 20.5), (50.5, 20.5)])
    assert line_mask(points, 5.0, (40, 60))[:, 30].sum() == 5
    assert line_mask(points, 0.1, (40, 60))[:, 30].sum() == 1
    assert disc_mask(np.array((20.0, 20.0)), 8, (40, 40)).sum() == pytest.approx(np.pi * 64, rel=0.04)
    assert not line_mask(points + 200, 5.0, (40, 60)).any()


# LabelMe


def annotate(
    folder: Path, name: str, shapes: list[dict], *, size: tuple[int, int] = (60, 40), **more: object
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if more.pop("picture", True):
        Image.new("RGB", size, (120, 90, 60)).save(folder / f"{name}.png")
    data = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": f"{name}.png", "imageData": None}
    data |= {"imageWidth": size[0], "imageHeight": size[1], **more}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def shape(label: str, points: list, kind: str | None = "polygon", **more: object) -> dict:
    told = {"label": label, "points": points, **more}
    return told if kind is None else {**told, "shape_type": kind}


def imported(folder: Path, **options: object) -> np.ndarray:
    (picture,) = labelme_pictures(folder, LabelmeSettings(**options))
    return picture.label


SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30]]


def stored_mask() -> str:
    held = io.BytesIO()
    Image.fromarray(np.full((5, 8), 255, np.uint8)).save(held, "PNG")
    return base64.b64encode(held.getvalue()).decode()


@pytest.mark.parametrize(
    ("drawn", "area"),
    [
        (shape("paint_loss", SQUARE), 400),
        (shape("paint_loss", SQUARE, None), 400),
        (shape("Paint loss", [[30, 30], [10, 10]], "rectangle"), 400),
        (shape("颜料剥落", SQUARE, "oriented_rectangle"), 400),
        (shape("paint_loss", [[20, 20], [28, 20]], "circle"), 201),
        (shape("craquelure", [[10.5, 5.5], [50.5, 5.5]], "line"), 43 * 3),
        (shape("craquelure", [[10.5, 5.5], [50.5, 5.5], [50.5, 25.5]], "linestrip"), 63 * 3),
        (shape("craquelure", [[20.5, 20.5]], "point"), 5),
        (shape("paint_loss", [[10, 10], [17, 14]], "mask", mask=stored_mask()), 40),
    ],
)
def test_every_kind_of_shape(tmp_path: Path, drawn: dict, area: int) -> None:
    annotate(tmp_path, "a", [drawn])
    label = imported(tmp_path, gsd_mm=0.1, line_width_mm=0.3)
    assert (label > 0).sum() == pytest.approx(area, abs=8)


def test_a_line_states_its_own_width(tmp_path: Path) -> None:
    annotate(
        tmp_path, "a", [shape("craquelure", [[10.5, 20.5], [50.5, 20.5]], "line", description="width_mm=0.7")]
    )
    assert (imported(tmp_path, gsd_mm=0.1)[:, 30] == 1).sum() == 7


def test_later_shapes_cut_holes_and_paint_loss_keeps_over_craquelure(tmp_path: Path) -> None:
    crack = shape("craquelure", [[0.5, 20.5], [59.5, 20.5]], "line")
    hole = shape("background", [[15, 15], [25, 15], [25, 25], [15, 25]])
    annotate(tmp_path, "a", [shape("paint_loss", SQUARE), hole, crack])
    label = imported(tmp_path, gsd_mm=0.1)
    assert label[12, 12] == 2
    assert label[17, 20] == 0
    assert label[20, 12] == 2
    assert label[20, 20] == 1
    assert label[20, 50] == 1


def test_windows_paths_embedded_pictures_and_names_of_ones_own(tmp_path: Path) -> None:
    annotate(tmp_path / "a", "x", [shape("Riss", SQUARE)], imagePath="C:\\beams\\B3\\x.png")
    assert (imported(tmp_path / "a", names={"Riss": "craquelure"}) == 1).sum() == 400
    held = io.BytesIO()
    Image.new("RGB", (60, 40)).save(held, "PNG")
    inside = base64.b64encode(held.getvalue()).decode()
    annotate(tmp_path / "b", "x", [shape("ignore", SQUARE)], picture=False, imageData=inside)
    assert (imported(tmp_path / "b") == 255).sum() == 400


def test_exif_orientation_is_applied_as_labelme_does(tmp_path: Path) -> None:
    lying = Image.fromarray(np.dstack([np.tile(np.arange(60, dtype=np.uint8), (40, 1))] * 3))
    exif = Image.Exif()
    exif[274] = 6
    lying.save(tmp_path / "a.jpg", exif=exif, quality=95)
    path = annotate(tmp_path, "a", [shape("paint_loss", [[0, 0], [40, 0], [40, 10], [0, 10]])], picture=False)
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "imagePath": "a.jpg", "imageWidth": 40, "imageHeight": 60}))
    (picture,) = labelme_pictures(tmp_path, LabelmeSettings())
    assert picture.label.shape == picture.image.shape[:2] == (60, 40)
    assert (picture.label[:10] == 2).all()
    assert picture.stored is None


def test_folders_give_site_and_element_and_group(tmp_path: Path) -> None:
    annotate(tmp_path / "in" / "pavilion" / "B3", "w1", [shape("paint_loss", SQUARE)])
    (picture,) = labelme_pictures(tmp_path / "in", LabelmeSettings())
    record = picture.record
    assert (record.name, record.site, record.element, record.group) == (
        "pavilion_B3_w1",
        "pavilion",
        "B3",
        "pavilion/B3",
    )


@pytest.mark.parametrize(
    ("shapes", "more", "message"),
    [
        ([shape("crak", SQUARE)], {}, "'crak' is unknown.*craquelure.*--map"),
        ([shape("paint_loss", SQUARE[:2])], {}, "shape 1.*2 points and needs 3"),
        ([shape("paint_loss", SQUARE, "spline")], {}, "spline.*Known kinds"),
        ([shape("craquelure", [[1, 1], [9, 9]], "line")], {}, "--gsd"),
        ([], {"imageWidth": 61}, "picture of 61 x 40 px, the picture has 60 x 40"),
        ([], {"picture": False}, "a.png is not there"),
        ([shape("paint_loss", [["a", "b"]] * 3)], {}, "no usable points"),
    ],
)
def test_annotations_that_cannot_be_used(tmp_path: Path, shapes: list, more: dict, message: str) -> None:
    annotate(tmp_path, "a", shapes, **more)
    with pytest.raises(ParameterError, match=message):
        imported(tmp_path)


def test_a_folder_without_annotations_and_broken_json(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no LabelMe annotations"):
        imported(tmp_path)
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ParameterError, match=r"not valid JSON.*a\.json"):
        imported(tmp_path)
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ParameterError, match="no list of shapes"):
        imported(tmp_path)


# Masks


def paired(folder: Path, value: int = 1, *, size: tuple[int, int] = (30, 20)) -> tuple[Path, Path]:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    Image.new("RGB", (30, 20)).save(folder / "images" / "a.jpg")
    Image.new("L", size, value).save(folder / "masks" / "a.png")
    return folder / "images", folder / "masks"


def test_masks_of_values_and_black_and_white_ones(tmp_path: Path) -> None:
    (one,) = mask_pictures(*paired(tmp_path / "a"))
    assert (one.label == 1).all()
    (two,) = mask_pictures(*paired(tmp_path / "b", 253), white_is="craquelure", annotated=("craquelure",))
    assert (two.label == 1).all()
    assert two.record.annotated == ("craquelure",)


def test_masks_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"values nobody knows: 7.*Known values are 0, 1, 2, 255"):
        list(mask_pictures(*paired(tmp_path / "a", 7)))
    with pytest.raises(ParameterError, match=r"differ in size \(30 x 20 and 31 x 20 px\)"):
        list(mask_pictures(*paired(tmp_path / "b", size=(31, 20))))
    images, masks = paired(tmp_path / "c")
    Image.new("RGB", (30, 20)).save(images / "lone.png")
    with pytest.raises(ParameterError, match=r"1 pictures have no mask, such as lone\.png"):
        list(mask_pictures(images, masks))
    (images / "lone.png").rename(masks / "lone.png")
    with pytest.raises(ParameterError, match="1 masks have no picture"):
        list(mask_pictures(images, masks))
    with pytest.raises(ParameterError, match="no class is called 'rust'"):
        list(mask_pictures(*paired(tmp_path / "d"), white_is="rust"))
    (tmp_path / "d" / "masks" / "a.png").write_bytes(b"no picture")
    with pytest.raises(ParameterError, match="cannot be read"):
        list(mask_pictures(tmp_path / "d" / "images", tmp_path / "d" / "masks"))


# Split


def test_no_picture_and_no_group_crosses_the_split(tmp_path: Path) -> None:
    groups = [f"site{i % 3}/beam{i % 7}" for i in range(28)]
    data = make(tmp_path / "d", groups)
    split_dataset(data, SplitSettings())
    dataset = open_dataset(data)
    where: dict[str, set[str]] = {}
    for record in dataset.records:
        where.setdefault(record.group, set()).add(record.split)
    assert all(len(splits) == 1 for splits in where.values())
    parts = {s: {r.name for r in dataset.part(s)} for s in ("train", "validation", "test")}
    assert sum(map(len, parts.values())) == 28
    assert not parts["train"] & (parts["validation"] | parts["test"])
    windows = {s: sliced(dataset.tiles(s), 32, 16) for s in parts}
    for split, cut in windows.items():
        assert {w.name.split("@")[0] for w in cut} == parts[split]


def test_by_site_keeps_whole_sites_together(tmp_path: Path) -> None:
    data = make(tmp_path / "d", [f"site{i % 4}/beam{i}" for i in range(12)])
    split_dataset(data, SplitSettings(by="site"))
    with (data / "split.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == ["image", "site", "element", "group", "split"]
    assert len({(row["site"], row["split"]) for row in rows}) == 4


def test_named_groups_go_where_they_are_told(tmp_path: Path) -> None:
    data = make(tmp_path / "d", ["a", "a", "b", "c"])
    split_dataset(data, SplitSettings(validation=("b",), test=("c",)))
    assert {r.group: r.split for r in open_dataset(data).records} == {
        "a": "train",
        "b": "validation",
        "c": "test",
    }
    with pytest.raises(ParameterError, match=r"no group is called 'z'.*a, b, c"):
        split_dataset(data, SplitSettings(validation=("z",)))
    with pytest.raises(ParameterError, match="'b' cannot be in two splits"):
        split_dataset(data, SplitSettings(validation=("b",), test=("b",)))


def test_too_few_groups_are_refused(tmp_path: Path) -> None:
    data = make(tmp_path / "d", ["a", "a", "b"])
    with pytest.raises(ParameterError, match=r"2 groups cannot be shared out.*--by image"):
        split_dataset(data, SplitSettings())
    assert split_dataset(data, SplitSettings(by="image"))["pictures"] == {
        "train": 1,
        "validation": 1,
        "test": 1,
    }


def test_near_duplicates_are_found_turned_and_mirrored_and_join_their_groups(tmp_path: Path) -> None:
    one, other = picture_of(1, 96), picture_of(2, 96)
    lighter = np.clip(one.astype(int) + 12, 0, 255).astype(np.uint8)
    images = [("one", one), ("twin", np.rot90(lighter)[:, ::-1]), ("other", other)]
    assert near_duplicates(images) == [("one", "twin")]
    label = np.zeros((96, 96), np.uint8)
    add_pictures(
        tmp_path,
        (Picture(Record(n, "", "", n, CODES), np.ascontiguousarray(i), label, "") for n, i in images),
    )
    told = split_dataset(tmp_path, SplitSettings(shares=(0.5, 0.5, 0.0)))
    assert told["near_duplicates"] == [["one", "twin"]]
    splits = {r.name: r.split for r in open_dataset(tmp_path).records}
    assert splits["one"] == splits["twin"] != splits["other"]


# Datasets that cannot be used


def test_datasets_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no dataset here"):
        open_dataset(tmp_path)
    data = make(tmp_path / "d", ["a", "b", "c"])
    with pytest.raises(ParameterError, match=r"not split yet.*dataset split"):
        open_dataset(data).part("train")
    split_dataset(data, SplitSettings(shares=(0.5, 0.5, 0.0)))
    with pytest.raises(ParameterError, match="split 'test' is empty"):
        open_dataset(data).part("test")
    with pytest.raises(ParameterError, match="no split is called 'exam'"):
        open_dataset(data).part("exam")
    (data / "labels" / "p1.png").rename(tmp_path / "kept.png")
    with pytest.raises(ParameterError, match="picture but no label, such as p1"):
        open_dataset(data)
    Image.new("L", (5, 5)).save(data / "labels" / "p1.png")
    record = next(r for r in open_dataset(data).records if r.name == "p1")
    with pytest.raises(ParameterError, match="p1 differ in size"):
        open_dataset(data).tile(record)
    Image.new("L", (48, 48), 9).save(data / "labels" / "p1.png")
    with pytest.raises(ParameterError, match="values nobody knows: 9"):
        open_dataset(data).tile(record)


def test_a_group_in_two_splits_is_refused(tmp_path: Path) -> None:
    data = make(tmp_path / "d", ["a", "a", "b"])
    (data / "split.csv").write_text("image,split\np0,train\np1,test\np2,train\n")
    with pytest.raises(ParameterError, match="group 'a' is in two splits"):
        open_dataset(data)


def test_a_new_import_replaces_a_picture_and_takes_the_old_split_away(tmp_path: Path) -> None:
    data = make(tmp_path / "d", ["a", "b", "c"])
    split_dataset(data, SplitSettings())
    make(data, ["z"])
    dataset = open_dataset(data)
    assert [r.group for r in dataset.records] == ["z", "b", "c"]
    with pytest.raises(ParameterError, match="not split yet"):
        dataset.part("train")


# Slices, packing, made ones


def test_slices_cover_the_picture_at_its_own_scale() -> None:
    from training.data import Tile

    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (1000, 700, 3)).astype(np.uint8)
    label = np.zeros((1000, 700), np.uint8)
    label[:300] = 2
    cut = sliced([Tile("t", "g", image, label)])
    assert {w.label.shape for w in cut} == {(512, 512)}
    seen = np.zeros(label.shape, bool)
    for window in cut:
        row, col = map(int, window.name.split("@")[1].split(","))
        assert np.array_equal(window.image, image[row : row + 512, col : col + 512])
        seen[row : row + 512, col : col + 512] = True
    assert seen.all()
    even = balanced(cut, np.random.default_rng(0))
    assert sum(bool(w.label.any()) for w in even) * 2 >= len(even)


def test_a_pack_reads_like_its_folder_and_equal_input_gives_an_equal_file(tmp_path: Path) -> None:
    data = make(tmp_path / "d", ["a", "b", "c"])
    split_dataset(data, SplitSettings())
    told = pack_dataset(data, tmp_path / "one.zip")
    pack_dataset(data, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert told["pictures"] == 3
    packed, folder = open_dataset(tmp_path / "one.zip"), open_dataset(data)
    assert packed.records == folder.records
    for record in folder.records:
        one, two = packed.tile(record), folder.tile(record)
        assert np.array_equal(one.label, two.label)
        assert np.abs(one.image.astype(int) - two.image).mean() < 6
    with pytest.raises(ParameterError, match="no packed dataset"):
        open_dataset(data / "manifest.csv")


def test_synthetic_datasets_repeat_and_do_not_overwrite(tmp_path: Path) -> None:
    for name, kind in (("a", "plain"), ("b", "plain"), ("c", "pale")):
        synthetic_dataset(tmp_path / name, 3, 5, size_px=64, kind=kind)
    tiles = {
        n: [open_dataset(tmp_path / n).tile(r) for r in open_dataset(tmp_path / n).records] for n in "abc"
    }
    assert all(np.array_equal(x.image, y.image) for x, y in zip(tiles["a"], tiles["b"], strict=True))
    assert not np.array_equal(tiles["a"][0].image, tiles["c"][0].image)
    with pytest.raises(ParameterError, match="a dataset is there already"):
        synthetic_dataset(tmp_path / "a", 3, 5, size_px=64)
    with pytest.raises(ParameterError, match="cannot make 0 samples"):
        synthetic_dataset(tmp_path / "d", 0, 5)


def test_the_papers_augmentation_leaks_and_says_so(tmp_path: Path) -> None:
    data = make(tmp_path / "d", ["a", "b", "c", "d"])
    split_dataset(data, SplitSettings(shares=(0.7, 0.0, 0.3)))
    leaky = paper_dataset(data, tmp_path / "leaky", 60, 1)
    assert "remembers" in leaky["warning"]
    assert leaky["split"]["test"] == pytest.approx(6, abs=5)
    opened = open_dataset(tmp_path / "leaky")
    assert opened.leaky
    by_split = {s: {r.group for r in opened.part(s)} for s in ("train", "test")}
    assert by_split["test"] <= by_split["train"]
    honest = paper_dataset(data, tmp_path / "honest", 60, 1, split_first=True)
    assert honest["warning"] is None
    clean = open_dataset(tmp_path / "honest")
    assert not {r.group for r in clean.part("train")} & {r.group for r in clean.part("test")}


def test_the_shipped_recipes_data_pack_into_30_megabytes(tmp_path: Path, shared_data: Path) -> None:
    """Every twelfth picture stands for all; the whole pack is measured in docs/training.md."""
    oil = shared_data / "craquelure_oil"
    pictures = list(mask_pictures(oil / "images", oil / "labels", annotated=("craquelure",)))[::12]
    add_pictures(tmp_path / "d", pictures)
    told = pack_dataset(tmp_path / "d", tmp_path / "d.zip")
    assert told["bytes"] / len(pictures) * 1167 < 20e6
