"""Reading a dataset, from a folder or a packed file, and adding to one."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from segmentation_core.dataset_tables import MANIFEST, SPLITS
from segmentation_core.errors import ParameterError
from segmentation_core.vocabulary import load_vocabulary
from training.data import Tile
from training.synthetic.samples import IGNORE, Image8, Ingredients

__all__ = [
    "LEAKY",
    "Dataset",
    "Record",
    "add_pictures",
    "checked_label",
    "decoded",
    "open_dataset",
    "write_table",
]

LEAKY = "leaky.txt"
"""A dataset that holds this file is split after its augmentation, on purpose, as the paper's was."""

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Record:
    """A picture of a dataset.

    Attributes
    ----------
    name : str
        Stem shared by picture and label.
    site, element : str
        Building and building element, empty where unknown.
    group : str
        What a split may not cut.
    annotated : tuple of str
        Codes of the classes that were looked for.
    split : str
        One of `SPLITS`, or empty before the split.
    gsd_mm : float or None
        Ground sampling distance, mm per pixel.
    """

    name: str
    site: str
    element: str
    group: str
    annotated: tuple[str, ...]
    split: str = ""
    gsd_mm: float | None = None


@dataclass(frozen=True)
class Dataset:
    """An opened dataset; pictures are read when they are asked for."""

    path: Path
    records: tuple[Record, ...]
    leaky: bool
    _files: Mapping[str, str] = field(repr=False)

    def read_bytes(self, name: str) -> bytes:
        """Return a file of the dataset by its path inside it."""
        if self.path.is_dir():
            return (self.path / name).read_bytes()
        with zipfile.ZipFile(self.path) as pack:
            return pack.read(name)

    def tile(self, record: Record) -> Tile:
        """Read a picture with its label.

        Raises
        ------
        ParameterError
            One is missing or cannot be read, their sizes differ, or the label has values nobody knows.
        """
        image = self._decoded("images", record, "RGB")
        label = checked_label(self._decoded("labels", record, "L"), self.path / "labels" / record.name)
        if image.shape[:2] != label.shape:
            raise ParameterError(
                f"picture and label of {record.name} differ in size "
                f"({image.shape[1]} x {image.shape[0]} and {label.shape[1]} x {label.shape[0]} px)",
                path=self.path,
                remedy="Import the picture again",
            )
        return Tile(record.name, record.group, image, label, record.annotated)

    def _decoded(self, folder: str, record: Record, mode: str) -> NDArray[np.uint8]:
        name = self._files.get(f"{folder}/{record.name}")
        if name is None:
            kind = "picture" if folder == "images" else "label"
            raise ParameterError(
                f"{record.name} has no {kind}", path=self.path / folder, remedy="Import the picture again"
            )
        return decoded(self.read_bytes(name), self.path / name, mode)

    def part(self, split: str) -> tuple[Record, ...]:
        """Return the records of a split.

        Raises
        ------
        ParameterError
            The dataset is not split yet, or the split is empty.
        """
        if split not in SPLITS:
            raise ParameterError(f"no split is called {split!r}", remedy=f"Use one of {', '.join(SPLITS)}")
        if not any(record.split for record in self.records):
            raise ParameterError(
                "the dataset is not split yet", path=self.path, remedy="Run 'craquelure dataset split' on it"
            )
        found = tuple(record for record in self.records if record.split == split)
        if not found:
            raise ParameterError(
                f"the split {split!r} is empty",
                path=self.path,
                remedy="Annotate pictures of more groups, then run 'craquelure dataset split' again",
            )
        return found

    def tiles(self, split: str) -> tuple[Tile, ...]:
        """Read all pictures of a split."""
        return tuple(self.tile(record) for record in self.part(split))

    @property
    def ingredients(self) -> Ingredients:
        """The paintings and overlays that lie inside, for the generator of synthetic samples."""
        names = sorted(self._files.values())
        paintings = [n for n in names if n.startswith("paintings/")]
        overlays = [n for n in names if n.startswith("overlays/")]
        return Ingredients(
            tuple(decoded(self.read_bytes(n), self.path / n, "RGB").astype(np.float32) for n in paintings),
            tuple(decoded(self.read_bytes(n), self.path / n, "RGBA") for n in overlays),
        )

    @property
    def fingerprint(self) -> str:
        """Checksum of manifest, split, pictures' names and sizes: two runs on equal data have equal ones."""
        told = hashlib.sha256()
        for record in self.records:
            sizes = [
                len(self.read_bytes(self._files[f"{folder}/{record.name}"]))
                for folder in ("images", "labels")
            ]
            told.update(f"{record}{sizes}".encode())
        return told.hexdigest()


def decoded(data: bytes, path: Path, mode: str) -> NDArray[np.uint8]:
    """Decode a picture as it is stored.

    Raises
    ------
    ParameterError
        It is damaged or no picture.
    """
    try:
        return np.asarray(Image.open(io.BytesIO(data)).convert(mode))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as exc:
        raise ParameterError("the picture cannot be read", path=path, remedy="Replace the file") from exc


