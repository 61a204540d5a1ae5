"""Pictures with ready label images of the same stem, as a dataset."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from segmentation_core.errors import ParameterError
from segmentation_core.vocabulary import load_vocabulary
from training.dataset.folder import Picture, Record, checked_label, decoded

__all__ = ["mask_pictures"]

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"})
_HALF = 127


def mask_pictures(
    images: Path,
    masks: Path,
    *,
    white_is: str | None = None,
    annotated: tuple[str, ...] | None = None,
    gsd_mm: float | None = None,
) -> Iterator[Picture]:
    """Pair pictures and masks by their stems.

    Parameters
    ----------
    images, masks : Path
        Folders. A ``manifest.csv`` beside or inside the masks' folder gives site, element and group by
        ``name``.
    white_is : str or None
        Masks are black and white, and white is this class; otherwise they hold the vocabulary's values.
    annotated : tuple of str or None
        Codes of the classes that were looked for; all if None.
    gsd_mm : float or None
        Ground sampling distance.

    Raises
    ------
    ParameterError
        A picture without mask or the reverse, sizes that differ, values or classes nobody knows.
    """
    pictures, labels = _by_stem(images), _by_stem(masks)
    for here, there, kind, other in (
        (pictures, labels, "picture", "mask"),
        (labels, pictures, "mask", "picture"),
    ):
        lone = sorted(here.keys() - there.keys())
        if lone:
            raise ParameterError(
                f"{len(lone)} {kind}s have no {other}, such as {here[lone[0]].name}",
                path=images if kind == "picture" else masks,
                remedy=f"Add the {other}s, or move the {kind}s elsewhere",
            )
    codes = load_vocabulary().codes
    for code in [*(annotated or ()), *([white_is] if white_is else [])]:
        if code not in codes:
            raise ParameterError(f"no class is called {code!r}", remedy=f"Use one of {', '.join(codes)}")
    known = _manifest(masks)
    for stem in sorted(pictures):
        row = known.get(stem, {})
        record = Record(
            stem,
            row.get("site") or "",
            row.get("element") or "",
            row.get("group") or stem,
            annotated or codes,
            gsd_mm=gsd_mm,
        )
        yield _picture(record, pictures[stem], labels[stem], white_is)


def _picture(record: Record, picture: Path, mask: Path, white_is: str | None) -> Picture:
    raw = picture.read_bytes()
    image = decoded(raw, picture, "RGB")
    label = decoded(mask.read_bytes(), mask, "L")
    if white_is is not None:
        vocabulary = load_vocabulary()
        value = vocabulary.classes[vocabulary.codes.index(white_is)].value
        label = np.where(label > _HALF, value, vocabulary.background_value).astype(np.uint8)
    checked_label(label, mask)
    if image.shape[:2] != label.shape:
        raise ParameterError(
            f"picture and mask differ in size ({image.shape[1]} x {image.shape[0]} and "
            f"{label.shape[1]} x {label.shape[0]} px)",
            path=mask,
            remedy="Make the mask from this picture, at its full size",
        )
    return Picture(record, image, label, picture.name, (raw, picture.suffix))


def _by_stem(folder: Path) -> dict[str, Path]:
    found = sorted(p for p in folder.glob("*") if p.suffix.lower() in _SUFFIXES) if folder.is_dir() else []
    if not found:
        raise ParameterError("there are no pictures here", path=folder, remedy="Name the folder they are in")
    stems: dict[str, Path] = {}
    for path in found:
        if path.stem in stems:
            raise ParameterError(f"two files are called {path.stem}", path=folder, remedy="Rename one")
        stems[path.stem] = path
    return stems


def _manifest(masks: Path) -> dict[str, Mapping[str, str]]:
    for path in (masks / "manifest.csv", masks.parent / "manifest.csv"):
        if path.is_file():
            with path.open(encoding="utf-8-sig", newline="") as handle:
                return {row["name"]: row for row in csv.DictReader(handle) if row.get("name")}
    return {}