def checked_label(label: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    """Return a label (H, W), refusing values outside the vocabulary."""
    vocabulary = load_vocabulary()
    known = [vocabulary.background_value, *(c.value for c in vocabulary.classes), IGNORE]
    strange = sorted(set(np.unique(label).tolist()) - set(known))
    if strange:
        raise ParameterError(
            f"the label has values nobody knows: {', '.join(map(str, strange[:8]))}",
            path=path,
            remedy=f"Known values are {', '.join(map(str, known))}",
        )
    return label


def open_dataset(path: str | Path) -> Dataset:
    """Open a dataset.

    Parameters
    ----------
    path : str or Path
        A folder, or a file of `training.dataset.pack`.

    Raises
    ------
    ParameterError
        It is no dataset, a picture has no label or the reverse, or a group is in two splits.
    """
    path = Path(path)
    names = _names(path)
    if "manifest.csv" not in names:
        raise ParameterError(
            "there is no dataset here (no manifest.csv)",
            path=path,
            remedy="Make one with 'craquelure dataset import-labelme' or 'import-masks'",
        )
    stems = {str(Path(n).with_suffix("")).replace(os.sep, "/"): n for n in names}
    dataset = Dataset(path, (), LEAKY in names, stems)
    split = {}
    if "split.csv" in names:
        split = {row["image"]: row for row in _table(dataset, "split.csv", ("image", "split"))}
    rows = _table(dataset, "manifest.csv", ("name",))
    records = tuple(_record(row, split.get(row["name"], {})) for row in rows)
    _check(path, records, stems, leaky=dataset.leaky)
    return Dataset(path, records, dataset.leaky, stems)


def _names(path: Path) -> list[str]:
    if path.is_dir():
        return [p.relative_to(path).as_posix() for p in sorted(path.rglob("*")) if p.is_file()]
    if not path.is_file():
        raise ParameterError("there is no such dataset", path=path)
    try:
        with zipfile.ZipFile(path) as pack:
            return sorted(pack.namelist())
    except zipfile.BadZipFile as exc:
        raise ParameterError("the file is no packed dataset", path=path) from exc


def _table(dataset: Dataset, name: str, needed: Sequence[str]) -> list[dict[str, str]]:
    text = dataset.read_bytes(name).decode("utf-8-sig")
    reader = csv.DictReader(io.StringIO(text))
    missing = [column for column in needed if column not in (reader.fieldnames or ())]
    if missing:
        raise ParameterError(f"{name} lacks the column {', '.join(missing)}", path=dataset.path)
    return list(reader)


def _record(row: Mapping[str, str], split: Mapping[str, str]) -> Record:
    codes = load_vocabulary().codes
    annotated = tuple(row["annotated"].split()) if row.get("annotated") else codes
    gsd = row.get("gsd_mm") or None
    return Record(
        row["name"],
        row.get("site") or "",
        row.get("element") or "",
        # What the split kept together may be wider (a site) or narrower than the manifest's groups.
        split.get("group") or row.get("group") or row["name"],
        annotated,
        split.get("split") or "",
        None if gsd is None else float(gsd),
    )


def _check(path: Path, records: Sequence[Record], stems: Mapping[str, str], *, leaky: bool) -> None:
    listed = {record.name for record in records}
    for folder, kind, other in (("images", "picture", "label"), ("labels", "label", "picture")):
        there = {stem.split("/", 1)[1] for stem in stems if stem.startswith(f"{folder}/")}
        lone = sorted(listed - there)
        if lone:
            raise ParameterError(
                f"{len(lone)} of {len(listed)} entries have a {other} but no {kind}, such as {lone[0]}",
                path=path,
                remedy=f"Add the missing {kind}s, or take the lines out of manifest.csv",
            )
    strange = sorted({record.split for record in records} - {"", *SPLITS})
    if strange:
        raise ParameterError(f"split.csv names a split nobody knows: {strange[0]}", path=path)
    where: dict[str, str] = {}
    for record in records:
        first = where.setdefault(record.group, record.split)
        if first != record.split and not leaky:
            raise ParameterError(
                f"the group {record.group!r} is in two splits: {first or None} and {record.split or None}",
                path=path,
                remedy="Run 'craquelure dataset split' again: figures from such a split are worthless",
            )


@dataclass(frozen=True)
class Picture:
    """A picture to add: its record, pixels (H, W, 3) and label (H, W); ``source`` says where it is from."""

    record: Record
    image: Image8
    label: Image8
    source: str
    stored: tuple[bytes, str] | None = None
    """The file as it came and its suffix, kept as it is where the pixels need no turning."""


def add_pictures(out: Path, pictures: Iterable[Picture]) -> list[Record]:
    """Add pictures to a dataset folder, made if it is not there; an entry of the same name is replaced.

    The manifest is written last: an interrupted import leaves the dataset as it was, but for spare files.
    An old split no longer covers the dataset and is removed.
    """
    rows: dict[str, dict[str, str]] = {}
    if (out / "manifest.csv").is_file():
        with (out / "manifest.csv").open(encoding="utf-8", newline="") as handle:
            rows = {row["name"]: row for row in csv.DictReader(handle)}
    for folder in ("images", "labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    added = []
    for picture in pictures:
        record = picture.record
        for stale in (out / "images").glob(f"{record.name}.*"):
            if stale.stem == record.name:
                stale.unlink()
        if picture.stored is not None and picture.stored[1].lower() in _PICTURES:
            (out / "images" / f"{record.name}{picture.stored[1].lower()}").write_bytes(picture.stored[0])
        else:
            Image.fromarray(picture.image).save(out / "images" / f"{record.name}.png")
        Image.fromarray(picture.label).save(out / "labels" / f"{record.name}.png")
        rows[record.name] = {
            "name": record.name,
            "site": record.site,
            "element": record.element,
            "group": record.group,
            "gsd_mm": "" if record.gsd_mm is None else f"{record.gsd_mm:g}",
            "annotated": " ".join(record.annotated),
            "origin": picture.source,
        }
        added.append(record)
    write_table(out / "manifest.csv", MANIFEST, list(rows.values()))
    (out / "split.csv").unlink(missing_ok=True)
    return added


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV as a whole or not at all."""
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(partial, path)
